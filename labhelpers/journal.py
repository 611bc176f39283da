"""The one record of everything that happens in a lab; every view, trace and check only reads it.

Whoever does something appends an entry; readers take the past (`since`) and then follow (`subscribe`). What happens
with every request is only noted (`note`), and becomes entries when somebody reads: that is a fraction of the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import field
from typing import Any

from labhelpers.records import record

CAPACITY = 50_000
SUBSCRIBER_CAPACITY = 20_000


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
    """A bounded list of entries with followers. Used from the cloud's event loop only."""

    def __init__(self, now: Callable[[], float] = time.time, capacity: int = CAPACITY) -> None:
        self._now = now
        self._capacity = capacity
        self._kept: deque[Entry | _Note] = deque()
        self._count = 0  # How many entries that is, those of the notes among them.
        self._next_seq = 1
        self._queues: set[asyncio.Queue[Entry]] = set()

    def append(
        self, kind: str, resource: str = "", *, request_id: str = "", trace_id: str = "", **detail: Any
    ) -> Entry:
        """Record that something happened; returns the entry."""
        entry = Entry(self._next_seq, self._now(), kind, resource, request_id, trace_id, detail)
        self._next_seq += 1
        self._keep(entry, 1)
        self._hand_on(entry)
        return entry

    def note(self, count: int, make: MakeEntries, *facts: Any) -> None:
        """Record that something happened of which `make(seq, at, *facts)` can make `count` entries at any time.

        The facts stay as long as the entries would: they must not change, and hold nothing large.
        """
        note = self._next_seq, self._now(), count, make, facts
        self._next_seq += count
        if not self._queues:
            self._keep(note, count)
            return
        for entry in _entries(note):
            self._keep(entry, 1)
            self._hand_on(entry)

    def _keep(self, what: Entry | _Note, count: int) -> None:
        self._kept.append(what)
        self._count += count
        while self._count > self._capacity:
            oldest = self._kept.popleft()
            self._count -= 1 if isinstance(oldest, Entry) else oldest[2]

    def _hand_on(self, entry: Entry) -> None:
        for queue in self._queues:
            if (
                queue.full()
            ):  # A reader that does not keep up loses its oldest entries; the seq shows the gap.
                queue.get_nowait()
            queue.put_nowait(entry)

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
        for kept in self._kept:
            if isinstance(kept, Entry):
                found.append(kept)
            elif kept[0] + kept[2] > seq + 1:
                found += _entries(kept)
        return [entry for entry in found if entry.seq > seq and entry.kind.startswith(kind)]

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Entry]]:
        """A queue that gets every entry from now on."""
        queue: asyncio.Queue[Entry] = asyncio.Queue(SUBSCRIBER_CAPACITY)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    async def follow(self, seq: int = 0) -> AsyncIterator[Entry]:
        """Entries after `seq`, first the recorded ones, then each as it happens."""
        with self.subscribe() as queue:
            for entry in self.since(seq):
                seq = entry.seq
                yield entry
            while True:
                entry = await queue.get()
                if entry.seq > seq:
                    yield entry


def _entries(note: _Note) -> Sequence[Entry]:
    seq, at, _, make, facts = note
    return make(seq, at, *facts)
