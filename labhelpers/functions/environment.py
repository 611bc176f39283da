"""One execution environment: it runs one function version, one event at a time.

Life: INIT (the runtime starts and asks for its first event), then IDLE and BUSY in turn, frozen between calls, ENDED at
last. A crash or a timeout RESETs it: what it ran is gone, its /tmp and log stream stay, and the next call starts the
runtime again within its own time. A failed INIT is tried once more, under the function's own timeout.
The runtime drives it through the Runtime API; `pool` gives it calls and hears when it is free or ended.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from labhelpers import limits
from labhelpers.errors import LabError
from labhelpers.functions import languages, runtime_api
from labhelpers.functions.call import Call, Surroundings
from labhelpers.functions.environment_log import EnvironmentLog
from labhelpers.functions.invocation import MB, Invocation
from labhelpers.functions.launch import launch_spec, session_name
from labhelpers.functions.log_lines import PROVISIONED_CONCURRENCY
from labhelpers.functions.outcomes import (
    EXIT_ERROR,
    LAB_FAILURE,
    OUT_OF_MEMORY,
    InitFailure,
    exit_message,
    reported_init_failure,
    runtime_error,
    start_failure,
    told_failure,
)
from labhelpers.functions.runtime_api import Connection, Refusal, transition_refused
from labhelpers.functions.runtime_process import RuntimeProcess
from labhelpers.model import Credentials, FunctionError, FunctionVersion
from labhelpers.processes.spec import ProcessSpec

_QUICK_MS = (
    5.0  # What so short a call has held at most is noticed by the next longer one: the system keeps count.
)
_PEAK_FRESH_S = 0.03  # Nor does a busy function's every call ask for it.


class State(Enum):
    """Where an environment is in its life."""

    __hash__ = object.__hash__  # Enum's own is Python, and takes longer than the look-up.

    INIT = "INIT"
    IDLE = "IDLE"
    BUSY = "BUSY"
    RESET = "RESET"
    ENDED = "ENDED"


TRANSITIONS = {
    State.INIT: {State.IDLE, State.BUSY, State.RESET, State.ENDED},
    State.IDLE: {State.BUSY, State.RESET, State.ENDED},
    State.BUSY: {State.IDLE, State.RESET, State.ENDED},
    State.RESET: {State.INIT, State.ENDED},
    State.ENDED: set[State](),
}


class ExecutionEnvironment:
    """See the module. `on_free` tells the pool that it can take a call (IDLE or RESET), `on_end` that it never will."""

    def __init__(
        self,
        version: FunctionVersion,
        surroundings: Surroundings,
        on_free: Callable[[ExecutionEnvironment], None],
        on_end: Callable[[ExecutionEnvironment], None],
        *,
        is_provisioned: bool = False,
    ) -> None:
        self.version = version
        self.is_provisioned = is_provisioned
        self.state = State.INIT
        self.free_since = 0.0
        self.id = secrets.token_hex(16)
        self._around = surroundings
        self._on_free, self._on_end = on_free, on_end
        self._log = EnvironmentLog(version, surroundings, self.id, provisioned=is_provisioned)
        self.log_stream = self._log.stream.name
        self._tmp = surroundings.spawner.folder / "tmp" / self.id
        self._keys: Credentials | None = None
        self._servers: list[asyncio.Server] = []
        self._address = ""
        self._runtime: RuntimeProcess | None = None
        self._ready: asyncio.Future[InitFailure | None] | None = None
        self._connection: Connection | None = None
        self._invocation: Invocation | None = None
        self._peak = 0
        self._peak_at = 0.0

    # ---------------------------------------------------------------- the pool's side

    async def start(self, call: Call) -> None:
        """INIT, then `call` as the first event. Every failure becomes the call's answer."""
        invocation = self._invocation = Invocation(call, self.version, self._log, self._around.deadlines)
        self._log.state(self.state.value)
        began = time.time()
        self._log.init_started(began)
        self._log.begin(call)  # AWS's tail has what INIT printed, but not INIT_START.
        await self._listen()
        failure = await self._boot(self._around.init_limit_s)
        if self._has_ended():
            self._close_servers()
            return
        duration_ms = (time.time() - began) * 1000
        if failure is None:
            invocation.init_ms = duration_ms
            self._give(invocation, cold=True)
            return
        self._log.init_failed("init", duration_ms, failure)
        await self._start_within(invocation)

    async def warm(self) -> InitFailure | None:
        """INIT without a call, in which it may take its time; then it is IDLE. Why it failed, if so: then end it."""
        if self._has_ended():
            return None
        self._log.state(self.state.value)
        began = time.time()
        self._log.init_started(began)
        await self._listen()
        failure = await self._boot(max(limits.PROVISIONED_INIT_S_MIN, self.version.timeout_s))
        if self._has_ended():
            self._close_servers()
            return None
        if failure is None:
            self._become(State.IDLE)
            self._log.state(self.state.value)  # No call tells that INIT is over.
            if self._runtime is not None:
                self._runtime.freeze_soon()
            self._rest()
        else:
            self._log.init_failed("init", (time.time() - began) * 1000, failure)
        return failure

    async def start_again(self, call: Call) -> None:
        """INIT of an environment that was RESET, in the time of `call`, which then is its first event."""
        invocation = self._invocation = Invocation(call, self.version, self._log, self._around.deadlines)
        self._become(State.INIT)
        self._log.begin(call)
        await self._start_within(invocation)

    async def _start_within(self, invocation: Invocation) -> None:
        invocation.start_clock()
        failure = await self._boot(float(self.version.timeout_s))
        if self._has_ended():
            return
        if failure is None:
            self._give(invocation, cold=True)
        else:
            invocation.end_before_start(failure, self._peak)
            self._reset()

    def run(self, call: Call) -> None:
        """Give the waiting runtime an event. The environment must be IDLE."""
        self._invocation = Invocation(call, self.version, self._log, self._around.deadlines)
        self._log.begin(call)
        self._give(self._invocation, cold=False)

    async def shut_down(self) -> None:
        """SHUTDOWN: the runtime is ended; a call in progress is answered as a crash.

        AWS warns a runtime, by SIGTERM, only where an extension is registered; there are none here.
        """
        if self._has_ended():
            return
        runtime = self._runtime
        if runtime is not None and self.state is State.IDLE:
            self._runtime = None
            await runtime.end()
            runtime.close()
        elif runtime is not None and self.state is State.BUSY:
            await runtime.end()
        self.end()

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
        invocation = self._invocation
        return self.state is State.BUSY and invocation is not None and invocation.is_answered

    @property
    def busy_s(self) -> float:
        """How long its call has been running, an INIT included; 0 when it has none."""
        return self._invocation.elapsed_ms / 1000 if self._invocation is not None else 0.0

    def check(self) -> None:
        """Hold the runtime to its share of CPU time and to its memory: over the limit, it is killed."""
        if self._runtime is not None:
            self._runtime.check()

    # ---------------------------------------------------------------- the runtime's start and end

    async def _boot(self, limit_s: float) -> InitFailure | None:
        """Start the runtime and wait until it asks for an event; returns why it did not."""
        deadline = time.perf_counter() + limit_s
        self._peak = 0
        ready = self._ready = asyncio.get_running_loop().create_future()
        write_end = self._log.stream.open_pipe()
        try:
            await self._around.spawner.wait_ready()
            await languages.prepare(self.version)
            if self._has_ended():
                return None
            process = await self._around.spawner.spawn(self._spec(), write_end)
        except LabError as error:
            return start_failure(error)
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

    async def _listen(self) -> None:
        server, self._address = await runtime_api.listen(self)
        self._servers.append(server)
        if self.version.runtime.startswith("python"):
            near = await runtime_api.listen_nearby(self, self.log_stream)
            if near is not None:
                self._servers.append(near)

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()

    def _spec(self) -> ProcessSpec:
        if self._keys is None:
            name = session_name(self.version.name)
            self._keys = self._around.credentials.mint_role_credentials(self.version.role, name)
        spec = launch_spec(
            self._around,
            self.version,
            self._keys,
            log_stream=self.log_stream,
            runtime_api=self._address,
            tmp=self._tmp,
        )
        if self.is_provisioned:
            kind = {"AWS_LAMBDA_INITIALIZATION_TYPE": PROVISIONED_CONCURRENCY}
            spec = replace(spec, env={**spec.env, **kind})
        return spec

    def _on_exit(self, runtime: RuntimeProcess) -> None:
        kind = OUT_OF_MEMORY if runtime.out_of_memory else EXIT_ERROR
        failure = InitFailure(kind, exit_message(runtime.exit_code))
        if not runtime.ready.done():
            runtime.ready.set_result(told_failure(runtime.failure) if runtime.failure else failure)
            return
        if runtime is not self._runtime:
            return
        self._log.stream.close_pipe()
        invocation, self._invocation = self._invocation, None
        self._peak = max(self._peak, runtime.peak_bytes())
        if invocation is not None and runtime.timed_out:
            invocation.end_in_timeout(self._peak)
        elif invocation is not None:
            invocation.end_in_exit(failure, self._peak)
        self._reset()

    def _reset(self) -> None:
        if self._runtime is not None:
            self._runtime.close()
        self._runtime = self._connection = self._invocation = None
        self._become(State.RESET)
        self._rest()

    def _rest(self) -> None:
        self.free_since = time.monotonic()
        self._on_free(self)

    def end(self) -> None:
        """End at once, without a SHUTDOWN. A call that waits for it is told that it failed."""
        if self._has_ended():
            return
        self._become(State.ENDED)
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()
        self._log.stream.close_pipe()
        self._close_servers()
        if self._connection is not None:
            self._connection.close()
        if self._keys is not None:
            self._around.credentials.forget(self._keys.access_key_id)
        self._around.spawner.release(self._tmp)
        if self._invocation is not None:
            text = f"RequestId: {self._invocation.call.request_id} Error: the execution environment was ended"
            self._invocation.abandon(FunctionError.make(LAB_FAILURE, text))
        self._on_end(self)

    def _become(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise LabError(f"execution environment {self.id}: {self.state.value} cannot become {state.value}")
        self.state = state
        if state not in (State.IDLE, State.BUSY):  # A call's own entries say when an environment is busy.
            self._log.state(state.value)

    def _has_ended(self) -> bool:
        return self.state is State.ENDED

    # ---------------------------------------------------------------- one event

    def _give(self, invocation: Invocation, *, cold: bool) -> None:
        connection, runtime, self._connection = self._connection, self._runtime, None
        if connection is None or runtime is None:
            raise LabError(f"execution environment {self.id} was given an event that no runtime waits for")
        self._become(State.BUSY)
        runtime.thaw()
        invocation.start(connection, self._time_out, cold=cold)

    def _time_out(self, invocation: Invocation) -> None:
        """The function's timeout is over: the runtime is killed; when it has ended, so does the invocation."""
        if invocation is self._invocation and self._runtime is not None:
            self._runtime.timed_out = True
            self._runtime.kill()
            invocation.time_out()

    # ---------------------------------------------------------------- the runtime's side (RuntimeApiHandler)

    def on_next(self, connection: Connection) -> None:
        """The runtime is ready for an event."""
        invocation, runtime = self._invocation, self._runtime
        if self.state is State.BUSY and invocation is not None and not invocation.is_answered:
            invocation.send(connection)
            return
        self._connection = connection
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
        elif runtime is None or runtime.is_killed:
            pass  # What it asked as it was killed; its end is heard of next.
        elif self.state is State.BUSY and invocation is not None:
            self._log.stream.drain()
            self._measure_peak(runtime, invocation)
            self._invocation = None
            invocation.end(self._peak)
            self._become(State.IDLE)
            runtime.freeze_soon()
            self._rest()

    def _measure_peak(self, runtime: RuntimeProcess, invocation: Invocation) -> None:
        if self._peak:
            if invocation.elapsed_ms <= _QUICK_MS:
                return
            if (now := time.monotonic()) - self._peak_at < _PEAK_FRESH_S:
                return
            self._peak_at = now
        self._peak = max(self._peak, runtime.peak_bytes())

    def on_response(self, request_id: str, body: bytes, content_type: str, too_large: bool) -> None:
        """The handler has returned."""
        invocation = self._expected(request_id, "InvocationResponse")
        self._hold_to_limit(invocation, body, too_large)
        invocation.answer(body, content_type)

    def on_error(self, request_id: str, body: bytes, error_type: str, too_large: bool) -> None:
        """The handler has raised. How AWS words an error over the limit is not confirmed: here as a response."""
        invocation = self._expected(request_id, "InvocationErrorResponse")
        self._hold_to_limit(invocation, body, too_large)
        invocation.fail(runtime_error(body, error_type))

    def _hold_to_limit(self, invocation: Invocation, body: bytes, too_large: bool) -> None:
        if too_large or len(body) > limits.SYNC_RESPONSE_BYTES_MAX:
            limit = f"maximum allowed payload size ({limits.SYNC_RESPONSE_BYTES_MAX} bytes)."
            text = f"Response payload size exceeded {limit}"
            invocation.fail(FunctionError.make("Function.ResponseSizeTooLarge", text))
            raise Refusal(413, "RequestEntityTooLarge", f"Exceeded {limit}")

    def on_init_error(self, body: bytes, error_type: str) -> None:
        """The runtime could not load the handler."""
        if self._ready is None or self._ready.done():
            raise transition_refused("Running" if self.state is State.BUSY else "Ready", "InitError")
        self._ready.set_result(reported_init_failure(body, error_type))

    def _expected(self, request_id: str, target: str) -> Invocation:
        invocation = self._invocation
        if self.state is not State.BUSY or invocation is None or invocation.call.request_id != request_id:
            raise Refusal(400, "InvalidRequestID", "Invalid request ID")
        if invocation.is_answered:
            raise transition_refused("RuntimeResponseSentState", target)
        return invocation
