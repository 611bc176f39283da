"""What the journal says of a call."""

import pytest

from labhelpers.cloud.call_notes import destination, entries, query_action

ACCOUNT = "123456789012"
HERE = "us-east-1:123456789012"
INNER = b'{"Entries": [{"Detail": "{\\"EventBusName\\": \\"no\\"}"}]}'
BY_ARN = b'{"Entries": [{"EventBusName": "arn:aws:events:a:1:event-bus/b"}]}'
SEND = b'{"QueueUrl": "http://127.0.0.1:1/123456789012/q", "MessageBody": "m"}'
TOPIC = b"TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A1%3At"


@pytest.mark.parametrize(
    ("service", "operation", "body", "expected"),
    [
        ("sns", "Publish", b"Action=Publish&" + TOPIC + b"&Message=m", "arn:aws:sns:us-east-1:1:t"),
        ("sns", "Publish", b"Action=Publish&PhoneNumber=1", ""),
        ("sqs", "SendMessage", SEND, f"arn:aws:sqs:{HERE}:q"),
        ("sqs", "ReceiveMessage", SEND, ""),
        ("events", "PutEvents", INNER, f"arn:aws:events:{HERE}:event-bus/default"),
        ("events", "PutEvents", b'{"Entries": [{"EventBusName": "shop"}]}', f"arn:aws:events:{HERE}:event-bus/shop"),
        ("events", "PutEvents", BY_ARN, "arn:aws:events:a:1:event-bus/b"),
        ("dynamodb", "PutItem", b'{"TableName":"seen","Item":{}}', f"arn:aws:dynamodb:{HERE}:table/seen"),
        ("kinesis", "PutRecord", b'{"StreamName":"s"}', f"arn:aws:kinesis:{HERE}:stream/s"),
        ("kinesis", "PutRecord", b"{}", ""),
    ],
)  # fmt: skip
def test_destination_is_the_arn_of_what_is_written_to(
    service: str, operation: str, body: bytes, expected: str
) -> None:
    """By the call's own member, not by one inside what is sent; reading calls have none."""
    assert destination(service, operation, body, "us-east-1", ACCOUNT) == expected


def test_query_action_is_found_wherever_it_stands() -> None:
    """boto3 puts it first, others may not."""
    assert query_action(b"Action=Publish&Message=Action") == "Publish"
    assert query_action(b"Message=" + b"x" * 9000 + b"&Action=Publish") == "Publish"
    assert query_action(b"ReAction=Publish") == ""


@pytest.mark.parametrize(
    ("operation", "body", "number"),
    [
        ("SendMessageBatch", b'{"Entries":[{"MessageBody":"a"},{"MessageBody":"{\\"MessageBody\\":1}"}]}', 2),
        ("PublishBatch", b"Action=PublishBatch&PublishBatchRequestEntries.member.1.Id=a", 1),
        ("PutEvents", b'{"Entries": [{"DetailType": "a"}, {"DetailType": "b"}, {"DetailType": "c"}]}', 3),
        ("SendMessage", b'{"MessageBody": "a"}', 1),
    ],
)
def test_entries_of_a_batch_are_counted(operation: str, body: bytes, number: int) -> None:
    """Not what is named alike inside of them."""
    assert entries(operation, body) == number
