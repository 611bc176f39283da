"""Authorizers of REST APIs: TOKEN and REQUEST functions with their cache, Cognito user pools, IAM.

A cached policy is evaluated anew for each method's ARN: it is used for other paths, too, as on AWS.
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers import limits
from labhelpers.gateway import authorizer as shared
from labhelpers.gateway.authorizer import BadAuthorizerAnswer, Effect, ResultCache, Verdict
from labhelpers.gateway.context import as_text
from labhelpers.gateway.identity import Identify, NotIdentified
from labhelpers.gateway.lambda_call import CallFailure, LambdaCaller, with_stage_variables
from labhelpers.gateway.rest import event
from labhelpers.gateway.rest.cognito import CognitoTokens, TokenExpired, TokenRefused
from labhelpers.gateway.rest.gateway_responses import GatewayError, Kind
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Authorizer, AuthorizerType, Method
from labhelpers.journal import Journal

IAM, CUSTOM, COGNITO = "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"

_SIGNATURE_KINDS = {
    "MissingAuthenticationTokenException": Kind.MISSING_AUTHENTICATION_TOKEN,
    "ExpiredTokenException": Kind.EXPIRED_TOKEN,
    "AccessDeniedException": Kind.ACCESS_DENIED,
}


class Authorizers:
    """Lets requests pass, or raises GatewayError: 401, 403, or 500 when the authorizer itself is wrong."""

    def __init__(
        self,
        functions: LambdaCaller,
        cognito: CognitoTokens,
        identify: Identify,
        journal: Journal,
        now: Callable[[], float],
    ) -> None:
        self._functions = functions
        self._cognito = cognito
        self._identify = identify
        self._journal = journal
        self._cache: ResultCache[Verdict] = ResultCache(now)

    def flush(self, api_id: str) -> None:
        """Forget the results for an API."""
        self._cache.forget(api_id)

    async def authorize(self, run: Run, method: Method, *, policy_allows: bool = False) -> None:
        """Check a request as its method asks; what the authorizer says of the caller is put into `run`.

        `policy_allows`: the API's resource policy does, so that a function need not.
        """
        if method.authorization == IAM:
            self._authorize_iam(run)
        elif method.authorizer is None:
            raise self._broken(run, "the method's authorizer does not exist")
        elif method.authorizer.type is AuthorizerType.COGNITO_USER_POOLS:
            await self._authorize_cognito(run, method, method.authorizer)
        else:
            await self._authorize_function(run, method.authorizer, policy_allows=policy_allows)

    # --- IAM ---

    def _authorize_iam(self, run: Run) -> None:
        try:
            found = self._identify(run.request)
        except NotIdentified as refused:
            kind = _SIGNATURE_KINDS.get(refused.code, Kind.INVALID_SIGNATURE)
            raise GatewayError(kind, refused.message, error_type=refused.code) from refused
        run.identity = {
            "accessKey": found.access_key,
            "accountId": found.account_id,
            "caller": found.user_id,
            "user": found.user_id,
            "userArn": found.user_arn,
        }

    # --- Functions ---

    async def _authorize_function(self, run: Run, authorizer: Authorizer, *, policy_allows: bool) -> None:
        values = self._identity_values(run, authorizer)
        key = (run.api_id, run.stage, authorizer.id, values)
        verdict = self._cache.get(key) if authorizer.ttl_s and values else None
        started = time.perf_counter()
        if verdict is None:
            if run.log:
                run.log.step(f"Starting authorizer: {authorizer.id}")
            verdict = await self._ask(run, authorizer, values)
            self._cache.put(key, verdict, authorizer.ttl_s if values else 0)
            self._note(run, authorizer, verdict, started)
        elif run.log:
            run.log.step(f"Using cached authorizer result of {authorizer.id}")
        run.policy = verdict.policy
        self._judge(run, verdict, policy_allows=policy_allows)
        run.authorizer = {
            **{name: as_text(value) for name, value in verdict.context.items()},
            "principalId": verdict.principal_id,
            "integrationLatency": int((time.perf_counter() - started) * 1000),
        }
        if verdict.usage_key and run.program.api_key_source == "AUTHORIZER":
            run.api_key = verdict.usage_key

    def _identity_values(self, run: Run, authorizer: Authorizer) -> tuple[str, ...]:
        """The values of the identity sources. GatewayError 401 when one is missing, or does not look as it must."""
        values = shared.source_values(authorizer.sources, run.request, run.context, run.variables)
        if values is None:
            raise _unauthorized()
        if (
            authorizer.type is AuthorizerType.TOKEN
            and authorizer.validation is not None
            and not (values and authorizer.validation.fullmatch(values[0]))
        ):
            raise _unauthorized()
        return values

    async def _ask(self, run: Run, authorizer: Authorizer, values: tuple[str, ...]) -> Verdict:
        is_token = authorizer.type is AuthorizerType.TOKEN
        payload = (
            event.token_event(values[0] if values else "", run.method_arn)
            if is_token
            else event.request_event(run)
        )
        account = run.account
        try:
            answered = await self._functions.call(
                with_stage_variables(authorizer.function, run.variables),
                payload,
                source_arn=(
                    f"arn:aws:execute-api:{account.region}:{account.id}:{run.api_id}/authorizers/{authorizer.id}"
                ),
                timeout_s=limits.AUTHORIZER_TIMEOUT_S,
                trace_id=run.request.trace_id,
                by_role=bool(authorizer.credentials),
            )
        except CallFailure as failure:
            raise self._broken(run, failure.message) from failure
        if answered.result.error is not None:
            if _said_unauthorized(answered.result.payload):
                raise _unauthorized()
            raise self._broken(run, answered.result.error.message)
        try:
            return shared.read_policy_answer(answered.result.payload)
        except BadAuthorizerAnswer as bad:
            raise self._broken(run, str(bad)) from bad

    def _judge(self, run: Run, verdict: Verdict, *, policy_allows: bool) -> None:
        effect = verdict.effect(run.method_arn)
        if effect is Effect.ALLOW or (policy_allows and effect is Effect.IMPLICIT_DENY):
            return
        more = " with an explicit deny" if effect is Effect.EXPLICIT_DENY else ""
        if run.log:
            run.log.failed("The client is not authorized to perform this operation.")
        raise GatewayError(Kind.ACCESS_DENIED, f"User is not authorized to access this resource{more}")

    def _broken(self, run: Run, why: str) -> GatewayError:
        if run.log:
            run.log.failed(f"Execution failed due to configuration error: {why}")
        return GatewayError(Kind.AUTHORIZER_CONFIGURATION_ERROR, None, log="")

    def _note(self, run: Run, authorizer: Authorizer, verdict: Verdict, started: float) -> None:
        self._journal.append(
            "gateway.authorizer",
            run.method_arn,
            request_id=run.request.request_id,
            trace_id=run.request.trace_id,
            authorizer=authorizer.name,
            principal=verdict.principal_id,
            effect=verdict.effect(run.method_arn).value,
            latency_ms=round((time.perf_counter() - started) * 1000, 3),
        )

    # --- Cognito ---

    async def _authorize_cognito(self, run: Run, method: Method, authorizer: Authorizer) -> None:
        values = self._identity_values(run, authorizer)
        token = values[0] if values else ""
        if authorizer.validation is not None and not authorizer.validation.fullmatch(token):
            raise _unauthorized()
        try:
            claims = await self._cognito.claims(token, authorizer.provider_arns, method.scopes)
        except TokenExpired:
            raise GatewayError(Kind.UNAUTHORIZED, "The incoming token has expired") from None
        except TokenRefused as refused:
            if run.log:
                run.log.failed(f"Unauthorized request: {refused}")
            raise _unauthorized() from None
        run.authorizer = {"claims": _texts(claims)}


def _texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as texts: lists joined by commas, as API Gateway has them."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else as_text(value) or ""
        for name, value in claims.items()
    }


def _unauthorized() -> GatewayError:
    return GatewayError(Kind.UNAUTHORIZED, "Unauthorized")


def _said_unauthorized(payload: bytes) -> bool:
    """A function says 401 by failing with exactly this message."""
    try:
        found = json.loads(payload)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("errorMessage") == "Unauthorized"
