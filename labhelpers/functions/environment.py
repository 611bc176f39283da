"""One execution environment: a process that runs one function version, one event at a time.

Life: INIT (the process starts, the runtime asks for its first event), then IDLE and BUSY in turn, frozen between
calls, ENDED at last. A failed INIT is tried once more under the function's own timeout, as on AWS. The runtime drives
it through the Runtime API; `pool` gives it calls and hears when it is idle or ended.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path

from labhelpers.errors import LabError
from labhelpers.functions import languages, runtime_api
from labhelpers.functions.call import Call, Surroundings
from labhelpers.functions.log_lines import LogLines, Report
from labhelpers.functions.log_stream import LogStream
from labhelpers.functions.memory import MemoryMeter
from labhelpers.functions.outcomes import InitFailure, exit_message, init_status, reported_type, runtime_error
from labhelpers.functions.runtime_api import Connection, Refusal
from labhelpers.model import Credentials, FunctionError, FunctionVersion, InvokeResult
from labhelpers.processes.spawner import Process
from labhelpers.processes.spec import ProcessSpec

INIT_LIMIT_S = 10.0  # On demand. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
FREEZE_AFTER_S = 0.02  # AWS freezes at once; a short wait spares calls in close succession two signals each.
SHUTDOWN_PATIENCE_S = 0.5
RESPONSE_LIMIT = 6_291_556
MB = 1024 * 1024


class State(Enum):
    """Where an environment is in its life."""

    INIT = "INIT"
    IDLE = "IDLE"
    BUSY = "BUSY"
    ENDED = "ENDED"


TRANSITIONS = {
    State.INIT: {State.IDLE, State.BUSY, State.ENDED},
    State.IDLE: {State.BUSY, State.ENDED},
    State.BUSY: {State.IDLE, State.ENDED},
    State.ENDED: set[State](),
}


class ExecutionEnvironment:
    """See the module. `on_idle` and `on_end` tell the pool."""

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
        self.calls = 0
        self.out_of_memory = False
        self._around = surroundings
        self._on_idle, self._on_end = on_idle, on_end
        self._loop = asyncio.get_running_loop()
        self.id = secrets.token_hex(16)
        day = time.strftime("%Y/%m/%d", time.gmtime())
        self.log = LogStream(
            version.log_group, f"{day}/[{version.version}]{self.id}", surroundings.log_sink, self._on_line
        )
        self._lines = LogLines(version)
        self._call: Call | None = None
        self._connection: Connection | None = None
        self._process: Process | None = None
        self._memory: MemoryMeter | None = None
        self._peak = 0
        self._init_ms: float | None = None
        self._initialized: asyncio.Future[InitFailure | None] | None = None
        self._server: asyncio.Server | None = None
        self._keys: Credentials | None = None
        self._frozen = False
        self._freezer: asyncio.TimerHandle | None = None
        self._arn = version.qualified_arn

    # ---------------------------------------------------------------- the pool's side

    async def start(self, call: Call) -> None:
        """INIT, then `call` as the first event. Every failure becomes the call's answer."""
        self._journal_state()
        started = time.time()
        runtime, runtime_arn = languages.runtime_version()
        self.log.write(self._lines.init_start(started, runtime, runtime_arn))
        self.log.begin_tail()  # AWS's tail of a first call has what INIT printed, but not INIT_START.
        self._server, address = await runtime_api.listen(self)
        failure = await self._boot(address, INIT_LIMIT_S)
        if self.state is State.ENDED:
            self._resolve(
                call,
                FunctionError.make(
                    "Sandbox.Failure", f"RequestId: {call.request_id} Error: the lab was closed"
                ),
            )
            return
        duration_ms = (time.time() - started) * 1000
        if failure is None:
            self._init_ms = duration_ms
            self.run(call, cold=True)
            return
        self.log.write(
            self._lines.init_report(
                time.time(), duration_ms, "init", init_status(failure), failure.error_type
            )
        )
        await self._start_again(call, address)

    async def _start_again(self, call: Call, address: str) -> None:
        """INIT failed: once more, now in the call's own time."""
        started = time.time()
        call.started = time.perf_counter()
        failure = await self._boot(address, float(self.version.timeout_s))
        if failure is None:
            self.run(call, started=call.started)
            return
        duration_ms = (time.time() - started) * 1000
        self.log.write(
            self._lines.init_report(
                time.time(), duration_ms, "invoke", init_status(failure), failure.error_type
            )
        )
        self._call = call
        self._become(State.BUSY)
        self.log.write(self._lines.start(time.time(), call.request_id))
        if failure.error_type == "Sandbox.Timedout":
            self._time_out()
            return
        error = FunctionError(
            failure.error_type,
            failure.message,
            failure.payload.replace(b"<request id>", call.request_id.encode()),
        )
        self._settle(call, error=error)
        self._finish("error", error.type)
        self._end()

    def run(self, call: Call, *, cold: bool = False, started: float = 0.0) -> None:
        """Give the waiting runtime an event. The environment must be idle, or at the end of its INIT."""
        self._call = call
        self._become(State.BUSY)
        self.thaw()
        if not cold:
            self.log.begin_tail()
            self._init_ms = None
        self.calls += 1
        now = time.time()
        self.log.write(self._lines.start(now, call.request_id))
        self._around.journal.append(
            "invoke.started",
            call.arn,
            request_id=call.request_id,
            trace_id=call.trace_id,
            environment=self.id,
            cold=cold,
        )
        call.started = started or time.perf_counter()
        left = self.version.timeout_s - (time.perf_counter() - call.started)
        call.deadline = self._loop.call_later(left, self._time_out)
        headers = (
            f"Lambda-Runtime-Aws-Request-Id: {call.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {int((now + left) * 1000)}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {call.arn}\r\n"
            f"Lambda-Runtime-Trace-Id: {call.trace_id}\r\n"
        )
        if call.client_context:
            headers += f"Lambda-Runtime-Client-Context: {call.client_context}\r\n"
        connection, self._connection = self._connection, None
        if connection is None:
            raise LabError(
                f"execution environment {self.id} was given an event that its runtime does not wait for"
            )
        connection.send_event(headers.encode("utf-8", "surrogateescape"), call.payload)

    async def shut_down(self) -> None:
        """SHUTDOWN: the runtime is told with SIGTERM, has half a second, and is ended."""
        if self.state is State.ENDED:
            return
        process = self._process
        if process is not None and self.state is State.IDLE:
            self._thaw_for_end()
            await process.end(signal.SIGTERM, SHUTDOWN_PATIENCE_S)
        elif process is not None:
            await process.end()
        self._end()

    def kill(self) -> None:
        """End at once, whatever it is doing; a call in progress is answered as a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """The process id of the runtime; 0 before it runs."""
        return self._process.pid if self._process is not None and not self._process.exited.done() else 0

    @property
    def can_take_call(self) -> bool:
        """Whether the runtime waits for an event; not if it died while it was idle and its end is not known yet."""
        return self.state is State.IDLE and self._connection is not None and self._connection.is_open

    @property
    def is_finishing(self) -> bool:
        """Whether the call is answered and the runtime about to ask for the next event."""
        return self.state is State.BUSY and self._call is not None and self._call.outcome is not None

    def check_memory(self, descendants: int = 0) -> None:
        """Note how much memory is in use; over the limit, the environment ends as on AWS."""
        if self._memory is None or self.state is State.ENDED:
            return
        used = self._memory.resident_bytes() + descendants
        self._peak = max(self._peak, used)
        if used > self.version.memory_mb * MB:
            self.out_of_memory = True
            self.kill()

    # ---------------------------------------------------------------- start and end

    async def _boot(self, address: str, limit_s: float) -> InitFailure | None:
        """Start the process and wait until the runtime asks for an event; returns why it did not."""
        self._initialized = self._loop.create_future()
        write_end = self.log.open_pipe()
        try:
            await self._around.spawner.wait_ready()
            process = await self._around.spawner.spawn(self._spec(address), write_end)
        except LabError as error:
            return InitFailure(
                "Sandbox.Failure", FunctionError.make("Sandbox.Failure", str(error)).payload, str(error)
            )
        finally:
            os.close(write_end)
        self._process = process
        self._memory = MemoryMeter(process.pid) if process.pid else None
        process.exited.add_done_callback(lambda _: self._on_exit(process))
        try:
            failure = await asyncio.wait_for(asyncio.shield(self._initialized), limit_s)
        except TimeoutError:
            failure = InitFailure("Sandbox.Timedout", b"", "")
        self._initialized = None
        if failure is not None:
            self._connection = self._process = None
            await process.end()
            self._peak = max(self._peak, process.peak_bytes)
            self.log.close_pipe()
            self._close_memory()
        self.log.drain()
        return failure

    def _spec(self, address: str) -> ProcessSpec:
        around, version = self._around, self.version
        isolated, opt = around.spawner.isolated, around.opt_folder(version)
        env = languages.environment_variables(version, isolated=isolated, folders=around.folders, opt=opt)
        env |= version.variables
        if self._keys is None:
            self._keys = around.credentials.mint_role_credentials(version.role, version.name)
        env |= {
            "AWS_ACCESS_KEY_ID": self._keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._keys.secret_access_key,
            "AWS_SESSION_TOKEN": self._keys.token,
            "AWS_DEFAULT_REGION": around.region,
            "AWS_REGION": around.region,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log.name,
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_ENDPOINT_URL": around.endpoint_url(),
        }
        if not isolated:
            env["TMPDIR"] = str(self._own_tmp())
        return languages.process_spec(version, env, isolated=isolated, folders=around.folders, opt=opt)

    def _own_tmp(self) -> Path:
        folder = self._around.spawner.folder / "tmp" / self.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _on_exit(self, process: Process) -> None:
        if process is not self._process or self.state is State.ENDED:
            return
        self.log.drain()
        self._peak = max(self._peak, process.peak_bytes)
        message = exit_message(process.exited.result())
        if self._initialized is not None:
            if not self._initialized.done():
                kind = "Runtime.OutOfMemory" if self.out_of_memory else "Runtime.ExitError"
                text = f"RequestId: <request id> Error: {message}"
                self._initialized.set_result(InitFailure(kind, FunctionError.make(kind, text).payload, text))
            return
        call = self._call
        if call is not None:
            kind = "Runtime.OutOfMemory" if self.out_of_memory else "Runtime.ExitError"
            if call.outcome is None:
                self.log.flush_partial()
                self.log.write(self._lines.exited(time.time(), call.request_id, message, kind))
                self._settle(
                    call, error=FunctionError.make(kind, f"RequestId: {call.request_id} Error: {message}")
                )
                self._finish("error", kind)
            else:
                self._finish(
                    "error" if call.outcome.error else "success",
                    call.outcome.error.type if call.outcome.error else "",
                )
        self._end()

    def _end(self) -> None:
        if self.state is State.ENDED:
            return
        self._become(State.ENDED)
        if self._freezer is not None:
            self._freezer.cancel()
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
        self.log.close_pipe()
        self._close_memory()
        if self._server is not None:
            self._server.close()
        if self._keys is not None:
            self._around.credentials.forget(self._keys.access_key_id)
        if self._initialized is not None and not self._initialized.done():
            self._initialized.set_result(InitFailure("Sandbox.Failure", b"", "the lab was closed"))
        self._on_end(self)

    def _close_memory(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _become(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise LabError(f"execution environment {self.id}: {self.state.value} cannot become {state.value}")
        self.state = state
        if state is not State.BUSY:
            self._journal_state()

    def _journal_state(self) -> None:
        self._around.journal.append(
            "environment.state", self._arn, environment=self.id, state=self.state.value
        )

    def _on_line(self, message: str) -> None:
        request_id = self._call.request_id if self._call is not None else ""
        self._around.journal.append(
            "log", self._arn, request_id=request_id, environment=self.id, message=message
        )

    # ---------------------------------------------------------------- freeze and thaw

    def _freeze(self) -> None:
        self._freezer = None
        if self.state is State.IDLE and self._process is not None:
            self._frozen = self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the processes of the environment run again."""
        if self._freezer is not None:
            self._freezer.cancel()
            self._freezer = None
        if self._frozen and self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._frozen = False

    def _thaw_for_end(self) -> None:
        self.thaw()

    # ---------------------------------------------------------------- the runtime's side (RuntimeApiHandler)

    def on_next(self, connection: Connection) -> None:
        """The runtime is ready for an event."""
        call = self._call
        if call is not None and call.outcome is None:
            raise Refusal(403, "InvalidStateTransition", "the event before has not been answered yet")
        self._connection = connection
        if self._initialized is not None:
            if not self._initialized.done():
                self._initialized.set_result(None)
            return
        if call is None or self.state is not State.BUSY:
            return
        self.log.drain()
        error = call.outcome.error if call.outcome else None
        self._finish("error" if error else "success", reported_type(error))
        self._become(State.IDLE)
        self.idle_since = time.monotonic()
        self._freezer = self._loop.call_later(FREEZE_AFTER_S, self._freeze)
        self._on_idle(self)

    def on_response(self, request_id: str, body: bytes, content_type: str, too_large: bool) -> None:
        """The handler has returned."""
        call = self._expected(request_id)
        self.log.drain()
        if too_large or len(body) > RESPONSE_LIMIT:
            message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
            self._settle(call, error=FunctionError.make("Function.ResponseSizeTooLarge", message))
            raise Refusal(413, "RequestEntityTooLarge", message)
        self._settle(call, payload=body, content_type=content_type)

    def on_error(self, request_id: str, body: bytes, error_type: str) -> None:
        """The handler has raised an exception."""
        call = self._expected(request_id)
        self.log.drain()
        self._settle(call, error=runtime_error(body, error_type))

    def on_init_error(self, body: bytes, error_type: str) -> None:
        """The runtime could not load the handler."""
        if self._initialized is None:
            raise Refusal(403, "InvalidStateTransition", "INIT is over")
        if not self._initialized.done():
            error = runtime_error(body, error_type)
            self._initialized.set_result(InitFailure(error.type, body, error.message))

    def _expected(self, request_id: str) -> Call:
        call = self._call
        if call is None or call.request_id != request_id:
            raise Refusal(400, "InvalidRequestID", "Invalid request ID")
        if call.outcome is not None:
            raise Refusal(403, "InvalidStateTransition", "this request has been answered already")
        return call

    # ---------------------------------------------------------------- results

    def _settle(
        self,
        call: Call,
        *,
        payload: bytes = b"",
        error: FunctionError | None = None,
        content_type: str = "application/json",
    ) -> None:
        """The outcome is known: tell the caller now, unless it waits for the end of the log."""
        body = error.payload if error is not None else payload
        call.outcome = InvokeResult(
            call.request_id, self.version.version, body, error, content_type=content_type
        )
        if not call.log_tail and not call.answer.done():
            call.answer.set_result(call.outcome)

    def _resolve(self, call: Call, error: FunctionError) -> None:
        if not call.answer.done():
            call.answer.set_result(InvokeResult(call.request_id, self.version.version, error.payload, error))

    def _time_out(self) -> None:
        """The function's timeout is over: the environment ends; the caller hears of it unless it has its answer."""
        call = self._call
        if call is None or self.state is not State.BUSY:
            return
        self.kill()
        self.log.drain()
        self.log.flush_partial()
        self.log.write(self._lines.timed_out(time.time(), call.request_id, self.version.timeout_s))
        if call.outcome is None:
            message = f"RequestId: {call.request_id} Error: Task timed out after {self.version.timeout_s:.2f} seconds"
            self._settle(call, error=FunctionError.make("Sandbox.Timedout", message))
        self._finish("timeout", "")
        self._end()

    def _finish(self, status: str, error_type: str) -> None:
        """END and REPORT: the invocation is over, and with it the figures."""
        call = self._call
        assert call is not None and call.outcome is not None
        if call.deadline is not None:
            call.deadline.cancel()
        duration_ms = (time.perf_counter() - call.started) * 1000
        if status == "timeout":
            duration_ms = self.version.timeout_s * 1000.0
        if self._memory is not None:
            self._peak = max(self._peak, self._memory.peak_bytes())
        limit = self.version.memory_mb
        used = limit if self.out_of_memory else min(limit, math.ceil(self._peak / MB))
        billed = math.ceil(duration_ms + (self._init_ms or 0.0))
        report = Report(duration_ms, billed, limit, used, self._init_ms, status, error_type)
        now = time.time()
        self.log.flush_partial()
        self.log.write(self._lines.end(now, call.request_id))
        self.log.write(self._lines.report(now, call.request_id, report))
        self._around.journal.append(
            "invoke.ended",
            call.arn,
            request_id=call.request_id,
            trace_id=call.trace_id,
            environment=self.id,
            status=status,
            error_type=error_type,
            duration_ms=round(duration_ms, 3),
            billed_ms=billed,
            init_ms=self._init_ms,
            memory_mb=limit,
            max_memory_mb=used,
        )
        tail = self.log.take_tail()
        self._call = None
        if call.log_tail and not call.answer.done():
            call.answer.set_result(
                replace(
                    call.outcome,
                    log_tail=tail,
                    duration_ms=duration_ms,
                    billed_ms=billed,
                    init_ms=self._init_ms,
                )
            )
