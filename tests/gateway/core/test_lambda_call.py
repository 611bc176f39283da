"""A gateway's call of a function, without a function."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from labhelpers.errors import AwsError
from labhelpers.functions.names import FunctionReference
from labhelpers.functions.policy import Policy, Statement
from labhelpers.gateway.lambda_call import (
    CallFailure,
    LambdaCaller,
    Reason,
    function_of,
    with_stage_variables,
)
from labhelpers.model import Account, InvokeRequest, InvokeResult

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
SOURCE = "arn:aws:execute-api:us-east-1:123456789012:abc/dev/GET/x"
ALLOW = Statement("s", {"Service": "apigateway.amazonaws.com"}, "lambda:InvokeFunction", ARN)


@pytest.mark.parametrize(
    ("uri", "function"),
    [
        (f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations", ARN),
        (
            f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}:live/invocations",
            f"{ARN}:live",
        ),
        (ARN, ARN),
        ("https://example.com", None),
        ("arn:aws:apigateway:us-east-1:sqs:path/123456789012/q", None),
    ],
)
def test_function_is_read_from_the_uri(uri: str, function: str | None) -> None:
    """The long form of REST APIs, and the ARN alone."""
    assert function_of(uri) == function


def test_stage_variables_are_filled_in() -> None:
    """Both spellings; one that is not set is empty."""
    text = "${stageVariables.a}-$stageVariables.b-${stageVariables.none}"
    assert with_stage_variables(text, {"a": "1", "b": "2"}) == "1-2-"


class FakeFunction:
    """As much of a function as a caller looks at."""

    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}

    def target(self, qualifier: str) -> Any:
        return None if qualifier == "gone" else object()


class FakeRegistry:
    """A registry with one function `f`; it counts how often its policy is asked."""

    def __init__(self) -> None:
        self.account = Account()
        self.function: FakeFunction | None = FakeFunction()
        self.asked = 0

    def reference(self, function: str, qualifier: str = "") -> FunctionReference:
        _, _, name = function.partition("function:")
        if not name:
            raise AwsError("ValidationException", "no function's name")
        name, _, qualifier = name.partition(":")
        return FunctionReference(name, qualifier)

    def find(self, name: str) -> FakeFunction | None:
        return self.function if name == "f" else None

    def arn(self, name: str, qualifier: str = "") -> str:
        return ARN

    def allows(self, function: str, **asked: str) -> bool:
        self.asked += 1
        policy = self.function.policies.get("") if self.function else None
        return policy is not None and bool(policy.statements)


class FakeInvoker:
    """Answers after a while, or with an error."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.error: AwsError | None = None
        self.requests: list[InvokeRequest] = []

    async def invoke(self, request: InvokeRequest, patience_s: float = 0.0) -> InvokeResult:
        self.requests.append(request)
        if self.error:
            raise self.error
        async with asyncio.timeout(patience_s):
            await asyncio.sleep(self.delay_s)
        return InvokeResult("id", "$LATEST", b'"hello"')


def made() -> tuple[LambdaCaller, FakeRegistry, FakeInvoker]:
    """A caller whose function lets API Gateway in."""
    registry, invoker = FakeRegistry(), FakeInvoker()
    assert registry.function is not None
    registry.function.policies[""] = Policy("1", (ALLOW,))
    return LambdaCaller(registry, invoker), registry, invoker  # type: ignore[arg-type]


async def failure(caller: LambdaCaller, function: str = ARN, **options: Any) -> Reason:
    """Why a call fails."""
    with pytest.raises(CallFailure) as caught:
        await caller.call(function, options.pop("payload", b"{}"), source_arn=SOURCE, timeout_s=1, **options)
    return caught.value.reason


async def test_call_takes_the_one_door() -> None:
    """The invoker sees who calls, for what, and in which trace."""
    caller, _, invoker = made()
    answered = await caller.call(ARN, b"[]", source_arn=SOURCE, timeout_s=1, trace_id="t", request_id="r")
    (request,) = invoker.requests
    assert answered.result.payload == b'"hello"' and answered.latency_ms >= 0
    assert (request.function, request.payload, request.source, request.source_arn) == (
        ARN,
        b"[]",
        "apigateway",
        SOURCE,
    )
    assert (request.trace_id, request.request_id) == ("t", "r")


async def test_policy_must_let_the_gateway_in() -> None:
    """Without a statement no call; the verdict is remembered until the policy changes."""
    caller, registry, invoker = made()
    await caller.call(ARN, b"{}", source_arn=SOURCE, timeout_s=1)
    await caller.call(ARN, b"{}", source_arn=SOURCE, timeout_s=1)
    assert registry.asked == 1
    assert registry.function is not None
    registry.function.policies.clear()
    assert await failure(caller) is Reason.NOT_PERMITTED
    assert registry.asked == 2 and len(invoker.requests) == 2
    await caller.call(ARN, b"{}", source_arn=SOURCE, timeout_s=1, by_role=True)


async def test_function_that_is_gone_is_not_found() -> None:
    """Deleted, never there, without that alias, or no name at all."""
    caller, registry, _ = made()
    assert await failure(caller, f"{ARN}:gone") is Reason.NOT_FOUND
    assert await failure(caller, ARN.replace(":f", ":g")) is Reason.NOT_FOUND
    assert await failure(caller, "${x}") is Reason.NOT_FOUND
    registry.function = None
    assert await failure(caller) is Reason.NOT_FOUND


async def test_throttled_call_and_large_event_say_so() -> None:
    """429 of Lambda, and its 6 MB."""
    caller, _, invoker = made()
    assert await failure(caller, payload=b"x" * 6_291_457) is Reason.TOO_LARGE
    invoker.error = AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
    assert await failure(caller) is Reason.THROTTLED
    invoker.error = AwsError("ServiceException", "x", 500)
    assert await failure(caller) is Reason.FAILED


async def test_gateway_stops_waiting() -> None:
    """A gateway's patience is the invoker's to keep, which ends no function; its end is a time-out."""
    caller, _, invoker = made()
    invoker.delay_s = 5.0
    with pytest.raises(CallFailure) as caught:
        await caller.call(ARN, b"{}", source_arn=SOURCE, timeout_s=0.01)
    assert caught.value.reason is Reason.TIMED_OUT


def test_module_needs_no_cloud() -> None:
    """The gateway is below the cloud."""
    text = Path(__file__).parents[3].joinpath("labhelpers/gateway/lambda_call.py").read_text(encoding="utf-8")
    assert "labhelpers.cloud" not in text
