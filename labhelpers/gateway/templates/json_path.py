"""JSONPath, as `$input.path`, `$input.json` and parameter mappings take it: Jayway's dialect, parsed once. Pure.

A definite path has one value or none. One with `..`, `*`, slices, lists of names or filters has a list of values.
github.com/json-path/JsonPath
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_STEPS_MAX = 100_000
_LENGTH_MAX = 4_096

_NAME = re.compile(r"[^\s.\[\]()'\"=<>!&|,@$?*]+")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_INTEGER = re.compile(r"-?\d+")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(\d+))?\s*\]")
_COMPARISON = re.compile(r"==|!=|<=|>=|=~|<|>|\b(?:in|nin)\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")

Step = Callable[[Any, Any], Iterator[Any]]


class PathError(Exception):
    """A path that cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path, ready to be asked. `definite`: it leads to one place at most."""

    steps: tuple[Step, ...]
    definite: bool
    text: str
    measure: str = ""

    def find(self, document: Any) -> Any:
        """The value, or the list of values of an indefinite path; None when a definite one leads nowhere."""
        found = [document]
        for step in self.steps:
            more: list[Any] = []
            for value in found:
                more.extend(step(value, document))
                if len(more) > _STEPS_MAX:
                    raise PathError("the path leads to too many values")
            found = more
        if self.measure:
            return _MEASURES[self.measure](found[0] if self.definite and found else found)
        if self.definite:
            return found[0] if found else None
        return found


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, list | dict | str) else None


def _numbers(value: Any) -> list[Any]:
    items = value if isinstance(value, list) else []
    return [v for v in items if isinstance(v, int | float) and not isinstance(v, bool)]


_MEASURES: dict[str, Callable[[Any], Any]] = {
    "length": _length,
    "size": _length,
    "keys": lambda v: list(v) if isinstance(v, dict) else None,
    "min": lambda v: min(_numbers(v), default=None),
    "max": lambda v: max(_numbers(v), default=None),
    "sum": lambda v: sum(_numbers(v)),
    "avg": lambda v: sum(_numbers(v)) / len(_numbers(v)) if _numbers(v) else None,
}


@lru_cache(maxsize=1024)
def compile_path(text: str) -> JsonPath:
    """A path. PathError when it is none."""
    if len(text) > _LENGTH_MAX:
        raise PathError("the path is too long")
    reader = _Reader(text.strip())
    path = reader.path()
    if not reader.done:
        raise PathError(f"Could not parse {text!r}")
    return path


# --- Steps ---


def _child(name: str) -> Step:
    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _children(names: Sequence[str]) -> Step:
    """Several names give one map of them, as Jayway does."""

    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield {name: value[name] for name in names if name in value}

    return step


def _index(indexes: Sequence[int]) -> Step:
    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, list):
            for index in indexes:
                if -len(value) <= index < len(value):
                    yield value[index]

    return step


def _slice(start: int | None, end: int | None, by: int | None) -> Step:
    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[start:end:by]

    return step


def _all(value: Any, root: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descendants(value: Any, root: Any) -> Iterator[Any]:
    """The value itself and all in it; the step after `..` picks among them."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(list(_all(one, root))))


Condition = Callable[[Any, Any], bool]


def _filter(condition: Condition) -> Step:
    def step(value: Any, root: Any) -> Iterator[Any]:
        items = value if isinstance(value, list) else [value] if isinstance(value, dict) else ()
        for item in items:
            if condition(item, root):
                yield item

    return step


class _Reader:
    """Reads one path; `at` is how far it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._text)

    def _error(self) -> PathError:
        return PathError(f"Could not parse {self._text!r} at {self._at}")

    def _take(self, token: str) -> bool:
        if self._text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._error()

    def _space(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def path(self) -> JsonPath:
        """`$...` (a path without `$` begins at the root, too), `@...` in filters."""
        start = self._at
        if not (self._take("$") or self._take("@")) and not self.done:
            self._text = f"{self._text[: self._at]}$.{self._text[self._at :]}"
            self._at += 1
        steps: list[Step] = []
        definite = True
        measure = ""
        while True:
            if self._take(".."):
                steps.append(_descendants)
                definite = False
                if not self._text.startswith("[", self._at):
                    steps.append(self._after_dot())
            elif self._text.startswith(".", self._at):
                if (
                    found := re.compile(r"\.(length|size|keys|min|max|sum|avg)\(\)").match(
                        self._text, self._at
                    )
                ) is not None:
                    self._at = found.end()
                    measure = found[1]
                    break
                self._at += 1
                step = self._after_dot()
                definite = definite and step is not _all
                steps.append(step)
            elif self._take("["):
                step, one = self._bracket()
                definite = definite and one
                steps.append(step)
            else:
                break
        return JsonPath(tuple(steps), definite, self._text[start : self._at], measure)

    def _after_dot(self) -> Step:
        if self._take("*"):
            return _all
        found = self._match(_NAME)
        if found is None:
            raise self._error()
        return _child(found[0])

    def _bracket(self) -> tuple[Step, bool]:
        """The step of `[...]`, and whether it leads to one place."""
        self._space()
        if self._take("*"):
            self._space()
            self._expect("]")
            return _all, False
        if self._take("?"):
            self._space()
            self._expect("(")
            condition = self._condition()
            self._space()
            self._expect(")")
            self._space()
            self._expect("]")
            return _filter(condition), False
        if found := self._match(_SLICE):
            start, end, by = ((int(part) if part else None) for part in found.groups())
            return _slice(start, end, by or None), False
        return self._names_or_indexes()

    def _names_or_indexes(self) -> tuple[Step, bool]:
        names: list[str] = []
        indexes: list[int] = []
        while True:
            self._space()
            if quoted := self._match(_QUOTED):
                names.append(_unquoted(quoted))
            elif number := self._match(_INTEGER):
                indexes.append(int(number[0][:20]))
            else:
                raise self._error()
            self._space()
            if self._take("]"):
                break
            self._expect(",")
        if names and indexes:
            raise self._error()
        if names:
            return (_child(names[0]), True) if len(names) == 1 else (_children(names), True)
        return _index(indexes), len(indexes) == 1

    # --- Filters ---

    def _condition(self, depth: int = 0) -> Condition:
        if depth > 20:
            raise self._error()
        either = [self._all_of(depth)]
        self._space()
        while self._take("||"):
            either.append(self._all_of(depth))
            self._space()
        return either[0] if len(either) == 1 else lambda item, root: any(each(item, root) for each in either)

    def _all_of(self, depth: int) -> Condition:
        every = [self._one(depth)]
        self._space()
        while self._take("&&"):
            every.append(self._one(depth))
            self._space()
        return every[0] if len(every) == 1 else lambda item, root: all(each(item, root) for each in every)

    def _one(self, depth: int) -> Condition:
        self._space()
        if self._take("!"):
            inner = self._one(depth + 1)
            return lambda item, root: not inner(item, root)
        if self._take("("):
            inner = self._condition(depth + 1)
            self._space()
            self._expect(")")
            return inner
        left = self._operand()
        self._space()
        operator = self._match(_COMPARISON)
        if operator is None:
            return lambda item, root: left(item, root) is not None
        self._space()
        if operator[0] == "=~":
            pattern = self._regex()
            return lambda item, root: isinstance(v := left(item, root), str) and bool(pattern.search(v))
        right = self._operand()
        compare = _COMPARE[operator[0]]
        return lambda item, root: compare(left(item, root), right(item, root))

    def _operand(self) -> Callable[[Any, Any], Any]:
        text = self._text
        if text.startswith("@", self._at):
            path = self.path()
            return lambda item, root: path.find(item)
        if text.startswith("$", self._at):
            path = self.path()
            return lambda item, root: path.find(root)
        value = self._literal()
        return lambda item, root: value

    def _literal(self) -> Any:
        if quoted := self._match(_QUOTED):
            return _unquoted(quoted)
        if number := self._match(_NUMBER):
            return json.loads(number[0][:60])
        if self._take("["):
            items: list[Any] = []
            self._space()
            while not self._take("]"):
                items.append(self._literal())
                self._space()
                self._take(",")
                self._space()
            return items
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self._take(word):
                return value
        raise self._error()

    def _regex(self) -> re.Pattern[str]:
        found = self._match(re.compile(r"/((?:[^/\\]|\\.)*)/(i?)"))
        if found is None:
            raise self._error()
        try:
            return re.compile(found[1], re.IGNORECASE if found[2] else 0)
        except re.error as error:
            raise PathError(str(error)) from error


def _unquoted(found: re.Match[str]) -> str:
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
