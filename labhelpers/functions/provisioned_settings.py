"""What functions are set to have of provisioned concurrency: kept with the function, by qualifier. No I/O.

AWS refuses in the words used here, where they are recorded.
docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labhelpers.errors import INVALID_PARAMETER, RESOURCE_CONFLICT, AwsError
from labhelpers.functions.names import FunctionReference, alias_not_found, function_not_found, is_alias
from labhelpers.model import LATEST

if TYPE_CHECKING:
    from labhelpers.functions.registry import FunctionRegistry
    from labhelpers.functions.versions import Function

CONFIG_NOT_FOUND = "ProvisionedConcurrencyConfigNotFoundException"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What a version or an alias is set to have; `modified` is epoch seconds."""

    requested: int
    modified: float


def put(registry: FunctionRegistry, reference: FunctionReference, requested: int) -> Provisioned:
    """Set how many environments a version or alias has. AwsError 400, 404, 409 as AWS."""
    if reference.qualifier == LATEST:
        message = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        raise AwsError(INVALID_PARAMETER, message)
    function = _target(registry, reference)
    _check_alias(function, reference.qualifier)
    _check_room(registry, function, reference.qualifier, requested)
    kept = function.provisioned[reference.qualifier] = Provisioned(requested, registry.now())
    registry.provisioned_changed(function)
    return kept


def get(registry: FunctionRegistry, reference: FunctionReference) -> Provisioned:
    """The setting of a version or alias. AwsError 400 for $LATEST, 404 for what is not there or has none."""
    function = _target(registry, _published(reference))
    if (kept := function.provisioned.get(reference.qualifier)) is None:
        raise AwsError(CONFIG_NOT_FOUND, "No Provisioned Concurrency Config found for this function", 404)
    return kept


def delete(registry: FunctionRegistry, reference: FunctionReference) -> None:
    """Take the setting back; one that is not there is no error, as on AWS. AwsError as `get` otherwise."""
    function = _target(registry, _published(reference))
    if function.provisioned.pop(reference.qualifier, None) is not None:
        registry.provisioned_changed(function)


def _published(reference: FunctionReference) -> FunctionReference:
    if reference.qualifier == LATEST:
        message = "The function resource provided must be an alias or a published version."
        raise AwsError(INVALID_PARAMETER, message)
    return reference


def _target(registry: FunctionRegistry, reference: FunctionReference) -> Function:
    """The function, if it has this version or alias."""
    arn = registry.arn(reference.name, reference.qualifier)
    function = registry.find(reference.name)
    if is_alias(reference.qualifier):
        if function is None or reference.qualifier not in function.aliases:
            raise alias_not_found(arn)
    elif function is None or function.record(reference.qualifier) is None:
        raise function_not_found(arn)
    return function


def _check_alias(function: Function, qualifier: str) -> None:
    """Either a version has the setting or the aliases that lead to it."""
    if (alias := function.aliases.get(qualifier)) is not None:
        if alias.weights:
            message = "Alias with weights can not be used with Provisioned Concurrency"
            raise AwsError(INVALID_PARAMETER, message)
        if alias.version == LATEST:
            message = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            raise AwsError(INVALID_PARAMETER, message)
        if alias.version in function.provisioned:
            message = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            raise AwsError(RESOURCE_CONFLICT, message, 409)
    elif any(
        other.version == qualifier and other.name in function.provisioned
        for other in function.aliases.values()
    ):
        raise AwsError(RESOURCE_CONFLICT, "Version is pointed by a Provisioned Concurrency alias", 409)


def _check_room(registry: FunctionRegistry, function: Function, qualifier: str, requested: int) -> None:
    """It is part of what the function has reserved, or else of what nobody has."""
    old = function.provisioned.get(qualifier)
    others = function.total_provisioned() - (old.requested if old else 0)
    if function.reserved_concurrency is not None:
        if function.reserved_concurrency < others + requested:
            message = (
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution "
                "for function"
            )
            raise AwsError(INVALID_PARAMETER, message)
        return
    if requested > registry.concurrency:
        message = (
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
            f"[{registry.concurrency}]."
        )
        raise AwsError(INVALID_PARAMETER, message, fields={"Type": None})
    left = registry.concurrency - registry.total_reserved() + (old.requested if old else 0)
    if left - requested < registry.unreserved_min:
        message = (
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
            f"its minimum value of [{registry.unreserved_min}]."
        )
        raise AwsError(INVALID_PARAMETER, message, fields={"Type": None})


def shares(function: Function, qualifier: str, requested: int) -> dict[str, int]:
    """What of a setting each version gets: for an alias whose weights were set later, by weight."""
    alias = function.aliases.get(qualifier)
    if alias is None:
        return {qualifier: requested}
    parts = {version: round(requested * weight) for version, weight in alias.weights.items()}
    return {**parts, alias.version: requested - sum(parts.values())}
