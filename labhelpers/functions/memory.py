"""How much memory processes hold: resident size, as the operating system counts it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_HAS_PROC = os.path.exists("/proc/self/statm")


class MemoryMeter:
    """Reads the resident size of one process and its highest value."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._status = -1
        if _HAS_PROC:
            try:
                self._status = os.open(f"/proc/{pid}/status", os.O_RDONLY)
            except OSError:
                self._status = -1

    def resident_bytes(self) -> int:
        """Resident size now; 0 when the process has ended."""
        if _HAS_PROC:
            try:
                with open(f"/proc/{self._pid}/statm", "rb") as file:
                    return int(file.read().split()[1]) * _PAGE
            except (OSError, IndexError):
                return 0
        try:
            return int(psutil.Process(self._pid).memory_info().rss)
        except psutil.Error:
            return 0

    def peak_bytes(self) -> int:
        """The highest resident size so far, where the system keeps it (Linux); otherwise the size now."""
        if self._status < 0:
            return self.resident_bytes()
        try:
            text = os.pread(self._status, 4096, 0)
        except OSError:
            return 0
        at = text.find(b"VmHWM:")
        return int(text[at + 6 : text.index(b"kB", at)]) * 1024 if at >= 0 else 0

    def close(self) -> None:
        if self._status >= 0:
            os.close(self._status)
            self._status = -1


def descendants_bytes(roots: Iterable[int]) -> dict[int, int]:
    """Resident bytes of all descendants of each process in `roots`, from one look at the process table."""
    sizes: dict[int, int] = dict.fromkeys(roots, 0)
    parents: dict[int, int] = {}
    resident: dict[int, int] = {}
    for process in psutil.process_iter(["ppid", "memory_info"]):
        info = process.info
        if info["ppid"] is not None and info["memory_info"] is not None:
            parents[process.pid], resident[process.pid] = info["ppid"], info["memory_info"].rss
    for pid, parent in parents.items():
        ancestor = parent
        while ancestor and ancestor not in sizes:
            ancestor = parents.get(ancestor, 0)
        if ancestor and pid not in sizes:
            sizes[ancestor] += resident[pid]
    return sizes
