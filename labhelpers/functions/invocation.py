"""One event in an execution environment, from START to REPORT: its deadline, its outcome, its figures.

The environment says what happens to it; it tells the caller, the log and the journal.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from labhelpers.deadlines import Deadline, Deadlines
from labhelpers.functions.call import Call
from labhelpers.functions.environment_log import EnvironmentLog
from labhelpers.functions.log_lines import Report
from labhelpers.functions.outcomes import (
    OUT_OF_MEMORY,
    TIMED_OUT,
    InitFailure,
    reported_type,
    timeout_message,
)
from labhelpers.functions.runtime_api import Connection
from labhelpers.model import FunctionError, FunctionVersion, InvokeResult

MB = 1024 * 1024


class Invocation:
    """A call on its way through an environment. `init_ms` is what the INIT took that is billed with it, if any."""

    def __init__(
        self, call: Call, version: FunctionVersion, log: EnvironmentLog, deadlines: Deadlines
    ) -> None:
        self.call = call
        self.init_ms: float | None = None
        self._version = version
        self._log = log
        self._deadlines = deadlines
        self._started = self._until = 0.0
        self._deadline: asyncio.TimerHandle | Deadline | None = None
        self._outcome: InvokeResult | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the outcome is known."""
        return self._outcome is not None

    @property
    def elapsed_ms(self) -> float:
        """How long the function's time has been running."""
        return (time.perf_counter() - self._started) * 1000

    def start_clock(self) -> None:
        """From now on the function's time runs: with START, or before it when an INIT is part of the call."""
        self._started = time.perf_counter()

    def start(self, connection: Connection, on_timeout: Callable[[Invocation], None], *, cold: bool) -> None:
        """START: send the event. `cold` if the call has waited for an INIT."""
        now, timeout_s = time.time(), self._version.timeout_s
        over = partial(on_timeout, self)
        if self._started:
            left_s = timeout_s - self.elapsed_ms / 1000
            self._until = now + left_s
            self._deadline = asyncio.get_running_loop().call_later(left_s, over)
        else:
            self.start_clock()
            self._until = now + timeout_s
            self._deadline = self._deadlines.after(timeout_s, over)
        self.send(connection)
        # The runtime works already; what it writes is read only after this.
        self._log.started(self.call, now, cold=cold)

    def send(self, connection: Connection) -> None:
        """Give the event to the runtime: the same again if it asks again before its answer, as on AWS."""
        connection.send_event(self.call.event_headers(self._until), self.call.payload)

    def answer(self, payload: bytes, content_type: str) -> None:
        """The handler has returned."""
        self._settle(payload, None, content_type)

    def fail(self, error: FunctionError, *, now: bool = False) -> None:
        """The function has failed; `now`: nothing more will be heard of it."""
        self._settle(error.payload, error, "application/json", now=now)

    def time_out(self) -> None:
        """Its time is over; the caller hears of it unless it has its answer."""
        if not self.is_answered:
            text = f"RequestId: {self.call.request_id} Error: {timeout_message(self._version.timeout_s)}"
            self.fail(FunctionError.make(TIMED_OUT, text))

    def end_in_timeout(self, peak_bytes: int) -> None:
        """The runtime was killed because the time was over."""
        self._log.timed_out(self.call)
        self.time_out()
        self._report("timeout", "", self._version.timeout_s * 1000.0, peak_bytes)

    def end_in_exit(self, failure: InitFailure, peak_bytes: int) -> None:
        """The runtime has ended: before an answer, that is the outcome."""
        if self._outcome is not None:
            if self._outcome.error is not None and failure.message:  # It has reported why, and left.
                self._log.exited(self.call, failure.message, failure.kind)
            self.end(peak_bytes)
            return
        if failure.message and not failure.reported:
            self._log.exited(self.call, failure.message, failure.kind)
        self.fail(failure.as_error(self.call.request_id))
        self._report("error", failure.kind, self.elapsed_ms, peak_bytes)

    def end_before_start(self, failure: InitFailure, peak_bytes: int) -> None:
        """The runtime could not be started in the call's time."""
        self._log.init_failed("invoke", self.elapsed_ms, failure)
        self._log.started(self.call, time.time(), cold=True)
        if failure.kind == TIMED_OUT:
            self.end_in_timeout(peak_bytes)
        else:
            self.end_in_exit(failure, peak_bytes)

    def end(self, peak_bytes: int) -> None:
        """The runtime is ready for the next event."""
        error = self._outcome.error if self._outcome is not None else None
        self._report("error" if error else "success", reported_type(error), self.elapsed_ms, peak_bytes)

    def abandon(self, error: FunctionError) -> None:
        """The environment ends before it could end the call."""
        self._cancel_deadline()
        self.fail(error, now=True)

    def _settle(
        self, payload: bytes, error: FunctionError | None, content_type: str, *, now: bool = False
    ) -> None:
        call = self.call
        self._outcome = InvokeResult(
            call.request_id, self._version.version, payload, error, content_type=content_type
        )
        if (now or not call.log_tail) and not call.answer.done():
            call.answer.set_result(self._outcome)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None  # It knows this invocation: the two would be left to the collector.

    def _report(self, status: str, error_type: str, duration_ms: float, peak_bytes: int) -> None:
        """END and REPORT: the invocation is over, and with it the figures."""
        call, outcome = self.call, self._outcome
        assert outcome is not None
        self._cancel_deadline()
        limit = self._version.memory_mb
        used = limit if error_type == OUT_OF_MEMORY else min(limit, math.ceil(peak_bytes / MB))
        billed_ms = math.ceil(duration_ms + (self.init_ms or 0.0))
        report = Report(duration_ms, billed_ms, limit, used, self.init_ms, status, error_type)
        tail = self._log.ended(call, report, outcome.error)
        if call.log_tail and not call.answer.done():
            figures = {"duration_ms": duration_ms, "billed_ms": billed_ms, "init_ms": self.init_ms}
            call.answer.set_result(replace(outcome, log_tail=tail, **figures))  # type: ignore[arg-type]
