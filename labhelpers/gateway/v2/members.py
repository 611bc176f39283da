"""The members of API Gateway V2's resources: their types, which are needed, and what AWS answers for wrong ones. Pure.

Tables follow the API reference: docs.aws.amazon.com/apigatewayv2/latest/api-reference/operations.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.errors import AwsError

BAD_REQUEST = "BadRequestException"
NOT_FOUND = "NotFoundException"
CONFLICT = "ConflictException"

Record = dict[str, Any]


def bad_request(message: str) -> AwsError:
    """BadRequestException, 400."""
    return AwsError(BAD_REQUEST, message, 400)


def not_found(message: str) -> AwsError:
    """NotFoundException, 404."""
    return AwsError(NOT_FOUND, message, 404)


def conflict(message: str) -> AwsError:
    """ConflictException, 409."""
    return AwsError(CONFLICT, message, 409)


Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_map_of_text_maps(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text_map(each) for each in value.values())


def _is_constraints(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


@dataclass(frozen=True, slots=True)
class Shape:
    """The members of a structure, by their names in JSON. `required` are those that a creation must have."""

    name: str
    members: Mapping[str, Check | Shape | tuple[str, ...]]
    required: tuple[str, ...] = ()

    def read(self, given: Mapping[str, Any], *, creating: bool) -> Record:
        """The known members of a request, checked; nulls are left out. AwsError BadRequestException."""
        found: Record = {}
        for name, rule in self.members.items():
            value = given.get(name)
            if value is not None:
                found[name] = self._read_member(name, rule, value, creating)
        if creating:
            for name in self.required:
                if name not in found:
                    raise bad_request(f"{_capital(name)} is a required parameter for {self.name}")
        return found

    def _read_member(
        self, name: str, rule: Check | Shape | tuple[str, ...], value: Any, creating: bool
    ) -> Any:
        if isinstance(rule, Shape):
            if not isinstance(value, dict):
                raise bad_request(f"Invalid value specified for {_capital(name)}")
            return rule.read(value, creating=creating)
        if isinstance(rule, tuple):
            if value not in rule:
                raise bad_request(f"Invalid {name} specified. Must be one of [{', '.join(rule)}]")
        elif not rule(value):
            raise bad_request(f"Invalid value specified for {_capital(name)}")
        return value


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


_CORS = Shape(
    "CorsConfiguration",
    {
        "allowCredentials": _is_flag,
        "allowHeaders": _is_texts,
        "allowMethods": _is_texts,
        "allowOrigins": _is_texts,
        "exposeHeaders": _is_texts,
        "maxAge": _is_integer,
    },
)
_JWT = Shape("JwtConfiguration", {"audience": _is_texts, "issuer": _is_text})
_TLS = Shape("TlsConfig", {"serverNameToVerify": _is_text})
_ACCESS_LOG = Shape("AccessLogSettings", {"destinationArn": _is_text, "format": _is_text})
ROUTE_SETTINGS = Shape(
    "RouteSettings",
    {
        "dataTraceEnabled": _is_flag,
        "detailedMetricsEnabled": _is_flag,
        "loggingLevel": ("ERROR", "INFO", "OFF"),
        "throttlingBurstLimit": _is_integer,
        "throttlingRateLimit": _is_number,
    },
)

API = Shape(
    "Api",
    {
        "apiKeySelectionExpression": _is_text,
        "corsConfiguration": _CORS,
        "credentialsArn": _is_text,
        "description": _is_text,
        "disableExecuteApiEndpoint": _is_flag,
        "disableSchemaValidation": _is_flag,
        "ipAddressType": ("ipv4", "dualstack"),
        "name": _is_text,
        "protocolType": ("HTTP", "WEBSOCKET"),
        "routeKey": _is_text,
        "routeSelectionExpression": _is_text,
        "tags": _is_text_map,
        "target": _is_text,
        "version": _is_text,
    },
    required=("name", "protocolType"),
)
AUTHORIZER = Shape(
    "Authorizer",
    {
        "authorizerCredentialsArn": _is_text,
        "authorizerPayloadFormatVersion": _is_text,
        "authorizerResultTtlInSeconds": _is_integer,
        "authorizerType": ("REQUEST", "JWT"),
        "authorizerUri": _is_text,
        "enableSimpleResponses": _is_flag,
        "identitySource": _is_texts,
        "identityValidationExpression": _is_text,
        "jwtConfiguration": _JWT,
        "name": _is_text,
    },
    required=("name", "authorizerType"),
)
DEPLOYMENT = Shape("Deployment", {"description": _is_text, "stageName": _is_text})
INTEGRATION = Shape(
    "Integration",
    {
        "connectionId": _is_text,
        "connectionType": ("INTERNET", "VPC_LINK"),
        "contentHandlingStrategy": ("CONVERT_TO_BINARY", "CONVERT_TO_TEXT"),
        "credentialsArn": _is_text,
        "description": _is_text,
        "integrationMethod": _is_text,
        "integrationSubtype": _is_text,
        "integrationType": ("AWS", "HTTP", "MOCK", "HTTP_PROXY", "AWS_PROXY"),
        "integrationUri": _is_text,
        "passthroughBehavior": ("WHEN_NO_MATCH", "NEVER", "WHEN_NO_TEMPLATES"),
        "payloadFormatVersion": _is_text,
        "requestParameters": _is_text_map,
        "requestTemplates": _is_text_map,
        "responseParameters": _is_map_of_text_maps,
        "templateSelectionExpression": _is_text,
        "timeoutInMillis": _is_integer,
        "tlsConfig": _TLS,
    },
    required=("integrationType",),
)
INTEGRATION_RESPONSE = Shape(
    "IntegrationResponse",
    {
        "contentHandlingStrategy": ("CONVERT_TO_BINARY", "CONVERT_TO_TEXT"),
        "integrationResponseKey": _is_text,
        "responseParameters": _is_text_map,
        "responseTemplates": _is_text_map,
        "templateSelectionExpression": _is_text,
    },
    required=("integrationResponseKey",),
)
MODEL = Shape(
    "Model",
    {"contentType": _is_text, "description": _is_text, "name": _is_text, "schema": _is_text},
    required=("name", "schema"),
)
ROUTE = Shape(
    "Route",
    {
        "apiKeyRequired": _is_flag,
        "authorizationScopes": _is_texts,
        "authorizationType": ("NONE", "AWS_IAM", "CUSTOM", "JWT"),
        "authorizerId": _is_text,
        "modelSelectionExpression": _is_text,
        "operationName": _is_text,
        "requestModels": _is_text_map,
        "requestParameters": _is_constraints,
        "routeKey": _is_text,
        "routeResponseSelectionExpression": _is_text,
        "target": _is_text,
    },
    required=("routeKey",),
)
ROUTE_RESPONSE = Shape(
    "RouteResponse",
    {
        "modelSelectionExpression": _is_text,
        "responseModels": _is_text_map,
        "responseParameters": _is_constraints,
        "routeResponseKey": _is_text,
    },
    required=("routeResponseKey",),
)
STAGE = Shape(
    "Stage",
    {
        "accessLogSettings": _ACCESS_LOG,
        "autoDeploy": _is_flag,
        "clientCertificateId": _is_text,
        "defaultRouteSettings": ROUTE_SETTINGS,
        "deploymentId": _is_text,
        "description": _is_text,
        "routeSettings": _is_constraints,
        "stageName": _is_text,
        "stageVariables": _is_text_map,
        "tags": _is_text_map,
    },
    required=("stageName",),
)
