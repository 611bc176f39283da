"""Events that functions get from HTTP APIs, judged by Powertools' models too."""

from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventV2Model
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.gateway.http_api.event import (
    Authorized,
    Occasion,
    authorizer_event_v1,
    authorizer_event_v2,
    event_path,
    event_v1,
    event_v2,
)

REQUEST = GatewayRequest(
    "POST",
    "/dev/pets/6",
    "a=1&a=2&b=%20x+y",
    (
        ("Host", "127.0.0.1:4000"),
        ("User-Agent", "test/1"),
        ("X-Twice", "1"),
        ("x-twice", "2"),
        ("Cookie", "c1=a; c2=b"),
        ("Content-Type", "application/json"),
        ("Content-Length", "2"),
        ("Connection", "keep-alive"),
    ),
    b"{}",
    "127.0.0.1",
    "127.0.0.1:4000/_aws/execute-api/abc",
    "JKJaXmPLvHcESHA=",
    "Root=1-5e66d96f-7491f09ba1d79d18acf3d050",
    received_at=1583817383.22,
)
OCCASION = Occasion(
    REQUEST, "123456789012", "abc", "dev", {"v": "1"}, "POST /pets/{id}", "/pets/{id}", {"id": "6"}
)


def with_request(**changes: Any) -> Occasion:
    """The occasion with another request."""
    return OCCASION.of(replace(REQUEST, **changes))


def test_event_of_format_2_is_as_documented() -> None:
    """Every member of payload 2.0, for a request that has all of them."""
    event = event_v2(OCCASION)
    assert event == {
        "version": "2.0",
        "routeKey": "POST /pets/{id}",
        "rawPath": "/dev/pets/6",
        "rawQueryString": "a=1&a=2&b=%20x+y",
        "cookies": ["c1=a", "c2=b"],
        "headers": {
            "host": "127.0.0.1:4000",
            "user-agent": "test/1",
            "x-twice": "1,2",
            "content-type": "application/json",
            "content-length": "2",
            "x-amzn-trace-id": "Root=1-5e66d96f-7491f09ba1d79d18acf3d050",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "4000",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"a": "1,2", "b": " x y"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": "127.0.0.1:4000/_aws/execute-api/abc",
            "domainPrefix": "abc",
            "http": {
                "method": "POST",
                "path": "/dev/pets/6",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test/1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "POST /pets/{id}",
            "stage": "dev",
            "time": "10/Mar/2020:05:16:23 +0000",
            "timeEpoch": 1583817383220,
        },
        "pathParameters": {"id": "6"},
        "stageVariables": {"v": "1"},
        "body": "{}",
        "isBase64Encoded": False,
    }
    APIGatewayProxyEventV2Model.model_validate(event)


def test_event_of_format_2_leaves_out_what_is_not_there() -> None:
    """No null members in format 2.0."""
    bare = replace(
        OCCASION.of(replace(REQUEST, query="", headers=(), body=b"")), variables={}, path_variables={}
    )
    event = event_v2(bare)
    assert not {"cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"} & set(event)
    assert event["headers"]["content-length"] == "0"


def test_event_of_format_1_is_as_documented() -> None:
    """Payload 1.0 keeps the names' case, has lists beside single values, and nulls."""
    event = event_v1(OCCASION)
    assert (event["version"], event["resource"], event["path"], event["httpMethod"]) == (
        "1.0",
        "/pets/{id}",
        "/dev/pets/6",
        "POST",
    )
    assert event["headers"]["X-Twice"] == "2" and event["multiValueHeaders"]["X-Twice"] == ["1", "2"]
    assert event["headers"]["Cookie"] == "c1=a; c2=b"
    assert event["queryStringParameters"] == {"a": "1", "b": " x y"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [" x y"]}
    context = event["requestContext"]
    assert context["authorizer"] == {"claims": None, "scopes": None}
    assert context["extendedRequestId"] == context["requestId"] == "JKJaXmPLvHcESHA="
    assert context["identity"]["sourceIp"] == "127.0.0.1" and context["identity"]["userArn"] is None
    assert event["requestContext"]["resourceId"] == OCCASION.route_key
    bare = event_v1(replace(with_request(query="", body=b""), variables={}, path_variables={}))
    nulls = (
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    )
    assert [bare[name] for name in nulls] == [None] * 5


@pytest.mark.parametrize(
    ("kind", "is_text"),
    [
        ("text/plain", True),
        ("text/csv; charset=utf-8", True),
        ("application/json", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("application/octet-stream", False),
        ("image/png", False),
        ("", False),
    ],
)
def test_body_is_text_for_the_types_that_aws_takes_for_text(kind: str, is_text: bool) -> None:
    """All else is in base64, forms and bodies without a type among it."""
    headers = (("Content-Type", kind),) if kind else ()
    event = event_v2(with_request(headers=headers, body="h\u00e9".encode()))
    assert event["isBase64Encoded"] is not is_text
    assert (event["body"] if is_text else b64decode(event["body"]).decode()) == "h\u00e9"


def test_path_is_decoded_and_ends_at_a_decoded_question_mark() -> None:
    """As HTTP APIs do it, unlike REST APIs."""
    assert event_path(replace(REQUEST, path="/a%20b/%C3%A9%2Fc")) == "/a b/\u00e9/c"
    assert event_path(replace(REQUEST, path="/a%3Fb=c")) == "/a"


def test_cookie_may_have_a_comma() -> None:
    """Only semicolons, and separate headers, part one cookie from the next."""
    event = event_v2(with_request(headers=(("Cookie", "a=1,2; b=3"), ("cookie", "c=4"))))
    assert event["cookies"] == ["a=1,2", "b=3", "c=4"]


def test_forwarded_for_grows_by_the_client() -> None:
    """Whoever stood before stays in front."""
    event = event_v2(with_request(headers=(("X-Forwarded-For", "10.0.0.1"), ("X-Amzn-Trace-Id", "forged"))))
    assert event["headers"]["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert event["headers"]["x-amzn-trace-id"] == REQUEST.trace_id


def test_authorizer_stands_in_the_context() -> None:
    """Each format has its own place for it."""
    authorized = Authorized({"lambda": {"n": 7}}, {"n": 7, "principalId": "me"})
    assert event_v2(OCCASION, authorized)["requestContext"]["authorizer"] == {"lambda": {"n": 7}}
    assert event_v1(OCCASION, authorized)["requestContext"]["authorizer"] == {
        "claims": None,
        "scopes": None,
        "n": 7,
        "principalId": "me",
    }


def test_authorizers_get_their_own_events() -> None:
    """Identity sources as a list in 2.0, joined in 1.0; no body in either."""
    arn = "arn:aws:execute-api:us-east-1:123456789012:abc/dev/POST/pets/6"
    second = authorizer_event_v2(OCCASION, arn, ["a", "b"])
    assert (second["type"], second["routeArn"], second["identitySource"]) == ("REQUEST", arn, ["a", "b"])
    assert second["requestContext"]["http"]["method"] == "POST" and "body" not in second
    first = authorizer_event_v1(OCCASION, arn, ["a", "b"])
    assert (first["type"], first["methodArn"]) == ("REQUEST", arn)
    assert first["identitySource"] == first["authorizationToken"] == "a,b"
    assert "body" not in first and first["requestContext"]["resourcePath"] == "/pets/{id}"


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(
    texts,
    texts,
    st.lists(st.tuples(texts, texts), max_size=5),
    st.binary(max_size=50),
)
def test_any_request_makes_an_event(
    path: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    """Whatever a client sends becomes JSON in both formats."""
    import json

    occasion = with_request(path=f"/{path}", query=query, headers=tuple(headers), body=body)
    json.dumps(event_v2(occasion)), json.dumps(event_v1(occasion))
