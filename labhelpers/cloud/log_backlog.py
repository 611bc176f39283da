"""What functions and gateways have written to CloudWatch Logs, until moto is given it; packed, for nobody may look.

`moto_bridge` keeps one on the cloud's event loop, `moto_bridge_logs` reads what was taken from it on moto's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labhelpers.model import LaterLogEvents, LogEvent
from labhelpers.packed import Block, Facts, Make


@dataclass(frozen=True, slots=True)
class Writing:
    """Events for one stream, written at `at` (epoch seconds). `events` makes them."""

    group: str
    stream: str
    at: float
    make: Make
    facts: Facts

    def events(self) -> list[LogEvent]:
        """The events, the same each time."""
        made: list[LogEvent] = self.make(*self.facts)
        return made


class LogBacklog:
    """Writings in the order in which they came; `groups` are those that they are for."""

    def __init__(self) -> None:
        self.groups: set[str] = set()
        self._blocks: deque[Block] = deque([Block()])
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, group: str, stream: str, events: Iterable[LogEvent], at: float) -> None:
        """Keep events that were written at `at` (epoch seconds)."""
        if isinstance(events, LaterLogEvents):
            make, facts = events.make, events.facts
        else:
            make, facts = _as_they_are, tuple((event.at_ms, event.message) for event in events)
        self.groups.add(group)
        self._length += 1
        if self._blocks[-1].add(make, (group, stream, at, facts)):
            self._blocks.append(Block())

    def take(self, count: int | None = None) -> list[Block]:
        """Blocks with the oldest writings, `count` of them or some more; all, without `count`. Read: `writings`."""
        taken: list[Block] = []
        found = 0
        while self._length and (count is None or found < count):
            block = self._blocks.popleft()
            if not self._blocks:
                self._blocks.append(Block())
            taken.append(block)
            found += len(block)
            self._length -= len(block)
        if not self._length:
            self.groups.clear()
        return taken


def writings(blocks: Iterable[Block]) -> Iterator[Writing]:
    """What is in blocks that were taken."""
    for block in blocks:
        for make, (group, stream, at, facts) in block:
            yield Writing(group, stream, at, make, facts)


def _as_they_are(*facts: tuple[int, str]) -> list[LogEvent]:
    return [LogEvent(*each) for each in facts]
