"""Answers that a REST API gives by itself: AWS's types of them, their statuses and words, and customised ones.

A customised response's templates know variables only, no Velocity: `$context.x`, `$stageVariables.x`, `$input` not.
docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from labhelpers.gateway.context import as_text, lookup
from labhelpers.gateway.exchange import GatewayAnswer, Pairs
from labhelpers.gateway.rest.media import accepted_types
from labhelpers.gateway.rest.parameters import Values, value_of
from labhelpers.gateway.rest.settings import GatewayResponse

INTERNAL = "Internal server error"
JSON = "application/json"


class Kind(Enum):
    """AWS's types of gateway responses."""

    ACCESS_DENIED = "ACCESS_DENIED"
    API_CONFIGURATION_ERROR = "API_CONFIGURATION_ERROR"
    AUTHORIZER_CONFIGURATION_ERROR = "AUTHORIZER_CONFIGURATION_ERROR"
    AUTHORIZER_FAILURE = "AUTHORIZER_FAILURE"
    BAD_REQUEST_BODY = "BAD_REQUEST_BODY"
    BAD_REQUEST_PARAMETERS = "BAD_REQUEST_PARAMETERS"
    DEFAULT_4XX = "DEFAULT_4XX"
    DEFAULT_5XX = "DEFAULT_5XX"
    EXPIRED_TOKEN = "EXPIRED_TOKEN"
    INTEGRATION_FAILURE = "INTEGRATION_FAILURE"
    INTEGRATION_TIMEOUT = "INTEGRATION_TIMEOUT"
    INVALID_API_KEY = "INVALID_API_KEY"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    MISSING_AUTHENTICATION_TOKEN = "MISSING_AUTHENTICATION_TOKEN"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    THROTTLED = "THROTTLED"
    UNAUTHORIZED = "UNAUTHORIZED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    WAF_FILTERED = "WAF_FILTERED"

    @property
    def status(self) -> int:
        """The status where nothing else is said."""
        return _FACTS[self][0]

    @property
    def error_type(self) -> str:
        """The header x-amzn-ErrorType."""
        return _FACTS[self][1]


_FACTS = {
    Kind.ACCESS_DENIED: (403, "AccessDeniedException"),
    Kind.API_CONFIGURATION_ERROR: (500, "InternalServerErrorException"),
    Kind.AUTHORIZER_CONFIGURATION_ERROR: (500, "AuthorizerConfigurationException"),
    Kind.AUTHORIZER_FAILURE: (500, "AuthorizerFailureException"),
    Kind.BAD_REQUEST_BODY: (400, "BadRequestException"),
    Kind.BAD_REQUEST_PARAMETERS: (400, "BadRequestException"),
    Kind.DEFAULT_4XX: (400, "BadRequestException"),
    Kind.DEFAULT_5XX: (500, "InternalServerErrorException"),
    Kind.EXPIRED_TOKEN: (403, "ExpiredTokenException"),
    Kind.INTEGRATION_FAILURE: (504, "InternalServerErrorException"),
    Kind.INTEGRATION_TIMEOUT: (504, "InternalServerErrorException"),
    Kind.INVALID_API_KEY: (403, "ForbiddenException"),
    Kind.INVALID_SIGNATURE: (403, "InvalidSignatureException"),
    Kind.MISSING_AUTHENTICATION_TOKEN: (403, "MissingAuthenticationTokenException"),
    Kind.QUOTA_EXCEEDED: (429, "LimitExceededException"),
    Kind.REQUEST_TOO_LARGE: (413, "RequestTooLargeException"),
    Kind.RESOURCE_NOT_FOUND: (404, "NotFoundException"),
    Kind.THROTTLED: (429, "TooManyRequestsException"),
    Kind.UNAUTHORIZED: (401, "UnauthorizedException"),
    Kind.UNSUPPORTED_MEDIA_TYPE: (415, "BadRequestException"),
    Kind.WAF_FILTERED: (403, "ForbiddenException"),
}

# As AWS's own refusal of an unknown type lists them (recorded).
LISTED = (
    "REQUEST_TOO_LARGE RESOURCE_NOT_FOUND AUTHORIZER_CONFIGURATION_ERROR MISSING_AUTHENTICATION_TOKEN BAD_REQUEST_BODY "
    "INVALID_SIGNATURE INVALID_API_KEY BAD_REQUEST_PARAMETERS AUTHORIZER_FAILURE UNAUTHORIZED INTEGRATION_TIMEOUT "
    "ACCESS_DENIED DEFAULT_4XX DEFAULT_5XX WAF_FILTERED QUOTA_EXCEEDED THROTTLED API_CONFIGURATION_ERROR "
    "UNSUPPORTED_MEDIA_TYPE INTEGRATION_FAILURE EXPIRED_TOKEN"
).split()
DEFAULT_TEMPLATES = {JSON: '{"message":$context.error.messageString}'}

# Where AWS writes a blank after the colon (told by the lengths of recorded answers), and where a capital M.
_SPACED = frozenset(
    {Kind.API_CONFIGURATION_ERROR, Kind.INTEGRATION_FAILURE, Kind.INTEGRATION_TIMEOUT, Kind.DEFAULT_5XX}
)
_CAPITAL = frozenset({Kind.ACCESS_DENIED})
_VARIABLE = re.compile(r"\$(context|stageVariables)\.([A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*)")


class GatewayError(Exception):
    """A request that ends in a gateway response. `message` None is null in the body; `log` is for the execution log."""

    def __init__(
        self,
        kind: Kind,
        message: str | None,
        *,
        status: int | None = None,
        error_type: str = "",
        log: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(message or kind.name)
        self.kind = kind
        self.message = message
        self.status = status or kind.status
        self.error_type = error_type or kind.error_type
        self.log = log
        self.detail = detail


def configuration_error(log: str, *, status: int = 500) -> GatewayError:
    """500 (or 502): something about the API, its templates or its backend is not as it must be."""
    line = f"Execution failed due to configuration error: {log}"
    return GatewayError(Kind.API_CONFIGURATION_ERROR, INTERNAL, status=status, log=line)


def applicable(kind: Kind, custom: Mapping[str, GatewayResponse]) -> GatewayResponse | None:
    """The customised response for a type: its own, or that of all with its class of status."""
    found = custom.get(kind.name)
    if found is None and custom:
        found = custom.get("DEFAULT_4XX" if kind.status < 500 else "DEFAULT_5XX")
    return found


def answer(
    error: GatewayError,
    custom: Mapping[str, GatewayResponse],
    headers: Pairs,
    values: Values,
    accept: str | None,
) -> GatewayAnswer:
    """The answer for an error; `headers` (ids) come first."""
    error_header = (("x-amzn-ErrorType", error.error_type),)
    response = applicable(error.kind, custom)
    if response is None:
        return GatewayAnswer(
            error.status, (("Content-Type", JSON), *error_header, *headers), default_body(error)
        )
    variables = {**values.context(), "error": error_context(error)}
    kind, template = _template(response.templates or DEFAULT_TEMPLATES, accept)
    mapped: list[tuple[str, str]] = []
    for each in response.parameters:
        found = (
            as_text(lookup(variables, each.source.name))
            if each.source.place.value == "context"
            else value_of(each.source, values)
        )
        if each.target == "header" and found is not None:
            mapped.append((each.name, found if isinstance(found, str) else ",".join(found)))
    names = {name.lower() for name, _ in mapped}
    own = [pair for pair in (("Content-Type", kind), *error_header, *headers) if pair[0].lower() not in names]
    return GatewayAnswer(
        response.status or error.status,
        (*own, *mapped),
        fill(template, variables, values.stage_variables).encode("utf-8", "replace"),
    )


def default_body(error: GatewayError) -> bytes:
    """The body that AWS sends where nothing is customised."""
    name = "Message" if error.kind in _CAPITAL else "message"
    blank = " " if error.kind in _SPACED else ""
    return f'{{"{name}":{blank}{json.dumps(error.message, ensure_ascii=False)}}}'.encode()


def error_context(error: GatewayError) -> dict[str, Any]:
    """`$context.error`."""
    return {
        "message": error.message,
        "messageString": json.dumps(error.message, ensure_ascii=False),
        "responseType": error.kind.name,
        # AWS: without quotes of its own, and escaped for a template that puts it between some.
        "validationErrorString": json.dumps(error.detail, ensure_ascii=False)[1:-1],
    }


def fill(template: str, context: Mapping[str, Any], stage_variables: Mapping[str, str]) -> str:
    """A template of a gateway response with its variables replaced; what has no value is empty."""

    def one(found: re.Match[str]) -> str:
        if found[1] == "stageVariables":
            return stage_variables.get(found[2], "")
        return as_text(lookup(context, found[2])) or ""

    return _VARIABLE.sub(one, template)


def _template(templates: Mapping[str, str], accept: str | None) -> tuple[str, str]:
    for kind in accepted_types(accept):
        if kind in templates:
            return kind, templates[kind]
    if JSON in templates:
        return JSON, templates[JSON]
    return next(iter(templates.items()))


def describe(name: str, custom: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A type's response as GetGatewayResponse answers: customised, by its class's customised default, or AWS's own."""
    kind = Kind[name]
    if name in custom:
        return dict(custom[name])
    record: dict[str, Any] = {
        "responseType": name,
        "responseParameters": {},
        "responseTemplates": dict(DEFAULT_TEMPLATES),
        "defaultResponse": True,
    }
    if not name.startswith("DEFAULT_"):
        record["statusCode"] = str(kind.status)
        of_class = custom.get("DEFAULT_4XX" if kind.status < 500 else "DEFAULT_5XX")
        if of_class is not None:
            record["responseParameters"] = dict(of_class["responseParameters"])
            record["responseTemplates"] = dict(of_class["responseTemplates"])
            record["statusCode"] = of_class.get("statusCode") or record["statusCode"]
    return record
