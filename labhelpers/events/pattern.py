"""Event patterns: which events a rule, or the filter of an event source mapping, is for. Pure.

`compile_pattern(text).matches(event)`. The one matcher of the lab, after AWS's own rules (those of aws/event-ruler):
- Fields are named by their joined path, so {"a": {"b": 1}} and {"a.b": 1} have the same field `a.b`.
- Only leaves have values, and an object or an empty array has none.
- A field matches if one of its values matches one of the pattern's; the values of an array are all values of its field.
- Values that come from objects within one array count together only if they come from the same element.
- Fields are looked at by name, in order; `exists: false` holds if no value fits to the elements chosen so far.
- A key that comes twice in a pattern counts as it was written last.
- `$or` makes alternatives of all that stands before it.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labhelpers.errors import AwsError
from labhelpers.events.pattern_compiler import Branch, FieldTest, compile_branches
from labhelpers.events.pattern_json import PatternFault
from labhelpers.events.pattern_values import Value

INVALID_EVENT_PATTERN = "InvalidEventPatternException"

# Which element of which array a value comes from.
Membership = tuple[tuple[int, int], ...]
Fields = dict[str, list[tuple[Value, Membership]]]


class JsonNumber(str):
    """A number as it was written. For `json.loads(text, parse_int=JsonNumber, parse_float=JsonNumber)`."""

    __slots__ = ()


def compile_pattern(text: str) -> EventPattern:
    """The pattern in a JSON text. AwsError InvalidEventPatternException as AWS words it."""
    try:
        return EventPattern(compile_branches(text))
    except PatternFault as fault:
        raise AwsError(INVALID_EVENT_PATTERN, f"Event pattern is not valid. Reason: {fault}", 400) from None


class EventPattern:
    """A compiled pattern; used from anywhere, it does not change."""

    __slots__ = ("_branches", "_paths", "_wanted")

    def __init__(self, branches: tuple[Branch, ...]) -> None:
        self._branches = branches
        self._wanted = frozenset(test.path for branch in branches for test in branch)
        # Where an event need be looked into: keys may have dots of their own, so each dot may end a step.
        self._paths = frozenset(
            path[:at] for path in self._wanted for at, char in enumerate(path) if char == "."
        )

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether `event`, as `json.loads` makes it, is one that the pattern is for."""
        fields = self._fields(event)
        return any(_branch_matches(branch, fields) for branch in self._branches)

    def _fields(self, event: Mapping[str, Any]) -> Fields:
        """The values of the fields that the pattern asks for."""
        fields: Fields = {}
        arrays = 0
        waiting: list[tuple[str, Any, Membership]] = [
            (name, value, ()) for name, value in event.items() if self._concerns(name)
        ]
        while waiting:
            path, value, membership = waiting.pop()
            if isinstance(value, Mapping):
                for name, inner in value.items():
                    if self._concerns(joined := f"{path}.{name}"):
                        waiting.append((joined, inner, membership))
            elif isinstance(value, list | tuple):
                for index, item in enumerate(value):
                    nested = isinstance(item, Mapping | list | tuple)
                    waiting.append((path, item, (*membership, (arrays, index)) if nested else membership))
                arrays += 1
            elif path in self._wanted:
                fields.setdefault(path, []).append((_leaf(value), membership))
        return fields

    def _concerns(self, path: str) -> bool:
        return path in self._wanted or path in self._paths


def _leaf(value: Any) -> Value:
    if isinstance(value, JsonNumber):
        return Value(False, str(value))
    if isinstance(value, str):
        return Value(True, value)
    if value is None:
        return Value(False, "null")
    if isinstance(value, bool):
        return Value(False, "true" if value else "false")
    return Value(False, str(value))


def _branch_matches(branch: Branch, fields: Fields) -> bool:
    """Whether all fields of one alternative match with values from the same array elements."""
    # What is left to try: how many fields have matched, and the elements that they came from.
    waiting: list[tuple[int, Membership]] = [(0, ())]
    tried = set(waiting)
    while waiting:
        done, membership = waiting.pop()
        if done == len(branch):
            return True
        for after in _memberships_after(branch[done], fields, membership):
            if (done + 1, after) not in tried:
                tried.add((done + 1, after))
                waiting.append((done + 1, after))
    return False


def _memberships_after(field: FieldTest, fields: Fields, membership: Membership) -> Iterator[Membership]:
    values = fields.get(field.path, ())
    within = [(value, both) for value, own in values if (both := _joined(membership, own)) is not None]
    if field.may_be_absent and not within:
        yield membership
    for value, both in within:
        if any(test(value) for test in field.tests):
            yield both


def _joined(first: Membership, second: Membership) -> Membership | None:
    """Both together, or None if they name different elements of an array."""
    if not second:
        return first
    known = dict(first)
    for array, index in second:
        if known.setdefault(array, index) != index:
            return None
    return tuple(sorted(known.items()))
