"""Answers of the query protocol as JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cloud.query_json import as_json

METADATA = "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
META = {"RequestId": "r"}


def answer(action: str, result: str) -> bytes:
    """An answer's XML."""
    inner = f"<{action}Result>{result}</{action}Result>" if result else ""
    return f'<{action}Response xmlns="http://x/">{inner}{METADATA}</{action}Response>'.encode()


@pytest.mark.parametrize(
    ("service", "action", "xml", "expected"),
    [
        (
            "sqs",
            "SendMessage",
            "<MD5OfMessageBody>a</MD5OfMessageBody><MessageId>m</MessageId>",
            {
                "MD5OfMessageAttributes": None,
                "MD5OfMessageBody": "a",
                "MD5OfMessageSystemAttributes": None,
                "MessageId": "m",
                "SequenceNumber": None,
            },
        ),
        ("sns", "Publish", "<MessageId>m</MessageId>", {"MessageId": "m", "SequenceNumber": None}),
        (
            "sns",
            "ListTopics",
            "<Topics><member><TopicArn>a</TopicArn></member></Topics>",
            {"NextToken": None, "Topics": [{"TopicArn": "a"}]},
        ),
        (
            "sns",
            "GetTopicAttributes",
            "<Attributes><entry><key>Owner</key><value>1</value></entry></Attributes>",
            {"Attributes": {"Owner": "1"}},
        ),
        (
            "sqs",
            "ListQueues",
            "<QueueUrl>a</QueueUrl><QueueUrl>b</QueueUrl>",
            {"NextToken": None, "QueueUrls": ["a", "b"]},
        ),
    ],
)
def test_answer_has_all_members_in_order(
    service: str, action: str, xml: str, expected: dict[str, Any]
) -> None:
    """Those that are absent are null."""
    made = as_json(service, answer(action, xml))
    assert made is not None
    assert json.loads(made) == {f"{action}Response": {f"{action}Result": expected, "ResponseMetadata": META}}
    assert list(json.loads(made)[f"{action}Response"][f"{action}Result"]) == sorted(expected)


def test_messages_are_received_as_lists() -> None:
    """AWS writes `messages` in lower case, null when there are none, and attributes as names and values."""
    xml = "<Message><Body>b</Body><Attribute><Name>SenderId</Name><Value>1</Value></Attribute></Message>"
    made = json.loads(as_json("sqs", answer("ReceiveMessage", xml)) or b"")
    (message,) = made["ReceiveMessageResponse"]["ReceiveMessageResult"]["messages"]
    assert (message["Body"], message["ReceiptHandle"]) == ("b", None)
    assert message["Attributes"] == [{"Name": "SenderId", "Value": "1"}]
    none = json.loads(as_json("sqs", answer("ReceiveMessage", " ")) or b"")
    assert none["ReceiveMessageResponse"]["ReceiveMessageResult"] == {"messages": None}


def test_answer_without_a_result_has_its_request_id() -> None:
    """Actions that give nothing."""
    made = json.loads(as_json("sqs", answer("DeleteMessage", "")) or b"")
    assert made == {"DeleteMessageResponse": {"ResponseMetadata": META}}


def test_error_stands_by_itself() -> None:
    """Without the name of its frame."""
    xml = (
        "<Error><Type>Sender</Type><Code>NotFound</Code><Message>no</Message></Error><RequestId>r</RequestId>"
    )
    made = as_json("sns", f"<ErrorResponse>{xml}</ErrorResponse>".encode())
    assert made == b'{"Error":{"Code":"NotFound","Message":"no","Type":"Sender"},"RequestId":"r"}'


@pytest.mark.parametrize("xml", [b"<Topics/>", b"<FlyResponse/>", b"<", b"{}", b"", b"<ListBucketResult/>"])
def test_other_text_is_none(xml: bytes) -> None:
    """It stays what it is."""
    assert as_json("sns", xml) is None


@given(st.text(max_size=40))
def test_any_text_becomes_json_or_none(text: str) -> None:
    """Nothing raises."""
    made = as_json("sqs", text.encode("utf-8", "replace"))
    assert made is None or json.loads(made)
