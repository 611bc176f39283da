"""Methods and method responses of REST APIs: API Gateway V1's operations of those names."""

from __future__ import annotations

import re
from typing import Any

from labhelpers.cloud.gateway_rest_call import (
    Patch,
    RestCall,
    bad_request,
    conflict,
    copied,
    invalid,
    is_true,
    not_found,
    patch_map,
    replace_only,
    wrong_path,
)
from labhelpers.gateway.rest.store import Record, RestApi

METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
_STATUS = re.compile(r"[1-5]\d\d")
_PARAMETER = re.compile(r"method\.request\.(?:path|querystring|header)\.[^.\s].*")
_NEEDS_AUTHORIZER = (
    "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid "
    "authorizer."
)


def show_method(method: Record) -> Record:
    """A method as AWS answers it: what is empty is left out."""
    shown = {name: value for name, value in method.items() if value not in ({}, [], "", None)}
    if integration := shown.get("methodIntegration"):
        shown["methodIntegration"] = show_integration(integration)
    return shown


def show_integration(integration: Record) -> Record:
    """An integration as AWS answers it."""
    return {
        name: value
        for name, value in integration.items()
        if value not in ({}, "", None) and (value != [] or name == "cacheKeyParameters")
    }


def get_method(call: RestCall) -> Record:
    """GetMethod."""
    return show_method(call.method)


def put_method(call: RestCall) -> Record:
    """PutMethod."""
    resource = call.resource
    record = new_method(call.api, resource, call["method"].upper(), call.body)
    resource.setdefault("resourceMethods", {})[record["httpMethod"]] = record
    call.changed()
    return show_method(record)


def new_method(api: RestApi, resource: Record, name: str, body: Record) -> Record:
    """A method's record. BadRequestException, ConflictException."""
    if name not in METHODS:
        raise bad_request(
            "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY"
        )
    if name in resource.get("resourceMethods", {}):
        raise conflict("Method already exists for this resource")
    authorization = str(body.get("authorizationType") or "").upper()
    record: Record = {
        "httpMethod": name,
        "authorizationType": authorization,
        "apiKeyRequired": bool(body.get("apiKeyRequired")),
    }
    for member in ("authorizerId", "operationName", "requestValidatorId"):
        if body.get(member):
            record[member] = body[member]
    for member in ("requestParameters", "requestModels", "authorizationScopes"):
        if body.get(member):
            record[member] = copied(body[member])
    check_method(api, record)
    return record


def check_method(api: RestApi, record: Record) -> None:
    """What a method must be. BadRequestException."""
    authorization = record["authorizationType"]
    if authorization not in ("NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"):
        raise bad_request(
            "Invalid authorization type specified. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS"
        )
    if authorization in ("CUSTOM", "COGNITO_USER_POOLS"):
        authorizer = api.authorizers.get(record.get("authorizerId") or "")
        wants_cognito = authorization == "COGNITO_USER_POOLS"
        if authorizer is None or (authorizer["type"] == "COGNITO_USER_POOLS") is not wants_cognito:
            raise bad_request(_NEEDS_AUTHORIZER)
    else:
        record.pop("authorizerId", None)
    validator = record.get("requestValidatorId")
    if validator and validator not in api.validators:
        raise bad_request("Invalid Request Validator identifier specified")
    for model in (record.get("requestModels") or {}).values():
        if model not in api.models:
            raise bad_request(f"Invalid model identifier specified: {model}")
    check_parameters(record.get("requestParameters") or {})


def check_parameters(parameters: Record) -> None:
    """Names of request parameters: of the right form, each once. BadRequestException."""
    names = []
    for each in parameters:
        if not _PARAMETER.fullmatch(each):
            raise bad_request(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
                f"[Invalid mapping expression specified: {each}]"
            )
        names.append(each.split(".", 3)[3])
    if len(set(names)) < len(names):
        raise bad_request("Parameter names must be unique across querystring, header and path")


def delete_method(call: RestCall) -> None:
    """DeleteMethod."""
    resource, method = call.resource, call.method
    del resource["resourceMethods"][method["httpMethod"]]
    if not resource["resourceMethods"]:
        del resource["resourceMethods"]
    call.changed()


def update_method(call: RestCall) -> Record:
    """UpdateMethod."""
    resource, method = call.resource, call.method
    record = copied(method)
    for patch in call.patches("UpdateMethod"):
        _patch_method(record, patch)
    check_method(call.api, record)
    resource["resourceMethods"][method["httpMethod"]] = record
    call.changed()
    return show_method(record)


_PLAIN = ("authorizationType", "apiKeyRequired", "operationName", "requestValidatorId", "authorizerId")


def _patch_method(record: Record, patch: Patch) -> None:
    parts = patch.parts
    name = parts[0] if parts else ""
    if name in ("requestParameters", "requestModels"):
        if len(parts) != 2:
            raise wrong_path(patch)
        value: Any = is_true(patch.value) if name == "requestParameters" else patch.value
        patch_map(record, name, parts[1], Patch(patch.op, patch.path, value))
        if name == "requestModels" and record.get(name, {}).get(parts[1]) == "":
            patch_map(record, name, parts[1], Patch("remove", patch.path, None))
    elif name == "authorizationScopes":
        scopes = [each for each in record.get(name, []) if each != patch.value]
        record[name] = scopes if patch.op == "remove" else [*scopes, patch.value]
    elif name in _PLAIN and len(parts) == 1:
        if patch.op != "replace":
            raise replace_only()
        _replace_plain(record, name, patch.value)
    else:
        raise wrong_path(patch)


def _replace_plain(record: Record, name: str, value: str | None) -> None:
    if name == "apiKeyRequired":
        record[name] = is_true(value)
    elif name == "authorizationType":
        record[name] = str(value or "").upper()
    elif value:
        record[name] = value
    else:
        record.pop(name, None)


# --- Method responses ---


def check_status(call: RestCall, more: list[str] | None = None) -> str:
    """The status in the path. ValidationException; `more` are other violations, named first."""
    status = call["status"]
    errors = list(more or ())
    if not _STATUS.fullmatch(status):
        errors.append(
            f"Value '{status}' at 'statusCode' failed to satisfy constraint: Member must satisfy regular expression "
            "pattern: [1-5]\\d\\d"
        )
    if errors:
        raise invalid(errors)
    return status


def put_method_response(call: RestCall) -> Record:
    """PutMethodResponse."""
    status, method = check_status(call), call.method
    if status in method.get("methodResponses", {}):
        raise conflict("Response already exists for this resource")
    record = new_method_response(call.api, status, call.body)
    method.setdefault("methodResponses", {})[status] = record
    call.changed()
    return record


def new_method_response(api: RestApi, status: str, body: Record) -> Record:
    """A method response's record. BadRequestException."""
    record: Record = {"statusCode": status}
    for name in ("responseModels", "responseParameters"):
        if name in body:
            record[name] = copied(body[name])
    for model in (record.get("responseModels") or {}).values():
        if model not in api.models:
            raise bad_request(f"Invalid model identifier specified: {model}")
    return record


def _response(call: RestCall) -> Record:
    found: Record | None = call.method.get("methodResponses", {}).get(call["status"])
    if found is None:
        raise not_found("Invalid Response status code specified")
    return found


def get_method_response(call: RestCall) -> Record:
    """GetMethodResponse."""
    check_status(call)
    return _response(call)


def delete_method_response(call: RestCall) -> None:
    """DeleteMethodResponse."""
    check_status(call)
    _response(call)
    del call.method["methodResponses"][call["status"]]
    call.changed()


def update_method_response(call: RestCall) -> Record:
    """UpdateMethodResponse."""
    check_status(call, call.patch_errors("UpdateMethodResponse"))
    record = copied(_response(call))
    for patch in call.patches("UpdateMethodResponse"):
        parts = patch.parts
        if len(parts) != 2 or parts[0] not in ("responseParameters", "responseModels"):
            raise wrong_path(patch)
        if parts[0] == "responseParameters":
            value: Any = is_true(patch.value)
            missing = "Invalid parameter name specified"
        else:
            value, missing = patch.value, "Content-Type specified was not found"
        patch_map(record, parts[0], parts[1], Patch(patch.op, patch.path, value), missing)
    call.method["methodResponses"][call["status"]] = record
    call.changed()
    return record
