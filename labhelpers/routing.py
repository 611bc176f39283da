"""Matches methods and raw paths against templates such as `/2015-03-31/functions/{FunctionName}/aliases`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Route(Generic[T]):
    literals: tuple[tuple[int, str], ...]
    variables: tuple[tuple[int, str], ...]
    target: T


class Router(Generic[T]):
    """Routes by method and template. A variable is one segment, percent-decoded; a slash at the end does not matter."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, int], list[_Route[T]]] = {}

    def add(self, method: str, template: str, target: T) -> None:
        """A route; of two that match one path, that with more literal segments wins."""
        segments = _segments(template)
        literals = tuple((i, text) for i, text in enumerate(segments) if not text.startswith("{"))
        variables = tuple((i, text[1:-1]) for i, text in enumerate(segments) if text.startswith("{"))
        routes = self._routes.setdefault((method, len(segments)), [])
        routes.append(_Route(literals, variables, target))
        routes.sort(key=lambda route: -len(route.literals))

    def match(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        """The target for a raw path and the values of its variables; None when no route matches."""
        segments = _segments(path)
        for route in self._routes.get((method, len(segments)), ()):
            if all(segments[i] == text for i, text in route.literals):
                return route.target, {name: unquote(segments[i]) for i, name in route.variables}
        return None


def _segments(path: str) -> list[str]:
    return path.removesuffix("/").split("/")
