"""What Lambda hands a function for messages of a queue, which of them a filter lets through, and what the answer means.

Pure. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, services-sqs-filtering.html,
services-sqs-errorhandling.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from labhelpers.events.pattern import EventPattern, compile_pattern

TRACE_HEADER = "AWSTraceHeader"


@dataclass(frozen=True, slots=True)
class SqsMessage:
    """A message as a consumer has received it.

    `attributes` are the system's, all text; `message_attributes` the sender's, as SQS has them (`DataType`,
    `StringValue`, `BinaryValue` in bytes); `attributes_md5` is empty without any. `size` is what counts for payloads.
    """

    id: str
    receipt_handle: str
    body: str
    body_md5: str
    attributes: Mapping[str, str]
    message_attributes: Mapping[str, Mapping[str, Any]]
    attributes_md5: str = ""

    @property
    def size(self) -> int:
        """At least the bytes that its record takes."""
        own = sum(len(name) + len(repr(value)) for name, value in self.message_attributes.items())
        return _encoded_size(self.body) + own + len(self.receipt_handle) + RECORD_OVERHEAD


# Everything in a record but the body, the receipt handle and the sender's attributes.
RECORD_OVERHEAD = 1_200


def _encoded_size(text: str) -> int:
    """Bytes of a text within JSON: quotes and backslashes take two, control characters six."""
    if text.isascii() and text.isprintable():
        return len(text) + text.count('"') + text.count("\\")
    return len(orjson.dumps(text))


def record(message: SqsMessage, arn: str, region: str, *, windowed: bool = False) -> dict[str, Any]:
    """One of the event's Records. `windowed`: the mapping has a batching window.

    Recorded: with a window, a record without attributes has `md5OfMessageAttributes` null; without, it has none.
    """
    made: dict[str, Any] = {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": dict(message.attributes),
        "messageAttributes": {name: _attribute(value) for name, value in message.message_attributes.items()},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }
    if message.attributes_md5 or windowed:
        made["md5OfMessageAttributes"] = message.attributes_md5 or None
    return made


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if (text := value.get("StringValue")) is not None:
        made["stringValue"] = text
    if (binary := value.get("BinaryValue")) is not None:
        made["binaryValue"] = base64.b64encode(binary).decode() if isinstance(binary, bytes) else binary
    return made


def event(records: Sequence[Mapping[str, Any]]) -> bytes:
    """The event of a batch as JSON."""
    return orjson.dumps({"Records": records})


def compile_filter(patterns: Sequence[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a record passes one of the patterns; without patterns every one does.

    A pattern whose `body` has keys wants a body of JSON, one whose `body` lists texts a plain one; others are dropped.
    """
    compiled = [_one_filter(text) for text in patterns]
    return lambda made: not compiled or any(passes(made) for passes in compiled)


def _one_filter(text: str) -> Callable[[Mapping[str, Any]], bool]:
    pattern: EventPattern = compile_pattern(text)
    members = json.loads(text)  # orjson takes no half of a surrogate pair.
    wanted = members.get("body")

    def passes(made: Mapping[str, Any]) -> bool:
        body = _json_body(made["body"])
        if wanted is None:  # The alternatives of `$or` may still ask for a body, of either kind.
            return pattern.matches(made) or (
                "$or" in members and body is not None and pattern.matches({**made, "body": body})
            )
        if isinstance(wanted, dict) is (body is None):
            return False
        return pattern.matches(made if body is None else {**made, "body": body})

    return passes


def _json_body(text: str) -> Any:
    """The body as JSON, None if it is a plain text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def failed_items(payload: bytes, identifiers: Collection[str]) -> list[str] | None:
    """The items that a function's answer says have failed; None if the whole batch counts as failed.

    For functions of mappings with ReportBatchItemFailures, of queues and of streams. An empty answer and an empty list
    mean success; an answer that is no JSON object, and an item without identifier or that is not in the batch, failure.
    """
    try:
        answer = orjson.loads(payload) if payload.strip() else None
    except orjson.JSONDecodeError:
        return None
    if not answer:
        return []
    if not isinstance(answer, dict):
        return None
    items = answer.get("batchItemFailures")
    if items is None:
        return []
    if not isinstance(items, list):
        return None
    found: list[str] = []
    for item in items:
        identifier = item.get("itemIdentifier") if isinstance(item, dict) else None
        if not isinstance(identifier, str) or identifier not in identifiers:
            return None
        found.append(identifier)
    return found
