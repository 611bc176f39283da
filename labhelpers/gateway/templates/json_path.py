"""JSONPath, as `$input.path`, `$input.json` and parameter mappings take it: Jayway's dialect, parsed once. Pure.

A definite path has one value or none. One with `..`, `*`, slices, lists of names or filters has a list of values.
github.com/json-path/JsonPath
"""

from __future__ import annotations

import re
from functools import lru_cache

from labhelpers.gateway.templates.json_path_filters import QUOTED, FilterReader, unquoted
from labhelpers.gateway.templates.json_path_steps import (
    JsonPath,
    PathError,
    Step,
    child,
    children,
    descendants,
    everything,
    filtered,
    indexes_of,
    slice_of,
)

__all__ = ["JsonPath", "PathError", "compile_path"]

_LENGTH_MAX = 4_096

_NAME = re.compile(r"[^\s.\[\]()'\"=<>!&|,@$?*]+")
_INTEGER = re.compile(r"-?\d+")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(\d+))?\s*\]")
_MEASURE = re.compile(r"\.(length|size|keys|min|max|sum|avg)\(\)")


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


class _Reader(FilterReader):
    """Reads one path."""

    def path(self) -> JsonPath:
        """`$...` (a path without `$` begins at the root, too), `@...` in filters."""
        start = self.at
        if not (self.take("$") or self.take("@")) and not self.done:
            self.text = f"{self.text[: self.at]}$.{self.text[self.at :]}"
            self.at += 1
        steps: list[Step] = []
        definite = True
        measure = ""
        while True:
            if self.take(".."):
                steps.append(descendants)
                definite = False
                if not self.text.startswith("[", self.at):
                    steps.append(self._after_dot())
            elif self.text.startswith(".", self.at):
                if (found := self.match(_MEASURE)) is not None:
                    measure = found[1]
                    break
                self.at += 1
                step = self._after_dot()
                definite = definite and step is not everything
                steps.append(step)
            elif self.take("["):
                step, one = self._bracket()
                definite = definite and one
                steps.append(step)
            else:
                break
        return JsonPath(tuple(steps), definite, self.text[start : self.at], measure)

    def _after_dot(self) -> Step:
        if self.take("*"):
            return everything
        found = self.match(_NAME)
        if found is None:
            raise self.error()
        return child(found[0])

    def _bracket(self) -> tuple[Step, bool]:
        """The step of `[...]`, and whether it leads to one place."""
        self.space()
        if self.take("*"):
            self.space()
            self.expect("]")
            return everything, False
        if self.take("?"):
            self.space()
            self.expect("(")
            condition = self.condition()
            self.space()
            self.expect(")")
            self.space()
            self.expect("]")
            return filtered(condition), False
        if found := self.match(_SLICE):
            start, end, by = ((int(part) if part else None) for part in found.groups())
            return slice_of(start, end, by or None), False
        return self._names_or_indexes()

    def _names_or_indexes(self) -> tuple[Step, bool]:
        names: list[str] = []
        indexes: list[int] = []
        while True:
            self.space()
            if quoted := self.match(QUOTED):
                names.append(unquoted(quoted))
            elif number := self.match(_INTEGER):
                indexes.append(int(number[0][:20]))
            else:
                raise self.error()
            self.space()
            if self.take("]"):
                break
            self.expect(",")
        if names and indexes:
            raise self.error()
        if names:
            return (child(names[0]), True) if len(names) == 1 else (children(names), True)
        return indexes_of(indexes), len(indexes) == 1
