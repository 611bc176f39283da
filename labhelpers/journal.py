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


# Makes entries of facts that were noted: from that seq on, of that time. It must make the same of them each time.
MakeEntries = Callable[..., Sequence[Entry]]


# A seq, a time, how many entries, what makes them, and of which facts: a tuple, for it is made with every call.
_Note = tuple[int, float, int, MakeEntries, tuple[Any, ...]]


class Journal:
    """A bounded list of entries. Used from the cloud's event loop only.

    A reader that does not keep up misses the oldest; the seq shows the gap.
    """

    def __init__(self, now: Callable[[], float] = time.time, capacity: int = CAPACITY) -> None:
        self._now = now
        self._capacity = capacity
        self._kept: deque[Entry | _Note] = deque()
        self._count = 0  # How many entries that is, those of the notes among them.
        self._next_seq = 1
        self._waiting: list[asyncio.Future[None]] = []

    def append(
        self, kind: str, resource: str = "", *, request_id: str = "", trace_id: str = "", **detail: Any
    ) -> Entry:
        """Record that something happened; returns the entry."""
        entry = Entry(self._next_seq, self._now(), kind, resource, request_id, trace_id, detail)
        self._next_seq += 1
        self._keep(entry, 1)
        return entry

    def note(self, count: int, make: MakeEntries, *facts: Any) -> None:
        """Record that something happened of which `make(seq, at, *facts)` can make `count` entries at any time.

        The facts stay as long as the entries would: they must not change, and hold nothing large.
        """
        note = self._next_seq, self._now(), count, make, facts
        self._next_seq += count
        self._keep(note, count)

    def _keep(self, what: Entry | _Note, count: int) -> None:
        self._kept.append(what)
        self._count += count
        while self._count > self._capacity:
            oldest = self._kept.popleft()
            self._count -= 1 if isinstance(oldest, Entry) else oldest[2]
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
        found: list[Entry] = []
        for kept in self._after(seq):
            if isinstance(kept, Entry):
                found.append(kept)
            else:
                found += _entries(kept)
        return [entry for entry in found if entry.seq > seq and entry.kind.startswith(kind)]

    def _after(self, seq: int) -> Sequence[Entry | _Note]:
        """What has entries after `seq`, found from the end: who follows asks for the last few of many."""
        found: list[Entry | _Note] = []
        for kept in reversed(self._kept):
            last = kept.seq if isinstance(kept, Entry) else kept[0] + kept[2] - 1
            if last <= seq:
                break
            found.append(kept)
        found.reverse()
        return found

    @property
    def last_seq(self) -> int:
        """The number of the newest entry, 0 before the first."""
        return self._next_seq - 1

    async def more_than(self, seq: int) -> None:
        """Wait until there is an entry after `seq`."""
        if self.last_seq <= seq:
            reader = asyncio.get_running_loop().create_future()
            self._waiting.append(reader)
            await reader


def _entries(note: _Note) -> Sequence[Entry]:
    seq, at, _, make, facts = note
    return make(seq, at, *facts)
