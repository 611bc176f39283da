"""The rules for batches of stream records: what a function's answer means, halves, lanes, windows, what is told of a
batch that was given up. Pure.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
     https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
     https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import orjson

from labhelpers.events.destinations import Outgoing, Response
from labhelpers.events.s3 import timestamp
from labhelpers.events.sqs import failed_items
from labhelpers.events.stream_log import StreamRecord

STATE_BYTES_MAX = 1024 * 1024


class GivenUp(Enum):
    """Why records were given up, in AWS's words."""

    RETRIES = "RetryAttemptsExhausted"
    AGE = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that go to the function together, each with its JSON text in the event, and how often they have."""

    records: tuple[StreamRecord, ...]
    texts: tuple[bytes, ...]
    attempts: int = 0

    def part(self, start: int, end: int | None = None) -> Batch:
        """Some of its records."""
        return replace(self, records=self.records[start:end], texts=self.texts[start:end])

    def anew(self) -> Batch:
        """The same, with its tries counted anew."""
        return replace(self, attempts=0)

    def tried(self) -> Batch:
        """The same after one more try."""
        return replace(self, attempts=self.attempts + 1)

    def halves(self) -> tuple[Batch, Batch]:
        """The batch split in two. AWS: a split does not count as a try, so the tries of each half begin anew."""
        middle = (len(self.records) + 1) // 2
        return self.part(0, middle).anew(), self.part(middle).anew()

    def older(self, than: float) -> int:
        """How many of its records arrived before a moment: these are its first ones."""
        return next((i for i, record in enumerate(self.records) if record.at >= than), len(self.records))

    def event(self, more: Mapping[str, Any] | None = None) -> bytes:
        """The event as JSON; `more` is what tumbling windows add beside the records."""
        rest = b"," + orjson.dumps(more)[1:] if more else b"}"
        return b'{"Records":[' + b",".join(self.texts) + b"]" + rest


def first_failure(payload: bytes, records: Sequence[StreamRecord]) -> int | None:
    """The index of the first record that an answer with batchItemFailures reports; None: all have succeeded.

    The lowest sequence number counts: from it on all are tried again. 0 also where the answer makes no sense.
    """
    indexes = {record.sequence_number: index for index, record in enumerate(records)}
    failed = failed_items(payload, indexes)
    if failed is None:
        return 0
    return min((indexes[number] for number in failed), default=None)


def lane_of(key: str, lanes: int) -> int:
    """Which of a shard's lanes takes the records of a key: always the same one."""
    return zlib.crc32(key.encode()) % lanes if lanes > 1 else 0


# --- Tumbling windows ---


@dataclass(frozen=True, slots=True)
class Window:
    """A tumbling window, in epoch seconds, and what the function has made of it so far."""

    start: float
    end: float
    state: Mapping[str, Any] = field(default_factory=dict)

    def fields(self, shard_id: str, source_arn: str, *, final: bool, early: bool = False) -> dict[str, Any]:
        """What an event has beside its records."""
        return {
            "window": {"start": _second(self.start), "end": _second(self.end)},
            "state": self.state,
            "shardId": shard_id,
            "eventSourceARN": source_arn,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": early,
        }

    def has(self, record: StreamRecord) -> bool:
        """Whether a record belongs to it."""
        return self.start <= record.at < self.end


def window_at(at: float, length_s: int) -> Window:
    """The window of a moment: windows of one length follow each other without gaps, from the epoch on."""
    start = at // length_s * length_s
    return Window(start, start + length_s)


def state_of(payload: bytes) -> Mapping[str, Any] | None:
    """The state in an answer; None if there is none, which is a failure of the function."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    state = answer.get("state") if isinstance(answer, dict) else None
    return state if isinstance(state, dict) else None


def is_too_large(state: Mapping[str, Any]) -> bool:
    """Whether a window has to end early because of its state."""
    return len(json.dumps(state).encode()) > STATE_BYTES_MAX


# --- What a failure destination is told ---


@dataclass(frozen=True, slots=True)
class Loss:
    """Records that a mapping has given up. `at` is epoch seconds; `payload` the event, for buckets only.

    `response` is None where AWS tells of none. `mapping` is a UUID, `target` the destination's ARN.
    """

    condition: GivenUp
    batch: Batch
    mapping: str
    source_arn: str
    shard_id: str
    function_arn: str
    request_id: str
    at: float
    response: Response | None
    payload: str = ""

    def record(self) -> dict[str, Any]:
        """The invocation record, as AWS documents it."""
        first, last = self.batch.records[0], self.batch.records[-1]
        kind, moment = (
            ("DDBStreamBatchInfo", _second)
            if ":dynamodb:" in self.source_arn
            else ("KinesisBatchInfo", timestamp)
        )
        told: dict[str, Any] = {
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": self.function_arn,
                "condition": self.condition.value,
                "approximateInvokeCount": self.batch.attempts,
            },
        }
        if self.response is not None:
            told["responseContext"] = {
                "statusCode": self.response.status,
                "executedVersion": self.response.executed_version,
                # AWS: null where the function has only reported item failures.
                "functionError": self.response.function_error or None,
            }
        return told | {
            "version": "1.0",
            "timestamp": timestamp(self.at),
            kind: {
                "shardId": self.shard_id,
                "startSequenceNumber": first.sequence_number,
                "endSequenceNumber": last.sequence_number,
                "approximateArrivalOfFirstRecord": moment(first.at),
                "approximateArrivalOfLastRecord": moment(last.at),
                "batchSize": len(self.batch.records),
                "streamArn": self.source_arn,
            },
        }

    def message(self, target: str, unique: str) -> Outgoing:
        """The record for a queue, a topic or a bucket; `unique` makes a bucket's key one of its kind (a UUID)."""
        record, key = self.record(), ""
        if target.split(":")[2] == "s3":
            record["payload"] = self.payload
            moment = datetime.fromtimestamp(self.at, UTC)
            key = f"aws/lambda/{self.mapping}/{self.shard_id}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{unique}"
        return Outgoing(target, json.dumps(record, separators=(",", ":"), ensure_ascii=False), key=key)


def _second(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
