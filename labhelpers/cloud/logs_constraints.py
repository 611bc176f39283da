"""What CloudWatch Logs refuses and moto would take, in its words, and the form in which moto reads a call. Pure.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from labhelpers.errors import VALIDATION, AwsError

Fields = dict[str, Any]

INVALID = "InvalidParameterException"
# Stands for all that a name may begin or end with, where moto reads only names or prefixes; no name has it.
ANYTHING = "*"

_NAME_MAX = 512
_IDENTIFIER = re.compile(r"[\w#+=/:,.@-]*")
_BY_IDENTIFIER = frozenset({"DescribeLogStreams", "FilterLogEvents", "GetLogEvents"})


def prepared(operation: str, body: bytes) -> bytes:
    """The body of a call for moto. AwsError if AWS refuses the call."""
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return body
    if not isinstance(fields, dict):
        return body
    wrong = list(_wrong_values(operation, fields))
    if wrong:
        errors = f"{len(wrong)} validation error{'s' if len(wrong) > 1 else ''} detected: {'; '.join(wrong)}"
        raise AwsError(INVALID, errors)
    changed = _named_by_identifier(fields) if operation in _BY_IDENTIFIER else False
    if (rule := _RULES.get(operation)) is not None:
        changed = rule(fields) or changed
    return json.dumps(fields).encode() if changed else body


def _wrong_values(operation: str, fields: Fields) -> Iterator[str]:
    limit = fields.get("limit")
    if isinstance(limit, int) and limit < 1:
        yield _too_little(limit, "limit", "value")
    if operation != "PutLogEvents":
        return
    events = fields.get("logEvents")
    if events == []:
        yield _too_little("[]", "logEvents", "length")
    for number, event in enumerate(events if isinstance(events, list) else (), 1):
        if isinstance(event, dict) and event.get("message") == "":
            yield _too_little("", f"logEvents.{number}.member.message", "length")


def _too_little(value: object, name: str, measure: str) -> str:
    return (
        f"Value '{value}' at '{name}' failed to satisfy constraint: "
        f"Member must have {measure} greater than or equal to 1"
    )


def _named_by_identifier(fields: Fields) -> bool:
    """Have the log group named by its name; whether that is a change."""
    identifier = fields.pop("logGroupIdentifier", None)
    if identifier is None:
        return False
    if fields.get("logGroupName") is not None:
        text = "LogGroup name and LogGroup ARN are mutually exclusive parameters."
        raise AwsError(VALIDATION, text)
    name = str(identifier)
    if not _IDENTIFIER.fullmatch(name):
        text = (
            f"1 validation error detected: Value '{name}' at 'logGroupIdentifier' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {_IDENTIFIER.pattern}"
        )
        raise AwsError(INVALID, text)
    fields["logGroupName"] = name.split(":log-group:", 1)[-1] if name.startswith("arn:") else name
    return True


def _named(fields: Fields) -> bool:
    names = fields.get("logGroupName"), fields.get("logStreamName")
    if any(len(name) > _NAME_MAX for name in names if isinstance(name, str)):
        text = f"Invalid LogGroup or LogStream, both must have length less than or equal to {_NAME_MAX}."
        raise AwsError(INVALID, text)
    return False


def _groups(fields: Fields) -> bool:
    """moto does not read the pattern: it goes into the prefix."""
    pattern = fields.pop("logGroupNamePattern", None)
    if not pattern:
        return False
    if fields.get("logGroupNamePrefix"):
        text = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        raise AwsError(INVALID, text)
    fields["logGroupNamePrefix"] = f"{ANYTHING}{pattern}"
    return True


def _searched(fields: Fields) -> bool:
    """moto does not read the prefix: it goes into the names."""
    prefix = fields.pop("logStreamNamePrefix", None)
    if not prefix:
        return False
    if fields.get("logStreamNames"):  # AWS's page names the error, not its text.
        text = "LogStream names and LogStream name prefix are mutually exclusive parameters."
        raise AwsError(INVALID, text)
    fields["logStreamNames"] = [f"{prefix}{ANYTHING}"]
    return True


_RULES: dict[str, Callable[[Fields], bool]] = {
    "CreateLogGroup": _named,
    "CreateLogStream": _named,
    "DescribeLogGroups": _groups,
    "FilterLogEvents": _searched,
}
