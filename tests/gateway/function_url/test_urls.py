"""Function URLs as their callers see them: a real cloud, real functions, plain HTTP."""

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from aws_lambda_powertools.utilities.parser.models import LambdaFunctionUrlModel
from botocore.exceptions import ClientError

from tests.conftest import wait_for
from tests.gateway.http_api.gateway import Gateway

ECHO = "def handler(event, context):\n    return event\n"
REPLY = "REPLY = {!r}\ndef handler(event, context):\n    return REPLY\n"
Answer = tuple[int, dict[str, str], bytes]


def public_url(gateway: Gateway, source: str = ECHO, *, allow: bool = True, **settings: Any) -> str:
    """The path of a new function's URL, which everybody may call unless told otherwise."""
    arn = gateway.function(source, allow=False)
    made = gateway.functions.create_function_url_config(FunctionName=arn, AuthType="NONE", **settings)
    if allow:
        permit(gateway, arn, "NONE")
    return urlsplit(made["FunctionUrl"]).path


def permit(gateway: Gateway, arn: str, auth_type: str, principal: str = "*", **options: Any) -> None:
    """Let a principal call the URL of a function."""
    for action, more in (
        ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": auth_type}),
        ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        gateway.functions.add_permission(
            FunctionName=arn,
            StatementId=f"url-{action[7:]}",
            Action=action,
            Principal=principal,
            **more,
            **options,
        )


def test_event_is_that_of_a_function_url(gateway: Gateway) -> None:
    """The event has a `$default` route, an anonymous account and the raw path, and Powertools reads it."""
    path = public_url(gateway)
    status, headers, body = gateway.cloud.ask(
        "POST",
        f"{path}pa%20th/1?q=query&multi=foo&multi=%2Fbar",
        b'{"foo": 1}',
        {"Content-Type": "application/json", "ExTrA-HeadErs": "With CapS", "Cookie": "a=1; b=2"},
    )
    assert (status, headers["content-type"]) == (200, "application/json")
    event = json.loads(body)
    LambdaFunctionUrlModel.model_validate(event)
    context = event["requestContext"]
    assert event["routeKey"] == context["routeKey"] == context["stage"] == "$default"
    assert event["rawPath"] == context["http"]["path"] == "/pa%20th/1"
    assert event["rawQueryString"] == "q=query&multi=foo&multi=%2Fbar"
    assert event["queryStringParameters"] == {"q": "query", "multi": "foo,/bar"}
    assert event["headers"]["extra-headers"] == "With CapS"
    assert event["cookies"] == ["a=1", "b=2"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"foo": 1}', False)
    assert context["accountId"] == "anonymous"
    assert context["requestId"] == headers["x-amzn-requestid"]
    assert context["domainPrefix"] == context["apiId"]
    assert f"http://{context['domainName']}/".endswith(path)
    assert not {"authorizer", "authentication"} & context.keys()
    assert not {"pathParameters", "stageVariables"} & event.keys()


def test_host_names_the_url_too(gateway: Gateway) -> None:
    """`{id}.lambda-url.{region}.localhost` leads to the function, with the whole path as its path."""
    url_id = public_url(gateway).split("/")[3]
    host = f"{url_id}.lambda-url.us-east-1.localhost"
    _, _, body = gateway.cloud.ask("GET", "/here", headers={"Host": host})
    assert json.loads(body)["rawPath"] == "/here"
    assert json.loads(body)["requestContext"]["domainName"] == host


@pytest.mark.parametrize(
    ("reply", "status", "content_type", "body"),
    [
        (3, 200, "application/json", b"3"),
        ("text", 200, "application/json", b"text"),
        ({"a": 1}, 200, "application/json", b'{"a": 1}'),
        (None, 200, "application/json", b"null"),
        ({"statusCode": 200, "body": "body123"}, 200, "application/json", b"body123"),
        ({"statusCode": "418", "headers": {"content-type": "a/b"}, "body": "t"}, 418, "a/b", b"t"),
        ({"statusCode": 201, "isBase64Encoded": True, "body": "AP8="}, 201, "application/json", b"\0\xff"),
        ({"statusCode": "no"}, 502, "application/json", b"Internal Server Error"),
        ({"statusCode": 200, "body": {"no": "text"}}, 502, "application/json", b"Internal Server Error"),
    ],
)
def test_reply_is_read_as_payload_2(
    gateway: Gateway, reply: Any, status: int, content_type: str, body: bytes
) -> None:
    """What a function returns becomes the answer, inferred where it is none; a malformed one is 502."""
    answer = gateway.cloud.ask("GET", public_url(gateway, REPLY.format(reply)))
    assert (answer[0], answer[1]["content-type"], answer[2]) == (status, content_type, body)


def test_reply_cookies_are_set(gateway: Gateway) -> None:
    """`cookies` of a reply become Set-Cookie headers; HEAD has the headers and no body."""
    reply = {"statusCode": 200, "cookies": ["a=1; Secure"], "body": "abc"}
    path = public_url(gateway, REPLY.format(reply))
    assert gateway.cloud.ask("GET", path)[1]["set-cookie"] == "a=1; Secure"
    status, headers, body = gateway.cloud.ask("HEAD", path)
    assert (status, headers["content-length"], body) == (200, "3", b"")


def test_binary_bodies_come_as_base64(gateway: Gateway) -> None:
    """A body that is no text arrives in base64."""
    content = b"\r\n--4e\r\nnot a file\xff"
    _, _, body = gateway.cloud.ask(
        "POST", public_url(gateway), content, {"Content-Type": "multipart/form-data; boundary=4e"}
    )
    event = json.loads(body)
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == content


def test_failures_of_the_function_are_502(gateway: Gateway) -> None:
    """An exception and a timeout are 502 with a plain text, and the journal says which."""
    path = public_url(gateway, "def handler(event, context):\n    raise Exception('x')\n")
    status, headers, body = gateway.cloud.ask("POST", path, b"{}")
    assert (status, body) == (502, b"Internal Server Error")
    [entry] = [
        entry
        for entry in gateway.cloud.journal(kind="url.request")
        if entry["request_id"] == headers["x-amzn-requestid"]
    ]
    assert "Exception: x" in entry["detail"]["error"]


def test_throttled_call_is_429(gateway: Gateway) -> None:
    """Reserved concurrency 0 answers 429 without running the function."""
    path = public_url(gateway)
    name = gateway.functions.list_functions()["Functions"]
    arn = next(f["FunctionArn"] for f in name if url_path(gateway, f["FunctionArn"]) == path)
    gateway.functions.put_function_concurrency(FunctionName=arn, ReservedConcurrentExecutions=0)
    status, headers, body = gateway.cloud.ask("GET", path)
    assert (status, headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    assert json.loads(body)["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def url_path(gateway: Gateway, arn: str) -> str:
    """The path of a function's URL, "" if it has none."""
    try:
        return urlsplit(gateway.functions.get_function_url_config(FunctionName=arn)["FunctionUrl"]).path
    except ClientError:
        return ""


def test_event_over_6_mb_is_413(gateway: Gateway) -> None:
    """A request whose event is larger than Lambda takes is refused before the function."""
    status, _, _ = gateway.cloud.ask("POST", public_url(gateway), b"\xff" * 5_000_000)
    assert status == 413


# --- Who may ---


def test_url_that_does_not_exist_is_forbidden(gateway: Gateway) -> None:
    """AWS answers so for any id that is no function URL (any more)."""
    status, headers, body = gateway.cloud.ask("GET", "/_aws/lambda-url/0123456789abcdefghijklmnopqrstuv/")
    assert (status, body) == (403, b'{"Message":null}')
    assert headers["content-type"] == "application/json"
    assert headers["x-amzn-errortype"] == "AccessDeniedException"


def test_public_url_needs_a_statement_for_everybody(gateway: Gateway) -> None:
    """NONE asks for no signature, but the function's policy still has to let everybody in."""
    path = public_url(gateway, allow=False)
    status, headers, body = gateway.cloud.ask("GET", path)
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert json.loads(body)["Message"].startswith("Forbidden. For troubleshooting Function URL")
    error = gateway.cloud.journal(kind="url.request")[-1]["detail"]["error"]
    assert "add_permission" in error
    assert "FunctionUrlAuthType=NONE" in error


def test_statement_for_the_other_auth_type_does_not_count(gateway: Gateway) -> None:
    """The condition lambda:FunctionUrlAuthType is held against the URL's own."""
    arn = gateway.function(ECHO, allow=False)
    made = gateway.functions.create_function_url_config(FunctionName=arn, AuthType="NONE")
    permit(gateway, arn, "AWS_IAM")
    assert gateway.cloud.ask("GET", urlsplit(made["FunctionUrl"]).path)[0] == 403


def test_missing_second_statement_is_told(gateway: Gateway) -> None:
    """One statement is enough here, and the journal says that AWS wants two."""
    arn = gateway.function(ECHO, allow=False)
    made = gateway.functions.create_function_url_config(FunctionName=arn, AuthType="NONE")
    gateway.functions.add_permission(
        FunctionName=arn,
        StatementId="one",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    assert gateway.cloud.ask("GET", urlsplit(made["FunctionUrl"]).path)[0] == 200
    assert "lambda:InvokeFunction" in gateway.cloud.journal(kind="url.request")[-1]["detail"]["warning"]


def test_iam_url_wants_a_signature(gateway: Gateway) -> None:
    """Unsigned and wrongly signed requests are refused; a signed one tells the function who called."""
    arn = gateway.function(ECHO, allow=False)
    made = gateway.functions.create_function_url_config(FunctionName=arn, AuthType="AWS_IAM")
    path = urlsplit(made["FunctionUrl"]).path
    cloud = gateway.cloud
    status, _, body = cloud.ask("GET", path)
    assert (status, body) == (403, b'{"Message":"Forbidden"}')
    status, headers, body = cloud.ask("GET", path, headers=cloud.signed_headers("GET", path))
    assert (status, headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    forged = cloud.signed_headers("GET", path, "lambda")
    assert cloud.ask("GET", f"{path}other", headers=forged)[0] == 403
    status, _, body = cloud.ask("GET", path, headers=cloud.signed_headers("GET", path, "lambda"))
    context = json.loads(body)["requestContext"]
    assert (status, context["accountId"], context["authentication"]) == (200, cloud.account_id, None)
    caller = context["authorizer"]["iam"]
    assert caller["accessKey"] == cloud.access_key_id
    assert caller["userArn"].startswith(f"arn:aws:iam::{cloud.account_id}:")
    assert caller["cognitoIdentity"] is None


# --- CORS ---

CORS = {
    "AllowOrigins": ["https://here.example"],
    "AllowMethods": ["GET", "PUT"],
    "AllowHeaders": ["x-mine"],
    "ExposeHeaders": ["x-shown"],
    "MaxAge": 60,
    "AllowCredentials": True,
}


def test_preflight_is_answered_without_the_function(gateway: Gateway) -> None:
    """The URL itself answers a browser's preflight, also where nobody may call the function."""
    path = public_url(gateway, allow=False, Cors=CORS)
    asked = {"Origin": "https://here.example", "Access-Control-Request-Method": "PUT"}
    status, headers, body = gateway.cloud.ask("OPTIONS", path, headers=asked)
    assert (status, body) == (200, b"")
    assert headers["access-control-allow-origin"] == "https://here.example"
    assert headers["access-control-allow-methods"] == "GET,PUT"
    assert headers["access-control-allow-headers"] == "x-mine"
    assert headers["access-control-max-age"] == "60"
    assert headers["access-control-allow-credentials"] == "true"
    asked["Origin"] = "https://there.example"
    assert "access-control-allow-origin" not in gateway.cloud.ask("OPTIONS", path, headers=asked)[1]


def test_answers_carry_cors_headers(gateway: Gateway) -> None:
    """The URL adds its headers to the function's answers; without a CORS block OPTIONS reaches the function."""
    path = public_url(gateway, Cors=CORS)
    _, headers, _ = gateway.cloud.ask("GET", path, headers={"Origin": "https://here.example"})
    assert headers["access-control-allow-origin"] == "https://here.example"
    assert headers["access-control-expose-headers"] == "x-shown"
    plain = public_url(gateway)
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    _, headers, body = gateway.cloud.ask("OPTIONS", plain, headers=asked)
    assert json.loads(body)["requestContext"]["http"]["method"] == "OPTIONS"
    assert "access-control-allow-origin" not in headers


# --- The control plane ---


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and message of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_life_of_a_url(gateway: Gateway) -> None:
    """Create, get, update, list, delete: each at once, with the members that AWS answers."""
    functions = gateway.functions
    arn = gateway.function(ECHO, allow=False)
    made = functions.create_function_url_config(FunctionName=arn, AuthType="NONE", Cors=CORS)
    assert made["FunctionArn"] == arn
    assert made["Cors"] == CORS
    assert not {"InvokeMode", "LastModifiedTime"} & made.keys()
    got = functions.get_function_url_config(FunctionName=arn)
    assert got["FunctionUrl"] == made["FunctionUrl"]
    changed = functions.update_function_url_config(
        FunctionName=arn, AuthType="AWS_IAM", Cors={}, InvokeMode="BUFFERED"
    )
    assert (changed["AuthType"], changed["InvokeMode"]) == ("AWS_IAM", "BUFFERED")
    assert "Cors" not in changed
    assert changed["LastModifiedTime"] > got["LastModifiedTime"]
    [listed] = functions.list_function_url_configs(FunctionName=arn)["FunctionUrlConfigs"]
    assert listed["FunctionUrl"] == made["FunctionUrl"]
    functions.delete_function_url_config(FunctionName=arn)
    assert gateway.cloud.ask("GET", urlsplit(made["FunctionUrl"]).path)[2] == b'{"Message":null}'
    missing = ("ResourceNotFoundException", "The resource you requested does not exist.")
    assert refused(functions.get_function_url_config, FunctionName=arn) == missing
    assert refused(functions.delete_function_url_config, FunctionName=arn) == missing


def test_url_of_an_alias_calls_its_version(gateway: Gateway) -> None:
    """An alias has a URL of its own, which needs its own statement; that goes with the alias, the URL stays."""
    functions = gateway.functions
    arn = gateway.function("def handler(event, context):\n    return context.function_version\n", allow=False)
    version = functions.publish_version(FunctionName=arn)["Version"]
    functions.create_alias(FunctionName=arn, Name="live", FunctionVersion=version)
    made = functions.create_function_url_config(FunctionName=arn, Qualifier="live", AuthType="NONE")
    assert made["FunctionArn"] == f"{arn}:live"
    path = urlsplit(made["FunctionUrl"]).path
    permit(gateway, arn, "NONE")
    assert gateway.cloud.ask("GET", path)[0] == 403
    permit(gateway, arn, "NONE", Qualifier="live")
    assert gateway.cloud.ask("GET", path)[2] == version.encode()
    functions.delete_alias(FunctionName=arn, Name="live")
    status, headers, body = gateway.cloud.ask("GET", path)
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert json.loads(body)["Message"].startswith("Forbidden. For troubleshooting Function URL")
    functions.delete_function_url_config(FunctionName=arn, Qualifier="live")
    assert gateway.cloud.ask("GET", path)[2] == b'{"Message":null}'


def test_url_goes_with_its_function(gateway: Gateway) -> None:
    """A function that is made again under the same name has no URL, and the old address leads nowhere."""
    arn = gateway.function(ECHO, allow=False)
    made = gateway.functions.create_function_url_config(FunctionName=arn, AuthType="NONE")
    permit(gateway, arn, "NONE")
    path = urlsplit(made["FunctionUrl"]).path
    assert gateway.cloud.ask("GET", path)[0] == 200
    gateway.functions.delete_function(FunctionName=arn)
    assert gateway.cloud.ask("GET", path)[2] == b'{"Message":null}'
    assert refused(gateway.functions.get_function_url_config, FunctionName=arn)[0] == (
        "ResourceNotFoundException"
    )


def test_what_aws_refuses(gateway: Gateway) -> None:
    """Versions, unknown aliases and functions, a second URL and wrong values are refused in AWS's words."""
    functions = gateway.functions
    create = functions.create_function_url_config
    arn = gateway.function(ECHO, allow=False)
    pattern = r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)"
    for qualifier in ("1", "$LATEST"):
        code, message = refused(create, FunctionName=arn, Qualifier=qualifier, AuthType="NONE")
        assert (code, message.endswith(pattern)) == ("ValidationException", True)
        code, message = refused(create, FunctionName=f"{arn}:{qualifier}", AuthType="NONE")
        assert (code, message.endswith(pattern)) == ("ValidationException", True)
    unknown = ("ResourceNotFoundException", "Function does not exist")
    assert refused(create, FunctionName=arn, Qualifier="nobody", AuthType="NONE") == unknown
    assert refused(create, FunctionName="nobody", AuthType="NONE") == unknown
    assert refused(functions.list_function_url_configs, FunctionName="nobody") == unknown
    create(FunctionName=arn, AuthType="NONE")
    code, message = refused(create, FunctionName=arn, AuthType="NONE")
    assert code == "ResourceConflictException"
    assert message == (
        f"Failed to create function url config for [functionArn = {arn}]. "
        "Error message:  FunctionUrlConfig exists for this Lambda function"
    )
    code, message = refused(
        functions.update_function_url_config, FunctionName=arn, AuthType="NONE", InvokeMode="UNKNOWN"
    )
    assert message.endswith("Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]")


def test_response_stream_hands_the_payload_on(gateway: Gateway) -> None:
    """In the mode RESPONSE_STREAM the reply is not read: its JSON is the body; the mode can be set and stays."""
    functions = gateway.functions
    arn = gateway.function(REPLY.format({"statusCode": 201, "body": "b"}), allow=False)
    made = functions.create_function_url_config(FunctionName=arn, AuthType="NONE", InvokeMode="BUFFERED")
    permit(gateway, arn, "NONE")
    path = urlsplit(made["FunctionUrl"]).path
    assert gateway.cloud.ask("GET", path)[0] == 201
    functions.update_function_url_config(FunctionName=arn, InvokeMode="RESPONSE_STREAM")
    assert functions.update_function_url_config(FunctionName=arn)["InvokeMode"] == "RESPONSE_STREAM"
    status, headers, body = gateway.cloud.ask("GET", path)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == {"statusCode": 201, "body": "b"}


def test_requests_are_measured(gateway: Gateway) -> None:
    """CloudWatch counts a URL's requests and errors."""
    arn = gateway.function(REPLY.format({"statusCode": 404}), allow=False)
    made = gateway.functions.create_function_url_config(FunctionName=arn, AuthType="NONE")
    permit(gateway, arn, "NONE")
    for _ in range(3):
        gateway.cloud.ask("GET", urlsplit(made["FunctionUrl"]).path)

    def total(name: str) -> float:
        now = datetime.now(UTC)
        found = gateway.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=name,
            Dimensions=[{"Name": "FunctionName", "Value": arn.rpartition(":")[2]}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=10),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in found)

    assert [total(f"Url{name}Count") for name in ("Request", "4xx", "5xx")] == [3, 3, 0]


def test_calls_run_side_by_side(gateway: Gateway) -> None:
    """A slow call delays no other."""
    path = public_url(
        gateway,
        "import time\ndef handler(event, context):\n    time.sleep(float(event['rawPath'][1:]))\n    return 1\n",
    )
    gateway.cloud.ask("GET", f"{path}0")
    slow = threading.Thread(target=gateway.cloud.ask, args=("GET", f"{path}1"))
    slow.start()
    assert wait_for(lambda: gateway.cloud.ask("GET", f"{path}0")[2]) == b"1"
    assert slow.is_alive()
    slow.join()
