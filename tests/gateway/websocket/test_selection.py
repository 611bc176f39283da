"""Selection expressions: what they make of a message."""

from __future__ import annotations

import pytest

from labhelpers.gateway.websocket.selection import Selection, body_value, read_json, request_lookup


def evaluated(expression: str, message: str) -> str | None:
    """The key that an expression gives for a message."""
    return Selection(expression).evaluate(request_lookup(read_json(message)))


@pytest.mark.parametrize(
    ("expression", "message", "key"),
    [
        ("$request.body.action", '{"action": "join"}', "join"),
        ("${request.body.action}", '{"action": "join"}', "join"),
        ("$request.body.service.name", '{"service": {"name": "join"}}', "join"),
        ("${request.body.a}-${request.body.b}", '{"a": "x", "b": "y"}', "x-y"),
        ("${request.body.version}-beta", '{"version": 2}', "2-beta"),
        ("$request.body.action", '{"action": true}', "true"),
        ("$request.body.list[1]", '{"list": ["a", "b"]}', "b"),
        ("\\$default", "anything", "$default"),
        ("$default", "anything", "$default"),
        ("fixed", "anything", "fixed"),
    ],
)
def test_expression_gives_its_key(expression: str, message: str, key: str) -> None:
    """Variables, braces, several of them, escaped dollars, plain text."""
    assert evaluated(expression, message) == key


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "",
        "[]",
        '"text"',
        "5",
        "null",
        '{"action": null}',
        '{"other": "join"}',
        '{"action',
        "[" * 5000,
    ],
)
def test_message_without_the_value_gives_no_key(message: str) -> None:
    """Then `$default` is the route."""
    assert evaluated("$request.body.action", message) is None


def test_value_is_evaluated_once() -> None:
    """What looks like an expression in a message is text."""
    assert evaluated("$request.body.action", '{"action": "$request.body.b", "b": "x"}') == "$request.body.b"


def test_objects_are_walked_not_executed() -> None:
    """Names of Python's own attributes are names like others."""
    assert body_value({"__class__": {"x": 1}}, "__class__.x") == 1
    assert body_value({"a": "text"}, "a.__class__") is None
