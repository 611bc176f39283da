"""What SQS refuses and moto would take, in SQS's words. Pure; asked before a call of the JSON protocol is answered.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html, API_SetQueueAttributes.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.errors import AwsError

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
_RECEIVE_COUNT_MAX = 1_000
_BAD_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
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


def _receive(fields: Fields, exists: Exists) -> None:
    _between(fields, "MaxNumberOfMessages", 1, 10, "Must be between 1 and 10, if provided.")
    _between(fields, "WaitTimeSeconds", 0, 20, "Must be >= 0 and <= 20, if provided.")
    _visibility(fields, exists)


def _visibility(fields: Fields, exists: Exists) -> None:
    _between(fields, "VisibilityTimeout", 0, 43_200, "Must be between 0 and 43200, if provided.")


def _settings(fields: Fields, exists: Exists) -> None:
    attributes = fields.get("Attributes")
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        if name not in _SETTABLE:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in _RANGES and not _is_in_range(str(value), *_RANGES[name]):
            raise AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
        if name == "RedrivePolicy" and value:
            _check_redrive(str(value), exists)


def _is_in_range(text: str, least: int, most: int) -> bool:
    return re.fullmatch("[0-9]{1,9}", text) is not None and least <= int(text) <= most


def _check_redrive(text: str, exists: Exists) -> None:
    try:
        policy = json.loads(text)
    except ValueError:
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


_RULES: Mapping[str, Callable[[Fields, Exists], None]] = {
    "ChangeMessageVisibility": _visibility,
    "CreateQueue": _settings,
    "ReceiveMessage": _receive,
    "SendMessage": _send,
    "SendMessageBatch": _send_batch,
    "SetQueueAttributes": _settings,
}
