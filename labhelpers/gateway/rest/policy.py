"""Resource policies of REST APIs: whether a caller may invoke a method. Pure; the language is `iam`'s.

docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from labhelpers.gateway.authorizer import INVOKE_ACTION, Effect
from labhelpers.iam.conditions import read_operator
from labhelpers.iam.documents import Policy, Request, read_policy
from labhelpers.iam.patterns import Context
from labhelpers.iam.principals import Named, Principal

# Condition keys that a request here has a value for, where AWS gives it one.
KEYS = frozenset(
    {
        "aws:currenttime",
        "aws:epochtime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:referer",
        "aws:securetransport",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:useragent",
    }
)
_SHORT = "execute-api:/"


def compile_policy(document: str, api_id: str) -> Policy:
    """A policy ready to decide: `execute-api:/stage/GET/x` is short for that of this API. ValueError for no policy."""
    read = read_policy(document, f"the resource policy of {api_id}")
    whole = f"arn:*:execute-api:*:*:{api_id}/"
    return Policy(
        tuple(
            replace(
                statement,
                principals=statement.principals or {"*": ("*",)},
                resources=tuple(
                    whole + each.removeprefix(_SHORT) if each.startswith(_SHORT) else each
                    for each in statement.resources
                ),
            )
            for statement in read.statements
        ),
        read.arn,
    )


def decide(policy: Policy, caller: str, arn: str, context: Context) -> Effect:
    """What a policy says of a method's ARN. `caller` is the ARN that signed, "" for nobody."""
    request = Request(Principal.of(caller) if caller else Principal(), INVOKE_ACTION, arn, context)
    allowed = False
    for statement in policy.statements:
        if statement.applies(request) is Named.NOT:
            continue
        if not statement.allow:
            return Effect.EXPLICIT_DENY
        allowed = True
    return Effect.ALLOW if allowed else Effect.IMPLICIT_DENY


def unsupported_conditions(policy: Mapping[str, Any]) -> list[str]:
    """The conditions of a policy that nothing here can evaluate."""
    found = []
    statements = policy.get("Statement") or ()
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        for operator, keys in (statement.get("Condition") or {}).items():
            try:
                read_operator(str(operator))
            except ValueError:
                found.append(str(operator))
            found += [str(key) for key in keys if str(key).lower() not in KEYS]
    return found
