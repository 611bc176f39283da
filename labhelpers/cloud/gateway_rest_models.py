"""Models and request validators of REST APIs: API Gateway V1's operations of those names."""

from __future__ import annotations

import json
import re
from typing import Any

from labhelpers.cloud.gateway_rest_call import (
    RestCall,
    bad_request,
    check_patches,
    conflict,
    copied,
    is_true,
    not_found,
)
from labhelpers.errors import AwsError
from labhelpers.gateway.rest.schemas import problems, read_schema
from labhelpers.gateway.rest.store import Record, RestApi, new_id

_NO_SCHEMA = "Model schema must have at least 1 property or array items defined"
_NO_VALIDATOR = "Invalid Request Validator identifier specified"
_MODEL_NAME = re.compile(r"[A-Za-z0-9]+")


# --- Models ---


def create_model(call: RestCall) -> Record:
    """CreateModel."""
    api, body = call.api, call.body
    name = str(body.get("name") or "")
    if not name:
        raise bad_request("Model name must be non-empty")
    if not _MODEL_NAME.fullmatch(name):
        raise bad_request("Model name must be alphanumeric: " + name)
    if name in api.models:
        raise conflict("Model name already exists for this REST API")
    record = new_model(body)
    api.models[name] = record
    call.changed()
    return record


def new_model(body: Record) -> Record:
    """A model's record. BadRequestException without a schema."""
    _check_schema(body.get("schema"))
    record: Record = {"id": new_id(6), "name": body["name"]}
    for member in ("description", "schema", "contentType"):
        if body.get(member):
            record[member] = body[member]
    record.setdefault("contentType", "application/json")
    return record


def _check_schema(schema: Any) -> None:
    if not schema:
        raise bad_request(_NO_SCHEMA)
    try:
        found = json.loads(schema)
    except (ValueError, TypeError, RecursionError):
        raise _bad_model(["Invalid model schema specified"]) from None
    if not isinstance(found, dict):
        raise bad_request(_NO_SCHEMA)
    if wrong := problems(found):
        raise _bad_model(wrong)


def _bad_model(wrong: list[str]) -> AwsError:
    return bad_request(
        f"Invalid model specified: Validation Result: warnings : [], errors : [{', '.join(wrong)}]"
    )


def _model(call: RestCall) -> Record:
    name = call["model"]
    error = not_found(f"Invalid model name specified: {name}")
    found = call.api_or(error).models.get(name)
    if found is None:
        raise error
    return found


def get_model(call: RestCall) -> Record:
    """GetModel; `flatten` puts the models that it refers to into its schema."""
    model = _model(call)
    if not is_true(call.query.get("flatten")):
        return model
    schema = read_schema(model.get("schema"))
    for name, other in call.api.models.items():
        url = f"https://apigateway.amazonaws.com/restapis/{call['api']}/models/{name}"
        if url in json.dumps(schema):
            schema = json.loads(json.dumps(schema).replace(url, f"#/definitions/{name}"))
            schema.setdefault("definitions", {})[name] = read_schema(other.get("schema"))
    return {**model, "schema": json.dumps(schema)}


def get_models(call: RestCall) -> Record:
    """GetModels: by name."""
    return call.page([call.api.models[name] for name in sorted(call.api.models)])


def delete_model(call: RestCall) -> None:
    """DeleteModel. ConflictException while something refers to it."""
    model, api = _model(call), call.api
    if (user := _user_of(api, model["name"])) is not None:
        raise conflict(f"Cannot delete model '{model['name']}', is referenced in {user}")
    del api.models[model["name"]]
    call.changed()


def _user_of(api: RestApi, name: str) -> str | None:
    url = f"/restapis/{api.id}/models/{name}"
    for resource, method in api.methods():
        place = f"{resource['path']}/{method['httpMethod']}"
        if name in (method.get("requestModels") or {}).values():
            return f"method request: {place}"
        for response in method.get("methodResponses", {}).values():
            if name in (response.get("responseModels") or {}).values():
                return f"method response: {place}"
    for other in api.models.values():
        if other["name"] != name and f'{url}"' in str(other.get("schema")):
            return f"model: {other['name']}"
    return None


def update_model(call: RestCall) -> Record:
    """UpdateModel."""
    record = copied(_model(call))
    patches = call.patches("UpdateModel")
    check_patches(patches, ("/description", "/schema"))
    for patch in patches:
        if patch.path == "/schema":
            _check_schema(patch.value)
        record[patch.parts[0]] = patch.value
    call.api.models[record["name"]] = record
    call.changed()
    return record


def get_model_template(call: RestCall) -> Record:
    """GetModelTemplate: a mapping template that copies what the model has."""
    schema = read_schema(_model(call).get("schema"))
    return {"value": f"#set($inputRoot = $input.path('$'))\n{_template(schema, '$inputRoot', 0)}"}


def _template(schema: Record, place: str, depth: int) -> str:
    pad = "  " * depth
    kind = schema.get("type")
    if depth > 20:
        return "{}"
    if kind == "array":
        inner = _template(schema.get("items") or {}, "$elem", depth + 1)
        return f"[\n#foreach($elem in {place})\n{pad}  {inner}#if($foreach.hasNext),#end\n\n#end\n{pad}]"
    if kind == "object" or "properties" in schema:
        members = [
            f'{pad}  "{name}" : {_template(each, f"{place}.{name}", depth + 1)}'
            for name, each in (schema.get("properties") or {}).items()
            if isinstance(each, dict)
        ]
        return "{\n" + ",\n".join(members) + f"\n{pad}}}" if members else "{ }"
    return f'"{place}"' if kind in ("string", None) else place


# --- Request validators ---


def create_request_validator(call: RestCall) -> Record:
    """CreateRequestValidator."""
    api = call.api_or(bad_request("Invalid REST API identifier specified"))
    body = call.body
    if not body.get("name"):
        raise bad_request("Request Validator name cannot be blank")
    record: Record = {
        "id": new_id(6),
        "name": body["name"],
        "validateRequestBody": bool(body.get("validateRequestBody")),
        "validateRequestParameters": bool(body.get("validateRequestParameters")),
    }
    api.validators[record["id"]] = record
    call.changed()
    return record


def _validator(call: RestCall) -> Record:
    error = not_found(_NO_VALIDATOR)
    found = call.api_or(error).validators.get(call["validator"])
    if found is None:
        raise error
    return found


def get_request_validator(call: RestCall) -> Record:
    """GetRequestValidator."""
    return _validator(call)


def get_request_validators(call: RestCall) -> Record:
    """GetRequestValidators."""
    return call.page(list(call.api.validators.values()))


def delete_request_validator(call: RestCall) -> None:
    """DeleteRequestValidator. ConflictException while a method uses it."""
    validator = _validator(call)
    for resource, method in call.api.methods():
        if method.get("requestValidatorId") == validator["id"]:
            place = f"{resource['path']}/{method['httpMethod']}"
            raise conflict(
                f"Cannot delete request validator '{validator['id']}', is referenced in method: {place}"
            )
    del call.api.validators[validator["id"]]
    call.changed()


def update_request_validator(call: RestCall) -> Record:
    """UpdateRequestValidator."""
    record = copied(_validator(call))
    patches = call.patches("UpdateRequestValidator")
    check_patches(patches, ("/name", "/validateRequestParameters", "/validateRequestBody"))
    for patch in patches:
        name = patch.parts[0]
        if name == "name":
            if not patch.value:
                raise bad_request("Request Validator name cannot be blank")
            record[name] = patch.value
        else:
            record[name] = is_true(patch.value)
    call.api.validators[record["id"]] = record
    call.changed()
    return record
