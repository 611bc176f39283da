"""Parameter mapping of HTTP APIs: changes to a request before its integration, and to an answer after it. Pure.

Parsed once; a value that names something which is not there leaves its header or parameter out.
docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from labhelpers.gateway.context import as_text, lookup
from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest, decode_query, query_pairs

_VARIABLE = re.compile(r"\$\{([^}]+)\}|\$((?:request|response|context|stageVariables)\.[^\s$]+)")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*|'[^']*'|\"[^\"]*\")\]")
_JSON_PATH_BYTES_MAX = 100_000  # AWS: a body is cut there before a JSON path is applied.

Lookup = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Expression:
    """A value of a mapping: text with variables in it, such as `$request.header.x` or `${stageVariables.v}-a`."""

    literals: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Expression:
        literals, names, end = [], [], 0
        for found in _VARIABLE.finditer(text):
            literals.append(text[end : found.start()])
            names.append(found[1] or found[2])
            end = found.end()
        return cls((*literals, text[end:]), tuple(names))

    def value(self, find: Lookup) -> str | None:
        """The text with its variables filled in; None when it is only variables and none of them has a value."""
        values = [find(name) for name in self.names]
        if self.names and all(value is None for value in values) and not "".join(self.literals):
            return None
        parts = [self.literals[0]]
        for value, literal in zip(values, self.literals[1:], strict=True):
            parts += (value or "", literal)
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Change:
    action: str
    place: str
    name: str
    expression: Expression


def _read_changes(record: Mapping[str, str]) -> tuple[_Change, ...]:
    changes = []
    for key, text in record.items():
        action, _, target = key.partition(":")
        place, _, name = target.partition(".")
        changes.append(_Change(action, place, name, Expression.read(text)))
    return tuple(changes)


def _apply_headers(
    pairs: tuple[tuple[str, str], ...], changes: list[tuple[_Change, str | None]], *, ignore_case: bool
) -> tuple[tuple[str, str], ...]:
    """Names and values after `append`, `overwrite` and `remove`."""
    found = list(pairs)
    for change, value in changes:
        name = change.name

        def is_named(pair: tuple[str, str], name: str = name) -> bool:
            return pair[0].lower() == name.lower() if ignore_case else pair[0] == name

        if change.action == "remove" or (change.action == "overwrite" and value is not None):
            found = [pair for pair in found if not is_named(pair)]
        if change.action != "remove" and value is not None:
            found.append((name, value))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class RequestMapping:
    """What an integration's `requestParameters` change."""

    changes: tuple[_Change, ...]

    @classmethod
    def read(cls, record: Mapping[str, str] | None) -> RequestMapping | None:
        """From AWS's record; None when it changes nothing."""
        return cls(_read_changes(record)) if record else None

    def apply(
        self,
        request: GatewayRequest,
        path: str,
        path_variables: Mapping[str, str],
        context: Mapping[str, Any],
        stage_variables: Mapping[str, str],
    ) -> tuple[GatewayRequest, str | None]:
        """The changed request, and the path of `overwrite:path` if there is one. `path` is without the stage."""
        find = _request_lookup(request, path, path_variables, context, stage_variables)
        values = [(change, change.expression.value(find)) for change in self.changes]
        of = {
            place: [(c, v) for c, v in values if c.place == place]
            for place in ("header", "querystring", "path")
        }
        headers, query = request.headers, request.query
        if of["header"]:
            headers = _apply_headers(headers, of["header"], ignore_case=True)
        if of["querystring"]:
            query = _apply_query(query, of["querystring"])
        new_path = next((value for _, value in of["path"] if value is not None), None)
        return replace(request, headers=headers, query=query), new_path


def _apply_query(query: str, changes: list[tuple[_Change, str | None]]) -> str:
    # Parameters that no change names stay as they were written.
    pairs = tuple((decode_query(part.partition("=")[0]), part) for part in query.split("&") if part)
    written = [
        (change, None if value is None else f"{quote(change.name, safe='')}={quote(value, safe='')}")
        for change, value in changes
    ]
    return "&".join(part for _, part in _apply_headers(pairs, written, ignore_case=False))


@dataclass(frozen=True, slots=True)
class ResponseMapping:
    """What an integration's `responseParameters` change, by status."""

    by_status: Mapping[int, tuple[_Change, ...]]

    @classmethod
    def read(cls, record: Mapping[str, Mapping[str, str]] | None) -> ResponseMapping | None:
        """From AWS's record; None when it changes nothing."""
        if not record:
            return None
        return cls({int(status): _read_changes(changes) for status, changes in record.items()})

    def apply(
        self, answer: GatewayAnswer, context: Mapping[str, Any], stage_variables: Mapping[str, str]
    ) -> GatewayAnswer:
        """The changed answer; the same when no mapping is for its status."""
        changes = self.by_status.get(answer.status)
        if not changes:
            return answer
        find = _response_lookup(answer, context, stage_variables)
        values = [(change, change.expression.value(find)) for change in changes]
        status = answer.status
        for change, value in values:
            if change.place == "statuscode" and value and value.isdigit() and 100 <= int(value) <= 599:
                status = int(value)
        headers = [(change, value) for change, value in values if change.place == "header"]
        return replace(
            answer, status=status, headers=_apply_headers(answer.headers, headers, ignore_case=True)
        )


# --- Variables ---


def _request_lookup(
    request: GatewayRequest,
    path: str,
    path_variables: Mapping[str, str],
    context: Mapping[str, Any],
    stage_variables: Mapping[str, str],
) -> Lookup:
    def find(name: str) -> str | None:
        kind, _, rest = name.partition(".")
        if kind != "request":
            return _shared(kind, rest, context, stage_variables)
        place, _, key = rest.partition(".")
        if place == "header":
            return ",".join(request.header_values(key)) or None
        if place == "querystring":
            return ",".join(v for n, v in query_pairs(request.query) if n == key) or None
        if place == "path":
            return path_variables.get(key) if key else path
        if place == "body":
            return _from_body(request.body, key)
        return None

    return find


def _response_lookup(
    answer: GatewayAnswer, context: Mapping[str, Any], stage_variables: Mapping[str, str]
) -> Lookup:
    def find(name: str) -> str | None:
        kind, _, rest = name.partition(".")
        if kind != "response":
            return _shared(kind, rest, context, stage_variables)
        place, _, key = rest.partition(".")
        if place == "header":
            wanted = key.lower()
            return ",".join(v for n, v in answer.headers if n.lower() == wanted) or None
        if place == "body":
            return _from_body(answer.body, key)
        return str(answer.status) if place == "statuscode" else None

    return find


def _shared(
    kind: str, rest: str, context: Mapping[str, Any], stage_variables: Mapping[str, str]
) -> str | None:
    if kind == "context":
        return as_text(lookup(context, rest))
    return stage_variables.get(rest) if kind == "stageVariables" else None


def _from_body(body: bytes, path: str) -> str | None:
    if not path:
        return body.decode("utf-8", "replace")
    try:
        value = json.loads(body[:_JSON_PATH_BYTES_MAX])
    except ValueError:
        return None
    return as_text(json_path(value, path))


def json_path(value: Any, path: str) -> Any:
    """The simple JSON paths that AWS takes here: names, indexes and `*`; None where nothing is found."""
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            return None
        position = found.end()
        step = found[1] or found[2].strip("'\"")
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step == "*":
            return [json_path(each, path[position:]) for each in value]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
