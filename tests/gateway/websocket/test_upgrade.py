"""How clients connect: the handshake, `$connect` and its refusals, authorizers, keys, subprotocols."""

from __future__ import annotations

import json
import socket
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.conftest import wait_for
from tests.gateway.http_api.gateway import Gateway
from tests.gateway.websocket.raw_client import ask, frame_bytes, shaken_hands, upgrade_request
from tests.gateway.websocket.websocket_lab import WebSocketApi, events_of, make_api, seeing_api

AUTHORIZER = """
def handler(event, context):
    print("EVENT " + __import__("json").dumps(event))
    token = event["queryStringParameters"].get("token")
    if token == "crash":
        raise ValueError("boom")
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token == "nonsense":
        return {"hello": "there"}
    effect = "Allow" if token == "allow" else "Deny"
    resource = event["methodArn"] if token != "elsewhere" else "arn:aws:execute-api:*:*:other/*"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "me", "policyDocument": policy, "context": {"text": "value", "number": 7, "flag": True}}
"""


# --- $connect ---


def test_connect_event_is_awss(gateway: Gateway, seen: WebSocketApi, seeing: str) -> None:
    """Its keys, and an address that leads back."""
    with seen.connected("room=1", header={"X-Own": "z"}):
        identifier = seen.connection_id()
        event = wait_for(
            lambda: next(
                (
                    each
                    for each in events_of(gateway, seeing, 1)
                    if each["requestContext"]["connectionId"] == identifier
                ),
                None,
            )
        )
    context = event["requestContext"]
    assert event["headers"]["X-Own"] == "z" and event["queryStringParameters"] == {"room": "1"}
    assert "body" not in event and "messageId" not in context
    assert (context["routeKey"], context["eventType"], context["stage"]) == ("$connect", "CONNECT", "dev")
    assert context["domainName"] == f"{gateway.cloud.netloc}/_aws/execute-api/{seen.id}"
    assert context["requestId"] == context["extendedRequestId"]
    assert abs(context["connectedAt"] - context["requestTimeEpoch"]) <= 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 500, 503])
def test_refusing_connect_is_the_handshakes_status(seen: WebSocketApi, status: int) -> None:
    """Whatever `$connect` answers that is not 2xx."""
    assert seen.refusal(f"status={status}")[0] == status


def test_redirect_is_a_refusal_too(seen: WebSocketApi) -> None:
    """3xx is not 2xx."""
    url = f"{seen.url}?status=301"
    assert ask(url, upgrade_request(url))[0] == 301


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_success_connects(seen: WebSocketApi, status: int) -> None:
    """Not only 200."""
    with seen.connected(f"status={status}") as client:
        assert client.connected


def test_failing_connect_is_502(seen: WebSocketApi) -> None:
    """With the gateway's words; and there is no connection afterwards."""
    status, body = seen.refusal("fail=1")
    assert status == 502 and body["message"] == "Internal server error"
    assert set(body) == {"message", "connectionId", "requestId"}
    client = seen.management("")
    with pytest.raises(client.exceptions.GoneException):
        client.get_connection(ConnectionId=body["connectionId"])


@pytest.mark.parametrize(
    ("reply", "status"),
    [(None, 502), ({"foo": 1}, 502), ("text", 502), ({"statusCode": 200}, 101), ({}, 101)],
)
def test_connect_must_answer_as_a_proxy_does(gateway: Gateway, reply: Any, status: int) -> None:
    """A reply of another form is a failure."""
    api = seeing_api(gateway, gateway.returning(reply), "$connect", "$default")
    if status == 101:
        api.connect().close()
    else:
        assert api.refusal()[0] == status


def test_slow_connect_is_504_and_the_function_runs_on(gateway: Gateway) -> None:
    """The gateway's patience is the integration's; nothing is cut off behind it."""
    function = gateway.function(
        "import time\ndef handler(event, context):\n    time.sleep(0.6)\n    print('EVENT {}')\n"
    )
    api = make_api(gateway)
    api.route("$connect", api.integration(uri=function, TimeoutInMillis=50))
    api.stage()
    status, body = api.refusal()
    assert (status, body["message"]) == (504, "Endpoint request timed out")
    assert events_of(gateway, function, 1) == [{}]


@pytest.mark.parametrize("why", ["not permitted", "deleted"])
def test_function_that_cannot_be_called_is_500(gateway: Gateway, why: str) -> None:
    """Without a permission, or gone since."""
    function = gateway.function(allow=why != "not permitted")
    api = seeing_api(gateway, function, "$connect", "$default")
    if why == "deleted":
        gateway.functions.delete_function(FunctionName=function)
    status, body = api.refusal()
    assert (status, body["message"]) == (500, "Internal server error")
    refused = api.wait_for_journal("websocket.refused")[-1]["detail"]
    assert "not call" in refused["error"] or "not found" in refused["error"]


def test_connect_route_is_optional(gateway: Gateway, seeing: str) -> None:
    """Everybody may connect then."""
    api = seeing_api(gateway, seeing, "$default")
    with api.connected() as client:
        client.send("x")
        assert client.recv() == "$default:x"


def test_connect_may_be_mocked(gateway: Gateway) -> None:
    """Its template's status is the handshake's."""
    api = make_api(gateway)
    template = '{"statusCode": #if($input.params("token") == "good")200#{else}403#end}'
    mock = api.integration("MOCK", RequestTemplates={"$default": template})
    api.route("$connect", mock)
    api.stage()
    api.connect("token=good").close()
    assert api.refusal("token=bad")[0] == 403


def test_connect_may_be_an_http_backend(gateway: Gateway, backend: Any) -> None:
    """Its status is the handshake's, and it sees the client's request."""
    api = make_api(gateway)
    api.route("$connect", api.integration("HTTP_PROXY", f"{backend.url}/hello", IntegrationMethod="GET"))
    api.route("$default", api.integration("HTTP_PROXY", f"{backend.url}/teapot", IntegrationMethod="GET"))
    api.stage()
    api.connect().close()
    other = make_api(gateway)
    other.route("$connect", other.integration("HTTP_PROXY", f"{backend.url}/teapot", IntegrationMethod="GET"))
    other.stage()
    assert other.refusal()[0] == 418


def test_required_parameters_are_asked_for(gateway: Gateway, seeing: str) -> None:
    """400, and which."""
    api = make_api(gateway)
    required = {"route.request.querystring.room": {"Required": True}}
    api.route("$connect", api.integration(uri=seeing), RequestParameters=required)
    api.stage()
    status, body = api.refusal()
    assert (status, body["message"]) == (400, "Missing required request parameters: [room]")
    api.connect("room=1").close()


def test_client_that_leaves_during_connect_is_disconnected(gateway: Gateway) -> None:
    """`$disconnect` runs all the same, with 1006."""
    function = gateway.function(
        "import json, time\ndef handler(event, context):\n    time.sleep(0.3)\n"
        "    print('EVENT ' + json.dumps(event))\n    return {'statusCode': 200}\n"
    )
    api = seeing_api(gateway, function, "$connect", "$disconnect")
    address = urlsplit(api.url)
    assert address.hostname and address.port
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(upgrade_request(api.url))
        wait_for(lambda: gateway.cloud.journal(0, "invoke.started"))
    ended = api.wait_for_journal("websocket.disconnected")[-1]["detail"]
    assert ended["code"] == 1006


# --- The handshake ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": ""}, 403),
        ({"Connection": "keep-alive"}, 403),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": "not base64, but 24 chars"}, 400),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": ""}, 426),
        ({"Content-Length": "5"}, 400),
    ],
)
def test_wrong_handshake_is_a_clear_status(seen: WebSocketApi, headers: dict[str, str], status: int) -> None:
    """And no `$connect` runs."""
    before = len(seen.journal("websocket"))
    assert ask(seen.url, upgrade_request(seen.url, headers))[0] == status
    assert len(seen.journal("websocket")) == before


def test_upgrade_is_asked_for_by_get(seen: WebSocketApi) -> None:
    """Any other method is 400."""
    assert ask(seen.url, upgrade_request(seen.url, method="POST"))[0] == 400


@pytest.mark.parametrize("path", ["/nostage", "/dev/deeper", "", "/dev/../dev/x", "/%64ev2"])
def test_address_without_a_stage_is_forbidden(seen: WebSocketApi, path: str) -> None:
    """403, as for any address that is none."""
    assert seen.refusal(url=f"{seen.endpoint}{path}")[0] == 403


def test_stage_may_end_with_a_slash(seen: WebSocketApi) -> None:
    """wscat is shown so in AWS's documentation."""
    seen.connect(url=f"{seen.url}/").close()


def test_api_answers_by_its_host_too(gateway: Gateway, seen: WebSocketApi) -> None:
    """`{api}.execute-api.localhost`, however that name is resolved."""
    port = gateway.cloud.netloc.rpartition(":")[2]
    host = f"{seen.id}.execute-api.localhost:{port}"
    with shaken_hands(f"ws://{gateway.cloud.netloc}/dev", {"Host": host}) as client:
        client.text("x")
        frame = client.receive()
    assert frame is not None and frame.payload == b"$default:x"


def test_frame_sent_with_the_handshake_counts(seen: WebSocketApi) -> None:
    """A client that cannot wait."""
    address = urlsplit(seen.url)
    assert address.hostname and address.port
    with socket.create_connection((address.hostname, address.port), 10) as client:
        client.sendall(upgrade_request(seen.url) + frame_bytes(1, b"early"))
        answer = b""
        while b"$default:early" not in answer:
            chunk = client.recv(65536)
            assert chunk, answer
            answer += chunk


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["chat"], "chat"), (["soap", "chat"], "chat"), (None, None)]
)
def test_connect_chooses_the_subprotocol(
    seen: WebSocketApi, offered: list[str] | None, chosen: str | None
) -> None:
    """The header in its reply; here the function takes the last."""
    client = seen.connect(subprotocols=offered)
    assert client.getsubprotocol() == chosen
    client.close()


def test_subprotocol_that_was_not_offered_is_not_told(gateway: Gateway) -> None:
    """A client would end the connection over it; nor does a reply put other headers into the handshake."""
    headers = {"Sec-WebSocket-Protocol": "other", "X-More": "2", "Set-Cookie": "a=1"}
    api = seeing_api(gateway, gateway.returning({"statusCode": 200, "headers": headers}))
    with shaken_hands(api.url, {"Sec-WebSocket-Protocol": "mine"}) as client:
        assert not [name for name in ("-protocol:", "x-more", "set-cookie") if name in client.head.lower()]


@pytest.mark.parametrize("value", ["chat\r\nX-Evil: 1", "chat\nX-Evil: 1", "ch at", ""])
def test_reply_cannot_inject_headers(gateway: Gateway, value: str) -> None:
    """What is no header's value makes the reply malformed, or is left out."""
    api = seeing_api(
        gateway, gateway.returning({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": value}})
    )
    status, headers, _ = ask(api.url, upgrade_request(api.url, {"Sec-WebSocket-Protocol": "chat"}))
    assert status in (101, 502) and "x-evil" not in headers and "sec-websocket-protocol" not in headers


def test_compression_is_not_agreed_on(seen: WebSocketApi) -> None:
    """API Gateway has none: the offer goes unanswered."""
    client = seen.connect(header={"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"})
    assert "sec-websocket-extensions" not in client.getheaders()
    client.close()


# --- Authorizers ---


@pytest.fixture(scope="module")
def guarded(gateway: Gateway, seeing: str) -> WebSocketApi:
    """An API whose `$connect` asks a function by the token in the query."""
    api = make_api(gateway)
    authorizer = api.authorizer(gateway.function(AUTHORIZER), "route.request.querystring.token")
    integration = api.integration(uri=seeing)
    api.route("$connect", integration, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    api.route("$default", integration, replies=True)
    api.stage(StageVariables={"color": "blue"})
    return api


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("token=deny", 403, "User is not authorized to access this resource with an explicit deny"),
        ("token=elsewhere", 403, "User is not authorized to access this resource"),
        ("token=unauthorized", 401, "Unauthorized"),
        ("", 401, "Unauthorized"),
        ("token=", 401, "Unauthorized"),
        ("token=crash", 500, "Internal server error"),
        ("token=nonsense", 500, "Internal server error"),
    ],
)
def test_authorizer_turns_clients_away(guarded: WebSocketApi, query: str, status: int, message: str) -> None:
    """And the integration is not asked."""
    found, body = guarded.refusal(query)
    assert (found, body["message"]) == (status, message)
    refused = guarded.wait_for_journal("websocket.refused")[-1]["detail"]
    assert refused["status"] == status and "integration_ms" not in refused


def test_authorizer_is_asked_only_with_its_identity_source(gateway: Gateway, guarded: WebSocketApi) -> None:
    """Without it the answer is 401, and no function runs."""
    before = len(gateway.cloud.journal(0, "gateway.authorizer"))
    guarded.refusal()
    assert len(gateway.cloud.journal(0, "gateway.authorizer")) == before


def test_authorizers_words_are_in_every_event(gateway: Gateway, guarded: WebSocketApi, seeing: str) -> None:
    """Of `$connect` and of messages; as texts."""
    with guarded.connected("token=allow") as client:
        client.send("hello")
        client.recv()
        identifier = guarded.connection_id()
    events = [
        event
        for event in events_of(gateway, seeing, 2)
        if event["requestContext"]["connectionId"] == identifier
    ]
    assert len(events) == 2
    for event in events:
        found = event["requestContext"]["authorizer"]
        assert isinstance(found.pop("integrationLatency"), int)
        assert found == {"principalId": "me", "text": "value", "number": "7", "flag": "true"}
        assert event["stageVariables"] == {"color": "blue"}


def test_authorizers_event_is_a_request(gateway: Gateway, seeing: str) -> None:
    """With the method's ARN, headers, query, stage variables and the context of `$connect`."""
    api = make_api(gateway)
    function = gateway.function(AUTHORIZER)
    api.route(
        "$connect",
        AuthorizationType="CUSTOM",
        AuthorizerId=api.authorizer(function, "route.request.header.Auth"),
    )
    api.stage(StageVariables={"a": "b"})
    api.refusal(header={"Auth": "x"})
    (event,) = events_of(gateway, function, 1)
    assert event["methodArn"] == f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/dev/$connect"
    assert (event["type"], event["stageVariables"]) == ("REQUEST", {"a": "b"})
    assert event["headers"]["Auth"] == "x" and event["headers"]["Upgrade"].lower() == "websocket"
    assert event["requestContext"]["eventType"] == "CONNECT" and event["queryStringParameters"] == {}


# --- IAM ---


@pytest.fixture(scope="module")
def signed(gateway: Gateway, seeing: str) -> WebSocketApi:
    """An API whose `$connect` must be signed."""
    api = make_api(gateway)
    api.route("$connect", api.integration(uri=seeing), AuthorizationType="AWS_IAM")
    api.stage()
    return api


def signature(api: WebSocketApi, *, secret: str = "", query: bool = False) -> tuple[str, dict[str, str]]:
    """The stage's address and headers, signed in one or the other."""
    cloud = api.gateway.cloud
    keys = Credentials(cloud.access_key_id, secret or cloud.secret_access_key)
    request = AWSRequest("GET", api.management_url, {})
    (SigV4QueryAuth if query else SigV4Auth)(keys, "execute-api", cloud.region).add_auth(request)
    headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    return request.url.replace("http://", "ws://"), headers


@pytest.mark.parametrize("query", [False, True])
def test_signed_client_may_connect(signed: WebSocketApi, query: bool) -> None:
    """By headers, or by the query, as browsers have to."""
    url, headers = signature(signed, query=query)
    signed.connect(url=url, header=headers, suppress_origin=True).close()


def test_unsigned_client_is_forbidden(signed: WebSocketApi) -> None:
    """403, as AWS words it."""
    status, body = signed.refusal()
    assert (status, body["message"]) == (403, "Missing Authentication Token")


def test_wrongly_signed_client_is_forbidden(signed: WebSocketApi) -> None:
    """Another secret."""
    url, headers = signature(signed, secret="wrong" * 8)
    status, body = signed.refusal(url=url, header=headers, suppress_origin=True)
    assert status == 403 and "signature" in body["message"].lower()


# --- Names of their own ---


def test_every_connection_has_an_id_of_its_own(seen: WebSocketApi) -> None:
    """Fifteen letters and `=`, as on AWS."""
    clients = [seen.connect() for _ in range(5)]
    found = {each["detail"]["connection"] for each in seen.journal("websocket.connected")[-5:]}
    for client in clients:
        client.close()
    assert len(found) == 5 and all(len(each) == 16 and each.endswith("=") for each in found)


def test_route_key_may_be_anything(gateway: Gateway, seeing: str) -> None:
    """With spaces, slashes, and in any script."""
    key = f"send message/\u00fc {uuid.uuid4().hex[:4]}"
    api = seeing_api(gateway, seeing, "$default", key)
    with api.connected() as client:
        client.send(json.dumps({"action": key}))
        assert client.recv().startswith(f"{key}:")


def test_browsers_origin_is_no_matter(seen: WebSocketApi) -> None:
    """API Gateway leaves that to `$connect`."""
    seen.connect(origin="https://evil.example").close()
    with pytest.raises(websocket.WebSocketException):
        seen.connect("status=403", origin="https://evil.example")
