"""What execution roles are asked for, and how Lambda words that one lacks it."""

from collections.abc import Callable

import pytest

from labhelpers.errors import AwsError
from labhelpers.functions.execution_roles import (
    check_source,
    check_target,
    everything_allowed,
    may_send,
    missing,
)

ROLE = "arn:aws:iam::123456789012:role/r"
START = "us-east-1:123456789012"
QUEUE = f"arn:aws:sqs:{START}:q"
STREAM = f"arn:aws:kinesis:{START}:stream/s"
TABLE = f"arn:aws:dynamodb:{START}:table/t/stream/2026"


def only(*actions: str) -> Callable[[str, str, str], bool]:
    """A role that may do these actions."""
    return lambda role, action, resource: role == ROLE and action in actions


@pytest.mark.parametrize(
    ("source", "allowed", "words"),
    [
        (QUEUE, (), "The provided execution role does not have permissions to call ReceiveMessage on SQS"),
        (
            QUEUE,
            ("sqs:ReceiveMessage",),
            "The provided execution role does not have permissions to call DeleteMessage on SQS",
        ),
        (
            STREAM,
            ("kinesis:GetRecords",),
            (
                f"Cannot access stream {STREAM}. Please ensure the role can perform the GetRecords, GetShardIterator, "
                "DescribeStream, ListShards, and ListStreams Actions on your stream in IAM."
            ),
        ),
        (
            TABLE,
            (),
            (
                f"Cannot access stream {TABLE}. Please ensure the role can perform the GetRecords, GetShardIterator, "
                "DescribeStream, and ListStreams Actions on your stream in IAM."
            ),
        ),
    ],
)
def test_source_that_the_role_may_not_read_is_refused(
    source: str, allowed: tuple[str, ...], words: str
) -> None:
    """In Lambda's words, which differ between queues and streams."""
    with pytest.raises(AwsError) as caught:
        check_source(only(*allowed), ROLE, source)
    assert (caught.value.code, caught.value.message) == ("InvalidParameterValueException", words)
    assert missing(only(*allowed), ROLE, source)


@pytest.mark.parametrize("source", [QUEUE, STREAM, TABLE])
def test_source_that_the_role_may_read_is_taken(source: str) -> None:
    """With all actions, nothing is said."""
    check_source(everything_allowed, ROLE, source)
    assert missing(everything_allowed, ROLE, source) == ""


@pytest.mark.parametrize(
    ("target", "action"),
    [
        (QUEUE, "sqs:SendMessage"),
        (f"arn:aws:sns:{START}:t", "sns:Publish"),
        (f"arn:aws:lambda:{START}:function:f", "lambda:InvokeFunction"),
        (f"arn:aws:events:{START}:event-bus/default", "events:PutEvents"),
        ("arn:aws:s3:::bucket", "s3:PutObject"),
    ],
)
def test_target_takes_one_action(target: str, action: str) -> None:
    """Each kind of destination has its action; without it the setting is refused and nothing is sent."""
    check_target(only(action), ROLE, target)
    assert may_send(only(action), ROLE, target)
    assert not may_send(only(), ROLE, target)
    with pytest.raises(AwsError, match=f"permissions to call {action.partition(':')[2]} on "):
        check_target(only(), ROLE, target)


def test_bucket_as_destination_is_asked_for_its_objects() -> None:
    """s3:PutObject is about objects, not about the bucket."""
    asked: list[str] = []
    check_target(lambda role, action, resource: not asked.append(resource), ROLE, "arn:aws:s3:::bucket")  # type: ignore[func-returns-value]
    assert asked == ["arn:aws:s3:::bucket/*"]
