"""Writes a deployment of a REST API as an OpenAPI document, 2.0 or 3.0: the counterpart of `openapi_import`. Pure.

Recorded from AWS (LocalStack's test_apigateway_extended).
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers import limits
from labhelpers.gateway.rest.documents import ANY_METHOD, DOCUMENTATION, EXTENSION, Record
from labhelpers.gateway.rest.openapi_documentation import Documentation
from labhelpers.gateway.rest.openapi_models import schema_of
from labhelpers.gateway.rest.store import Snapshot

_PLACES = {"querystring": ("query", "QUERY_PARAMETER"), "path": ("path", "PATH_PARAMETER")}
_HEADER = ("header", "REQUEST_HEADER")
_INTEGRATION_MEMBERS = (
    "httpMethod uri credentials requestParameters requestTemplates contentHandling cacheKeyParameters"
).split()
_AUTHORIZER_MEMBERS = (
    "authorizerUri authorizerCredentials identitySource identityValidationExpression authorizerResultTtlInSeconds "
    "providerARNs"
).split()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the document shall be: its version of OpenAPI, of what stage, and with which extensions."""

    swagger: bool
    stage: str
    host: str
    version: str
    integrations: bool = False
    authorizers: bool = False
    documentation: bool = False


def write_document(snapshot: Snapshot, wanted: Wanted, documentation: Documentation | None = None) -> Record:
    """The document of a deployment."""
    return _Writer(snapshot, wanted, documentation or Documentation()).document()


class _Writer:
    def __init__(self, snapshot: Snapshot, wanted: Wanted, documentation: Documentation) -> None:
        self._snapshot = snapshot
        self._wanted = wanted
        self._documentation = documentation
        self._place = "#/definitions/" if wanted.swagger else "#/components/schemas/"
        self._schemes: Record = {}

    def document(self) -> Record:
        snapshot, wanted = self._snapshot, self._wanted
        api = snapshot.api
        info: Record = {"title": api["name"], "version": wanted.version}
        if api.get("description"):
            info["description"] = api["description"]
        info |= self._documentation.of("API").get("info") or {}
        base = f"/_aws/execute-api/{api['id']}"
        if wanted.swagger:
            document: Record = {"swagger": "2.0", "info": info, "host": wanted.host}
            document |= {"basePath": f"{base}/{wanted.stage}", "schemes": ["http"]}
        else:
            server = {
                "url": f"http://{wanted.host}{base}/{{basePath}}",
                "variables": {"basePath": {"default": wanted.stage}},
            }
            document = {"openapi": "3.0.1", "info": info, "servers": [server]}
        document["paths"] = self._paths()
        schemas = {
            name: schema_of(str(api["id"]), model, self._place) for name, model in self._models().items()
        }
        if wanted.swagger:
            document |= {"securityDefinitions": self._schemes} if self._schemes else {}
            document |= {"definitions": schemas} if schemas else {}
        else:
            document["components"] = {"schemas": schemas} if schemas else {}
            document["components"] |= {"securitySchemes": self._schemes} if self._schemes else {}
        self._add_extensions(document)
        return document

    def _models(self) -> Mapping[str, Mapping[str, Any]]:
        """The models that methods use, and those that these refer to: AWS leaves out what nobody uses."""
        models, found = self._snapshot.models, {}
        waiting = list(self._used_models())
        while waiting:
            name = waiting.pop()
            if name in found or name not in models:
                continue
            found[name] = models[name]
            text = str(models[name].get("schema"))
            waiting.extend(other for other in models if f'/models/{other}"' in text)
        return {name: models[name] for name in models if name in found}

    def _used_models(self) -> Iterable[str]:
        for resource in self._snapshot.resources.values():
            for method in resource.get("resourceMethods", {}).values():
                yield from (method.get("requestModels") or {}).values()
                for response in method.get("methodResponses", {}).values():
                    yield from (response.get("responseModels") or {}).values()

    def _add_extensions(self, document: Record) -> None:
        wanted, snapshot, api = self._wanted, self._snapshot, self._snapshot.api
        if wanted.documentation and self._documentation.version:
            document[DOCUMENTATION] = self._documentation.extension()
        if not (wanted.integrations and wanted.authorizers):
            return
        if api.get("policy"):
            document[f"{EXTENSION}policy"] = json.loads(api["policy"])
        if api.get("binaryMediaTypes"):
            document[f"{EXTENSION}binary-media-types"] = list(api["binaryMediaTypes"])
        if api.get("minimumCompressionSize") is not None:
            document[f"{EXTENSION}minimum-compression-size"] = api["minimumCompressionSize"]
        if api.get("apiKeySource") == "AUTHORIZER":
            document[f"{EXTENSION}api-key-source"] = "AUTHORIZER"
        if snapshot.validators:
            document[f"{EXTENSION}request-validators"] = {
                each["name"]: {
                    "validateRequestParameters": each["validateRequestParameters"],
                    "validateRequestBody": each["validateRequestBody"],
                }
                for each in snapshot.validators.values()
            }
        if snapshot.gateway_responses:
            document[f"{EXTENSION}gateway-responses"] = {
                kind: {
                    name: each[name]
                    for name in ("statusCode", "responseParameters", "responseTemplates")
                    if each.get(name)
                }
                for kind, each in snapshot.gateway_responses.items()
            }

    # --- Methods ---

    def _paths(self) -> Record:
        paths: Record = {}
        for resource in sorted(self._snapshot.resources.values(), key=lambda each: str(each["path"])):
            for name, method in resource.get("resourceMethods", {}).items():
                operation = self._operation(resource["path"], method)
                verb = ANY_METHOD if name == "ANY" else name.lower()
                paths.setdefault(resource["path"], {})[verb] = operation
        return paths

    def _operation(self, path: str, method: Mapping[str, Any]) -> Record:
        name = method["httpMethod"]
        operation: Record = {}
        if method.get("operationName"):
            operation["operationId"] = method["operationName"]
        operation |= self._documentation.of("METHOD", path, name)
        if self._wanted.swagger:
            operation |= _media_types(method)
        parameters = self._parameters(path, method)
        models: Mapping[str, str] = method.get("requestModels") or {}
        if models and self._wanted.swagger:
            model = next(iter(models.values()))
            schema = {"$ref": self._place + model}
            parameters.append({"in": "body", "name": model, "required": True, "schema": schema})
        elif models:
            operation["requestBody"] = {"content": self._content(models), "required": True}
        if parameters:
            operation["parameters"] = parameters
        operation["responses"] = {
            status: self._response(path, name, status, response)
            for status, response in sorted(method.get("methodResponses", {}).items())
        }
        self._secure(operation, method)
        self._integrate(operation, method)
        return operation

    def _content(self, models: Mapping[str, str]) -> Record:
        return {kind: {"schema": {"$ref": self._place + model}} for kind, model in models.items()}

    def _parameters(self, path: str, method: Mapping[str, Any]) -> list[Record]:
        found = []
        for parameter, required in (method.get("requestParameters") or {}).items():
            _, _, place, name = parameter.split(".", 3)
            where, kind = _PLACES.get(place, _HEADER)
            record: Record = {"name": name, "in": where}
            record |= self._documentation.of(kind, path, method["httpMethod"], name=name)
            if self._wanted.swagger:
                record |= {"required": bool(required), "type": "string"}
            else:
                record |= {"required": True} if required else {}
                record["schema"] = {"type": "string"}
            found.append(record)
        return found

    def _response(self, path: str, method: str, status: str, response: Mapping[str, Any]) -> Record:
        record: Record = {"description": f"{status} response"}
        record |= self._documentation.of("RESPONSE", path, method, status)
        headers = [name.split(".", 3)[3] for name in response.get("responseParameters") or {}]
        models: Mapping[str, str] = response.get("responseModels") or {}
        text: Record = {"type": "string"}
        if headers:
            record["headers"] = {name: text if self._wanted.swagger else {"schema": text} for name in headers}
        if not self._wanted.swagger:
            record["content"] = self._content(models)
        elif models:
            record["schema"] = {"$ref": self._place + next(iter(models.values()))}
        return record

    def _secure(self, operation: Record, method: Mapping[str, Any]) -> None:
        security: list[Record] = []
        authorizer = self._snapshot.authorizers.get(str(method.get("authorizerId") or ""))
        if authorizer is not None:
            security.append({authorizer["name"]: list(method.get("authorizationScopes") or ())})
            self._schemes[authorizer["name"]] = self._scheme(authorizer)
        elif method.get("authorizationType") == "AWS_IAM":
            security.append({"sigv4": []})
            self._schemes["sigv4"] = {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                f"{EXTENSION}authtype": "awsSigv4",
            }
        if method.get("apiKeyRequired"):
            security.append({"api_key": []})
            self._schemes["api_key"] = {"type": "apiKey", "name": "x-api-key", "in": "header"}
        if security:
            operation["security"] = security

    def _scheme(self, authorizer: Mapping[str, Any]) -> Record:
        source = str(authorizer.get("identitySource") or "").split(",")[0]
        _, _, place, name = (*source.split(".", 3), "", "", "", "")[:4]
        scheme: Record = {
            "type": "apiKey",
            "name": name or "Unused",
            "in": "query" if place == "querystring" else "header",
            f"{EXTENSION}authtype": authorizer.get("authType") or "custom",
        }
        if self._wanted.authorizers:
            extension: Record = {"type": str(authorizer["type"]).lower()}
            extension |= {
                name: authorizer[name] for name in _AUTHORIZER_MEMBERS if authorizer.get(name) is not None
            }
            scheme[f"{EXTENSION}authorizer"] = extension
        return scheme

    def _integrate(self, operation: Record, method: Mapping[str, Any]) -> None:
        wanted, integration = self._wanted, method.get("methodIntegration")
        if not wanted.integrations:
            return
        validator = self._snapshot.validators.get(str(method.get("requestValidatorId") or ""))
        if validator is not None and wanted.authorizers:
            operation[f"{EXTENSION}request-validator"] = validator["name"]
        if integration is not None:
            operation[f"{EXTENSION}integration"] = _integration(integration)


def _media_types(method: Mapping[str, Any]) -> Record:
    """`consumes` and `produces`: the types of models and of templates."""
    integration = method.get("methodIntegration") or {}
    consumes = dict.fromkeys(
        [*(method.get("requestModels") or {}), *(integration.get("requestTemplates") or {})]
    )
    produces: dict[str, None] = {}
    for response in method.get("methodResponses", {}).values():
        produces |= dict.fromkeys(response.get("responseModels") or {})
    for response in integration.get("integrationResponses", {}).values():
        produces |= dict.fromkeys(response.get("responseTemplates") or {})
    found: Record = {}
    if consumes:
        found["consumes"] = list(consumes)
    if produces:
        found["produces"] = list(produces)
    return found


def _integration(record: Mapping[str, Any]) -> Record:
    found: Record = {"type": str(record["type"]).lower()}
    found |= {name: record[name] for name in _INTEGRATION_MEMBERS if record.get(name)}
    responses: Record = {}
    for status, each in sorted(record.get("integrationResponses", {}).items()):
        response: Record = {"statusCode": status}
        for name in ("responseParameters", "responseTemplates", "contentHandling"):
            if each.get(name):
                response[name] = each[name]
        responses[each.get("selectionPattern") or "default"] = response
    if responses:
        found["responses"] = responses
    found["passthroughBehavior"] = str(record["passthroughBehavior"]).lower()
    if record.get("timeoutInMillis") != limits.REST_API_TIMEOUT_MS_MAX:
        found["timeoutInMillis"] = record["timeoutInMillis"]
    return found
