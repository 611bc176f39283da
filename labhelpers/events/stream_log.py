"""The records of one stream, shard by shard: appended where they arise, read by whoever is ahead or behind.

Kinesis streams and the streams of DynamoDB tables are kept as this. The bridge to moto appends on its thread; pollers
read on the event loop, each from a position of its own. A position counts all records that a shard ever had.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

TRIM_HORIZON, LATEST, AT_TIMESTAMP = "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"
RETENTION_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One record. `at` is when it arrived, in epoch seconds of the lab's clock; order is kept among those of one `key`.

    `text` is what a function receives for it, as JSON, without what its mapping adds to it.
    """

    sequence_number: str
    at: float
    key: str
    text: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The text, read."""
        read: dict[str, Any] = orjson.loads(self.text)
        return read

    def with_fields(self, fields: bytes) -> bytes:
        """The text with further members, given as JSON without braces."""
        return b"%b,%b}" % (self.text[:-1], fields)


class ShardLog:
    """The records of a shard that have not been trimmed yet. `parents` are the shards that it came from, by id."""

    def __init__(
        self, shard_id: str, parents: tuple[str, ...] = (), starting_sequence_number: str = ""
    ) -> None:
        self.id = shard_id
        self.parents = parents
        self.starting_sequence_number = starting_sequence_number
        self.last_sequence_number = ""
        self.is_closed = False  # It was split or merged, or its stream disabled: no record will follow.
        self._records: list[StreamRecord] = []
        self._trimmed = 0
        self._lock = threading.Lock()

    @property
    def first(self) -> int:
        """The position of the oldest record that is still here."""
        return self._trimmed

    @property
    def end(self) -> int:
        """The position that the next record will have."""
        with self._lock:
            return self._trimmed + len(self._records)

    def append(self, record: StreamRecord) -> None:
        """Add the newest record."""
        with self._lock:
            self._records.append(record)
            self.last_sequence_number = record.sequence_number

    def follow(self, position: int) -> tuple[list[StreamRecord], int]:
        """All records from a position on, and the position after them."""
        with self._lock:
            return self._records[max(0, position - self._trimmed) :], self._trimmed + len(self._records)

    def read(self, position: int, limit: int | None = None) -> list[StreamRecord]:
        """The records from a position on; those that are trimmed are passed over."""
        with self._lock:
            start = max(0, position - self._trimmed)
            return self._records[start : None if limit is None else start + limit]

    def trim(self, before: float) -> None:
        """Forget the records that arrived before a moment."""
        with self._lock:
            if self._records and self._records[0].at < before:
                gone = bisect_left(self._records, before, key=_arrival)
                del self._records[:gone]
                self._trimmed += gone

    def position_of(self, sequence_number: int) -> int:
        """The position of the first record whose sequence number is not below this one."""
        with self._lock:
            return self._trimmed + bisect_left(self._records, sequence_number, key=_number)

    def position_at(self, moment: float) -> int:
        """The position of the first record that arrived at a moment or later."""
        with self._lock:
            return self._trimmed + bisect_left(self._records, moment, key=_arrival)


def _arrival(record: StreamRecord) -> float:
    return record.at


def _number(record: StreamRecord) -> int:
    return int(record.sequence_number)


class StreamLog:
    """A stream: its shards in the order of their making, and who wants to know of new records.

    `listeners` are called on the event loop with the id of a shard that has new records, or that is new or closed.
    `retention_s` is how long records stay, on the lab's clock; `is_gone`: the stream was deleted.
    """

    def __init__(self, arn: str, retention_s: float = RETENTION_S) -> None:
        self.arn = arn
        self.retention_s = retention_s
        self.is_gone = False
        self.shards: dict[str, ShardLog] = {}
        self.listeners: set[Callable[[str], None]] = set()

    def add(self, shard: ShardLog) -> None:
        """Another shard."""
        self.shards = {**self.shards, shard.id: shard}  # Readers on the other thread keep what they have.

    def trim(self, now: float) -> None:
        """Forget what is older than the stream keeps."""
        for shard in self.shards.values():
            shard.trim(now - self.retention_s)

    def tell(self, shard_id: str) -> None:
        """Call the listeners. On the event loop."""
        for listener in tuple(self.listeners):
            listener(shard_id)


def start_position(shard: ShardLog, starting_position: str, starting_at: float | None) -> int:
    """Where a mapping begins to read a shard that was there before it: TRIM_HORIZON, LATEST or AT_TIMESTAMP."""
    if starting_position == LATEST:
        return shard.end
    if starting_position == AT_TIMESTAMP and starting_at is not None:
        return shard.position_at(starting_at)
    return shard.first
