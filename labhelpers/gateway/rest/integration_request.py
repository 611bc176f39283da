"""What a custom integration's backend is asked: parameters mapped, a request template run, the URI filled in.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-request.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from labhelpers.gateway.lambda_call import with_stage_variables
from labhelpers.gateway.rest import headers as rest_headers
from labhelpers.gateway.rest import media
from labhelpers.gateway.rest.gateway_responses import GatewayError, Kind, configuration_error
from labhelpers.gateway.rest.parameters import BadBody, value_of
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Integration
from labhelpers.gateway.templates.mapping import Input, Overrides, TemplateError, render_with_overrides

WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER = "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"
_DEFAULT = "$default"
_JSON = "application/json"


@dataclass(slots=True)
class Asked:
    """What a backend is asked. `overrides` is what templates have put into `$context`; response templates see it."""

    headers: dict[str, list[str]]
    query: dict[str, list[str]]
    path: dict[str, str]
    body: bytes | str
    overrides: Overrides = field(default_factory=Overrides)
    templated: bool = False

    def body_bytes(self) -> bytes:
        return self.body.encode("utf-8", "replace") if isinstance(self.body, str) else self.body


def build(run: Run, integration: Integration) -> Asked:
    """The request of a custom integration. GatewayError: 415, 400, or 500 with the cause in the execution log."""
    template = select_template(integration, run.first("content-type"), run)
    asked = Asked(*mapped_parameters(run, integration), body=_body(run, integration))
    if template is not None:
        asked.body = apply_template(run, template, asked)
        asked.templated = True
        _override(asked)
    check_headers(asked.headers, integration)
    return asked


def mapped_parameters(
    run: Run, integration: Integration
) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[str, str]]:
    """Headers, query and path variables that the integration's mappings make. GatewayError."""
    headers: dict[str, list[str]] = {}
    query: dict[str, list[str]] = {}
    path: dict[str, str] = {}
    if not integration.parameters:
        return headers, query, path
    values = run.values()
    for each in integration.parameters:
        try:
            found = value_of(each.source, values)
        except BadBody:
            raise GatewayError(Kind.DEFAULT_4XX, "Invalid JSON in request body") from None
        if not found:
            continue
        if each.target == "header":
            headers[each.name] = [found] if isinstance(found, str) else found
        elif each.target == "querystring":
            query[each.name] = [found] if isinstance(found, str) else found
        elif each.target == "path":
            path[each.name] = found if isinstance(found, str) else ",".join(found)
    return headers, query, path


def check_headers(headers: Mapping[str, Sequence[str]], integration: Integration) -> None:
    """GatewayError 500 for a mapped header that AWS does not let an integration set."""
    if (name := rest_headers.forbidden_in(headers, integration.type)) is not None:
        raise configuration_error(f"{name} header already present")


def select_template(integration: Integration, content_type: str | None, run: Run) -> str | None:
    """The request template for a content type; None to pass the body through. GatewayError 415."""
    templates = integration.templates
    kind = media.media_type(content_type) or _JSON
    template = templates.get(kind) or templates.get(_DEFAULT)
    if template is None and content_type:
        template = next((each for name, each in templates.items() if media.media_type(name) == kind), None)
    if template:
        return template
    behavior = integration.passthrough
    if behavior == NEVER or (behavior == WHEN_NO_TEMPLATES and templates):
        if run.log:
            run.log.failed(
                f"Execution failed due to configuration error: No match for content type {kind} and passthrough "
                f"behavior {behavior}"
            )
        raise GatewayError(Kind.UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")
    return None


def _body(run: Run, integration: Integration) -> bytes | str:
    types = run.program.binary_media_types
    handling = integration.content_handling
    if not types and not handling:
        return run.request.body.decode("utf-8", "replace")
    binary = media.is_binary(media.media_type(run.first("content-type")), types)
    try:
        return media.request_body(run.request.body, binary=binary, handling=handling)
    except media.NotBase64 as error:
        raise configuration_error(f"Unable to base64 decode the body: {error}") from error


def apply_template(run: Run, template: str, asked: Asked) -> str:
    """The body that a request template makes. GatewayError 500, the cause in the execution log."""
    try:
        return render_with_overrides(
            template, template_input(run, asked.body), run.context(), run.variables, asked.overrides
        )
    except TemplateError as error:
        raise configuration_error(f"Unable to transform request: {error}") from error


def template_input(run: Run, body: bytes | str) -> Input:
    """`$input` for this request with a body."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    return Input(
        text,
        {
            "path": run.path_variables,
            "querystring": {name: values[-1] for name, values in run.query.items()},
            "header": {name: values[-1] for name, values in run.headers.items()},
        },
    )


def _override(asked: Asked) -> None:
    overrides = asked.overrides
    for name, value in overrides.header.items():
        _replace(asked.headers, name, value, ignore_case=True)
    for name, value in overrides.querystring.items():
        _replace(asked.query, name, value)
    for name, value in overrides.path.items():
        asked.path[name] = _text(value)


def _replace(target: dict[str, list[str]], name: str, value: Any, *, ignore_case: bool = False) -> None:
    if ignore_case:
        for each in [key for key in target if key.lower() == name.lower()]:
            del target[each]
    target[name] = [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _text(value: Any) -> str:
    from labhelpers.gateway.templates.vtl_values import text

    return text(value)


def fill_uri(uri: str, path: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """An integration's URI with its `{variables}` and `${stageVariables.x}`; a variable without a value stays."""
    filled = with_stage_variables(uri, variables)
    for name, value in path.items():
        filled = filled.replace(f"{{{name}}}", value).replace(f"{{{name}+}}", value)
    return filled


def with_query(uri: str, query: Mapping[str, Sequence[str]]) -> str:
    """A URI with more query parameters, encoded."""
    pairs = [
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, values in query.items()
        for value in values
    ]
    if not pairs:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{'&'.join(pairs)}"
