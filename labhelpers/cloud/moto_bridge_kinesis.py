"""Kinesis in moto: streams whose records are kept and numbered as on AWS, and told to those who read them.

moto numbers records 1, 2, 3 in each shard, moves a shard's records to its children when it is split or merged, writes
on to the closed parent, and keeps all for ever. Here the records of a shard are a `ShardLog`, stay where they are, and
go when the stream's retention is over on the lab's clock. Runs on moto's thread only.
"""

from __future__ import annotations

import base64
import functools
import itertools
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from labhelpers.cloud.moto_bridge_streams import StreamLogs
from labhelpers.events.kinesis import sequence_number, stream_record
from labhelpers.events.stream_log import ShardLog, StreamLog, StreamRecord

_MD5_BITS = 128


class KinesisState:
    """moto's Kinesis, whose streams are in `logs`."""

    def __init__(self, logs: StreamLogs) -> None:
        self._logs = logs
        self._count = itertools.count(1)

    def load(self) -> None:
        """Have moto keep records here."""
        models: Any = import_module("moto.kinesis.models")
        if not hasattr(models, "_originals"):
            models._originals = {
                "consumer": models.Consumer.__init__,
                **{
                    name: getattr(models.Stream, name) for name in ("__init__", "split_shard", "merge_shards")
                },
                **{
                    name: getattr(models.KinesisBackend, name)
                    for name in ("delete_stream", "get_shard_iterator")
                },
            }
        self._mend_streams(models)
        self._mend_shards(models.Shard)
        self._mend_backend(models.KinesisBackend, models._originals)
        responses: Any = import_module("moto.kinesis.responses")
        action_result = responses.ActionResult
        responses.KinesisResponse.get_records = lambda response: action_result(self._get_records(response))

    # --- Streams and their shards ---

    def _mend_streams(self, models: Any) -> None:
        originals, stream_class = models._originals, models.Stream

        @functools.wraps(originals["__init__"])
        def make(stream: Any, *args: Any, **kwargs: Any) -> None:
            originals["__init__"](stream, *args, **kwargs)
            stream.lab_log = StreamLog(stream.arn)
            self._follow_shards(stream)
            self._logs.add(stream.lab_log)

        def reshard(name: str) -> Any:
            @functools.wraps(originals[name])
            def change(stream: Any, *args: Any) -> None:
                if name == "merge_shards":  # moto takes the two in one order only.
                    args = tuple(sorted(args, key=lambda shard_id: stream.shards[shard_id].starting_hash))
                originals[name](stream, *args)
                self._follow_shards(stream)

            return change

        def shard_for_key(stream: Any, partition_key: Any, explicit_hash_key: Any) -> Any:
            if not isinstance(partition_key, str) or not 0 < len(partition_key) <= 256:
                raise models.InvalidArgumentError("partition_key")
            if explicit_hash_key:
                number = int(explicit_hash_key)
                if not 0 <= number < 2**_MD5_BITS:
                    raise models.InvalidArgumentError("explicit_hash_key")
            else:
                number = int(models.md5_hash(partition_key.encode()).hexdigest(), 16)
            return next(
                shard
                for shard in stream.shards.values()
                if shard.is_open and shard.starting_hash <= number <= shard.ending_hash
            )

        def put_record(stream: Any, partition_key: str, explicit_hash_key: str, data: str) -> tuple[str, str]:
            shard = stream.get_shard_for_key(partition_key, explicit_hash_key)
            at = self._logs.now()
            record = stream_record(
                shard_id=shard.shard_id,
                partition_key=partition_key,
                number=str(sequence_number(at, next(self._count), shard._shard_id)),
                data=data,
                at=at,
                region=stream.region,
            )
            stream.lab_log.retention_s = stream.retention_period_hours * 3600.0
            self._logs.append(stream.lab_log, shard.lab_log, record)
            return record.sequence_number, shard.shard_id

        @functools.wraps(originals["consumer"])
        def register(consumer: Any, *args: Any) -> None:
            originals["consumer"](consumer, *args)
            consumer.consumer_arn += f":{int(self._logs.now())}"  # AWS: two of one name differ by this.

        models.Consumer.__init__ = register
        stream_class.__init__ = make
        stream_class.split_shard, stream_class.merge_shards = reshard("split_shard"), reshard("merge_shards")
        stream_class.get_shard_for_key, stream_class.put_record = shard_for_key, put_record

    def _follow_shards(self, stream: Any) -> None:
        """The shards that moto has made get a log; those that it has closed end there."""
        for shard in stream.shards.values():
            if not hasattr(shard, "lab_log"):
                parents = tuple(parent for parent in (shard.parent, shard.adjacent_parent) if parent)
                number = str(sequence_number(self._logs.now(), next(self._count), shard._shard_id))
                shard.lab_log = ShardLog(shard.shard_id, parents, number)
                stream.lab_log.add(shard.lab_log)
        for shard in stream.shards.values():
            if not shard.is_open and not shard.lab_log.is_closed:
                shard.lab_log.is_closed = True
                self._logs.changed(stream.lab_log, shard.lab_log)

    @staticmethod
    def _mend_shards(shard_class: Any) -> None:
        def last(shard: Any) -> int:
            log: ShardLog = shard.lab_log
            return int(log.last_sequence_number or log.starting_sequence_number)

        def last_before(shard: Any, moment: Any) -> int:
            log: ShardLog = shard.lab_log
            found = log.read(log.position_at(_epoch(moment)), 1)
            return int(found[0].sequence_number) - 1 if found else last(shard)

        shard_class.get_min_sequence_number = lambda shard: int(shard.lab_log.starting_sequence_number)
        shard_class.get_max_sequence_number = last
        shard_class.get_sequence_number_at = last_before

    def _mend_backend(self, backend_class: Any, originals: dict[str, Any]) -> None:
        delete, iterator = originals["delete_stream"], originals["get_shard_iterator"]

        @functools.wraps(delete)
        def delete_stream(backend: Any, *args: Any, **kwargs: Any) -> Any:
            stream = delete(backend, *args, **kwargs)
            self._logs.remove(stream.lab_log)
            return stream

        @functools.wraps(iterator)
        def get_shard_iterator(backend: Any, stream_arn: str, stream_name: str, *args: Any) -> Any:
            # moto writes the caller's StreamName into the iterator, also when it only gave an ARN.
            stream = backend.describe_stream(stream_arn=stream_arn, stream_name=stream_name)
            return iterator(backend, stream.arn, stream.stream_name, *args)

        backend_class.delete_stream, backend_class.get_shard_iterator = delete_stream, get_shard_iterator

    # --- GetRecords ---

    def _get_records(self, response: Any) -> dict[str, Any]:
        utils: Any = import_module("moto.kinesis.utils")
        name, shard_id, last = utils.decompose_shard_iterator(response._get_param("ShardIterator"))
        stream = response.kinesis_backend.describe_stream(
            stream_arn=response._get_param("StreamARN"), stream_name=name
        )
        shard = stream.get_shard(shard_id)
        log: ShardLog = shard.lab_log
        log.trim(self._logs.now() - stream.retention_period_hours * 3600.0)
        position = log.position_of(int(last) + 1)
        records = log.read(position, int(response._get_param("Limit") or 10_000))
        newest = log.read(log.end - 1)
        behind_s = newest[0].at - records[-1].at if records and newest else 0.0
        answer: dict[str, Any] = {
            "Records": [_as_kinesis(record) for record in records],
            "MillisBehindLatest": int(behind_s * 1000),
        }
        if log.is_closed and position + len(records) >= log.end:
            # AWS: the end of a closed shard has no next iterator, and names the shards that follow.
            answer["ChildShards"] = [
                _child(s) for s in stream.shards.values() if shard_id in s.lab_log.parents
            ]
        else:
            reached = int(records[-1].sequence_number) if records else int(last)
            answer["NextShardIterator"] = utils.compose_shard_iterator(stream.stream_name, shard, reached)
        return answer


def _as_kinesis(record: StreamRecord) -> dict[str, Any]:
    return {
        "Data": base64.b64decode(record.event["kinesis"]["data"]),
        "PartitionKey": record.key,
        "SequenceNumber": record.sequence_number,
        "ApproximateArrivalTimestamp": datetime.fromtimestamp(record.at, UTC),
    }


def _child(shard: Any) -> dict[str, Any]:
    return {
        "ShardId": shard.shard_id,
        "ParentShards": list(shard.lab_log.parents),
        "HashKeyRange": {
            "StartingHashKey": str(shard.starting_hash),
            "EndingHashKey": str(shard.ending_hash),
        },
    }


def _epoch(moment: Any) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
