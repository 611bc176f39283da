"""Events that functions get from REST APIs, judged by Powertools' models too."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import (
    ApiGatewayAuthorizerRequest,
    ApiGatewayAuthorizerToken,
    APIGatewayProxyEventModel,
)
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.gateway.rest.event import proxy_event, request_event, token_event
from labhelpers.gateway.rest.event_frames import FRAMES_MAX
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Live, Method, Node, Program
from labhelpers.model import Account

REQUEST = GatewayRequest(
    "POST",
    "/prod/pets/6",
    "a=1&a=2&b=x%20y&c",
    (
        ("Host", "127.0.0.1:4000"),
        ("user-agent", "test/1"),
        ("X-Twice", "1"),
        ("x-twice", "2"),
        ("Content-Type", "application/json"),
        ("Content-Length", "2"),
        ("Connection", "keep-alive"),
        ("authorization", "secret"),
    ),
    b"{}",
    "127.0.0.1",
    "127.0.0.1:4000/_aws/execute-api/abcdefghij",
    "11111111-2222-4333-a444-555555555555",
    "Root=1-67891233-abcdef012345678912345678",
    received_at=1_700_000_000.5,
)


def made(request: GatewayRequest = REQUEST, **settings: Any) -> Run:
    """A request on its method `POST /pets/{id}` of stage `prod`."""
    program = Program("abcdefghij", "test", "dep123", Node(), **settings)
    run = Run(Account(), request, Live("prod", program, {"v": "1"}, {}), "/pets/6")
    run.method = Method("POST", "res123", "/pets/{id}")
    run.path_variables = {"id": "6"}
    return run


def event(run: Run) -> dict[str, Any]:
    """The event as the function reads it."""
    found: dict[str, Any] = json.loads(proxy_event(run))
    return found


def test_event_is_aws_s() -> None:
    """Every member of payload 1.0, in AWS's shape (docs, and recorded by LocalStack)."""
    run = made()
    found = event(run)
    APIGatewayProxyEventModel.model_validate(found)
    headers = found["headers"]
    assert headers == {
        "Host": "127.0.0.1:4000",
        "User-Agent": "test/1",
        "X-Twice": "2",
        "Content-Type": "application/json",
        "Authorization": "secret",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": "4000",
        "X-Forwarded-Proto": "http",
        "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678",
    }
    assert found["multiValueHeaders"] == {
        name: ["1", "2"] if name == "X-Twice" else [value] for name, value in headers.items()
    }
    context = found["requestContext"]
    assert context.pop("extendedRequestId") == run.extended_id
    assert {name: value for name, value in context.pop("identity").items() if value is not None} == {
        "sourceIp": "127.0.0.1",
        "userAgent": "test/1",
    }
    assert context == {
        "resourceId": "res123",
        "resourcePath": "/pets/{id}",
        "httpMethod": "POST",
        "requestTime": "14/Nov/2023:22:13:20 +0000",
        "requestTimeEpoch": 1_700_000_000_500,
        "path": "/prod/pets/6",
        "accountId": "123456789012",
        "protocol": "HTTP/1.1",
        "stage": "prod",
        "domainPrefix": "abcdefghij",
        "domainName": "127.0.0.1:4000/_aws/execute-api/abcdefghij",
        "requestId": "11111111-2222-4333-a444-555555555555",
        "deploymentId": "dep123",
        "apiId": "abcdefghij",
    }
    assert {
        name: value for name, value in found.items() if "eaders" not in name and "ontext" not in name
    } == {
        "resource": "/pets/{id}",
        "path": "/pets/6",
        "httpMethod": "POST",
        "queryStringParameters": {"a": "2", "b": "x y", "c": ""},
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["x y"], "c": [""]},
        "pathParameters": {"id": "6"},
        "stageVariables": {"v": "1"},
        "body": "{}",
        "isBase64Encoded": False,
    }


def test_what_is_not_there_is_null() -> None:
    """No empty objects in payload 1.0."""
    run = made(replace(REQUEST, query="", body=b""))
    run.path_variables, run.variables = {}, {}
    found = event(run)
    names = (
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    )
    assert [found[name] for name in names] == [None] * 5


@pytest.mark.parametrize(
    ("content_type", "types", "encoded"),
    [
        ("image/png", (), False),
        ("image/png", ("image/png",), True),
        ("image/PNG; x=1", ("image/png",), True),
        ("image/png", ("image/*",), True),
        ("text/plain", ("image/*",), False),
        ("text/plain", ("*/*",), True),
    ],
)
def test_body_is_base64_for_binary_media_types(
    content_type: str, types: tuple[str, ...], encoded: bool
) -> None:
    """The request's Content-Type decides; without binary media types all bodies are text."""
    body = b"\x00\xff"
    found = event(
        made(replace(REQUEST, headers=(("Content-Type", content_type),), body=body), binary_media_types=types)
    )
    assert found["isBase64Encoded"] is encoded
    assert found["body"] == (base64.b64encode(body).decode() if encoded else "\x00�")


def test_forwarding_headers_of_the_client_are_continued() -> None:
    """X-Forwarded-For grows by the client's address; the others are the gateway's."""
    headers = (("x-forwarded-for", "1.2.3.4"), ("X-Forwarded-Proto", "gopher"), ("X-Amzn-Trace-Id", "mine"))
    found = event(made(replace(REQUEST, headers=headers)))["headers"]
    assert found["X-Forwarded-For"] == "1.2.3.4, 127.0.0.1"
    assert found["X-Forwarded-Proto"] == "http"
    assert len(found) == 4


def test_authorizer_and_api_key_are_in_the_context() -> None:
    """What an authorizer said, and whose key it was."""
    run = made()
    run.authorizer = {"principalId": "me", "n": "1"}
    run.api_key, run.api_key_id = "k" * 20, "id1"
    context = event(run)["requestContext"]
    assert context["authorizer"] == {"principalId": "me", "n": "1"}
    assert (context["identity"]["apiKey"], context["identity"]["apiKeyId"]) == ("k" * 20, "id1")


def test_authorizers_get_events_of_their_own() -> None:
    """TOKEN: three members. REQUEST: the request without its body, and empty objects where nothing is."""
    run = made(replace(REQUEST, query=""))
    found = json.loads(request_event(run))
    ApiGatewayAuthorizerRequest.model_validate(found)
    assert "body" not in found and "isBase64Encoded" not in found
    assert found["methodArn"] == "arn:aws:execute-api:us-east-1:123456789012:abcdefghij/prod/POST/pets/6"
    assert (found["queryStringParameters"], found["pathParameters"]) == ({}, {"id": "6"})
    token = json.loads(token_event("t", run.method_arn))
    ApiGatewayAuthorizerToken.model_validate(token)
    assert token == {"type": "TOKEN", "methodArn": run.method_arn, "authorizationToken": "t"}


# A request line is ASCII, and what of headers is no UTF-8 was replaced when the request came in.
TEXTS = st.text(st.characters(exclude_characters="\r\n\x00", exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), TEXTS, st.binary(max_size=40))
def test_any_request_makes_an_event(headers: list[tuple[str, str]], query: str, body: bytes) -> None:
    """It is JSON, its two kinds of headers agree, and the body is all there."""
    found = event(made(replace(REQUEST, headers=tuple(headers), query=query, body=body)))
    assert {name: values[-1] for name, values in found["multiValueHeaders"].items()} == found["headers"]
    assert (found["body"] or "") == body.decode("utf-8", "replace")


# --- Requests that come again ---

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
AGAIN = replace(REQUEST, method="GET", body=b"")


def asked(run: Run, live: Live, **changed: Any) -> bytes:
    """The event of such a request, when `live` has seen what it has seen."""
    again = Run(run.account, replace(run.request, **changed), live, run.path)
    again.method, again.path_variables, again.extended_id = run.method, run.path_variables, run.extended_id
    return proxy_event(again)


@given(
    headers=st.lists(st.tuples(st.sampled_from(["A", "a", "Host", "User-Agent", "X-Forwarded-For"]), TEXT)),
    query=TEXT,
    path=TEXT,
    trace=st.one_of(TEXT, st.just("Root=1-67891233-abcdef012345678912345678;Parent=1;Sampled=0")),
    body=st.sampled_from([b"", b"{}"]),
)
def test_request_that_comes_again_has_the_event_that_it_would_have_alone(
    headers: list[tuple[str, str]], query: str, path: str, trace: str, body: bytes
) -> None:
    """To the byte, whatever is in it; each time with its own trace, time and ids."""
    first = replace(
        AGAIN, headers=tuple(headers), query=query, path=f"/prod/{path}", trace_id=trace, body=body
    )
    run = made(first)
    for number in range(4):
        own = {"request_id": f"id-{number}", "received_at": 1_700_000_000.5 + number}
        if number % 2:
            own["trace_id"] = f"Root=1-67891233-{number:024x}"
        assert asked(run, run.live, **own) == asked(run, made().live, **own)


@pytest.mark.parametrize(
    "changed",
    [
        {"source_ip": "127.0.0.2"},
        {"domain": "b.execute-api.localhost:4000"},
        {"scheme": "https"},
        {"protocol": "HTTP/1.0"},
        {"method": "PUT"},
        {"query": "a=2"},
        {"path": "//prod/pets/6"},
        {"headers": (("Host", "h"),)},
        {"body": b"{}"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_other_request_has_an_event_of_its_own(changed: dict[str, Any]) -> None:
    """Whatever of it is different."""
    run = made(AGAIN)
    for _ in range(3):
        asked(run, run.live)
    assert any(run.live.frames._frames.values())
    for _ in range(3):
        assert asked(run, run.live, **changed) == asked(run, made().live, **changed)


def test_who_sent_it_is_in_no_other_event() -> None:
    """Identities, API keys and authorizers' words are of one request, however often the like comes."""
    run = made(AGAIN)
    for _ in range(3):
        asked(run, run.live)
    for name, value in {"identity": {"user": "Ada"}, "api_key": "secret-key", "authorizer": {"x": 1}}.items():
        other = Run(run.account, run.request, run.live, run.path)
        setattr(other, name, value)
        context = json.loads(proxy_event(other))["requestContext"]
        assert context["identity"].get("user") == (value["user"] if name == "identity" else None)
        assert context["identity"].get("apiKey") == (value if name == "api_key" else None)
        assert context.get("authorizer") == (value if name == "authorizer" else None)
    assert b"Ada" not in asked(run, run.live) and b"secret-key" not in asked(run, run.live)


def test_requests_that_do_not_come_again_take_no_memory() -> None:
    """As with paths that have ids in them."""
    run = made(AGAIN)
    for number in range(3 * FRAMES_MAX):
        asked(run, run.live, path=f"/prod/pets/{number}")
        assert len(run.live.frames._frames) <= FRAMES_MAX
    assert not any(run.live.frames._frames.values())
    long = replace(AGAIN, query="a=" + "b" * 5000)
    for _ in range(2):
        asked(run, run.live, query=long.query)
    assert not any(run.live.frames._frames.values()) and not run.live.frames.is_wanted(long)
