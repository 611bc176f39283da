"""Proxy integrations with functions, end to end: event in, answer out, and what can go wrong between."""

from __future__ import annotations

import base64
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel

from tests.conftest import wait_for
from tests.gateway.rest.gateway import RestApi, RestGateway, invocation_uri, message

RETURN = """
import json
def handler(event, context):
    return json.loads(event["body"])
"""
SLOW = """
import time
def handler(event, context):
    print("began")
    time.sleep(1.5)
    print("ended all the same")
    return {"statusCode": 200, "body": "late"}
"""
INTERNAL = (502, "Internal server error")


@pytest.fixture(scope="module")
def returning(gateway: RestGateway) -> RestApi:
    """An API whose function answers with the request's body."""
    return gateway.rest_echo(source=RETURN)


def test_function_gets_the_request_and_its_answer_is_the_client_s(gateway: RestGateway) -> None:
    """Status, headers and body; the gateway adds its own ids."""
    api = gateway.rest_echo("/pets/{id}")
    answer = api.ask("/pets/a%2Fb?x=1&x=2", "PUT", {"X-Mine": "1"}, b"body")
    event = answer.json
    APIGatewayProxyEventModel.model_validate(event)
    assert (event["path"], event["resource"], event["httpMethod"]) == ("/pets/a%2Fb", "/pets/{id}", "PUT")
    assert event["pathParameters"] == {"id": "a%2Fb"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert (event["headers"]["X-Mine"], event["body"]) == ("1", "body")
    context = event["requestContext"]
    assert (context["stage"], context["path"]) == ("prod", "/prod/pets/a%2Fb")
    assert answer.headers["x-amzn-requestid"] == context["requestId"]
    assert answer.headers["x-amz-apigw-id"] == context["extendedRequestId"]
    root, parent, sampled = answer.headers["x-amzn-trace-id"].split(";")
    assert root == event["headers"]["X-Amzn-Trace-Id"]
    assert re.fullmatch("Parent=[0-9a-f]{16}", parent) and sampled == "Sampled=0"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (b'{"statusCode": 418, "headers": {"Content-Type": "text/x"}, "body": "tea"}', 418, b"tea"),
        (b"{}", 200, b""),
        (b'{"statusCode": "201", "body": true}', 201, b"true"),
    ],
)
def test_answers_of_functions(returning: RestApi, body: bytes, status: int, expected: bytes) -> None:
    """A few of many: the rules are in `test_proxy_answer`."""
    answer = returning.ask("/x", "POST", body=body)
    assert (answer.status, answer.body) == (status, expected)


@pytest.mark.parametrize(
    "body", [b'{"status": 200}', b'"text"', b"[]", b'{"headers": {"a": "b\\nc"}}', b"no JSON"]
)
def test_malformed_answers_and_failing_functions_are_502(returning: RestApi, body: bytes) -> None:
    """The client learns nothing of it."""
    assert message(returning.ask("/x", "POST", body=body)) == INTERNAL


def test_headers_of_answers(returning: RestApi) -> None:
    """Several of one name are sent; those that are the gateway's own come renamed."""
    answer = returning.ask(
        "/x",
        "POST",
        body=b'{"multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "headers": {"Server": "mine", "Date": "today"}}',
    )
    assert [value for name, value in answer.pairs if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert answer.headers["x-amzn-remapped-server"] == "mine"
    assert answer.headers["x-amzn-remapped-date"] == "today"


def test_binary_answers_are_for_clients_that_accept_them_first(gateway: RestGateway) -> None:
    """AWS looks at the first type of Accept only; others get Base64."""
    api = gateway.rest_echo(source=RETURN, binaryMediaTypes=["image/png"])
    body = b'{"isBase64Encoded": true, "headers": {"Content-Type": "image/png"}, "body": "AP8="}'
    accepts = {
        "image/png": b"\x00\xff",
        "image/png, */*": b"\x00\xff",
        "*/*, image/png": b"AP8=",
        "text/html": b"AP8=",
    }
    for accept, expected in accepts.items():
        answer = api.ask("/x", "POST", {"Accept": accept, "Content-Type": "application/json"}, body)
        assert answer.body == expected, accept


@pytest.mark.parametrize(
    ("accept", "is_binary"),
    [
        ("application/x", True),
        ("application/*", True),
        ("application", False),
        ("*/png", False),
        ("image/png", False),
        ("*/*", False),
    ],
)
def test_stars_of_binary_media_types_are_on_the_right(
    gateway: RestGateway, accept: str, is_binary: bool
) -> None:
    """As recorded; what type the function names does not matter."""
    api = gateway.rest_echo(source=RETURN, binaryMediaTypes=["application/*", "*/png"])
    body = b'{"isBase64Encoded": true, "body": "AP8="}'
    answer = api.ask("/x", "POST", {"Accept": accept, "Content-Type": "text/plain"}, body)
    assert answer.body == (b"\x00\xff" if is_binary else b"AP8=")


def test_body_that_is_no_base64_is_500(gateway: RestGateway) -> None:
    """Though isBase64Encoded says so, for a client that wants it binary."""
    reply = {"statusCode": 200, "isBase64Encoded": True, "body": "%%"}
    api = gateway.rest_api(binaryMediaTypes=["image/png"])
    api.proxy("/x", gateway.returning(reply))
    api.deploy()
    assert message(api.ask("/x", headers={"Accept": "image/png"})) == (500, "Internal server error")
    assert api.ask("/x", headers={"Accept": "text/html"}).body == b"%%"


def test_binary_request_is_base64_for_the_function(gateway: RestGateway) -> None:
    """Its Content-Type is one of the API's binary media types."""
    api = gateway.rest_echo(binaryMediaTypes=["application/octet-stream"])
    event = api.ask("/x", "POST", {"Content-Type": "application/octet-stream"}, b"\x00\xff").json
    assert (event["isBase64Encoded"], base64.b64decode(event["body"])) == (True, b"\x00\xff")


def test_function_that_does_not_answer_in_time_runs_on(gateway: RestGateway) -> None:
    """The client gets 504 after the integration's timeout."""
    api = gateway.rest_api()
    arn = gateway.function(SLOW, Timeout=10)
    api.proxy("/", arn, timeoutInMillis=300)
    api.deploy()
    api.ask()  # The cold start.
    began = time.monotonic()
    answer = api.ask()
    assert message(answer) == (504, "Endpoint request timed out")
    assert 0.28 < time.monotonic() - began < 1.4
    assert answer.headers["x-amzn-errortype"] == "InternalServerErrorException"
    logs, name = gateway.cloud.client("logs"), arn.rpartition(":")[2]

    def lines(pattern: str) -> list[str]:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=f'"{pattern}"')[
            "events"
        ]
        return [each["message"] for each in found] if len(found) >= 2 else []

    wait_for(lambda: lines("ended all the same"), "both calls to end")
    billed = [
        int(line.partition("Billed Duration: ")[2].split()[0]) for line in wait_for(lambda: lines("REPORT"))
    ]
    assert min(billed) > 300, "billed for all of its time, not for the client's"


def test_slow_request_delays_no_other(gateway: RestGateway) -> None:
    """Each has an environment of its own."""
    source = (
        "import time\ndef handler(event, context):\n"
        "    time.sleep(float(event['queryStringParameters']['s']))\n    return {'body': 'done'}\n"
    )
    api = gateway.rest_api()
    api.proxy("/", gateway.function(source, Timeout=20))
    api.deploy()
    api.ask("/?s=0")
    with ThreadPoolExecutor(4) as pool:
        started = time.monotonic()
        slow = [pool.submit(api.ask, "/?s=1") for _ in range(4)]
        assert api.ask("/?s=0").body == b"done" and time.monotonic() - started < 1
        assert [each.result().body for each in slow] == [b"done"] * 4
        assert time.monotonic() - started < 3


def test_function_that_may_not_be_called_is_500_and_the_log_says_why(gateway: RestGateway) -> None:
    """The function's resource policy lacks the API; with a permission for another API it is the same."""
    api = gateway.rest_api()
    arn = gateway.function(allow=False)
    api.proxy("/x", arn)
    api.deploy()
    api.set_stage(ALL__logging__loglevel="ERROR")
    gateway.allow(arn, SourceArn="arn:aws:execute-api:us-east-1:123456789012:other/*/*/*")
    assert message(api.ask("/x")) == (500, "Internal server error")
    log = api.log("Invalid permissions on Lambda function")
    assert arn in log and "Method completed" not in log
    gateway.allow(arn, SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/*/GET/x")
    assert api.ask("/x").status == 200


def test_function_that_does_not_exist_is_500(gateway: RestGateway) -> None:
    """As one that may not be called."""
    api = gateway.rest_api()
    api.proxy("/", "arn:aws:lambda:us-east-1:123456789012:function:nothing")
    api.deploy()
    assert message(api.ask()) == (500, "Internal server error")


def test_stage_variables_choose_the_function(gateway: RestGateway) -> None:
    """`${stageVariables.f}` in the integration's URI; one that is not set finds nothing."""
    api = gateway.rest_api()
    one, two = gateway.returning({"body": "one"}), gateway.returning({"body": "two"})
    prefix = one.rpartition(":")[0]
    api.method("/")
    api.integrate(
        "/",
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=invocation_uri(prefix + ":${stageVariables.f}"),
    )
    api.deploy(variables={"f": one.rpartition(":")[2]})
    assert api.ask().body == b"one"
    api.set_stage(variables__f=two.rpartition(":")[2])
    assert api.ask().body == b"two"
    api.patch_stage({"op": "remove", "path": "/variables/f"})
    assert message(api.ask()) == (500, "Internal server error")


def test_integration_with_a_wrong_http_method_is_500(gateway: RestGateway) -> None:
    """Functions are invoked by POST (recorded from AWS)."""
    api = gateway.rest_api()
    api.method("/")
    api.integrate("/", type="AWS_PROXY", integrationHttpMethod="GET", uri=invocation_uri(gateway.function()))
    api.deploy()
    assert message(api.ask()) == (500, "Internal server error")


def test_function_that_is_throttled_is_500(gateway: RestGateway) -> None:
    """Its reserved concurrency is 0."""
    api = gateway.rest_api()
    arn = gateway.function()
    gateway.functions.put_function_concurrency(FunctionName=arn, ReservedConcurrentExecutions=0)
    api.proxy("/", arn)
    api.deploy()
    assert message(api.ask()) == (500, "Internal server error")


def test_journal_and_metrics_know_the_request(gateway: RestGateway) -> None:
    """One entry for each, with AWS's ids; five metrics of the API and of the stage."""
    api = gateway.rest_echo("/x")
    answer = api.ask("/x")
    entries: list[dict[str, Any]] = wait_for(
        lambda: [e for e in gateway.cloud.journal(kind="gateway.request") if f":{api.id}/" in e["resource"]]
    )
    assert entries[0]["request_id"] == answer.headers["x-amzn-requestid"]
    assert (entries[0]["detail"]["route"], entries[0]["detail"]["status"]) == ("GET /x", 200)
    name = api.client.get_rest_api(restApiId=api.id)["name"]
    watch = gateway.cloud.client("cloudwatch")

    def names() -> set[str]:
        found = watch.list_metrics(
            Namespace="AWS/ApiGateway",
            Dimensions=[{"Name": "ApiName", "Value": name}, {"Name": "Stage", "Value": "prod"}],
        )
        return {each["MetricName"] for each in found["Metrics"]}

    expected = {"Count", "Latency", "IntegrationLatency", "4XXError", "5XXError"}
    wait_for(lambda: names() >= expected, "the metrics")
