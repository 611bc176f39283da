"""Reads an OpenAPI 3.0 document with API Gateway's extensions: what to create for it. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers.errors import NotEmulated
from labhelpers.gateway.v2.members import Record, bad_request
from labhelpers.gateway.yaml_text import read_yaml

ANY_METHOD = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
INTEGRATIONS = "x-amazon-apigateway-integrations"
AUTHORIZER = "x-amazon-apigateway-authorizer"
CORS = "x-amazon-apigateway-cors"
AUTH = "x-amazon-apigateway-auth"
DEFAULT_PATH = "/$default"
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options", ANY_METHOD)
_BYTES_MAX = 6 * 1024 * 1024


@dataclass(slots=True)
class Plan:
    """What a document asks for. Routes name their authorizer by name and their integration by its place in the list."""

    api: Record
    integrations: list[Record] = field(default_factory=list)
    authorizers: dict[str, Record] = field(default_factory=dict)
    routes: list[Record] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_document(text: str, basepath: str = "ignore") -> Plan:
    """The plan for a document in JSON or YAML. AwsError BadRequestException for one that cannot be imported."""
    return _Reader(_parse(text), basepath).plan


def _parse(text: str) -> Mapping[str, Any]:
    if len(text) > _BYTES_MAX:
        raise bad_request("Invalid OpenAPI input: the document is larger than 6 MB")
    try:
        document = json.loads(text)
    except ValueError:
        try:
            document = read_yaml(text)
        except ValueError as error:
            raise bad_request(f"Invalid OpenAPI input: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("paths", {}), dict):
        raise bad_request("Invalid OpenAPI input: the document is no object with paths")
    if not str(document.get("openapi", "")).startswith("3."):
        raise bad_request("Invalid OpenAPI input: only OpenAPI 3.0 documents can be imported as HTTP APIs")
    return document


class _Reader:
    def __init__(self, document: Mapping[str, Any], basepath: str) -> None:
        self._document = document
        info = _object(document.get("info"), "info")
        if not info.get("title"):
            raise bad_request("Invalid OpenAPI input: info.title is missing")
        self.plan = Plan({"name": str(info["title"]), "protocolType": "HTTP"})
        for name in ("version", "description"):
            if info.get(name) is not None:
                self.plan.api[name] = str(info[name])
        if cors := document.get(CORS):
            self.plan.api["corsConfiguration"] = _object(cors, CORS)
        self._shared: dict[str, int] = {}
        self._prefix = self._base_path(basepath)
        self._read_authorizers()
        for path, method, operation in self._operations():
            self._read_operation(path, method, operation)

    def _base_path(self, mode: str) -> str:
        if mode not in ("ignore", "prepend", "split"):
            raise bad_request("Invalid basepath. Must be one of [ignore, prepend, split]")
        servers = self._document.get("servers")
        if mode == "ignore" or not isinstance(servers, list) or not servers:
            return ""
        server = _object(servers[0], "servers[0]")
        variables = _object(server.get("variables") or {}, "servers[0].variables")
        base = str(_object(variables.get("basePath") or {}, "basePath").get("default") or "")
        if not base:
            base = str(server.get("url", "")).partition("://")[2].partition("/")[2]
        base = base.strip("/")
        if mode == "split":
            base = base.partition("/")[2]
        return f"/{base}" if base else ""

    def _operations(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for path, item in (self._document.get("paths") or {}).items():
            for method, operation in _object(item, f"paths.{path}").items():
                if method in _METHODS:
                    yield str(path), method, _object(operation or {}, f"paths.{path}.{method}")

    def _read_authorizers(self) -> None:
        components = _object(self._document.get("components") or {}, "components")
        for name, scheme in _object(components.get("securitySchemes") or {}, "securitySchemes").items():
            extension = _object(scheme, f"securitySchemes.{name}").get(AUTHORIZER)
            if extension is not None:
                self.plan.authorizers[name] = _authorizer(name, _object(extension, AUTHORIZER))

    def _read_operation(self, path: str, method: str, operation: Mapping[str, Any]) -> None:
        if path == DEFAULT_PATH or operation.get("isDefaultRoute"):
            key = "$default"
        else:
            verb = "ANY" if method == ANY_METHOD else method.upper()
            key = f"{verb} {self._prefix}{path}"
        route: Record = {"routeKey": key}
        if operation.get("operationId"):
            route["operationName"] = str(operation["operationId"])
        if (integration := operation.get(INTEGRATION)) is not None:
            route["integration"] = self._integration(_object(integration, f"{key}.{INTEGRATION}"))
        self._read_security(route, operation)
        self.plan.routes.append(route)

    def _read_security(self, route: Record, operation: Mapping[str, Any]) -> None:
        extension = operation.get(AUTH)
        if isinstance(extension, dict) and extension.get("type") == "AWS_IAM":
            route["authorizationType"] = "AWS_IAM"
            return
        wanted = operation.get("security", self._document.get("security"))
        for requirement in wanted if isinstance(wanted, list) else ():
            for name, scopes in _object(requirement, "security").items():
                authorizer = self.plan.authorizers.get(name)
                if authorizer is None:
                    self.plan.warnings.append(
                        f"Unable to find {AUTHORIZER} of the security scheme {name} for {route['routeKey']}"
                    )
                    continue
                is_jwt = authorizer["authorizerType"] == "JWT"
                route["authorizationType"] = "JWT" if is_jwt else "CUSTOM"
                route["authorizer"] = name
                if is_jwt and scopes:
                    route["authorizationScopes"] = [str(scope) for scope in scopes]
                return

    def _integration(self, given: Mapping[str, Any]) -> int:
        """The place of an integration in the plan; one that several operations refer to is made once."""
        reference = given.get("$ref")
        if not isinstance(reference, str):
            self.plan.integrations.append(_integration(given))
            return len(self.plan.integrations) - 1
        if reference not in self._shared:
            components = _object(self._document.get("components") or {}, "components")
            known = _object(components.get(INTEGRATIONS) or {}, INTEGRATIONS)
            name = reference.removeprefix(f"#/components/{INTEGRATIONS}/")
            if name not in known:
                raise bad_request(f"Invalid OpenAPI input: {reference} does not exist")
            self.plan.integrations.append(_integration(_object(known[name], name)))
            self._shared[reference] = len(self.plan.integrations) - 1
        return self._shared[reference]


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request(f"Invalid OpenAPI input: {where} is no object")
    return value


_INTEGRATION_MEMBERS = {
    "connectionId": "connectionId",
    "connectionType": "connectionType",
    "credentials": "credentialsArn",
    "description": "description",
    "httpMethod": "integrationMethod",
    "integrationSubtype": "integrationSubtype",
    "payloadFormatVersion": "payloadFormatVersion",
    "requestParameters": "requestParameters",
    "responseParameters": "responseParameters",
    "timeoutInMillis": "timeoutInMillis",
    "tlsConfig": "tlsConfig",
    "uri": "integrationUri",
}


def _integration(given: Mapping[str, Any]) -> Record:
    kind = str(given.get("type", "")).upper()
    found: Record = {"integrationType": kind}
    for name, member in _INTEGRATION_MEMBERS.items():
        if given.get(name) is not None:
            found[member] = given[name]
    if "payloadFormatVersion" in found:
        found["payloadFormatVersion"] = str(found["payloadFormatVersion"])
    method = str(found.get("integrationMethod", "")).upper()
    if method:
        found["integrationMethod"] = "ANY" if method in ("ANY", ANY_METHOD.upper()) else method
    if kind not in ("AWS_PROXY", "HTTP_PROXY"):
        raise bad_request(f"Invalid OpenAPI input: integration type {given.get('type')} is not supported")
    return found


def _authorizer(name: str, given: Mapping[str, Any]) -> Record:
    kind = str(given.get("type", "")).lower()
    if kind not in ("jwt", "request"):
        raise NotEmulated(f"authorizers of type {kind!r} in an OpenAPI document (jwt and request work)")
    sources = given.get("identitySource")
    if isinstance(sources, str):
        sources = [each.strip() for each in sources.split(",") if each.strip()]
    found: Record = {"name": name, "authorizerType": kind.upper(), "identitySource": sources or []}
    for member in (
        "authorizerPayloadFormatVersion",
        "authorizerResultTtlInSeconds",
        "authorizerUri",
        "enableSimpleResponses",
        "jwtConfiguration",
    ):
        if given.get(member) is not None:
            found[member] = given[member]
    if "authorizerPayloadFormatVersion" in found:
        found["authorizerPayloadFormatVersion"] = str(found["authorizerPayloadFormatVersion"])
    if given.get("authorizerCredentials"):
        found["authorizerCredentialsArn"] = given["authorizerCredentials"]
    return found
