"""Policy documents read into statements, and whether a statement applies to a request. Pure.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers.iam.conditions import Condition, read_operator
from labhelpers.iam.patterns import Context, fill, like, split_arn
from labhelpers.iam.principals import Named, Principal, named


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: may `principal` do `action` on `resource`? `context` has the condition keys in lower case."""

    principal: Principal
    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `principals` is None in an identity policy; `except_...` says that the list names exceptions."""

    allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    principals: Mapping[str, tuple[str, ...]] | None = None
    except_actions: bool = False
    except_resources: bool = False
    except_principals: bool = False
    sid: str = ""
    variables: bool = True

    def applies(self, request: Request) -> Named:
        """NOT if it says nothing of the request, else how it names the caller (ITSELF in an identity policy)."""
        if any(like(each, request.action, ignore_case=True) for each in self.actions) is self.except_actions:
            return Named.NOT
        if self._names_resource(request) is self.except_resources:
            return Named.NOT
        how = self._names_caller(request.principal)
        if how is Named.NOT:
            return how
        context, variables = request.context, self.variables
        return how if all(c.holds(context, variables=variables) for c in self.conditions) else Named.NOT

    def _names_resource(self, request: Request) -> bool:
        for pattern in self.resources:
            filled = fill(pattern, request.context) if self.variables else pattern
            if filled is not None and resource_like(filled, request.resource):
                return True
        return False

    def _names_caller(self, caller: Principal) -> Named:
        if self.principals is None:
            return Named.ITSELF
        how = named(self.principals, caller)
        if self.except_principals:
            return Named.BROADLY if how is Named.NOT else Named.NOT
        return how


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy's statements; `arn` (or the name of an inline policy) tells people which one it is."""

    statements: tuple[Statement, ...]
    arn: str = ""


def resource_like(pattern: str, arn: str) -> bool:
    """Whether a Resource element names an ARN: no wildcard goes across the first five colons, but for a lone `*`."""
    if pattern == "*":
        return True
    wanted, given = split_arn(pattern), split_arn(arn)
    if len(wanted) != len(given):
        # `arn:aws:s3:::*` has all parts; `arn:aws:logs:*` stands for all that may follow.
        return pattern.endswith("*") and len(wanted) < len(given) and like(pattern, arn)
    return all(map(like, wanted, given))


def read_policy(document: str | Mapping[str, Any], arn: str = "") -> Policy:
    """A policy from its JSON. ValueError, with words for people, if it is none."""
    try:
        found = json.loads(document) if isinstance(document, str) else document
    except RecursionError:
        raise ValueError("the policy is nested too deeply") from None
    if not isinstance(found, Mapping):
        raise ValueError("the policy is no JSON object")
    variables = found.get("Version") == "2012-10-17"
    statements = found.get("Statement", ())
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list | tuple):
        raise ValueError("Statement is no list")
    return Policy(tuple(_statement(each, variables) for each in statements), arn)


def _statement(found: Any, variables: bool) -> Statement:
    if not isinstance(found, Mapping):
        raise ValueError("a statement is no object")
    effect = found.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise ValueError(f"Effect is Allow or Deny, not {effect!r}")
    actions, except_actions = _either(found, "Action", "NotAction")
    if actions is None:
        raise ValueError("a statement has no Action")
    # A trust policy names no resource: it is the role's own.
    resources, except_resources = _either(found, "Resource", "NotResource")
    principal, except_principals = found.get("Principal"), False
    if principal is None and "NotPrincipal" in found:
        principal, except_principals = found["NotPrincipal"], True
    return Statement(
        effect == "Allow",
        actions,
        ("*",) if resources is None else resources,
        _conditions(found.get("Condition")),
        _principals(principal),
        except_actions,
        except_resources,
        except_principals,
        str(found.get("Sid", "")),
        variables,
    )


def _either(found: Mapping[str, Any], name: str, opposite: str) -> tuple[tuple[str, ...] | None, bool]:
    if name in found:
        return _listed(found[name]), False
    return (_listed(found[opposite]), True) if opposite in found else (None, False)


def _listed(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, value)) if isinstance(value, list | tuple) else (_text(value),)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise ValueError(f"a text or a list of texts is wanted, not {json.dumps(value)[:100]}")
    return str(value)


def _principals(value: Any) -> Mapping[str, tuple[str, ...]] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return {"*": (value,)}
    if not isinstance(value, Mapping):
        raise ValueError("Principal is no object")
    return {str(kind): _listed(names) for kind, names in value.items()}


def _conditions(found: Any) -> tuple[Condition, ...]:
    if found is None:
        return ()
    if not isinstance(found, Mapping):
        raise ValueError("Condition is no object")
    made = []
    for operator, keys in found.items():
        if not isinstance(keys, Mapping):
            raise ValueError(f"the condition {operator} is no object")
        name, quantifier, if_exists = read_operator(str(operator))
        made += [
            Condition(name, str(key).lower(), _listed(values), quantifier, if_exists)
            for key, values in keys.items()
        ]
    return tuple(made)
