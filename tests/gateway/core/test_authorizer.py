"""What authorizers of all kinds of API share."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.authorizer import (
    BadAuthorizerAnswer,
    Effect,
    Place,
    ResultCache,
    evaluate,
    read_policy_answer,
    read_simple_answer,
    read_source,
    source_values,
)
from labhelpers.gateway.exchange import GatewayRequest

ARN = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/pets/6"


def policy(effect: str = "Allow", resource: Any = ARN, action: Any = "execute-api:Invoke") -> dict[str, Any]:
    """A policy of one statement."""
    return {"Statement": [{"Effect": effect, "Action": action, "Resource": resource}]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (policy(), Effect.ALLOW),
        (policy("Deny"), Effect.EXPLICIT_DENY),
        (policy(resource="*"), Effect.ALLOW),
        (policy(resource=ARN.replace("GET/pets/6", "*")), Effect.ALLOW),
        (policy(resource=ARN.replace("/6", "/?")), Effect.ALLOW),
        (policy(resource=ARN.replace("GET", "POST")), Effect.IMPLICIT_DENY),
        (policy(resource=[ARN + "0", ARN]), Effect.ALLOW),
        (policy(action="EXECUTE-API:*"), Effect.ALLOW),
        (policy(action="s3:*"), Effect.IMPLICIT_DENY),
        ({"Statement": policy()["Statement"][0]}, Effect.ALLOW),
        (
            {"Statement": [policy()["Statement"][0], policy("Deny", "*")["Statement"][0]]},
            Effect.EXPLICIT_DENY,
        ),
        ({"Statement": []}, Effect.IMPLICIT_DENY),
        ({}, Effect.IMPLICIT_DENY),
        ({"Statement": [{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}]}, Effect.ALLOW),
        ({"Statement": [{"Effect": "Allow", "Action": "*", "NotResource": ARN}]}, Effect.IMPLICIT_DENY),
    ],
)
def test_policy_says_of_a_method(document: dict[str, Any], expected: Effect) -> None:
    """An explicit deny wins, an allow lets in, nothing is an implicit deny."""
    assert evaluate(document, ARN) is expected


def test_policy_answer_has_principal_context_and_key() -> None:
    """Format 1.0; context values are strings, numbers and booleans."""
    answer = {
        "principalId": "me",
        "policyDocument": policy(),
        "context": {"s": "a", "n": 7, "b": True, "null": None},
        "usageIdentifierKey": "key",
    }
    verdict = read_policy_answer(json.dumps(answer).encode())
    assert (verdict.principal_id, verdict.usage_key) == ("me", "key")
    assert verdict.context == {"s": "a", "n": 7, "b": True} and verdict.effect(ARN) is Effect.ALLOW


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        {},
        {"principalId": "me"},
        {"principalId": "me", "policyDocument": "x"},
        {"principalId": "me", "policyDocument": {"Version": "x"}},
        {"principalId": "me", "policyDocument": policy(), "context": {"a": [1]}},
        {"principalId": "me", "policyDocument": policy(), "context": "x"},
    ],
)
def test_answer_without_a_policy_is_bad(answer: Any) -> None:
    """The client gets a 500, the log the reason."""
    with pytest.raises(BadAuthorizerAnswer):
        read_policy_answer(json.dumps(answer).encode())


def test_simple_answer_is_a_boolean() -> None:
    """Format 2.0; its context may hold anything."""
    yes = read_simple_answer(b'{"isAuthorized": true, "context": {"list": [1]}}')
    assert yes.effect(ARN) is Effect.ALLOW and yes.context == {"list": [1]}
    assert read_simple_answer(b'{"isAuthorized": false}').effect(ARN) is Effect.EXPLICIT_DENY
    for bad in (b"{}", b'{"isAuthorized": "true"}', b"true", b"", b'{"isAuthorized": true, "context": 1}'):
        with pytest.raises(BadAuthorizerAnswer):
            read_simple_answer(bad)


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("$request.header.Authorization", Place.HEADER, "Authorization"),
        ("$request.querystring.token", Place.QUERY, "token"),
        ("$context.routeKey", Place.CONTEXT, "routeKey"),
        ("$stageVariables.x", Place.STAGE_VARIABLE, "x"),
        ("method.request.header.X", Place.HEADER, "X"),
        ("route.request.querystring.a", Place.QUERY, "a"),
        ("context.identity.sourceIp", Place.CONTEXT, "identity.sourceIp"),
        ("stageVariables.v", Place.STAGE_VARIABLE, "v"),
    ],
)
def test_identity_source_is_read_in_the_words_of_each_kind(text: str, place: Place, name: str) -> None:
    """HTTP, REST and WebSocket APIs write them differently."""
    source = read_source(text)
    assert source is not None and (source.place, source.name) == (place, name)


@pytest.mark.parametrize("text", ["", "Authorization", "$request.body.x", "$request.header."])
def test_other_text_is_no_identity_source(text: str) -> None:
    """None, which each kind refuses in its own words."""
    assert read_source(text) is None


def test_every_identity_source_must_have_a_value() -> None:
    """One that is missing or empty, and there are none."""
    request = GatewayRequest("GET", "/", "t=1&e=", (("X", "a"),), b"", "127.0.0.1", "d", "id", "trace")
    texts = ("$request.header.x", "$request.querystring.t", "$context.a.b", "$stageVariables.v")
    sources = [source for source in map(read_source, texts) if source]
    assert source_values(sources, request, lambda: {"a": {"b": 1}}, {"v": "2"}) == ("a", "1", "1", "2")
    assert source_values(sources, request, dict, {"v": "2"}) is None
    empty = read_source("$request.querystring.e")
    assert empty is not None and source_values([empty], request, dict, {}) is None


def test_result_is_kept_for_its_time() -> None:
    """On the clock that is handed in; a TTL of 0 keeps nothing."""
    now = 0.0
    cache: ResultCache[str] = ResultCache(lambda: now)
    cache.put(("api", 1), "a", 10)
    cache.put(("api", 2), "b", 0)
    assert (cache.get(("api", 1)), cache.get(("api", 2))) == ("a", None)
    now = 10.0
    assert cache.get(("api", 1)) is None


def test_results_of_an_api_are_forgotten_together() -> None:
    """Others stay."""
    cache: ResultCache[str] = ResultCache(lambda: 0.0)
    cache.put(("a", 1), "x", 10)
    cache.put(("b", 1), "y", 10)
    cache.forget("a")
    assert (cache.get(("a", 1)), cache.get(("b", 1))) == (None, "y")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
statements = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("Effect", "Action", "Resource", "NotAction", "NotResource"), json_values)
)


@given(
    json_values
    | st.fixed_dictionaries({"principalId": json_values, "policyDocument": json_values} | {})
    | st.fixed_dictionaries(
        {
            "principalId": st.just("x"),
            "policyDocument": st.fixed_dictionaries({"Statement": st.lists(statements, max_size=3)}),
        }
    )
)
def test_any_answer_is_a_verdict_or_bad(answer: Any) -> None:
    """No answer of a function makes the gateway fail."""
    try:
        verdict = read_policy_answer(json.dumps(answer).encode())
    except BadAuthorizerAnswer:
        return
    assert verdict.effect(ARN) in Effect
