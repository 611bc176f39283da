"""Resource policies of REST APIs: whether a caller may invoke a method. Pure.

Conditions on `aws:SourceIp` and the caller's ARN and account are evaluated; others are refused when a policy is set.
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from labhelpers.gateway.authorizer import Effect, evaluate

# Condition keys that a request here has a value for.
KEYS = frozenset(
    {"aws:sourceip", "aws:principalarn", "aws:principalaccount", "aws:sourcearn", "aws:securetransport"}
)


def decide(policy: Mapping[str, Any], arn: str, facts: Mapping[str, str]) -> Effect:
    """What a policy says of a method's ARN. `facts`: condition keys in lower case, and `principal` (ARN or "")."""
    fitting = [
        {
            key: value
            for key, value in statement.items()
            if key not in ("Condition", "Principal", "NotPrincipal")
        }
        for statement in statements(policy)
        if _principal_fits(statement, facts) and _conditions_hold(statement.get("Condition"), facts)
    ]
    prefix = arn.rpartition(":")[0]
    for statement in fitting:
        for key in ("Resource", "NotResource"):
            if key in statement:
                statement[key] = [_full(each, prefix, arn) for each in _listed(statement[key])]
    return evaluate({"Statement": fitting}, arn)


def unsupported_conditions(policy: Mapping[str, Any]) -> list[str]:
    """The conditions of a policy that nothing here can evaluate."""
    found = []
    for statement in statements(policy):
        for operator, keys in (statement.get("Condition") or {}).items():
            if operator not in _OPERATORS:
                found.append(str(operator))
            found += [str(key) for key in keys if str(key).lower() not in KEYS]
    return found


def statements(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The statements of a policy."""
    found = policy.get("Statement") or ()
    return [found] if isinstance(found, Mapping) else [each for each in found if isinstance(each, Mapping)]


def _full(resource: str, prefix: str, arn: str) -> str:
    """`execute-api:/stage/GET/x` is short for this API's ARN."""
    if resource.startswith("execute-api:/"):
        api = arn.rpartition(":")[2].partition("/")[0]
        return f"{prefix}:{api}{resource.removeprefix('execute-api:')}"
    return resource


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [each for each in value if isinstance(each, str)]


def _principal_fits(statement: Mapping[str, Any], facts: Mapping[str, str]) -> bool:
    named = statement.get("Principal", "*")
    if isinstance(named, Mapping):
        named = named.get("AWS", ())
    caller = facts.get("principal", "")
    account = caller.split(":")[4] if caller.count(":") >= 5 else ""
    for each in _listed(named):
        if each == "*" or (caller and each in (caller, account, f"arn:aws:iam::{account}:root")):
            return True
    return False


def _conditions_hold(condition: Any, facts: Mapping[str, str]) -> bool:
    for operator, keys in (condition or {}).items():
        check = _OPERATORS.get(operator)
        if check is None:
            return False
        for key, wanted in keys.items():
            if not check(
                facts.get(str(key).lower(), ""), _listed([wanted] if isinstance(wanted, str) else wanted)
            ):
                return False
    return True


def _in_network(address: str, networks: Iterable[str]) -> bool:
    try:
        own = ipaddress.ip_address(address)
        return any(own in ipaddress.ip_network(each, strict=False) for each in networks)
    except ValueError:
        return False


def _like(value: str, patterns: Iterable[str]) -> bool:
    regexes = ("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in each) for each in patterns)
    return any(re.fullmatch(regex, value, re.DOTALL) for regex in regexes)


Operator = Callable[[str, list[str]], bool]
_OPERATORS: Mapping[str, Operator] = {
    "IpAddress": _in_network,
    "NotIpAddress": lambda value, wanted: not _in_network(value, wanted),
    "StringEquals": lambda value, wanted: value in wanted,
    "StringNotEquals": lambda value, wanted: value not in wanted,
    "StringLike": _like,
    "StringNotLike": lambda value, wanted: not _like(value, wanted),
    "ArnEquals": _like,
    "ArnLike": _like,
    "ArnNotLike": lambda value, wanted: not _like(value, wanted),
    "Bool": lambda value, wanted: value in [each.lower() for each in wanted],
}
