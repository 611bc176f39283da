"""What this process holds open, by what it leads to: what another test gives back late covers no leak."""

from __future__ import annotations

import contextlib
import os
from collections import Counter


def descriptors() -> Counter[str]:
    """What each descriptor leads to (`socket:[8123]`, a path), with how often; `after - before` was opened since.

    Where the system has no names for them (macOS), the numbers stand for what they lead to.
    """
    found: Counter[str] = Counter()
    for number in os.listdir("/dev/fd"):
        with contextlib.suppress(FileNotFoundError):  # The one that listed the others.
            found[_target(number)] += 1
    return found


def _target(number: str) -> str:
    if not os.path.isdir("/proc/self/fd"):
        return number
    return os.readlink(f"/proc/self/fd/{number}")
