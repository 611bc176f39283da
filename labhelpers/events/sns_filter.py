"""Filter policies of SNS subscriptions: which messages a subscriber gets, and which policies AWS refuses. Pure.

The language is that of EventBridge's patterns, so `pattern` does the matching.
docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from labhelpers.events.pattern import EventPattern, JsonNumber
from labhelpers.events.pattern_compiler import OR, compile_branches
from labhelpers.events.pattern_json import PatternFault
from labhelpers.events.sns import Attribute, Notification

MESSAGE_ATTRIBUTES, MESSAGE_BODY = "MessageAttributes", "MessageBody"
SCOPES = (MESSAGE_ATTRIBUTES, MESSAGE_BODY)
# docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
MAX_KEYS = 5
MAX_COMBINATIONS = 150


class FilterFault(ValueError):
    """What is wrong with a policy, as AWS says it behind `Invalid parameter: `."""


def check_policy(text: str, scope: str) -> None:
    """Refuse what AWS refuses: FilterFault."""
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        raise FilterFault("FilterPolicy: failed to parse JSON.") from None
    if policy == {}:
        return
    try:
        compile_branches(text)
    except PatternFault as fault:
        raise FilterFault(f"FilterPolicy: {fault}") from None
    if scope == MESSAGE_ATTRIBUTES and _is_nested(policy):
        raise FilterFault("Filter policy scope MessageAttributes does not support nested filter policy")
    if len(policy) > MAX_KEYS:
        raise FilterFault(f"FilterPolicy: Filter policy can not have more than {MAX_KEYS} keys")
    if _combinations(policy) > MAX_COMBINATIONS:
        raise FilterFault("FilterPolicy: Filter policy is too complex")


def accepts(text: str, scope: str, notification: Notification) -> bool:
    """Whether a subscription with this policy (perhaps empty) gets the message."""
    if not text:
        return True
    pattern = _compiled(text)
    if pattern is None:
        return True
    fields = _body_fields(notification.message) if scope == MESSAGE_BODY else _fields(notification.attributes)
    return fields is not None and pattern.matches(fields)


@lru_cache(maxsize=1024)
def _compiled(text: str) -> EventPattern | None:
    return None if json.loads(text) == {} else EventPattern(compile_branches(text))


def _body_fields(message: str) -> Mapping[str, Any] | None:
    """The message as a JSON object; None for any other message, which no policy accepts."""
    try:
        body = json.loads(message, parse_int=JsonNumber, parse_float=JsonNumber)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _fields(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """Attributes as a policy sees them: binary ones not at all, arrays by their elements."""
    found: dict[str, Any] = {}
    for name, attribute in attributes.items():
        if attribute.data_type == "String.Array":
            try:
                found[name] = json.loads(attribute.value, parse_int=JsonNumber, parse_float=JsonNumber)
            except (ValueError, RecursionError):
                continue
        elif attribute.kind == "Number":
            found[name] = JsonNumber(attribute.value)
        elif attribute.kind == "String":
            found[name] = attribute.value
    return found


def _is_nested(policy: Mapping[str, Any]) -> bool:
    for name, value in policy.items():
        if name == OR and isinstance(value, list):
            if any(_is_nested(each) for each in value):
                return True
        elif isinstance(value, dict):
            return True
    return False


def _combinations(policy: Mapping[str, Any], depth: int = 1, before: int = 1) -> int:
    """How many combinations of values there are, each weighed by how deep it stands; `$or` adds its alternatives up."""
    found = before
    for name, value in policy.items():
        if isinstance(value, dict):
            found = _combinations(value, depth + 1, found)
        elif name == OR:
            found = sum(_combinations(each, depth, found) for each in value)
        else:
            found *= len(value) * depth
    return found
