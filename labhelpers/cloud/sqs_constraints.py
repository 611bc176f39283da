"""What SQS refuses and moto would take, in SQS's words. Pure; asked before a call of the JSON protocol is answered.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html, API_SetQueueAttributes.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.errors import AwsError
from labhelpers.iam.documents import read_policy

Fields = Mapping[str, Any]
# Whether there is a queue of that ARN.
Exists = Callable[[str], bool]

INVALID_PARAMETER_VALUE = "InvalidParameterValue"
_RANGES = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_SETTABLE = {
    *_RANGES,
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
}
_OF_QUEUES = {
    *_SETTABLE,
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
}
# AWS's model has the attributes of queues for the older of the two members, too.
_OF_MESSAGES = {
    "All",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
}
_READABLE = {"AttributeNames": _OF_MESSAGES | _OF_QUEUES, "MessageSystemAttributeNames": _OF_MESSAGES}
_RECEIVE_COUNT_MAX = 1_000
_BAD_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GROUP = re.compile("[!-~]{1,128}")
_ATTRIBUTES_MAX = 10
_NAME = re.compile("[A-Za-z0-9_.-]+")
_NAME_MAX = 256
_RESULTS_MAX = 1_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WRONG_TYPE = "The request include parameter that is not valid for this queue type"


def check(operation: str, fields: Fields, exists: Exists) -> None:
    """AwsError if SQS refuses this call."""
    if (rule := _RULES.get(operation)) is not None:
        rule(fields, exists)


def _refuse(name: str, value: object, reason: str) -> AwsError:
    shown = json.dumps(value) if isinstance(value, dict) else value
    return AwsError(
        INVALID_PARAMETER_VALUE, f"Value {shown} for parameter {name} is invalid. Reason: {reason}"
    )


def _between(fields: Fields, name: str, least: int, most: int, reason: str) -> None:
    value = fields.get(name)
    if isinstance(value, int) and not least <= value <= most:
        raise _refuse(name, value, reason)


def _send(fields: Fields, exists: Exists) -> None:
    _check_message(str(fields.get("QueueUrl", "")), fields)


def _send_batch(fields: Fields, exists: Exists) -> None:
    entries = fields.get("Entries")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            _check_message(str(fields.get("QueueUrl", "")), entry)


def _check_message(url: str, fields: Fields) -> None:
    body = fields.get("MessageBody")
    if body == "":
        raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
    if isinstance(body, str) and _BAD_CHARACTER.search(body):
        raise AwsError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "
            "#xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    key = fields.get("MessageDeduplicationId")
    if key is not None and not url.endswith(".fifo"):
        raise _refuse("MessageDeduplicationId", key, f"{_WRONG_TYPE}.")
    group = fields.get("MessageGroupId")
    if isinstance(group, str) and group and not _GROUP.fullmatch(group):
        reason = (
            "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."
        )
        raise _refuse("MessageGroupId", group, reason)
    attributes = fields.get("MessageAttributes")
    if isinstance(attributes, dict):
        _check_attributes(attributes)


def _wrong_with(name: str) -> str | None:
    """API_MessageAttributeValue's rules for names; the words are ours."""
    if len(name) > _NAME_MAX:
        return f"The message attribute name '{name}' must be shorter than {_NAME_MAX} bytes."
    if name.startswith(".") or name.endswith(".") or ".." in name:
        return f"The message attribute name '{name}' cannot start or end with a period, or have two in succession."
    if name.lower().startswith(("aws.", "amazon.")):
        return f"The message attribute name '{name}' cannot start with the reserved prefixes AWS. or Amazon."
    return None


def _check_attributes(attributes: Fields) -> None:
    if len(attributes) > _ATTRIBUTES_MAX:
        raise AwsError(
            INVALID_PARAMETER_VALUE,
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{_ATTRIBUTES_MAX}].",
        )
    for name, value in attributes.items():
        if isinstance(value, dict):
            _check_attribute(name, value)


def _check_attribute(name: str, value: Fields) -> None:
    if not _NAME.fullmatch(name):
        text = (
            f"The message attribute name '{name}' is invalid. "
            "Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."
        )
        raise AwsError(INVALID_PARAMETER_VALUE, text)
    if (wrong := _wrong_with(name)) is not None:
        raise AwsError(INVALID_PARAMETER_VALUE, wrong)
    kind = value.get("DataType")
    if not kind:
        text = f"The message attribute '{name}' must contain a non-empty attribute type."
        raise AwsError(INVALID_PARAMETER_VALUE, text)
    base = str(kind).partition(".")[0]
    if base not in ("String", "Number", "Binary"):
        return  # moto refuses those.
    content = value.get("BinaryValue" if base == "Binary" else "StringValue")
    if not content:
        text = f"Message (user) attribute '{name}' must contain a non-empty value of type '{base}'."
        raise AwsError(INVALID_PARAMETER_VALUE, text)
    if base == "Number" and not _NUMBER.fullmatch(str(content)):
        text = f"Can't cast the value of message (user) attribute '{name}' to a number."
        raise AwsError(INVALID_PARAMETER_VALUE, text)


def _receive(fields: Fields, exists: Exists) -> None:
    _between(fields, "MaxNumberOfMessages", 1, 10, "Must be between 1 and 10, if provided.")
    _between(fields, "WaitTimeSeconds", 0, 20, "Must be >= 0 and <= 20, if provided.")
    _visibility(fields, exists)
    for member, known in _READABLE.items():
        names = fields.get(member)
        for name in names if isinstance(names, list) else ():
            if name not in known:
                raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def _list(fields: Fields, exists: Exists) -> None:
    most = fields.get("MaxResults")
    if isinstance(most, int) and not 1 <= most <= _RESULTS_MAX:
        raise AwsError(
            INVALID_PARAMETER_VALUE,
            f"Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and "
            f"{_RESULTS_MAX}.",
        )


def _visibility(fields: Fields, exists: Exists) -> None:
    _between(fields, "VisibilityTimeout", 0, 43_200, "Must be between 0 and 43200, if provided.")


def _create(fields: Fields, exists: Exists) -> None:
    name, attributes = str(fields.get("QueueName", "")), fields.get("Attributes")
    given = attributes.get("FifoQueue") if isinstance(attributes, dict) else None
    if name.endswith(".fifo") and given != "true":
        raise AwsError(
            INVALID_PARAMETER_VALUE,
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )
    if given == "false":  # AWS: a queue that is none says nothing of it.
        raise AwsError("InvalidAttributeName", "Unknown Attribute FifoQueue.")
    _settings(fields, exists, name)


def _change(fields: Fields, exists: Exists) -> None:
    name, attributes = str(fields.get("QueueUrl", "")), fields.get("Attributes")
    given = attributes.get("FifoQueue") if isinstance(attributes, dict) else None
    if given is not None and not name.endswith(".fifo"):
        raise AwsError("InvalidAttributeName", "Unknown Attribute FifoQueue.")
    if given is not None and given != "true":
        raise AwsError(
            "InvalidAttributeValue",
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
        )
    _settings(fields, exists, name)


def _settings(fields: Fields, exists: Exists, queue: str) -> None:
    attributes = fields.get("Attributes")
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        if name not in _SETTABLE:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in _RANGES and not _is_in_range(str(value), *_RANGES[name]):
            raise AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
        if name == "RedrivePolicy" and value:
            _check_redrive(str(value), exists, queue)
        if name == "Policy" and value and not _is_policy(str(value)):
            raise AwsError("InvalidAttributeValue", "Invalid value for the parameter Policy.")


def _is_policy(text: str) -> bool:
    try:
        read_policy(text)
        return "Statement" in json.loads(text)
    except ValueError:
        return False


def _is_in_range(text: str, least: int, most: int) -> bool:
    return re.fullmatch("[0-9]{1,9}", text) is not None and least <= int(text) <= most


def _check_redrive(text: str, exists: Exists, queue: str) -> None:
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict):
        raise _refuse("RedrivePolicy", text, "Redrive policy is not a valid JSON map.")
    if not policy:  # That takes the redrive away.
        return
    for name in ("maxReceiveCount", "deadLetterTargetArn"):
        if name not in policy:
            reason = f"Redrive policy does not contain mandatory attribute: {name}."
            raise _refuse("RedrivePolicy", text, reason)
    count, arn = str(policy["maxReceiveCount"]), str(policy["deadLetterTargetArn"])
    if not _is_in_range(count, 1, _RECEIVE_COUNT_MAX):
        reason = (
            f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to {_RECEIVE_COUNT_MAX} both "
            "inclusive."
        )
        raise _refuse("RedrivePolicy", text, reason)
    if not arn.startswith("arn:"):
        raise _refuse("RedrivePolicy", text, "Invalid value for deadLetterTargetArn.")
    if not exists(arn):
        raise _refuse("RedrivePolicy", text, "Dead letter target does not exist.")
    if arn.endswith(".fifo") != queue.endswith(".fifo"):
        # AWS ends this one with two full stops.
        raise _refuse("RedrivePolicy", text, "Dead-letter queue must be same type of queue as the source..")


_RULES: Mapping[str, Callable[[Fields, Exists], None]] = {
    "ChangeMessageVisibility": _visibility,
    "CreateQueue": _create,
    "ListDeadLetterSourceQueues": _list,
    "ListQueues": _list,
    "ReceiveMessage": _receive,
    "SendMessage": _send,
    "SendMessageBatch": _send_batch,
    "SetQueueAttributes": _change,
}
