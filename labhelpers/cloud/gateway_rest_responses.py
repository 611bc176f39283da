"""Gateway responses of REST APIs: API Gateway V1's operations of that name."""

from __future__ import annotations

import re

from labhelpers.cloud.gateway_rest_call import (
    Patch,
    RestCall,
    bad_request,
    copied,
    invalid,
    not_found,
    not_in,
    patch_map,
    wrong_path,
)
from labhelpers.gateway.rest import gateway_responses
from labhelpers.gateway.rest.store import Record


def _response_type(call: RestCall, more: list[str] | None = None) -> str:
    kind = call["type"]
    errors = list(more or ())
    if kind not in gateway_responses.LISTED:
        errors.append(not_in(kind, "responseType", f"[{', '.join(gateway_responses.LISTED)}]"))
    if errors:
        raise invalid(errors)
    return kind


def get_gateway_response(call: RestCall) -> Record:
    """GetGatewayResponse."""
    kind = _response_type(call)
    return gateway_responses.describe(kind, call.api.gateway_responses)


def get_gateway_responses(call: RestCall) -> Record:
    """GetGatewayResponses: all types, by name."""
    custom = call.api.gateway_responses
    items = [gateway_responses.describe(kind, custom) for kind in sorted(gateway_responses.LISTED)]
    return {"item": items}


def put_gateway_response(call: RestCall) -> Record:
    """PutGatewayResponse."""
    kind, api = _response_type(call), call.api
    record = new_gateway_response(kind, call.body)
    api.gateway_responses[kind] = record
    call.changed()
    return record


def new_gateway_response(kind: str, body: Record) -> Record:
    """A customised gateway response; what is not said is as by default."""
    default = gateway_responses.describe(kind, {})
    record: Record = {
        "responseType": kind,
        "responseParameters": copied(body.get("responseParameters") or {}),
        "responseTemplates": copied(body.get("responseTemplates") or default["responseTemplates"]),
        "defaultResponse": False,
    }
    status = body.get("statusCode") or default.get("statusCode")
    if status:
        if not re.fullmatch(r"[1-5]\d\d", str(status)):
            raise bad_request(f"Invalid status code specified: {status}")
        record["statusCode"] = str(status)
    return record


def delete_gateway_response(call: RestCall) -> None:
    """DeleteGatewayResponse."""
    kind, api = _response_type(call), call.api
    if api.gateway_responses.pop(kind, None) is None:
        raise not_found("Gateway response type not defined on api")
    call.changed()


def update_gateway_response(call: RestCall) -> Record:
    """UpdateGatewayResponse."""
    kind = _response_type(call, call.patch_errors("UpdateGatewayResponse"))
    api = call.api
    record = copied(gateway_responses.describe(kind, api.gateway_responses))
    record["defaultResponse"] = False
    for patch in call.patches("UpdateGatewayResponse"):
        _patch_response(record, patch)
    record.setdefault("responseParameters", {})
    record.setdefault("responseTemplates", {})
    api.gateway_responses[kind] = record
    call.changed()
    return record


def _patch_response(record: Record, patch: Patch) -> None:
    parts = patch.parts
    if parts == ["statusCode"] and patch.op == "replace":
        record["statusCode"] = patch.value
    elif len(parts) == 2 and parts[0] in ("responseParameters", "responseTemplates"):
        if patch.op != "remove" and not patch.value:
            raise bad_request(f"Invalid null or empty value in {parts[0]}")
        missing = (
            "Invalid parameter name specified"
            if parts[0] == "responseParameters"
            else "Content-Type specified was not found"
        )
        patch_map(record, parts[0], parts[1], patch, "" if patch.op == "add" else missing)
    else:
        raise wrong_path(patch)
