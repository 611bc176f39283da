"""Reads the filters of JSONPaths, `[?(@.price < 10 && @.isbn)]`, and the tokens that all of a path is made of. Pure."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from labhelpers.gateway.templates.json_path_steps import Condition, JsonPath, PathError

QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_COMPARISON = re.compile(r"==|!=|<=|>=|=~|<|>|\b(?:in|nin)\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_REGEX = re.compile(r"/((?:[^/\\]|\\.)*)/(i?)")
_DEPTH_MAX = 20


class FilterReader(ABC):
    """Reads one text; `at` is how far it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def error(self) -> PathError:
        return PathError(f"Could not parse {self.text!r} at {self.at}")

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise self.error()

    def space(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    @abstractmethod
    def path(self) -> JsonPath:
        """A path, up to what cannot belong to it."""

    def condition(self, depth: int = 0) -> Condition:
        if depth > _DEPTH_MAX:
            raise self.error()
        either = [self._all_of(depth)]
        self.space()
        while self.take("||"):
            either.append(self._all_of(depth))
            self.space()
        return either[0] if len(either) == 1 else lambda item, root: any(each(item, root) for each in either)

    def _all_of(self, depth: int) -> Condition:
        every = [self._one(depth)]
        self.space()
        while self.take("&&"):
            every.append(self._one(depth))
            self.space()
        return every[0] if len(every) == 1 else lambda item, root: all(each(item, root) for each in every)

    def _one(self, depth: int) -> Condition:
        self.space()
        if self.take("!"):
            inner = self._one(depth + 1)
            return lambda item, root: not inner(item, root)
        if self.take("("):
            inner = self.condition(depth + 1)
            self.space()
            self.expect(")")
            return inner
        left = self._operand()
        self.space()
        operator = self.match(_COMPARISON)
        if operator is None:
            return lambda item, root: left(item, root) is not None
        self.space()
        if operator[0] == "=~":
            pattern = self._regex()
            return lambda item, root: isinstance(v := left(item, root), str) and bool(pattern.search(v))
        right = self._operand()
        compare = _COMPARE[operator[0]]
        return lambda item, root: compare(left(item, root), right(item, root))

    def _operand(self) -> Callable[[Any, Any], Any]:
        text = self.text
        if text.startswith("@", self.at):
            path = self.path()
            return lambda item, root: path.find(item)
        if text.startswith("$", self.at):
            path = self.path()
            return lambda item, root: path.find(root)
        value = self._literal()
        return lambda item, root: value

    def _literal(self) -> Any:
        if quoted := self.match(QUOTED):
            return unquoted(quoted)
        if number := self.match(_NUMBER):
            return json.loads(number[0][:60])
        if self.take("["):
            items: list[Any] = []
            self.space()
            while not self.take("]"):
                items.append(self._literal())
                self.space()
                self.take(",")
                self.space()
            return items
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.take(word):
                return value
        raise self.error()

    def _regex(self) -> re.Pattern[str]:
        found = self.match(_REGEX)
        if found is None:
            raise self.error()
        try:
            return re.compile(found[1], re.IGNORECASE if found[2] else 0)
        except re.error as error:
            raise PathError(str(error)) from error


def unquoted(found: re.Match[str]) -> str:
    """The text between quotes, without its backslashes."""
    return re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2], flags=re.DOTALL)


def _ordered(check: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(one: Any, other: Any) -> bool:
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (one, other))
        texts = isinstance(one, str) and isinstance(other, str)
        return (numbers or texts) and check(one, other)

    return compare


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": _same,
    "!=": lambda one, other: not _same(one, other),
    "<": _ordered(lambda a, b: a < b),
    ">": _ordered(lambda a, b: a > b),
    "<=": _ordered(lambda a, b: a <= b),
    ">=": _ordered(lambda a, b: a >= b),
    "in": lambda one, other: isinstance(other, list) and one in other,
    "nin": lambda one, other: not (isinstance(other, list) and one in other),
}
