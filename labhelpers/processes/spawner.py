"""The cloud's side of the guardian: start a process, hear of its end, signal it.

Called by execution environments and databases; calls nothing but the guardian.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from labhelpers.errors import LabError
from labhelpers.processes.removal import remove_tree
from labhelpers.processes.spec import ProcessSpec

_START_TIMEOUT_S = 20.0
_STARTS = 5  # So many guardians in a row that are killed while they start, and nobody starts another.
_MAIN = (
    "import sys; sys.path.insert(0, {root!r}); from labhelpers.processes.guardian import main; sys.path.pop(0); "
    "main({fd}, {folder!r}, {runtime!r})"
)

_NOT_STARTED = (
    "the lab's guardian process, which starts all others, did not start: {how}. "
    "See what kills it (too little memory?), then close this lab and start a new one"
)


class Process:
    """A started process. `exited` becomes its exit code, or minus the signal that ended it.

    Then `peak_bytes` is the most memory that it held, and `failure` says why it could not start, if so.
    """

    def __init__(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.pid = 0
        self.started: asyncio.Future[None] = loop.create_future()
        self.exited: asyncio.Future[int] = loop.create_future()
        self.failure = ""
        self.peak_bytes = 0

    def send_signal(self, number: int) -> bool:
        """Send a signal to the process and its group; False when it has ended."""
        if self.exited.done() or not self.pid:
            return False
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            try:
                os.kill(self.pid, number)
            except (ProcessLookupError, PermissionError):
                return False
        return True

    async def end(self, number: int = signal.SIGKILL, patience_s: float = 0.0) -> int:
        """Ask with signal `number`, wait `patience_s`, then kill; returns the exit code."""
        if patience_s > 0:
            self.send_signal(signal.SIGCONT)
            self.send_signal(number)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(self.exited), patience_s)
        self.send_signal(signal.SIGKILL)
        return await asyncio.shield(self.exited)


class Spawner:
    """Starts processes through one guardian, which removes `folder`, the lab's own, at the end."""

    def __init__(self, folder: Path, runtime: Path | None = None) -> None:
        self.folder = folder
        self.isolated = False
        self.on_lost: Callable[[], None] | None = (
            None  # The guardian was killed: what it had started has ended.
        )
        self._runtime = runtime
        self._closing = False
        self._sending = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._processes: dict[int, Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._guardian: subprocess.Popen[bytes] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._failed_starts = 0

    async def start(self) -> None:
        """Start the guardian without waiting for it: the first `spawn` does. LabError if it can't be started."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        root = str(Path(__file__).parents[2])
        code = _MAIN.format(
            root=root, fd=theirs.fileno(), folder=str(self.folder), runtime=str(self._runtime or "")
        )
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        if "LABHELPERS_ISOLATION" in os.environ:
            environment["LABHELPERS_ISOLATION"] = os.environ["LABHELPERS_ISOLATION"]
        self._guardian = subprocess.Popen(  # noqa: ASYNC220 - some 2 ms, once
            [interpreter(), "-I", "-S", "-X", "utf8", "-c", code],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=environment,
            start_new_session=True,
            cwd="/",
        )
        theirs.close()
        if self._ready is None or self._ready.done():
            self._ready = asyncio.get_running_loop().create_future()
        self._socket = ours
        self._replaced = asyncio.Event()
        self._reader = asyncio.create_task(self._read(self._guardian, self._replaced))

    async def wait_ready(self) -> None:
        """Wait until the guardian serves; from then on `isolated` tells whether functions get a root of their own."""
        if self._ready is None:
            raise LabError("the spawner was not started")
        async with asyncio.timeout(_START_TIMEOUT_S):
            await asyncio.shield(self._ready)

    async def spawn(self, spec: ProcessSpec, output: int) -> Process:
        """Start `spec` with stdout and stderr going to descriptor `output`; returns when the process exists.

        LabError when it could not be started or the guardian is gone, and gone again when asked once more.
        """
        await self.wait_ready()
        replaced = self._replaced
        try:
            return await self._spawn(spec, output)
        except _GuardianLost:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await replaced.wait()
            await self.wait_ready()
            return await self._spawn(spec, output)

    async def _spawn(self, spec: ProcessSpec, output: int) -> Process:
        process = Process(next(self._numbers))
        self._processes[process.number] = process
        message = {"do": "spawn", "id": process.number, "spec": dataclasses.asdict(spec)}
        try:
            await self._send(message, [output])
        except OSError as error:
            del self._processes[process.number]
            raise _GuardianLost("the lab's guardian process was killed; call again") from error
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await asyncio.shield(process.started)
        except TimeoutError as error:
            raise LabError("the lab's guardian process does not answer") from error
        return process

    def release(self, tmp: Path) -> None:
        """Remove the temporary folder of an environment that has ended, without waiting for it."""
        if self.isolated:
            work = asyncio.create_task(self._release(tmp))
        else:
            work = asyncio.create_task(asyncio.to_thread(remove_tree, tmp))
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    async def _release(self, tmp: Path) -> None:
        with contextlib.suppress(OSError):  # With the guardian went all that it had mounted.
            await self._send({"do": "release", "tmp": str(tmp)}, [])

    async def _send(self, message: dict[str, object], descriptors: list[int]) -> None:
        data = json.dumps(message).encode() + b"\n"
        async with self._sending:  # A message that does not fit in at once must not be cut in two by another.
            while True:
                try:
                    sent = socket.send_fds(self._socket, [data], descriptors)
                except BlockingIOError:
                    await asyncio.sleep(0.001)
                    continue
                if sent < len(data):
                    await asyncio.get_running_loop().sock_sendall(self._socket, data[sent:])
                return

    async def _read(self, guardian: subprocess.Popen[bytes], replaced: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        buffer = b""
        assert self._ready is not None
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(self._socket, 1 << 16):
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    self._hear(json.loads(line))
        if not self._closing:
            code = guardian.wait()
            self._socket.close()
            self._give_up_processes()
            was_ready = self._ready.done()
            self._failed_starts += not was_ready
            if was_ready or (code < 0 and self._failed_starts < _STARTS):
                await self.start()
                if was_ready and self.on_lost is not None:
                    self.on_lost()
            else:
                self._ready.set_exception(LabError(_NOT_STARTED.format(how=_how(code))))
                self._ready.exception()  # Whoever waits hears it; nobody need.
        replaced.set()

    def _give_up_processes(self) -> None:
        processes, self._processes = list(self._processes.values()), {}
        for process in processes:
            if not process.started.done():
                process.started.set_exception(
                    _GuardianLost("the lab's guardian process was killed; call again")
                )
                process.started.exception()  # Whoever waits hears it; nobody need.
            if not process.exited.done():
                process.exited.set_result(-int(signal.SIGKILL))

    def _hear(self, message: dict[str, object]) -> None:
        if message["kind"] == "ready":
            self.isolated = bool(message["isolated"])
            self._failed_starts = 0
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
            return
        process = self._processes[int(str(message["id"]))]
        if message["kind"] == "started":
            process.pid = int(str(message["pid"]))
        else:
            process.failure = str(message["failure"])
            process.peak_bytes = int(str(message["peak_bytes"]))
            del self._processes[process.number]
            if not process.exited.done():
                process.exited.set_result(int(str(message["code"])))
        if not process.started.done():
            process.started.set_result(None)

    async def close(self) -> None:
        """End the guardian, and with it every process that is left and the lab's folder. May be called twice."""
        guardian, self._guardian = self._guardian, None
        if guardian is None:
            return
        self._closing = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._send({"do": "stop"}, [])
        try:
            await asyncio.to_thread(guardian.wait, _START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            guardian.kill()
            await asyncio.to_thread(guardian.wait)
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        self._socket.close()
        if self.folder.exists():  # Only where the last guardian could not do it.
            await asyncio.to_thread(remove_tree, self.folder)


class _GuardianLost(LabError):
    """The guardian was killed before it answered."""


def _how(code: int) -> str:
    if code < 0:
        return f"it was killed by signal {-code} {_STARTS} times in a row"
    return f"it ended with code {code}; its error is in the cloud's own output"


def interpreter() -> str:
    """The Python that runs functions: the one that runs the lab, without its virtual environment."""
    return getattr(sys, "_base_executable", None) or sys.executable
