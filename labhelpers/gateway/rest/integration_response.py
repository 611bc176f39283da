"""What a client gets of a custom integration's answer: an integration response is chosen, mappings and template run.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-response.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labhelpers.gateway.exchange import GatewayAnswer
from labhelpers.gateway.rest import headers as rest_headers
from labhelpers.gateway.rest import media
from labhelpers.gateway.rest.gateway_responses import configuration_error
from labhelpers.gateway.rest.integration_request import Asked, template_input
from labhelpers.gateway.rest.parameters import BadBody, Values, value_of
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Integration, IntegrationResponse
from labhelpers.gateway.templates import permissive_json
from labhelpers.gateway.templates.mapping import TemplateError, render_with_overrides
from labhelpers.gateway.templates.vtl_values import text
from labhelpers.records import record

_JSON = "application/json"


@record
class Answered:
    """A backend's answer. `selection` is what patterns are matched with: its status, or a function's error message;
    None when a function did well, which only the default response fits.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    selection: str | None


def error_message(payload: bytes) -> str | None:
    """The error message in a function's payload; None if it did well."""
    if b'"errorMessage"' not in payload:
        return None
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    message = found.get("errorMessage") if isinstance(found, dict) else None
    return message if isinstance(message, str) else None


def choose(integration: Integration, answered: Answered) -> IntegrationResponse:
    """The integration response whose pattern fits all of an answer's selection, or the default. GatewayError 500."""
    default: IntegrationResponse | None = None
    for each in integration.responses:
        if each.pattern is None:
            default = default or each
        elif answered.selection is not None and each.pattern.fullmatch(answered.selection):
            return each
    if default is None:
        raise configuration_error(
            "No match for output mapping and no default output mapping configured. "
            f"Endpoint Response Status Code: {answered.status}"
        )
    return default


def build(run: Run, integration: Integration, asked: Asked, answered: Answered) -> GatewayAnswer:
    """The answer for the client, without the gateway's own ids. GatewayError 500, the cause in the execution log."""
    response = choose(integration, answered)
    body: bytes | str = _body(run, response, answered)
    template = select_template(response.templates, run.first("accept"))
    if template:
        body = _apply(run, template, body, asked)
    headers = _mapped_headers(run, response, answered)
    overrides = asked.overrides
    for name, value in overrides.response_header.items():
        lower = name.lower()
        headers = [pair for pair in headers if pair[0].lower() != lower]
        headers += [(name, text(each)) for each in (value if isinstance(value, list) else [value])]
    status = overrides.response_status
    if not (isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599):
        status = response.status  # AWS ignores other overrides.
    headers = rest_headers.to_client(headers, integration.type)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.insert(0, ("Content-Type", _JSON))
    data = body.encode("utf-8", "replace") if isinstance(body, str) else body
    return GatewayAnswer(status, tuple(headers), data)


def select_template(templates: Mapping[str, str], accept: str | None) -> str:
    """The response template for an Accept header; that for JSON, or the first, when none fits."""
    if not templates:
        return ""
    for kind in media.accepted_types(accept):
        if templates.get(kind):
            return templates[kind]
    return templates.get(_JSON) or next((each for each in templates.values() if each), "")


def _body(run: Run, response: IntegrationResponse, answered: Answered) -> bytes | str:
    types, handling = run.program.binary_media_types, response.content_handling
    if not types and not handling:
        return answered.body.decode(
            "utf-8", "replace"
        )  # AWS: what is not said to be binary is text, images too.
    kind = next((value for name, value in answered.headers if name.lower() == "content-type"), None)
    try:
        return media.response_body(
            answered.body,
            binary=media.is_binary(media.media_type(kind), types),
            accepts_binary=media.is_binary(media.first_accepted(run.first("accept")), types),
            handling=handling,
        )
    except media.NotBase64 as error:
        raise configuration_error(f"Unable to base64 decode the body: {error}") from error


def _apply(run: Run, template: str, body: bytes | str, asked: Asked) -> str:
    try:
        return render_with_overrides(
            template, template_input(run, body), run.context(), run.variables, asked.overrides
        )
    except TemplateError as error:
        raise configuration_error(f"Unable to transform response: {error}") from error


def _mapped_headers(run: Run, response: IntegrationResponse, answered: Answered) -> list[tuple[str, str]]:
    if not response.parameters:
        return []
    headers: dict[str, list[str]] = {}
    for name, value in answered.headers:
        headers.setdefault(name, []).append(value)
    values = Values(headers, {}, {}, answered.body, run.context, run.variables)
    found: list[tuple[str, str]] = []
    for each in response.parameters:
        try:
            made = value_of(each.source, values)
        except BadBody as error:
            raise configuration_error("Invalid JSON in the integration's response") from error
        if each.target == "header" and made is not None:
            found.append((each.name, made if isinstance(made, str) else ",".join(made)))
    return found


def mock_status(body: bytes) -> int | None:
    """The `statusCode` of what a mock's template made, which need not be strict JSON."""
    try:
        found: Any = permissive_json.loads(body.decode("utf-8", "replace"))
    except ValueError:
        return None
    status = found.get("statusCode") if isinstance(found, dict) else None
    return status if isinstance(status, int) and not isinstance(status, bool) else None
