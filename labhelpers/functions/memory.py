"""How much memory processes hold: resident size, as the operating system counts it; and which processes those are."""

from __future__ import annotations

import contextlib
import os

import psutil

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_HAS_PROC = os.path.exists("/proc/self/task")


class MemoryMeter:
    """Reads the resident size of one process and its highest value. `close` it: it holds descriptors."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._status = self._statm = -1
        if _HAS_PROC:
            with contextlib.suppress(OSError):  # It has ended already.
                self._statm = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
                self._status = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)

    def resident_bytes(self) -> int:
        """Resident size now; 0 when the process has ended."""
        if _HAS_PROC:
            try:
                return int(os.pread(self._statm, 256, 0).split(maxsplit=2)[1]) * _PAGE
            except (OSError, IndexError):
                return 0
        return _resident(self._pid)

    def peak_bytes(self) -> int:
        """The highest resident size so far, where the system keeps it (Linux); otherwise the size now."""
        if not _HAS_PROC:
            return self.resident_bytes()
        try:
            text = os.pread(self._status, 4096, 0)
        except OSError:
            return 0
        at = text.find(b"VmHWM:")
        return int(text[at + 6 : text.index(b"kB", at)]) * 1024 if at >= 0 else 0

    def close(self) -> None:
        for descriptor in (self._status, self._statm):
            if descriptor >= 0:
                os.close(descriptor)
        self._status = self._statm = -1


def resident_bytes(pids: list[int]) -> int:
    """What these processes hold together; those that have ended hold nothing."""
    return sum(_resident(pid) for pid in pids)


def _resident(pid: int) -> int:
    if _HAS_PROC:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                return int(file.read().split(maxsplit=2)[1]) * _PAGE
        except (OSError, IndexError):
            return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def supervisor_of(pid: int) -> int:
    """The process that stands over a runtime, to which orphans of its environment come; 0 where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split(maxsplit=2)[1])
    except (OSError, IndexError, ValueError):
        return 0


def companions(pid: int, supervisor: int) -> list[int]:
    """The other processes of a runtime's environment: what it started, and what of that lost its parent."""
    if not _HAS_PROC:
        try:
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            return []
    found = [supervisor]
    for ancestor in found:
        with contextlib.suppress(OSError):  # It has just ended.
            for task in os.listdir(f"/proc/{ancestor}/task"):
                with open(f"/proc/{ancestor}/task/{task}/children", "rb") as file:
                    found += [int(word) for word in file.read().split()]
    return [other for other in found[1:] if other != pid]
