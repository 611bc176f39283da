"""Requests to HTTP APIs, end to end: routes, stages, deployments, events, answers, limits."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import wait_for
from tests.gateway.http_api.gateway import Backend, Gateway, send

SLOW = """
import time
def handler(event, context):
    time.sleep(float(event["queryStringParameters"]["s"]))
    return "done"
"""


# --- Addresses, stages, deployments ---


def test_api_answers_at_its_endpoint_and_by_its_host(gateway: Gateway) -> None:
    """ApiEndpoint works as it is; so does the API's name under localhost."""
    api = gateway.echo("GET /x")
    assert api.ask("/x").json["routeKey"] == "GET /x"
    port = gateway.cloud.netloc.rpartition(":")[2]
    for host in (
        f"{api.id}.execute-api.localhost:{port}",
        f"{api.id}.execute-api.us-east-1.localhost:{port}",
    ):
        with contextlib.closing(http.client.HTTPConnection(gateway.cloud.netloc, timeout=20)) as connection:
            connection.putrequest("GET", "/x", skip_host=True)
            connection.putheader("Host", host)
            connection.endheaders()
            answer = connection.getresponse()
            event = json.loads(answer.read())
        assert (event["rawPath"], event["requestContext"]["domainName"]) == ("/x", host)


@pytest.mark.parametrize("host", ["hub.example.org", "localhost:8888"])
def test_api_behind_a_notebook_server_names_an_address_that_works(gateway: Gateway, host: str) -> None:
    """jupyter-server-proxy hands the browser's Host on; the function is told the address that it can call itself."""
    api = gateway.echo("GET /x")
    with contextlib.closing(http.client.HTTPConnection(gateway.cloud.netloc, timeout=20)) as connection:
        connection.request("GET", f"/_aws/execute-api/{api.id}/x", headers={"Host": host})
        event = json.loads(connection.getresponse().read())
    assert event["requestContext"]["domainName"] == f"{gateway.cloud.netloc}/_aws/execute-api/{api.id}"


def test_api_that_does_not_exist_is_forbidden(gateway: Gateway) -> None:
    """As any name under execute-api on AWS."""
    api = gateway.echo()
    gateway.apis.delete_api(ApiId=api.id)
    answer = api.ask("/x")
    assert (answer.status, answer.json) == (403, {"message": "Forbidden"})


def test_disabled_endpoint_is_forbidden(gateway: Gateway) -> None:
    """DisableExecuteApiEndpoint."""
    api = gateway.echo(DisableExecuteApiEndpoint=True)
    assert (api.ask().status, api.ask().json) == (403, {"message": "Forbidden"})


def test_named_stage_is_the_first_part_of_the_path(gateway: Gateway) -> None:
    """A named stage beside `$default`; events keep it in their path."""
    api = gateway.echo("GET /x", "GET /")
    api.stage("dev", StageVariables={"v": "1"})
    event = api.ask("/dev/x").json
    assert (event["rawPath"], event["routeKey"]) == ("/dev/x", "GET /x")
    assert event["requestContext"]["stage"] == "dev" and event["stageVariables"] == {"v": "1"}
    assert api.ask("/dev").json["routeKey"] == api.ask("/dev/").json["routeKey"] == "GET /"
    assert api.ask("/x").json["requestContext"]["stage"] == "$default"


def test_without_stage_or_route_it_is_not_found(gateway: Gateway) -> None:
    """404 with AWS's body."""
    api = gateway.api()
    assert (api.ask("/x").status, api.ask("/x").json) == (404, {"message": "Not Found"})
    other = gateway.echo("GET /x")
    assert [other.ask("/y").status, other.ask("/x", "POST").status, other.ask("/x/").status] == [404] * 3


def test_nothing_changes_without_auto_deploy_until_a_deployment(gateway: Gateway) -> None:
    """Off: a deployment is a snapshot; and an old one can be put back."""
    api = gateway.api()
    integration = api.lambda_integration(gateway.function())
    api.stage("dev", auto_deploy=False)
    api.route("GET /a", integration)
    assert api.ask("/dev/a").status == 404
    first = gateway.apis.create_deployment(ApiId=api.id, StageName="dev")["DeploymentId"]
    assert api.ask("/dev/a").status == 200
    api.route("GET /b", integration)
    assert api.ask("/dev/b").status == 404
    gateway.apis.create_deployment(ApiId=api.id, StageName="dev")
    assert api.ask("/dev/b").status == 200
    gateway.apis.update_stage(ApiId=api.id, StageName="dev", DeploymentId=first)
    assert [api.ask("/dev/a").status, api.ask("/dev/b").status] == [200, 404]


def test_auto_deploy_serves_every_change_at_once(gateway: Gateway) -> None:
    """On: the next request sees it."""
    api = gateway.echo("GET /a")
    route = gateway.apis.get_routes(ApiId=api.id)["Items"][0]["RouteId"]
    gateway.apis.update_route(ApiId=api.id, RouteId=route, RouteKey="GET /b")
    assert [api.ask("/a").status, api.ask("/b").status] == [404, 200]
    gateway.apis.delete_route(ApiId=api.id, RouteId=route)
    assert api.ask("/b").status == 404


def test_stage_variable_chooses_the_function(gateway: Gateway) -> None:
    """In an integration's URI, per stage."""
    blue, green = gateway.returning("blue"), gateway.returning("green")
    name = "${stageVariables.color}"
    api = gateway.api()
    uri = f"{blue.rpartition(':')[0]}:{name}"
    api.route("GET /", api.lambda_integration(uri))
    for color, arn in (("blue", blue), ("green", green)):
        api.stage(color, StageVariables={"color": arn.rpartition(":")[2]})
    assert [api.ask(f"/{color}").body for color in ("blue", "green")] == [b"blue", b"green"]


# --- Events ---


def test_path_and_query_arrive_decoded(gateway: Gateway) -> None:
    """Percent-encoding, repeated keys, empty values, a plus."""
    event = gateway.echo("GET /items/{id}/{rest+}").ask("/items/a%20b%2Fc/d/%C3%A9?q=1&q=%26&e=&p=a+b").json
    assert event["pathParameters"] == {"id": "a b/c", "rest": "d/\u00e9"}
    assert event["rawPath"] == "/items/a b/c/d/\u00e9"
    assert event["rawQueryString"] == "q=1&q=%26&e=&p=a+b"
    assert event["queryStringParameters"] == {"q": "1,&", "e": "", "p": "a b"}


@pytest.mark.parametrize("path", ["/a/../b", "/a/./b", "//a", "/a//b", "/a/%2e%2e/b", "/%2e%2e/%2e%2e/etc"])
def test_path_tricks_go_nowhere(gateway: Gateway, path: str) -> None:
    """Dots and double slashes are parts like others: they lead to no other route."""
    api = gateway.echo("GET /b", "GET /a/b")
    assert api.ask(path).status == 404


def test_repeated_headers_and_cookies_arrive(gateway: Gateway) -> None:
    """Joined in 2.0, lists in 1.0."""
    sent = [("X-A", "1"), ("x-a", "2"), ("Cookie", "a=1; b=2"), ("Cookie", "c=3")]
    event = gateway.echo("GET /").ask("/", headers=sent).json
    assert event["headers"]["x-a"] == "1,2" and event["cookies"] == ["a=1", "b=2", "c=3"]
    event = gateway.echo("GET /", version="1.0").ask("/", headers=sent).json
    assert event["multiValueHeaders"]["X-A"] == ["1", "2"] and event["headers"]["X-A"] == "2"


def test_bytes_travel_unharmed_both_ways(gateway: Gateway) -> None:
    """All 256 of them, in both formats."""
    source = (
        "def handler(event, context):\n"
        "    return {'statusCode': 200, 'isBase64Encoded': event['isBase64Encoded'], 'body': event['body'],\n"
        "            'headers': {'content-type': 'image/png'}}\n"
    )
    data = bytes(range(256)) * 20
    for version in ("1.0", "2.0"):
        api = gateway.api()
        api.route("POST /", api.lambda_integration(gateway.function(source), version=version))
        api.stage()
        answer = api.ask("/", "POST", {"Content-Type": "image/png"}, data)
        assert (answer.body, answer.headers["content-type"]) == (data, "image/png")


def test_chunked_body_is_read_whole(gateway: Gateway) -> None:
    """A client may send without a length."""
    api = gateway.echo("POST /")
    headers = [("Transfer-Encoding", "chunked"), ("Content-Type", "text/plain")]
    event = api.ask("/", "POST", headers, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").json
    assert (event["body"], event["headers"]["content-length"]) == ("abcde", "5")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_any_takes_every_method(gateway: Gateway, method: str) -> None:
    """Also HEAD, whose answer has a length and no body, and OPTIONS without a CORS block."""
    answer = gateway.echo("ANY /").ask("/", method)
    assert answer.status == 200 and int(answer.headers["content-length"]) > 100
    assert (answer.body == b"") is (method == "HEAD")


def test_keep_alive_serves_request_after_request(gateway: Gateway) -> None:
    """One connection, many requests, also after refusals."""
    api = gateway.echo("GET /x")
    address = urlsplit(api.endpoint)
    with contextlib.closing(http.client.HTTPConnection(address.netloc, timeout=20)) as connection:
        statuses = [
            send(connection, f"{address.path}{path}").status for path in ("/x", "/y", "/x", "/y", "/x")
        ]
    assert statuses == [200, 404, 200, 404, 200]


def test_slow_request_delays_no_other(gateway: Gateway) -> None:
    """Each has an environment of its own."""
    api = gateway.api()
    api.route("GET /", api.lambda_integration(gateway.function(SLOW, Timeout=20)))
    api.stage()
    api.ask("/?s=0")
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(api.ask("/?s=1").body)) for _ in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    assert api.ask("/?s=0").body == b"done" and time.monotonic() - started < 1
    for thread in threads:
        thread.join()
    assert answers == [b"done"] * 4 and time.monotonic() - started < 3


# --- What the client gets of a function ---


def test_reply_becomes_the_answer(gateway: Gateway) -> None:
    """Status, headers, cookies, body; the gateway adds its request id."""
    reply = {"statusCode": 201, "headers": {"X-A": "b"}, "cookies": ["a=1", "b=2; Secure"], "body": "text"}
    api = gateway.api(Target=gateway.returning(reply))
    answer = api.ask()
    assert (answer.status, answer.body, answer.headers["x-a"]) == (201, b"text", "b")
    assert [value for name, value in answer.pairs if name == "Set-Cookie"] == ["a=1", "b=2; Secure"]
    assert len(answer.headers["apigw-requestid"]) == 16


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def handler(event, context):\n    raise ValueError('boom')\n", "boom"),
        ("def handler(event, context):\n    return {'statusCode': 'x'}\n", "statusCode"),
        ("def handler(event, context):\n    return {'statusCode': 200, 'body': {}}\n", "body is no string"),
        ("import os\ndef handler(event, context):\n    os._exit(1)\n", "exit"),
        ("raise SystemError('no start')\n", "no start"),
    ],
)
def test_function_that_fails_is_a_500_and_the_log_says_why(gateway: Gateway, source: str, error: str) -> None:
    """The client learns nothing of it."""
    api = gateway.api(Target=gateway.function(source))
    answer = api.ask()
    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})
    assert error in api.journal()[-1]["detail"]["error"]


def test_without_the_functions_permission_it_is_a_500(gateway: Gateway) -> None:
    """The journal says what is missing; a permission for the route mends it at once."""
    arn = gateway.function(allow=False)
    api = gateway.api()
    api.route("GET /pets/{id}", api.lambda_integration(arn))
    api.stage()
    answer = api.ask("/pets/6")
    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})
    assert "doesn't have permissions to call the integration" in api.journal()[-1]["detail"]["error"]
    gateway.allow(arn, SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/*/GET/other")
    assert api.ask("/pets/6").status == 500
    gateway.allow(arn, SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/*/*/pets/{{id}}")
    assert api.ask("/pets/6").status == 200


def test_deleted_function_is_a_500(gateway: Gateway) -> None:
    """And the log names it."""
    arn = gateway.function()
    api = gateway.api(Target=arn)
    assert api.ask().status == 200
    gateway.functions.delete_function(FunctionName=arn)
    assert (api.ask().status, api.ask().json) == (500, {"message": "Internal Server Error"})
    assert "Function not found" in api.journal()[-1]["detail"]["error"]


def test_function_without_concurrency_is_a_503(gateway: Gateway) -> None:
    """Lambda's 429 is the gateway's unavailability."""
    arn = gateway.function()
    gateway.functions.put_function_concurrency(FunctionName=arn, ReservedConcurrentExecutions=0)
    api = gateway.api(Target=arn)
    assert (api.ask().status, api.ask().json) == (503, {"message": "Service Unavailable"})


def test_timeout_is_a_503_and_the_function_runs_on(gateway: Gateway) -> None:
    """The client's answer comes in time; the invocation ends, and is reported, later."""
    api = gateway.api()
    integration = api.lambda_integration(gateway.function(SLOW, Timeout=20), TimeoutInMillis=300)
    api.route("GET /", integration)
    api.stage()
    before = gateway.cloud.journal()[-1]["seq"]
    started = time.monotonic()
    answer = api.ask("/?s=1.5")
    assert (answer.status, answer.json) == (503, {"message": "Service Unavailable"})
    assert time.monotonic() - started < 1.4
    finished = wait_for(lambda: gateway.cloud.journal(before, "invoke.ended"), "the function's end")
    assert finished[-1]["detail"]["status"] == "success"


def test_event_over_lambdas_six_megabytes_is_refused(gateway: Gateway) -> None:
    """The gateway itself takes ten, Lambda's event only six."""
    api = gateway.echo("POST /")
    answer = api.ask("/", "POST", {"Content-Type": "text/plain"}, b"x" * (6 * 1024 * 1024 + 1))
    assert (answer.status, answer.json) == (413, {"message": "Request Entity Too Large"})
    large = api.ask("/", "POST", {"Content-Type": "text/plain"}, b"x" * (2 * 1024 * 1024))
    assert large.status == 200 and len(large.json["body"]) == 2 * 1024 * 1024


def test_body_over_ten_megabytes_is_refused(gateway: Gateway) -> None:
    """By its length, before it is read; the next request is answered."""
    api = gateway.echo("POST /")
    headers = {
        "Content-Type": "text/plain",
        "Content-Length": str(10 * 1024 * 1024 + 1),
        "Connection": "close",
    }
    answer = api.ask("/", "POST", headers, b"x" * 1000)
    assert (answer.status, answer.json) == (413, {"message": "Request Entity Too Large"})
    assert api.ask("/", "POST").status == 200


def test_reply_over_six_megabytes_is_a_500(gateway: Gateway) -> None:
    """Lambda refuses it."""
    api = gateway.api(Target=gateway.function("def handler(event, context):\n    return 'x' * 6_300_000\n"))
    assert api.ask().status == 500 and "ResponseSizeTooLarge" in api.journal()[-1]["detail"]["error"]


def test_headers_over_ten_kilobytes_are_refused(gateway: Gateway) -> None:
    """Request line and values together."""
    api = gateway.echo()
    assert api.ask(headers={"X": "a" * 10_300}).status == 431
    assert api.ask(headers={"X": "a" * 9_000}).status == 200


def test_reply_injects_no_header(gateway: Gateway) -> None:
    """A line end in a value stays in its line."""
    reply = {
        "statusCode": 200,
        "headers": {"X-A": "1\r\nSet-Cookie: evil=1", "Content-Length": "1"},
        "body": "text",
    }
    answer = gateway.api(Target=gateway.returning(reply)).ask()
    assert answer.body == b"text" and "set-cookie" not in answer.headers


# --- HTTP integrations ---


def test_backend_gets_the_request_as_it_was(gateway: Gateway, backend: Backend) -> None:
    """Method, path variables, query, headers, body; and the gateway names itself."""
    api = gateway.api()
    api.route("ANY /v/{rest+}", api.http_integration(f"{backend.url}/base/{{rest}}?fixed=1"))
    api.stage()
    answer = api.ask("/v/a/b%20c?q=%2F&q=2", "PUT", [("X-A", "1"), ("X-A", "2")], b"hi")
    told = answer.json
    assert (told["method"], told["target"], told["body"]) == ("PUT", "/base/a/b%20c?fixed=1&q=%2F&q=2", "hi")
    assert [value for name, value in told["headers"] if name == "X-A"] == ["1", "2"]
    names = {name.lower(): value for name, value in told["headers"]}
    assert names["host"] == urlsplit(backend.url).netloc and names["via"] == "HTTP/1.1 AmazonAPIGateway"
    assert "for=127.0.0.1" in names["forwarded"] and names["x-amzn-trace-id"].startswith("Root=1-")
    assert answer.headers["x-backend"] == "1"


def test_backends_answer_passes_unchanged(gateway: Gateway, backend: Backend) -> None:
    """Status, repeated headers, bytes; redirects are the client's."""
    api = gateway.api()
    api.route("GET /{what}", api.http_integration(f"{backend.url}/{{what}}"))
    api.stage()
    answer = api.ask("/teapot")
    assert (answer.status, answer.body) == (418, b"\x00\xff")
    assert [value for name, value in answer.pairs if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert (api.ask("/redirect").status, api.ask("/redirect").headers["location"]) == (302, "/elsewhere")


def test_head_reaches_the_backend(gateway: Gateway, backend: Backend) -> None:
    """The length of the body that would have come, and no body."""
    api = gateway.api()
    api.route("HEAD /x", api.http_integration(f"{backend.url}/x"))
    api.stage()
    answer = api.ask("/x", "HEAD")
    assert (answer.status, answer.body) == (200, b"") and int(answer.headers["content-length"]) > 50


def test_backend_that_is_slow_or_away_is_a_503(gateway: Gateway, backend: Backend) -> None:
    """Within the integration's time."""
    api = gateway.api()
    api.route("GET /slow", api.http_integration(f"{backend.url}/slow", TimeoutInMillis=200))
    api.route("GET /away", api.http_integration("http://127.0.0.1:9/"))
    api.stage()
    for path in ("/slow", "/away"):
        answer = api.ask(path)
        assert (answer.status, answer.json) == (503, {"message": "Service Unavailable"})


def test_mappings_change_request_and_answer(gateway: Gateway, backend: Backend) -> None:
    """Headers, query and path on the way in; headers and status on the way out."""
    api = gateway.api()
    integration = api.http_integration(
        f"{backend.url}/old",
        RequestParameters={
            "append:header.x-id": "$context.requestId",
            "overwrite:querystring.v": "${stageVariables.v}-${request.path.id}",
            "remove:header.x-secret": "",
            "overwrite:path": "/new/$request.path.id",
        },
        ResponseParameters={"200": {"overwrite:statuscode": "202", "append:header.x-v": "$stageVariables.v"}},
    )
    api.route("GET /things/{id}", integration)
    api.stage(StageVariables={"v": "7"})
    answer = api.ask("/things/6?v=1&w=2", headers={"X-Secret": "s"})
    told = answer.json
    assert told["target"] == "/new/6?w=2&v=7-6"
    names = {name.lower(): value for name, value in told["headers"]}
    assert names["x-id"] == answer.headers["apigw-requestid"] and "x-secret" not in names
    assert (answer.status, answer.headers["x-v"]) == (202, "7")


def test_mappings_change_a_functions_event_too(gateway: Gateway) -> None:
    """What the function sees is the changed request."""
    api = gateway.api()
    parameters = {"append:header.x-new": "1", "remove:querystring.q": "", "overwrite:path": "/other"}
    api.route("GET /x", api.lambda_integration(gateway.function(), RequestParameters=parameters))
    api.stage()
    event = api.ask("/x?q=1&r=2").json
    assert (event["headers"]["x-new"], event["rawQueryString"], event["rawPath"]) == ("1", "r=2", "/other")


# --- CORS ---


def test_preflight_is_answered_by_the_gateway(gateway: Gateway) -> None:
    """Though no route takes OPTIONS; every other answer carries the headers too, refusals among them."""
    api = gateway.echo(
        "GET /x", CorsConfiguration={"AllowOrigins": ["https://a"], "AllowMethods": ["GET"], "MaxAge": 60}
    )
    preflight = api.ask("/x", "OPTIONS", {"Origin": "https://a", "Access-Control-Request-Method": "GET"})
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == "https://a"
    assert preflight.headers["access-control-allow-methods"] == "GET"
    for path, status in (("/x", 200), ("/none", 404)):
        answer = api.ask(path, headers={"Origin": "https://a"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "https://a")
    stranger = api.ask("/x", headers={"Origin": "https://b"})
    assert stranger.status == 200 and "access-control-allow-origin" not in stranger.headers


# --- Throttling, metrics, logs ---


def test_route_and_stage_throttle(gateway: Gateway) -> None:
    """A burst passes, the rest is 429; a route's own limit replaces the stage's; other routes are untouched."""
    api = gateway.echo("GET /slow", "GET /free")
    gateway.apis.update_stage(
        ApiId=api.id,
        StageName="$default",
        DefaultRouteSettings={"ThrottlingBurstLimit": 100, "ThrottlingRateLimit": 100},
        RouteSettings={"GET /slow": {"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.01}},
    )
    answers = [api.ask("/slow") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert answers[-1].json == {"message": "Too Many Requests"}
    assert [api.ask("/free").status for _ in range(5)] == [200] * 5
    gateway.apis.update_stage(ApiId=api.id, StageName="$default", RouteSettings={"GET /slow": {}})
    assert api.ask("/slow").status == 200


def test_stage_throttles_each_route_by_itself(gateway: Gateway) -> None:
    """The stage's limit is a bucket for each route; its settings are gone when they are deleted."""
    api = gateway.echo("GET /one", "GET /two")
    place = {"ApiId": api.id, "StageName": "$default"}
    limit = {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.01}
    gateway.apis.update_stage(**place, DefaultRouteSettings=limit)
    assert [api.ask(path).status for path in ("/one", "/one", "/two", "/two")] == [200, 429, 200, 429]
    gateway.apis.update_stage(
        **place, RouteSettings={"GET /one": {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 5}}
    )
    assert [api.ask(path).status for path in ("/one", "/one", "/two")] == [200, 200, 429]
    gateway.apis.delete_route_settings(**place, RouteKey="GET /one")
    assert [api.ask("/one").status for _ in range(2)] == [200, 429]


def test_access_log_has_a_line_for_every_request(gateway: Gateway) -> None:
    """In CloudWatch Logs, with what went wrong."""
    logs = gateway.cloud.client("logs")
    api = gateway.api()
    api.route("GET /good", api.lambda_integration(gateway.function()))
    api.route("GET /bad", api.lambda_integration(gateway.function(allow=False)))
    group = f"/api/{api.id}"
    logs.create_log_group(logGroupName=group)
    names = (
        "requestId routeKey status httpMethod path identity.sourceIp identity.userAgent protocol responseLength stage "
        "integrationStatus integrationErrorMessage integrationLatency error.message apiId accountId"
    ).split()
    text = json.dumps({name: f"$context.{name}" for name in names})
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"
    api.stage(AccessLogSettings={"DestinationArn": arn, "Format": text})
    good = api.ask("/good", headers={"User-Agent": 'a"b'})
    api.ask("/bad")
    api.ask("/none")
    lines = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert [line["status"] for line in lines] == ["200", "500", "404"]
    first, second, third = lines
    assert first["requestId"] == good.headers["apigw-requestid"]
    assert (first["routeKey"], first["path"], first["identity.userAgent"]) == ("GET /good", "/good", 'a"b')
    assert first["responseLength"] == str(len(good.body)) and first["integrationStatus"] == "200"
    assert first["integrationLatency"].isdigit() and first["integrationErrorMessage"] == "-"
    assert "doesn't have permissions" in second["integrationErrorMessage"]
    assert (third["error.message"], third["routeKey"]) == ("Not Found", "-")


def statistic(gateway: Gateway, name: str, dimensions: dict[str, str], kind: str = "Sum") -> float:
    """A metric's statistic over the last ten minutes."""
    now = time.time()
    found = gateway.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApiGateway",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - 600,
        EndTime=now + 60,
        Period=3600,
        Statistics=[kind],
    )["Datapoints"]
    return float(sum(point[kind] for point in found))


def test_metrics_count_what_happened(gateway: Gateway) -> None:
    """For the API, its stage and, where it is asked for, the route."""
    api = gateway.echo("GET /x")
    gateway.apis.update_stage(
        ApiId=api.id, StageName="$default", RouteSettings={"GET /x": {"DetailedMetricsEnabled": True}}
    )
    for path in ("/x", "/x", "/none"):
        api.ask(path)
    stage = {"ApiId": api.id, "Stage": "$default"}
    for dimensions in ({"ApiId": api.id}, stage):
        counts = [statistic(gateway, name, dimensions) for name in ("Count", "4xx", "5xx")]
        assert counts == [3, 1, 0]
        assert statistic(gateway, "IntegrationLatency", dimensions, "SampleCount") == 2
        assert 0 < statistic(gateway, "Latency", dimensions, "Average") < 5_000
    assert statistic(gateway, "Count", {**stage, "Method": "GET", "Resource": "/x"}) == 2
    api.ask("/x")
    assert statistic(gateway, "Count", stage) == 4
    data = gateway.cloud.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "a",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/ApiGateway",
                        "MetricName": "Count",
                        "Dimensions": [{"Name": k, "Value": v} for k, v in stage.items()],
                    },
                    "Period": 3600,
                    "Stat": "Sum",
                },
            }
        ],
        StartTime=time.time() - 600,
        EndTime=time.time() + 60,
    )["MetricDataResults"][0]["Values"]
    assert sum(data) == 4


def test_stage_asks_for_metrics_of_all_routes_but_one(gateway: Gateway) -> None:
    """Detailed metrics are the stage's default; a route's own setting comes before it."""
    api = gateway.echo("GET /x", "GET /y")
    gateway.apis.update_stage(
        ApiId=api.id,
        StageName="$default",
        DefaultRouteSettings={"DetailedMetricsEnabled": True},
        RouteSettings={"GET /y": {"DetailedMetricsEnabled": False}},
    )
    for path in ("/x", "/y"):
        api.ask(path)
    route = {"ApiId": api.id, "Stage": "$default", "Method": "GET"}
    assert [statistic(gateway, "Count", {**route, "Resource": path}) for path in ("/x", "/y")] == [1, 0]


def test_journal_has_every_request(gateway: Gateway) -> None:
    """Route, status, times; the trace that the function has too."""
    api = gateway.echo("GET /x")
    event = api.ask("/x").json
    (entry,) = api.journal()
    detail: dict[str, Any] = entry["detail"]
    assert (detail["route"], detail["status"], detail["method"]) == ("GET /x", 200, "GET")
    assert detail["latency_ms"] >= detail["integration_ms"] > 0
    assert entry["request_id"] == event["requestContext"]["requestId"]
    assert entry["trace_id"] == event["headers"]["x-amzn-trace-id"]


# --- OpenAPI ---


def test_imported_document_answers(gateway: Gateway) -> None:
    """From a document to requests, and back to a document."""
    integration = {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": gateway.function(),
        "payloadFormatVersion": "2.0",
    }
    document = {
        "openapi": "3.0.1",
        "info": {"title": "imported", "version": "1"},
        "paths": {"/pets/{id}": {"get": {"x-amazon-apigateway-integration": integration}}},
    }
    made = gateway.apis.import_api(Body=json.dumps(document))
    api = gateway.api()
    api.id, api.endpoint = made["ApiId"], made["ApiEndpoint"]
    api.stage()
    assert api.ask("/pets/6").json["pathParameters"] == {"id": "6"}
    document["paths"] = {"/new": document["paths"]["/pets/{id}"]}  # type: ignore[index]
    gateway.apis.reimport_api(ApiId=api.id, Body=json.dumps(document))
    assert [api.ask("/pets/6").status, api.ask("/new").status] == [404, 200]
    exported = gateway.apis.export_api(ApiId=api.id, Specification="OAS30", OutputType="JSON")["body"].read()
    assert list(json.loads(exported)["paths"]) == ["/new"]
