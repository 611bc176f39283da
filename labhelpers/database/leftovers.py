"""What a PostgreSQL leaves behind when its first process is killed outright, and how to clear it away.

Its other processes notice within moments, but one that is busy with a query may go on; and 56 bytes of System V shared
memory, by which PostgreSQL guards a data folder, outlive every process. Called before a restart and at the end.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from pathlib import Path

_IPC_RMID = 0


def clear(data: Path) -> None:
    """Kill processes that still work in the data folder `data`, and give back its shared memory and its lock file.

    Blocking, some milliseconds. Call it only when the server's first process has ended.
    """
    lock = data / "postmaster.pid"
    if not lock.exists():  # It ended in order and left nothing.
        return
    _kill_workers(data)
    with contextlib.suppress(OSError):
        _free_shared_memory(lock.read_text(encoding="utf-8").splitlines())
    lock.unlink(missing_ok=True)


def _kill_workers(data: Path) -> None:
    import psutil

    workers = []
    for process in psutil.process_iter():
        # PostgreSQL's processes work in their data folder, and nobody else does.
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()) == data.resolve():
                process.kill()
                workers.append(process)
    psutil.wait_procs(workers, timeout=2)


def _free_shared_memory(lock: list[str]) -> None:
    """Remove the segment that line 7 of postmaster.pid names: its key and its id."""
    if len(lock) < 7 or sys.platform == "win32":
        return
    key, number = (int(word) for word in lock[6].split())
    libc = ctypes.CDLL(None)
    libc.shmget.argtypes = (ctypes.c_int, ctypes.c_size_t, ctypes.c_int)
    # The id means something else in another namespace or after a reboot: remove it only if the key leads to it.
    if libc.shmget(key, 0, 0) == number:
        libc.shmctl(number, _IPC_RMID, None)
