"""The resource policy of a function, version or alias: AddPermission, RemovePermission, GetPolicy, and the verdict.

docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labhelpers.errors import INVALID_PARAMETER, RESOURCE_NOT_FOUND, AwsError
from labhelpers.functions.names import FunctionReference, alias_not_found, function_not_found, is_alias
from labhelpers.functions.policy import Call, Conditions, Policy, Statement, check_revision, read_principal
from labhelpers.model import LATEST

if TYPE_CHECKING:
    from labhelpers.functions.registry import FunctionRegistry


def add(
    registry: FunctionRegistry,
    reference: FunctionReference,
    *,
    sid: str,
    principal: str,
    action: str,
    conditions: Conditions,
    revision_id: str | None = None,
) -> Statement:
    """Let a principal in. AwsError as AWS: 400 (principal, $LATEST), 404, 409 (Sid), 412 (revision)."""
    _refuse_latest(reference)
    resource = registry.arn(reference.name, reference.qualifier)
    statement = Statement(sid, read_principal(principal), action, resource, conditions)
    function = registry.get(reference.name)
    _check_qualifier(registry, reference)
    old = function.policies.get(reference.qualifier)
    check_revision(revision_id, old.revision if old else "", "GetPolicy")
    function.policies[reference.qualifier] = (old or Policy("")).with_statement(statement, registry.new_id())
    return statement


def remove(
    registry: FunctionRegistry, reference: FunctionReference, sid: str, revision_id: str | None = None
) -> None:
    """Take a statement away. AwsError as AWS: 404 (function, alias, policy or Sid), 412 (revision)."""
    _refuse_latest(reference)
    arn = registry.arn(reference.name, reference.qualifier)
    function = registry.find(reference.name)
    if function is None:
        raise AwsError(RESOURCE_NOT_FOUND, f"No policy found for: {arn}", 404)
    _check_qualifier(registry, reference)
    policy = function.policies.get(reference.qualifier)
    if policy is None:
        raise AwsError(RESOURCE_NOT_FOUND, "No policy is associated with the given resource.", 404)
    changed = policy.without(sid, registry.new_id())
    check_revision(revision_id, policy.revision, "GetPolicy")
    if changed.statements:
        function.policies[reference.qualifier] = changed
    else:
        del function.policies[reference.qualifier]


def get(registry: FunctionRegistry, reference: FunctionReference) -> Policy:
    """The policy of what `reference` names; AwsError 404 when it has none or does not exist."""
    function = registry.find(reference.name)
    policy = function.policies.get(_key(reference)) if function else None
    if policy is None:
        raise AwsError(RESOURCE_NOT_FOUND, "The resource you requested does not exist.", 404)
    return policy


def allows(
    registry: FunctionRegistry,
    reference: FunctionReference,
    *,
    principal: str,
    source_arn: str = "",
    source_account: str = "",
) -> bool:
    """Whether a service may call what `reference` names; False too when that does not exist."""
    call = Call(principal, source_arn=source_arn, source_account=source_account)
    return allows_call(registry, reference, call)


def allows_call(registry: FunctionRegistry, reference: FunctionReference, call: Call) -> bool:
    """Whether the resource policy of what `reference` names lets this call in; False too when that does not exist."""
    function = registry.find(reference.name)
    policy = function.policies.get(_key(reference)) if function else None
    return policy is not None and policy.allows(call)


def _key(reference: FunctionReference) -> str:
    return "" if reference.qualifier == LATEST else reference.qualifier


def _refuse_latest(reference: FunctionReference) -> None:
    if reference.qualifier == LATEST:
        raise AwsError(INVALID_PARAMETER, f"We currently do not support adding policies for {LATEST}.")


def _check_qualifier(registry: FunctionRegistry, reference: FunctionReference) -> None:
    function = registry.get(reference.name)
    if reference.qualifier and function.target(reference.qualifier) is None:
        arn = registry.arn(reference.name, reference.qualifier)
        raise alias_not_found(arn) if is_alias(reference.qualifier) else function_not_found(arn)
