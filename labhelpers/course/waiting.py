"""Waiting for what happens by itself: a condition and a deadline, never a guess at how long it takes.

Called by notebooks and the pipeline, where AWS has no waiter of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from labhelpers.errors import LabError
from labhelpers.progress import Progress

Value = TypeVar("Value")


def wait_for(
    condition: Callable[[], Value], what: str, timeout_s: float = 60.0, *, pause_s: float = 0.02
) -> Value:
    """Call `condition()`, with pauses of `pause_s`, until its value is true, and return that value.

    LabError, naming `what`, after `timeout_s`. What `condition` raises is raised.
    """
    deadline = time.monotonic() + timeout_s
    if value := condition():
        return value
    with Progress(f"waiting for {what}"):
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise LabError(
                    f"waited {timeout_s:g} s for {what}, in vain; lab.journal() tells what has happened instead"
                )
            time.sleep(pause_s)
    return value
