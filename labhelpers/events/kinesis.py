"""The records of a Kinesis stream as a function receives them, and their sequence numbers. Pure.

Called by `cloud.moto_bridge_kinesis`; the filters of `triggers.streams` see a record as `filter_view` shows it.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import orjson

from labhelpers.events.stream_log import StreamRecord

# AWS: numbers of 56 digits, whose meaning it does not tell; here too they begin with 49 and grow with time.
_SEQUENCE_BASE = 1 << 185


def sequence_number(at: float, count: int, shard: int) -> int:
    """The sequence number of a stream's record number `count`, which arrived at epoch second `at` in a shard."""
    return _SEQUENCE_BASE + (int(at * 1000) << 100) + (count << 36) + (shard << 4) + 2


def stream_record(
    *, shard_id: str, partition_key: str, number: str, data: str, at: float, region: str
) -> StreamRecord:
    """A record. `data` is base64 text; `at` epoch seconds, of which AWS shows milliseconds."""
    event = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": partition_key,
            "sequenceNumber": number,
            "data": data,
            "approximateArrivalTimestamp": round(at, 3),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{number}",
        "eventName": "aws:kinesis:record",
        "awsRegion": region,
    }
    return StreamRecord(number, at, partition_key, orjson.dumps(event))


def filter_view(event: Mapping[str, Any]) -> dict[str, Any]:
    """What a filter's pattern sees of a record: its data as JSON under `data`, and what else it carries.

    Data that is no JSON is left out: patterns about it do not match, and AWS drops the record.
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html
    """
    record = event["kinesis"]
    view = {**event, **{name: value for name, value in record.items() if name != "data"}}
    try:
        view["data"] = json.loads(base64.b64decode(record["data"]))
    except (ValueError, binascii.Error):
        view.pop("data", None)
    return view
