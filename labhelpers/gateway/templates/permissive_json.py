"""Reads JSON as leniently as API Gateway does: quotes may miss or be single, commas may be too many. Pure.

AWS (recorded for mocks' templates, among them the `{ statusCode: 204 }` that the CDK makes for preflights): a name
without quotes goes up to its colon, a value up to the next comma or bracket, and nothing is read after the end.
"""

from __future__ import annotations

import json
import re
from typing import Any

NESTING_MAX = 200
_BLANK = " \t\r\n"
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_CONSTANTS = {"null": None, "true": True, "false": False}
_ESCAPES = {"t": "\t", "n": "\n", "f": "\f", "r": "\r", "b": "\b"}


def loads(text: str) -> Any:
    """The value of a text; of one that is no JSON at all, the text itself. ValueError where even that fails."""
    try:
        return json.loads(text)
    except ValueError:
        return _Reader(text).value("", 0)
    except RecursionError:
        raise ValueError("nested too deeply") from None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def next(self) -> str:
        """The next character that is not blank, "" at the end."""
        while self.at < len(self.text) and self.text[self.at] in _BLANK:
            self.at += 1
        return self.text[self.at : self.at + 1]

    def value(self, ends: str, depth: int) -> Any:
        """A value that one of `ends` ends."""
        if depth > NESTING_MAX:
            raise ValueError("nested too deeply")
        character = self.next()
        if character == "{":
            return self.object(depth)
        if character == "[":
            return self.array(depth)
        if character and character in "\"'":
            return self.quoted(character)
        if not character or character in ":}]":
            raise self.unexpected()
        word = self.word(ends)
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        return _number(word) if _NUMBER.fullmatch(word) else word

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while True:
            character = self.next()
            if character == "}":
                self.at += 1
                return found
            if character == ",":
                self.at += 1
                continue
            if not character or character in ":[]{":
                raise self.unexpected()
            name = self.quoted(character) if character in "\"'" else self.word(":")
            if self.next() != ":":
                raise self.unexpected()
            self.at += 1
            found[name] = self.value(",}", depth + 1)
            if self.next() not in ("}", ","):
                raise self.unexpected()

    def array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while True:
            character = self.next()
            if character == "]":
                self.at += 1
                return found
            if character == ",":
                self.at += 1
            else:
                found.append(self.value(",]", depth + 1))

    def word(self, ends: str) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ends:
            self.at += 1
        return self.text[start : self.at].strip(_BLANK)

    def quoted(self, quote: str) -> str:
        made: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == quote:
                return "".join(made)
            if character == "\\":
                character = self.escaped()
            made.append(character)
        raise self.unexpected()

    def escaped(self) -> str:
        character = self.text[self.at : self.at + 1]
        self.at += 1
        if character != "u":
            return _ESCAPES.get(character, character)
        digits = self.text[self.at : self.at + 4]
        if not re.fullmatch("[0-9a-fA-F]{4}", digits):
            raise self.unexpected()
        self.at += 4
        return chr(int(digits, 16))

    def unexpected(self) -> ValueError:
        return ValueError(f"Unexpected {self.text[self.at : self.at + 1] or 'end'!r} at position {self.at}")


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        return float(word)
