"""The API of DynamoDB Streams, in place of moto's: reads the logs that `moto_bridge_dynamodb` writes.

Runs on moto's thread only. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from labhelpers.cloud.moto_bridge_dynamodb import DynamoDbState, TableStream
from labhelpers.cloud.moto_bridge_streams import StreamLogs
from labhelpers.errors import RESOURCE_NOT_FOUND, VALIDATION, AwsError
from labhelpers.events.stream_log import ShardLog, StreamRecord

RECORDS_MAX = 1000
STREAMS_MAX = SHARDS_MAX = 100


class DynamoDbStreamsApi:
    """ListStreams, DescribeStream, GetShardIterator and GetRecords."""

    def __init__(self, state: DynamoDbState, logs: StreamLogs) -> None:
        self._state = state
        self._logs = logs

    def load(self) -> None:
        """Have moto's response class answer from here."""
        responses: Any = import_module("moto.dynamodbstreams.responses")
        action_result = responses.ActionResult
        for name in ("list_streams", "describe_stream", "get_shard_iterator", "get_records"):
            method = getattr(self, f"_{name}")
            setattr(
                responses.DynamoDBStreamsHandler,
                name,
                lambda handler, method=method: action_result(method(handler._get_param)),
            )

    def _stream(self, arn: str) -> TableStream:
        stream = self._state.streams.get(arn)
        if stream is None:
            raise AwsError(RESOURCE_NOT_FOUND, f"Requested resource not found: Stream: {arn} not found")
        return stream

    def _list_streams(self, parameter: Any) -> dict[str, Any]:
        table, after = parameter("TableName"), parameter("ExclusiveStartStreamArn")
        limit = int(parameter("Limit") or STREAMS_MAX)
        found = [stream for stream in self._state.streams.values() if table in (None, stream.table_name)]
        if after:
            found = found[next((i + 1 for i, s in enumerate(found) if s.log.arn == after), 0) :]
        answer: dict[str, Any] = {
            "Streams": [
                {"StreamArn": s.log.arn, "TableName": s.table_name, "StreamLabel": s.label}
                for s in found[:limit]
            ]
        }
        if len(found) > limit:
            answer["LastEvaluatedStreamArn"] = found[limit - 1].log.arn
        return answer

    def _describe_stream(self, parameter: Any) -> dict[str, Any]:
        stream = self._stream(parameter("StreamArn"))
        shards = [] if parameter("ExclusiveStartShardId") else [_shard(stream.shard)]
        return {
            "StreamDescription": {
                "StreamArn": stream.log.arn,
                "StreamLabel": stream.label,
                "StreamStatus": "ENABLED" if stream.is_enabled else "DISABLED",
                "StreamViewType": stream.view_type,
                "CreationRequestDateTime": stream.created,
                "TableName": stream.table_name,
                "KeySchema": stream.key_schema,
                "Shards": shards,
            }
        }

    def _get_shard_iterator(self, parameter: Any) -> dict[str, Any]:
        stream = self._stream(parameter("StreamArn"))
        shard_id, kind = parameter("ShardId"), parameter("ShardIteratorType")
        shard = stream.log.shards.get(shard_id)
        if shard is None:
            raise AwsError(
                RESOURCE_NOT_FOUND,
                f"Requested resource not found: Shard: {shard_id} in Stream: {stream.log.arn} not found",
            )
        number = parameter("SequenceNumber")
        if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            if not number:
                raise AwsError(VALIDATION, f"SequenceNumber must be provided for ShardIteratorType: {kind}")
            position = shard.position_of(int(number) + (kind == "AFTER_SEQUENCE_NUMBER"))
        elif kind == "LATEST":
            position = shard.end
        else:
            position = shard.first
        return {"ShardIterator": _iterator(stream, position)}

    def _get_records(self, parameter: Any) -> dict[str, Any]:
        arn, position = _read_iterator(str(parameter("ShardIterator")))
        stream = self._stream(arn)
        stream.log.trim(self._logs.now())
        if position < stream.shard.first:
            position = stream.shard.first
        records = stream.shard.read(position, min(int(parameter("Limit") or RECORDS_MAX), RECORDS_MAX))
        answer: dict[str, Any] = {"Records": [_as_api(record) for record in records]}
        if not (stream.shard.is_closed and position + len(records) >= stream.shard.end):
            answer["NextShardIterator"] = _iterator(stream, position + len(records))
        return answer


def _shard(shard: ShardLog) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": shard.starting_sequence_number}
    if shard.is_closed:
        numbers["EndingSequenceNumber"] = shard.last_sequence_number or shard.starting_sequence_number
    return {"ShardId": shard.id, "SequenceNumberRange": numbers}


def _iterator(stream: TableStream, position: int) -> str:
    place = base64.b64encode(f"{stream.shard.id}:{position}".encode()).decode()
    return f"{stream.log.arn}|1|{place}"


def _read_iterator(text: str) -> tuple[str, int]:
    arn, _, place = text.partition("|1|")
    try:
        return arn, int(base64.b64decode(place).decode().rpartition(":")[2])
    except (ValueError, binascii.Error):
        raise AwsError(VALIDATION, "Invalid ShardIterator") from None


def _as_api(record: StreamRecord) -> dict[str, Any]:
    """A record as the SDKs read it: binary values as bytes, the time as a moment."""
    event = record.event
    told = event["dynamodb"]
    told["ApproximateCreationDateTime"] = datetime.fromtimestamp(told["ApproximateCreationDateTime"], UTC)
    for name in ("Keys", "NewImage", "OldImage"):
        if name in told:
            told[name] = {key: _with_bytes(value) for key, value in told[name].items()}
    return event


def _with_bytes(value: Mapping[str, Any]) -> dict[str, Any]:
    kind, content = next(iter(value.items()))
    if kind == "B":
        return {kind: base64.b64decode(content)}
    if kind == "BS":
        return {kind: [base64.b64decode(one) for one in content]}
    if kind == "L":
        return {kind: [_with_bytes(one) for one in content]}
    if kind == "M":
        return {kind: {name: _with_bytes(one) for name, one in content.items()}}
    return dict(value)
