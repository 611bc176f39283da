"""Parameter mappings of REST APIs: expressions, parsed once, and their values for a request or an answer. Pure.

Targets: `integration.request.header.X`, `method.response.header.X`, `gatewayresponse.header.X`, ... Sources:
`method.request.path.x`, `integration.response.body.a.b`, `context.x`, `stageVariables.x`, `'a text'`.
docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from labhelpers.gateway.context import as_text, lookup
from labhelpers.gateway.templates import permissive_json
from labhelpers.gateway.templates.json_path import PathError, compile_path

_NAME = r"[A-Za-z0-9._$-]+"
_REQUEST = re.compile(
    rf"method\.request\.(?:(?P<place>path|querystring|multivaluequerystring|header|multivalueheader)\.(?P<name>{_NAME})"
    r"|body(?:\.(?P<path>.+))?)"
)
_RESPONSE = re.compile(
    rf"integration\.response\.(?:(?P<place>header|multivalueheader)\.(?P<name>{_NAME})|body(?:\.(?P<path>.+))?)"
)
_OTHER = re.compile(r"(?P<place>context|stageVariables)\.(?P<name>.+)")
_STATIC = re.compile(r"'(.*)'", re.DOTALL)


class Place(Enum):
    """Where a value comes from."""

    PATH = "path"
    QUERY = "querystring"
    MULTI_QUERY = "multivaluequerystring"
    HEADER = "header"
    MULTI_HEADER = "multivalueheader"
    BODY = "body"
    CONTEXT = "context"
    STAGE_VARIABLE = "stageVariables"
    STATIC = "static"


@dataclass(frozen=True, slots=True)
class Source:
    """One expression: a place, and the name (or JSONPath, or text) in it."""

    place: Place
    name: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """One mapping: the kind of its target (`header`, `path`, `querystring`), the target's name, and its source."""

    target: str
    name: str
    source: Source


@dataclass(frozen=True, slots=True)
class Values:
    """What expressions are read from. `headers` and `query` by name, all values in order; `body` as it came."""

    headers: Mapping[str, Sequence[str]]
    query: Mapping[str, Sequence[str]]
    path: Mapping[str, str]
    body: bytes
    context: Callable[[], Mapping[str, Any]]
    stage_variables: Mapping[str, str]


class BadBody(Exception):
    """A mapping reads a body that is no JSON: AWS answers 400, `Invalid JSON in request body`."""


def read_source(expression: str) -> Source | None:
    """An expression; None if it is none of the known ones."""
    text = expression.strip()
    if found := _STATIC.fullmatch(text):
        return Source(Place.STATIC, found[1])
    if found := _REQUEST.fullmatch(text) or _RESPONSE.fullmatch(text):
        if found["place"]:
            return Source(Place(found["place"]), found["name"])
        return Source(Place.BODY, found["path"] or "")
    if found := _OTHER.fullmatch(text):
        return Source(Place(found["place"]), found["name"])
    return None


def read_mappings(mappings: Mapping[str, Any] | None, prefix: str) -> tuple[Mapped, ...]:
    """The mappings of a record whose targets begin with `prefix`; those that cannot be read do nothing."""
    found = []
    for target, expression in (mappings or {}).items():
        kind, _, name = target.removeprefix(prefix).partition(".")
        source = read_source(str(expression))
        if target.startswith(prefix) and name and source is not None:
            found.append(Mapped(kind, name, source))
    return tuple(found)


def value_of(source: Source, values: Values) -> str | list[str] | None:
    """The value of an expression; None where there is none. BadBody."""
    return _READERS[source.place](source.name, values)


def _body(path: str, values: Values) -> str | None:
    body = values.body.strip()
    document: Any = {}
    if body[:1] in (b"{", b"[", b"'", b'"'):  # AWS looks at the first character before it parses.
        try:
            document = permissive_json.loads(body.decode("utf-8", "replace"))
        except ValueError:
            raise BadBody from None
    if not path:
        return body.decode("utf-8", "replace") or "{}"
    try:
        return as_text(compile_path(f"$.{path}").find(document))
    except PathError:
        return None


def _header_values(name: str, values: Values) -> Sequence[str]:
    found = values.headers.get(name)
    if found is None:
        lower = name.lower()
        found = next((each for key, each in values.headers.items() if key.lower() == lower), ())
    return found


def _last(found: Sequence[str]) -> str | None:
    return found[-1] if found else None


def _all(found: Sequence[str]) -> str | list[str] | None:
    return (found[0] if len(found) == 1 else list(found)) if found else None


_READERS: Mapping[Place, Callable[[str, Values], str | list[str] | None]] = {
    Place.PATH: lambda name, values: values.path.get(name),
    Place.QUERY: lambda name, values: _last(values.query.get(name, ())),
    Place.MULTI_QUERY: lambda name, values: _all(values.query.get(name, ())),
    Place.HEADER: lambda name, values: _last(_header_values(name, values)),
    Place.MULTI_HEADER: lambda name, values: ",".join(_header_values(name, values)) or None,
    Place.BODY: _body,
    Place.CONTEXT: lambda name, values: as_text(lookup(values.context(), name)),
    Place.STAGE_VARIABLE: lambda name, values: values.stage_variables.get(name),
    Place.STATIC: lambda name, values: name,
}
