"""Actions at moments of the lab's clock: one sleeping task, however many wait. Called by `functions.asynchronous`."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from labhelpers.clock import Clock


class Timetable:
    """Calls each action once, at or after its moment, in the order of moments. Actions must not raise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Call `action` when the lab's clock reads `moment` (epoch seconds)."""
        entry = (moment, next(self._order), action)
        heapq.heappush(self._entries, entry)
        if self._entries[0] is entry and (self._task is None or asyncio.current_task() is not self._task):
            self._restart()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` when `seconds` of lab time have passed."""
        self.at(self._clock.now() + seconds, action)

    async def close(self) -> None:
        """Forget every action."""
        self._entries.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _restart(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._entries:
            await self._clock.sleep_until(self._entries[0][0])
            while self._entries and self._entries[0][0] <= self._clock.now():
                heapq.heappop(self._entries)[2]()
