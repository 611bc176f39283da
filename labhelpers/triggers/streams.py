"""Reads Kinesis streams and the streams of DynamoDB tables for event source mappings, record by record as they come.

The manager of `triggers.mappings` starts and stops a poller for each mapping. A poller hears of new records from the
stream's log, and puts them into the lanes of their shard; between records it does nothing at all.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, with-ddb.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from labhelpers.errors import INVALID_PARAMETER, AwsError
from labhelpers.events.stream_batches import lane_of
from labhelpers.events.stream_filters import compile_stream_filter
from labhelpers.events.stream_log import ShardLog, StreamLog, StreamRecord, start_position
from labhelpers.functions.event_source_mappings import EventSourceMapping
from labhelpers.functions.execution_roles import check_source
from labhelpers.model import FunctionVersion
from labhelpers.triggers.streams_delivery import StreamDelivery, StreamSurroundings
from labhelpers.triggers.streams_lane import Lane

FindStream = Callable[[str], StreamLog | None]


class StreamPollers:
    """The pollers of all mappings of streams: `make` is the manager's factory."""

    def __init__(self, find: FindStream, surroundings: StreamSurroundings) -> None:
        self._find = find
        self._surroundings = surroundings

    def make(self, mapping: EventSourceMapping) -> StreamPoller:
        """A poller that has not begun, but stands at its starting position."""
        return StreamPoller(mapping, self._find(mapping.source_arn), self._surroundings)

    async def check(self, mapping: EventSourceMapping, version: FunctionVersion) -> None:
        """What AWS checks of a stream when a mapping is made or changed. AwsError 400."""
        check_source(self._surroundings.mappings.authorize, version.role, mapping.source_arn)
        if self._find(mapping.source_arn) is None:
            raise AwsError(INVALID_PARAMETER, f"Stream not found: {mapping.source_arn}")


class _Shard:
    """How far a mapping is with one shard."""

    def __init__(self, log: ShardLog, position: int) -> None:
        self.log = log
        self.position = position
        self.lanes: list[Lane] = []

    @property
    def is_done(self) -> bool:
        """Whether all that a closed shard had is done with."""
        return (
            self.log.is_closed and self.position >= self.log.end and all(lane.is_empty for lane in self.lanes)
        )


class StreamPoller:
    """A `Poller`. A shard is begun when the shards that it came from are done with, so that each key stays in order."""

    def __init__(
        self,
        mapping: EventSourceMapping,
        log: StreamLog | None,
        surroundings: StreamSurroundings,
    ) -> None:
        self.mapping = mapping
        self._log = log
        self._around = surroundings
        self._passes = compile_stream_filter(mapping.service, mapping.filters)
        self._running = False
        self._shards: dict[str, _Shard] = {}
        for shard in log.shards.values() if log else ():
            self._add(shard, start_position(shard, mapping.starting_position, mapping.starting_at))

    # --- For the manager ---

    def start(self) -> None:
        """Read on from where it is."""
        if self._log is None or self._log.is_gone:
            self._source_is_gone()
            return
        self._running = True
        self._log.listeners.add(self._look)
        for shard in self._shards.values():
            for lane in shard.lanes:
                lane.start()
        for shard_id in self._log.shards:
            self._look(shard_id)

    async def stop(self) -> None:
        """Read no more; returns when the function has answered what it has."""
        self._leave()
        await asyncio.gather(*(lane.stop() for lane in self._lanes()))

    def change(self, mapping: EventSourceMapping) -> None:
        """Stopped: go on by other settings."""
        spread = mapping.parallelization_factor != self.mapping.parallelization_factor
        self.mapping = mapping
        self._passes = compile_stream_filter(mapping.service, mapping.filters)
        for shard in self._shards.values():
            if spread:
                left = [record for lane in shard.lanes for record in lane.take_all()]
                left.sort(key=lambda record: int(record.sequence_number))
                shard.lanes = self._make_lanes(shard.log)
                self._spread(shard, left)
            for lane in shard.lanes:
                lane.change(StreamDelivery(self._around, mapping, shard.log.id))

    async def close(self) -> None:
        """End at once."""
        self._leave()
        await asyncio.gather(*(lane.close() for lane in self._lanes()))

    # --- Reading ---

    def _lanes(self) -> list[Lane]:
        return [lane for shard in self._shards.values() for lane in shard.lanes]

    def _leave(self) -> None:
        self._running = False
        if self._log is not None:
            self._log.listeners.discard(self._look)

    def _add(self, log: ShardLog, position: int) -> _Shard:
        self._shards[log.id] = shard = _Shard(log, position)
        shard.lanes = self._make_lanes(log)
        if self._running:
            for lane in shard.lanes:
                lane.start()
        return shard

    def _make_lanes(self, log: ShardLog) -> list[Lane]:
        return [
            Lane(
                StreamDelivery(self._around, self.mapping, log.id),
                self._around.clock,
                self._retention_s,
                self._start_task,
                lambda: self._look_at_children(log.id),
            )
            for _ in range(self.mapping.parallelization_factor)
        ]

    def _retention_s(self) -> float:
        return self._log.retention_s if self._log else 0.0

    def _look(self, shard_id: str) -> None:
        """Something is new in a shard: hand on what it has."""
        if not self._running or self._log is None:
            return
        if self._log.is_gone:
            self._source_is_gone()
            return
        shard = self._shards.get(shard_id) or self._add(self._log.shards[shard_id], 0)
        if not self._may_begin(shard):
            return
        shard.log.trim(self._around.clock.now() - self._log.retention_s)
        records, shard.position = shard.log.follow(shard.position)
        if self._passes is not None:
            records = [record for record in records if self._passes(record.event)]
        self._spread(shard, records)
        self._look_at_children(shard_id)

    def _may_begin(self, shard: _Shard) -> bool:
        parents = (self._shards.get(parent) for parent in shard.log.parents)
        return all(parent is None or parent.is_done for parent in parents)

    def _spread(self, shard: _Shard, records: list[StreamRecord]) -> None:
        if not records:
            return
        lanes = shard.lanes
        if len(lanes) == 1:
            lanes[0].put(records)
            return
        for record in records:
            lanes[lane_of(record.key, len(lanes))].put((record,))

    def _look_at_children(self, shard_id: str) -> None:
        shard = self._shards.get(shard_id)
        if not self._running or self._log is None or shard is None or not shard.is_done:
            return
        for child in self._log.shards.values():
            if shard_id in child.parents:
                self._look(child.id)

    def _source_is_gone(self) -> None:
        """The stream was deleted, with all records that were not read yet."""
        self._leave()
        for lane in self._lanes():
            lane.abandon()
        self._around.mappings.fail(self.mapping.uuid, f"Stream not found: {self.mapping.source_arn}")

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._around.journal.failure(
                f"reading {self.mapping.source_name} failed in the lab itself: {error!r}",
                self.mapping.source_arn,
                mapping=self.mapping.uuid,
            )
