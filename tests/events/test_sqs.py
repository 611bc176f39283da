"""What a function gets of a queue's messages, what a filter lets through, what an answer means."""

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel

from labhelpers import limits
from labhelpers.events.sqs import SqsMessage, compile_filter, event, failed_items, record

ARN = "arn:aws:sqs:us-east-1:123456789012:q"
SYSTEM = {
    "ApproximateReceiveCount": "1",
    "SentTimestamp": "1700000000000",
    "SenderId": "AIDAIT2UOQQY3AUEKVGXU",
    "ApproximateFirstReceiveTimestamp": "1700000000001",
}


def message(body: str = "hello", **attributes: Any) -> SqsMessage:
    """A message with the sender's attributes."""
    return SqsMessage("m1", "handle", body, "5d41", SYSTEM, attributes, "md5" if attributes else "")


def made(body: str = "hello", **attributes: Any) -> dict[str, Any]:
    """The record of such a message."""
    return record(message(body, **attributes), ARN, "us-east-1")


def test_record_is_as_recorded_from_aws() -> None:
    """All members, and none that AWS leaves out of a message without attributes."""
    assert made() == {
        "messageId": "m1",
        "receiptHandle": "handle",
        "body": "hello",
        "attributes": SYSTEM,
        "messageAttributes": {},
        "md5OfBody": "5d41",
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN,
        "awsRegion": "us-east-1",
    }


def test_window_adds_an_empty_checksum() -> None:
    """Recorded: a mapping with a batching window tells of no attributes by a null."""
    windowed = record(message(), ARN, "us-east-1", windowed=True)
    assert windowed["md5OfMessageAttributes"] is None


def test_senders_attributes_are_spelled_as_lambda_does() -> None:
    """Small letters, lists that are always empty, bytes as Base64."""
    shown = made(
        Title={"DataType": "String", "StringValue": "x"},
        Raw={"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    )
    assert shown["messageAttributes"] == {
        "Title": {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "Raw": {"binaryValue": "AAE=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    assert shown["md5OfMessageAttributes"] == "md5"


def test_powertools_reads_the_event() -> None:
    """An independent model of AWS's event accepts ours."""
    payload = event([made('{"a": 1}', Title={"DataType": "String", "StringValue": "x"}), made()])
    assert [one.body for one in SqsModel.model_validate_json(payload).Records] == ['{"a": 1}', "hello"]


@pytest.mark.parametrize("body", ["x" * 1000, '"\\' * 500, "\x01" * 300, "ü€😀" * 300, ""])
def test_size_is_never_less_than_the_record(body: str) -> None:
    """A batch that is counted as small enough is small enough."""
    handle = "h" * 250
    whole = SqsMessage("m" * 36, handle, body, "0" * 32, {**SYSTEM, "AWSTraceHeader": "R" * 200}, {}, "")
    assert len(event([record(whole, ARN, "us-east-1")])) <= whole.size < limits.SYNC_PAYLOAD_BYTES_MAX


BODY = {"body": {"kind": ["cat"]}}
PLAIN = {"body": ["hello"]}
METADATA = {"messageAttributes": {"Title": {"stringValue": ["x"]}}}


@pytest.mark.parametrize(
    ("patterns", "shown", "passes"),
    [
        ([], made(), True),
        ([BODY], made('{"kind": "cat"}'), True),
        ([BODY], made('{"kind": "dog"}'), False),
        ([BODY], made("cat"), False),
        ([BODY], made("{broken"), False),
        ([PLAIN], made("hello"), True),
        ([PLAIN], made("bye"), False),
        ([PLAIN], made('{"hello": 1}'), False),
        ([METADATA], made(Title={"DataType": "String", "StringValue": "x"}), True),
        ([METADATA], made('{"kind": "cat"}'), False),
        ([BODY, PLAIN], made("hello"), True),
        ([{"$or": [BODY, METADATA]}], made('{"kind": "cat"}'), True),
        ([{"$or": [BODY, METADATA]}], made('{"kind": "dog"}'), False),
        ([{"body": {"n": [{"numeric": [">", 100]}]}}], made('{"n": 101}'), True),
        ([{"body": {"kind": [{"exists": False}]}}], made("{}"), True),
    ],
)
def test_filter(patterns: list[Any], shown: dict[str, Any], passes: bool) -> None:
    """One fitting pattern is enough; patterns for JSON and for plain bodies drop what is of the other kind."""
    assert compile_filter([json.dumps(one) for one in patterns])(shown) is passes


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"", []),
        (b"null", []),
        (b"{}", []),
        (b'""', []),
        (b"[]", []),
        (b'{"batchItemFailures": null}', []),
        (b'{"batchItemFailures": []}', []),
        (b'{"other": 1}', []),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', ["a"]),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}', ["a", "b"]),
        (b'{"batchItemFailures": [{"itemIdentifier": "z"}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', None),
        (b'{"batchItemFailures": [{"foo": "a"}]}', None),
        (b'{"batchItemFailures": ["a"]}', None),
        (b'{"batchItemFailures": "a"}', None),
        (b'"done"', None),
        (b"not json", None),
    ],
)
def test_batch_item_failures(answer: bytes, failed: list[str] | None) -> None:
    """Nothing named means success; what cannot be understood fails the whole batch."""
    assert failed_items(answer, {"a", "b"}) == failed
