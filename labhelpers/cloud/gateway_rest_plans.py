"""Usage plans and their keys: API Gateway V1's operations of that name, `get_usage` with what was really used."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from labhelpers.cloud.gateway_rest_call import (
    Patch,
    RestCall,
    bad_request,
    conflict,
    copied,
    not_found,
    wrong_path,
)
from labhelpers.cloud.gateway_rest_keys import find_key, link_key
from labhelpers.gateway.rest.store import Record, RestStore, new_id
from labhelpers.gateway.rest.usage import Usage

_PERIODS = ("DAY", "WEEK", "MONTH")
_OFFSETS_MAX = {"DAY": 0, "WEEK": 6, "MONTH": 27}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAYS_MAX = 366


def create_usage_plan(call: RestCall) -> Record:
    """CreateUsagePlan."""
    body = copied(call.body)
    if not body.get("name"):
        raise bad_request("Usage plan name cannot be empty")
    record: Record = {"id": new_id(6), "name": body["name"], "apiStages": []}
    for member in ("description", "throttle", "quota", "productCode", "tags"):
        if body.get(member):
            record[member] = body[member]
    for each in body.get("apiStages") or ():
        _add_stage(call.store, record, str(each.get("apiId")), str(each.get("stage")), each.get("throttle"))
    _check_plan(record)
    call.store.plans[record["id"]] = record
    return _show_plan(record, tags=False)


def _check_plan(record: Record) -> None:
    if throttle := record.get("throttle"):
        record["throttle"] = _throttle(throttle)
    if (quota := record.get("quota")) is not None:
        period = quota.get("period")
        if period not in _PERIODS:
            raise bad_request("Usage Plan quota period must be one of DAY, WEEK, MONTH")
        if not isinstance(quota.get("limit"), int) or quota["limit"] < 1:
            raise bad_request("Usage Plan quota limit must be a positive number")
        offset = quota.setdefault("offset", 0)
        if not isinstance(offset, int) or not 0 <= offset <= _OFFSETS_MAX[period]:
            raise bad_request(
                f"Usage Plan quota offset must be zero in the {period} period"
                if period == "DAY"
                else f"Usage Plan quota offset must be between zero and {_OFFSETS_MAX[period]} in the {period} period"
            )


def _throttle(given: Record) -> Record:
    try:
        made = {
            "burstLimit": int(given.get("burstLimit") or 0),
            "rateLimit": float(given.get("rateLimit") or 0),
        }
    except (TypeError, ValueError):
        raise bad_request("Usage Plan throttle limits must be numbers") from None
    if made["burstLimit"] < 0 or made["rateLimit"] < 0:
        raise bad_request("Usage Plan throttle limits must not be negative")
    return made


def _add_stage(
    store: RestStore, record: Record, api_id: str, stage: str, throttles: Record | None = None
) -> None:
    if not store.has_stage(api_id, stage):
        raise not_found(f"API Stage not found: {api_id}:{stage}")
    if any((each["apiId"], each["stage"]) == (api_id, stage) for each in record["apiStages"]):
        raise bad_request(f"API Stage {api_id}:{stage} is already in this usage plan")
    linked: Record = {"apiId": api_id, "stage": stage}
    if throttles:
        linked["throttle"] = {path: _throttle(each) for path, each in throttles.items()}
    record["apiStages"].append(linked)


def _show_plan(record: Record, *, tags: bool = True) -> Record:
    return {"tags": {}, **record} if tags else record


def _plan(call: RestCall) -> Record:
    found = call.store.plans.get(call["plan"])
    if found is None:
        raise not_found("Invalid Usage Plan ID specified")
    return found


def get_usage_plan(call: RestCall) -> Record:
    """GetUsagePlan."""
    return _show_plan(_plan(call))


def get_usage_plans(call: RestCall) -> Record:
    """GetUsagePlans; perhaps those of one key."""
    key = call.query.get("keyId")
    plans = [
        each
        for plan_id, each in call.store.plans.items()
        if not key or key in call.store.plan_keys.get(plan_id, {})
    ]
    return call.page([_show_plan(each, tags=False) for each in plans])


def delete_usage_plan(call: RestCall) -> None:
    """DeleteUsagePlan. Here also one that still has stages, which AWS wants removed first."""
    plan = _plan(call)
    del call.store.plans[plan["id"]]
    call.store.plan_keys.pop(plan["id"], None)


def update_usage_plan(call: RestCall) -> Record:
    """UpdateUsagePlan."""
    record = copied(_plan(call))
    for patch in call.patches("UpdateUsagePlan"):
        _patch_plan(call.store, record, patch)
    _check_plan(record)
    call.store.plans[record["id"]] = record
    return _show_plan(record)


def _patch_plan(store: RestStore, record: Record, patch: Patch) -> None:
    parts = patch.parts if patch.path else []
    name = parts[0] if parts else ""
    removing = patch.op == "remove"
    if name in ("name", "description", "productCode") and len(parts) == 1:
        if removing:
            record.pop(name, None)
        else:
            record[name] = patch.value
    elif name in ("throttle", "quota") and len(parts) <= 2:
        _patch_limits(record, name, parts, patch, removing=removing)
    elif name == "apiStages":
        _patch_stages(store, record, patch, removing=removing)
    else:
        raise wrong_path(patch)


def _patch_limits(record: Record, name: str, parts: list[str], patch: Patch, *, removing: bool) -> None:
    if len(parts) == 1:
        if not removing:
            raise wrong_path(patch)
        record.pop(name, None)
        return
    limits: Record = dict(record.get(name) or {})
    if removing:
        limits.pop(parts[1], None)
    elif parts[1] in ("burstLimit", "limit", "offset"):
        limits[parts[1]] = _integer(patch)
    else:
        limits[parts[1]] = patch.value
    record[name] = limits


def _integer(patch: Patch) -> int:
    try:
        return int(str(patch.value))
    except ValueError:
        raise bad_request(f"Invalid value {patch.value!r} for {patch.path}") from None


def _patch_stages(store: RestStore, record: Record, patch: Patch, *, removing: bool) -> None:
    parts = patch.parts
    if len(parts) == 1:
        api_id, _, stage = str(patch.value or "").partition(":")
        if not api_id or not stage or ":" in stage:
            raise bad_request("Invalid API Stage specified")
        if removing:
            kept = [e for e in record["apiStages"] if (e["apiId"], e["stage"]) != (api_id, stage)]
            if len(kept) == len(record["apiStages"]):
                what = f"Invalid API Stage {{api: {api_id}, stage: {stage}}}"
                raise not_found(f"{what} specified for usageplan {record['id']}")
            record["apiStages"] = kept
        else:
            _add_stage(store, record, api_id, stage)
        return
    api_id, _, stage = parts[1].partition(":")
    linked = next((e for e in record["apiStages"] if (e["apiId"], e["stage"]) == (api_id, stage)), None)
    if linked is None:
        raise not_found(f"API Stage not found: {parts[1]}")
    if len(parts) < 3 or parts[2] != "throttle":
        raise wrong_path(patch)
    throttles = linked.setdefault("throttle", {})
    if removing:
        path = "/".join(parts[3:])
        if path:
            throttles.pop(path, None)
        if not path or not throttles:
            linked.pop("throttle", None)
        return
    path, member = "/".join(parts[3:-1]), parts[-1]
    if member not in ("rateLimit", "burstLimit") or not path:
        raise wrong_path(patch)
    throttles[path] = _throttle({**throttles.get(path, {}), member: patch.value})


# --- Their keys ---


def create_usage_plan_key(call: RestCall) -> Record:
    """CreateUsagePlanKey."""
    plan = _plan(call)
    if call.body.get("keyType") != "API_KEY":
        raise bad_request("Invalid key type specified. Valid types are API_KEY")
    key = find_key(call, str(call.body.get("keyId")))
    if key["id"] in call.store.plan_keys.get(plan["id"], {}):
        raise conflict("Usage Plan Key already exists")
    for other_id, keys in call.store.plan_keys.items():
        other = call.store.plans.get(other_id) or {}
        if key["id"] in keys and _share_a_stage(plan, other):
            raise conflict("API Key is already in another usage plan of the same API stage")
    return link_key(call.store, plan["id"], key)


def _share_a_stage(one: Record, other: Record) -> bool:
    stages = [{(e["apiId"], e["stage"]) for e in plan.get("apiStages") or ()} for plan in (one, other)]
    return bool(stages[0] & stages[1])


def _plan_key(call: RestCall) -> Record:
    plan = _plan(call)
    key = find_key(call, call["key"])
    found = call.store.plan_keys.get(plan["id"], {}).get(key["id"])
    if found is None:
        raise not_found("Invalid Usage Plan Key identifier specified")
    return found


def get_usage_plan_key(call: RestCall) -> Record:
    """GetUsagePlanKey."""
    return _plan_key(call)


def get_usage_plan_keys(call: RestCall) -> Record:
    """GetUsagePlanKeys."""
    plan, name = _plan(call), call.query.get("name") or ""
    keys = call.store.plan_keys.get(plan["id"], {}).values()
    return call.page([each for each in keys if str(each.get("name") or "").startswith(name)])


def delete_usage_plan_key(call: RestCall) -> None:
    """DeleteUsagePlanKey."""
    key = _plan_key(call)
    del call.store.plan_keys[call["plan"]][key["id"]]


# --- What is used ---


def get_usage(call: RestCall, usage: Usage) -> Record:
    """GetUsage: of each key, for each day, how many requests it made and how many were left."""
    plan = _plan(call)
    start, end = _date(call, "startDate"), _date(call, "endDate")
    if end < start or (end - start).days > _DAYS_MAX:
        raise bad_request("Invalid date range specified")
    key_id = call.query.get("keyId")
    return {
        "usagePlanId": plan["id"],
        "startDate": call.query["startDate"],
        "endDate": call.query["endDate"],
        "values": usage.report(plan, key_id, start, end),
    }


def _date(call: RestCall, name: str) -> date:
    text = call.query.get(name) or ""
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise bad_request(f"Usage {name} parameter must be of the form yyyy-mm-dd") from None


def update_usage(call: RestCall, usage: Usage) -> Record:
    """UpdateUsage: how many requests are left in the present period."""
    plan, key = _plan(call), _plan_key(call)
    if not plan.get("quota"):
        raise bad_request("Usage Plan has no quota")
    for patch in call.patches("UpdateUsage"):
        if patch.op != "replace" or patch.path != "/remaining":
            raise wrong_path(patch)
        usage.set_remaining(plan, key["id"], _integer(patch))
    today: Any = usage.today()
    return {
        "usagePlanId": plan["id"],
        "startDate": today.isoformat(),
        "endDate": today.isoformat(),
        "values": usage.report(plan, key["id"], today, today),
    }
