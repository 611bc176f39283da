"""The streams of this cloud that mappings can read: Kinesis streams and the streams of DynamoDB tables.

moto's thread writes them; the event loop hears of what is new once for each request, so that records which were put
together are read together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labhelpers.cloud.moto_bridge_thread import MotoThread
from labhelpers.events.stream_log import ShardLog, StreamLog, StreamRecord


class StreamLogs:
    """All streams by ARN. `now` is the lab's clock, in epoch seconds."""

    def __init__(self, thread: MotoThread, now: Callable[[], float]) -> None:
        self.now = now
        self._thread = thread
        self._logs: dict[str, StreamLog] = {}
        self._changed: dict[tuple[StreamLog, str], None] = {}
        self._in_request = False

    def find(self, arn: str) -> StreamLog | None:
        """The stream of an ARN, also of a Kinesis stream's consumer; None if there is none. From any thread."""
        return self._logs.get(arn.partition("/consumer/")[0])

    # --- On moto's thread ---

    def __iter__(self) -> Iterator[StreamLog]:
        return iter(self._logs.values())

    def add(self, log: StreamLog) -> None:
        """A stream is there."""
        self._logs[log.arn] = log

    def remove(self, log: StreamLog) -> None:
        """A stream was deleted, with all that is in it."""
        log.is_gone = True
        self._logs.pop(log.arn, None)
        for shard in log.shards.values():
            self.changed(log, shard)

    def append(self, log: StreamLog, shard: ShardLog, record: StreamRecord) -> None:
        """A record has arrived."""
        shard.trim(self.now() - log.retention_s)
        shard.append(record)
        self.changed(log, shard)

    def changed(self, log: StreamLog, shard: ShardLog) -> None:
        """Have the readers of a stream look at a shard, when the request is done."""
        if self._in_request:
            self._changed[log, shard.id] = None
        elif log.listeners:
            self._thread.call_in_loop(log.tell, shard.id)

    @contextmanager
    def request(self) -> Iterator[None]:
        """While moto answers a request; at its end the readers are told of all that it brought."""
        self._in_request = True
        try:
            yield
        finally:
            self._in_request = False
            changed, self._changed = self._changed, {}
            for log, shard_id in changed:
                if log.listeners:
                    self._thread.call_in_loop(log.tell, shard_id)
