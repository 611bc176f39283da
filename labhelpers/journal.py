"""The one record of everything that happens in a lab; every view, trace and check only reads it.

Whoever does something appends an entry; readers take the past (`since`) and then follow (`subscribe`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
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


class Journal:
    """A bounded list of entries with followers. Used from the cloud's event loop only."""

    def __init__(self, now: Callable[[], float] = time.time, capacity: int = CAPACITY) -> None:
        self._now = now
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._seq = itertools.count(1)
        self._queues: set[asyncio.Queue[Entry]] = set()

    def append(
        self, kind: str, resource: str = "", *, request_id: str = "", trace_id: str = "", **detail: Any
    ) -> Entry:
        """Record that something happened; returns the entry."""
        entry = Entry(next(self._seq), self._now(), kind, resource, request_id, trace_id, detail)
        self._entries.append(entry)
        for queue in self._queues:
            if (
                queue.full()
            ):  # A reader that does not keep up loses its oldest entries; the seq shows the gap.
                queue.get_nowait()
            queue.put_nowait(entry)
        return entry

    def failure(
        self, what: str, resource: str = "", *, request_id: str = "", trace_id: str = "", **detail: Any
    ) -> Entry:
        """Record a failure that nobody waits for. `what` says what failed and why."""
        return self.append(
            "failure", resource, request_id=request_id, trace_id=trace_id, message=what, **detail
        )

    def since(self, seq: int = 0, kind: str = "") -> list[Entry]:
        """Entries after `seq`, oldest first; with `kind` only those whose kind starts with it."""
        return [entry for entry in self._entries if entry.seq > seq and entry.kind.startswith(kind)]

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
