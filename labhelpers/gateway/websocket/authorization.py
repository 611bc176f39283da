"""Whether a client may connect: required parameters, IAM, a function that decides, API keys. Asked at `$connect` only.

`Gate.check` returns what it found out, or raises `Refused` with the answer.
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-control-access.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers import limits
from labhelpers.gateway.authorizer import (
    INVOKE_ACTION,
    BadAuthorizerAnswer,
    Effect,
    Verdict,
    read_policy_answer,
    source_values,
)
from labhelpers.gateway.exchange import query_pairs
from labhelpers.gateway.identity import NotIdentified, masked
from labhelpers.gateway.lambda_call import CallFailure
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.websocket.api_keys import ApiKeys
from labhelpers.gateway.websocket.events import Client, Occasion, authorizer_event, log_context
from labhelpers.gateway.websocket.refused import Refused
from labhelpers.gateway.websocket.settings import Authorizer, Route, Stage

_UNAUTHORIZED = "Unauthorized"
_DENIED = {
    Effect.EXPLICIT_DENY: "User is not authorized to access this resource with an explicit deny",
    Effect.IMPLICIT_DENY: "User is not authorized to access this resource",
}
# AWS: an authorizer that failed is answered by 500 and no more.
_AUTHORIZER_FAILED = "Internal server error"


@dataclass(frozen=True, slots=True)
class Authorized:
    """What was found out about a client: more of its identity, and what the authorizer said."""

    identity: Mapping[str, Any] = field(default_factory=dict)
    authorizer: Mapping[str, Any] | None = None


class Gate:
    """Asks whether clients may connect, for all WebSocket APIs."""

    def __init__(self, around: GatewaySurroundings, api_keys: ApiKeys) -> None:
        self._around = around
        self._api_keys = api_keys

    async def check(self, stage: Stage, route: Route, occasion: Occasion) -> Authorized:
        """What there is to know of this client. Refused if it may not connect."""
        _check_parameters(route, occasion)
        identity: dict[str, Any] = {}
        authorizer: dict[str, Any] | None = None
        usage_key = ""
        if route.iam:
            identity.update(self._check_signature(occasion, f"{stage.arn}/{occasion.route_key}"))
        elif route.authorizer is not None:
            verdict, latency_ms = await self._ask_function(route.authorizer, stage, occasion)
            authorizer = _as_texts(verdict, latency_ms)
            usage_key = verdict.usage_key
        if route.api_key_required:
            given = usage_key if stage.key_from_authorizer else key_of(occasion.client)
            key = self._api_keys.check(given, stage.api_id, stage.name, route.key)
            identity.update(apiKey=key.value, apiKeyId=key.id)
        return Authorized(identity, authorizer)

    def _check_signature(self, occasion: Occasion, arn: str) -> Mapping[str, Any]:
        try:
            who = self._around.identify(occasion.client.request)
        except NotIdentified as no:
            raise Refused(403, no.message, no.message, no.code) from no
        if why := self._around.may_call(who, INVOKE_ACTION, arn, None, {}):
            shown = masked(arn, self._around.account.id)
            message = f"User: {who.user_arn} is not authorized to perform: {INVOKE_ACTION} on resource: {shown} {why}"
            raise Refused(403, message, message)
        return {
            "accessKey": who.access_key,
            "accountId": who.account_id,
            "caller": who.user_id,
            "user": who.user_id,
            "userArn": who.user_arn,
        }

    async def _ask_function(
        self, authorizer: Authorizer, stage: Stage, occasion: Occasion
    ) -> tuple[Verdict, float]:
        """The authorizer's verdict, which lets the client pass, and how long it took."""
        # AWS: results are not kept, for WebSocket APIs have no TTL.
        request, arn = occasion.client.request, f"{stage.arn}/{occasion.route_key}"
        values = source_values(
            authorizer.sources,
            request,
            lambda: log_context(occasion, self._around.account.id),
            stage.variables,
        )
        if values is None:
            reason = "An identity source is missing or empty"
            raise Refused(401, _UNAUTHORIZED, reason, "UnauthorizedException")
        started = time.perf_counter()
        verdict = await self._call(authorizer, stage, occasion, arn)
        effect = verdict.effect(arn)
        if effect is not Effect.ALLOW:
            raise Refused(403, _DENIED[effect], f"The authorizer's answer is an {effect.value}")
        return verdict, (time.perf_counter() - started) * 1000

    async def _call(self, authorizer: Authorizer, stage: Stage, occasion: Occasion, arn: str) -> Verdict:
        api_arn = stage.arn.rpartition("/")[0]
        try:
            answered = await self._around.functions.call(
                authorizer.function,
                json.dumps(authorizer_event(occasion, arn)).encode(),
                source_arn=f"{api_arn}/authorizers/{authorizer.id}",
                timeout_s=limits.AUTHORIZER_TIMEOUT_S,
                trace_id=occasion.client.request.trace_id,
                by_role=authorizer.by_role,
            )
        except CallFailure as failure:
            raise self._failed(authorizer, occasion, failure.message) from failure
        error = answered.result.error
        if error is not None:
            if error.message == _UNAUTHORIZED:
                self._note(authorizer, occasion, error.message)
                raise Refused(401, _UNAUTHORIZED, "The authorizer said Unauthorized", "UnauthorizedException")
            raise self._failed(authorizer, occasion, f"{error.type}: {error.message}")
        try:
            verdict = read_policy_answer(answered.result.payload)
        except BadAuthorizerAnswer as bad:
            raise self._failed(authorizer, occasion, str(bad)) from bad
        self._note(authorizer, occasion, "")
        return verdict

    def _failed(self, authorizer: Authorizer, occasion: Occasion, why: str) -> Refused:
        self._note(authorizer, occasion, why)
        return Refused(500, _AUTHORIZER_FAILED, why, "AuthorizerFailureException")

    def _note(self, authorizer: Authorizer, occasion: Occasion, error: str) -> None:
        self._around.journal.append(
            "gateway.authorizer",
            authorizer.function,
            request_id=occasion.request_id,
            api=occasion.client.api_id,
            route=occasion.route_key,
            error=error,
        )


def key_of(client: Client) -> str:
    """The API key of a client: that which its `$connect` was let through with, or else brought."""
    return str(client.identity.get("apiKey") or client.request.header("x-api-key") or "")


def _check_parameters(route: Route, occasion: Occasion) -> None:
    """The parameters that the route asks for."""
    missing = []
    for parameter in route.required:
        place, _, name = parameter.partition(".")
        request = occasion.client.request
        if place == "querystring":
            found = any(given == name for given, _ in query_pairs(request.query))
        else:
            found = request.header(name) is not None
        if not found:
            missing.append(name)
    if missing:
        message = f"Missing required request parameters: [{', '.join(missing)}]"
        raise Refused(400, message, message, "BadRequestException")


def _as_texts(verdict: Verdict, latency_ms: float) -> dict[str, Any]:
    """What events and templates show of an authorizer. AWS: the values of its context become texts."""
    found: dict[str, Any] = {"principalId": verdict.principal_id, "integrationLatency": round(latency_ms)}
    for name, value in verdict.context.items():
        found[name] = value if isinstance(value, str) else json.dumps(value)
    return found
