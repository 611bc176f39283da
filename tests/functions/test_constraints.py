"""Constraints word their refusals as AWS's validation does."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.errors import AwsError
from labhelpers.functions.constraints import Choice, Flag, ListOf, MapOf, Number, Structure, Text, check

SHAPE = Structure(
    {
        "Name": Text(1, 5, "[a-z]+"),
        "Size": Number(128, 10_240),
        "Kind": Choice(("Zip", "Image")),
        "Publish": Flag(),
        "Kinds": ListOf(Choice(("x86_64", "arm64")), 1, 1),
        "Weights": MapOf(Text(1, 1024, "[0-9]+"), Number(0.0, 1.0, fraction=True), decimal=True),
        "Inner": Structure(
            {"Secrets": MapOf(Text(pattern="[a-zA-Z]([a-zA-Z0-9_])+"), Text(), secret=True)},
            required=("Secrets",),
        ),
    },
    required=("Name",),
)


def refused(request: dict[str, Any]) -> str:
    """The message with which `SHAPE` refuses a request."""
    with pytest.raises(AwsError) as caught:
        check(SHAPE, request)
    assert caught.value.status == 400
    return f"{caught.value.code}: {caught.value.message}"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, "Value null at 'name' failed to satisfy constraint: Member must not be null"),
        (
            {"Name": "a", "Size": 20_000},
            "Value '20000' at 'size' failed to satisfy constraint: Member must have value less than or equal to 10240",
        ),
        (
            {"Name": "a", "Size": 1},
            "Value '1' at 'size' failed to satisfy constraint: Member must have value greater than or equal to 128",
        ),
        (
            {"Name": "a", "Kind": "Tar"},
            "Value 'Tar' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [Zip, Image]",
        ),
        (
            {"Name": "a", "Kinds": ["x86_64", "arm64"]},
            (
                "Value '[x86_64, arm64]' at 'kinds' failed to satisfy constraint: "
                "Member must have length less than or equal to 1"
            ),
        ),
        (
            {"Name": "a", "Kinds": ["X86_64"]},
            (
                "Value '[X86_64]' at 'kinds' failed to satisfy constraint: Member must satisfy constraint: "
                "[Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
            ),
        ),
        (
            {"Name": "a", "Weights": {"2": 2}},
            (
                "Value '{2=2.0}' at 'weights' failed to satisfy constraint: Map value must satisfy constraint: "
                "[Member must have value less than or equal to 1.0, "
                "Member must have value greater than or equal to 0.0, "
                "Member must not be null]"
            ),
        ),
        (
            {"Name": "a", "Weights": {"$LATEST": 0.5}},
            (
                "Value '{$LATEST=0.5}' at 'weights' failed to satisfy constraint: Map keys must satisfy constraint: "
                "[Member must have length less than or equal to 1024, "
                "Member must have length greater than or equal to 1, "
                "Member must satisfy regular expression pattern: [0-9]+]"
            ),
        ),
        (
            {"Name": "a", "Inner": {"Secrets": {"1_BAD": "secret"}}},
            (
                "Value at 'inner.secrets' failed to satisfy constraint: Map keys must satisfy constraint: "
                "[Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"
            ),
        ),
    ],
)
def test_broken_constraint_is_named_as_aws_names_it(request_: dict[str, Any], expected: str) -> None:
    """One broken constraint is one validation error."""
    assert refused(request_) == f"ValidationException: 1 validation error detected: {expected}"


def test_all_broken_constraints_are_listed() -> None:
    """A value that breaks two rules, and a second member, make three errors in one message."""
    message = refused({"Name": "TOOLONG", "Publish": True, "Inner": {}})
    assert message.startswith("ValidationException: 3 validation errors detected: Value 'TOOLONG' at 'name'")
    assert message.count("; ") == 2
    assert message.endswith(
        "Value null at 'inner.secrets' failed to satisfy constraint: Member must not be null"
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"Name": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"Name": "a", "Size": "8"}, "STRING_VALUE can not be converted to an Integer"),
        ({"Name": "a", "Size": True}, "TRUE_VALUE can not be converted to an Integer"),
        ({"Name": "a", "Publish": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"Name": "a", "Kinds": {}}, "START_OBJECT can not be converted to a List"),
        ({"Name": "a", "Inner": []}, "START_ARRAY can not be converted to a Structure"),
    ],
)
def test_wrong_json_type_is_a_serialization_error(request_: dict[str, Any], expected: str) -> None:
    """A member of the wrong type is no validation error, as on AWS."""
    assert refused(request_) == f"SerializationException: {expected}"


def test_null_and_unknown_members_are_as_if_absent() -> None:
    """AWS ignores what it does not know."""
    check(SHAPE, {"Name": "a", "Size": None, "Mystery": 1})
