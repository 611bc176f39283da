"""Whether a request may take its route: IAM, JSON web tokens, and functions that decide.

Each `Gate` method returns what it found out (`Authorized`) or raises `Refused` with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labhelpers import limits
from labhelpers.gateway.authorizer import (
    INVOKE_ACTION,
    BadAuthorizerAnswer,
    Effect,
    ResultCache,
    Verdict,
    read_policy_answer,
    read_simple_answer,
    source_values,
)
from labhelpers.gateway.exchange import GatewayAnswer, message_answer
from labhelpers.gateway.http_api.event import (
    Authorized,
    Occasion,
    authorizer_event_v1,
    authorizer_event_v2,
)
from labhelpers.gateway.http_api.jwt_check import TokenRefused, check_token, claims_as_text
from labhelpers.gateway.http_api.settings import Authorizer, IamAuthorizer, JwtAuthorizer, LambdaAuthorizer
from labhelpers.gateway.identity import NotIdentified
from labhelpers.gateway.json_text import dumps
from labhelpers.gateway.lambda_call import CallFailure
from labhelpers.gateway.surroundings import GatewaySurroundings

_UNAUTHORIZED = message_answer(401, "Unauthorized")
_FORBIDDEN = message_answer(403, "Forbidden")
_FAILED = message_answer(500, "Internal Server Error")

Context = Callable[[], Mapping[str, Any]]


class Refused(Exception):
    """The request does not get through. `reason` says why, for logs; `kind` is AWS's word for it."""

    def __init__(self, answer: GatewayAnswer, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.kind = kind
        self.reason = reason


class Gate:
    """All authorizers of all HTTP APIs, with the results that are kept for a while."""

    def __init__(self, around: GatewaySurroundings) -> None:
        self._around = around
        self._results: ResultCache[Verdict] = ResultCache(around.clock.now)

    def forget(self, api_id: str) -> None:
        """Ask this API's functions anew."""
        self._results.forget(api_id)

    async def check(
        self, authorizer: Authorizer, occasion: Occasion, stage_arn: str, context: Context
    ) -> Authorized:
        """What the authorizer says of this request. Refused if it may not pass."""
        if isinstance(authorizer, IamAuthorizer):
            return self._check_signature(occasion, stage_arn)
        if isinstance(authorizer, JwtAuthorizer):
            return await self._check_token(authorizer, occasion, context)
        return await self._ask_function(authorizer, occasion, stage_arn, context)

    # --- IAM ---

    def _check_signature(self, occasion: Occasion, stage_arn: str) -> Authorized:
        try:
            who = self._around.identify(occasion.request)
        except NotIdentified as no:
            signed = "Authorization" in dict(occasion.request.headers) or "X-Amz-" in occasion.request.query
            reason = (
                no.message
                if signed
                else "The request for the IAM Authorizer doesn't match the format that API Gateway expects."
            )
            raise Refused(_FORBIDDEN, "ACCESS_DENIED", reason) from no
        path = occasion.request.path.removeprefix(f"/{occasion.stage}") or "/"
        arn = f"{stage_arn}/{occasion.request.method}{path}"
        if why := self._around.may_call(who, INVOKE_ACTION, arn, None, {}):
            reason = (
                f"User: {who.user_arn} is not authorized to perform: {INVOKE_ACTION} on resource: {arn} {why}"
            )
            raise Refused(_FORBIDDEN, "ACCESS_DENIED", reason)
        iam = {
            "accessKey": who.access_key,
            "accountId": who.account_id,
            "callerId": who.user_id,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": who.user_arn,
            "userId": who.user_id,
        }
        identity = {
            "accessKey": who.access_key,
            "accountId": who.account_id,
            "caller": who.user_id,
            "user": who.user_id,
            "userArn": who.user_arn,
        }
        return Authorized({"iam": iam}, {}, identity)

    # --- JSON web tokens ---

    async def _check_token(
        self, authorizer: JwtAuthorizer, occasion: Occasion, context: Context
    ) -> Authorized:
        values = source_values((authorizer.source,), occasion.request, context, occasion.variables)
        if values is None:
            answer = message_answer(401, "Unauthorized", (("www-authenticate", "Bearer"),))
            raise Refused(answer, "UNAUTHORIZED", "missing: token not provided")
        try:
            token = await check_token(values[0], authorizer, self._around.issuer_keys)
        except TokenRefused as no:
            scopes = " ".join(authorizer.scopes)
            challenge = f'Bearer scope="{scopes}" error="{no.error}" error_description="{no.description}"'
            forbidden = no.error == "insufficient_scope"
            answer = message_answer(
                403 if forbidden else 401,
                "Forbidden" if forbidden else "Unauthorized",
                (("www-authenticate", challenge),),
            )
            raise Refused(answer, "ACCESS_DENIED" if forbidden else "UNAUTHORIZED", no.description) from no
        claims = claims_as_text(token.claims)
        found = {"claims": claims, "scopes": list(token.scopes) or None}
        return Authorized({"jwt": found}, found)

    # --- Functions ---

    async def _ask_function(
        self, authorizer: LambdaAuthorizer, occasion: Occasion, stage_arn: str, context: Context
    ) -> Authorized:
        request = occasion.request
        values = source_values(authorizer.sources, request, context, occasion.variables)
        if values is None:
            raise Refused(_UNAUTHORIZED, "UNAUTHORIZED", "an identity source is missing or empty")
        path = request.path.removeprefix(f"/{occasion.stage}") or "/"
        arn = f"{stage_arn}/{request.method}{path}"
        key = (occasion.api_id, occasion.stage, authorizer.id, values)
        verdict = self._results.get(key) if authorizer.ttl_s else None
        if verdict is None:
            verdict = await self._call_function(authorizer, occasion, arn, stage_arn, list(values))
            self._results.put(key, verdict, authorizer.ttl_s)
        effect = verdict.effect(arn)
        if effect is not Effect.ALLOW:
            raise Refused(_FORBIDDEN, "ACCESS_DENIED", f"the authorizer answered with an {effect.value}")
        v1 = dict(verdict.context)
        if verdict.principal_id:
            v1["principalId"] = verdict.principal_id
        return Authorized({"lambda": dict(verdict.context) or None}, v1)

    async def _call_function(
        self, authorizer: LambdaAuthorizer, occasion: Occasion, arn: str, stage_arn: str, values: list[str]
    ) -> Verdict:
        make = authorizer_event_v2 if authorizer.format == "2.0" else authorizer_event_v1
        api_arn = stage_arn.rpartition("/")[0]
        try:
            answered = await self._around.functions.call(
                authorizer.function,
                dumps(make(occasion, arn, values)),
                source_arn=f"{api_arn}/authorizers/{authorizer.id}",
                timeout_s=limits.AUTHORIZER_TIMEOUT_S,
                trace_id=occasion.request.trace_id,
                by_role=authorizer.by_role,
            )
        except CallFailure as failure:
            self._note(occasion, authorizer, failure.message)
            raise Refused(_FAILED, "AUTHORIZER_FAILURE", failure.message) from failure
        error = answered.result.error
        if error is not None:
            self._note(occasion, authorizer, error.message)
            if error.message == "Unauthorized":
                raise Refused(_UNAUTHORIZED, "UNAUTHORIZED", "the authorizer answered Unauthorized")
            raise Refused(_FAILED, "AUTHORIZER_FAILURE", f"{error.type}: {error.message}")
        read = read_simple_answer if authorizer.simple else read_policy_answer
        try:
            verdict = read(answered.result.payload)
        except BadAuthorizerAnswer as bad:
            self._note(occasion, authorizer, str(bad))
            raise Refused(_FAILED, "AUTHORIZER_CONFIGURATION_ERROR", str(bad)) from bad
        self._note(occasion, authorizer, "")
        return verdict

    def _note(self, occasion: Occasion, authorizer: LambdaAuthorizer, error: str) -> None:
        self._around.journal.append(
            "gateway.authorizer",
            authorizer.function,
            request_id=occasion.request.request_id,
            api=occasion.api_id,
            route=occasion.route_key,
            error=error,
        )
