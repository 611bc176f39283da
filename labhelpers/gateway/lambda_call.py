"""A gateway's call of a function: finds it in the integration's URI, asks its resource policy, and invokes it.

Called by integrations and Lambda authorizers of all kinds of API; calls `functions.invoke`, the one door to functions.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from enum import Enum

from labhelpers import limits
from labhelpers.errors import RESOURCE_NOT_FOUND, TOO_MANY_REQUESTS, AwsError
from labhelpers.functions.invoke import Invoker
from labhelpers.functions.names import FunctionReference
from labhelpers.functions.policy import Policy
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.model import LATEST, InvokeRequest, InvokeResult
from labhelpers.records import record

PRINCIPAL = "apigateway.amazonaws.com"

_INVOCATION_URI = re.compile(
    r"arn:aws[a-z-]*:apigateway:(?P<region>[\w-]+):lambda:path/+2015-03-31/functions/(?P<function>.+)/invocations/?"
)
_FUNCTION_ARN = re.compile(r"arn:aws[a-z-]*:lambda:[\w-]+:\d{12}:function:.+")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}|\$stageVariables\.([A-Za-z0-9_]+)")


class Reason(Enum):
    """Why a function gave no result."""

    NOT_PERMITTED = "not permitted"
    NOT_FOUND = "not found"
    THROTTLED = "throttled"
    TOO_LARGE = "too large"
    TIMED_OUT = "timed out"
    FAILED = "failed"


class CallFailure(Exception):
    """The function was not run, or nobody waits for it any more. `message` says why, in the words of a log."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@record
class Answered:
    """A call that came back: what the function gave, and how long the gateway waited for it (milliseconds)."""

    result: InvokeResult
    latency_ms: float


def function_of(uri: str) -> str | None:
    """The function (an ARN, perhaps qualified, perhaps with stage variables in it) that an integration's URI names.

    `uri` is `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION/invocations`, or the function's own
    ARN as HTTP APIs take it. None for any other URI.
    """
    if found := _INVOCATION_URI.fullmatch(uri):
        return found["function"]
    return uri if _FUNCTION_ARN.fullmatch(uri) else None


def with_stage_variables(text: str, variables: Mapping[str, str]) -> str:
    """`${stageVariables.x}` and `$stageVariables.x` replaced; a variable that is not set is empty."""
    if "stageVariables." not in text:
        return text
    return _STAGE_VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)


class LambdaCaller:
    """Calls functions for gateways. One for all APIs; event loop only."""

    def __init__(self, registry: FunctionRegistry, invoker: Invoker) -> None:
        self._registry = registry
        self._invoker = invoker
        self._references: dict[str, FunctionReference] = {}
        self._verdicts: dict[tuple[str, str], tuple[Policy | None, bool]] = {}

    async def call(
        self,
        function: str,
        payload: bytes,
        *,
        source_arn: str,
        timeout_s: float,
        trace_id: str = "",
        request_id: str = "",
        by_role: bool = False,
    ) -> Answered:
        """Run `function` (name or ARN, perhaps qualified) with `payload` and wait at most `timeout_s`.

        `source_arn` is the execute-api ARN that its resource policy is asked about; `by_role` skips that, for an
        integration that takes on a role. A function's own error is a result. CallFailure for everything else;
        after TIMED_OUT the function runs on.
        """
        if len(payload) > limits.SYNC_PAYLOAD_BYTES_MAX:
            raise CallFailure(
                Reason.TOO_LARGE, f"The event of {len(payload)} bytes is larger than Lambda's 6 MB"
            )
        if not by_role:
            self.check_permission(function, source_arn)
        started = time.perf_counter()
        request = InvokeRequest(
            function,
            payload,
            request_id=request_id,
            trace_id=trace_id,
            source="apigateway",
            source_arn=source_arn,
        )
        try:
            result = await self._invoker.invoke(request, timeout_s)
        except TimeoutError:
            text = f"The function did not answer within {timeout_s:g} s"
            raise CallFailure(Reason.TIMED_OUT, text) from None
        except AwsError as error:
            raise CallFailure(_REASONS.get(error.code, Reason.FAILED), error.message) from error
        return Answered(result, (time.perf_counter() - started) * 1000)

    def check_permission(self, function: str, source_arn: str) -> None:
        """CallFailure NOT_FOUND or NOT_PERMITTED unless API Gateway may call this function for `source_arn`."""
        try:
            reference = self._references.get(function)
            if reference is None:
                reference = self._references[function] = self._registry.reference(function)
        except AwsError as error:
            raise CallFailure(Reason.NOT_FOUND, error.message or str(error)) from error
        found = self._registry.find(reference.name)
        if found is None or found.target(reference.qualifier) is None:
            arn = self._registry.arn(reference.name, reference.qualifier)
            raise CallFailure(Reason.NOT_FOUND, f"Function not found: {arn}")
        policy = found.policies.get("" if reference.qualifier == LATEST else reference.qualifier)
        key = (function, source_arn)
        verdict = self._verdicts.get(key)
        if verdict is None or verdict[0] is not policy:  # A policy is replaced whenever it changes.
            allowed = self._registry.allows(
                function, principal=PRINCIPAL, source_arn=source_arn, source_account=self._registry.account.id
            )
            if len(self._verdicts) > _VERDICTS_MAX:
                self._verdicts.clear()
            verdict = self._verdicts[key] = (policy, allowed)
        if not verdict[1]:
            raise CallFailure(
                Reason.NOT_PERMITTED,
                f"The resource policy of {self._registry.arn(reference.name, reference.qualifier)} lets "
                f"{PRINCIPAL} not call it for {source_arn}; add_permission would",
            )


_VERDICTS_MAX = 10_000
_REASONS = {RESOURCE_NOT_FOUND: Reason.NOT_FOUND, TOO_MANY_REQUESTS: Reason.THROTTLED}
