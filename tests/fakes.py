"""Stand-ins that several tests share; each keeps its promises without sockets, processes or real time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from labhelpers.clock import Clock
from labhelpers.errors import RESOURCE_NOT_FOUND, AwsError
from labhelpers.events.destinations import Outgoing
from labhelpers.model import FunctionError, FunctionVersion, InvokeRequest, InvokeResult

ACCOUNT = "123456789012"


def function_arn(name: str) -> str:
    """The unqualified ARN of a function of the tests' account."""
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"


def function_version(name: str, reserved: int | None = None) -> FunctionVersion:
    """A function's $LATEST, with nothing in it."""
    return FunctionVersion(
        arn=function_arn(name),
        name=name,
        version="$LATEST",
        revision="1",
        runtime="python3.13",
        handler="handler.handler",
        role=f"arn:aws:iam::{ACCOUNT}:role/lab",
        code_root=Path("/nowhere"),
        code_size=0,
        timeout_s=3,
        memory_mb=128,
        reserved_concurrency=reserved,
    )


async def settle(turns: int = 50) -> None:
    """Let everything run that can run without time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for `condition` in real time; TimeoutError when it does not come true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.001)


class FakeClock(Clock):
    """A clock that moves only when a test says so."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        super().__init__()
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return getattr(self, "_now", 0.0)

    async def sleep_until(self, moment: float) -> None:
        if moment > self._now:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._sleepers, (moment, next(self._order), woken))
            await woken

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, stopping at each moment that something waits for."""
        await settle()
        end = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _, woken = heapq.heappop(self._sleepers)
            if woken.cancelled():
                continue
            self._now = max(self._now, moment)
            woken.set_result(None)
            await settle()
        self._now = end
        await settle()


@dataclass
class FakeEventInvokeConfig:
    max_age_s: int = 21_600
    max_retries: int = 2
    on_success: str = ""
    on_failure: str = ""
    dlq: str = ""


@dataclass(frozen=True)
class FakeResolved:
    version: FunctionVersion
    invoked_arn: str


class FakeRegistry:
    """Functions by name, with the settings that an asynchronous invocation reads. `allowed` are (ARN, source ARN)."""

    def __init__(self, *names: str) -> None:
        self.versions = {name: function_version(name) for name in names}
        self.configs = {name: FakeEventInvokeConfig() for name in names}
        self.allowed: set[tuple[str, str]] = set()

    def resolve(self, function: str, qualifier: str = "") -> FakeResolved:
        name, named = self._read(function)
        qualifier = qualifier or named
        arn = function_arn(name) + (f":{qualifier}" if qualifier else "")
        return FakeResolved(self.versions[name], arn)

    def event_invoke_config(self, arn: str, qualifier: str) -> FakeEventInvokeConfig:
        return self.configs[self._read(arn)[0]]

    def allows(
        self, function: str, qualifier: str, *, principal: str, source_arn: str = "", source_account: str = ""
    ) -> bool:
        self._read(function)
        return principal == "s3.amazonaws.com" and (function, source_arn) in self.allowed

    def reserve(self, name: str, concurrency: int | None) -> None:
        self.versions[name] = function_version(name, concurrency)

    def delete(self, name: str) -> None:
        del self.versions[name]

    def _read(self, function: str) -> tuple[str, str]:
        parts = function.split(":")
        name, qualifier = (parts[6], ":".join(parts[7:])) if len(parts) > 6 else (function, "")
        if name not in self.versions:
            raise AwsError(RESOURCE_NOT_FOUND, f"Function not found: {function_arn(name)}", 404)
        return name, qualifier


class FakeInvoker:
    """The one door, with a function behind it that a test writes: it gets the request and returns or raises.

    A returned FunctionError is the function's own failure. `busy` counts calls in flight, `most_busy` is its peak.
    """

    def __init__(
        self, function: Callable[[InvokeRequest], bytes | FunctionError] = lambda _: b"null"
    ) -> None:
        self.function = function
        self.requests: list[InvokeRequest] = []
        self.busy = self.most_busy = 0
        self.hold: asyncio.Event | None = None

    async def invoke(self, request: InvokeRequest, patience_s: float = 0.0) -> InvokeResult:
        self.requests.append(request)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            if self.hold is not None:
                async with asyncio.timeout(patience_s or None):
                    await self.hold.wait()
            answer = self.function(request)
        finally:
            self.busy -= 1
        if isinstance(answer, FunctionError):
            return InvokeResult(request.request_id, "$LATEST", answer.payload, answer)
        return InvokeResult(request.request_id, "$LATEST", answer)


@dataclass
class FakeDelivery:
    """Keeps what is sent; each error in `errors` fails one delivery first."""

    sent: list[Outgoing] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    async def __call__(self, message: Outgoing) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(message)
