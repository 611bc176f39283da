"""Writes an HTTP API as an OpenAPI 3.0 document: the counterpart of `openapi_import`. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-export.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labhelpers.gateway.v2 import openapi_import as names
from labhelpers.gateway.v2.members import Record
from labhelpers.gateway.v2.store import Snapshot

_INTEGRATION_MEMBERS = {
    "integrationMethod": "httpMethod",
    "integrationUri": "uri",
    "payloadFormatVersion": "payloadFormatVersion",
    "connectionType": "connectionType",
    "credentialsArn": "credentials",
    "requestParameters": "requestParameters",
    "responseParameters": "responseParameters",
    "timeoutInMillis": "timeoutInMillis",
}
_AUTHORIZER_MEMBERS = {
    "authorizerCredentialsArn": "authorizerCredentials",
    "authorizerPayloadFormatVersion": "authorizerPayloadFormatVersion",
    "authorizerResultTtlInSeconds": "authorizerResultTtlInSeconds",
    "authorizerUri": "authorizerUri",
    "enableSimpleResponses": "enableSimpleResponses",
    "jwtConfiguration": "jwtConfiguration",
}


def write_document(
    api: Mapping[str, Any], snapshot: Snapshot, *, extensions: bool, stage: str = ""
) -> Record:
    """The document of an API's settings (`api` is its own record), with API Gateway's extensions or without."""
    document: Record = {
        "openapi": "3.0.1",
        "info": {"title": api["name"], "version": api.get("version") or api["createdDate"]},
        "servers": [_server(api, stage)],
        "paths": {},
    }
    if api.get("description"):
        document["info"]["description"] = api["description"]
    for route in snapshot.routes.values():
        path, method, operation = _operation(route, snapshot, extensions=extensions)
        document["paths"].setdefault(path, {})[method] = operation
    schemes = {each["name"]: _scheme(each, extensions) for each in snapshot.authorizers.values()}
    if schemes:
        document["components"] = {"securitySchemes": schemes}
    if extensions:
        if snapshot.cors:
            document[names.CORS] = dict(snapshot.cors)
        document["x-amazon-apigateway-importexport-version"] = "1.0"
    return document


def _server(api: Mapping[str, Any], stage: str) -> Record:
    if not stage or stage == "$default":
        return {"url": api["apiEndpoint"]}
    return {"url": f"{api['apiEndpoint']}/{{basePath}}", "variables": {"basePath": {"default": stage}}}


def _operation(route: Mapping[str, Any], snapshot: Snapshot, *, extensions: bool) -> tuple[str, str, Record]:
    key = str(route["routeKey"])
    verb, _, path = key.partition(" ")
    operation: Record = {"responses": {"default": {"description": f"Default response for {key}"}}}
    if route.get("operationName"):
        operation["operationId"] = route["operationName"]
    variables = [part[1:-1].removesuffix("+") for part in path.split("/") if part.startswith("{")]
    if variables:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in variables
        ]
    authorizer = snapshot.authorizers.get(str(route.get("authorizerId", "")))
    if authorizer is not None:
        operation["security"] = [{authorizer["name"]: list(route.get("authorizationScopes") or ())}]
    if extensions:
        if route.get("authorizationType") == "AWS_IAM":
            operation[names.AUTH] = {"type": "AWS_IAM"}
        integration = snapshot.integrations.get(str(route.get("target", "")).removeprefix("integrations/"))
        if integration is not None:
            operation[names.INTEGRATION] = _integration(integration)
    if key == "$default":
        return names.DEFAULT_PATH, names.ANY_METHOD, {"isDefaultRoute": True, **operation}
    return path, names.ANY_METHOD if verb == "ANY" else verb.lower(), operation


def _integration(record: Mapping[str, Any]) -> Record:
    found: Record = {"type": str(record["integrationType"]).lower()}
    for member, name in _INTEGRATION_MEMBERS.items():
        if record.get(member) not in (None, {}):
            found[name] = record[member]
    return found


def _scheme(record: Mapping[str, Any], extensions: bool) -> Record:
    is_jwt = record["authorizerType"] == "JWT"
    scheme: Record = {"type": "oauth2", "flows": {}} if is_jwt else _key_scheme(record)
    if extensions:
        found: Record = {"type": str(record["authorizerType"]).lower()}
        if record.get("identitySource"):
            found["identitySource"] = ",".join(record["identitySource"])
        for member, name in _AUTHORIZER_MEMBERS.items():
            if record.get(member) is not None:
                found[name] = record[member]
        scheme[names.AUTHORIZER] = found
    return scheme


def _key_scheme(record: Mapping[str, Any]) -> Record:
    source = next(iter(record.get("identitySource") or ()), "$request.header.Authorization")
    place, _, name = source.removeprefix("$request.").partition(".")
    return {"type": "apiKey", "name": name, "in": "query" if place == "querystring" else "header"}


def as_bytes(document: Record, output_type: str) -> bytes:
    """The document as JSON or YAML text."""
    if output_type == "YAML":
        import yaml

        text: str = yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False)
        return text.encode()
    return json.dumps(document, indent=2).encode()
