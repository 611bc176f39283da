"""The condition keys of a request: who calls, when, from where, and what of the call policies may ask about. Pure.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from labhelpers.cloud.permissions_asks import Fields
from labhelpers.iam.documents import Policy
from labhelpers.iam.patterns import Context
from labhelpers.iam.principals import Principal

# Keys that AWS fills from the resource itself: here they have no value.
NOT_FILLED = ("aws:resourcetag/", "s3:existingobjecttag/", "ec2:", "aws:sourcevpc", "aws:principalorg")


def of_caller(
    principal: Principal, *, user_id: str, user_name: str, tags: Mapping[str, str], function_arn: str = ""
) -> dict[str, list[str]]:
    """The keys that say who calls."""
    kind = "AssumedRole" if principal.role_arn else "User" if user_name else "FederatedUser"
    found = {
        "aws:principalarn": [principal.role_arn or principal.arn],
        "aws:principalaccount": [principal.account],
        "aws:principaltype": [kind],
        "aws:principalisawsservice": ["false"],
        "aws:userid": [user_id],
        "aws:viaawsservice": ["false"],
    }
    if user_name:
        found["aws:username"] = [user_name]
    if function_arn:
        found["lambda:sourcefunctionarn"] = [function_arn]
    return found | {f"aws:principaltag/{name.lower()}": [value] for name, value in tags.items()}


def of_request(region: str, source_ip: str, headers: Mapping[str, str], now: float) -> dict[str, list[str]]:
    """The keys that say how and when. `now` is epoch seconds of the lab's clock."""
    found = {
        "aws:currenttime": [datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")],
        "aws:epochtime": [str(int(now))],
        "aws:requestedregion": [region],
        # AWS: boto3 calls by https. Here: the loopback stands for it, so that policies of AWS go on working.
        "aws:securetransport": ["true"],
        "aws:sourceip": [source_ip],
    }
    for key, header in (("aws:useragent", "User-Agent"), ("aws:referer", "Referer")):
        if header in headers:
            found[key] = [headers[header]]
    return found


def of_tags(fields: Fields) -> Context:
    """aws:RequestTag/NAME and aws:TagKeys of the tags that a call brings, in either of AWS's forms."""
    tags = fields.get("Tags") or fields.get("tags")
    pairs: list[tuple[Any, Any]] = []
    if isinstance(tags, Mapping):
        pairs = list(tags.items())
    elif isinstance(tags, list):
        pairs = [(t.get("Key"), t.get("Value", "")) for t in tags if isinstance(t, Mapping)]
    number = 1
    while f"Tags.member.{number}.Key" in fields:
        start = f"Tags.member.{number}."
        pairs.append((fields[f"{start}Key"], fields.get(f"{start}Value", "")))
        number += 1
    if not pairs:
        return {}
    return {
        "aws:tagkeys": [str(name) for name, _ in pairs],
        **{f"aws:requesttag/{str(name).lower()}": [str(value)] for name, value in pairs},
    }


def of_items(operation: str, fields: Fields, table: str, key: str) -> Context:
    """dynamodb:LeadingKeys: the values of the partition key `key` in a call on a table; and what it asks to see."""
    found: list[str] = []
    for item in _items(operation, fields, table):
        value = item.get(key)
        if isinstance(value, Mapping) and value:
            found.append(str(next(iter(value.values()))))
    if operation == "Query":
        found += _queried(fields, key)
    context = {"dynamodb:leadingkeys": found} if found else {}
    for name, source in (("dynamodb:select", "Select"), ("dynamodb:returnvalues", "ReturnValues")):
        if isinstance(fields.get(source), str):
            context[name] = [fields[source]]
    return context


def _items(operation: str, fields: Fields, table: str) -> Iterable[Mapping[str, Any]]:
    for name in ("Key", "Item"):
        if isinstance(fields.get(name), Mapping):
            yield fields[name]
    requests = fields.get("RequestItems")
    if isinstance(requests, Mapping):
        wanted = requests.get(table) or ()
        for each in wanted.get("Keys", ()) if isinstance(wanted, Mapping) else wanted:
            put, delete = each.get("PutRequest"), each.get("DeleteRequest")
            yield put.get("Item", {}) if put else delete.get("Key", {}) if delete else each
    for transaction in fields.get("TransactItems") or ():
        for what in transaction.values():
            if what.get("TableName") == table:
                yield what.get("Key") or what.get("Item") or {}


def _queried(fields: Fields, key: str) -> list[str]:
    """The value that a Query compares the partition key with."""
    conditions = fields.get("KeyConditions")
    if isinstance(conditions, Mapping) and key in conditions:
        return [str(next(iter(v.values()))) for v in conditions[key].get("AttributeValueList", ())]
    names = dict(fields.get("ExpressionAttributeNames") or {})
    values = fields.get("ExpressionAttributeValues") or {}
    found = []
    for part in str(fields.get("KeyConditionExpression", "")).replace("AND", "and").split(" and "):
        left, _, right = (each.strip(" ()") for each in part.partition("="))
        if names.get(left, left) == key and right in values:
            found.append(str(next(iter(values[right].values()))))
    return found


def keys_of(policies: Iterable[Policy]) -> frozenset[str]:
    """All condition keys that policies ask about, in lower case."""
    return frozenset(c.key for p in policies for s in p.statements for c in s.conditions)


def is_plain(policies: Iterable[Policy]) -> bool:
    """Whether policies look at nothing but action, resource and principal: then a decision holds for all contexts."""
    return not any(
        s.conditions or any("${" in resource for resource in s.resources)
        for p in policies
        for s in p.statements
    )
