"""What AWS checks of V2 settings beyond their types, for HTTP APIs and where both protocols agree. Pure.

Each `check_...` raises AwsError as AWS answers, or NotEmulated for what this lab leaves out. Texts that were seen in
AWS's own answers are marked `seen`; the others only say the same in our words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labhelpers import limits
from labhelpers.errors import NotEmulated
from labhelpers.gateway.authorizer import read_source
from labhelpers.gateway.v2.members import Record, bad_request, not_found
from labhelpers.gateway.v2.store import DEFAULT_STAGE, Api

DEFAULT_ROUTE = "$default"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY")
_ROUTE_KEY = re.compile(rf"(?:{'|'.join(METHODS)}) /\S*")
_SEGMENT = re.compile(r"[^{}]*|\{[A-Za-z0-9._:$-]+\+?\}")
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]*")
_LAMBDA_URI = re.compile(r"arn:aws[a-z-]*:(?:lambda:[^:]*:[^:]*:function:.+|apigateway:[^:]*:lambda:path/.+)")
_HTTP_URI = re.compile(r"https?://.+", re.DOTALL)
_REQUEST_KEY = re.compile(
    r"(?:append|overwrite|remove):(?:header\.[^.\s].*|querystring\..+)|overwrite:path", re.DOTALL
)
_RESPONSE_KEY = re.compile(r"(?:append|overwrite|remove):header\.\S+|overwrite:statuscode")
_STATUS = re.compile(r"[1-5]\d\d")

# http-api-parameter-mapping.html, "Reserved headers".
_RESERVED = frozenset(
    """authorization connection content-encoding content-length content-location forwarded keep-alive origin
    proxy-authenticate proxy-authorization te trailers transfer-encoding upgrade x-forwarded-for x-forwarded-host
    x-forwarded-proto via""".split()
)
_RESERVED_PREFIXES = ("access-control-", "apigw-", "x-amz-", "x-amzn-")


# --- APIs ---


def check_api(settings: Mapping[str, Any]) -> None:
    """Members of CreateApi and UpdateApi of an HTTP API."""
    if settings.get("disableSchemaValidation"):
        raise bad_request("DisableSchemaValidation is supported only for WebSocket APIs")
    if (cors := settings.get("corsConfiguration")) is not None:
        check_cors(cors)
    if settings.get("credentialsArn") and not settings.get("target"):
        raise bad_request("CredentialsArn is supported only with Target")


def check_cors(cors: Mapping[str, Any]) -> None:
    """The CORS block. http-api-cors.html"""
    if cors.get("allowCredentials"):
        for name in ("allowOrigins", "allowMethods", "allowHeaders"):
            if name == "allowOrigins" and "*" in cors.get(name, ()):
                raise bad_request(
                    "Invalid CORS configuration: AllowCredentials is not supported with '*' in AllowOrigins"
                )
    for origin in cors.get("allowOrigins", ()):
        if origin != "*" and not re.fullmatch(r"(https?|\*|[a-z][a-z0-9+.-]*)://[^\s]*", origin):
            raise bad_request(
                f"Invalid format for origin {origin}. It must be '*' or begin with a scheme such as https://"
            )
    for method in cors.get("allowMethods", ()):
        if method != "*" and method.upper() not in METHODS:
            raise bad_request(f"Invalid method {method} in AllowMethods")
    if not -1 <= cors.get("maxAge", 0) <= 86_400:
        raise bad_request("MaxAge must be between -1 and 86400")


# --- Routes ---


def check_route(api: Api, route: Mapping[str, Any]) -> None:
    """A whole route of an HTTP API, as it would be kept."""
    check_route_key(str(route.get("routeKey", "")))
    if route.get("apiKeyRequired"):
        raise bad_request("ApiKeyRequired is not supported for protocolType HTTP")
    for name in ("modelSelectionExpression", "requestModels", "routeResponseSelectionExpression"):
        if route.get(name):
            raise bad_request(f"{name[0].upper()}{name[1:]} is not supported for protocolType HTTP")
    check_target(api, route)
    check_authorization(api, route)


def check_target(api: Api, route: Mapping[str, Any]) -> None:
    """`target` is `integrations/{id}` of an integration that there is."""
    target = route.get("target")
    if not target:
        return
    kind, _, integration_id = str(target).partition("/")
    if kind != "integrations" or not integration_id:
        raise bad_request(
            f"Invalid target {target} specified. It must be of the form integrations/{{integrationId}}"
        )
    if integration_id not in api.integrations:
        raise not_found(f"Invalid Integration identifier specified {integration_id}")


def check_authorization(api: Api, route: Mapping[str, Any]) -> None:
    """The authorizer is there, and of the kind that the route's AuthorizationType says."""
    kind = route.get("authorizationType", "NONE")
    authorizer_id = route.get("authorizerId")
    if kind in ("CUSTOM", "JWT"):
        if not authorizer_id:
            raise bad_request(f"AuthorizerId is required for AuthorizationType {kind}")
        authorizer = api.authorizers.get(authorizer_id)
        if authorizer is None:
            raise not_found(f"Invalid Authorizer identifier specified {authorizer_id}")
        if (authorizer["authorizerType"] == "JWT") != (kind == "JWT"):
            raise bad_request(f"Authorizer {authorizer_id} is not of the AuthorizationType {kind}")
    if route.get("authorizationScopes") and kind != "JWT":
        raise bad_request("AuthorizationScopes are supported only for AuthorizationType JWT")


def check_route_key(key: str) -> None:
    """`$default`, or a method and a path whose variables have names of their own, a greedy one at its end."""
    if key == DEFAULT_ROUTE:
        return
    if not _ROUTE_KEY.fullmatch(key):  # seen
        raise bad_request(
            "The provided route key is not formatted properly for HTTP protocol. "
            'Format should be "<METHOD> /<RESOURCE PATH>" or "$default"'
        )
    segments = key.partition(" ")[2].split("/")[1:]
    names = []
    for number, segment in enumerate(segments):
        if not _SEGMENT.fullmatch(segment):
            raise bad_request(f"Invalid path part {segment} in the route key {key}")
        if segment.startswith("{"):
            names.append(segment.strip("{}+"))
            if segment.endswith("+}") and number != len(segments) - 1:
                raise bad_request(f"A greedy path variable must be the last part of the route key {key}")
    if len(set(names)) != len(names):
        raise bad_request(f"A path variable occurs twice in the route key {key}")


# --- Integrations ---


def check_integration(integration: Mapping[str, Any]) -> None:
    """A whole integration of an HTTP API, as it would be kept. http-api-develop-integrations.html"""
    kind = integration.get("integrationType")
    if integration.get("connectionType") == "VPC_LINK" or integration.get("connectionId"):
        raise NotEmulated("private integrations of HTTP APIs (ConnectionType VPC_LINK)")
    if subtype := integration.get("integrationSubtype"):
        raise NotEmulated(f"AWS service integrations of HTTP APIs (IntegrationSubtype {subtype})")
    if integration.get("tlsConfig"):
        raise NotEmulated("TlsConfig of private integrations")
    if kind == "AWS_PROXY":
        _check_lambda_proxy(integration)
    elif kind == "HTTP_PROXY":
        _check_http_proxy(integration)
    else:
        raise bad_request(f"Integration type {kind} is not supported for protocolType HTTP")
    check_timeout(integration, limits.HTTP_API_TIMEOUT_MS_MAX)
    for key, value in (integration.get("requestParameters") or {}).items():
        _check_mapping(_REQUEST_KEY, key, value)
    for status, mapping in (integration.get("responseParameters") or {}).items():
        if not _STATUS.fullmatch(status):
            raise bad_request(f"Invalid status code {status} in ResponseParameters")
        for key, value in mapping.items():
            _check_mapping(_RESPONSE_KEY, key, value)


def check_timeout(integration: Mapping[str, Any], most_ms: int) -> None:
    """The gateway's patience with an integration."""
    least_ms = limits.HTTP_API_TIMEOUT_MS_MIN
    if not least_ms <= integration.get("timeoutInMillis", most_ms) <= most_ms:  # seen
        raise bad_request(f"Timeout should be between {least_ms} ms and {most_ms} ms")


def _check_lambda_proxy(integration: Mapping[str, Any]) -> None:
    if not integration.get("payloadFormatVersion"):
        raise bad_request("PayloadFormatVersion is a required parameter for AWS_PROXY integration")
    if integration["payloadFormatVersion"] not in ("1.0", "2.0"):
        raise bad_request("PayloadFormatVersion must be 1.0 or 2.0")
    uri = integration.get("integrationUri") or ""
    if not _LAMBDA_URI.fullmatch(uri):
        raise bad_request(f"Invalid function ARN specified for IntegrationUri: {uri}")


def _check_http_proxy(integration: Mapping[str, Any]) -> None:
    if integration.get("payloadFormatVersion", "1.0") != "1.0":
        raise bad_request("PayloadFormatVersion must be 1.0 for HTTP_PROXY integrations")
    if integration.get("integrationMethod", "") not in METHODS:
        raise bad_request("IntegrationMethod is required for HTTP_PROXY integrations: an HTTP method, or ANY")
    if not _HTTP_URI.fullmatch(integration.get("integrationUri") or ""):
        raise bad_request("Invalid HTTP endpoint specified for URI")


def _check_mapping(pattern: re.Pattern[str], key: str, value: str) -> None:
    if not pattern.fullmatch(key):
        raise bad_request(
            f"Invalid mapping expression specified: Validation Result: errors : [Invalid key {key}]"
        )
    action, _, place = key.partition(":")
    if place.startswith("header."):
        name = place.removeprefix("header.").lower()
        if name in _RESERVED or name.startswith(_RESERVED_PREFIXES):  # seen
            raise bad_request(
                "Invalid mapping expression specified: Validation Result: warnings : [], "
                f"errors : [Operations on header {name} are restricted]"
            )
    if action == "remove" and value not in ("", "''"):
        raise bad_request(f"Invalid mapping expression specified: {key} takes no value but ''")


# --- Authorizers ---


def check_authorizer(authorizer: Mapping[str, Any]) -> None:
    """A whole authorizer of an HTTP API, as it would be kept."""
    for text in authorizer.get("identitySource") or ():
        if read_source(text) is None:
            raise bad_request(f"Invalid identity source specified: {text}")
    if authorizer["authorizerType"] == "JWT":
        _check_jwt(authorizer)
        return
    version = authorizer.get("authorizerPayloadFormatVersion")
    if not version:  # seen
        raise bad_request("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer")
    if version not in ("1.0", "2.0"):
        raise bad_request("AuthorizerPayloadFormatVersion must be 1.0 or 2.0")
    if authorizer.get("enableSimpleResponses") and version != "2.0":
        raise bad_request("EnableSimpleResponses is supported only for AuthorizerPayloadFormatVersion 2.0")
    if not _LAMBDA_URI.fullmatch(authorizer.get("authorizerUri") or ""):
        raise bad_request("Invalid Authorizer URI specified. It should be a function's invocation URI")
    if not 0 <= authorizer.get("authorizerResultTtlInSeconds", 0) <= limits.AUTHORIZER_TTL_S_MAX:
        raise bad_request(f"AuthorizerResultTtlInSeconds must be between 0 and {limits.AUTHORIZER_TTL_S_MAX}")


def _check_jwt(authorizer: Mapping[str, Any]) -> None:
    configuration = authorizer.get("jwtConfiguration") or {}
    if not configuration.get("issuer") or not configuration.get("audience"):
        raise bad_request("JwtConfiguration with Issuer and Audience is required for JWT authorizers")
    if not _HTTP_URI.fullmatch(configuration["issuer"]):
        raise bad_request(f"Invalid issuer: {configuration['issuer']}. Issuer must be a URL")
    if len(authorizer.get("identitySource") or ()) != 1:
        raise bad_request("JWT authorizers take exactly one identity source")


# --- Stages ---


def check_stage(api: Api, stage: Mapping[str, Any]) -> None:
    """A whole stage, as it would be kept; most of it is the same for both protocols."""
    name = stage.get("stageName", "")
    if not _STAGE_NAME.fullmatch(name) and not (api.is_http and name == DEFAULT_STAGE):
        raise bad_request("Stage name only allows a-zA-Z0-9_- or $default")
    for variable, value in (stage.get("stageVariables") or {}).items():
        if not _VARIABLE_NAME.fullmatch(variable):
            raise bad_request(f"Stage variable name {variable} should be of pattern [A-Za-z0-9_]+")
        if not _VARIABLE_VALUE.fullmatch(value):
            raise bad_request(f"Stage variable value {value} should be of pattern [A-Za-z0-9-._~:/?#&=,]+")
    if stage.get("clientCertificateId"):
        raise NotEmulated("client certificates of stages (ClientCertificateId)")
    _check_access_log(stage.get("accessLogSettings"))
    for settings in (stage.get("defaultRouteSettings") or {}, *(stage.get("routeSettings") or {}).values()):
        _check_route_settings(api, settings)
    known = {route["routeKey"] for route in api.routes.values()}
    for key in stage.get("routeSettings") or {}:
        if key not in known:  # seen
            raise not_found(f"Unable to find Route by key {key} within the provided RouteSettings")
    if (deployment := stage.get("deploymentId")) and deployment not in api.deployments:
        raise not_found(f"Invalid Deployment identifier specified {deployment}")


def _check_access_log(settings: Mapping[str, Any] | None) -> None:
    if not settings:
        return
    destination = settings.get("destinationArn", "")
    if destination.split(":")[2:3] == ["firehose"]:
        raise NotEmulated("access logs to Firehose (CloudWatch Logs works)")
    if not re.fullmatch(r"arn:aws[a-z-]*:logs:[^:]+:\d{12}:log-group:[^:*]+(:\*)?", destination):
        raise bad_request("Invalid ARN specified in the request. It should be the ARN of a log group")
    text = settings.get("format", "")
    if "$context.requestId" not in text and "$context.extendedRequestId" not in text:
        raise bad_request(
            "AccessLogFormat must contain at least $context.requestId or $context.extendedRequestId"
        )


def _check_route_settings(api: Api, settings: Mapping[str, Any]) -> None:
    if api.is_http and (settings.get("dataTraceEnabled") or settings.get("loggingLevel", "OFF") != "OFF"):
        raise bad_request("Execution logs are not supported on protocolType HTTP")  # seen
    if settings.get("throttlingRateLimit", 0) < 0 or settings.get("throttlingBurstLimit", 0) < 0:
        raise bad_request("Throttling limits must not be negative")


def merged(old: Mapping[str, Any], new: Mapping[str, Any], maps: tuple[str, ...] = ()) -> Record:
    """An update: the members given replace the old ones; of `maps` single keys do, and an empty value removes one."""
    found = {**old, **new}
    for name in maps:
        if name in new:
            both = {**(old.get(name) or {}), **new[name]}
            found[name] = {key: value for key, value in both.items() if value not in ("", {})}
    return found
