"""The one record of everything that happens in a lab; every view, trace and check only reads it.

Whoever does something appends an entry; readers take what there is (`since`), and wait for more (`more_than`). What
happens with every request is only noted (`note`), and becomes entries when somebody reads: a fraction of the work.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from labhelpers.packed import Block
from labhelpers.records import record

CAPACITY = 50_000


@record
class Entry:
    """One thing that happened. `at` is epoch seconds (real time); `kind` is dotted, e.g. `invoke.started`.

    `resource` is the ARN of what it happened to; `request_id` and `trace_id` tie entries of one request together.
    """

    seq: int
    at: float
    kind: str
    resource: str = ""
    request_id: str = ""
    trace_id: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The entry as one JSON object, as `GET /_lab/events` sends it."""
        return {
            "seq": self.seq,
            "at": self.at,
            "kind": self.kind,
            "resource": self.resource,
            "request_id": self.request_id,
            "trace_id": self.trace_id,
            "detail": self.detail,
        }


# Makes entries of a seq, a time and the facts that were noted; it must make the same of them each time.
MakeEntries = Callable[..., Sequence[Entry]]


class _Notes(Block):
    """Notes that follow each other: the facts of each are its first seq, its time, how many entries, and its own.

    `count` and `last_seq` are those of the entries; at first `last_seq` is that of the block before.
    """

    __slots__ = ("count", "last_seq")

    def __init__(self, last_seq: int) -> None:
        super().__init__()
        self.count, self.last_seq = 0, last_seq


class Journal:
    """A bounded list of entries. Used from the cloud's event loop only.

    A reader that does not keep up misses the oldest; the seq shows the gap.
    """

    def __init__(self, now: Callable[[], float] = time.time, capacity: int = CAPACITY) -> None:
        self._now = now
        self._capacity = capacity
        self._blocks: deque[_Notes] = deque([_Notes(0)])
        self._count = 0  # How many entries there are in all blocks.
        self._waiting: list[asyncio.Future[None]] = []
        self.last_seq = 0  # The number of the newest entry.

    def append(
        self, kind: str, resource: str = "", *, request_id: str = "", trace_id: str = "", **detail: Any
    ) -> Entry:
        """Record that something happened; returns the entry."""
        at = self._now()
        self._keep(1, at, _as_it_is, (kind, resource, request_id, trace_id, detail))
        return Entry(self.last_seq, at, kind, resource, request_id, trace_id, detail)

    def note(self, count: int, make: MakeEntries, *facts: Any) -> None:
        """Record that something happened of which `make(seq, at, *facts)` can make `count` entries at any time.

        The facts stay as long as the entries would: they hold nothing large, and nothing but plain values.
        """
        self._keep(count, self._now(), make, facts)

    def _keep(self, count: int, at: float, make: MakeEntries, facts: tuple[Any, ...]) -> None:
        block = self._blocks[-1]
        is_full = block.add(make, (self.last_seq + 1, at, count, facts))
        self.last_seq += count
        block.last_seq = self.last_seq
        block.count += count
        self._count += count
        if is_full:
            self._blocks.append(_Notes(self.last_seq))
            while self._count - self._blocks[0].count >= self._capacity:
                self._count -= self._blocks.popleft().count
        if self._waiting:
            for reader in self._waiting:
                if not reader.done():
                    reader.set_result(None)
            self._waiting.clear()

    def failure(
        self, what: str, resource: str = "", *, request_id: str = "", trace_id: str = "", **detail: Any
    ) -> Entry:
        """Record a failure that nobody waits for. `what` says what failed and why."""
        return self.append(
            "failure", resource, request_id=request_id, trace_id=trace_id, message=what, **detail
        )

    def since(self, seq: int = 0, kind: str = "") -> list[Entry]:
        """Entries after `seq`, oldest first; with `kind` only those whose kind starts with it."""
        seq = max(seq, self.last_seq - self._capacity)
        found: list[Entry] = []
        for block in self._after(seq):
            for make, (first, at, count, facts) in block:
                if first + count > seq + 1:
                    found += make(first, at, *facts)
        return [entry for entry in found if entry.seq > seq and entry.kind.startswith(kind)]

    def _after(self, seq: int) -> Sequence[_Notes]:
        """The blocks with entries after `seq`, found from the end: who follows asks for the last few of many."""
        found: list[_Notes] = []
        for block in reversed(self._blocks):
            if block.last_seq <= seq:
                break
            found.append(block)
        found.reverse()
        return found

    async def more_than(self, seq: int) -> None:
        """Wait until there is an entry after `seq`."""
        if self.last_seq <= seq:
            reader = asyncio.get_running_loop().create_future()
            self._waiting.append(reader)
            await reader


def _as_it_is(
    seq: int, at: float, kind: str, resource: str, request_id: str, trace_id: str, detail: dict[str, Any]
) -> Sequence[Entry]:
    return (Entry(seq, at, kind, resource, request_id, trace_id, detail),)
