"""The one door to a function: every call, from boto3, a gateway or a trigger, goes through `Invoker.invoke`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import getrandbits
from typing import NoReturn

from labhelpers.deadlines import Deadline, Deadlines
from labhelpers.errors import TOO_MANY_REQUESTS, AwsError
from labhelpers.functions.call import Call
from labhelpers.functions.function_metrics import FunctionMetrics
from labhelpers.functions.pool import Pool, ScalingLimit
from labhelpers.functions.recursion import Tracing
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.functions.scaling import RequestRate
from labhelpers.journal import Journal
from labhelpers.model import FunctionVersion, InvokeRequest, InvokeResult


def _new_request_id() -> str:
    """A random UUID, as `uuid.uuid4` makes it, in a fraction of its time: it names a call, and keeps no secret."""
    text = f"{getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


class Invoker:
    """Runs functions. `invoke` may be called any number of times at once, from the cloud's event loop."""

    def __init__(
        self,
        registry: FunctionRegistry,
        pool: Pool,
        journal: Journal,
        metrics: FunctionMetrics | None = None,
    ) -> None:
        self._registry = registry
        self._pool = pool
        self._journal = journal
        self._metrics = metrics or FunctionMetrics()
        self._tracing = Tracing(journal, self._metrics.recursion_dropped)
        self._running: Counter[str] = Counter()
        self._running_in_all = 0
        self._running_unreserved = 0
        self._rate = RequestRate(time.monotonic)
        self._deadlines = Deadlines()
        self._versions: dict[tuple[str, str], tuple[FunctionVersion, int]] = {}  # and how many calls run each
        self.on_version_over: Callable[[], None] = lambda: None  # No call runs some version any more.

    def runs_from(self, root: Path) -> bool:
        """Whether a call runs, or is about to, from this package of code or of a layer."""
        return any(
            version.code_root == root or any(layer.root == root for layer in version.layers)
            for version, _ in self._versions.values()
        )

    def check(self, request: InvokeRequest) -> None:
        """DryRun: AwsError if the function or the qualifier does not exist."""
        self._registry.resolve(request.function, request.qualifier)

    async def invoke(self, request: InvokeRequest, patience_s: float = 0.0) -> InvokeResult:
        """Run the function once and wait for what comes of it. A function's own failure is a result, not an exception.

        AwsError: 404 for an unknown function, 429 when its concurrency is used up. TimeoutError after `patience_s`
        real seconds, if they are given: whoever called then leaves, and the function runs on.
        https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        """
        resolved = self._registry.resolve(request.function, request.qualifier)
        version = resolved.version
        request_id = request.request_id or _new_request_id()
        trace_id = self._tracing.enter(request, version, request_id)
        reserved = self._admit(version, resolved.invoked_arn, request_id)
        call = Call(
            request_id,
            request.payload,
            resolved.invoked_arn,
            trace_id=trace_id,
            client_context=request.client_context,
            log_tail=request.log_tail,
            origin=request.origin,
        )
        give_up = partial(call.answer.abandon, TimeoutError()) if patience_s else None
        limit: Deadline | asyncio.TimerHandle | None = None
        try:
            if not self._pool.take(version, call):
                limit = await self._place(version, call, patience_s, give_up)
            elif give_up is not None:
                limit = self._deadlines.after(patience_s, give_up)
        except ScalingLimit:
            self._leave(version, reserved)
            # AWS's page names no reason for this one; the function cannot run more at once for now.
            self._throttle(version, resolved.invoked_arn, request_id, "ConcurrentInvocationLimitExceeded")
        except BaseException:
            self._leave(version, reserved)
            raise
        try:
            result = await call.answer
        except BaseException:
            if call.answer.done():
                self._leave(version, reserved)
            else:  # The caller has left; the function still runs, and counts until it is over.
                call.answer.when_there = partial(self._leave, version, reserved)
            raise
        finally:
            if limit is not None:
                limit.cancel()
        self._leave(version, reserved)
        return result

    async def _place(
        self, version: FunctionVersion, call: Call, patience_s: float, give_up: Callable[[], None] | None
    ) -> asyncio.TimerHandle | None:
        """Give the call to an environment as soon as there is one; returns the limit that now runs, if there is one."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        async with asyncio.timeout_at(until if give_up else None):
            await self._pool.run(version, call)
        return loop.call_at(until, give_up) if give_up else None

    def _admit(self, version: FunctionVersion, arn: str, request_id: str) -> bool:
        """Count a call in, or refuse it; returns whether it runs on reserved concurrency."""
        limit = version.reserved_concurrency
        if limit is not None:
            if self._running[version.arn] >= limit:
                self._throttle(version, arn, request_id, "ReservedFunctionConcurrentInvocationLimitExceeded")
            if not self._rate.allows(version.arn, limit):
                self._throttle(version, arn, request_id, "ReservedFunctionInvocationRateLimitExceeded")
        elif self._running_unreserved >= self._registry.unreserved_min and self._is_account_full():
            self._throttle(version, arn, request_id, "ConcurrentInvocationLimitExceeded")
        elif not self._rate.allows("", self._registry.concurrency):
            self._throttle(version, arn, request_id, "FunctionInvocationRateLimitExceeded")
        else:
            self._running_unreserved += 1
        self._running[version.arn] += 1
        self._running_in_all += 1
        self._metrics.running(
            version.name, self._running[version.arn], self._running_in_all, self._running_unreserved
        )
        key = version.name, version.revision
        _, count = self._versions.get(key, (version, 0))
        self._versions[key] = version, count + 1
        return limit is not None

    def _is_account_full(self) -> bool:
        """Calls in provisioned environments run on what was set apart for these."""
        on_demand = self._running_unreserved - self._pool.provisioned_busy(unreserved=True)
        return on_demand >= self._registry.concurrency - self._registry.total_reserved()

    def _leave(self, version: FunctionVersion, reserved: bool) -> None:
        self._running_in_all -= 1
        self._running[version.arn] -= 1
        if not self._running[version.arn]:
            del self._running[version.arn]
        if not reserved:
            self._running_unreserved -= 1
        key = version.name, version.revision
        _, count = self._versions[key]
        if count > 1:
            self._versions[key] = version, count - 1
        else:
            del self._versions[key]
            self.on_version_over()

    def _throttle(self, version: FunctionVersion, arn: str, request_id: str, reason: str) -> NoReturn:
        self._metrics.throttled(arn, version.version)
        self._journal.append("invoke.throttled", arn, request_id=request_id, reason=reason)
        raise AwsError(TOO_MANY_REQUESTS, "Rate Exceeded.", 429, fields={"Reason": reason, "Type": "User"})
