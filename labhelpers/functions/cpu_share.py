"""CPU follows memory: a function may use one core for each 1,769 MB that it has, and a part of one for less.

AWS: a quota in periods of 20 ms. Here: who has used more CPU time than his share of the time since his call began is
stopped (SIGSTOP) until that is made up, so that it comes out the same over any longer time; it needs no privileges and
works wherever there are signals. INIT is not held back: AWS gives it a full core. A call is first looked at after some
milliseconds, and of calls in close succession not each reads the process's clock, so a short one costs little.
docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable

import psutil

from labhelpers import limits

_MB = 1024 * 1024
_PERIOD_S = 0.02
_FIRST_LOOK_S = 0.01
_LEAST_SLICE_S = 0.002
_LONGEST_STOP_S = 0.25  # Then it is looked at again: what it had just started may have gone on running.
_LOOK_AROUND = 5
_CORES = os.cpu_count() or 1


def share_of(memory_bytes: int) -> float:
    """How many cores a function with that memory may use: 0.07 for 128 MB, 1 for 1,769 MB, 5.8 for 10,240 MB."""
    return memory_bytes / _MB / limits.MEMORY_MB_PER_CORE


def _clock_of(pid: int) -> int:
    """Linux's clock of the CPU time of a process: clock_getcpuclockid(3)."""
    return (~pid << 3) | 2


def _has_clocks() -> bool:
    try:
        return sys.platform.startswith("linux") and time.clock_gettime(_clock_of(os.getpid())) > 0
    except OSError:
        return False


_HAS_CLOCKS = _has_clocks()


def cpu_seconds(pid: int) -> float:
    """The CPU time that all threads of a process have used. OSError or psutil.Error when it has ended."""
    if _HAS_CLOCKS:
        return time.clock_gettime(_clock_of(pid))
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


class CpuShare:
    """Holds one runtime, and what it has started, to `share` cores while it works on a call.

    `begin` and `end` are told with each call, `look` from time to time meanwhile. `send` signals the runtime's group;
    `around` gives the ids of the other processes of its environment.
    """

    def __init__(
        self, pid: int, share: float, send: Callable[[int], object], around: Callable[[], list[int]]
    ) -> None:
        self.is_stopped = False
        self._pid = pid
        self._share = share
        self._send = send
        self._around = around
        self._working = self._is_woken_at_once = False
        self._since = self._spent = 0.0
        self._began = self._unread_s = 0.0
        self._read_at = -_PERIOD_S
        self._kept_s = _PERIOD_S
        self._readings = {pid: 0.0}
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0

    def begin(self) -> None:
        """A call begins: its share is counted from now on."""
        if self._share >= _CORES:  # More than there is.
            return
        now = time.perf_counter()
        if now - self._read_at > _PERIOD_S or len(self._readings) > 1:
            for pid in list(self._readings):
                self._read(pid)
            self._read_at, self._unread_s = now, 0.0
        self._spent = -self._unread_s  # That much of what is read next may be other calls'.
        self._kept_s = _PERIOD_S
        self._began = self._since = now
        self._working = True

    def end(self) -> None:
        """The call is over, or the runtime: let it run."""
        if self._working:
            self._unread_s += time.perf_counter() - self._began
        self._working = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.is_stopped:
            self._signal(signal.SIGCONT)

    def look(self) -> None:
        """Stop it if it has used more than its share; what it left of more than a period is not kept for it."""
        now = time.perf_counter()
        if not self._working or self._timer is not None or now - self._since < _FIRST_LOOK_S:
            return
        self._looks += 1
        if self._looks % _LOOK_AROUND == 0:
            self._look_around()
        owed_s = self._owed(now)
        if owed_s > 0:
            self._stop(owed_s)
        else:
            self._kept_s = max(_PERIOD_S, min(self._kept_s, -owed_s))
            self._since = max(self._since, now - self._spent / self._share - self._kept_s)

    def _owed(self, now: float) -> float:
        """How long it takes at its share to make up for what it has used; at most 0 if it has used less."""
        for pid in list(self._readings):
            self._spent += self._read(pid)
        return self._spent / self._share - (now - self._since)

    def _read(self, pid: int) -> float:
        """What a process has used since it was last read; one that has ended is forgotten."""
        try:
            now = cpu_seconds(pid)
        except (OSError, psutil.Error):
            if pid != self._pid:
                del self._readings[pid]
            return 0.0
        used, self._readings[pid] = now - self._readings[pid], now
        return used

    def _look_around(self) -> None:
        for pid in self._around():
            self._readings.setdefault(pid, 0.0)

    def _stop(self, owed_s: float) -> None:
        if not self._is_woken_at_once:
            self._wake_at_once()
        if len(self._readings) > 1:
            self._look_around()
        self._signal(signal.SIGSTOP)
        self._later(min(owed_s, _LONGEST_STOP_S), self._go_on)

    def _wake_at_once(self) -> None:
        """From now on its slices count: on a busy machine what is woken in batches comes late into each."""
        self._is_woken_at_once = True
        if hasattr(os, "SCHED_OTHER"):
            with contextlib.suppress(OSError):
                os.sched_setscheduler(self._pid, os.SCHED_OTHER, os.sched_param(0))

    def _go_on(self) -> None:
        owed_s = self._owed(time.perf_counter())
        if owed_s > 0.001:
            self._later(min(owed_s, _LONGEST_STOP_S), self._go_on)
            return
        self._kept_s = _PERIOD_S - owed_s  # If we come late, it does not lose by that.
        self._signal(signal.SIGCONT)
        self._later(max(_LEAST_SLICE_S, self._share * _PERIOD_S), self._end_slice)

    def _end_slice(self) -> None:
        self._timer = None
        self.look()

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, what)

    def _signal(self, number: int) -> None:
        self.is_stopped = number == signal.SIGSTOP
        self._send(number)
        for pid in self._readings:
            if pid != self._pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
