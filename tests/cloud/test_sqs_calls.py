"""SQS through boto3: messages, hidden and delayed ones on the lab's clock, FIFO queues, redrive."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud


class Lab:
    """The cloud whose clock the tests step, and queues of a test's own."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.sqs = cloud.client("sqs")

    def queue(self, suffix: str = "", **attributes: str) -> str:
        """The URL of a new queue."""
        name = f"q-{uuid.uuid4().hex[:8]}{suffix}"
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def fifo(self, **attributes: str) -> str:
        return self.queue(".fifo", FifoQueue="true", **attributes)

    def step(self, seconds: float) -> None:
        """Let lab time pass at once."""
        body = json.dumps({"step": seconds}).encode()
        headers = self.cloud.signed_headers("PUT", "/_lab/clock", body=body)
        assert self.cloud.ask("PUT", "/_lab/clock", body, headers)[0] == 200

    def receive(self, url: str, **settings: Any) -> list[dict[str, Any]]:
        wanted = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        answer = self.sqs.receive_message(QueueUrl=url, **{**wanted, **settings})
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def bodies(self, url: str, **settings: Any) -> list[str]:
        return [message["Body"] for message in self.receive(url, **settings)]

    def counts(self, url: str) -> tuple[int, int, int]:
        """Visible, hidden, delayed."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        names = ("", "NotVisible", "Delayed")
        visible, hidden, delayed = (int(attributes[f"ApproximateNumberOfMessages{name}"]) for name in names)
        return visible, hidden, delayed


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A cloud of its own: its clock is stepped."""
    running = Cloud()
    yield Lab(running)
    running.end()


def test_message_comes_as_it_was_sent(lab: Lab) -> None:
    """Body, attributes of both kinds, checksums, and what the system tells of it."""
    url = lab.queue()
    attributes = {
        "Title": {"DataType": "String", "StringValue": "x"},
        "Count": {"DataType": "Number.int", "StringValue": "6"},
        "Raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = lab.sqs.send_message(QueueUrl=url, MessageBody="grüße", MessageAttributes=attributes)
    (message,) = lab.receive(url)
    assert (message["Body"], message["MessageId"]) == ("grüße", sent["MessageId"])
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == hashlib.md5("grüße".encode()).hexdigest()
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    system = message["Attributes"]
    assert set(system) == {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert system["ApproximateReceiveCount"] == "1"


def test_receiver_gets_the_attributes_that_it_names(lab: Lab) -> None:
    """By name, by prefix, or none."""
    url = lab.queue(VisibilityTimeout="0")
    names = ("a.x", "a.y", "b")
    attributes = {name: {"DataType": "String", "StringValue": "1"} for name in names}
    lab.sqs.send_message(QueueUrl=url, MessageBody="m", MessageAttributes=attributes)

    def shown(wanted: list[str]) -> list[str]:
        (message,) = lab.receive(url, MessageAttributeNames=wanted, AttributeNames=[])
        assert "Attributes" not in message
        return sorted(message.get("MessageAttributes", {}))

    assert shown([]) == []
    assert shown(["b"]) == ["b"]
    assert shown(["a.*"]) == ["a.x", "a.y"]
    assert shown([".*"]) == list(names)


def test_visibility_and_delay_run_on_the_labs_clock(lab: Lab) -> None:
    """A step of the clock shows hidden and delayed messages; counts follow."""
    url = lab.queue(VisibilityTimeout="600")
    lab.sqs.send_message(QueueUrl=url, MessageBody="now")
    lab.sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=300)
    assert lab.bodies(url) == ["now"]
    assert lab.counts(url) == (0, 1, 1)
    lab.step(301)
    assert lab.counts(url) == (1, 1, 0)
    assert lab.bodies(url) == ["later"]
    lab.step(300)
    (message,) = lab.receive(url)
    assert (message["Body"], message["Attributes"]["ApproximateReceiveCount"]) == ("now", "2")


def test_visibility_can_be_changed_and_a_message_deleted(lab: Lab) -> None:
    """One by one and in batches."""
    url = lab.queue(VisibilityTimeout="600")
    lab.sqs.send_message_batch(
        QueueUrl=url, Entries=[{"Id": body, "MessageBody": body} for body in ("a", "b", "c")]
    )
    handles = {message["Body"]: message["ReceiptHandle"] for message in lab.receive(url)}
    lab.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handles["a"], VisibilityTimeout=0)
    answer = lab.sqs.change_message_visibility_batch(
        QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": handles["b"], "VisibilityTimeout": 0}]
    )
    assert answer["Successful"] == [{"Id": "1"}]
    assert sorted(lab.bodies(url)) == ["a", "b"]
    entries = [{"Id": "c", "ReceiptHandle": handles["c"]}, {"Id": "x", "ReceiptHandle": "nonsense"}]
    answer = lab.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["c"]
    assert [(one["Id"], one["Code"]) for one in answer["Failed"]] == [("x", "ReceiptHandleIsInvalid")]
    assert lab.counts(url) == (0, 2, 0)


def test_fifo_queue_keeps_the_order_of_each_group(lab: Lab) -> None:
    """A group is closed while one of its messages is out; others are not."""
    url = lab.fifo(ContentBasedDeduplication="true", VisibilityTimeout="600")
    for body in ("a1", "a2", "b1"):
        lab.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=body[0])
    (first,) = lab.receive(url, MaxNumberOfMessages=1)
    assert (first["Body"], first["Attributes"]["MessageGroupId"]) == ("a1", "a")
    assert lab.bodies(url) == ["b1"]
    lab.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    (second,) = lab.receive(url)
    assert second["Body"] == "a2"
    numbers = [message["Attributes"]["SequenceNumber"] for message in (first, second)]
    assert numbers == sorted(numbers)
    assert {len(number) for number in numbers} == {20}


def test_duplicates_are_dropped_for_five_minutes(lab: Lab) -> None:
    """A duplicate is answered as the message that it repeats."""
    url = lab.fifo()
    message = {"QueueUrl": url, "MessageBody": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    first, again = lab.sqs.send_message(**message), lab.sqs.send_message(**message)
    assert again["MessageId"] == first["MessageId"]
    assert again["SequenceNumber"] == first["SequenceNumber"]
    assert lab.counts(url) == (1, 0, 0)
    lab.step(301)
    assert lab.sqs.send_message(**message)["MessageId"] != first["MessageId"]
    assert lab.counts(url) == (2, 0, 0)


def test_message_goes_to_the_dead_letter_queue_after_maxreceivecount(lab: Lab) -> None:
    """The next receive does not get it; the other queue says where it comes from."""
    dead = lab.queue()
    arn = lab.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    url = lab.queue(VisibilityTimeout="0", RedrivePolicy=policy)
    lab.sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert [lab.bodies(url), lab.bodies(url), lab.bodies(url)] == [["poison"], ["poison"], []]
    (message,) = lab.receive(dead)
    assert (message["Body"], message["Attributes"]["ApproximateReceiveCount"]) == ("poison", "3")
    assert message["Attributes"]["DeadLetterQueueSourceArn"].endswith(url.rpartition("/")[2])


def test_message_expires_with_the_retention_period(lab: Lab) -> None:
    """In lab time."""
    url = lab.queue(MessageRetentionPeriod="60")
    lab.sqs.send_message(QueueUrl=url, MessageBody="old")
    lab.step(61)
    assert lab.bodies(url) == []


def test_purge_empties_a_queue(lab: Lab) -> None:
    """Of hidden messages too."""
    url = lab.queue()
    lab.sqs.send_message(QueueUrl=url, MessageBody="a")
    lab.receive(url)
    lab.sqs.send_message(QueueUrl=url, MessageBody="b")
    lab.sqs.purge_queue(QueueUrl=url)
    assert lab.counts(url) == (0, 0, 0)


def test_a_queue_is_purged_once_a_minute(lab: Lab) -> None:
    """Of lab time; the queue keeps its messages at a refusal."""
    url = lab.queue()
    lab.sqs.purge_queue(QueueUrl=url)
    lab.sqs.send_message(QueueUrl=url, MessageBody="a")
    with pytest.raises(lab.sqs.exceptions.PurgeQueueInProgress) as refused:
        lab.sqs.purge_queue(QueueUrl=url)
    error = refused.value.response["Error"]
    assert error["Code"] == "AWS.SimpleQueueService.PurgeQueueInProgress"
    assert error["Message"].endswith(" is allowed every 60 seconds.")
    assert lab.counts(url) == (1, 0, 0)
    lab.step(61)
    lab.sqs.purge_queue(QueueUrl=url)
    assert lab.counts(url) == (0, 0, 0)


def test_a_queues_times_are_whole_seconds(lab: Lab) -> None:
    """As AWS shows them."""
    attributes = lab.sqs.get_queue_attributes(QueueUrl=lab.queue(), AttributeNames=["All"])["Attributes"]
    assert attributes["CreatedTimestamp"].isdigit()
    assert attributes["LastModifiedTimestamp"].isdigit()


def test_long_poll_ends_when_a_delayed_message_comes(lab: Lab) -> None:
    """And not before; the wait itself is real."""
    url = lab.queue(ReceiveMessageWaitTimeSeconds="10")
    lab.sqs.send_message(QueueUrl=url, MessageBody="m", DelaySeconds=1)
    assert lab.bodies(url) == ["m"]


def test_trace_header_of_the_request_goes_with_the_message(lab: Lab) -> None:
    """As AWS does for senders that trace; one that the sender gives is kept."""
    url = lab.queue()
    header = "Root=1-5759e988-bd862e3fe1be46a994272793"
    system = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
    lab.sqs.send_message(QueueUrl=url, MessageBody="own", MessageSystemAttributes=system)
    entries = [{"Id": "1", "MessageBody": "batch", "MessageSystemAttributes": system}]
    lab.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    body = json.dumps({"QueueUrl": url, "MessageBody": "request"}).encode()
    headers = lab.cloud.signed_headers("POST", "/", service="sqs", body=body)
    json_headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
    status, _, _ = lab.cloud.ask("POST", "/", body, {**headers, **json_headers, "X-Amzn-Trace-Id": header})
    assert status == 200
    found = {message["Body"]: message["Attributes"].get("AWSTraceHeader") for message in lab.receive(url)}
    assert found == {"own": header, "batch": header, "request": header}


def test_query_protocol_reaches_the_same_messages(lab: Lab) -> None:
    """Older SDKs and the first version of the command line still speak it."""
    url = lab.queue()
    body = urlencode(
        {"Action": "SendMessage", "Version": "2012-11-05", "QueueUrl": url, "MessageBody": "form"}
    ).encode()
    headers = lab.cloud.signed_headers("POST", "/", service="sqs", body=body)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    status, _, answer = lab.cloud.ask("POST", "/", body, headers)
    assert (status, b"<MessageId>" in answer) == (200, True)
    assert lab.bodies(url) == ["form"]


Refused = Callable[[Lab], Any]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (
            lambda lab: lab.sqs.send_message(QueueUrl=f"{lab.queue()}-missing", MessageBody="m"),
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (
            lambda lab: lab.sqs.send_message(QueueUrl=lab.queue(), MessageBody="m", DelaySeconds=901),
            "InvalidParameterValue",
        ),
        (lambda lab: lab.sqs.send_message(QueueUrl=lab.fifo(), MessageBody="m"), "MissingParameter"),
        (
            lambda lab: lab.sqs.send_message(QueueUrl=lab.fifo(), MessageBody="m", MessageGroupId="g"),
            "InvalidParameterValue",
        ),
        (
            lambda lab: lab.sqs.send_message(
                QueueUrl=lab.queue(),
                MessageBody="m",
                MessageAttributes={"a": {"DataType": "Nothing", "StringValue": "x"}},
            ),
            "InvalidParameterValue",
        ),
        (
            lambda lab: lab.sqs.send_message_batch(
                QueueUrl=lab.queue(),
                Entries=[{"Id": "1", "MessageBody": "a"}, {"Id": "1", "MessageBody": "b"}],
            ),
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            lambda lab: lab.sqs.receive_message(QueueUrl=lab.queue(), MaxNumberOfMessages=11),
            "InvalidParameterValue",
        ),
        (
            lambda lab: lab.sqs.delete_message(QueueUrl=lab.queue(), ReceiptHandle="nonsense"),
            "ReceiptHandleIsInvalid",
        ),
    ],
)
def test_what_is_wrong_is_refused(lab: Lab, call: Refused, code: str) -> None:
    """With AWS's codes, whoever answers."""
    with pytest.raises(ClientError) as refused:
        call(lab)
    assert refused.value.response["Error"]["Code"] == code


def test_text_that_is_no_handle_is_shown(lab: Lab) -> None:
    """By every call that takes one, alone or in a batch."""
    url, handle = lab.queue(), {"ReceiptHandle": "nonsense"}
    expected = 'The input receipt handle "nonsense" is not a valid receipt handle.'
    with pytest.raises(ClientError, match=expected):
        lab.sqs.delete_message(QueueUrl=url, **handle)
    with pytest.raises(ClientError, match=expected):
        lab.sqs.change_message_visibility(QueueUrl=url, VisibilityTimeout=1, **handle)
    (failed,) = lab.sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "1", **handle}])["Failed"]
    assert failed["Message"] == expected
    entries = [{"Id": "1", "VisibilityTimeout": 1, **handle}]
    (failed,) = lab.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)["Failed"]
    assert failed["Message"] == expected


def test_handle_of_a_deleted_message_hides_nothing(lab: Lab) -> None:
    """AWS's text for a message that is not in flight."""
    url = lab.queue()
    lab.sqs.send_message(QueueUrl=url, MessageBody="m")
    (message,) = lab.receive(url)
    handle = message["ReceiptHandle"]
    lab.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    with pytest.raises(ClientError, match="Message does not exist or is not available"):
        lab.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=1)
