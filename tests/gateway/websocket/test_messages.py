"""What happens to messages: routes, replies, errors, integrations of each type, order, deployments."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
import websocket

from tests.conftest import wait_for
from tests.gateway.http_api.gateway import Backend, Gateway
from tests.gateway.websocket.raw_client import frame_bytes, shaken_hands
from tests.gateway.websocket.websocket_lab import WebSocketApi, events_of, make_api, seeing_api

MOCK = {"RequestTemplates": {"$default": '{"statusCode": 200}'}}


def answer_to(client: websocket.WebSocket, message: str) -> Any:
    """The next message after this one was sent."""
    client.send(message)
    return client.recv()


def refusal_of(client: websocket.WebSocket, message: str) -> str:
    """The gateway's own words, in AWS's exact form."""
    text = answer_to(client, message)
    found = json.loads(text)
    assert text == (
        f'{{"message": "{found["message"]}", "connectionId":"{found["connectionId"]}", '
        f'"requestId":"{found["requestId"]}"}}'
    )
    return str(found["message"])


# --- Routes ---


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ('{"action": "join"}', "join"),
        ('{"action": "unknown"}', "$default"),
        ('{"other": 1}', "$default"),
        ("no json", "$default"),
        ('{"action": "$connect"}', "$default"),
        ('{"action": "$disconnect"}', "$default"),
        ('{"action": {"a": 1}}', "$default"),
        ("", "$default"),
    ],
)
def test_message_takes_its_route(seen: WebSocketApi, message: str, key: str) -> None:
    """The one that the selection expression names, or `$default`; never those of a connection's life."""
    with seen.connected() as client:
        assert answer_to(client, message) == f"{key}:{message}"


def test_nested_expression_selects(gateway: Gateway, seeing: str) -> None:
    """`$request.body.service.name`."""
    expression = "$request.body.service.name"
    api = seeing_api(gateway, seeing, "join", "$default", RouteSelectionExpression=expression)
    with api.connected() as client:
        assert answer_to(client, '{"service": {"name": "join"}}').startswith("join:")
        assert answer_to(client, '{"service": "join"}').startswith("$default:")


def test_message_event_is_awss(gateway: Gateway, seen: WebSocketApi, seeing: str) -> None:
    """Its keys; the body as it was sent."""
    with seen.connected() as client:
        answer_to(client, '{"action": "join", "n": "\u00fc"}')
        identifier = seen.connection_id()
        event = next(
            each
            for each in events_of(gateway, seeing, 1)
            if each["requestContext"]["connectionId"] == identifier and "messageId" in each["requestContext"]
        )
    assert set(event) == {"requestContext", "body", "isBase64Encoded"}
    assert event["body"] == '{"action": "join", "n": "\u00fc"}'
    context = event["requestContext"]
    assert (context["eventType"], context["routeKey"], context["messageDirection"]) == (
        "MESSAGE",
        "join",
        "IN",
    )
    assert context["requestId"] != context["messageId"]


def test_message_without_a_route_is_forbidden(gateway: Gateway, seeing: str) -> None:
    """There is no `$default`. The connection stays."""
    api = seeing_api(gateway, seeing, "join")
    with api.connected() as client:
        assert refusal_of(client, "x") == "Forbidden"
        assert answer_to(client, '{"action": "join"}').startswith("join:")


def test_route_without_integration_is_an_error(gateway: Gateway) -> None:
    """Nobody is there to take the message."""
    api = make_api(gateway)
    api.route("$default")
    api.stage()
    with api.connected() as client:
        assert refusal_of(client, "x") == "Internal server error"


# --- Replies ---


def test_reply_is_sent_only_with_a_route_response(gateway: Gateway, seeing: str) -> None:
    """Without one, what the function returns goes nowhere."""
    api = seeing_api(gateway, seeing, "$default", replies=False)
    with api.connected() as client:
        client.send("one")
        client.send("two")
        events_of(gateway, seeing, 2)
        api.wait_for_journal("websocket.message", 2)
        client.settimeout(0.2)
        with pytest.raises(websocket.WebSocketTimeoutException):
            client.recv()


def test_status_of_a_reply_does_not_matter(seen: WebSocketApi) -> None:
    """There is nothing that it could be the status of: the body is sent."""
    with seen.connected() as client:
        assert answer_to(client, "refuse") == "refused"
        assert answer_to(client, "again") == "$default:again"


@pytest.mark.parametrize("message", ["explode", "malformed", "nothing"])
def test_failing_function_is_told_to_the_client(seen: WebSocketApi, message: str) -> None:
    """In the gateway's words; the connection stays."""
    with seen.connected() as client:
        assert refusal_of(client, message) == "Internal server error"
        assert answer_to(client, "fine") == "$default:fine"


def test_failing_function_is_told_without_a_route_response_too(gateway: Gateway, seeing: str) -> None:
    """As recorded with wscat."""
    api = seeing_api(gateway, seeing, "$default", replies=False)
    with api.connected() as client:
        assert refusal_of(client, "explode") == "Internal server error"


def test_function_that_is_gone_is_an_error(gateway: Gateway) -> None:
    """A route to a deleted function."""
    function = gateway.returning({"statusCode": 200})
    api = seeing_api(gateway, function, "$default")
    with api.connected() as client:
        gateway.functions.delete_function(FunctionName=function)
        assert refusal_of(client, "x") == "Internal server error"


def test_slow_function_is_not_waited_for(gateway: Gateway) -> None:
    """After the integration's time the client hears of it; the function runs on, and the next message is handled."""
    function = gateway.function(
        "import time\ndef handler(event, context):\n    time.sleep(0.5)\n    print('EVENT {}')\n"
    )
    api = make_api(gateway)
    api.route("$default", api.integration(uri=function, TimeoutInMillis=50))
    api.stage()
    with api.connected() as client:
        assert refusal_of(client, "x") == "Endpoint request timed out"
    assert events_of(gateway, function, 1) == [{}]


def test_reply_may_be_128_kb_and_no_more(gateway: Gateway) -> None:
    """A larger one is an error."""
    function = gateway.function(
        "def handler(event, context):\n    return {'statusCode': 200, 'body': 'x' * int(event['body'])}\n"
    )
    api = seeing_api(gateway, function, "$default")
    with api.connected() as client:
        assert answer_to(client, str(128 * 1024)) == "x" * 128 * 1024
        assert refusal_of(client, str(128 * 1024 + 1)) == "Internal server error"


# --- Order and concurrency ---


def test_messages_of_one_client_keep_their_order(gateway: Gateway) -> None:
    """Each is answered before the next begins, however long it takes."""
    function = gateway.function(
        "import time, json\ndef handler(event, context):\n    body = json.loads(event['body'])\n"
        "    time.sleep(body['s'])\n    return {'statusCode': 200, 'body': str(body['n'])}\n"
    )
    api = seeing_api(gateway, function, "$default")
    with api.connected() as client:
        for number, seconds in enumerate((0.3, 0.0, 0.1, 0.0)):
            client.send(json.dumps({"n": number, "s": seconds}))
        assert [client.recv() for _ in range(4)] == ["0", "1", "2", "3"]


def test_messages_of_different_clients_run_at_once(gateway: Gateway) -> None:
    """Four that take a second take a second."""
    function = gateway.function(
        "import time\ndef handler(event, context):\n    time.sleep(1)\n    return {'statusCode': 200, 'body': 'ok'}\n",
        Timeout=10,
    )
    api = seeing_api(gateway, function, "$default")
    clients = [api.connect() for _ in range(4)]
    for client in clients:
        client.send("warm")
    assert [client.recv() for client in clients] == ["ok"] * 4
    started = time.monotonic()
    for client in clients:
        client.send("go")
    assert [client.recv() for client in clients] == ["ok"] * 4
    assert time.monotonic() - started < 1.9
    for client in clients:
        client.close()


# --- MOCK ---


def mocked(gateway: Gateway, template: str = "", key: str = "$default", **settings: Any) -> WebSocketApi:
    """An API whose `$default` is mocked, with one integration response."""
    api = make_api(gateway)
    integration = api.integration("MOCK", **{**MOCK, **settings})
    responses = {"ResponseTemplates": {"$default": template}} if template else {}
    gateway.apis.create_integration_response(
        ApiId=api.id, IntegrationId=integration, IntegrationResponseKey=key, **responses
    )
    api.route("$default", integration, replies=True)
    api.stage(StageVariables={"color": "blue"})
    return api


def test_mock_answers_by_its_template(gateway: Gateway) -> None:
    """With the context, stage variables and the message at hand."""
    template = (
        '{"id": "$context.connectionId", "n": $input.json("$.n"), "color": "$stageVariables.color", '
        '"type": "$context.eventType"}'
    )
    api = mocked(gateway, template)
    with api.connected() as client:
        answer = json.loads(answer_to(client, '{"n": 5}'))
        assert answer == {"id": api.connection_id(), "n": 5, "color": "blue", "type": "MESSAGE"}


def test_mock_without_a_response_template_gives_the_message_back(gateway: Gateway) -> None:
    """As it is."""
    with mocked(gateway).connected() as client:
        assert answer_to(client, "echo me") == "echo me"


@pytest.mark.parametrize(
    ("request_template", "response_key"),
    [
        ('{"statusCode": "none"}', "$default"),
        ("no json", "$default"),
        ("#set($x = ", "$default"),
        ('{"statusCode": 404}', "/2../"),
    ],
)
def test_wrong_template_is_an_error_without_details(
    gateway: Gateway, request_template: str, response_key: str
) -> None:
    """The cause is for the execution log; so is a status that no response fits."""
    templates = {"RequestTemplates": {"$default": request_template}}
    with mocked(gateway, "fine", response_key, **templates).connected() as client:
        assert refusal_of(client, "x") == "Internal server error"


def test_response_is_chosen_by_the_status(gateway: Gateway) -> None:
    """A pattern that fits comes before `$default`."""
    template = '{"statusCode": #if($input.json("$.bad") == "true")404#{else}200#end}'
    api = mocked(gateway, "fine", RequestTemplates={"$default": template})
    (integration,) = gateway.apis.get_integrations(ApiId=api.id)["Items"]
    gateway.apis.create_integration_response(
        ApiId=api.id,
        IntegrationId=integration["IntegrationId"],
        IntegrationResponseKey="/4\\d\\d/",
        ResponseTemplates={"$default": "not found"},
    )
    with api.connected() as client:
        assert answer_to(client, "{}") == "fine"
        assert answer_to(client, '{"bad": true}') == "not found"


def test_template_is_chosen_by_its_expression(gateway: Gateway) -> None:
    """By a value of the message; `$default` for the rest."""
    templates = {"a": '{"statusCode": 201}', "$default": '{"statusCode": 202}'}
    api = make_api(gateway)
    integration = api.integration(
        "MOCK", TemplateSelectionExpression="$request.body.kind", RequestTemplates=templates
    )
    gateway.apis.create_integration_response(
        ApiId=api.id,
        IntegrationId=integration,
        IntegrationResponseKey="$default",
        TemplateSelectionExpression="${integration.response.statuscode}",
        ResponseTemplates={"201": "an a", "202": "another"},
    )
    api.route("$default", integration, replies=True)
    api.stage()
    with api.connected() as client:
        assert answer_to(client, '{"kind": "a"}') == "an a"
        assert answer_to(client, '{"kind": "b"}') == "another"
        assert answer_to(client, "text") == "another"


def test_message_that_no_template_fits_may_be_refused(gateway: Gateway) -> None:
    """PassthroughBehavior NEVER."""
    templates = {"a": '{"statusCode": 200}'}
    expression = {"TemplateSelectionExpression": "$request.body.kind", "PassthroughBehavior": "NEVER"}
    with mocked(gateway, "fine", RequestTemplates=templates, **expression).connected() as client:
        assert answer_to(client, '{"kind": "a"}') == "fine"
        assert refusal_of(client, '{"kind": "b"}') == "Unsupported Media Type"


# --- Functions with templates ---


def test_custom_integration_transforms_both_ways(gateway: Gateway) -> None:
    """The function gets what the request template makes, the client what the response template makes."""
    function = gateway.function(
        "def handler(event, context):\n    if event['n'] == 0:\n        raise ValueError('zero!')\n"
        "    return {'half': 10 / event['n']}\n"
    )
    api = make_api(gateway)
    templates = {"$default": '{"n": $input.json("$.number"), "who": "$context.connectionId"}'}
    integration = api.integration("AWS", function, RequestTemplates=templates)
    for key, template in (("$default", 'half: $input.json("$.half")'), ("/.*zero.*/", "by zero")):
        gateway.apis.create_integration_response(
            ApiId=api.id,
            IntegrationId=integration,
            IntegrationResponseKey=key,
            ResponseTemplates={"$default": template},
        )
    api.route("$default", integration, replies=True)
    api.stage()
    with api.connected() as client:
        assert answer_to(client, '{"number": 4}') == "half: 2.5"
        assert answer_to(client, '{"number": 0}') == "by zero"


# --- HTTP ---


def http_api(
    gateway: Gateway, backend: Backend, kind: str, path: str = "/x", **settings: Any
) -> WebSocketApi:
    """An API whose `$default` goes to a backend."""
    api = make_api(gateway)
    settings = {"IntegrationMethod": "POST", **settings}
    integration = api.integration(kind, f"{backend.url}{path}", **settings)
    if kind == "HTTP":
        gateway.apis.create_integration_response(
            ApiId=api.id,
            IntegrationId=integration,
            IntegrationResponseKey="$default",
            ResponseTemplates={"$default": 'method: $input.path("$.method"), body: $input.path("$.body")'},
        )
    api.route("$default", integration, replies=True)
    api.stage(StageVariables={"color": "blue"})
    return api


def test_http_proxy_passes_the_message_and_the_answer(gateway: Gateway, backend: Backend) -> None:
    """With what request parameters put into headers, query and path."""
    parameters = {
        "integration.request.header.connectionId": "context.connectionId",
        "integration.request.header.Color": "stageVariables.color",
        "integration.request.header.Static": "'fixed'",
        "integration.request.querystring.n": "route.request.body.n",
        "integration.request.path.what": "route.request.body.what",
    }
    api = http_api(gateway, backend, "HTTP_PROXY", "/to/{what}?a=1", RequestParameters=parameters)
    with api.connected() as client:
        found = json.loads(answer_to(client, '{"n": 5, "what": "a b"}'))
        headers = {name.lower(): value for name, value in found["headers"]}
        assert (found["method"], found["target"]) == ("POST", "/to/a%20b?a=1&n=5")
        assert found["body"] == '{"n": 5, "what": "a b"}'
        assert headers["connectionid"] == api.connection_id()
        assert (headers["color"], headers["static"]) == ("blue", "fixed")
        assert headers["user-agent"] == f"AmazonAPIGateway_{api.id}"


def test_http_integration_transforms_both_ways(gateway: Gateway, backend: Backend) -> None:
    """By templates."""
    templates = {"$default": 'said: $input.path("$.text")'}
    with http_api(gateway, backend, "HTTP", RequestTemplates=templates).connected() as client:
        assert answer_to(client, '{"text": "hi"}') == "method: POST, body: said: hi"


def test_backend_that_is_slow_or_gone_is_told(gateway: Gateway, backend: Backend) -> None:
    """In the gateway's words."""
    slow = http_api(gateway, backend, "HTTP_PROXY", "/slow", TimeoutInMillis=50)
    with slow.connected() as client:
        assert refusal_of(client, "x") == "Endpoint request timed out"
    api = make_api(gateway)
    gone = api.integration("HTTP_PROXY", "http://127.0.0.1:1/", IntegrationMethod="POST")
    api.route("$default", gone, replies=True)
    api.stage()
    with api.connected() as client:
        assert refusal_of(client, "x") == "Network error communicating with endpoint"


def test_header_of_a_message_cannot_break_the_request(gateway: Gateway, backend: Backend) -> None:
    """A mapped value with a line break is an error, not another header."""
    parameters = {"integration.request.header.X-Who": "route.request.body.who"}
    with http_api(gateway, backend, "HTTP_PROXY", RequestParameters=parameters).connected() as client:
        assert refusal_of(client, '{"who": "a\\r\\nX-Evil: 1"}') == "Internal server error"


def test_answer_that_is_no_text_is_sent_as_text(gateway: Gateway, backend: Backend) -> None:
    """A text message must be UTF-8."""
    with http_api(gateway, backend, "HTTP_PROXY", "/teapot").connected() as client:
        assert answer_to(client, "x") == "\x00\ufffd"


# --- Stages and deployments ---


def test_change_is_live_with_its_deployment(gateway: Gateway, seeing: str) -> None:
    """Not before; and then for connections that are open already."""
    api = make_api(gateway)
    integration = api.integration(uri=seeing)
    api.route("$default", integration, replies=True)
    first = gateway.apis.create_deployment(ApiId=api.id)["DeploymentId"]
    api.stage(AutoDeploy=False, DeploymentId=first)
    with api.connected() as client:
        api.route("join", integration, replies=True)
        message = '{"action": "join"}'
        assert answer_to(client, message).startswith("$default:")
        second = gateway.apis.create_deployment(ApiId=api.id, StageName="dev")["DeploymentId"]
        assert answer_to(client, message).startswith("join:")
        gateway.apis.update_stage(ApiId=api.id, StageName="dev", DeploymentId=first)
        assert answer_to(client, message).startswith("$default:")
        assert second != first


def test_stage_variables_choose_the_function(gateway: Gateway, seeing: str) -> None:
    """In an integration's URI; they are in the event too."""
    function, name = seeing, seeing.rpartition(":")[2]
    uri = function.replace(name, "${stageVariables.function}")
    api = make_api(gateway)
    api.route("$default", api.integration(uri=uri), replies=True)
    api.stage(StageVariables={"function": name})
    with api.connected() as client:
        assert answer_to(client, "x") == "$default:x"


def test_stage_without_a_deployment_is_forbidden(gateway: Gateway) -> None:
    """There is nothing to serve."""
    api = make_api(gateway)
    api.stage(AutoDeploy=False)
    assert api.refusal()[0] == 403


@pytest.mark.parametrize("what", ["stage", "api"])
def test_connections_end_with_their_stage(gateway: Gateway, seeing: str, what: str) -> None:
    """1001: it goes away."""
    api = seeing_api(gateway, seeing, "$default")
    with shaken_hands(api.url) as client:
        if what == "stage":
            gateway.apis.delete_stage(ApiId=api.id, StageName="dev")
        else:
            gateway.apis.delete_api(ApiId=api.id)
        frame = client.receive()
        assert frame is not None and frame.close_code == 1001
        client.send(frame_bytes(8, b"\x03\xe9"))
        assert client.receive() is None
    assert disconnect_of(api)["code"] == 1001


def test_other_stages_connections_stay(gateway: Gateway, seeing: str) -> None:
    """Changes of an API do not disturb its clients."""
    api = seeing_api(gateway, seeing, "$default")
    api.stage("other")
    with api.connected() as client:
        gateway.apis.delete_stage(ApiId=api.id, StageName="other")
        gateway.apis.update_api(ApiId=api.id, Description="new")
        assert answer_to(client, "x") == "$default:x"


def test_disabled_endpoint_is_forbidden(gateway: Gateway, seeing: str) -> None:
    """DisableExecuteApiEndpoint."""
    api = seeing_api(gateway, seeing, "$default")
    gateway.apis.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    assert api.refusal()[0] == 403


# --- Throttling ---


def test_throttled_messages_are_told(gateway: Gateway, seeing: str) -> None:
    """A stage's limit holds for each route."""
    api = make_api(gateway)
    integration = api.integration(uri=seeing)
    for key in ("$default", "join"):
        api.route(key, integration, replies=True)
    api.stage(DefaultRouteSettings={"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 2})
    with api.connected() as client:
        assert [answer_to(client, "x") for _ in range(2)] == ["$default:x"] * 2
        assert refusal_of(client, "x") == "Too Many Requests"
        assert answer_to(client, '{"action": "join"}').startswith("join:")


def test_route_has_a_limit_of_its_own(gateway: Gateway, seeing: str) -> None:
    """It comes before the stage's; other routes keep that."""
    api = make_api(gateway)
    integration = api.integration(uri=seeing)
    for key in ("$default", "join"):
        api.route(key, integration, replies=True)
    api.stage(
        DefaultRouteSettings={"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 100},
        RouteSettings={"join": {"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 1}},
    )
    with api.connected() as client:
        assert answer_to(client, '{"action": "join"}').startswith("join:")
        assert refusal_of(client, '{"action": "join"}') == "Too Many Requests"
        assert [answer_to(client, "x") for _ in range(3)] == ["$default:x"] * 3


def test_throttled_clients_are_turned_away(gateway: Gateway, seeing: str) -> None:
    """429 for `$connect`."""
    api = make_api(gateway)
    api.route("$connect", api.integration(uri=seeing))
    limit = {"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 1}
    api.stage(RouteSettings={"$connect": limit})
    api.connect().close()
    status, body = api.refusal()
    assert (status, body["message"]) == (429, "Too Many Requests")


# --- The end of a connection ---


def disconnect_of(api: WebSocketApi) -> dict[str, Any]:
    """What the journal says of the end of the last connection."""
    return dict(api.wait_for_journal("websocket.disconnected")[-1]["detail"])


@pytest.fixture
def watched(gateway: Gateway, seeing: str) -> WebSocketApi:
    """An API of its own with every route."""
    return seeing_api(gateway, seeing)


def test_disconnect_hears_code_and_reason(gateway: Gateway, watched: WebSocketApi, seeing: str) -> None:
    """In the event, as recorded."""
    client = watched.connect()
    identifier = watched.connection_id()
    client.close(status=4001, reason=b"bye", timeout=2)
    ended = disconnect_of(watched)
    assert (ended["code"], ended["reason"], ended["status"]) == (4001, "bye", 200)
    event = wait_for(
        lambda: next(
            (
                each
                for each in events_of(gateway, seeing, 1)
                if each["requestContext"]["eventType"] == "DISCONNECT"
                and each["requestContext"]["connectionId"] == identifier
            ),
            None,
        )
    )
    assert event["requestContext"]["disconnectStatusCode"] == 4001
    assert event["requestContext"]["disconnectReason"] == "bye"
    assert set(event["headers"]) == {"Host", "x-api-key", "X-Forwarded-For", "x-restapi"}
    assert "body" not in event


def test_client_that_vanishes_is_disconnected(watched: WebSocketApi) -> None:
    """1006: no close frame came."""
    with shaken_hands(watched.url):
        watched.wait_for_journal("websocket.connected")
    assert disconnect_of(watched)["code"] == 1006


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame_bytes(1, b"x" * 32769)], 1009),
        ([frame_bytes(1, b"x" * 32768, final=False)] + [frame_bytes(0, b"x" * 32768, final=False)] * 4, 1009),
        ([frame_bytes(2, b"x")], 1003),
        ([frame_bytes(1, b"\xff")], 1007),
        ([frame_bytes(5)], 1002),
        ([frame_bytes(8, b"\x03\xe8bye")], 1000),
        ([frame_bytes(8)], None),
    ],
)
def test_client_is_closed_with_the_right_code(
    watched: WebSocketApi, frames: list[bytes], code: int | None
) -> None:
    """Frames over 32 KB, messages over 128 KB, binary frames, no UTF-8, no WebSocket; and what it asked for itself."""
    with shaken_hands(watched.url) as client:
        client.send(b"".join(frames))
        frame = client.receive()
        assert frame is not None and (frame.opcode, frame.close_code) == (8, code)
    assert disconnect_of(watched)["code"] == (code or 1005)


def test_message_of_128_kb_in_frames_of_32_is_handled(watched: WebSocketApi) -> None:
    """The most that a client may send."""
    part = b"x" * 32768
    with shaken_hands(watched.url) as client:
        client.send(frame_bytes(1, part, final=False) + frame_bytes(0, part, final=False) * 2)
        client.send(frame_bytes(0, part))
        assert watched.wait_for_journal("websocket.message")[-1]["detail"]["size"] == 131072


def test_failing_disconnect_harms_nobody(gateway: Gateway) -> None:
    """Nobody waits for it; it is in the journal."""
    function = gateway.function("def handler(event, context):\n    raise ValueError('x')\n")
    api = seeing_api(gateway, function, "$disconnect", "$default")
    api.connect().close()
    ended = disconnect_of(api)
    assert ended["status"] == 502 and "ValueError" in ended["error"]


def test_many_clients_at_once_are_all_heard(gateway: Gateway, seeing: str) -> None:
    """Thirty of them, each with messages of its own."""
    api = seeing_api(gateway, seeing, "$default")
    failures: list[str] = []

    def talk(number: int) -> None:
        client = api.connect()
        expected = [f"$default:{number}-{turn}" for turn in range(5)]
        answers = [answer_to(client, f"{number}-{turn}") for turn in range(5)]
        if answers != expected:
            failures.append(f"{answers} is not {expected}")
        client.close()

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == [] and not any(thread.is_alive() for thread in threads)
