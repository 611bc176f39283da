"""Filter policies of SNS: which messages they accept, and which of them AWS refuses."""

import json
from typing import Any

import pytest

from labhelpers.events.sns import Attribute, Notification
from labhelpers.events.sns_filter import (
    MESSAGE_ATTRIBUTES,
    MESSAGE_BODY,
    FilterFault,
    accepts,
    check_policy,
)

TOPIC = "arn:aws:sns:us-east-1:123456789012:news"


def by_attributes(policy: Any, **attributes: tuple[str, str]) -> bool:
    """Whether a policy on attributes accepts a message with these."""
    given = {name: Attribute(*each) for name, each in attributes.items()}
    return accepts(
        json.dumps(policy), MESSAGE_ATTRIBUTES, Notification("1", TOPIC, "m", "t", attributes=given)
    )


def by_body(policy: Any, message: Any) -> bool:
    """Whether a policy on the body accepts a message; what is no text is sent as JSON."""
    text = message if isinstance(message, str) else json.dumps(message)
    return accepts(json.dumps(policy), MESSAGE_BODY, Notification("1", TOPIC, text, "t"))


def test_no_policy_accepts_all() -> None:
    """A subscription without a policy, or with an empty one, gets every message."""
    notification = Notification("1", TOPIC, "m", "t")
    assert accepts("", MESSAGE_ATTRIBUTES, notification)
    assert accepts("{}", MESSAGE_BODY, notification)


@pytest.mark.parametrize(
    ("policy", "attributes", "accepted"),
    [
        ([{"numeric": [">", 0, "<=", 100]}], {"a": ("Number", "99")}, True),
        ([{"numeric": [">", 0, "<=", 100]}], {"a": ("Number", "111")}, False),
        ([{"numeric": ["=", 1]}], {"a": ("Number.int", "1.0")}, True),
        ([{"numeric": ["=", 1]}], {"a": ("String", "1")}, False),
        (["x"], {"a": ("String", "x")}, True),
        (["x"], {"a": ("String", "y")}, False),
        (["x"], {"b": ("String", "x")}, False),
        (["value1"], {"a": ("String.Array", '["value1", "value2"]')}, True),
        (["value1"], {"a": ("String.Array", '["value2", 3]')}, False),
        ([3], {"a": ("String.Array", '["value2", 3]')}, True),
        ([True], {"a": ("String.Array", "[true]")}, True),
        (["x"], {"a": ("String.Array", "no JSON")}, False),
        ([None, {"anything-but": "whatever"}], {}, False),
        ([{"anything-but": ["x", "y"]}], {"a": ("String", "z")}, True),
        ([{"anything-but": ["x", "y"]}], {"a": ("String", "y")}, False),
        ([{"anything-but": {"prefix": "x"}}], {"a": ("String", "xy")}, False),
        ([{"exists": True}], {"a": ("Number", "1")}, True),
        ([{"exists": True}], {}, False),
        ([{"exists": False}], {"b": ("Number", "1")}, True),
        ([{"exists": False}], {"a": ("Number", "1")}, False),
        ([{"exists": True}], {"a": ("Binary", "AA==")}, False),
        ([{"prefix": "ab"}], {"a": ("String", "abc")}, True),
        ([{"suffix": "bc"}], {"a": ("String", "abc")}, True),
        ([{"equals-ignore-case": "ABC"}], {"a": ("String", "aBc")}, True),
        ([{"cidr": "10.0.0.0/24"}], {"a": ("String", "10.0.0.7")}, True),
        ([{"cidr": "10.0.0.0/24"}], {"a": ("String", "10.0.1.7")}, False),
    ],
)
def test_attributes_are_matched(policy: Any, attributes: dict[str, tuple[str, str]], accepted: bool) -> None:
    """Each operator accepts what it should, by the type that the publisher gave."""
    assert by_attributes({"a": policy}, **attributes) is accepted


def test_all_keys_and_one_of_or() -> None:
    """All keys have to match; of `$or` one alternative."""
    policy = {"source": ["s"], "$or": [{"a": ["x"]}, {"b": [{"numeric": ["<", 5]}]}]}
    assert by_attributes(policy, source=("String", "s"), b=("Number", "4"))
    assert not by_attributes(policy, source=("String", "s"), b=("Number", "6"))
    assert not by_attributes(policy, a=("String", "x"))


NESTED = {
    "object": {"key": [{"prefix": "auto-"}, "hardcodedvalue"], "nested_key": [{"exists": False}]},
    "test": [{"exists": False}],
}


@pytest.mark.parametrize(
    ("message", "accepted"),
    [
        ({"object": {"key": "auto-test"}}, True),
        ({"object": {"key": "hardcodedvalue"}}, True),
        ({"object": {"key": "test-auto"}}, False),
        ({"object": {"key": "auto-test"}, "test": "exists"}, False),
        ({"object": {"key": "auto-test", "nested_key": "exists"}}, False),
        ({"object": {"test": "auto-test"}}, False),
        ("Regular string message", False),
        ('"text as JSON"', False),
        ("[1]", False),
    ],
)
def test_body_is_matched(message: Any, accepted: bool) -> None:
    """A policy on the body follows its objects, and accepts nothing that is no JSON object."""
    assert by_body(NESTED, message) is accepted


def test_body_arrays_of_objects() -> None:
    """Values in one element of an array belong together."""
    policy = {"Records": {"name": ["put"], "key": [{"prefix": "auto-"}]}}
    together = {"Records": [{"name": "put", "key": "auto-1"}, {"name": "delete", "key": "home-1"}]}
    apart = {"Records": [{"name": "put", "key": "home-1"}, {"name": "delete", "key": "auto-1"}]}
    assert by_body(policy, together)
    assert not by_body(policy, apart)


@pytest.mark.parametrize(
    ("policy", "scope", "fault"),
    [
        (
            {"key": [["value"]]},
            MESSAGE_ATTRIBUTES,
            "Match value must be String, number, true, false, or null",
        ),
        ({"key": [{"wrong-operator": True}]}, MESSAGE_ATTRIBUTES, "Unrecognized match type wrong-operator"),
        ({"key": [{"suffix": "a", "prefix": "b"}]}, MESSAGE_BODY, "Only one key allowed in match expression"),
        ({"key": [{"suffix": 100}]}, MESSAGE_BODY, "suffix match pattern must be a string"),
        ({"key": {"suffix": "value"}}, MESSAGE_ATTRIBUTES, '"suffix" must be an object or an array'),
        ({"key": "value"}, MESSAGE_BODY, '"key" must be an object or an array'),
        ({"key": []}, MESSAGE_BODY, "Empty arrays are not allowed"),
        ({"key": [{"exists": "no"}]}, MESSAGE_BODY, "exists match pattern must be either true or false."),
        ({"key": [{"numeric": []}]}, MESSAGE_BODY, "Invalid member in numeric match: ]"),
        ({"key": [{"numeric": [">", 3, "<", 1]}]}, MESSAGE_BODY, "Bottom must be less than top"),
    ],
)
def test_malformed_policy_is_refused_with_its_place(policy: Any, scope: str, fault: str) -> None:
    """What is wrong is said in AWS's words, with the line and column."""
    with pytest.raises(FilterFault) as caught:
        check_policy(json.dumps(policy), scope)
    assert str(caught.value).startswith(f"FilterPolicy: {fault}\n at [Source: (String)")


def test_place_is_that_of_aws() -> None:
    """The column is the one that AWS's reader gives: recorded."""
    with pytest.raises(FilterFault, match=r"line: 1, column: 31\]$"):
        check_policy('{"key":[{"wrong-operator":true}]}', MESSAGE_BODY)


@pytest.mark.parametrize(
    ("policy", "scope", "fault"),
    [
        (
            {"a": {"b": ["c"]}},
            MESSAGE_ATTRIBUTES,
            "Filter policy scope MessageAttributes does not support nested filter policy",
        ),
        (
            {f"k{n}": ["v"] for n in range(6)},
            MESSAGE_BODY,
            "FilterPolicy: Filter policy can not have more than 5 keys",
        ),
        ({"k": [str(n) for n in range(151)]}, MESSAGE_BODY, "FilterPolicy: Filter policy is too complex"),
        (
            {"a": [str(n) for n in range(100)], "b": ["1", "2"]},
            MESSAGE_ATTRIBUTES,
            "FilterPolicy: Filter policy is too complex",
        ),
    ],
)
def test_limits_of_policies(policy: Any, scope: str, fault: str) -> None:
    """Nesting, number of keys and of combinations are limited as AWS limits them."""
    with pytest.raises(FilterFault) as caught:
        check_policy(json.dumps(policy), scope)
    assert str(caught.value) == fault


def test_combinations_of_or_add_up() -> None:
    """AWS's count: alternatives are added, levels of nesting multiply (recorded: 152 is refused, 150 is not)."""

    def flat(sources: int, names: int, spaces: int) -> str:
        return json.dumps(
            {
                "source": list(range(sources)),
                "$or": [
                    {"metricName": list(range(names))},
                    {
                        "metricType": list(range(4)),
                        "$or": [{"metricId": list(range(4))}, {"spaceId": list(range(spaces))}],
                    },
                ],
            }
        )

    check_policy(flat(3, 6, 7), MESSAGE_ATTRIBUTES)
    with pytest.raises(FilterFault, match="too complex"):
        check_policy(flat(4, 6, 4), MESSAGE_ATTRIBUTES)
    nested = {
        "$or": [{"metricName": [1, 2, 3]}, {"namespace": [1, 2]}],
        "detail": {"scope": [1, 2], "$or": [{"source": [1]}, {"type": [1, 2, 3]}]},
    }
    with pytest.raises(FilterFault, match="too complex"):
        check_policy(json.dumps(nested), MESSAGE_BODY)


def test_what_is_no_json_is_refused() -> None:
    """A policy that cannot be read has one message of its own."""
    with pytest.raises(FilterFault, match=r"^FilterPolicy: failed to parse JSON\.$"):
        check_policy("{'a': 1}", MESSAGE_BODY)
