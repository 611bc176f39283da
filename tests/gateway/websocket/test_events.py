"""Events of WebSocket APIs, held against recorded ones of AWS."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.gateway.websocket.events import (
    CONNECT_EVENT,
    DISCONNECT_EVENT,
    MESSAGE_EVENT,
    Client,
    MessageEvents,
    Occasion,
    authorizer_event,
    event,
)

REQUEST = GatewayRequest(
    "GET",
    "/dev",
    "room=1&room=2&name=A%20da",
    (
        ("Host", "127.0.0.1:4566"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "DM+9PqsQtaZrN+IMZbWTzg=="),
        ("User-Agent", "Firefox"),
        ("X-Twice", "a"),
        ("X-Twice", "b"),
    ),
    b"",
    "185.69.197.15",
    "domain",
    "TXzPWFkkjoEF92g=",
    "Root=1-65d2ff2e-718990494fd688f062bf1571",
)
CLIENT = Client(
    "TXzPWdnOjoECGjA=",
    "nn27okk1we",
    "develop",
    "127.0.0.1:4566/_aws/execute-api/nn27okk1we",
    1708326702789,
    REQUEST,
    {"userAgent": "Firefox", "sourceIp": "185.69.197.15"},
)
CONNECT = Occasion(CLIENT, CONNECT_EVENT, "$connect", "TXzPWFkkjoEF92g=", 1708326702.790, {})
MESSAGE = replace(
    CONNECT, type=MESSAGE_EVENT, route_key="join", body='{"action": "join"}', message_id="IAugqcSVoAMCJFg="
)
DISCONNECT = replace(
    CONNECT,
    type=DISCONNECT_EVENT,
    route_key="$disconnect",
    disconnect_code=1001,
    disconnect_reason="Going away",
)


def test_connect_event_has_the_recorded_keys() -> None:
    """As one of 19 February 2024 had them, in its order; no body, and the connection's own headers left out."""
    found = event(CONNECT)
    assert list(found) == [
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "requestContext",
        "isBase64Encoded",
    ]
    assert (
        list(found["requestContext"])
        == (
            "routeKey eventType extendedRequestId requestTime messageDirection stage connectedAt requestTimeEpoch "
            "identity requestId domainName connectionId apiId"
        ).split()
    )
    assert not {"Connection", "Upgrade"} & set(found["headers"])
    assert found["requestContext"]["requestTime"] == "19/Feb/2024:07:11:42 +0000"
    assert found["requestContext"]["requestTimeEpoch"] == 1708326702790


def test_connect_event_has_headers_and_query_in_both_forms() -> None:
    """The last value alone, and all of them; a proxy's headers are there too."""
    found = event(CONNECT)
    assert found["headers"]["X-Twice"] == "b" and found["multiValueHeaders"]["X-Twice"] == ["a", "b"]
    assert found["queryStringParameters"] == {"room": "2", "name": "A da"}
    assert found["multiValueQueryStringParameters"] == {"room": ["1", "2"], "name": ["A da"]}
    assert {k: v for k, v in found["headers"].items() if k.startswith(("X-F", "X-Amzn"))} == {
        "X-Amzn-Trace-Id": "Root=1-65d2ff2e-718990494fd688f062bf1571",
        "X-Forwarded-For": "185.69.197.15",
        "X-Forwarded-Port": "4566",
        "X-Forwarded-Proto": "http",
    }


def test_query_is_absent_without_one() -> None:
    """Not null, not empty."""
    occasion = replace(CONNECT, client=replace(CLIENT, request=replace(REQUEST, query="")))
    assert not {"queryStringParameters", "multiValueQueryStringParameters"} & set(event(occasion))


def test_message_event_has_no_headers_but_an_id_and_a_body() -> None:
    """Headers come with `$connect` only."""
    found = event(MESSAGE)
    assert list(found) == ["requestContext", "body", "isBase64Encoded"]
    context = found["requestContext"]
    assert list(context)[:3] == ["routeKey", "messageId", "eventType"]
    assert (context["routeKey"], context["messageId"], context["eventType"]) == (
        "join",
        "IAugqcSVoAMCJFg=",
        "MESSAGE",
    )
    assert found["body"] == '{"action": "join"}'


def test_disconnect_event_is_the_recorded_one() -> None:
    """With the code and the reason, and the headers that AWS puts there."""
    assert event(DISCONNECT) == {
        "headers": {"Host": CLIENT.domain, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""},
        "multiValueHeaders": {
            "Host": [CLIENT.domain],
            "x-api-key": [""],
            "X-Forwarded-For": [""],
            "x-restapi": [""],
        },
        "requestContext": {
            "routeKey": "$disconnect",
            "disconnectStatusCode": 1001,
            "eventType": "DISCONNECT",
            "extendedRequestId": "TXzPWFkkjoEF92g=",
            "requestTime": "19/Feb/2024:07:11:42 +0000",
            "messageDirection": "IN",
            "disconnectReason": "Going away",
            "stage": "develop",
            "connectedAt": 1708326702789,
            "requestTimeEpoch": 1708326702790,
            "identity": {"userAgent": "Firefox", "sourceIp": "185.69.197.15"},
            "requestId": "TXzPWFkkjoEF92g=",
            "domainName": CLIENT.domain,
            "connectionId": "TXzPWdnOjoECGjA=",
            "apiId": "nn27okk1we",
        },
        "isBase64Encoded": False,
    }


def test_stage_variables_and_authorizer_are_there_when_there_are_some() -> None:
    """Absent otherwise."""
    assert "stageVariables" not in event(MESSAGE) and "authorizer" not in event(MESSAGE)["requestContext"]
    client = replace(CLIENT, authorizer={"principalId": "me", "integrationLatency": 3})
    found = event(replace(MESSAGE, client=client, stage_variables={"a": "b"}))
    assert found["stageVariables"] == {"a": "b"}
    assert found["requestContext"]["authorizer"] == {"principalId": "me", "integrationLatency": 3}


def test_authorizer_event_has_everything_of_the_request() -> None:
    """The connection's own headers too; maps are empty where there is nothing."""
    arn = "arn:aws:execute-api:us-east-1:123456789012:nn27okk1we/develop/$connect"
    found = authorizer_event(CONNECT, arn)
    assert (found["type"], found["methodArn"], found["stageVariables"]) == ("REQUEST", arn, {})
    assert found["headers"]["Upgrade"] == "websocket" and found["headers"]["Connection"] == "Upgrade"
    bare = replace(CONNECT, client=replace(CLIENT, request=replace(REQUEST, query="")))
    assert authorizer_event(bare, arn)["queryStringParameters"] == {}


@pytest.mark.parametrize("authorizer", [None, {"principalId": "m\u00fc", "number": "7"}])
@pytest.mark.parametrize("variables", [{}, {"table": 'a"b'}])
@given(body=st.text(max_size=50))
def test_message_written_fast_is_the_same(body: str, authorizer: Any, variables: dict[str, str]) -> None:
    """The text that is put together and the event that is built are one JSON, in one order."""
    client = replace(CLIENT, authorizer=authorizer)
    occasion = replace(MESSAGE, client=client, stage_variables=variables, body=body)
    written = MessageEvents(client).write(occasion)
    built = event(occasion)
    assert json.loads(written) == built
    assert list(json.loads(written)["requestContext"]) == list(built["requestContext"])
