"""The records of a DynamoDB table's stream: what a change of an item looks like, and how large it is. Pure.

Called by `cloud.moto_bridge_dynamodb`, which sees the changes.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
     https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html (the event)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from labhelpers.events.stream_log import StreamRecord

Image = Mapping[str, Any]

# AWS tells a deletion by time to live from a user's by this.
TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}

_NEW = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
_OLD = ("OLD_IMAGE", "NEW_AND_OLD_IMAGES")


@dataclass(frozen=True, slots=True)
class ItemChange:
    """An item before and after a write, in DynamoDB's JSON; None where it did not or does not exist.

    `keys` are its key attributes; `at` is epoch seconds; `expired`: deleted by time to live.
    """

    keys: Image
    old: Image | None
    new: Image | None
    at: float
    expired: bool = False

    @property
    def name(self) -> str:
        """INSERT, MODIFY or REMOVE; "" where nothing has changed, of which AWS makes no record."""
        if self.old == self.new:
            return ""
        if self.old is None:
            return "INSERT"
        return "REMOVE" if self.new is None else "MODIFY"


def stream_record(
    change: ItemChange, *, view_type: str, region: str, sequence_number: str, event_id: str
) -> StreamRecord:
    """The record of a change. `view_type` is the stream's: KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES."""
    images: dict[str, Image] = {"Keys": change.keys}
    if view_type in _NEW and change.new is not None:
        images["NewImage"] = change.new
    if view_type in _OLD and change.old is not None:
        images["OldImage"] = change.old
    event: dict[str, Any] = {
        "eventID": event_id,
        "eventName": change.name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": {
            # AWS: whole seconds, written as a float.
            "ApproximateCreationDateTime": float(int(change.at)),
            **images,
            "SequenceNumber": sequence_number,
            "SizeBytes": sum(map(item_bytes, images.values())),
            "StreamViewType": view_type,
        },
    }
    if change.expired:
        event["userIdentity"] = TTL_IDENTITY
    return StreamRecord(
        sequence_number, change.at, json.dumps(change.keys, sort_keys=True), orjson.dumps(event)
    )


def sequence_number(count: int, base: int) -> str:
    """The sequence number of a shard's record number `count` (from 1): 21 digits or more, growing.

    `base` makes those of one shard its own. AWS: says only that they are unique and grow within a shard.
    """
    return str(count * 10**20 + base * 100 + count)


def item_bytes(item: Image) -> int:
    """The size of attributes in bytes: their names in UTF-8, and their values.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Image) -> int:
    kind, content = next(iter(value.items()))
    if kind == "S":
        return len(str(content).encode())
    if kind == "N":
        return number_bytes(str(content))
    if kind == "B":
        return _binary_bytes(content)
    if kind in ("SS", "NS", "BS"):
        return sum(_value_bytes({kind[0]: one}) for one in content)
    if kind == "L":  # Lists and maps cost 3 bytes, and 1 for each thing in them.
        return 3 + sum(1 + _value_bytes(one) for one in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_bytes(one) for name, one in content.items())
    return 1  # BOOL and NULL.


def number_bytes(text: str) -> int:
    """About 1 byte for two significant digits, and 1; one more below zero. AWS calls it approximate."""
    mantissa = text.lower().partition("e")[0]
    digits = mantissa.lstrip("+-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + mantissa.startswith("-")


def _binary_bytes(content: Any) -> int:
    if isinstance(content, bytes):
        return len(content)
    return len(base64.b64decode(str(content)))
