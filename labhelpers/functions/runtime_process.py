"""One life of a runtime in its environment, from its start to its exit: frozen and thawed, measured, ended.

The environment starts it again after a crash or a timeout. Used by `environment` only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable

from labhelpers.functions.cpu_share import CpuShare, share_of
from labhelpers.functions.memory import MemoryMeter, companions, resident_bytes, supervisor_of
from labhelpers.functions.outcomes import TIMED_OUT, InitFailure
from labhelpers.processes.spawner import Process

FREEZE_AFTER_S = 0.1  # AWS freezes at once; a short wait spares calls in close succession two signals each.
_EXIT_PATIENCE_S = 0.3
_LOOK_AROUND = 10  # How many looks at the runtime alone come before one at what it has started.


class RuntimeProcess:
    """A started runtime. `ready` becomes None when it asks for its first event, or why it never will: it may do so
    before we hear that it was started. Why it was killed, if we did it: `out_of_memory`, `timed_out`.
    """

    def __init__(
        self,
        process: Process,
        ready: asyncio.Future[InitFailure | None],
        memory_limit: int,
        on_exit: Callable[[RuntimeProcess], None],
    ) -> None:
        self.ready = ready
        self.out_of_memory = self.timed_out = self.is_killed = False
        self._process = process
        self._memory_limit = memory_limit
        self._peak = 0
        self._meter = MemoryMeter(process.pid)
        self._supervisor = supervisor_of(process.pid)
        self._looks = 0
        self._cpu = CpuShare(
            process.pid,
            share_of(memory_limit),
            process.send_signal,
            lambda: companions(self.pid, self._supervisor),
        )
        self._freezer: asyncio.TimerHandle | None = None
        self._idle = self._frozen = False
        self._idle_since = 0.0
        self._frozen_companions: list[int] = []
        process.exited.add_done_callback(lambda _: on_exit(self))

    @property
    def pid(self) -> int:
        """Its process id; 0 when it has ended."""
        return 0 if self._process.exited.done() else self._process.pid

    @property
    def exit_code(self) -> int:
        """Its exit code, or minus the signal that ended it. It must have ended."""
        return self._process.exited.result()

    @property
    def failure(self) -> str:
        """Why it could not even be started, if so."""
        return self._process.failure

    async def wait_ready(self, limit_s: float) -> InitFailure | None:
        """Wait until it asks for an event, for `limit_s` at most; returns why it did not."""
        try:
            return await asyncio.wait_for(asyncio.shield(self.ready), limit_s)
        except TimeoutError:
            return InitFailure(TIMED_OUT)

    def freeze_soon(self) -> None:
        """No event for it: unless one comes at once, its processes stand still until `thaw`."""
        self._cpu.end()
        self._idle, self._idle_since = True, time.monotonic()
        if self._freezer is None:  # One timer serves many calls in close succession.
            self._freezer = asyncio.get_running_loop().call_later(FREEZE_AFTER_S, self._freeze)

    def _freeze(self) -> None:
        self._freezer = None
        if not self._idle:
            return
        left_s = self._idle_since + FREEZE_AFTER_S - time.monotonic()
        if left_s > 0.001:
            self._freezer = asyncio.get_running_loop().call_later(left_s, self._freeze)
            return
        self._frozen = self._process.send_signal(signal.SIGSTOP)
        self._frozen_companions = companions(self.pid, self._supervisor) if self._frozen else []
        _signal(self._frozen_companions, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it and all that it has started run again."""
        self._idle = False
        if self._frozen:
            self._process.send_signal(signal.SIGCONT)
            _signal(self._frozen_companions, signal.SIGCONT)
            self._frozen = False
        self._cpu.begin()

    def check(self) -> None:
        """Hold it and its companions to their share of CPU time, and to their memory: over the limit, it is killed."""
        self._cpu.look()
        self._looks += 1
        used = self._meter.resident_bytes()
        if self._looks % _LOOK_AROUND == 0 and (others := companions(self.pid, self._supervisor)):
            used += resident_bytes(others)
            self._looks -= 1  # While it is not alone, every look is at all of them.
        self._peak = max(self._peak, used)
        if used > self._memory_limit:
            self.out_of_memory = True
            self.kill()

    def peak_bytes(self) -> int:
        """The most memory that it has held so far."""
        own = self._process.peak_bytes if self._process.exited.done() else self._meter.peak_bytes()
        return max(self._peak, own)

    def kill(self) -> None:
        """End it at once."""
        self.is_killed = True
        self._process.send_signal(signal.SIGKILL)

    async def leave(self) -> None:
        """It has failed to start and is about to exit: let it write its last words, then end it."""
        if not self._process.exited.done() and self.ready.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._process.exited), _EXIT_PATIENCE_S)
        await self._process.end()

    async def end(self) -> None:
        """End it, and wait until it has ended."""
        await self._process.end()

    def close(self) -> None:
        """It has ended, or nobody waits for its end any more: forget it."""
        if self._freezer is not None:
            self._freezer.cancel()
        self._cpu.end()
        self.kill()
        self._meter.close()


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
