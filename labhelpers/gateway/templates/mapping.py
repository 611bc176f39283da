"""Mapping templates with API Gateway's variables: `$input`, `$util`, `$context`, `$stageVariables`.

Called by REST and WebSocket APIs. A template that fails raises TemplateError, whose text is for the execution log only.
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from labhelpers.gateway.templates import permissive_json, vtl_nodes, vtl_parser
from labhelpers.gateway.templates.json_path import PathError, compile_path
from labhelpers.gateway.templates.vtl_values import (
    TemplateError,
    TemplateObject,
    bounded,
    from_json,
    json_text,
    text,
)

__all__ = ["Input", "Overrides", "TemplateError", "render", "render_with_overrides"]

Params = Mapping[str, Mapping[str, str]]
_PLACES = ("path", "querystring", "header")


@dataclass(frozen=True, slots=True)
class Input:
    """What `$input` is made of: a body as text, and the parameters by place (`path`, `querystring`, `header`)."""

    body: str
    params: Params = field(default_factory=dict)


@dataclass(slots=True)
class Overrides:
    """What templates have put into `$context.requestOverride` and `$context.responseOverride`."""

    header: dict[str, Any] = field(default_factory=dict)
    path: dict[str, Any] = field(default_factory=dict)
    querystring: dict[str, Any] = field(default_factory=dict)
    response_header: dict[str, Any] = field(default_factory=dict)
    response_status: Any = None


def render(
    template: str, given: Input, context: Mapping[str, Any], stage_variables: Mapping[str, str]
) -> str:
    """The text that a template makes. TemplateError."""
    return _run(template, given, dict(context), stage_variables)


def render_with_overrides(
    template: str,
    given: Input,
    context: Mapping[str, Any],
    stage_variables: Mapping[str, str],
    overrides: Overrides,
) -> str:
    """The text that a template makes; what it overrides is added to `overrides`, which it also sees. TemplateError."""
    request: dict[str, Any] = {
        "header": overrides.header,
        "path": overrides.path,
        "querystring": overrides.querystring,
    }
    response: dict[str, Any] = {"header": overrides.response_header}
    if overrides.response_status is not None:
        response["status"] = overrides.response_status
    own = {**context, "requestOverride": request, "responseOverride": response}
    made = _run(template, given, own, stage_variables)
    overrides.response_status = response.get("status")
    return made


def _run(template: str, given: Input, context: dict[str, Any], stage_variables: Mapping[str, str]) -> str:
    block = vtl_parser.parse(template)
    scope = vtl_nodes.Scope(
        {
            "input": _InputObject(given),
            "util": _UTIL,
            "context": context,
            "stageVariables": dict(stage_variables),
        }
    )
    try:
        block.write(scope)
    except (vtl_nodes.Stop, vtl_nodes.Break):
        pass
    except RecursionError:
        raise TemplateError("the template is nested too deeply") from None
    return "".join(scope.out)


class _InputObject(TemplateObject):
    """`$input`: the body and the parameters."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._document: Any = _UNREAD

    def member(self, name: str) -> Any:
        return self._body() if name == "body" else None

    def call(self, name: str, arguments: list[Any]) -> Any:
        if name == "params" and len(arguments) <= 1:
            return self._param(text(arguments[0])) if arguments else self._params()
        if name in ("json", "path") and len(arguments) == 1:
            found = self._find(text(arguments[0]))
            if name == "path":
                return from_json(found)
            # AWS: `$input.json` of nothing is an empty text (recorded).
            return json_text("" if found is None else found)
        raise TemplateError(f"$input has no method {name} with {len(arguments)} arguments")

    def _body(self) -> str:
        # AWS: without a body, `$input.body` is an empty object.
        return self._given.body or "{}"

    def _find(self, path: str) -> Any:
        if self._document is _UNREAD:
            try:
                self._document = permissive_json.loads(self._body())
            except ValueError:
                self._document = self._body()  # What is no JSON is one text: `$` is all of it.
        try:
            return compile_path(path).find(self._document)
        except PathError as error:
            raise TemplateError(str(error)) from error

    def _params(self) -> Any:
        return {place: dict(self._given.params.get(place, {})) for place in _PLACES}

    def _param(self, name: str) -> str:
        """A parameter, looked for in the path, the query string and the headers; "" without one."""
        params = self._given.params
        for place in _PLACES:
            found = params.get(place, {})
            if name in found:
                return found[name]
        lower = name.lower()
        return next((v for k, v in params.get("header", {}).items() if k.lower() == lower), "")


_UNREAD = object()


class _Util(TemplateObject):
    """`$util`: functions without state."""

    def call(self, name: str, arguments: list[Any]) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None or len(arguments) != 1:
            raise TemplateError(f"$util has no function {name} with {len(arguments)} arguments")
        return function(arguments[0])


_UTIL = _Util()
_ESCAPES = {
    "\b": "\\b",
    "\n": "\\n",
    "\t": "\\t",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "'": "\\'",
    "\\": "\\\\",
    "/": "\\/",
}


def _escape_java_script(value: Any) -> str | None:
    """A text by JavaScript's rules; single quotes too, which is not valid in JSON, as AWS's page says."""
    if value is None:
        return None
    return bounded("".join(_escaped(character) for character in text(value)))


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 32 <= code < 127:
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04X}" for i in range(0, len(units), 2))


def _parse_json(value: Any) -> Any:
    if value is None:
        return None
    try:
        return from_json(json.loads(text(value)))
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"$util.parseJson: {error}") from error


def _base64_decode(value: Any) -> str:
    try:
        return base64.b64decode(text(value), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise TemplateError(f"$util.base64Decode: {error}") from error


_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "escapeJavaScript": _escape_java_script,
    "parseJson": _parse_json,
    "urlEncode": lambda value: quote_plus(text(value), safe="*-._", errors="replace"),
    "urlDecode": lambda value: unquote_plus(text(value)),
    "base64Encode": lambda value: base64.b64encode(text(value).encode("utf-8", "replace")).decode(),
    "base64Decode": _base64_decode,
}
