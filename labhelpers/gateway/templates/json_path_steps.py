"""The steps that a JSONPath is made of: each goes from a value to those it leads to. Pure; made by `json_path`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_STEPS_MAX = 100_000

Step = Callable[[Any, Any], Iterator[Any]]
Condition = Callable[[Any, Any], bool]


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


def child(name: str) -> Step:
    """`.name`."""

    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def children(names: Sequence[str]) -> Step:
    """Several names give one map of them, as Jayway does."""

    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield {name: value[name] for name in names if name in value}

    return step


def indexes_of(indexes: Sequence[int]) -> Step:
    """`[0]`, `[0, -1]`."""

    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, list):
            for index in indexes:
                if -len(value) <= index < len(value):
                    yield value[index]

    return step


def slice_of(start: int | None, end: int | None, by: int | None) -> Step:
    """`[start:end:by]`."""

    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[start:end:by]

    return step


def everything(value: Any, root: Any) -> Iterator[Any]:
    """`*`."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def descendants(value: Any, root: Any) -> Iterator[Any]:
    """The value itself and all in it; the step after `..` picks among them."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(list(everything(one, root))))


def filtered(condition: Condition) -> Step:
    """`[?(condition)]`, of lists and of single objects."""

    def step(value: Any, root: Any) -> Iterator[Any]:
        items = value if isinstance(value, list) else [value] if isinstance(value, dict) else ()
        for item in items:
            if condition(item, root):
                yield item

    return step
