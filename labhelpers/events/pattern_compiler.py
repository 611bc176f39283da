"""Makes the alternatives of an event pattern out of its JSON, and refuses what AWS refuses, in its words. Pure.

Called by `pattern`; calls `pattern_json`, and makes the tests of `pattern_values` and `pattern_numeric`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from labhelpers.events import pattern_numeric
from labhelpers.events import pattern_values as values
from labhelpers.events.pattern_json import Node, PatternFault, Reader

OR = "$or"
# AWS gives no number; it refuses `*:*:*:*:*:event-bus/*`, ten beginnings at once, and takes what has seven.
MAX_WILDCARD_BEGINNINGS = 10
_TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences "
    "after a wildcard character"
)
_ONE_KEY = "Only one key allowed in match expression"
_TOO_MANY = pattern_numeric.TOO_MANY

# Names that AWS keeps for itself in the objects of `$or`.
RESERVED = frozenset(
    """
    exactly equals-ignore-case prefix suffix anything-but exists wildcard numeric cidr html = < <= > >= regex
    not-wildcard not-equals-ignore-case date-after date-on-or-after date-before date-on-or-before in-date-range
    ip-address-in-range ip-address-not-in-range
    """.split()
)


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A field and the tests of which a value must pass one; it may also be missing if `may_be_absent`."""

    path: str
    tests: tuple[values.Test, ...]
    may_be_absent: bool = False


Branch = tuple[FieldTest, ...]


def compile_branches(text: str) -> tuple[Branch, ...]:
    """The alternatives in a pattern, each with its fields in the order of their names. PatternFault."""
    compiler = _Compiler(text)
    compiler.check_wildcards()
    return tuple(
        tuple(branch[path] for path in sorted(branch, key=_name_order)) for branch in compiler.branches
    )


def _name_order(path: str) -> bytes:
    return path.encode("utf-16-be", "surrogatepass")


@dataclass(slots=True)
class _Field:
    """What is gathered of one field."""

    tests: list[values.Test] = field(default_factory=list)
    may_be_absent: bool = False
    wildcards: list[values.Pieces] = field(default_factory=list)


class _Compiler:
    def __init__(self, text: str) -> None:
        self._reader = Reader(text)
        self._wildcards: dict[str, list[values.Pieces]] = {}
        self._matchers: dict[str, Callable[[_Field, Node], None]] = {
            "exactly": self._exactly,
            "prefix": self._prefix,
            "suffix": self._suffix,
            "numeric": self._numeric,
            "anything-but": self._anything_but,
            "exists": self._exists,
            "cidr": self._cidr,
            "equals-ignore-case": self._equals_ignore_case,
            "wildcard": self._wildcard,
        }
        self.branches: list[dict[str, FieldTest]] = [{}]
        self._object(self._reader.document(), "", self.branches, in_or=False)

    def check_wildcards(self) -> None:
        """Refuse wildcards that AWS's machine could follow in too many ways at once."""
        for forms in self._wildcards.values():
            if values.is_too_complex(forms, MAX_WILDCARD_BEGINNINGS):
                raise PatternFault(_TOO_COMPLEX)

    def _fail(self, message: str, offset: int) -> NoReturn:
        self._reader.fail(message, offset)

    def _fail_in_list(self, message: str, offset: int) -> NoReturn:
        """AWS's reader words what is wrong within a list as if it had been told it by another: the place twice."""
        try:
            self._fail(message, offset)
        except PatternFault as fault:
            self._fail(str(fault), offset)

    # --- Fields ---

    def _object(self, node: Node, path: str, branches: list[dict[str, FieldTest]], *, in_or: bool) -> None:
        if not node.members:
            self._fail("Empty objects are not allowed", node.end)
        for name, value in node.members:
            if name == OR:
                self._or(value, path, branches)
                continue
            if in_or and name in RESERVED:
                self._fail(
                    f"{name} is Ruler reserved fieldName which cannot be used inside {OR}.",
                    _after_name(value),
                )
            inner = f"{path}.{name}" if path else name
            if value.kind == "object":
                self._object(value, inner, branches, in_or=in_or)
            elif value.kind == "array":
                test = self._field(inner, value)
                for branch in branches:
                    branch[inner] = test
            else:
                self._fail(f'"{name}" must be an object or an array', value.seen)

    def _or(self, node: Node, path: str, branches: list[dict[str, FieldTest]]) -> None:
        before, branches[:] = list(branches), []
        if node.kind != "array":
            self._fail(f"It must be an Array followed with {OR}.", node.seen)
        for item in node.items:
            if item.kind != "object":
                self._fail(f"Only JSON object is allowed in array of {OR} relationship.", item.seen)
            alternative = [dict(branch) for branch in before]
            self._object(item, path, alternative, in_or=True)
            branches += alternative
        if len(node.items) < 2:
            self._fail(f"There must have at least 2 Objects in {OR} relationship.", node.end)

    def _field(self, path: str, node: Node) -> FieldTest:
        found = _Field()
        for item in node.items:
            if item.kind == "object":
                self._expression(found, item)
            elif item.kind == "string":
                found.tests.append(values.equals(item.text))
            elif item.kind == "number":
                found.tests.append(values.number(item.text))
            elif item.kind == "word":
                found.tests.append(values.word(item.text))
            else:
                self._fail("Match value must be String, number, true, false, or null", item.seen)
        if not node.items:
            self._fail("Empty arrays are not allowed", node.end)
        self._wildcards[path] = found.wildcards
        return FieldTest(path, tuple(found.tests), found.may_be_absent)

    # --- Match expressions ---

    def _expression(self, found: _Field, node: Node) -> None:
        if not node.members:
            self._fail("Match expression name not found", node.end)
        name, value = node.members[0]
        matcher = self._matchers.get(name)
        if matcher is None:
            self._fail(f"Unrecognized match type {name}", _after_name(value))
        matcher(found, value)
        if len(node.members) > 1:
            self._fail(_TOO_MANY if name in ("numeric", "anything-but") else _ONE_KEY, value.end)

    def _text(self, node: Node, complaint: str) -> str:
        if node.kind != "string":
            self._fail(complaint, node.seen)
        return node.text

    def _exactly(self, found: _Field, node: Node) -> None:
        text = self._text(node, "exact match pattern must be a string")
        found.tests.append(values.Value(True, text).__eq__)

    def _prefix(self, found: _Field, node: Node) -> None:
        if node.kind == "object":
            found.tests.append(values.prefix_ignore_case(self._ignored_case(node, "prefix")))
        else:
            found.tests.append(values.prefix(self._text(node, "prefix match pattern must be a string")))

    def _suffix(self, found: _Field, node: Node) -> None:
        if node.kind == "object":
            found.tests.append(values.suffix_ignore_case(self._ignored_case(node, "suffix")))
        else:
            found.tests.append(values.suffix(self._text(node, "suffix match pattern must be a string")))

    def _ignored_case(self, node: Node, kind: str) -> str:
        if not node.members:
            self._fail(f"{kind.title()} expression name not found", node.end)
        name, value = node.members[0]
        if name != "equals-ignore-case":
            self._fail(f"Unsupported {kind} pattern: {name}", _after_name(value))
        text = self._text(value, "equals-ignore-case match pattern must be a string")
        if len(node.members) > 1:
            self._fail(_ONE_KEY, value.end)
        return text

    def _equals_ignore_case(self, found: _Field, node: Node) -> None:
        text = self._text(node, "equals-ignore-case match pattern must be a string")
        found.tests.append(values.equals_ignore_case(text))

    def _exists(self, found: _Field, node: Node) -> None:
        if node.kind != "word" or node.text == "null":
            self._fail("exists match pattern must be either true or false.", node.seen)
        if node.text == "true":
            found.tests.append(values.exists)
        else:
            found.may_be_absent = True

    def _cidr(self, found: _Field, node: Node) -> None:
        # AWS: speaks of a prefix here.
        found.tests.append(values.cidr(self._text(node, "prefix match pattern must be a string")))

    def _wildcard(self, found: _Field, node: Node) -> None:
        found.tests.append(values.wildcard(self._pieces(found, node)))

    def _pieces(self, found: _Field, node: Node) -> values.Pieces:
        text = self._text(node, "wildcard match pattern must be a string")
        try:
            pieces = values.wildcard_pieces(text)
        except PatternFault as fault:
            self._fail(str(fault), node.end)
        found.wildcards.append(pieces)
        return pieces

    def _numeric(self, found: _Field, node: Node) -> None:
        found.tests.append(pattern_numeric.numeric(node, self._fail))

    # --- Anything but ---

    def _anything_but(self, found: _Field, node: Node) -> None:
        if node.kind == "object":
            self._anything_but_form(found, node)
            return
        if node.kind not in ("array", "string", "number"):
            self._fail(_ANYTHING_BUT_KIND, node.seen)
        items = node.items if node.kind == "array" else (node,)
        for item in items:
            if item.kind not in ("string", "number"):
                self._fail_in_list(
                    "Inside anything but list, start|null|boolean is not supported.", item.seen
                )
        if len({item.kind for item in items}) != 1:
            message = "Inside anything but list, either all values are number or string, mixed type is not supported"
            self._fail(message, node.end)
        found.tests.append(values.anything_but(self._unwanted(item) for item in items))

    def _unwanted(self, item: Node) -> values.Test:
        if item.kind == "string":
            return values.Value(True, item.text).__eq__
        micros = pattern_numeric.limit(item, self._fail)
        return values.between(micros, False, micros, False)

    def _anything_but_form(self, found: _Field, node: Node) -> None:
        if not node.members:
            self._fail("Anything-But expression name not found", node.end)
        name, value = node.members[0]
        if name not in _ANYTHING_BUT_COMPLAINTS:
            self._fail(f"Unsupported anything-but pattern: {name}", _after_name(value))
        if value.kind not in ("array", "string", "number"):
            self._fail(_ANYTHING_BUT_KIND, value.seen)
        in_list = value.kind == "array"
        items = value.items if in_list else (value,)
        unwanted = [self._unwanted_form(found, name, item, in_list=in_list) for item in items]
        found.tests.append(values.anything_but(unwanted))
        if len(node.members) > 1:
            self._fail(_TOO_MANY, value.end)

    def _unwanted_form(self, found: _Field, name: str, item: Node, *, in_list: bool) -> values.Test:
        if item.kind != "string" and in_list:
            self._fail_in_list(_ANYTHING_BUT_COMPLAINTS[name], item.seen)
        text = self._text(item, _ANYTHING_BUT_COMPLAINTS[name])
        if name == "wildcard":
            return values.wildcard(self._pieces(found, item))
        if name == "equals-ignore-case":
            return values.equals_ignore_case(text)
        if not text:
            self._fail("Null prefix/suffix not allowed", item.end)
        return values.prefix(text) if name == "prefix" else values.suffix(text)


_ANYTHING_BUT_KIND = "Value of anything-but must be an array or single string/number value."
_AFFIX = "prefix/suffix match pattern must be a string"
_ANYTHING_BUT_COMPLAINTS = {
    "equals-ignore-case": (
        "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
    ),
    "prefix": _AFFIX,
    "suffix": _AFFIX,
    "wildcard": "wildcard match pattern must be a string",
}


def _after_name(value: Node) -> int:
    """Where AWS's reader stands behind a name: it has already seen what comes next."""
    return value.seen
