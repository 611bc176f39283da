"""One execution environment: it runs one function version, one event at a time.

Life: INIT (the runtime starts and asks for its first event), then IDLE and BUSY in turn, frozen between calls, ENDED at
last. A crash or a timeout RESETs it: what it ran is gone, its /tmp and log stream stay, and the next call starts the
runtime again within its own time. A failed INIT is tried once more, under the function's own timeout.
The runtime drives it through the Runtime API; `pool` gives it calls and hears when it is idle or ended.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from labhelpers import limits
from labhelpers.errors import LabError
from labhelpers.functions import runtime_api
from labhelpers.functions.call import Call, Surroundings
from labhelpers.functions.environment_log import EnvironmentLog
from labhelpers.functions.launch import launch_spec, session_name
from labhelpers.functions.log_lines import Report
from labhelpers.functions.outcomes import (
    EXIT_ERROR,
    LAB_FAILURE,
    OUT_OF_MEMORY,
    TIMED_OUT,
    InitFailure,
    exit_message,
    reported_init_failure,
    reported_type,
    runtime_error,
    timeout_message,
)
from labhelpers.functions.runtime_api import Connection, Refusal
from labhelpers.functions.runtime_process import RuntimeProcess
from labhelpers.model import Credentials, FunctionError, FunctionVersion, InvokeResult

MB = 1024 * 1024
_QUICK_MS = (
    5.0  # What so short a call has held at most is noticed by the next longer one: the system keeps count.
)


class State(Enum):
    """Where an environment is in its life."""

    INIT = "INIT"
    IDLE = "IDLE"
    BUSY = "BUSY"
    RESET = "RESET"
    ENDED = "ENDED"


TRANSITIONS = {
    State.INIT: {State.BUSY, State.RESET, State.ENDED},
    State.IDLE: {State.BUSY, State.RESET, State.ENDED},
    State.BUSY: {State.IDLE, State.RESET, State.ENDED},
    State.RESET: {State.INIT, State.ENDED},
    State.ENDED: set[State](),
}


class ExecutionEnvironment:
    """See the module. `on_idle` tells the pool that it can take a call (IDLE or RESET), `on_end` that it never will."""

    def __init__(
        self,
        version: FunctionVersion,
        surroundings: Surroundings,
        on_idle: Callable[[ExecutionEnvironment], None],
        on_end: Callable[[ExecutionEnvironment], None],
    ) -> None:
        self.version = version
        self.state = State.INIT
        self.idle_since = 0.0
        self.id = secrets.token_hex(16)
        self._around = surroundings
        self._on_idle, self._on_end = on_idle, on_end
        self._log = EnvironmentLog(version, surroundings, self.id)
        self.log_stream = self._log.stream.name
        self._tmp = surroundings.spawner.folder / "tmp" / self.id
        self._keys: Credentials | None = None
        self._server: asyncio.Server | None = None
        self._address = ""
        self._runtime: RuntimeProcess | None = None
        self._ready: asyncio.Future[InitFailure | None] | None = None
        self._connection: Connection | None = None
        self._call: Call | None = None
        self._init_ms: float | None = None
        self._peak = 0

    # ---------------------------------------------------------------- the pool's side

    async def start(self, call: Call) -> None:
        """INIT, then `call` as the first event. Every failure becomes the call's answer."""
        self._call = call
        self._log.state(self.state.value)
        began = time.time()
        self._log.init_started(began)
        self._log.begin(call)  # AWS's tail has what INIT printed, but not INIT_START.
        self._server, self._address = await runtime_api.listen(self)
        failure = await self._boot(self._around.init_limit_s)
        if self._has_ended():
            self._server.close()
            return
        duration_ms = (time.time() - began) * 1000
        if failure is None:
            self._init_ms = duration_ms
            self._give(call, cold=True)
            return
        self._log.init_failed("init", duration_ms, failure)
        await self._start_within(call)

    async def start_again(self, call: Call) -> None:
        """INIT of an environment that was RESET, in the time of `call`, which then is its first event."""
        self._call = call
        self._become(State.INIT)
        self._log.begin(call)
        await self._start_within(call)

    async def _start_within(self, call: Call) -> None:
        self._init_ms = None
        call.started = time.perf_counter()
        failure = await self._boot(float(self.version.timeout_s))
        if self._has_ended():
            return
        if failure is None:
            self._give(call, cold=True)
            return
        self._log.init_failed("invoke", (time.perf_counter() - call.started) * 1000, failure)
        self._log.started(call, time.time(), cold=True)
        if failure.kind == TIMED_OUT:
            self._conclude_timeout(call)
        else:
            if failure.message and not failure.reported:
                self._log.exited(call, failure.message, failure.kind)
            self._settle(call, error=failure.as_error(call.request_id))
            self._finish("error", failure.kind)
        self._reset()

    def run(self, call: Call) -> None:
        """Give the waiting runtime an event. The environment must be IDLE."""
        self._call = call
        self._init_ms = None
        self._log.begin(call)
        self._give(call, cold=False)

    async def shut_down(self) -> None:
        """SHUTDOWN: the runtime is told, and ended; a call in progress is answered as a crash."""
        if self._has_ended():
            return
        runtime = self._runtime
        if runtime is not None and self.state is State.IDLE:
            self._runtime = None
            await runtime.shut_down()
            runtime.close()
        elif runtime is not None and self.state is State.BUSY:
            await runtime.end()
        self._end()

    def abandon(self) -> None:
        """End at once, without a SHUTDOWN."""
        self._end()

    def kill(self) -> None:
        """End the runtime at once, whatever it is doing; a call in progress is answered as a crash."""
        if self._runtime is not None:
            self._runtime.kill()

    @property
    def pid(self) -> int:
        """The process id of the runtime; 0 when there is none."""
        return self._runtime.pid if self._runtime is not None else 0

    @property
    def can_take_call(self) -> bool:
        """Whether the runtime waits for an event; not if it died while it was idle and its end is not known yet."""
        return self.state is State.IDLE and self._connection is not None and self._connection.is_open

    @property
    def is_finishing(self) -> bool:
        """Whether the call is answered and the runtime about to ask for the next event."""
        return self.state is State.BUSY and self._call is not None and self._call.outcome is not None

    def check_memory(self) -> None:
        """Note how much memory is in use; over the limit, the runtime is killed."""
        if self._runtime is not None:
            self._runtime.check_memory()

    def _has_ended(self) -> bool:
        return self.state is State.ENDED

    # ---------------------------------------------------------------- the runtime's start and end

    async def _boot(self, limit_s: float) -> InitFailure | None:
        """Start the runtime and wait until it asks for an event; returns why it did not."""
        around, self._peak = self._around, 0
        deadline = time.perf_counter() + limit_s
        ready = self._ready = asyncio.get_running_loop().create_future()
        write_end = self._log.stream.open_pipe()
        try:
            await around.spawner.wait_ready()
            if self._has_ended():
                return None
            if self._keys is None:
                name = session_name(self.version.name)
                self._keys = around.credentials.mint_role_credentials(self.version.role, name)
            spec = launch_spec(
                around,
                self.version,
                self._keys,
                log_stream=self.log_stream,
                runtime_api=self._address,
                tmp=self._tmp,
            )
            process = await around.spawner.spawn(spec, write_end)
        except LabError as error:
            return InitFailure(LAB_FAILURE, str(error))
        finally:
            os.close(write_end)
        runtime = RuntimeProcess(process, ready, self.version.memory_mb * MB, self._on_exit)
        if self._has_ended():
            await runtime.end()
            runtime.close()
            return None
        self._runtime = runtime
        failure = await runtime.wait_ready(deadline - time.perf_counter())
        if failure is not None:
            self._runtime = self._connection = None
            await runtime.leave()
            self._peak = runtime.peak_bytes()
            runtime.close()
            self._log.stream.close_pipe()
        return failure

    def _on_exit(self, runtime: RuntimeProcess) -> None:
        if not runtime.ready.done():
            failure = InitFailure(_exit_kind(runtime), exit_message(runtime.exit_code))
            if runtime.failure:
                failure = InitFailure(LAB_FAILURE, runtime.failure)
            runtime.ready.set_result(failure)
            return
        if runtime is not self._runtime:
            return
        self._log.stream.close_pipe()
        call = self._call
        if call is not None and runtime.timed_out:
            self._conclude_timeout(call)
        elif call is not None:
            self._conclude_exit(call, _exit_kind(runtime), exit_message(runtime.exit_code))
        self._reset()

    def _conclude_timeout(self, call: Call) -> None:
        self._log.timed_out(call)
        if call.outcome is None:
            self._settle(call, error=self._timeout_error(call))
        self._finish("timeout", "")

    def _conclude_exit(self, call: Call, kind: str, message: str) -> None:
        if call.outcome is None:
            self._log.exited(call, message, kind)
            text = f"RequestId: {call.request_id} Error: {message}"
            self._settle(call, error=FunctionError.make(kind, text))
            self._finish("error", kind)
        else:
            error = call.outcome.error
            self._finish("error" if error else "success", reported_type(error))

    def _reset(self) -> None:
        if self._runtime is not None:
            self._runtime.close()
        self._runtime = self._connection = None
        self._become(State.RESET)
        self._rest()

    def _rest(self) -> None:
        self.idle_since = time.monotonic()
        self._on_idle(self)

    def _end(self) -> None:
        if self._has_ended():
            return
        self._become(State.ENDED)
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()
        self._log.stream.close_pipe()
        if self._server is not None:
            self._server.close()
        if self._connection is not None:
            self._connection.close()
        if self._keys is not None:
            self._around.credentials.forget(self._keys.access_key_id)
        self._around.spawner.release(self._tmp)
        if self._call is not None:
            if self._call.deadline is not None:
                self._call.deadline.cancel()
            text = f"RequestId: {self._call.request_id} Error: the execution environment was ended"
            self._settle(self._call, error=FunctionError.make(LAB_FAILURE, text), now=True)
        self._on_end(self)

    def _become(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise LabError(f"execution environment {self.id}: {self.state.value} cannot become {state.value}")
        self.state = state
        if state not in (State.IDLE, State.BUSY):  # A call's own entries say when an environment is busy.
            self._log.state(state.value)

    # ---------------------------------------------------------------- the runtime's side (RuntimeApiHandler)

    def on_next(self, connection: Connection) -> None:
        """The runtime is ready for an event."""
        call, runtime = self._call, self._runtime
        if self.state is State.BUSY and (call is None or call.outcome is None):
            raise Refusal(403, "InvalidStateTransition", "the event before has not been answered yet")
        self._connection = connection
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
        elif runtime is not None and self.state is State.BUSY:
            assert call is not None and call.outcome is not None
            self._log.stream.drain()
            error = call.outcome.error
            self._finish("error" if error else "success", reported_type(error))
            self._become(State.IDLE)
            runtime.freeze_soon()
            self._rest()

    def on_response(self, request_id: str, body: bytes, content_type: str, too_large: bool) -> None:
        """The handler has returned."""
        call = self._expected(request_id)
        if too_large or len(body) > limits.SYNC_RESPONSE_BYTES_MAX:
            limit = f"maximum allowed payload size ({limits.SYNC_RESPONSE_BYTES_MAX} bytes)."
            error = FunctionError.make(
                "Function.ResponseSizeTooLarge", f"Response payload size exceeded {limit}"
            )
            self._settle(call, error=error)
            raise Refusal(413, "RequestEntityTooLarge", f"Exceeded {limit}")
        self._settle(call, payload=body, content_type=content_type)

    def on_error(self, request_id: str, body: bytes, error_type: str) -> None:
        """The handler has raised an exception."""
        self._settle(self._expected(request_id), error=runtime_error(body, error_type))

    def on_init_error(self, body: bytes, error_type: str) -> None:
        """The runtime could not load the handler."""
        if self._ready is None or self._ready.done():
            raise Refusal(403, "InvalidStateTransition", "INIT is over")
        self._ready.set_result(reported_init_failure(body, error_type))

    def _expected(self, request_id: str) -> Call:
        call = self._call
        if self.state is not State.BUSY or call is None or call.request_id != request_id:
            raise Refusal(400, "InvalidRequestID", "Invalid request ID")
        if call.outcome is not None:
            raise Refusal(403, "InvalidStateTransition", "this request has been answered already")
        return call

    # ---------------------------------------------------------------- one invocation

    def _give(self, call: Call, *, cold: bool) -> None:
        """START: send the event. `cold` if the call has waited for an INIT."""
        connection, runtime, self._connection = self._connection, self._runtime, None
        if connection is None or runtime is None:
            raise LabError(f"execution environment {self.id} was given an event that no runtime waits for")
        self._become(State.BUSY)
        runtime.thaw()
        now = time.time()
        self._log.started(call, now, cold=cold)
        call.started = call.started or time.perf_counter()
        left_s = self.version.timeout_s - (time.perf_counter() - call.started)
        call.deadline = asyncio.get_running_loop().call_later(left_s, self._time_out, call)
        connection.send_event(call.event_headers(now + left_s), call.payload)

    def _time_out(self, call: Call) -> None:
        """The function's timeout is over: the runtime is killed; the caller hears of it unless it has its answer."""
        if call is not self._call or self._runtime is None:
            return
        self._runtime.timed_out = True
        self._runtime.kill()
        if call.outcome is None:
            self._settle(call, error=self._timeout_error(call))

    def _timeout_error(self, call: Call) -> FunctionError:
        message = f"RequestId: {call.request_id} Error: {timeout_message(self.version.timeout_s)}"
        return FunctionError.make(TIMED_OUT, message)

    def _settle(
        self,
        call: Call,
        *,
        payload: bytes = b"",
        error: FunctionError | None = None,
        content_type: str = "application/json",
        now: bool = False,
    ) -> None:
        """The outcome is known: tell the caller `now`, unless it waits for the end of the log."""
        body = error.payload if error is not None else payload
        call.outcome = InvokeResult(
            call.request_id, self.version.version, body, error, content_type=content_type
        )
        if (now or not call.log_tail) and not call.answer.done():
            call.answer.set_result(call.outcome)

    def _finish(self, status: str, error_type: str) -> None:
        """END and REPORT: the invocation is over, and with it the figures."""
        call, self._call = self._call, None
        assert call is not None and call.outcome is not None
        if call.deadline is not None:
            call.deadline.cancel()
        report = self._figures(call, status, error_type)
        tail = self._log.ended(call, report)
        if call.log_tail and not call.answer.done():
            call.answer.set_result(
                replace(
                    call.outcome,
                    log_tail=tail,
                    duration_ms=report.duration_ms,
                    billed_ms=report.billed_ms,
                    init_ms=report.init_ms,
                )
            )

    def _figures(self, call: Call, status: str, error_type: str) -> Report:
        timed_out = status == "timeout"
        elapsed_ms = (time.perf_counter() - call.started) * 1000
        duration_ms = self.version.timeout_s * 1000.0 if timed_out else elapsed_ms
        if self._runtime is not None and (elapsed_ms > _QUICK_MS or not self._peak):
            self._peak = max(self._peak, self._runtime.peak_bytes())
        limit = self.version.memory_mb
        used = limit if error_type == OUT_OF_MEMORY else min(limit, math.ceil(self._peak / MB))
        billed_ms = math.ceil(duration_ms + (self._init_ms or 0.0))
        return Report(duration_ms, billed_ms, limit, used, self._init_ms, status, error_type)


def _exit_kind(runtime: RuntimeProcess) -> str:
    return OUT_OF_MEMORY if runtime.out_of_memory else EXIT_ERROR
