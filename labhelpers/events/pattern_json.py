"""Reads the JSON of an event pattern and remembers where everything stands, because AWS's complaints say so. Pure.

Called by `pattern`. A duplicate key is kept: what it means is decided there. Places are those of AWS's JSON reader:
a string is told of after its opening quote, everything else after its last character.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import NoReturn

MAX_DEPTH = 200
_SOURCE_SHOWN = 500
_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"(?:true|false|null)\b")
_TOKEN = re.compile(r"[A-Za-z_$][\w$]*")
_VALUES = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'"


class PatternFault(ValueError):
    """What is wrong with a pattern; the text ends with the place, where there is one."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value: `kind` is object, array, string, number or word (true, false, null); `text` is as written or decoded.

    `seen` is the offset where AWS's reader stands when it has seen the value's kind, `end` that after all of it.
    """

    kind: str
    text: str
    seen: int
    end: int
    items: tuple[Node, ...] = ()
    members: tuple[tuple[str, Node], ...] = ()


class Reader:
    """Reads one text: `Reader(text).document()`. Raises PatternFault."""

    def __init__(self, text: str) -> None:
        self.text = text

    def fail(self, message: str, offset: int) -> NoReturn:
        """Raise `message` with the place of `offset` behind it."""
        before = self.text[:offset]
        line = before.count("\n") + 1
        column = offset - (before.rfind("\n") + 1) + 1
        shown, left = self.text[:_SOURCE_SHOWN], len(self.text) - _SOURCE_SHOWN
        cut = f"[truncated {left} chars]" if left > 0 else ""
        raise PatternFault(f'{message}\n at [Source: (String)"{shown}"{cut}; line: {line}, column: {column}]')

    def document(self) -> Node:
        """The whole text as one value, which has to be an object."""
        start = self._skip(0)
        if self.text[start : start + 1] == "[":
            self.fail("Filter is not an object", start + 1)
        node = self._value(start, 0) if start < len(self.text) else None
        if node is None or node.kind != "object":
            self.fail("Filter is not an object", node.seen if node else start)
        end = self._skip(node.end)
        if end < len(self.text):
            self._unexpected(end, "nothing may follow the pattern")
        return node

    def _value(self, at: int, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.fail(f"Document nesting depth ({depth}) exceeds the maximum allowed ({MAX_DEPTH})", at)
        first = self.text[at : at + 1]
        if first == "{":
            return self._object(at, depth)
        if first == "[":
            return self._array(at, depth)
        if first == '"':
            text, end = self._string(at)
            return Node("string", text, at + 1, end)
        for kind, form in (("number", _NUMBER), ("word", _WORD)):
            if found := form.match(self.text, at):
                return Node(kind, found[0], found.end(), found.end())
        if found := _TOKEN.match(self.text, at):
            self.fail(f"Unrecognized token '{found[0]}': was expecting ({_VALUES})", found.end())
        return self._unexpected(at, f"expected a valid value ({_VALUES})")

    def _object(self, start: int, depth: int) -> Node:
        members: list[tuple[str, Node]] = []
        at = self._skip(start + 1)
        while self.text[at : at + 1] != "}":
            if members:
                at = self._skip(self._expect(",", at))
            if self.text[at : at + 1] != '"':
                self._unexpected(at, "was expecting double-quote to start field name")
            name, at = self._string(at)
            at = self._skip(self._expect(":", self._skip(at)))
            value = self._value(at, depth + 1)
            members.append((name, value))
            at = self._skip(value.end)
        return Node("object", "{", start + 1, at + 1, members=tuple(members))

    def _array(self, start: int, depth: int) -> Node:
        items: list[Node] = []
        at = self._skip(start + 1)
        while self.text[at : at + 1] != "]":
            if items:
                at = self._skip(self._expect(",", at))
            item = self._value(at, depth + 1)
            items.append(item)
            at = self._skip(item.end)
        return Node("array", "[", start + 1, at + 1, items=tuple(items))

    def _string(self, at: int) -> tuple[str, int]:
        found = _STRING.match(self.text, at)
        if found is None:
            self.fail("Unexpected end-of-input or unquoted control character in a string", len(self.text))
        try:
            text: str = json.loads(found[0])
        except ValueError:
            self.fail("Unrecognized character escape in a string", found.end())
        return text, found.end()

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def _expect(self, char: str, at: int) -> int:
        if self.text[at : at + 1] != char:
            wanted = (
                "a colon to separate field name and value" if char == ":" else "comma to separate entries"
            )
            self._unexpected(at, f"was expecting {wanted}")
        return at + 1

    def _unexpected(self, at: int, wanted: str) -> NoReturn:
        if at >= len(self.text):
            self.fail("Unexpected end-of-input", len(self.text))
        char = self.text[at]
        self.fail(f"Unexpected character ('{char}' (code {ord(char)})): {wanted}", at)
