"""Integrations that are no proxies to functions, end to end: MOCK, HTTP, custom functions, other AWS services."""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import Any

import pytest

from tests.conftest import wait_for
from tests.gateway.http_api.gateway import Backend
from tests.gateway.rest.gateway import REGION, RestApi, RestGateway, invocation_uri, message

ROLE = "arn:aws:iam::123456789012:role/lab-gateway-role"
FAILING = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError(event["fail"])
    return {"got": event, "client": dict(context.client_context.custom) if context.client_context else None}
"""


# --- MOCK ---


def test_mock_answers_by_its_templates(gateway: RestGateway) -> None:
    """The request template's statusCode chooses the response, whose template makes the body."""
    api = gateway.rest_api()
    api.method("/")
    template = '{"statusCode": $input.params("code")}'
    api.integrate("/", type="MOCK", requestTemplates={"application/json": template})
    api.responses("/", status="200", selectionPattern="200", responseTemplates={"application/json": "fine"})
    api.responses(
        "/", status="404", selectionPattern="404", responseTemplates={"application/json": "nothing"}
    )
    api.deploy()
    assert [(a.status, a.body) for a in (api.ask("/?code=200"), api.ask("/?code=404"))] == [
        (200, b"fine"),
        (404, b"nothing"),
    ]


def test_mock_answers_preflight_requests(gateway: RestGateway) -> None:
    """CORS as the console sets it up: static headers on OPTIONS."""
    api = gateway.rest_api()
    headers = {"Origin": "'*'", "Methods": "'GET,OPTIONS'", "Headers": "'Content-Type'"}
    api.mock(
        "/",
        "OPTIONS",
        responseParameters={
            f"method.response.header.Access-Control-Allow-{n}": v for n, v in headers.items()
        },
    )
    api.deploy()
    answer = api.ask("/", "OPTIONS", {"Origin": "http://a", "Access-Control-Request-Method": "GET"})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET,OPTIONS"


def test_mock_without_a_fitting_status_is_500(gateway: RestGateway) -> None:
    """No response fits, or the template gives no statusCode."""
    api = gateway.rest_api()
    api.method("/")
    api.integrate("/", type="MOCK", requestTemplates={"application/json": "$input.params('t')"})
    api.responses("/", selectionPattern="200")
    api.deploy()
    for made in ("%7B%22statusCode%22:404%7D", "nothing", ""):
        assert message(api.ask(f"/?t={made}")) == (500, "Internal server error"), made
    assert api.ask("/?t=%7B%22statusCode%22:200%7D").status == 200
    assert api.ask("/?t=%7B%20statusCode:%20200%20%7D").status == 200


# --- HTTP ---


def test_http_integration_maps_requests_and_answers(gateway: RestGateway, backend: Backend) -> None:
    """Path, query, headers, body to the backend; status by pattern, headers and body back."""
    api = gateway.rest_api()
    api.method(
        "/pets/{id}",
        "POST",
        requestParameters={"method.request.path.id": True, "method.request.querystring.q": False},
    )
    api.integrate(
        "/pets/{id}",
        "POST",
        type="HTTP",
        integrationHttpMethod="PUT",
        uri=f"{backend.url}/things/{{thing}}",
        requestParameters={
            "integration.request.path.thing": "method.request.path.id",
            "integration.request.querystring.size": "method.request.querystring.q",
            "integration.request.header.X-Static": "'static'",
            "integration.request.header.X-Stage": "context.stage",
            "integration.request.header.Host": "'things.example.com'",
            "integration.request.header.Connection": "'close'",
        },
        requestTemplates={"application/json": '{"wrapped": $input.json("$.a")}'},
    )
    api.responses(
        "/pets/{id}",
        "POST",
        "201",
        selectionPattern="2..",
        responseParameters={
            "method.response.header.X-Was": "integration.response.header.X-Backend",
            "method.response.header.X-Method": "integration.response.body.method",
        },
        responseTemplates={"application/json": "$input.json('$')"},
    )
    api.deploy()
    answer = api.ask("/pets/7?q=a%20b", "POST", {"Content-Type": "application/json"}, b'{"a": [1, 2]}')
    assert answer.status == 201
    assert (answer.headers["x-was"], answer.headers["x-method"]) == ("1", "PUT")
    sent = answer.json
    assert (sent["method"], sent["target"], json.loads(sent["body"])) == (
        "PUT",
        "/things/7?size=a%20b",
        {"wrapped": [1, 2]},
    )
    headers = {name.lower(): value for name, value in sent["headers"]}
    assert (headers["x-static"], headers["x-stage"]) == ("static", "prod")
    assert [value for name, value in sent["headers"] if name.lower() == "host"] == ["things.example.com"]
    assert headers["user-agent"] == f"AmazonAPIGateway_{api.id}"
    assert "connection" not in headers, "mapped, and dropped all the same, as recorded"


def test_http_proxy_passes_everything_on(gateway: RestGateway, backend: Backend) -> None:
    """Path variables fill the URI, query and headers go along; the backend's answer is the client's."""
    api = gateway.rest_api()
    api.method("/{proxy+}", "ANY", requestParameters={"method.request.path.proxy": True})
    api.integrate(
        "/{proxy+}",
        "ANY",
        type="HTTP_PROXY",
        integrationHttpMethod="ANY",
        uri=f"{backend.url}/base/{{proxy}}",
        requestParameters={"integration.request.path.proxy": "method.request.path.proxy"},
    )
    api.deploy()
    answer = api.ask("/a/b?x=1&x=2", "PATCH", {"X-Mine": "1"}, b"body")
    sent = answer.json
    assert (sent["method"], sent["target"], sent["body"]) == ("PATCH", "/base/a/b?x=1&x=2", "body")
    assert ["X-Mine", "1"] in sent["headers"]
    assert answer.headers["x-backend"] == "1"
    assert api.ask("/teapot").status == 200  # /base/teapot is no special page of the backend.


def test_backend_answers_pass_whatever_they_are(gateway: RestGateway, backend: Backend) -> None:
    """Statuses, repeated headers, redirects."""
    api = gateway.rest_api()
    for path in ("/teapot", "/redirect"):
        api.method(path)
        api.integrate(path, type="HTTP_PROXY", integrationHttpMethod="GET", uri=backend.url + path)
    api.deploy()
    teapot, redirect = api.ask("/teapot"), api.ask("/redirect")
    assert (teapot.status, [v for n, v in teapot.pairs if n == "Set-Cookie"]) == (418, ["a=1", "b=2"])
    assert (redirect.status, redirect.headers["location"]) == (302, "/elsewhere")


@pytest.mark.parametrize(
    ("uri", "status", "text"),
    [
        ("http://127.0.0.1:1/x", 504, "Network error communicating with endpoint"),
        ("http://nothing.invalid/x", 500, "Internal server error"),
        ("http://${stageVariables.host}/x", 500, "Internal server error"),
    ],
)
def test_backend_that_cannot_be_reached(gateway: RestGateway, uri: str, status: int, text: str) -> None:
    """504 when nobody listens, 500 when there is no such address (recorded from AWS)."""
    api = gateway.rest_api()
    api.method("/")
    api.integrate("/", type="HTTP_PROXY", integrationHttpMethod="GET", uri=uri)
    api.deploy()
    assert message(api.ask()) == (status, text)


def test_slow_backend_is_504(gateway: RestGateway, backend: Backend) -> None:
    """After the integration's timeout."""
    api = gateway.rest_api()
    api.method("/")
    api.integrate(
        "/", type="HTTP", integrationHttpMethod="GET", uri=f"{backend.url}/slow", timeoutInMillis=100
    )
    api.deploy()
    assert message(api.ask()) == (504, "Endpoint request timed out")


# --- Functions with templates ---


@pytest.fixture
def custom(gateway: RestGateway) -> RestApi:
    """A custom integration with a function that answers with its event, or fails as told; not deployed yet."""
    api = gateway.rest_api()
    api.method("/", "POST")
    api.integrate(
        "/",
        "POST",
        type="AWS",
        integrationHttpMethod="POST",
        uri=invocation_uri(gateway.function(FAILING)),
        requestTemplates={
            "application/json": '{"fail": $input.json("$.fail"), "who": "$context.identity.sourceIp"}'
        },
        passthroughBehavior="WHEN_NO_MATCH",
    )
    return api


def test_custom_integration_transforms_event_and_answer(custom: RestApi) -> None:
    """Its own templates make both."""
    custom.responses(
        "/", "POST", responseTemplates={"application/json": '{"seen": $input.json("$.got.who")}'}
    )
    custom.deploy()
    answer = custom.ask("/", "POST", body=b'{"fail": ""}')
    assert (answer.status, answer.json) == (200, {"seen": "127.0.0.1"})


def test_error_message_of_the_function_chooses_the_response(custom: RestApi) -> None:
    """selectionPattern fits all of errorMessage; none that fits means the default response."""
    custom.responses("/", "POST")
    custom.responses(
        "/",
        "POST",
        "404",
        selectionPattern=".*not found.*",
        responseTemplates={"application/json": '{"message": $input.json("$.errorMessage")}'},
    )
    custom.deploy()
    found = custom.ask("/", "POST", body=b'{"fail": "pet not found, sorry"}')
    assert (found.status, found.json) == (404, {"message": "pet not found, sorry"})
    other = custom.ask("/", "POST", body=b'{"fail": "other"}')
    assert (other.status, other.json["errorType"]) == (200, "ValueError")


def test_response_overrides_of_templates(custom: RestApi) -> None:
    """`$context.responseOverride` sets status and headers."""
    template = (
        '#set($context.responseOverride.status = 299)#set($context.responseOverride.header.X-Over = "1")x'
    )
    custom.responses("/", "POST", responseTemplates={"application/json": template})
    custom.deploy()
    answer = custom.ask("/", "POST", body=b'{"fail": ""}')
    assert (answer.status, answer.headers["x-over"], answer.body) == (299, "1", b"x")


@pytest.mark.parametrize(
    ("behavior", "content_type", "status"),
    [
        ("WHEN_NO_MATCH", "text/plain", 200),
        ("WHEN_NO_TEMPLATES", "text/plain", 415),
        ("NEVER", "text/plain", 415),
        ("NEVER", "application/json", 200),
    ],
)
def test_passthrough_behavior(custom: RestApi, behavior: str, content_type: str, status: int) -> None:
    """What happens to a body that no template is for."""
    custom.client.update_integration(
        **custom.place("/", "POST"),
        patchOperations=[{"op": "replace", "path": "/passthroughBehavior", "value": behavior}],
    )
    custom.responses("/", "POST")
    custom.deploy()
    answer = custom.ask("/", "POST", {"Content-Type": content_type}, b'{"fail": "", "raw": true}')
    assert answer.status == status
    if status == 415:
        assert message(answer) == (415, "Unsupported Media Type")
    else:
        assert ("raw" in answer.json["got"]) is (content_type == "text/plain")


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"hello there", "Unrecognized token 'hello': was expecting ('true', 'false' or 'null')"), (b"{", "")],
)
def test_event_must_be_json(custom: RestApi, body: bytes, words: str) -> None:
    """What passes through or comes of a template is the function's event: any other text is a 400."""
    custom.responses("/", "POST")
    custom.deploy()
    status, text = message(custom.ask("/", "POST", {"Content-Type": "text/plain"}, body))
    assert status == 400 and text.startswith(f"Could not parse request body into json: {words}")


def test_bad_template_is_500_and_the_log_says_why(custom: RestApi) -> None:
    """The client learns nothing of it."""
    custom.responses("/", "POST", responseTemplates={"application/json": "#if($x) no end"})
    custom.deploy()
    custom.set_stage(ALL__logging__loglevel="INFO", ALL__logging__dataTrace="true")
    answer = custom.ask("/", "POST", {"Authorization": "my-long-secret"}, b'{"fail": ""}')
    assert message(answer) == (500, "Internal server error")
    log = custom.log("Unable to transform response")
    assert "Execution failed due to configuration error" in log
    assert "Method completed with status: 500" in log
    assert "********secret" in log and "my-long-secret" not in log


def test_function_of_a_custom_integration_can_run_on_its_own(gateway: RestGateway) -> None:
    """X-Amz-Invocation-Type 'Event': nobody waits for what comes of it."""
    api = gateway.rest_api()
    arn = gateway.function(FAILING)
    api.method("/", "POST")
    api.integrate(
        "/",
        "POST",
        type="AWS",
        integrationHttpMethod="POST",
        uri=invocation_uri(arn),
        requestParameters={"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
    )
    api.responses("/", "POST")
    api.deploy()
    answer = api.ask("/", "POST", body=b'{"a": 1}')
    assert (answer.status, answer.body) == (200, b"")
    logs, group = gateway.cloud.client("logs"), f"/aws/lambda/{arn.rpartition(':')[2]}"

    def reports() -> list[Any]:
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            return list(logs.filter_log_events(logGroupName=group, filterPattern="REPORT")["events"])
        return []

    wait_for(reports, "the function's end")


# --- AWS services ---


def service_method(api: RestApi, uri: str, template: str, parameters: Any = None) -> None:
    """`POST /` calls a service with what a template makes, and answers with a template of its answer."""
    api.method("/", "POST")
    api.integrate(
        "/",
        "POST",
        type="AWS",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{REGION}:{uri}",
        credentials=ROLE,
        requestTemplates={"application/json": template},
        requestParameters=parameters or {},
    )


def test_dynamodb_action(gateway: RestGateway) -> None:
    """PutItem with a template of the body; the table has the item."""
    table, name = gateway.cloud.client("dynamodb"), f"t{uuid.uuid4().hex}"
    table.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    api = gateway.rest_api()
    item = '{"id": {"S": "$context.requestId"}, "n": {"N": "$input.path(\'$.n\')"}}'
    service_method(api, "dynamodb:action/PutItem", f'{{"TableName": "{name}", "Item": {item}}}')
    api.responses("/", "POST", responseTemplates={"application/json": '{"id": "$context.requestId"}'})
    api.responses("/", "POST", "400", selectionPattern="4..")
    api.deploy()
    answer = api.ask("/", "POST", body=b'{"n": 7}')
    assert answer.status == 200
    kept = table.get_item(TableName=name, Key={"id": {"S": answer.json["id"]}})["Item"]
    assert kept["n"] == {"N": "7"}
    refused = api.ask("/", "POST", body=b'{"n": "no number"}')
    assert refused.status == 400 and "Exception" in refused.json["__type"]


def test_sqs_path(gateway: RestGateway) -> None:
    """SendMessage as a form, as most tutorials have it."""
    queues = gateway.cloud.client("sqs")
    url = queues.create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"]
    api = gateway.rest_api()
    name = url.rpartition("/")[2]
    service_method(
        api,
        f"sqs:path/123456789012/{name}",
        "Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
        {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
    )
    api.responses("/", "POST", responseTemplates={"application/json": '{"sent": true}'})
    api.deploy()
    answer = api.ask("/", "POST", body=b'{"a": "\xc3\xa4 & b"}')
    assert (answer.status, answer.json) == (200, {"sent": True})
    received = queues.receive_message(QueueUrl=url)["Messages"][0]["Body"]
    assert json.loads(received) == {"a": "ä & b"}


def test_bytes_are_text_where_nothing_is_said_to_be_binary(gateway: RestGateway) -> None:
    """AWS: without binary media types what is no UTF-8 is lost, of objects of S3 too (recorded)."""
    s3, bucket = gateway.cloud.client("s3"), f"b{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"\x1f\x8bok", ContentType="image/png")
    api = gateway.rest_api()
    api.method("/")
    uri = f"arn:aws:apigateway:{REGION}:s3:path/{bucket}/k"
    api.integrate("/", type="AWS", integrationHttpMethod="GET", uri=uri, credentials=ROLE)
    api.responses("/")
    api.deploy()
    assert api.ask("/").body == b"\x1f\xef\xbf\xbdok"


@pytest.mark.parametrize("uri", ["ssm:action/GetParameter", "ssm:path//"])
def test_systems_manager_takes_forms(gateway: RestGateway, uri: str) -> None:
    """In the query protocol, whose answer has null for what is not there; an error too."""
    name = f"/p/{uuid.uuid4().hex}"
    gateway.cloud.client("ssm").put_parameter(Name=name, Value="123", Type="String")
    api = gateway.rest_api()
    form = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
    service_method(api, uri, "Action=GetParameter&WithDecryption=true&Name=$input.params('name')", form)
    api.responses("/", "POST")
    api.deploy()
    found = api.ask(f"/?name={name}", "POST", body=b"{}").json["GetParameterResponse"]
    parameter = found["GetParameterResult"]["Parameter"]
    assert (parameter["Name"], parameter["Value"], parameter["Version"]) == (name, "123", 1)
    assert parameter["Selector"] is parameter["SourceResult"] is None
    assert found["ResponseMetadata"]["RequestId"]
    refused = api.ask("/?name=/none", "POST", body=b"{}").json
    assert refused["Error"]["Code"] == "ParameterNotFound" and refused["RequestId"]


@pytest.mark.parametrize(
    ("accept", "start"), [(None, b'{"SendMessageResponse":'), ("application/xml", b"<SendM")]
)
def test_sqs_answers_as_the_mapped_accept_asks(
    gateway: RestGateway, accept: str | None, start: bytes
) -> None:
    """JSON for API Gateway's own Accept."""
    name = (
        gateway.cloud.client("sqs")
        .create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"]
        .rpartition("/")[2]
    )
    api = gateway.rest_api()
    headers = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
    if accept:
        headers["integration.request.header.Accept"] = f"'{accept}'"
    service_method(api, f"sqs:path/123456789012/{name}", "Action=SendMessage&MessageBody=x", headers)
    api.responses("/", "POST")
    api.deploy()
    answer = api.ask("/", "POST", body=b"{}")
    assert (answer.status, answer.body[: len(start)]) == (200, start)


@pytest.mark.parametrize("name", ["MessageAttribute", "MessageAttributes"])
def test_sqs_takes_attributes_by_both_names(gateway: RestGateway, name: str) -> None:
    """In a form, AWS takes the plural too."""
    queues = gateway.cloud.client("sqs")
    url = queues.create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"]
    api = gateway.rest_api()
    service_method(
        api,
        f"sqs:path/123456789012/{url.rpartition('/')[2]}",
        f"Action=SendMessage&MessageBody=x&{name}.1.Name=color&{name}.1.Value.DataType=String"
        f"&{name}.1.Value.StringValue=$input.params('c')",
        {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
    )
    api.responses("/", "POST")
    api.deploy()
    assert api.ask("/?c=red", "POST", body=b"{}").status == 200
    (message,) = queues.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert message["MessageAttributes"] == {"color": {"DataType": "String", "StringValue": "red"}}


def test_sns_action_by_query(gateway: RestGateway) -> None:
    """Publish with mapped parameters instead of a template."""
    topics, queues = gateway.cloud.client("sns"), gateway.cloud.client("sqs")
    topic = topics.create_topic(Name=f"t{uuid.uuid4().hex}")["TopicArn"]
    url = queues.create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    api = gateway.rest_api()
    api.method("/", "POST", requestParameters={"method.request.querystring.m": True})
    api.integrate(
        "/",
        "POST",
        type="AWS",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{REGION}:sns:action/Publish",
        credentials=ROLE,
        requestParameters={
            "integration.request.querystring.TopicArn": f"'{topic}'",
            "integration.request.querystring.Message": "method.request.querystring.m",
        },
    )
    api.responses("/", "POST")
    api.deploy()
    answer = api.ask("/?m=hello%20there", "POST")
    assert answer.status == 200, answer.body
    published = answer.json["PublishResponse"]  # Services of the query protocol give JSON to who accepts it.
    assert published["PublishResult"]["MessageId"] and published["ResponseMetadata"]["RequestId"]
    received = json.loads(queues.receive_message(QueueUrl=url, WaitTimeSeconds=2)["Messages"][0]["Body"])
    assert received["Message"] == "hello there"


def test_s3_path(gateway: RestGateway) -> None:
    """GetObject by a path that the request fills; binary objects pass as they are."""
    s3, name = gateway.cloud.client("s3"), f"b{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a/b.txt", Body=b"\x00\xff object")
    api = gateway.rest_api(binaryMediaTypes=["*/*"])
    api.method("/{key+}", requestParameters={"method.request.path.key": True})
    api.integrate(
        "/{key+}",
        type="AWS",
        integrationHttpMethod="GET",
        uri=f"arn:aws:apigateway:{REGION}:s3:path/{name}/{{key}}",
        credentials=ROLE,
        requestParameters={"integration.request.path.key": "method.request.path.key"},
    )
    api.responses("/{key+}")
    api.responses("/{key+}", status="404", selectionPattern="404")
    api.deploy()
    assert (api.ask("/a/b.txt").status, api.ask("/a/b.txt").body) == (200, b"\x00\xff object")
    assert api.ask("/nothing").status == 404
    s3.put_object(Bucket=name, Key="big", Body=b"x" * (10 * 1024 * 1024 + 1))
    assert message(api.ask("/big")) == (500, "Internal server error")
