"""A function's queue of due events: first in, first out, read by a bounded number of pollers. Knows nothing of events.

Called by `functions.asynchronous`. A throttle pauses the queue, so a full function is asked once a second and not once
for each waiting event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from labhelpers.functions.timetable import Timetable

PAUSE_S = 1.0

Item = TypeVar("Item")
Work = Coroutine[Any, Any, None]


class Tasks:
    """The running tasks of one owner; `failed` is told of an exception that none of them should have."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Work) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """Cancel all and wait until they have ended."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)


class EventQueue(Generic[Item]):
    """Runs `process` on each item, at most `pollers` at a time, and no more than the function's reserved concurrency.

    AWS: adds pollers as its queue grows. Here: a fixed number, because all functions share this machine's cores.
    """

    def __init__(
        self,
        process: Callable[[EventQueue[Item], Item], Work],
        tasks: Tasks,
        waiting: Timetable,
        pollers: int,
    ) -> None:
        self._process = process
        self._tasks = tasks
        self._waiting = waiting
        self._pollers = pollers
        self._items: deque[Item] = deque()
        self._running = 0
        self._paused = False
        self.reserved: int | None = None

    def put(self, item: Item) -> None:
        """Add `item` at the end; it runs as soon as a poller is free."""
        self._items.append(item)
        self._poll()

    def put_after(self, seconds: float, item: Item) -> None:
        """Add `item` at the end when `seconds` of lab time have passed."""
        self._waiting.after(seconds, lambda: self.put(item))

    def pause(self) -> None:
        """Start nothing for a second of lab time, or until `resume`."""
        if not self._paused:
            self._paused = True
            self._waiting.after(PAUSE_S, self.resume)

    def resume(self) -> None:
        """Go on at once."""
        self._paused = False
        self._poll()

    def close(self) -> None:
        """Forget the items that have not started."""
        self._items.clear()

    def _poll(self) -> None:
        # Reserved 0 still needs one poller: it hands the events to the failure destination.
        bound = self._pollers if self.reserved is None else min(self._pollers, max(1, self.reserved))
        while self._items and self._running < bound and not self._paused:
            self._running += 1
            self._tasks.start(self._work(self._items.popleft()))

    async def _work(self, item: Item) -> None:
        try:
            await self._process(self, item)
        finally:
            self._running -= 1
            self._poll()
