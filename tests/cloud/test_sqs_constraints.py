"""What SQS refuses and moto would take."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labhelpers.cloud.sqs_constraints import check
from labhelpers.errors import AwsError

URL = "http://127.0.0.1:1/123456789012/q"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"


def refusal(operation: str, **fields: Any) -> tuple[str, str]:
    """Code and text of the refusal; both empty if the call may go on. There are the queues `dead` and `dead.fifo`."""
    try:
        check(operation, {"QueueUrl": URL, **fields}, lambda arn: arn in (DEAD, f"{DEAD}.fifo"))
    except AwsError as error:
        return error.code, error.message
    return "", ""


@pytest.mark.parametrize(
    ("operation", "fields", "code", "words"),
    [
        ("SendMessage", {"MessageBody": ""}, "MissingParameter", "must contain the parameter MessageBody"),
        ("SendMessage", {"MessageBody": "a\x01"}, "InvalidMessageContents", "Invalid characters found"),
        (
            "SendMessage",
            {"MessageBody": "a", "MessageDeduplicationId": "d"},
            "InvalidParameterValue",
            "Value d for parameter MessageDeduplicationId is invalid. Reason: The request include parameter",
        ),
        (
            "ReceiveMessage",
            {"AttributeNames": ["All", "Foo"]},
            "InvalidAttributeName",
            "Unknown Attribute Foo.",
        ),
        ("ReceiveMessage", {"AttributeNames": ["QueueArn", "SenderId"]}, "", ""),
        (
            "ReceiveMessage",
            {"MessageSystemAttributeNames": ["QueueArn"]},
            "InvalidAttributeName",
            "Unknown Attribute QueueArn.",
        ),
        ("ReceiveMessage", {"MessageSystemAttributeNames": ["AWSTraceHeader", "All"]}, "", ""),
        (
            "SendMessageBatch",
            {"Entries": [{"Id": "1", "MessageBody": "fine"}, {"Id": "2", "MessageBody": "\x00"}]},
            "InvalidMessageContents",
            "Invalid characters found",
        ),
        ("ReceiveMessage", {"MaxNumberOfMessages": 11}, "InvalidParameterValue", "Must be between 1 and 10"),
        ("ReceiveMessage", {"WaitTimeSeconds": 21}, "InvalidParameterValue", "Must be >= 0 and <= 20"),
        ("ReceiveMessage", {"VisibilityTimeout": -1}, "InvalidParameterValue", "Must be between 0 and 43200"),
        (
            "ChangeMessageVisibility",
            {"VisibilityTimeout": 43_201},
            "InvalidParameterValue",
            "Must be between 0 and 43200",
        ),
        ("CreateQueue", {"Attributes": {"Bogus": "1"}}, "InvalidAttributeName", "Unknown Attribute Bogus."),
        (
            "SetQueueAttributes",
            {"Attributes": {"VisibilityTimeout": "43201"}},
            "InvalidAttributeValue",
            "Invalid value for the parameter VisibilityTimeout.",
        ),
        ("CreateQueue", {"Attributes": {"DelaySeconds": "soon"}}, "InvalidAttributeValue", "DelaySeconds"),
        ("ListQueues", {"MaxResults": 0}, "InvalidParameterValue", "must be an integer between 1 and 1000."),
        ("CreateQueue", {"QueueName": "q.fifo"}, "InvalidParameterValue", "Can only include alphanumeric"),
        (
            "CreateQueue",
            {"QueueName": "q", "Attributes": {"FifoQueue": "false"}},
            "InvalidAttributeName",
            "Unknown Attribute FifoQueue.",
        ),
        (
            "SetQueueAttributes",
            {"Attributes": {"FifoQueue": "true"}},
            "InvalidAttributeName",
            "Unknown Attribute FifoQueue.",
        ),
        (
            "SetQueueAttributes",
            {"QueueUrl": f"{URL}.fifo", "Attributes": {"FifoQueue": "false"}},
            "InvalidAttributeValue",
            "Modifying queue type is not supported.",
        ),
        (
            "SetQueueAttributes",
            {"Attributes": {"Policy": "x"}},
            "InvalidAttributeValue",
            "Invalid value for the parameter Policy.",
        ),
        (
            "SendMessage",
            {"QueueUrl": f"{URL}.fifo", "MessageBody": "a", "MessageGroupId": "g g"},
            "InvalidParameterValue",
            "Value g g for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include",
        ),
    ],
)
def test_what_sqs_refuses(operation: str, fields: dict[str, Any], code: str, words: str) -> None:
    """With its code and its words."""
    found = refusal(operation, **fields)
    assert found[0] == code
    assert words in found[1]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"k": {"StringValue": "a"}}, "The message attribute 'k' must contain a non-empty attribute type."),
        (
            {"k": {"DataType": "String", "StringValue": ""}},
            "Message (user) attribute 'k' must contain a non-empty value of type 'String'.",
        ),
        (
            {"k": {"DataType": "Binary"}},
            "Message (user) attribute 'k' must contain a non-empty value of type 'Binary'.",
        ),
        (
            {"k": {"DataType": "Number", "StringValue": "abc"}},
            "Can't cast the value of message (user) attribute 'k' to a number.",
        ),
        (
            {f"k{number}": {"DataType": "String", "StringValue": "a"} for number in range(11)},
            "Number of message attributes [11] exceeds the allowed maximum [10].",
        ),
    ],
)
def test_message_attributes_have_a_type_and_a_value(attributes: Any, words: str) -> None:
    """In single messages and in a batch's."""
    entry = {"Id": "1", "MessageBody": "a", "MessageAttributes": attributes}
    assert refusal("SendMessage", **entry) == ("InvalidParameterValue", words)
    assert refusal("SendMessageBatch", Entries=[entry]) == ("InvalidParameterValue", words)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("nonsense", "Redrive policy is not a valid JSON map."),
        ({"deadLetterTargetArn": DEAD}, "does not contain mandatory attribute: maxReceiveCount."),
        ({"maxReceiveCount": 1}, "does not contain mandatory attribute: deadLetterTargetArn."),
        (
            {"deadLetterTargetArn": DEAD, "maxReceiveCount": "0"},
            "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.",
        ),
        ({"deadLetterTargetArn": "dead", "maxReceiveCount": 1}, "Invalid value for deadLetterTargetArn."),
        (
            {"deadLetterTargetArn": f"{DEAD}.fifo", "maxReceiveCount": 1},
            "Reason: Dead-letter queue must be same type of queue as the source..",
        ),
        ({"deadLetterTargetArn": f"{DEAD}-2", "maxReceiveCount": 1}, "Dead letter target does not exist."),
    ],
)
def test_redrive_policy_names_a_queue_and_a_count(policy: Any, reason: str) -> None:
    """Otherwise SQS says what is wrong with it."""
    text = policy if isinstance(policy, str) else json.dumps(policy)
    code, message = refusal("SetQueueAttributes", Attributes={"RedrivePolicy": text})
    assert code == "InvalidParameterValue"
    assert message.startswith(f"Value {text} for parameter RedrivePolicy is invalid. Reason: ")
    assert message.endswith(reason)


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("SendMessage", {"MessageBody": "grüße \t\n😀"}),
        ("SendMessage", {"QueueUrl": f"{URL}.fifo", "MessageBody": "a", "MessageDeduplicationId": "d"}),
        ("SendMessageBatch", {"Entries": "nonsense"}),
        ("ReceiveMessage", {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 20, "VisibilityTimeout": 0}),
        ("CreateQueue", {"Attributes": {"VisibilityTimeout": "0", "RedrivePolicy": ""}}),
        ("CreateQueue", {"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true"}}),
        ("SetQueueAttributes", {"QueueUrl": f"{URL}.fifo", "Attributes": {"FifoQueue": "true"}}),
        ("SetQueueAttributes", {"Attributes": {"Policy": '{"Statement": []}'}}),
        ("SetQueueAttributes", {"Attributes": {"Policy": ""}}),
        ("SendMessage", {"MessageBody": "a", "MessageGroupId": "g-1!"}),
        ("SetQueueAttributes", {"Attributes": {"RedrivePolicy": "{}"}}),
        (
            "SetQueueAttributes",
            {
                "Attributes": {
                    "RedrivePolicy": json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": "3"})
                }
            },
        ),
        ("ListQueues", {}),
    ],
)
def test_what_is_fine_goes_on(operation: str, fields: dict[str, Any]) -> None:
    """These are no concern of the constraints."""
    assert refusal(operation, **fields) == ("", "")
