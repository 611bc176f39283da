"""Every form in which a function may be named leads to the same function, and the wrong ones to AWS's errors."""

from __future__ import annotations

import pytest

from labhelpers.errors import AwsError
from labhelpers.functions.names import FunctionReference, is_alias, read_reference
from labhelpers.model import Account

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"


@pytest.mark.parametrize(
    ("function", "qualifier", "expected"),
    [
        ("fn", "", ("fn", "")),
        ("fn:live", "", ("fn", "live")),
        ("function:fn", "", ("fn", "")),
        ("123456789012:function:fn", "1", ("fn", "1")),
        (ARN, "", ("fn", "")),
        (f"{ARN}:$LATEST", "", ("fn", "$LATEST")),
        (f"{ARN}:7", "7", ("fn", "7")),
        ("arn:aws:lambda:us-east-1:123456789012:function", "", ("function", "")),
    ],
)
def test_forms_of_a_name_are_read(function: str, qualifier: str, expected: tuple[str, str]) -> None:
    """Name, partial ARN and ARN, qualified or not."""
    assert read_reference(function, qualifier, Account()) == FunctionReference(*expected)


@pytest.mark.parametrize(
    ("function", "qualifier", "code", "status", "start"),
    [
        (
            "my-function!",
            "",
            "ValidationException",
            400,
            "1 validation error detected: Value 'my-function!' at",
        ),
        (
            "fn",
            "invalid!",
            "ValidationException",
            400,
            "1 validation error detected: Value 'invalid!' at 'qualifier'",
        ),
        ("fn", "a" * 129, "ValidationException", 400, "1 validation error detected: Value 'aaa"),
        (f"{ARN}:1:2", "", "ValidationException", 400, "1 validation error detected"),
        (f"{ARN}:$LATES", "", "ValidationException", 400, "1 validation error detected"),
        (
            "arn:aws:lambda::123456789012:function:fn",
            "",
            "ValidationException",
            400,
            "1 validation error detected",
        ),
        (
            "arn:aws:ec2:us-east-1:123456789012:instance:i",
            "",
            "ValidationException",
            400,
            "1 validation error",
        ),
        ("fn!", "!", "ValidationException", 400, "2 validation errors detected: Value '!' at 'qualifier'"),
        (
            "fn:1",
            "2",
            "InvalidParameterValueException",
            400,
            "The derived qualifier from the function name does not",
        ),
        (
            ARN.replace("us-east-1", "ap-southeast-1"),
            "",
            "ResourceNotFoundException",
            404,
            "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')",
        ),
        (ARN.replace("123456789012", "123456789013"), "", "AccessDeniedException", 403, ""),
    ],
)
def test_wrong_names_are_refused(function: str, qualifier: str, code: str, status: int, start: str) -> None:
    """The error is AWS's, down to the order in which it looks."""
    with pytest.raises(AwsError) as caught:
        read_reference(function, qualifier, Account())
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.message.startswith(start)


def test_alias_is_told_from_version_and_latest() -> None:
    """Digits are a version; a `$` is in no alias."""
    assert [is_alias(text) for text in ("live", "2024-01-02", "12", "$LATEST", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
