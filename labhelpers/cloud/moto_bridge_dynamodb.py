"""DynamoDB in moto: the streams of its tables, with the records that AWS makes of writes.

moto makes two records where an update creates an item, some where nothing changes and of transactions that fail, breaks
when a stream was disabled, and forgets nothing. Here the writes of a request are collected, and become records when it
has succeeded; the streams' own service reads the same logs. Runs on moto's thread only.
"""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import orjson

from labhelpers.cloud.moto_bridge_streams import StreamLogs
from labhelpers.cloud.moto_bridge_time_to_live import delete_expired
from labhelpers.errors import AwsError
from labhelpers.events.dynamodb import ItemChange, sequence_number, stream_record
from labhelpers.events.stream_log import RETENTION_S, ShardLog, StreamLog
from labhelpers.model import Account


@dataclass(slots=True)
class TableStream:
    """One stream of a table; a table that is switched off and on again has another one."""

    log: StreamLog
    shard: ShardLog
    table_name: str
    label: str
    key_schema: Any
    view_type: str
    region: str
    created: datetime
    base: int
    ended: float | None = None  # When it was disabled, in epoch seconds.
    count: int = 0

    @property
    def is_enabled(self) -> bool:
        """Whether the table's writes still go into it."""
        return self.ended is None


@dataclass(slots=True)
class _Write:
    """A write of the present request: moto's items before and after."""

    stream: TableStream
    keys: dict[str, Any]
    old: Any
    new: Any
    expired: bool


class DynamoDbState:
    """moto's tables, whose streams are in `logs`. `on_time_to_live` is called when a table gets a time to live."""

    def __init__(self, account: Account, logs: StreamLogs, on_time_to_live: Callable[[], object]) -> None:
        self._account = account
        self._logs = logs
        self._on_time_to_live = on_time_to_live
        self.streams: dict[str, TableStream] = {}
        self._writes: dict[tuple[str, bytes], _Write] = {}
        self._expiring = False  # The deletions of the moment are those of time to live.

    def load(self) -> None:
        """Have moto tell of all writes."""
        tables: Any = import_module("moto.dynamodb.models.table")
        models: Any = import_module("moto.dynamodb.models")
        backend_class = models.DynamoDBBackend
        if not hasattr(models, "_originals"):
            models._originals = backend_class.delete_table, backend_class.update_time_to_live
        delete, update_time_to_live = models._originals

        def wrote(shard: Any, old: Any, new: Any) -> None:
            self._wrote(shard, old, new)

        def set_specification(table: Any, specification: dict[str, Any] | None) -> None:
            self._set_specification(table, specification)

        @functools.wraps(delete)
        def delete_table(backend: Any, *args: Any, **kwargs: Any) -> Any:
            table = delete(backend, *args, **kwargs)
            self._disable(table)
            return table

        @functools.wraps(update_time_to_live)
        def update_ttl(backend: Any, *args: Any, **kwargs: Any) -> Any:
            self._on_time_to_live()
            return update_time_to_live(backend, *args, **kwargs)

        def update_streams(backend: Any, table: Any, specification: dict[str, Any]) -> None:
            wants = specification.get("StreamEnabled") or specification.get("StreamViewType")
            if bool(wants) == bool(table.stream_specification.get("StreamEnabled")):
                raise AwsError(
                    "ValidationException",
                    "Table already has an enabled stream: TableName: " + table.name
                    if wants
                    else "Table is already without a stream: TableName: " + table.name,
                )
            table.set_stream_specification(specification)

        tables.StreamShard.add = wrote
        tables.Table.set_stream_specification = set_specification
        backend_class.delete_table, backend_class.update_table_streams = delete_table, update_streams
        backend_class.update_time_to_live = update_ttl

    # --- Streams of tables ---

    def _set_specification(self, table: Any, specification: dict[str, Any] | None) -> None:
        """In place of moto's: a table gets a stream, or loses it."""
        if not specification or not (
            specification.get("StreamEnabled") or specification.get("StreamViewType")
        ):
            table.stream_specification = {"StreamEnabled": False}
            self._disable(table)
            return
        tables: Any = import_module("moto.dynamodb.models.table")
        now = self._logs.now()
        self._forget_ended(now - RETENTION_S)
        created = datetime.fromtimestamp(now, UTC)
        table.stream_specification = {**specification, "StreamEnabled": True}
        table.latest_stream_label = f"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03d}"
        table.stream_shard = tables.StreamShard(table.account_id, table)
        base = int(now * 1000) % 10**8
        shard = ShardLog(
            f"shardId-{int(now * 1000):020d}-{os.urandom(4).hex()}", (), sequence_number(1, base)
        )
        table.stream_shard.id = shard.id
        log = StreamLog(_stream_arn(table))
        log.add(shard)
        self.streams[log.arn] = TableStream(
            log,
            shard,
            table.name,
            table.latest_stream_label,
            table.schema,
            specification["StreamViewType"],
            table.region_name,
            created,
            base,
        )
        self._logs.add(log)

    def _forget_ended(self, before: float) -> None:
        """AWS: a stream that was disabled can be read for a day."""
        for stream in [s for s in self.streams.values() if s.ended is not None and s.ended < before]:
            del self.streams[stream.log.arn]
            self._logs.remove(stream.log)

    def _disable(self, table: Any) -> None:
        """No more records; those that are there can be read for another day."""
        stream = self.streams.get(_stream_arn(table))
        table.stream_shard = None
        if stream is not None and stream.is_enabled:
            stream.ended = self._logs.now()
            stream.shard.is_closed = True
            self._logs.changed(stream.log, stream.shard)

    # --- Writes ---

    def _wrote(self, moto_shard: Any, old: Any, new: Any) -> None:
        """In place of moto's `StreamShard.add`: remember a write until its request is done."""
        table = moto_shard.table
        stream = self.streams.get(_stream_arn(table))
        if stream is None or not stream.is_enabled:
            return
        item = old if old is not None else new
        keys = {table.hash_key_attr: item.hash_key.to_json()}
        if table.range_key_attr is not None:
            keys[table.range_key_attr] = item.range_key.to_json()
        name = stream.log.arn, _json(keys)
        # moto writes an item that an update creates twice: what counts is what was before the request and after it.
        if (write := self._writes.get(name)) is not None:
            write.new = new
        else:
            self._writes[name] = _Write(stream, keys, old, new, self._expiring)

    def expire(self) -> None:
        """Delete the items whose time to live is over."""
        self._expiring = True
        try:
            with self._logs.request():
                delete_expired(self._account, self._logs.now())
                self.settle(done=True)
        finally:
            self._expiring = False

    def settle(self, *, done: bool) -> None:
        """The request is done, and its writes become records; or it has failed and changed nothing."""
        writes, self._writes = self._writes, {}
        for write in writes.values() if done else ():
            stream = write.stream
            change = ItemChange(
                _plain(write.keys), _image(write.old), _image(write.new), self._logs.now(), write.expired
            )
            if not change.name:
                continue
            stream.count += 1
            record = stream_record(
                change,
                view_type=stream.view_type,
                region=stream.region,
                sequence_number=sequence_number(stream.count, stream.base),
                event_id=os.urandom(16).hex(),
            )
            self._logs.append(stream.log, stream.shard, record)


def _stream_arn(table: Any) -> str:
    return f"{table.table_arn}/stream/{table.latest_stream_label}"


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=_base64)


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()


def _plain(value: Any) -> Any:
    """A copy that shares nothing with moto's items, with binary values as base64 text."""
    return orjson.loads(_json(value))


def _image(item: Any) -> Any:
    return None if item is None else _plain(item.to_json()["Attributes"])
