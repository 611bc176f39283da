"""Time limits of much that is short: one timer of the event loop serves all that have the same limit.

A timer of its own for every call costs more than anything else about a limit that is hardly ever reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Over = Callable[[], None]


class Deadline:
    """One limit; `cancel` it when what it limits is over. Cancelling twice, or too late, does nothing."""

    __slots__ = ("_queue", "at", "over")

    def __init__(self, queue: _Queue, at: float, over: Over) -> None:
        self._queue = queue
        self.at = at
        self.over = over

    def cancel(self) -> None:
        """It is not reached any more."""
        self._queue.running.pop(self, None)


class _Queue:
    """All that run under a limit of so many seconds: who began first is over first."""

    __slots__ = ("_is_armed", "_loop", "running", "seconds")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.seconds = seconds
        self.running: dict[Deadline, None] = {}
        self._loop = loop
        self._is_armed = False

    def add(self, over: Over) -> Deadline:
        made = Deadline(self, self._loop.time() + self.seconds, over)
        self.running[made] = None
        if not self._is_armed:
            self._is_armed = True
            self._loop.call_at(made.at, self._look)
        return made

    def _look(self) -> None:
        self._is_armed = False
        while self.running:
            first = next(iter(self.running))
            if first.at > self._loop.time():
                self._is_armed = True
                self._loop.call_at(first.at, self._look)
                return
            del self.running[first]
            try:
                first.over()
            except Exception as error:  # noqa: BLE001 - the others' limits hold all the same
                self._loop.call_exception_handler({"message": "a deadline's end failed", "exception": error})


class Deadlines:
    """Makes deadlines on the running event loop, in real time."""

    def __init__(self) -> None:
        self._queues: dict[float, _Queue] = {}

    def after(self, seconds: float, over: Over) -> Deadline:
        """Call `over` in so many seconds, unless the deadline is cancelled before."""
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = _Queue(asyncio.get_running_loop(), seconds)
        return queue.add(over)
