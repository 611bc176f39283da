"""Reads an OpenAPI document with API Gateway's extensions: what to put into a REST API for it. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from labhelpers.gateway.rest.documents import (
    ANY_METHOD,
    DOCUMENTATION,
    EXTENSION,
    METHODS,
    BadDocument,
    Record,
    documentation_parts,
    is_swagger,
    resolve,
)
from labhelpers.gateway.rest.openapi_models import model_of, referred_model

_PLACES_IN = {"query": "querystring", "header": "header", "path": "path"}
_INTEGRATION_MEMBERS = (
    "uri httpMethod credentials connectionType connectionId timeoutInMillis cacheNamespace cacheKeyParameters "
    "tlsConfig requestParameters"
).split()
_API_MEMBERS = {
    "binary-media-types": "binaryMediaTypes",
    "minimum-compression-size": "minimumCompressionSize",
    "api-key-source": "apiKeySource",
}


@dataclass(slots=True)
class PlannedMethod:
    """A method as PutMethod takes it, and what belongs to it. `authorizer` and `validator` are names."""

    path: str
    method: Record
    responses: dict[str, Record] = field(default_factory=dict)
    integration: Record | None = None
    integration_responses: dict[str, Record] = field(default_factory=dict)
    authorizer: str = ""
    validator: str = ""


@dataclass(slots=True)
class Plan:
    """What a document asks for. Authorizers, validators and models by name; documentation: location and properties."""

    api: Record
    models: dict[str, Record] = field(default_factory=dict)
    validators: dict[str, Record] = field(default_factory=dict)
    authorizers: dict[str, Record] = field(default_factory=dict)
    methods: list[PlannedMethod] = field(default_factory=list)
    gateway_responses: dict[str, Record] = field(default_factory=dict)
    parts: list[tuple[Record, Record]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def make_plan(document: Mapping[str, Any], api_id: str, base: str = "ignore") -> Plan:
    """The plan for a document. `base` is what to do with its base path: ignore, prepend or split. BadDocument."""
    return _Reader(document, api_id, base).plan()


def base_path(document: Mapping[str, Any], base: str) -> str:
    """What is put before every path: nothing, the base path, or that without its first part (split)."""
    if base == "ignore":
        return ""
    if is_swagger(document):
        path = str(document.get("basePath") or "")
    else:
        servers = document.get("servers")
        server = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
        url = str(server.get("url") or "")
        for name, variable in _dict(server.get("variables")).items():
            url = url.replace(f"{{{name}}}", str(_dict(variable).get("default") or "").strip("/"))
        try:
            path = urlsplit(url).path
        except ValueError as error:
            raise BadDocument(f"the URL of the server is none: {url}") from error
    parts = [part for part in path.split("/") if part]
    return "".join(f"/{part}" for part in (parts[1:] if base == "split" else parts))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> dict[str, str]:
    """A map of templates or mappings; a template that is written as an object becomes its JSON."""
    return {
        str(name): each if isinstance(each, str) else json.dumps(each)
        for name, each in _dict(value).items()
        if each is not None
    }


class _Reader:
    """One document."""

    def __init__(self, document: Mapping[str, Any], api_id: str, base: str) -> None:
        self._document = document
        self._api_id = api_id
        self._base = base_path(document, base)
        self._swagger = is_swagger(document)
        components = _dict(document.get("components"))
        self._schemas = _dict(document.get("definitions") if self._swagger else components.get("schemas"))
        self._schemes = _dict(
            document.get("securityDefinitions") if self._swagger else components.get("securitySchemes")
        )
        self._plan = Plan(self._api())

    def plan(self) -> Plan:
        plan, document = self._plan, self._document
        for name, schema in self._schemas.items():
            plan.models[str(name)] = model_of(self._api_id, _dict(schema))
        for name, each in _dict(document.get(f"{EXTENSION}request-validators")).items():
            plan.validators[str(name)] = dict(_dict(each))
        for name, scheme in self._schemes.items():
            if f"{EXTENSION}authorizer" in _dict(scheme):
                plan.authorizers[str(name)] = _authorizer(str(name), _dict(scheme))
        for name, each in _dict(document.get(f"{EXTENSION}gateway-responses")).items():
            plan.gateway_responses[str(name)] = dict(_dict(each))
        for path, given in _dict(document.get("paths")).items():
            item = _dict(resolve(document, given))
            for verb in METHODS:
                if verb in item:
                    plan.methods.append(
                        self._method(f"{self._base}{path}", verb, _dict(item[verb]), item.get("parameters"))
                    )
        if isinstance(document.get(DOCUMENTATION), dict):
            plan.parts = documentation_parts(document)
        return plan

    def _api(self) -> Record:
        document = self._document
        info = _dict(document.get("info"))
        if not info.get("title"):
            raise BadDocument("the document has no title")
        api: Record = {"name": str(info["title"])}
        for member in ("description", "version"):
            if info.get(member):
                api[member] = str(info[member])
        for name, member in _API_MEMBERS.items():
            if document.get(EXTENSION + name) is not None:
                api[member] = document[EXTENSION + name]
        policy = document.get(f"{EXTENSION}policy")
        if policy:
            api["policy"] = policy if isinstance(policy, str) else json.dumps(policy)
        servers = document.get("servers")
        configuration: Record = {}
        for place in (document, *(servers if isinstance(servers, list) else ())):
            configuration |= _dict(_dict(place).get(f"{EXTENSION}endpoint-configuration"))
        if configuration:
            api["endpointConfiguration"] = configuration
        return api

    # --- Methods ---

    def _method(self, path: str, verb: str, operation: dict[str, Any], shared: Any) -> PlannedMethod:
        method: Record = {"httpMethod": "ANY" if verb == ANY_METHOD else verb.upper()}
        if operation.get("operationId"):
            method["operationName"] = str(operation["operationId"])
        planned = PlannedMethod(path, method)
        self._read_security(planned, operation)
        parameters = [*self._parameters(shared), *self._parameters(operation.get("parameters"))]
        method["requestParameters"] = {
            f"method.request.{_PLACES_IN[each['in']]}.{each['name']}": each["in"] == "path"
            or bool(each.get("required"))
            for each in parameters
            if each.get("in") in _PLACES_IN and each.get("name")
        }
        method["requestModels"] = self._request_models(operation, parameters)
        planned.validator = str(
            operation.get(f"{EXTENSION}request-validator")
            or self._document.get(f"{EXTENSION}request-validator")
            or ""
        )
        for status, response in _dict(operation.get("responses")).items():
            if str(status) != "default":
                planned.responses[str(status)] = self._response(operation, _dict(response))
        extension = resolve(self._document, operation.get(f"{EXTENSION}integration"))
        if isinstance(extension, dict):
            planned.integration = _integration(extension)
            planned.integration_responses = _integration_responses(extension)
        return planned

    def _parameters(self, given: Any) -> Iterator[dict[str, Any]]:
        for each in given if isinstance(given, list) else ():
            found = resolve(self._document, each)
            if isinstance(found, dict):
                yield found

    def _read_security(self, planned: PlannedMethod, operation: Mapping[str, Any]) -> None:
        method = planned.method
        method.update(authorizationType="NONE", apiKeyRequired=False)
        requirements = operation.get("security", self._document.get("security"))
        for requirement in requirements if isinstance(requirements, list) else ():
            for name, scopes in _dict(requirement).items():
                scheme = _dict(self._schemes.get(name))
                if name in self._plan.authorizers:
                    kind = self._plan.authorizers[name]["type"]
                    method["authorizationType"] = kind if kind == "COGNITO_USER_POOLS" else "CUSTOM"
                    planned.authorizer = name
                    if scopes:
                        method["authorizationScopes"] = [str(scope) for scope in scopes]
                elif str(scheme.get(f"{EXTENSION}authtype") or "").lower() == "awssigv4":
                    method["authorizationType"] = "AWS_IAM"
                elif scheme.get("type") == "apiKey" and str(scheme.get("name")).lower() == "x-api-key":
                    method["apiKeyRequired"] = True
        kind = str(_dict(operation.get(f"{EXTENSION}auth")).get("type") or "").upper()
        if kind in ("AWS_IAM", "NONE"):
            method["authorizationType"], planned.authorizer = kind, ""

    # --- Models of requests and responses ---

    def _request_models(
        self, operation: Mapping[str, Any], parameters: list[dict[str, Any]]
    ) -> dict[str, str]:
        if not self._swagger:
            body = _dict(resolve(self._document, operation.get("requestBody")))
            return self._content_models(body)
        schema = next((each.get("schema") for each in parameters if each.get("in") == "body"), None)
        return self._models_of(schema, self._types(operation, "consumes"))

    def _response(self, operation: Mapping[str, Any], response: Any) -> Record:
        response = _dict(resolve(self._document, response))
        record: Record = {}
        if self._swagger:
            models = self._models_of(response.get("schema"), self._types(operation, "produces"))
        else:
            models = self._content_models(response)
        if models:
            record["responseModels"] = models
        if headers := _dict(response.get("headers")):
            record["responseParameters"] = {f"method.response.header.{name}": False for name in headers}
        return record

    def _types(self, operation: Mapping[str, Any], member: str) -> list[str]:
        given = operation.get(member, self._document.get(member))
        return [str(each) for each in given] if isinstance(given, list) and given else ["application/json"]

    def _content_models(self, holder: Mapping[str, Any]) -> dict[str, str]:
        models: dict[str, str] = {}
        for kind, content in _dict(holder.get("content")).items():
            models |= self._models_of(_dict(content).get("schema"), [str(kind)])
        return models

    def _models_of(self, schema: Any, types: list[str]) -> dict[str, str]:
        if not isinstance(schema, dict) or not schema:
            return {}
        name = referred_model(schema.get("$ref"))
        if name is None:
            # AWS makes a model with a name of its own for a schema that stands in a method.
            text = json.dumps(schema, sort_keys=True)
            name = f"MODEL{hashlib.sha256(text.encode()).hexdigest()[:6]}"
            self._plan.models[name] = model_of(self._api_id, schema)
        elif name not in self._schemas:
            self._plan.warnings.append(f"Reference to model '{name}' not found. Ignoring.")
            return {}
        return dict.fromkeys(types, name)


def _authorizer(name: str, scheme: Mapping[str, Any]) -> Record:
    """What CreateAuthorizer takes; without a lifetime if the document names none."""
    record: Record = {**_dict(scheme[f"{EXTENSION}authorizer"]), "name": name}
    record["type"] = str(record.get("type") or "").upper()
    if scheme.get(f"{EXTENSION}authtype"):
        record["authType"] = scheme[f"{EXTENSION}authtype"]
    place, source = scheme.get("in"), scheme.get("name")
    if source and not record.get("identitySource"):
        kind = "querystring" if place == "query" else "header"
        record["identitySource"] = f"method.request.{kind}.{source}"
    return record


def _integration(extension: Mapping[str, Any]) -> Record:
    record: Record = {"type": str(extension.get("type") or "").upper()}
    for member in _INTEGRATION_MEMBERS:
        if extension.get(member) is not None:
            record[member] = extension[member]
    for member in ("passthroughBehavior", "contentHandling", "connectionType"):
        if extension.get(member):
            record[member] = str(extension[member]).upper()
    for member in ("requestTemplates", "requestParameters"):
        if extension.get(member):
            record[member] = _texts(extension[member])
    return record


def _integration_responses(extension: Mapping[str, Any]) -> dict[str, Record]:
    responses: dict[str, Record] = {}
    for pattern, given in _dict(extension.get("responses")).items():
        each = _dict(given)
        record: Record = {}
        if pattern != "default":
            record["selectionPattern"] = str(pattern)
        for member in ("responseParameters", "responseTemplates"):
            if each.get(member):
                record[member] = _texts(each[member])
        if each.get("contentHandling"):
            record["contentHandling"] = str(each["contentHandling"]).upper()
        responses[str(each.get("statusCode") or "200")] = record
    return responses
