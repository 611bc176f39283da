"""How requests become those of integrations and their answers replies: templates, and parameters taken from a request.

Pure. TemplateError for what a template does wrong; its text is for the execution log.
docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-mapping.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from labhelpers.gateway.context import as_text, lookup
from labhelpers.gateway.exchange import query_pairs
from labhelpers.gateway.templates.json_path import PathError, compile_path
from labhelpers.gateway.templates.mapping import Input, TemplateError, render
from labhelpers.gateway.websocket.events import CONNECT_EVENT, Occasion, log_context
from labhelpers.gateway.websocket.selection import Selection, body_value, read_json

_PASSTHROUGH = {"WHEN_NO_MATCH": True, "NEVER": False}


class NoTemplate(Exception):
    """No template fits, and the integration does not take the message as it is: 415."""


class Source:
    """What templates, mappings and selection expressions of one occasion read; `message_event` writes a message's."""

    def __init__(
        self, occasion: Occasion, account_id: str, message_event: Callable[[], str] | None = None
    ) -> None:
        self.occasion = occasion
        self.message_event = message_event
        self._account_id = account_id

    @cached_property
    def context(self) -> dict[str, Any]:
        """`$context`."""
        return log_context(self.occasion, self._account_id)

    @cached_property
    def body(self) -> Any:
        """The message as JSON; None if it is none."""
        return read_json(self.occasion.body or "")

    @cached_property
    def headers(self) -> Sequence[tuple[str, str]]:
        """The client's headers: those of `$connect` only."""
        return self.occasion.client.request.headers if self.occasion.type == CONNECT_EVENT else ()

    @cached_property
    def query(self) -> Sequence[tuple[str, str]]:
        """The client's query: that of `$connect` only."""
        if self.occasion.type != CONNECT_EVENT:
            return ()
        return query_pairs(self.occasion.client.request.query)

    def variable(self, name: str) -> Any:
        """A variable of a selection expression about the request."""
        if name.startswith("request.body."):
            return body_value(self.body, name.removeprefix("request.body."))
        if name.startswith("context."):
            return lookup(self.context, name.removeprefix("context."))
        return None

    def render(self, template: str, body: str) -> str:
        """A template's text. TemplateError."""
        params = {"header": dict(self.headers), "querystring": dict(self.query)}
        return render(template, Input(body, params), self.context, self.occasion.stage_variables)

    def request_body(
        self, templates: Mapping[str, str], selection: Selection | None, passthrough: str
    ) -> str:
        """The message as the integration is to get it. NoTemplate, TemplateError."""
        body = self.occasion.body or ""
        # AWS: without an expression a template for JSON is taken, the type that a message is said to have.
        template = choose(templates, selection, self.variable, ("application/json",))
        if template is not None:
            return self.render(template, body)
        if not _PASSTHROUGH.get(passthrough, not templates):
            raise NoTemplate
        return body

    def parameter(self, expression: str) -> str | None:
        """The value of a mapping expression (`context.x`, `route.request.header.X`, `'text'`); None without one."""
        if len(expression) > 1 and expression[0] == expression[-1] == "'":
            return expression[1:-1]
        kind, _, name = expression.partition(".")
        if kind == "context":
            return as_text(lookup(self.context, name))
        if kind == "stageVariables":
            return self.occasion.stage_variables.get(name)
        return self._request_parameter(expression.removeprefix("route.request."))

    def _request_parameter(self, expression: str) -> str | None:
        place, _, name = expression.partition(".")
        if place == "body":
            return as_text(self._body_parameter(name)) if name else self.occasion.body
        pairs = self.query if "querystring" in place else self.headers
        lower = name.lower()
        found = [
            value for given, value in pairs if given == name or ("header" in place and given.lower() == lower)
        ]
        if place.startswith("multivalue"):
            return ",".join(found) if found else None
        return found[-1] if found else None

    def _body_parameter(self, path: str) -> Any:
        try:
            return compile_path(path if path.startswith("$") else f"$.{path}").find(self.body)
        except PathError as error:
            raise TemplateError(str(error)) from error


def choose(
    templates: Mapping[str, str], selection: Selection | None, variable: Any, fallbacks: Sequence[str]
) -> str | None:
    """The template that an expression selects; without one the first of `fallbacks`; else `$default`, else None."""
    keys = list(fallbacks)
    if selection is not None:
        key = selection.evaluate(variable)
        keys = [] if key is None else [key]
    return next((templates[key] for key in (*keys, "$default") if key in templates), None)


def answer_variables(source: Source, status: int, headers: Sequence[tuple[str, str]]) -> Any:
    """A look-up of the variables of an integration response's expression. AWS: the response's body is none of them."""

    def find(name: str) -> Any:
        kind = name.removeprefix("integration.response.")
        if kind == "statuscode":
            return str(status)
        if kind.startswith(("header.", "multivalueheader.")):
            wanted = kind.partition(".")[2].lower()
            return next((value for given, value in headers if given.lower() == wanted), None)
        return source.variable(name)

    return find


def error_message(payload: bytes) -> str:
    """The `errorMessage` of a function's error, for the patterns of integration responses."""
    try:
        found = json.loads(payload)
    except ValueError:
        return ""
    return str(found.get("errorMessage", "")) if isinstance(found, dict) else ""
