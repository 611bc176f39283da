"""What CloudWatch Logs refuses and moto would take."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labhelpers.cloud.logs_constraints import INVALID, prepared
from labhelpers.errors import VALIDATION, AwsError

CONSTRAINT = "failed to satisfy constraint: Member must have"


def call(operation: str, **fields: Any) -> Any:
    """The members of a call as moto is given them."""
    return json.loads(prepared(operation, json.dumps(fields).encode()))


@pytest.mark.parametrize(
    ("operation", "fields", "code", "text"),
    [
        (
            "CreateLogGroup",
            {"logGroupName": "a" * 513},
            INVALID,
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.",
        ),
        (
            "CreateLogStream",
            {"logGroupName": "g", "logStreamName": "a" * 513},
            INVALID,
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.",
        ),
        (
            "DescribeLogGroups",
            {"logGroupNamePrefix": "a", "logGroupNamePattern": "abc"},
            INVALID,
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ),
        (
            "DescribeLogStreams",
            {"logGroupName": "g", "logGroupIdentifier": "g"},
            VALIDATION,
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        ),
        (
            "DescribeLogStreams",
            {"logGroupIdentifier": "g:*"},
            INVALID,
            (
                "1 validation error detected: Value 'g:*' at 'logGroupIdentifier' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\w#+=/:,.@-]*"
            ),
        ),
        (
            "FilterLogEvents",
            {"logGroupName": "g", "limit": 0},
            INVALID,
            f"1 validation error detected: Value '0' at 'limit' {CONSTRAINT} value greater than or equal to 1",
        ),
        (
            "FilterLogEvents",
            {"logGroupName": "g", "logStreamNames": ["s"], "logStreamNamePrefix": "s"},
            INVALID,
            "LogStream names and LogStream name prefix are mutually exclusive parameters.",
        ),
        (
            "PutLogEvents",
            {"logGroupName": "g", "logStreamName": "s", "logEvents": []},
            INVALID,
            f"1 validation error detected: Value '[]' at 'logEvents' {CONSTRAINT} length greater than or equal to 1",
        ),
        (
            "PutLogEvents",
            {"logEvents": [{"timestamp": 1, "message": "a"}, *[{"timestamp": 1, "message": ""}] * 2]},
            INVALID,
            (
                "2 validation errors detected: "
                f"Value '' at 'logEvents.2.member.message' {CONSTRAINT} length greater than or equal to 1; "
                f"Value '' at 'logEvents.3.member.message' {CONSTRAINT} length greater than or equal to 1"
            ),
        ),
    ],
)
def test_what_is_refused(operation: str, fields: dict[str, Any], code: str, text: str) -> None:
    """In AWS's words."""
    with pytest.raises(AwsError) as refused:
        call(operation, **fields)
    assert (refused.value.code, refused.value.message) == (code, text)


@pytest.mark.parametrize("identifier", ["/a/b", "arn:aws:logs:us-east-1:123456789012:log-group:/a/b"])
@pytest.mark.parametrize("operation", ["DescribeLogStreams", "FilterLogEvents", "GetLogEvents"])
def test_group_may_be_named_by_its_identifier(operation: str, identifier: str) -> None:
    """A name or an ARN; moto is told the name."""
    assert call(operation, logGroupIdentifier=identifier, limit=1) == {"logGroupName": "/a/b", "limit": 1}


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b'{"logGroupName": "g"}'])
def test_other_calls_stay_as_they_are(body: bytes) -> None:
    """Byte by byte."""
    assert prepared("GetLogEvents", body) is body
