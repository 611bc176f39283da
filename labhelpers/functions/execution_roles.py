"""What Lambda asks of a function's execution role before it acts for the function: queues, streams, destinations, logs.

The composition root gives `Allows`; without IAM's decisions everything is allowed.
docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from labhelpers.errors import INVALID_PARAMETER, AwsError

# Role ARN, action (`sqs:ReceiveMessage`), resource ARN -> whether the role's policies allow it.
Allows = Callable[[str, str, str], bool]

# The names that Lambda's messages give services.
_SERVICES = {
    "sqs": "SQS",
    "sns": "SNS",
    "kinesis": "Kinesis",
    "dynamodb": "DynamoDB",
    "events": "EventBridge",
    "lambda": "Lambda",
    "s3": "S3",
}
# What a role must be allowed to do before a function may read from a queue or a stream.
SOURCE_ACTIONS = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "kinesis": (
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:DescribeStream",
        "kinesis:ListShards",
    ),
    "dynamodb": ("dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"),
}
# How Lambda's message names them for streams. AWS names ListStreams, too; no reading takes it.
_STREAM_ACTIONS = {
    "kinesis": "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams",
    "dynamodb": "GetRecords, GetShardIterator, DescribeStream, and ListStreams",
}
# What it takes to send to a destination or a dead-letter queue.
TARGET_ACTIONS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
    "kinesis": "kinesis:PutRecord",
    "s3": "s3:PutObject",
}


def everything_allowed(role: str, action: str, resource: str) -> bool:
    """Stands for IAM where nothing is asked of it."""
    return True


def check_source(allows: Allows, role: str, source: str) -> None:
    """AwsError InvalidParameterValueException unless `role` may read from the queue or stream of that ARN."""
    service = source.split(":")[2]
    actions = SOURCE_ACTIONS.get(service, ())
    if service in ("kinesis", "dynamodb") and missing(
        allows, role, source
    ):  # Recorded: streams have another text.
        names = ", ".join(action.partition(":")[2] for action in actions)
        raise AwsError(
            INVALID_PARAMETER,
            f"Cannot access stream {source}. Please ensure the role can perform the {names}, and ListStreams "
            "Actions on your stream in IAM.",
        )
    _check(allows, role, actions, source)


def check_target(allows: Allows, role: str, target: str) -> None:
    """AwsError InvalidParameterValueException unless `role` may send to the destination of that ARN."""
    action = TARGET_ACTIONS.get(target.split(":")[2])
    resource = f"{target}/*" if action == "s3:PutObject" else target
    _check(allows, role, (action,) if action else (), resource)


def may_send(allows: Allows, role: str, target: str) -> bool:
    """Whether `role` may send to the destination of that ARN now."""
    try:
        check_target(allows, role, target)
    except AwsError:
        return False
    return True


def missing(allows: Allows, role: str, source: str) -> str:
    """The first action that `role` lacks to read from a source ("sqs:ReceiveMessage"); "" if it has all."""
    actions = SOURCE_ACTIONS.get(source.split(":")[2], ())
    return next((action for action in actions if not allows(role, action, source)), "")


def _check(allows: Allows, role: str, actions: Iterable[str], resource: str) -> None:
    for action in actions:
        if not allows(role, action, resource):
            service, _, operation = action.partition(":")
            raise AwsError(
                INVALID_PARAMETER,
                "The provided execution role does not have permissions to call "
                f"{operation} on {_SERVICES[service]}",
            )
