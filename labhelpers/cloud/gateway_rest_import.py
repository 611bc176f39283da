"""ImportRestApi and PutRestApi: REST APIs out of OpenAPI documents.

An import is tried on a copy and taken over whole or not at all.
docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from labhelpers.cloud.gateway_rest_apis import compression_size, endpoint_configuration, policy_text, show
from labhelpers.cloud.gateway_rest_authorizers import new_authorizer
from labhelpers.cloud.gateway_rest_call import RestCall, bad_request, copied, is_true, seconds_now
from labhelpers.cloud.gateway_rest_documentation import add_parts
from labhelpers.cloud.gateway_rest_integrations import new_integration, new_integration_response
from labhelpers.cloud.gateway_rest_methods import new_method, new_method_response
from labhelpers.cloud.gateway_rest_models import new_model
from labhelpers.cloud.gateway_rest_resources import new_resource
from labhelpers.cloud.gateway_rest_responses import new_gateway_response
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.gateway.rest import gateway_responses
from labhelpers.gateway.rest.documents import BadDocument, read_document
from labhelpers.gateway.rest.openapi_import import Plan, PlannedMethod, make_plan
from labhelpers.gateway.rest.store import Record, RestApi, new_id

T = TypeVar("T")

_BYTES_MAX = 6 * 1024 * 1024
_TYPES = ("HTTP", "MOCK", "AWS_PROXY", "HTTP_PROXY", "AWS")
_OF_DOCUMENT = (
    "name",
    "description",
    "version",
    "binaryMediaTypes",
    "apiKeySource",
    "minimumCompressionSize",
)


def import_rest_api(call: RestCall) -> Record:
    """ImportRestApi: a new API, with no models but the document's."""
    document = _document(call)
    types = call.query.get("endpointConfigurationTypes")
    record: Record = {
        "createdDate": seconds_now(),
        "apiKeySource": "HEADER",
        "disableExecuteApiEndpoint": False,
        "endpointConfiguration": endpoint_configuration({"types": [types]} if types else None),
    }
    api = call.store.new_api(record)
    api.models.clear()
    try:
        warnings = _Import(call, api).run(document)
    except Exception:
        del call.store.apis[api.id]
        raise
    call.store.changed(api.id)
    return _answer(api, warnings, tags=False)


def put_rest_api(call: RestCall) -> Record:
    """PutRestApi: the document is merged into the API, or takes its place but for deployments and stages."""
    api, mode = call.api, call.query.get("mode") or "merge"
    if mode not in ("merge", "overwrite"):
        raise bad_request("Invalid mode specified. Must be merge or overwrite")
    document = _document(call)
    draft = replace(
        api,
        record=copied(api.record),
        resources=copied(api.resources),
        models=copied(api.models),
        validators=copied(api.validators),
        authorizers=copied(api.authorizers),
        gateway_responses=copied(api.gateway_responses),
        documentation_parts=copied(api.documentation_parts),
    )
    warnings = _Import(call, draft).run(document, overwrite=mode == "overwrite")
    call.store.apis[api.id] = draft
    call.changed()
    return _answer(draft, warnings, tags=True)


def _document(call: RestCall) -> Record:
    if len(call.request.body) > _BYTES_MAX:
        raise bad_request("Invalid OpenAPI input: the document is larger than 6 MB")
    try:
        return read_document(call.request.body)
    except BadDocument as error:
        raise bad_request(f"Invalid OpenAPI input: {error}") from None


def _answer(api: RestApi, warnings: list[str], *, tags: bool) -> Record:
    shown = show(api.record, tags=tags)
    return {**shown, "warnings": warnings} if warnings else shown


class _Import:
    """One import into one API (a draft of it)."""

    def __init__(self, call: RestCall, api: RestApi) -> None:
        self._call = call
        self._api = api
        self._errors: list[str] = []
        self._old_ids: dict[str, str] = {}

    def run(self, document: Record, *, overwrite: bool = False) -> list[str]:
        """The warnings. BadRequestException with all that is wrong; NotEmulated."""
        base = self._call.query.get("basepath") or "ignore"
        if base not in ("ignore", "prepend", "split"):
            raise bad_request("Invalid base path mode specified. Must be ignore, prepend or split")
        try:
            plan = make_plan(document, self._api.id, base)
        except BadDocument as error:
            raise bad_request(f"Invalid OpenAPI input: {error}") from None
        if overwrite:
            self._clear()
        self._apply(plan, overwrite=overwrite)
        if self._errors:
            raise bad_request("Errors found during import:\n\t" + "\n\t".join(self._errors))
        if plan.warnings and is_true(self._call.query.get("failonwarnings")):
            raise bad_request("Warnings found during import:\n\t" + "\n\t".join(plan.warnings))
        return plan.warnings

    def _clear(self) -> None:
        api = self._api
        self._old_ids = {each["path"]: each["id"] for each in api.resources.values()}
        api.resources = {api.root_id: {"id": api.root_id, "path": "/"}}
        for kept in (api.models, api.validators, api.authorizers, api.gateway_responses):
            kept.clear()

    def _apply(self, plan: Plan, *, overwrite: bool) -> None:
        api, tried = self._api, self._tried
        tried("Unable to update the API", partial(self._set_api, plan.api, overwrite=overwrite))
        for name, body in plan.models.items():
            tried(f"Unable to create model for '{name}'", partial(self._set_model, name, body))
        for name, body in plan.validators.items():
            self._set_validator(name, body)
        for name, body in plan.authorizers.items():
            tried(f"Unable to create authorizer '{name}'", partial(self._set_authorizer, name, body))
        for kind, body in plan.gateway_responses.items():
            tried(f"Unable to put gateway response '{kind}'", partial(self._set_gateway_response, kind, body))
        for planned in plan.methods:
            self._set_method(planned)
        if self._call.query.get("ignore") != "documentation":
            add_parts(api, plan.parts)

    def _tried(self, what: str, step: Callable[[], T]) -> T | None:
        """What a step makes; None when it is refused, which is noted."""
        try:
            return step()
        except NotEmulated:
            raise
        except AwsError as error:
            self._errors.append(f"{what}: {error.message}")
            return None

    def _set_api(self, found: Mapping[str, Any], *, overwrite: bool) -> None:
        record = self._api.record
        for member in _OF_DOCUMENT:
            if member in found:
                value = found[member]
                if member == "binaryMediaTypes":
                    old = [] if overwrite else record.get(member) or []
                    value = [*old, *(each for each in value if each not in old)]
                elif member == "minimumCompressionSize":
                    value = compression_size(value)
                record[member] = value
            elif overwrite and member != "apiKeySource":
                record.pop(member, None)
        if record.get("apiKeySource") not in ("HEADER", "AUTHORIZER"):
            raise bad_request("Invalid ApiKeySourceType specified. Valid options are HEADER,AUTHORIZER")
        if "policy" in found:
            record["policy"] = policy_text(found["policy"], self._api.id, self._call)
        configuration = dict(found.get("endpointConfiguration") or {})
        if "disableExecuteApiEndpoint" in configuration:
            record["disableExecuteApiEndpoint"] = bool(configuration.pop("disableExecuteApiEndpoint"))
        if configuration:
            record["endpointConfiguration"] = endpoint_configuration(
                {**record["endpointConfiguration"], **configuration}
            )

    def _set_validator(self, name: str, body: Record) -> None:
        validators = self._api.validators
        its_id = next((each["id"] for each in validators.values() if each["name"] == name), new_id(6))
        validators[its_id] = {
            "id": its_id,
            "name": name,
            "validateRequestBody": bool(body.get("validateRequestBody")),
            "validateRequestParameters": bool(body.get("validateRequestParameters")),
        }

    def _set_gateway_response(self, kind: str, body: Record) -> None:
        if kind not in gateway_responses.LISTED:
            raise bad_request("Invalid gateway response type specified")
        self._api.gateway_responses[kind] = new_gateway_response(kind, body)

    def _set_model(self, name: str, body: Record) -> None:
        if not re.fullmatch(r"[A-Za-z0-9]+", name):
            raise bad_request(f"Model name must be alphanumeric: {name}")
        made = new_model({**body, "name": name})
        old = self._api.models.get(name)
        self._api.models[name] = {**made, "id": old["id"]} if old else made

    def _set_authorizer(self, name: str, body: Record) -> None:
        api = self._api
        if body.get("type") not in ("TOKEN", "REQUEST", "COGNITO_USER_POOLS"):
            raise bad_request(f"Invalid authorizer type specified: {body.get('type')}")
        made = new_authorizer(body, imported=True)
        old = next((each for each in api.authorizers.values() if each["name"] == name), None)
        if old is not None:
            made["id"] = old["id"]
        api.authorizers[made["id"]] = made

    # --- Methods ---

    def _set_method(self, planned: PlannedMethod) -> None:
        name, path, tried = planned.method["httpMethod"], planned.path, self._tried
        place = f"'{name}' for resource at path '{path}'"
        resource = tried(f"Unable to create resource at path '{path}'", partial(self._resource, path))
        if resource is None:
            return
        methods = resource.setdefault("resourceMethods", {})
        methods.pop(name, None)
        body = self._with_ids(planned)
        method = tried(f"Unable to put method {place}", partial(new_method, self._api, resource, name, body))
        if method is None:
            return
        methods[name] = method
        for status, each in planned.responses.items():
            make = partial(new_method_response, self._api, status, each)
            self._put_status(f"method response on {place}", method, "methodResponses", status, make)
        if planned.integration is None:
            return
        put = partial(self._put_integration, resource, method, planned.integration)
        integration = tried(f"Unable to put integration on {place}", put)
        if integration is None:
            return
        for status, each in planned.integration_responses.items():
            make = partial(new_integration_response, status, each, method)
            self._put_status(
                f"integration response on {place}", integration, "integrationResponses", status, make
            )

    def _put_integration(self, resource: Record, method: Record, body: Record) -> Record:
        if body.get("type") not in _TYPES:
            raise bad_request(f"Invalid integration type specified: {body.get('type')}")
        integration = method["methodIntegration"] = new_integration(body, resource["id"], method)
        return integration

    def _put_status(
        self, what: str, holder: Record, member: str, status: str, make: Callable[[], Record]
    ) -> None:
        if not re.fullmatch(r"[1-5]\d\d", status):
            self._errors.append(f"Unable to put {what}: Invalid status code specified: {status}")
        elif made := self._tried(f"Unable to put {what}", make):
            holder.setdefault(member, {})[status] = made

    def _with_ids(self, planned: PlannedMethod) -> Record:
        """A method's body with the ids of the authorizer and the validator that it names."""
        api, body = self._api, dict(planned.method)
        if planned.authorizer:
            named = (each["id"] for each in api.authorizers.values() if each["name"] == planned.authorizer)
            body["authorizerId"] = next(named, "")
        if planned.validator:
            named = (each["id"] for each in api.validators.values() if each["name"] == planned.validator)
            body["requestValidatorId"] = next(named, planned.validator)
        return body

    def _resource(self, path: str) -> Record:
        """The resource of a path, with all above it; a path that was there before keeps its id."""
        api = self._api
        resource = api.resources[api.root_id]
        for part in [each for each in path.split("/") if each]:
            found = next((each for each in api.children(resource["id"]) if each["pathPart"] == part), None)
            if found is None:
                found = new_resource(api, resource, part)
                if (old_id := self._old_ids.get(found["path"])) is not None:
                    del api.resources[found["id"]]
                    found["id"] = old_id
                    api.resources[old_id] = found
            resource = found
        return resource
