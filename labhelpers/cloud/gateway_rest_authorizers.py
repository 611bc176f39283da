"""Authorizers of REST APIs: API Gateway V1's operations of that name."""

from __future__ import annotations

import re

from labhelpers import limits
from labhelpers.cloud.gateway_rest_call import (
    Patch,
    RestCall,
    bad_request,
    conflict,
    copied,
    invalid,
    not_found,
    not_in,
    wrong_path,
)
from labhelpers.gateway.authorizer import read_source
from labhelpers.gateway.lambda_call import function_of
from labhelpers.gateway.rest.store import Record, new_id

_TYPES = ("TOKEN", "REQUEST", "COGNITO_USER_POOLS")
_POOL_ARN = re.compile(r"arn:aws[\w-]*:cognito-idp:[\w-]+:\d{12}:userpool/[\w-]+")
_MEMBERS = (
    "authorizerUri authorizerCredentials identitySource identityValidationExpression authType providerARNs"
).split()


def create_authorizer(call: RestCall) -> Record:
    """CreateAuthorizer. AWS answers a wrong API with a conflict here (recorded)."""
    body = call.body
    if body.get("type") not in _TYPES:
        raise invalid([not_in(body.get("type"), "createAuthorizerInput.type", f"[{', '.join(_TYPES)}]")])
    message = "Unable to complete operation due to concurrent modification. Please try again later."
    api = call.api_or(conflict(message))
    record = new_authorizer(body)
    if any(each["name"] == record["name"] for each in api.authorizers.values()):
        raise conflict(
            f"Authorizer name must be unique. Authorizer {record['name']} already exists in this RestApi."
        )
    api.authorizers[record["id"]] = record
    call.changed()
    return record


def new_authorizer(body: Record, *, imported: bool = False) -> Record:
    """An authorizer's record, checked. BadRequestException. An imported one needs no identity source for its cache."""
    if not body.get("name"):
        raise bad_request("Authorizer name cannot be empty")
    record: Record = {"id": new_id(6), "name": body["name"], "type": body["type"]}
    for member in _MEMBERS:
        if body.get(member):
            record[member] = copied(body[member])
    cognito = record["type"] == "COGNITO_USER_POOLS"
    record.setdefault("authType", "cognito_user_pools" if cognito else "custom")
    # AWS (recorded): a lifetime that was not given is not told either; results are kept for the default time.
    if (ttl := body.get("authorizerResultTtlInSeconds")) is not None:
        record["authorizerResultTtlInSeconds"] = ttl
    if record["type"] == "TOKEN":
        record.setdefault("identitySource", "method.request.header.Authorization")
    if cognito:
        record.setdefault("identitySource", "method.request.header.Authorization")
    default = {} if cognito or imported else {"authorizerResultTtlInSeconds": limits.AUTHORIZER_TTL_S_DEFAULT}
    check_authorizer({**default, **record})
    return record


def check_authorizer(record: Record) -> None:
    """What an authorizer must be. BadRequestException."""
    if record["type"] == "COGNITO_USER_POOLS":
        arns = record.get("providerARNs") or ()
        if not arns or not all(_POOL_ARN.fullmatch(str(each)) for each in arns):
            raise bad_request(
                "Invalid Authorizer provider ARNs specified. A Cognito user pool ARN is needed."
            )
    elif function_of(str(record.get("authorizerUri") or "")) is None:
        raise bad_request(
            f"Invalid Authorizer URI: {record.get('authorizerUri') or ''}. Authorizer URI should be a valid API "
            "Gateway ARN that represents a Lambda function invocation."
        )
    ttl = record.get("authorizerResultTtlInSeconds", 0)
    if not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 <= ttl <= limits.AUTHORIZER_TTL_S_MAX:
        raise bad_request(f"Authorizer TTL must be between 0 and {limits.AUTHORIZER_TTL_S_MAX} seconds")
    sources = [text for text in str(record.get("identitySource") or "").split(",") if text.strip()]
    if any(read_source(text) is None for text in sources):
        raise bad_request("Invalid identity source specified")
    if record["type"] == "REQUEST" and ttl and not sources:
        raise bad_request("Identity source must be specified when authorizer caching is enabled")
    if len(sources) > 1 and record["type"] != "REQUEST":
        raise bad_request("Only one identity source is allowed for this authorizer type")


def _authorizer(call: RestCall) -> Record:
    found = call.api.authorizers.get(call["authorizer"])
    if found is None:
        raise not_found("Invalid Authorizer identifier specified")
    return found


def get_authorizer(call: RestCall) -> Record:
    """GetAuthorizer."""
    return _authorizer(call)


def get_authorizers(call: RestCall) -> Record:
    """GetAuthorizers."""
    return call.page(list(call.api.authorizers.values()))


def delete_authorizer(call: RestCall) -> None:
    """DeleteAuthorizer. ConflictException while a method uses it."""
    authorizer = _authorizer(call)
    for resource, method in call.api.methods():
        if method.get("authorizerId") == authorizer["id"]:
            place = f"{resource['path']}/{method['httpMethod']}"
            raise conflict(
                f"Cannot delete authorizer '{authorizer['name']}', is referenced in method: {place}"
            )
    del call.api.authorizers[authorizer["id"]]
    call.changed()


def update_authorizer(call: RestCall) -> Record:
    """UpdateAuthorizer."""
    record = copied(_authorizer(call))
    for patch in call.patches("UpdateAuthorizer"):
        _patch(record, patch)
    check_authorizer({"authorizerResultTtlInSeconds": limits.AUTHORIZER_TTL_S_DEFAULT, **record})
    call.api.authorizers[record["id"]] = record
    call.changed()
    return record


def _patch(record: Record, patch: Patch) -> None:
    parts = patch.parts
    name = parts[0] if len(parts) == 1 else ""
    if name == "providerARNs":
        kept = [each for each in record.get(name, []) if each != patch.value]
        record[name] = kept if patch.op == "remove" else [*kept, patch.value]
    elif patch.op not in ("replace", "remove"):
        raise bad_request("Invalid patch operation specified. Must be one of: [replace]")
    elif name == "authorizerResultTtlInSeconds":
        value = str(patch.value)
        record[name] = int(value) if value.isdigit() else -1
    elif name == "type" and patch.value not in _TYPES:
        raise bad_request("Invalid authorizer type specified")
    elif name in ("name", "type", *_MEMBERS):
        if patch.value:
            record[name] = patch.value
        else:
            record.pop(name, None)
    else:
        raise wrong_path(patch)
