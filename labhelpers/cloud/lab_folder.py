"""The lab's own folder in the temporary directory: made, locked while its cloud lives, and swept when it is left over.

All that a lab writes is below it. Called when the cloud process starts; a lab that was killed is cleaned up by its
guardian, and by the next lab if the whole machine went down.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from pathlib import Path

from labhelpers.database import leftovers
from labhelpers.processes.removal import remove_tree

PREFIX = "labhelpers-"
_LOCK = "lab.lock"
# A lab locks its folder some microseconds after making it: younger ones are left alone.
_MIN_AGE_S = 30.0


class LabFolder:
    """A new folder, ours as long as the lock in it is held. Use it in `with`."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        if os.geteuid() == 0:
            # PostgreSQL, which may have to run as another user, has its folder in here.
            self.path.chmod(0o711)
        self._lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __enter__(self) -> LabFolder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        if self._lock >= 0:
            remove(self.path)
            os.close(self._lock)
            self._lock = -1


def sweep(parent: Path, now: float | None = None) -> list[Path]:
    """Remove the folders in `parent` of labs that are dead; returns them. Other people's are not ours to touch."""
    moment = time.time() if now is None else now
    removed = []
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(
            OSError
        ):  # It goes while we look: another lab sweeps too, or it has just ended.
            if _is_left_over(folder, moment):
                for lock in folder.glob("databases/*/data/postmaster.pid"):
                    leftovers.clear(lock.parent)
                remove(folder)
                removed.append(folder)
    return removed


def _is_left_over(folder: Path, now: float) -> bool:
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or now - status.st_mtime < _MIN_AGE_S:
        return False
    descriptor = os.open(folder / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def remove(folder: Path) -> None:
    """Remove a folder, also where parts of it were made read-only (functions' code is)."""
    remove_tree(folder)
