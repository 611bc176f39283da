"""What a REST API writes down: execution logs, access logs, and the log of a test invocation."""

from __future__ import annotations

import json
import re

from tests.conftest import wait_for
from tests.gateway.rest.gateway import RestApi, RestGateway

FORMAT = json.dumps(
    {
        "id": "$context.requestId",
        "path": "$context.path",
        "resource": "$context.resourcePath",
        "status": "$context.status",
        "length": "$context.responseLength",
        "error": "$context.error.responseType",
        "integration": "$context.integrationStatus",
        "nothing": "$context.nothing",
    }
)


def steps(log: str) -> list[str]:
    """The lines of an execution log without ids, times and values."""
    lines = [
        line.partition(") ")[2] if line.startswith("(") else line.partition(" : ")[2]
        for line in log.splitlines()
    ]
    return [line.partition(":")[0] for line in lines if line]


def api_with_function(gateway: RestGateway) -> RestApi:
    """A proxied function at `/pets/{id}`."""
    api = gateway.rest_api()
    api.proxy(
        "/pets/{id}", gateway.returning({"statusCode": 201, "headers": {"X-A": "1"}, "body": "made"}), "POST"
    )
    return api


def test_execution_log_has_every_step(gateway: RestGateway) -> None:
    """With level INFO and data trace, under the stage's group; each line begins with the request's id."""
    api = api_with_function(gateway)
    api.deploy()
    api.set_stage(ALL__logging__loglevel="INFO", ALL__logging__dataTrace="true")
    answer = api.ask("/pets/7?q=1", "POST", body=b"the body")
    log = api.log("Method completed with status: 201")
    assert all(line.startswith(f"({answer.headers['x-amzn-requestid']}) ") for line in log.splitlines())
    assert steps(log) == [
        "Starting execution for request",
        "HTTP Method",
        "Method request path",
        "Method request query string",
        "Method request headers",
        "Method request body before transformations",
        "Endpoint request URI",
        "Endpoint request body after transformations",
        "Sending request to https",
        "Received response. Status",
        "Endpoint response body before transformations",
        "Method response body after transformations",
        "Method response headers",
        "Successfully completed execution",
        "Method completed with status",
    ]
    assert "Method request path: {id=7}" in log and "the body" in log and "made" in log


def test_level_and_trace_say_how_much_is_logged(gateway: RestGateway) -> None:
    """INFO alone has no bodies; ERROR has failures only; OFF has nothing."""
    api = api_with_function(gateway)
    api.deploy()
    api.set_stage(ALL__logging__loglevel="INFO")
    api.ask("/pets/7", "POST", body=b"the body")
    assert "the body" not in api.log("Successfully completed execution")
    logs = gateway.cloud.client("logs")
    for stage, level in (("errors", "ERROR"), ("off", "OFF")):
        api.deploy(stage)
        api.set_stage(ALL__logging__loglevel=level)
        api.ask("/pets/7", "POST")
    api.stage = "prod"
    api.ask("/pets/8", "POST")
    wait_for(
        lambda: "id=8" in api.log("Method completed") or len(api.log("Method completed").splitlines()) > 8
    )
    groups = logs.describe_log_groups(logGroupNamePrefix=f"API-Gateway-Execution-Logs_{api.id}")["logGroups"]
    assert [each["logGroupName"].rpartition("/")[2] for each in groups] == ["prod"]


def test_method_has_a_level_of_its_own(gateway: RestGateway) -> None:
    """It comes before that for all methods, whichever was set first."""
    api = gateway.rest_api()
    for path in ("/loud", "/quiet"):
        api.mock(path)
    api.deploy()
    api.patch_stage({"op": "replace", "path": "/~1quiet/GET/logging/loglevel", "value": "OFF"})
    api.set_stage(ALL__logging__loglevel="INFO")
    api.ask("/quiet")
    api.ask("/loud")
    log = api.log("Method completed")
    assert "Resource Path: /loud" in log and "/quiet" not in log


def test_method_may_have_metrics_of_its_own(gateway: RestGateway) -> None:
    """Only where they are asked for."""
    api = gateway.rest_api()
    for path in ("/counted", "/other"):
        api.mock(path)
    api.deploy()
    api.patch_stage({"op": "replace", "path": "/~1counted/GET/metrics/enabled", "value": "true"})
    for path in ("/counted", "/other"):
        api.ask(path)
    name = api.client.get_rest_api(restApiId=api.id)["name"]
    watch, dimensions = gateway.cloud.client("cloudwatch"), [{"Name": "ApiName", "Value": name}]

    def resources() -> set[str]:
        found = watch.list_metrics(Namespace="AWS/ApiGateway", MetricName="Count", Dimensions=dimensions)
        pairs = [pair for each in found["Metrics"] for pair in each["Dimensions"]]
        return {pair["Value"] for pair in pairs if pair["Name"] == "Resource"}

    assert wait_for(resources, "metrics of a method") == {"/counted"}


def test_access_log_has_one_line_for_each_request(gateway: RestGateway) -> None:
    """In the stage's own format, also for what is refused; what has no value is `-`."""
    logs, group = gateway.cloud.client("logs"), "/access/rest"
    api = api_with_function(gateway)
    api.deploy()
    logs.create_log_group(logGroupName=f"{group}-{api.id}")
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}-{api.id}"
    api.set_stage(accessLogSettings__destinationArn=arn, accessLogSettings__format=FORMAT)
    ids = [api.ask(path, "POST").headers["x-amzn-requestid"] for path in ("/pets/7", "/nothing")]

    def lines() -> list[dict[str, str]]:
        events = logs.filter_log_events(logGroupName=f"{group}-{api.id}")["events"]
        return [json.loads(event["message"]) for event in events] if len(events) >= 2 else []

    found = {line["id"]: line for line in wait_for(lines, "two lines")}
    assert found[ids[0]] == {
        "id": ids[0],
        "path": "/prod/pets/7",
        "resource": "/pets/{id}",
        "status": "201",
        "length": "4",
        "error": "-",
        "integration": "200",
        "nothing": "-",
    }
    refused = found[ids[1]]
    assert (refused["status"], refused["error"]) == ("403", "MISSING_AUTHENTICATION_TOKEN")


def test_method_can_be_tested_without_a_deployment(gateway: RestGateway) -> None:
    """TestInvokeMethod: status, headers, body, and a log with everything."""
    api = api_with_function(gateway)
    found = api.test(
        "/pets/{id}", "POST", pathWithQueryString="/pets/7?q=1", body="the body", headers={"X-B": "2"}
    )
    assert (found["status"], found["body"], found["headers"]["X-A"]) == (201, "made", "1")
    assert found["multiValueHeaders"]["X-A"] == ["1"]
    first, second, *_ = found["log"].splitlines()
    assert re.fullmatch(r"Execution log for request [0-9a-f-]{36}", first)
    date = r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}"
    assert re.fullmatch(rf"{date} : Starting execution for request: [0-9a-f-]{{36}}", second)
    assert (
        "Method request path: {id=7}" in found["log"] and "Method completed with status: 201" in found["log"]
    )
    assert isinstance(found["latency"], int)
    halved = api.test(
        "/pets/{id}",
        "POST",
        pathWithQueryString="/pets/\ud800?q=\udfff",
        body="\ud800",
        headers={"X-B": "\ud800"},
    )
    assert halved["status"] == 201


def test_address_without_a_host_is_a_configuration_error(gateway: RestGateway) -> None:
    """As recorded: nothing is sent, and the log says so after the request."""
    api = gateway.rest_api()
    api.method("/")
    api.integrate("/", type="HTTP", integrationHttpMethod="GET", uri="http://${stageVariables.host}/x")
    api.responses("/")
    found = api.test("/")
    assert (found["status"], json.loads(found["body"])) == (500, {"message": "Internal server error"})
    assert found["headers"] == {"x-amzn-ErrorType": "InternalServerErrorException"}
    last = [line.partition(" : ")[2] for line in found["log"].splitlines()][-3:]
    assert last == [
        "Method request body before transformations: ",
        "Execution failed due to configuration error: Invalid endpoint address",
        "Method completed with status: 500",
    ]


def test_tested_method_asks_for_neither_key_nor_authorizer(gateway: RestGateway) -> None:
    """But its validator looks at the request, and its failures are in the log."""
    api = gateway.rest_api()
    validator = api.client.create_request_validator(
        restApiId=api.id, name="v", validateRequestParameters=True, validateRequestBody=False
    )["id"]
    api.mock(
        "/",
        template="$stageVariables.v",
        method_settings={
            "apiKeyRequired": True,
            "authorizationType": "AWS_IAM",
            "requestValidatorId": validator,
            "requestParameters": {"method.request.querystring.q": True},
        },
    )
    good = api.test("/", pathWithQueryString="/?q=1", stageVariables={"v": "from the test"})
    assert (good["status"], good["body"]) == (200, "from the test")
    bad = api.test("/")
    assert bad["status"] == 400
    assert json.loads(bad["body"]) == {"message": "Missing required request parameters: [q]"}
    assert "Request parameters are missing: [q]" in bad["log"]
