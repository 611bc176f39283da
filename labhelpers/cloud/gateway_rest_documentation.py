"""Documentation parts and versions of REST APIs: API Gateway V1's operations of those names."""

from __future__ import annotations

import json
from typing import Any

from labhelpers.cloud.gateway_rest_call import (
    RestCall,
    bad_request,
    check_patches,
    conflict,
    copied,
    invalid,
    is_true,
    not_found,
    not_in,
    seconds_now,
)
from labhelpers.gateway.rest.documents import BadDocument, documentation_parts, read_document
from labhelpers.gateway.rest.store import Record, RestApi, new_id

# As AWS's refusal lists them (recorded).
_TYPES = (
    "RESPONSE_BODY RESPONSE METHOD MODEL AUTHORIZER RESPONSE_HEADER RESOURCE PATH_PARAMETER REQUEST_BODY "
    "QUERY_PARAMETER API REQUEST_HEADER"
).split()
_NO_PART = "Invalid Documentation part identifier specified"
_NO_VERSION = "Invalid Documentation version specified"


def create_documentation_part(call: RestCall) -> Record:
    """CreateDocumentationPart."""
    location = copied(call.body.get("location") or {})
    if location.get("type") not in _TYPES:
        member = "createDocumentationPartInput.location.type"
        raise invalid([not_in(location.get("type"), member, f"[{', '.join(_TYPES)}]")])
    api = call.api
    properties = call.body.get("properties")
    _check_properties(properties)
    if any(each["location"] == location for each in api.documentation_parts.values()):
        raise conflict("Documentation part already exists for the specified location: type")
    record: Record = {"id": new_id(6), "location": location, "properties": properties}
    api.documentation_parts[record["id"]] = record
    return record


def _check_properties(properties: Any) -> None:
    try:
        found = json.loads(properties)
    except (TypeError, ValueError):
        found = None
    if not isinstance(found, dict) or not found:
        raise bad_request("Documentation part properties must be non-empty")


def _part(call: RestCall, api: RestApi | None = None) -> Record:
    error = not_found(_NO_PART)
    found = (api or call.api_or(error)).documentation_parts.get(call["part"])
    if found is None:
        raise error
    return found


def get_documentation_part(call: RestCall) -> Record:
    """GetDocumentationPart."""
    return _part(call)


def get_documentation_parts(call: RestCall) -> Record:
    """GetDocumentationParts: perhaps by type, name and path."""
    query = call.query
    found = [
        each
        for each in call.api.documentation_parts.values()
        if query.get("type") in (None, each["location"].get("type"))
        and query.get("name") in (None, each["location"].get("name"))
        and str(each["location"].get("path") or "").startswith(query.get("path") or "")
    ]
    return call.page(found)


def delete_documentation_part(call: RestCall) -> None:
    """DeleteDocumentationPart."""
    api = call.api
    del api.documentation_parts[_part(call, api)["id"]]


def update_documentation_part(call: RestCall) -> Record:
    """UpdateDocumentationPart."""
    record = copied(_part(call))
    patches = call.patches("UpdateDocumentationPart")
    check_patches(patches, ("/properties",))
    for patch in patches:
        _check_properties(patch.value)
        record["properties"] = patch.value
    call.api.documentation_parts[record["id"]] = record
    return record


def import_documentation_parts(call: RestCall) -> Record:
    """ImportDocumentationParts: those of an OpenAPI document."""
    api, mode = call.api, call.query.get("mode") or "merge"
    if mode not in ("merge", "overwrite"):
        raise bad_request("Invalid mode specified. Must be merge or overwrite")
    try:
        document = read_document(call.request.body)
    except BadDocument:
        raise bad_request("Unable to build importer with provided input.") from None
    if mode == "overwrite":
        api.documentation_parts.clear()
    ids = add_parts(api, documentation_parts(document))
    return {"ids": ids, "warnings": []}


def add_parts(api: RestApi, parts: list[tuple[Record, Record]]) -> list[str]:
    """Add locations with their properties; of a location that is there, the properties are replaced."""
    ids = []
    for location, properties in parts:
        old = next((e for e in api.documentation_parts.values() if e["location"] == location), None)
        record: Record = old or {"id": new_id(6), "location": location}
        record["properties"] = json.dumps(properties)
        api.documentation_parts[record["id"]] = record
        ids.append(record["id"])
    return ids


# --- Versions ---


def create_documentation_version(call: RestCall) -> Record:
    """CreateDocumentationVersion: the parts as they are now; with a stage's name that stage gets it."""
    api, body = call.api, call.body
    name = str(body.get("documentationVersion") or "")
    if not name:
        raise bad_request("Documentation version must be non-empty")
    if name in api.documentation_versions:
        raise conflict("Documentation version already exists")
    if not api.documentation_parts:
        raise bad_request("Documentation version cannot be created because there are no documentation parts")
    record: Record = {"version": name, "createdDate": seconds_now()}
    if body.get("description"):
        record["description"] = body["description"]
    if stage_name := body.get("stageName"):
        stage = api.stages.get(stage_name)
        if stage is None:
            raise not_found("Invalid stage identifier specified")
        stage["documentationVersion"] = name
    api.documentation_versions[name] = (record, copied(api.documentation_parts))
    return record


def _version(call: RestCall) -> Record:
    found = call.api.documentation_versions.get(call["version"])
    if found is None:
        raise not_found(_NO_VERSION)
    return found[0]


def get_documentation_version(call: RestCall) -> Record:
    """GetDocumentationVersion."""
    return _version(call)


def get_documentation_versions(call: RestCall) -> Record:
    """GetDocumentationVersions."""
    return call.page([record for record, _ in call.api.documentation_versions.values()])


def delete_documentation_version(call: RestCall) -> None:
    """DeleteDocumentationVersion."""
    del call.api.documentation_versions[_version(call)["version"]]


def update_documentation_version(call: RestCall) -> Record:
    """UpdateDocumentationVersion."""
    record = _version(call)
    patches = call.patches("UpdateDocumentationVersion")
    check_patches(patches, ("/description",))
    for patch in patches:
        record["description"] = patch.value
    return record


def fails_on_warnings(call: RestCall) -> bool:
    """Whether an import shall not go on when something in its document is not understood."""
    return is_true(call.query.get("failonwarnings"))
