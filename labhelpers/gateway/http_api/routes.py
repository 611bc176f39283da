"""Which route of an HTTP API a request takes. Pure.

Rules: a full match of the path first, literal parts before variables; then greedy variables, those deeper in the path
first; then `$default`. Of two routes of one path, that of the method wins over ANY. Paths are compared decoded, part by
part, so an encoded slash is no separator; nothing is normalised: `/a/` is not `/a`, and `..` is a part like another.
docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from labhelpers.gateway.exchange import decode

T = TypeVar("T")

DEFAULT = "$default"
ANY = "ANY"
_REMEMBERED_MAX, _REMEMBERED_LENGTH_MAX = 2_000, 200


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """The route that was found, and the decoded values of its path variables."""

    target: T
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    target: T
    names: tuple[str, ...]


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    variable: _Node[T] | None = None
    here: dict[str, _Entry[T]] = field(default_factory=dict)
    greedy: dict[str, _Entry[T]] = field(default_factory=dict)


class RouteTable(Generic[T]):
    """Routes by method and path. Matches are remembered, for most requests are like others before."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._default: T | None = None
        self._remembered: dict[tuple[str, str], Match[T] | None] = {}

    def add(self, method: str, path: str, target: T) -> None:
        """A route; `path` is `$default` or begins with `/`, its variables are `{name}` (the last perhaps `{name+}`)."""
        if path == DEFAULT:
            self._default = target
            return
        node = self._root
        names: list[str] = []
        for part in path.split("/")[1:]:
            if part.startswith("{") and part.endswith("+}"):
                node.greedy.setdefault(method, _Entry(target, (*names, part[1:-2])))
                return
            if part.startswith("{") and part.endswith("}"):
                names.append(part[1:-1])
                node.variable = node = node.variable or _Node()
            else:
                node = node.literals.setdefault(part, _Node())
        node.here.setdefault(method, _Entry(target, tuple(names)))

    def match(self, method: str, path: str) -> Match[T] | None:
        """The route of a request. `path` is raw, without the stage."""
        key = (method, path)
        try:
            return self._remembered[key]
        except KeyError:
            found = self._find(method, path)
            if len(path) <= _REMEMBERED_LENGTH_MAX:
                if len(self._remembered) >= _REMEMBERED_MAX:
                    self._remembered.clear()
                self._remembered[key] = found
            return found

    def _find(self, method: str, path: str) -> Match[T] | None:
        parts = [decode(part) for part in path.split("/")[1:]]
        found = _full(self._root, parts, 0, (), method) or _greedy(self._root, parts, 0, (), method)
        if found is not None:
            entry, values = found
            return Match(entry.target, dict(zip(entry.names, values, strict=True)))
        return Match(self._default, {}) if self._default is not None else None


_Found = tuple[_Entry[T], tuple[str, ...]]


def _full(
    node: _Node[T], parts: list[str], depth: int, values: tuple[str, ...], method: str
) -> _Found[T] | None:
    if depth == len(parts):
        entry = node.here.get(method) or node.here.get(ANY)
        return (entry, values) if entry else None
    part = parts[depth]
    child = node.literals.get(part)
    if child is not None and (found := _full(child, parts, depth + 1, values, method)):
        return found
    if node.variable is not None and part:
        return _full(node.variable, parts, depth + 1, (*values, part), method)
    return None


def _greedy(
    node: _Node[T], parts: list[str], depth: int, values: tuple[str, ...], method: str
) -> _Found[T] | None:
    if depth == len(parts):
        return None
    part = parts[depth]
    child = node.literals.get(part)
    if child is not None and (found := _greedy(child, parts, depth + 1, values, method)):
        return found
    if node.variable is not None and part:
        found = _greedy(node.variable, parts, depth + 1, (*values, part), method)
        if found:
            return found
    entry = node.greedy.get(method) or node.greedy.get(ANY)
    rest = "/".join(parts[depth:])
    # Seen on AWS: `/pets/` is `/pets/{proxy+}` with nothing for its variable; the root alone is no `/{proxy+}`.
    return (entry, (*values, rest)) if entry and (rest or depth) else None
