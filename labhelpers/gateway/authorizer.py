"""What Lambda authorizers of all kinds of API share: identity sources, policies of their answers, the cache of results.

Pure but for the cache's clock.
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from labhelpers.gateway.context import as_text, lookup
from labhelpers.gateway.exchange import GatewayRequest, query_pairs
from labhelpers.gateway.json_text import loads

T = TypeVar("T")

INVOKE_ACTION = "execute-api:Invoke"


class Effect(Enum):
    """What a policy says of one method."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"


class BadAuthorizerAnswer(Exception):
    """The authorizer's function answered something that is no policy (or no simple response): 500 to the client."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an authorizer's answer says. `context` holds strings, numbers and booleans only."""

    principal_id: str = ""
    policy: Mapping[str, Any] | None = None
    authorized: bool | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    usage_key: str = ""

    def effect(self, arn: str) -> Effect:
        """Whether a request of `arn` (arn:aws:execute-api:region:account:api/stage/METHOD/path) may pass."""
        if self.policy is not None:
            return evaluate(self.policy, arn)
        return Effect.ALLOW if self.authorized else Effect.EXPLICIT_DENY


# --- Policies ---


def evaluate(policy: Mapping[str, Any], arn: str, action: str = INVOKE_ACTION) -> Effect:
    """IAM's rule: an explicit deny wins, without any allow the answer is an implicit deny. Conditions never hold."""
    allowed = False
    for statement in _statements(policy):
        if not _applies(statement, arn, action):
            continue
        if str(statement.get("Effect", "")).lower() == "deny":
            return Effect.EXPLICIT_DENY
        allowed = allowed or str(statement.get("Effect", "")).lower() == "allow"
    return Effect.ALLOW if allowed else Effect.IMPLICIT_DENY


def _statements(policy: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    found = policy.get("Statement") or ()
    return [found] if isinstance(found, Mapping) else [each for each in found if isinstance(each, Mapping)]


def _applies(statement: Mapping[str, Any], arn: str, action: str) -> bool:
    if statement.get("Condition"):
        return False
    if "Action" in statement:
        right_action = any(_like(each, action, ignore_case=True) for each in _listed(statement["Action"]))
    else:
        refused = _listed(statement.get("NotAction", ()))
        right_action = bool(refused) and not any(_like(each, action, ignore_case=True) for each in refused)
    if "Resource" in statement:
        return right_action and any(_like(each, arn) for each in _listed(statement["Resource"]))
    left_out = _listed(statement.get("NotResource", ()))
    return right_action and bool(left_out) and not any(_like(each, arn) for each in left_out)


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, Sequence) else []


def _like(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """`*` is any characters and `?` one; in execute-api's ARNs a `*` also spans slashes."""
    wild = {"*": ".*", "?": "."}
    regex = "".join(wild.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(regex, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def read_policy_answer(payload: bytes) -> Verdict:
    """The answer of an authorizer of format 1.0 (also TOKEN and REQUEST of REST APIs). BadAuthorizerAnswer."""
    answer = _object(payload)
    policy = answer.get("policyDocument")
    principal = answer.get("principalId")
    if not isinstance(policy, dict) or not isinstance(policy.get("Statement"), list | dict):
        raise BadAuthorizerAnswer("Authorizer response has no valid policyDocument")
    if not isinstance(principal, str | int) or isinstance(principal, bool):
        raise BadAuthorizerAnswer("Authorizer response has no principalId")
    return Verdict(
        principal_id=str(principal),
        policy=policy,
        context=_flat_context(answer.get("context")),
        usage_key=str(answer.get("usageIdentifierKey") or ""),
    )


def read_simple_answer(payload: bytes) -> Verdict:
    """The simple response of format 2.0: `{"isAuthorized": true, "context": {...}}`. BadAuthorizerAnswer."""
    answer = _object(payload)
    authorized = answer.get("isAuthorized")
    if not isinstance(authorized, bool):
        raise BadAuthorizerAnswer("Authorizer response has no boolean isAuthorized")
    context = answer.get("context")
    if context is not None and not isinstance(context, dict):
        raise BadAuthorizerAnswer("Authorizer context is no object")
    return Verdict(authorized=authorized, context=context or {})


def _object(payload: bytes) -> dict[str, Any]:
    try:
        answer = loads(payload)
    except ValueError as error:
        raise BadAuthorizerAnswer(f"Authorizer response is no JSON: {error}") from error
    if not isinstance(answer, dict):
        raise BadAuthorizerAnswer("Authorizer response is no object")
    return answer


def _flat_context(context: Any) -> Mapping[str, Any]:
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise BadAuthorizerAnswer("Authorizer context is no object")
    for name, value in context.items():
        if isinstance(value, dict | list):
            raise BadAuthorizerAnswer(f"Authorizer context value {name!r} is no string, number or boolean")
    return {name: value for name, value in context.items() if value is not None}


# --- Identity sources ---


class Place(Enum):
    """Where an identity source is read from."""

    HEADER = "header"
    QUERY = "querystring"
    CONTEXT = "context"
    STAGE_VARIABLE = "stageVariables"


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """One identity source, parsed. `text` is how it was written."""

    text: str
    place: Place
    name: str


_SOURCE = re.compile(
    r"(?:\$request|\$?(?:method|route|integration)\.request)\.(?P<place>header|querystring)\.(?P<name>.+)"
    r"|\$?(?P<other>context|stageVariables)\.(?P<other_name>.+)"
)


def read_source(text: str) -> IdentitySource | None:
    """`$request.header.X` (HTTP APIs), `method.request.header.X`, `route.request.querystring.X`, `$context.X`,
    `$stageVariables.X`; None for anything else.
    """
    found = _SOURCE.fullmatch(text.strip())
    if found is None:
        return None
    place, name = found["place"] or found["other"], found["name"] or found["other_name"]
    return IdentitySource(text.strip(), Place(place), name)


def source_values(
    sources: Iterable[IdentitySource],
    request: GatewayRequest,
    context: Callable[[], Mapping[str, Any]],
    stage_variables: Mapping[str, str],
) -> tuple[str, ...] | None:
    """The values of all sources in their order; None when one is missing or empty. `context` is called when needed."""
    values = []
    for source in sources:
        value: str | None
        if source.place is Place.HEADER:
            value = request.header(source.name)
        elif source.place is Place.QUERY:
            value = next((v for n, v in query_pairs(request.query) if n == source.name), None)
        elif source.place is Place.CONTEXT:
            value = as_text(lookup(context(), source.name))
        else:
            value = stage_variables.get(source.name)
        if not value:
            return None
        values.append(value)
    return tuple(values)


# --- Results, kept ---


class ResultCache(Generic[T]):
    """Results of authorizers for their TTL, on the lab's clock (`now`). Keys begin with the API's id."""

    def __init__(self, now: Callable[[], float], most: int = 10_000) -> None:
        self._now = now
        self._most = most
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable) -> T | None:
        """The kept result; None when there is none or its time is over."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] <= self._now():
            del self._kept[key]
            return None
        return found[1]

    def put(self, key: Hashable, result: T, ttl_s: float) -> None:
        """Keep a result; with a TTL of 0 it is not kept."""
        if ttl_s <= 0:
            return
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[key] = (self._now() + ttl_s, result)

    def forget(self, api_id: str) -> None:
        """Drop all that belongs to an API: its settings changed (FlushStageAuthorizersCache, a deployment)."""
        for key in [k for k in self._kept if isinstance(k, tuple) and k and k[0] == api_id]:
            del self._kept[key]
