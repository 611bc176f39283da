"""The records that wait in a lane for their batch: how many go together, and when they are enough.

Called by `triggers.streams_lane`; knows no clock and no task.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import orjson

from labhelpers import limits
from labhelpers.events.stream_batches import Batch, Window
from labhelpers.events.stream_log import StreamRecord

_EVENT_OVERHEAD = 4_096  # What stands around the records, apart from a window's state.


class WaitingRecords:
    """First in, first out. `since` is when the first of those that wait came, or was left over."""

    def __init__(self) -> None:
        self.since = 0.0
        self._records: deque[StreamRecord] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def first(self) -> StreamRecord:
        """The one that has waited longest."""
        return self._records[0]

    def put(self, records: Iterable[StreamRecord], now: float) -> None:
        """Records to follow those that wait."""
        if not self._records:
            self.since = now
        for record in records:
            self._records.append(record)
            self._bytes += len(record.text)

    def fill(self, batch_size: int, window: Window | None) -> bool:
        """Whether another record would not make the next batch larger."""
        return (
            len(self._records) >= batch_size
            or self._bytes >= limits.SYNC_PAYLOAD_BYTES_MAX
            or (window is not None and not window.has(self._records[-1]))
        )

    def are_past(self, window: Window, now: float) -> bool:
        """Whether none of them belongs to a window, and none will."""
        return not window.has(self.first) if self._records else now >= window.end

    def take(self, batch_size: int, fields: bytes, window: Window | None, now: float) -> Batch:
        """As many as may go together: of one window, and below the payload's limit. `fields` are added to each."""
        size = _EVENT_OVERHEAD + (len(orjson.dumps(window.state)) if window else 0)
        records: list[StreamRecord] = []
        texts: list[bytes] = []
        while self._records and len(records) < batch_size:
            record = self._records[0]
            size += len(record.text) + len(fields) + 2
            too_large = size > limits.SYNC_PAYLOAD_BYTES_MAX
            if records and (too_large or (window is not None and not window.has(record))):
                break
            records.append(self._records.popleft())
            texts.append(record.with_fields(fields))
            self._bytes -= len(record.text)
        self.since = now
        return Batch(tuple(records), tuple(texts))

    def take_all(self) -> list[StreamRecord]:
        """All of them; none is left."""
        records = list(self._records)
        self._records.clear()
        self._bytes = 0
        return records
