"""What AWS checks of the settings of WebSocket APIs. Pure; the counterpart of `rules`.

What AWS has and this lab has not is refused by name here, when it is set. Texts marked "seen" are AWS's own.
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labhelpers import limits
from labhelpers.errors import NotEmulated
from labhelpers.gateway.authorizer import read_source
from labhelpers.gateway.lambda_call import function_of
from labhelpers.gateway.v2 import rules
from labhelpers.gateway.v2.members import Record, bad_request, conflict
from labhelpers.gateway.v2.store import Api

CONNECT, DEFAULT = "$connect", "$default"

_KEY_EXPRESSIONS = ("$request.header.x-api-key", "$context.authorizer.usageIdentifierKey")
_VARIABLE = re.compile(r"(?<!\\)\$\{?([A-Za-z][\w.\-\[\]]*)")
_HTTP_URI = re.compile(r"https?://[^\s/?#]+.*", re.IGNORECASE)
_ROUTE_PARAMETER = re.compile(r"route\.request\.(?:querystring|header)\.[\w.$-]+")
_PARAMETER = re.compile(r"integration\.request\.(?P<place>header|querystring|path)\.(?P<name>[\w.$-]+)")
_SOURCE = re.compile(
    r"context\.[\w.-]+|stageVariables\.\w+|'[^']*'"
    r"|route\.request\.(?:body(?:\..+)?|(?:multivalue)?(?:querystring|header)\.[\w.$-]+)"
)


def check_api(settings: Mapping[str, Any]) -> None:
    """Members of CreateApi and UpdateApi of a WebSocket API."""
    if settings.get("corsConfiguration") is not None:
        raise bad_request("CORS is supported only for protocolType HTTP")
    if (expression := settings.get("routeSelectionExpression")) is not None:
        _check_expression("RouteSelectionExpression", expression, ("request.body.", "context."))
    if settings.get("apiKeySelectionExpression", _KEY_EXPRESSIONS[0]) not in _KEY_EXPRESSIONS:
        allowed = " or ".join(_KEY_EXPRESSIONS)
        raise bad_request(f"Invalid ApiKeySelectionExpression specified. It must be {allowed}")


def _check_expression(name: str, text: str, known: tuple[str, ...]) -> None:
    for variable in _VARIABLE.findall(text):
        if variable != "default" and not variable.startswith(known):
            raise bad_request(f"Invalid {name} specified: ${variable} is no variable of it")


# --- Routes ---


def check_route(api: Api, route: Mapping[str, Any]) -> None:
    """A whole route, as it would be kept."""
    key = route.get("routeKey")
    if not key:
        raise bad_request("Route key is required")
    rules.check_target(api, route)
    kind = route.get("authorizationType", "NONE")
    if kind == "JWT":
        raise bad_request("Invalid AuthorizationType specified. JWT is supported only for protocolType HTTP")
    if kind != "NONE" and key != CONNECT:  # seen
        raise bad_request("Currently, authorization is restricted to the $connect route only")
    rules.check_authorization(api, route)
    if route.get("modelSelectionExpression") or route.get("requestModels"):
        raise NotEmulated("request validation by models in WebSocket APIs (ModelSelectionExpression)")
    if route.get("routeResponseSelectionExpression", DEFAULT) != DEFAULT:
        raise bad_request("Invalid RouteResponseSelectionExpression specified. It must be $default")
    for name in route.get("requestParameters") or {}:
        if key != CONNECT or not _ROUTE_PARAMETER.fullmatch(name):
            raise bad_request(f"Invalid request parameter specified {name}")


# --- Integrations ---


def check_integration(integration: Mapping[str, Any]) -> None:
    """A whole integration, as it would be kept."""
    _refuse_what_is_missing(integration)
    if integration.get("payloadFormatVersion", "1.0") != "1.0":
        raise bad_request("PayloadFormatVersion must be 1.0 for protocolType WEBSOCKET")
    kind, uri = integration.get("integrationType"), str(integration.get("integrationUri") or "")
    if kind in ("AWS", "AWS_PROXY"):
        _check_function(kind, uri)
    elif kind in ("HTTP", "HTTP_PROXY"):
        if not _HTTP_URI.fullmatch(uri):
            raise bad_request("Invalid HTTP endpoint specified for URI")
        if not integration.get("integrationMethod"):
            raise bad_request(f"IntegrationMethod is required for {kind} integrations")
    rules.check_timeout(integration, limits.WEBSOCKET_TIMEOUT_MS_MAX)
    if expression := integration.get("templateSelectionExpression"):
        _check_expression("TemplateSelectionExpression", expression, ("request.body.", "context."))
    for key, value in (integration.get("requestParameters") or {}).items():
        _check_parameter(key, value)


def _refuse_what_is_missing(integration: Mapping[str, Any]) -> None:
    if integration.get("connectionType") == "VPC_LINK" or integration.get("connectionId"):
        raise NotEmulated("private integrations of WebSocket APIs (ConnectionType VPC_LINK)")
    if integration.get("contentHandlingStrategy"):
        raise NotEmulated("content conversion in WebSocket APIs (ContentHandlingStrategy)")
    if integration.get("tlsConfig"):
        raise NotEmulated("TlsConfig of private integrations")
    if integration.get("integrationSubtype"):
        raise bad_request("IntegrationSubtype is supported only for protocolType HTTP")


def _check_function(kind: str, uri: str) -> None:
    if function_of(uri) is not None:
        return
    parts = uri.split(":")
    service = parts[4] if len(parts) > 5 and parts[2] == "apigateway" else ""
    if kind == "AWS" and service not in ("", "lambda"):
        raise NotEmulated(f"WebSocket integrations with the AWS service {service} (Lambda works)")
    raise bad_request(f"Invalid function ARN specified for IntegrationUri: {uri}")


def _check_parameter(key: str, value: str) -> None:
    found = _PARAMETER.fullmatch(key)
    if found is None or not _SOURCE.fullmatch(value):
        wrong = key if found is None else value
        raise bad_request(f"Invalid mapping expression specified: {wrong}")
    if found["name"].lower() in ("x-amz-invocation-type", "invocationtype"):
        raise NotEmulated("asynchronous calls of functions by WebSocket integrations (X-Amz-Invocation-Type)")


def integration_defaults(given: Mapping[str, Any], *, proxy: bool) -> Record:
    """What an integration of a WebSocket API has when nobody says otherwise."""
    if proxy:
        return {"passthroughBehavior": "WHEN_NO_MATCH"}
    selection = (
        "${integration.response.body.errorMessage}"
        if given["integrationType"] == "AWS"
        else "${integration.response.statuscode}"
    )
    return {"passthroughBehavior": "WHEN_NO_MATCH", "integrationResponseSelectionExpression": selection}


# --- Authorizers ---


def check_authorizer(authorizer: Mapping[str, Any]) -> None:
    """A whole authorizer, as it would be kept."""
    if authorizer["authorizerType"] != "REQUEST":
        raise bad_request("Only REQUEST authorizers are supported for protocolType WEBSOCKET")
    if function_of(str(authorizer.get("authorizerUri") or "")) is None:
        raise bad_request("Invalid Authorizer URI specified. It should be a function's invocation URI")
    for name in ("authorizerPayloadFormatVersion", "authorizerResultTtlInSeconds", "enableSimpleResponses"):
        if authorizer.get(name):
            raise bad_request(f"{name[0].upper()}{name[1:]} is supported only for protocolType HTTP")
    for text in authorizer.get("identitySource") or ():
        if text.startswith("$") or read_source(text) is None:
            raise bad_request(
                f"Invalid identity source specified: {text}. It should be like route.request.header.Auth"
            )


# --- Responses ---


def check_response(family: str, known: Mapping[str, Record], record: Record) -> None:
    """A route response (`routes`) or an integration response (`integrations`) beside those that are known."""
    name, id_name = (
        ("routeResponseKey", "routeResponseId")
        if family == "routes"
        else ("integrationResponseKey", "integrationResponseId")
    )
    key = record[name]
    if any(each[name] == key and each[id_name] != record[id_name] for each in known.values()):
        raise conflict(f"A response with the key {key} already exists")
    if record.get("contentHandlingStrategy"):
        raise NotEmulated("content conversion in WebSocket APIs (ContentHandlingStrategy)")
    if family == "routes":
        if key != DEFAULT:
            raise bad_request("Invalid RouteResponseKey specified. It must be $default")
        if record.get("modelSelectionExpression") or record.get("responseModels"):
            raise NotEmulated("models of route responses")
        return
    if record.get("responseParameters"):
        raise NotEmulated("ResponseParameters of WebSocket APIs")
    if key != DEFAULT:
        try:
            re.compile(response_pattern(key))
        except re.error as error:
            raise bad_request(f"Invalid IntegrationResponseKey specified: {error}") from error


def response_pattern(key: str) -> str:
    """The regular expression in an integration response's key: between slashes, or a text that stands for itself."""
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] == "/" else re.escape(key)
