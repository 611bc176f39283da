"""The numeric expressions of event patterns: {"numeric": [">", 0, "<=", 5]}. Pure.

Called by `pattern_compiler`, whose `fail` tells what is wrong and where.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

from labhelpers.events import pattern_values as values
from labhelpers.events.pattern_json import Node, PatternFault

TOO_MANY = "Too many elements in numeric expression"
_SIGNS = ("=", ">", ">=", "<", "<=")


class Fail(Protocol):
    """Raises PatternFault with the place of an offset."""

    def __call__(self, message: str, offset: int) -> NoReturn: ...


def numeric(node: Node, fail: Fail) -> values.Test:
    """The test of a numeric expression's value: an array of one or two comparisons."""
    if node.kind != "array":
        fail("Value of numeric must be an array.", node.seen)
    terms = _Terms(node)
    operator = terms.take()
    if operator.kind != "string":
        fail(f"Invalid member in numeric match: {operator.text}", operator.end)
    sign = operator.text
    if sign not in _SIGNS:
        fail(f"Unrecognized numeric range operator: {sign}", terms.take().seen)
    first = _bound("equals" if sign == "=" else sign, terms, fail)
    if sign in (">", ">="):
        return _upwards(first, sign == ">", terms, fail)
    if (extra := terms.take()).kind != "end":
        fail(TOO_MANY, extra.seen)
    return values.between(first if sign == "=" else None, False, first, sign == "<")


def limit(node: Node, fail: Fail) -> int:
    """A number in millionths, within AWS's limits."""
    try:
        return values.limit(node.text)
    except PatternFault as fault:
        fail(str(fault), node.end)


def _upwards(low: int, low_open: bool, terms: _Terms, fail: Fail) -> values.Test:
    """The rest of a range that begins with > or >=."""
    operator = terms.take()
    if operator.kind == "end":
        return values.between(low, low_open, None, False)
    if operator.kind != "string":
        fail(f"Bad value in numeric range: {operator.text}", operator.end)
    if operator.text not in ("<", "<="):
        fail(f"Bad numeric range operator: {operator.text}", operator.end)
    high = _bound(operator.text, terms, fail)
    if (extra := terms.take()).kind != "end":
        fail("Too many terms in numeric range expression", extra.seen)
    if low >= high:
        fail("Bottom must be less than top", extra.end)
    return values.between(low, low_open, high, operator.text == "<")


def _bound(name: str, terms: _Terms, fail: Fail) -> int:
    node = terms.take()
    if node.kind != "number":
        fail(f"Value of {name} must be numeric", node.seen)
    return limit(node, fail)


class _Terms:
    """The members of an expression one by one, then its end."""

    def __init__(self, node: Node) -> None:
        self._left = list(reversed(node.items))
        self._end = Node("end", "]", node.end, node.end)

    def take(self) -> Node:
        return self._left.pop() if self._left else self._end
