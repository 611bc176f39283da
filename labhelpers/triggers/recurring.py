"""Runs actions at the times that schedules name, on the lab's clock. Knows nothing of rules or targets.

Used by EventBridge's scheduled rules and by EventBridge Scheduler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labhelpers.clock import Clock
from labhelpers.events.schedules import Schedule
from labhelpers.functions.timetable import Timetable
from labhelpers.journal import Journal

# After a step of the clock every time that was due meanwhile is made up for, but no more than this for one schedule.
MOST_AT_ONCE = 1000
Action = Callable[[float], None]


@dataclass(slots=True)
class _Entry:
    """One schedule, from `start` to `end` (epoch seconds; None: for ever); `over` is called after its last time."""

    schedule: Schedule
    start: float
    end: float | None
    action: Action
    over: Callable[[], None] | None
    behind: int = 0


class Recurring:
    """Schedules by key. Used from the cloud's event loop only; actions must not raise."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._timetable = Timetable(clock)
        self._entries: dict[str, _Entry] = {}

    def put(
        self,
        key: str,
        schedule: Schedule,
        action: Action,
        *,
        start: float | None = None,
        end: float | None = None,
        at_start: bool = False,
        over: Callable[[], None] | None = None,
    ) -> None:
        """Call `action` with each time due from now on; replaces what ran under `key`.

        `start` is when the schedule begins (default: now), `at_start`: a rate is due then for the first time, not one
        interval later.
        """
        now = self._clock.now()
        entry = _Entry(schedule, now if start is None else start, end, action, over)
        self._entries[key] = entry
        if at_start:
            self._plan(key, entry, max(entry.start, now))
        else:
            self._plan(key, entry, schedule.next_after(max(now, entry.start), entry.start))

    def remove(self, key: str) -> None:
        """Nothing is due under `key` any more."""
        self._entries.pop(key, None)

    async def close(self) -> None:
        """Forget all."""
        self._entries.clear()
        await self._timetable.close()

    def _plan(self, key: str, entry: _Entry, due: float | None) -> None:
        if due is None or (entry.end is not None and due > entry.end):
            del self._entries[key]
            if entry.over is not None:
                entry.over()
            return
        self._timetable.at(due, lambda: self._run(key, entry, due))

    def _run(self, key: str, entry: _Entry, due: float) -> None:
        if self._entries.get(key) is not entry:
            return
        entry.action(due)
        if self._entries.get(key) is not entry:  # The action has changed it.
            return
        now = self._clock.now()
        following = entry.schedule.next_after(due, entry.start)
        entry.behind = entry.behind + 1 if following is not None and following <= now else 0
        if entry.behind >= MOST_AT_ONCE:
            self._journal.failure(
                f"the clock ran ahead of {key}: {MOST_AT_ONCE} times were made up for, the rest is left out",
                key,
            )
            following, entry.behind = entry.schedule.next_after(now, entry.start), 0
        self._plan(key, entry, following)
