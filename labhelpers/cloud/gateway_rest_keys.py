"""API keys: API Gateway V1's operations of that name."""

from __future__ import annotations

import csv
import io
import secrets
import string

from labhelpers.cloud.gateway_rest_call import (
    RestCall,
    bad_request,
    conflict,
    copied,
    is_true,
    not_found,
    seconds_now,
    wrong_path,
)
from labhelpers.gateway.rest.store import Record, RestStore, new_id

_LETTERS = string.ascii_letters + string.digits
_KEY_MIN, _KEY_MAX = 20, 128


def create_api_key(call: RestCall) -> Record:
    """CreateApiKey. AWS: a key is not enabled unless it is said."""
    return _new_key(call.store, call.body)


def _new_key(store: RestStore, body: Record) -> Record:
    value = body.get("value")
    if value:
        if len(value) < _KEY_MIN:
            raise bad_request("API Key value should be at least 20 characters")
        if len(value) > _KEY_MAX:
            raise bad_request("API Key value exceeds maximum size of 128 characters")
        if any(each["value"] == value for each in store.keys.values()):
            raise conflict("API Key already exists")
    record: Record = {
        "id": new_id(10),
        "value": value or "".join(secrets.choice(_LETTERS) for _ in range(40)),
        "enabled": bool(body.get("enabled")),
        "createdDate": seconds_now(),
        "lastUpdatedDate": seconds_now(),
        "stageKeys": [],
    }
    for member in ("name", "customerId", "description", "tags"):
        if body.get(member):
            record[member] = copied(body[member])
    store.keys[record["id"]] = record
    return record


def find_key(call: RestCall, key_id: str) -> Record:
    """The key of that id. NotFoundException."""
    found = call.store.keys.get(key_id)
    if found is None:
        raise not_found("Invalid API Key identifier specified")
    return found


def _show_key(record: Record, *, value: bool, tags: bool = True) -> Record:
    shown = dict(record) if value else {k: v for k, v in record.items() if k != "value"}
    return {"tags": {}, **shown} if tags else shown


def get_api_key(call: RestCall) -> Record:
    """GetApiKey."""
    return _show_key(find_key(call, call["key"]), value=is_true(call.query.get("includeValue")))


def get_api_keys(call: RestCall) -> Record:
    """GetApiKeys: perhaps by the beginning of their name, or by customer."""
    name, customer = call.query.get("name") or "", call.query.get("customerId")
    keys = [
        _show_key(each, value=is_true(call.query.get("includeValues")), tags=False)
        for each in call.store.keys.values()
        if str(each.get("name") or "").startswith(name)
        and (not customer or each.get("customerId") == customer)
    ]
    return call.page(keys)


def delete_api_key(call: RestCall) -> None:
    """DeleteApiKey: usage plans lose it."""
    key = find_key(call, call["key"])
    del call.store.keys[key["id"]]
    for keys in call.store.plan_keys.values():
        keys.pop(key["id"], None)


def update_api_key(call: RestCall) -> Record:
    """UpdateApiKey."""
    record = copied(find_key(call, call["key"]))
    for patch in call.patches("UpdateApiKey"):
        name = patch.parts[0] if patch.path else ""
        if name == "enabled":
            record[name] = is_true(patch.value)
        elif name in ("name", "description", "customerId"):
            record[name] = patch.value
        elif name != "labels":
            raise wrong_path(patch)
    record["lastUpdatedDate"] = seconds_now()
    call.store.keys[record["id"]] = record
    return _show_key(record, value=False)


def import_api_keys(call: RestCall) -> Record:
    """ImportApiKeys: lines of CSV with a head (`name,key,description,enabled,usageplanIds`)."""
    if call.query.get("format") != "csv":
        raise bad_request("Invalid format specified. Valid formats are csv")
    text = call.request.body.decode("utf-8", "replace")
    rows = [
        {(k or "").strip().lower(): (v or "").strip() for k, v in row.items() if isinstance(v, str)}
        for row in csv.DictReader(io.StringIO(text))
    ]
    if not rows or "key" not in rows[0]:
        raise bad_request("The file must have a head with the column `key`")
    ids, warnings = [], []
    for row in rows:
        try:
            body = {
                "name": row.get("name"),
                "value": row.get("key"),
                "description": row.get("description"),
                "enabled": is_true(row.get("enabled", "true")),
            }
            made = _new_key(call.store, body)
        except Exception as error:
            if is_true(call.query.get("failonwarnings")):
                raise
            warnings.append(getattr(error, "message", str(error)))
            continue
        ids.append(made["id"])
        for plan_id in filter(None, row.get("usageplanids", "").split(",")):
            if plan_id in call.store.plans:
                link_key(call.store, plan_id, made)
    return {"ids": ids, "warnings": warnings}


def link_key(store: RestStore, plan_id: str, key: Record) -> Record:
    """Put a key into a usage plan; what the plan says of it."""
    linked: Record = {"id": key["id"], "type": "API_KEY", "value": key["value"]}
    if key.get("name"):
        linked["name"] = key["name"]
    store.plan_keys.setdefault(plan_id, {})[key["id"]] = linked
    return linked
