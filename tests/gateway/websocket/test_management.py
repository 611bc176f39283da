"""@connections: what a backend may do with a connection, from where, and what it hears when there is none."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from urllib.parse import quote

import boto3
import certifi
import pytest
from botocore.exceptions import ClientError

from tests.conftest import wait_for
from tests.gateway.http_api.gateway import Gateway
from tests.gateway.websocket.raw_client import shaken_hands
from tests.gateway.websocket.websocket_lab import WebSocketApi, events_of, make_api, seeing_api

# Answers through @connections as AWS's documentation does it: the address comes from the event.
DOCUMENTED = """
import boto3, os
def handler(event, context):
    about = event["requestContext"]
    domain, stage, connection = about["domainName"], about["stage"], about["connectionId"]
    client = boto3.client("apigatewaymanagementapi", endpoint_url=f"https://{domain}/{stage}")
    client.post_to_connection(ConnectionId=connection, Data=event["body"].encode())
    boto3.client("apigatewaymanagementapi").post_to_connection(ConnectionId=connection, Data="no address")
    address = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{about['apiId']}/{stage}"
    other = boto3.client("apigatewaymanagementapi", endpoint_url=address)
    other.post_to_connection(ConnectionId=connection, Data="by path")
    return {"statusCode": 200}
"""
PLAIN_HTTPS = """
import urllib.request, urllib.error, ssl
def handler(event, context):
    about = event["requestContext"]
    try:
        urllib.request.urlopen(f"https://{about['domainName']}/{about['stage']}/@connections/x")
    except urllib.error.HTTPError as error:
        return {"statusCode": 200, "body": f"{error.code} {error.headers['x-amzn-ErrorType']}"}
"""
IN_CONNECT = """
import boto3, json
def handler(event, context):
    about = event["requestContext"]
    client = boto3.client("apigatewaymanagementapi", endpoint_url=f"https://{about['domainName']}/{about['stage']}")
    found = []
    for call in (
        lambda: client.post_to_connection(ConnectionId=about["connectionId"], Data="too early"),
        lambda: client.get_connection(ConnectionId=about["connectionId"]),
    ):
        try:
            call()
            found.append("none")
        except client.exceptions.GoneException as error:
            found.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    print("EVENT " + json.dumps(found))
    return {"statusCode": 200}
"""


def code_of(call: object, **arguments: object) -> tuple[str, int]:
    """Error code and status of a call that fails."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)  # type: ignore[operator]
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


# --- POST, GET, DELETE ---


def test_post_reaches_the_client(seen: WebSocketApi) -> None:
    """Any text; an empty one, and one of 128 KB too."""
    with seen.connected() as client:
        identifier, management = seen.connection_id(), seen.management()
        for text in ("hello", "gr\u00fc\u00dfe \U0001f600", "", "x" * 128 * 1024):
            answer = management.post_to_connection(ConnectionId=identifier, Data=text.encode())
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
            assert client.recv() == text


def test_get_tells_about_the_connection(seen: WebSocketApi) -> None:
    """When it began, when it was active last, and whose it is."""
    with seen.connected(header={"User-Agent": "tester/1"}) as client:
        management, identifier = seen.management(), seen.connection_id()
        found = management.get_connection(ConnectionId=identifier)
        assert found["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tester/1"}
        time.sleep(0.01)
        client.send("x")
        client.recv()
        later = management.get_connection(ConnectionId=identifier)
    assert later["ConnectedAt"] == found["ConnectedAt"] <= found["LastActiveAt"] < later["LastActiveAt"]


def test_delete_ends_the_connection(seen: WebSocketApi) -> None:
    """With a close frame of 1000; at once there is no such connection any more, and `$disconnect` runs."""
    with shaken_hands(seen.url) as client:
        identifier, management = seen.connection_id(), seen.management()
        answer = management.delete_connection(ConnectionId=identifier)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert code_of(management.get_connection, ConnectionId=identifier) == ("GoneException", 410)
        frame = client.receive()
        assert frame is not None and frame.close_code == 1000
    ended = wait_for(
        lambda: [
            each
            for each in seen.journal("websocket.disconnected")
            if each["detail"]["connection"] == identifier
        ]
    )
    assert (ended[0]["detail"]["code"], ended[0]["detail"]["reason"]) == (1000, "Connection Closed Normally")


# --- Gone ---


def test_connection_that_is_closed_is_gone(seen: WebSocketApi) -> None:
    """For all three, as soon as the client's close frame is there."""
    with seen.connected():
        identifier = seen.connection_id()
    management = seen.management()
    calls = (management.get_connection, management.delete_connection)
    assert [code_of(call, ConnectionId=identifier) for call in calls] == [("GoneException", 410)] * 2
    posting = code_of(management.post_to_connection, ConnectionId=identifier, Data=b"x")
    assert posting == ("GoneException", 410)


@pytest.mark.parametrize("identifier", ["L0SM9cOFvHcCIhw=", "x", "a/b", "\u00fc", "%2e%2e"])
def test_connection_that_never_was_is_gone(seen: WebSocketApi, identifier: str) -> None:
    """Whatever it is called."""
    management = seen.management()
    assert code_of(management.post_to_connection, ConnectionId=identifier, Data=b"x") == (
        "GoneException",
        410,
    )


def test_connection_is_not_there_during_connect(gateway: Gateway) -> None:
    """The upgrade waits for `$connect` to end: 410 before that."""
    function = gateway.function(IN_CONNECT)
    api = seeing_api(gateway, function, "$connect")
    with api.connected():
        assert events_of(gateway, function, 1) == [[410, 410]]


def test_connection_of_another_api_is_gone(gateway: Gateway, seen: WebSocketApi, seeing: str) -> None:
    """Each address knows its own."""
    other = seeing_api(gateway, seeing, "$default")
    other.stage("second")
    with seen.connected() as client:
        identifier = seen.connection_id()
        for url in (other.management_url, other.management_url.replace("/dev", "/second")):
            management = other.management(url)
            assert code_of(management.post_to_connection, ConnectionId=identifier, Data=b"x") == (
                "GoneException",
                410,
            )
        seen.management().post_to_connection(ConnectionId=identifier, Data=b"mine")
        assert client.recv() == "mine"


# --- Refused ---


def test_message_over_128_kb_is_too_large(seen: WebSocketApi) -> None:
    """413, and the connection stays."""
    with seen.connected() as client:
        identifier, management = seen.connection_id(), seen.management()
        data = b"x" * (128 * 1024 + 1)
        found = code_of(management.post_to_connection, ConnectionId=identifier, Data=data)
        assert found == ("PayloadTooLargeException", 413)
        management.post_to_connection(ConnectionId=identifier, Data=b"fits")
        assert client.recv() == "fits"


def test_bytes_that_are_no_text_are_refused(seen: WebSocketApi) -> None:
    """A client would have to close over them."""
    with seen.connected():
        management = seen.management()
        found = code_of(management.post_to_connection, ConnectionId=seen.connection_id(), Data=b"\xff\xfe")
        assert found == ("BadRequestException", 400)


def test_unknown_stage_is_forbidden(seen: WebSocketApi) -> None:
    """As recorded: 403."""
    management = seen.management(f"{seen.endpoint.replace('ws://', 'http://')}/bad-stage")
    found = code_of(management.post_to_connection, ConnectionId="bad-conn-id", Data=b"x")
    assert found == ("ForbiddenException", 403)


def test_unsigned_call_is_refused(gateway: Gateway, seen: WebSocketApi) -> None:
    """403, whatever the connection."""
    with seen.connected():
        target = f"/_aws/execute-api/{seen.id}/dev/@connections/{quote(seen.connection_id(), safe='')}"
        status, headers, body = gateway.cloud.ask("POST", target, b"x")
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    assert json.loads(body)["message"] == "Missing Authentication Token"


@pytest.mark.parametrize("wrong", ["secret", "service", "body"])
def test_wrongly_signed_call_is_refused(gateway: Gateway, seen: WebSocketApi, wrong: str) -> None:
    """Another secret, another service, another body than was signed."""
    with seen.connected():
        target = f"/_aws/execute-api/{seen.id}/dev/%40connections/{quote(seen.connection_id(), safe='')}"
        service = "s3" if wrong == "service" else "execute-api"
        headers = gateway.cloud.signed_headers("POST", target, service, b"x")
        if wrong == "secret":
            headers["Authorization"] = headers["Authorization"][:-4] + "0000"
        status, _, _ = gateway.cloud.ask("POST", target, b"y" if wrong == "body" else b"x", headers)
    assert status == 403


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS"])
def test_other_methods_are_none(gateway: Gateway, seen: WebSocketApi, method: str) -> None:
    """403, as for any method that an API lacks."""
    with seen.connected():
        target = f"/_aws/execute-api/{seen.id}/dev/%40connections/{quote(seen.connection_id(), safe='')}"
        headers = gateway.cloud.signed_headers(method, target)
        assert gateway.cloud.ask(method, target, headers=headers)[0] == 403


def test_slow_client_is_reported_and_harms_nobody(gateway: Gateway, seeing: str) -> None:
    """429 when too much lies here for it; others are served meanwhile, and it gets all that was taken."""
    api = seeing_api(gateway, seeing, "$default")
    with shaken_hands(api.url) as slow, api.connected() as quick:
        identifier = api.wait_for_journal("websocket.connected", 2)[0]["detail"]["connection"]
        management, taken = api.management(), 0
        part = b"x" * 128 * 1024
        with contextlib.suppress(management.exceptions.LimitExceededException):
            while taken < 200:
                management.post_to_connection(ConnectionId=identifier, Data=part)
                taken += 1
        assert taken < 200
        quick.send("still there?")
        assert quick.recv() == "$default:still there?"
        received = 0
        while received < taken * len(part):
            frame = slow.receive()
            assert frame is not None
            received += len(frame.payload)
        assert received == taken * len(part)


# --- Addresses ---


def test_handler_of_the_documentation_works_unchanged(gateway: Gateway) -> None:
    """Its address made from the event, with https; none at all; and the one by path."""
    api = seeing_api(gateway, gateway.function(DOCUMENTED), "$default", replies=False)
    with api.connected() as client:
        client.send("from the event")
        assert [client.recv() for _ in range(3)] == ["from the event", "no address", "by path"]


def test_plain_https_of_a_function_is_trusted_too(gateway: Gateway) -> None:
    """Not only boto3 knows the lab's certificate."""
    api = seeing_api(gateway, gateway.function(PLAIN_HTTPS), "$default")
    with api.connected() as client:
        client.send("x")
        assert client.recv() == "403 MissingAuthenticationTokenException"


def test_cloud_finds_the_connection_without_an_address(seen: WebSocketApi) -> None:
    """boto3 then asks the cloud itself for `/@connections/{id}`."""
    with seen.connected() as client:
        identifier, management = seen.connection_id(), seen.management("")
        management.post_to_connection(ConnectionId=identifier, Data=b"found")
        assert client.recv() == "found"
        assert management.get_connection(ConnectionId=identifier)["Identity"]["SourceIp"] == "127.0.0.1"
    assert code_of(management.get_connection, ConnectionId=identifier)[1] == 410


def test_certificate_is_the_labs_own(seen: WebSocketApi) -> None:
    """Whoever has not been told of it does not trust the address."""
    url = seen.management_url.replace("http://", "https://")
    stranger = boto3.session.Session().client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
        verify=certifi.where(),
    )
    with pytest.raises(Exception, match="certificate verify failed"):
        stranger.get_connection(ConnectionId="x")


# --- Many ---


def test_broadcast_reaches_everybody(gateway: Gateway) -> None:
    """A function that sends to fifty clients; each gets it once."""
    function = gateway.function(
        "import boto3, json\n"
        "client = boto3.client('apigatewaymanagementapi')\n"
        "def handler(event, context):\n"
        "    for each in json.loads(event['body'])['to']:\n"
        "        client.post_to_connection(ConnectionId=each, Data='news')\n",
        Timeout=20,
    )
    api = make_api(gateway)
    api.route("$default", api.integration(uri=function))
    api.stage()
    clients = [api.connect() for _ in range(50)]
    everybody = [each["detail"]["connection"] for each in api.wait_for_journal("websocket.connected", 50)]
    clients[0].send(json.dumps({"to": everybody}))
    assert [client.recv() for client in clients] == ["news"] * 50
    for client in clients:
        client.close(timeout=0)


def test_posts_from_many_sides_do_not_mix(seen: WebSocketApi) -> None:
    """Messages are whole, though several backends send at once."""
    with seen.connected() as client:
        identifier = seen.connection_id()

        def post(letter: str) -> None:
            management = seen.management()
            for _ in range(5):
                management.post_to_connection(ConnectionId=identifier, Data=letter * 50_000)

        threads = [threading.Thread(target=post, args=(letter,)) for letter in "abcd"]
        for thread in threads:
            thread.start()
        received = [client.recv() for _ in range(20)]
        for thread in threads:
            thread.join(20)
    assert all(len(set(text)) == 1 and len(text) == 50_000 for text in received)
    assert sorted(text[0] for text in received) == sorted("abcd" * 5)
