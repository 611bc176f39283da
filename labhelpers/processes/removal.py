"""Removing a folder that functions have written in, whatever they made there. Standard library only: the guardian's."""

from __future__ import annotations

import contextlib
import os


def remove_tree(folder: str | os.PathLike[str]) -> None:
    """Remove a folder with all that is in it; what cannot be removed stays, and nothing is raised.

    However deep (a folder within is first moved to the top, so that no path becomes too long, and nothing recurses),
    and also where permissions were taken away. Links are not followed, and another file system is not entered.
    """
    top = os.fspath(folder)
    with contextlib.suppress(OSError):
        os.chmod(top, 0o700)
        device = os.lstat(top).st_dev
        prefix, moved = os.path.join(top, f".{os.urandom(8).hex()}-"), 0
        waiting = [top]
        while waiting:
            path = waiting.pop()
            for entry in _entries(path):
                with contextlib.suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.path)
                    elif entry.stat(follow_symlinks=False).st_dev == device:
                        os.chmod(entry.path, 0o700)
                        place = entry.path
                        if path != top:
                            moved += 1
                            place = f"{prefix}{moved}"
                            os.rename(entry.path, place)
                        waiting.append(place)
            if path != top:
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        os.rmdir(top)


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return list(found)
    except OSError:
        return []
