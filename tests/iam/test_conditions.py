"""Condition operators."""

import pytest

from labhelpers.iam.conditions import Condition, Quantifier, read_operator, read_time

CONTEXT = {
    "name": ["Ada"],
    "number": ["17"],
    "at": ["2026-11-25T21:00:00Z"],
    "ip": ["10.1.2.3"],
    "flag": ["true"],
    "arn": ["arn:aws:sns:us-east-1:123456789012:topic"],
    "tags": ["a", "b"],
    "blob": ["aGk="],
    "star": ["a*"],
}


def holds(operator: str, key: str, *values: str) -> bool:
    """Whether a condition holds in the context above."""
    name, quantifier, if_exists = read_operator(operator)
    return Condition(name, key, values, quantifier, if_exists).holds(CONTEXT)


@pytest.mark.parametrize(
    ("operator", "key", "values", "expected"),
    [
        ("StringEquals", "name", ("Ada",), True),
        ("StringEquals", "name", ("ada", "Bob"), False),
        ("StringEquals", "name", ("A*",), False),
        ("StringEqualsIgnoreCase", "name", ("aDA",), True),
        ("StringLike", "name", ("A?a", "x"), True),
        ("StringLike", "star", ("a${*}",), True),
        ("StringLike", "name", ("A${*}",), False),
        ("StringNotEquals", "name", ("Bob", "Ada"), False),
        ("StringNotEquals", "name", ("Bob", "Eve"), True),
        ("StringNotLike", "name", ("B*",), True),
        ("StringNotEqualsIgnoreCase", "name", ("ADA",), False),
        ("StringLike", "name", ("${name}",), True),
        ("NumericEquals", "number", ("17.0",), True),
        ("NumericLessThan", "number", ("17",), False),
        ("NumericLessThan", "number", ("inf",), False),
        ("NumericEquals", "number", ("1_7",), False),
        ("NumericLessThanEquals", "number", ("17",), True),
        ("NumericGreaterThan", "number", ("x", "16"), True),
        ("NumericNotEquals", "number", ("17",), False),
        ("NumericEquals", "name", ("17",), False),
        ("DateLessThan", "at", ("2026-11-26T00:00:00Z",), True),
        ("DateGreaterThan", "at", ("1795639000",), True),
        ("DateGreaterThanEquals", "at", ("2027-01-01",), False),
        ("DateEquals", "at", ("2026-11-25T22:00:00+01:00",), True),
        ("Bool", "flag", ("True",), True),
        ("Bool", "flag", ("false",), False),
        ("BinaryEquals", "blob", ("aGk=",), True),
        ("BinaryEquals", "blob", ("!",), False),
        ("IpAddress", "ip", ("192.168.0.0/16", "10.0.0.0/8"), True),
        ("IpAddress", "ip", ("10.1.2.4",), False),
        ("NotIpAddress", "ip", ("10.0.0.0/8",), False),
        ("IpAddress", "name", ("10.0.0.0/8",), False),
        ("ArnLike", "arn", ("arn:aws:sns:*:123456789012:t*",), True),
        ("ArnEquals", "arn", ("arn:aws:sns:*:*:topic",), True),
        ("ArnNotLike", "arn", ("arn:aws:sns:*:*:topic",), False),
        ("Null", "name", ("false",), True),
        ("Null", "name", ("true",), False),
        ("Null", "none", ("true",), True),
        # A key that the request has not.
        ("StringEquals", "none", ("x",), False),
        ("StringEqualsIfExists", "none", ("x",), True),
        ("StringEqualsIfExists", "name", ("x",), False),
        ("StringNotEquals", "none", ("x",), True),
        ("NotIpAddress", "none", ("10.0.0.0/8",), True),
        ("Bool", "none", ("false",), False),
        ("BoolIfExists", "none", ("false",), True),
        # Several values.
        ("ForAnyValue:StringEquals", "tags", ("b", "c"), True),
        ("ForAnyValue:StringEquals", "tags", ("c",), False),
        ("ForAnyValue:StringEquals", "none", ("c",), False),
        ("ForAnyValue:StringNotEquals", "tags", ("a",), True),
        ("ForAllValues:StringEquals", "tags", ("a", "b", "c"), True),
        ("ForAllValues:StringEquals", "tags", ("a",), False),
        ("ForAllValues:StringLike", "none", ("a",), True),
        ("ForAllValues:StringNotEquals", "tags", ("a",), False),
        ("StringNotEquals", "tags", ("a",), False),
    ],
)
def test_operator_holds(operator: str, key: str, values: tuple[str, ...], expected: bool) -> None:
    """Each operator as AWS describes it: values are alternatives, and for a negated one none may fit."""
    assert holds(operator, key, *values) is expected


@pytest.mark.parametrize("operator", ["StringSimilar", "ForSome:StringEquals", "NullIfExists", ""])
def test_unknown_operator_is_refused(operator: str) -> None:
    """An operator that IAM does not have is an error of the policy, never a condition that holds."""
    with pytest.raises(ValueError, match="Invalid condition operator"):
        read_operator(operator)


def test_operator_is_read_in_any_case() -> None:
    """Quantifier, name and IfExists come apart, however they are written."""
    assert read_operator("foranyvalue:STRINGLIKEifexists") == ("stringlike", Quantifier.ANY, True)


@pytest.mark.parametrize(
    ("text", "moment"), [("1795640400", 1795640400.0), ("2026-11-25", 1795564800.0), ("soon", None)]
)
def test_time_is_read(text: str, moment: float | None) -> None:
    """ISO 8601 and epoch seconds both name a moment."""
    assert read_time(text) == moment
