"""Aliases: names for a version, or for two by weight; and how the aliases of a function are made and changed.

docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from labhelpers import limits
from labhelpers.errors import INVALID_PARAMETER, RESOURCE_CONFLICT, RESOURCE_NOT_FOUND, AwsError
from labhelpers.functions.names import alias_not_found, function_not_found
from labhelpers.functions.policy import REVISION_GETTERS, check_revision
from labhelpers.model import LATEST

if TYPE_CHECKING:
    from labhelpers.functions.registry import FunctionRegistry
    from labhelpers.functions.versions import Function

NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for `version`; `weights` gives other versions their share of calls, 0 to 1."""

    name: str
    arn: str
    version: str
    revision_id: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=lambda: NO_WEIGHTS)

    def choose(self, chance: float) -> str:
        """The version for one call; `chance` is at least 0 and below 1."""
        for version, weight in self.weights.items():
            if chance < weight:
                return version
            chance -= weight
        return self.version


def check_routing(version: str, weights: Mapping[str, float]) -> None:
    """Refuse weights that AWS refuses for an alias of `version`: InvalidParameterValueException (400)."""
    if len(weights) > limits.ALIAS_WEIGHTED_VERSIONS_MAX:
        message = "Number of items in AdditionalVersionWeights cannot be greater than 1"
        raise AwsError(INVALID_PARAMETER, message)
    if version in weights:
        raise AwsError(
            INVALID_PARAMETER,
            f"Invalid function version {version}. "
            f"Function version {version} is already included in routing configuration.",
        )
    if weights and version == LATEST:
        message = f"{LATEST} is not supported for an alias pointing to more than 1 version"
        raise AwsError(INVALID_PARAMETER, message, fields={"Type": None})


def create(
    registry: FunctionRegistry,
    name: str,
    alias: str,
    version: str,
    *,
    description: str = "",
    weights: Mapping[str, float] = NO_WEIGHTS,
) -> Alias:
    """A new alias; AwsError 400 for weights, 404 for functions and versions, 409 when there is one."""
    function = _checked(registry, name, version, weights)
    arn = registry.arn(name, alias)
    if alias in function.aliases:
        raise AwsError(RESOURCE_CONFLICT, f"Alias already exists: {arn}", 409)
    return _set(registry, function, Alias(alias, arn, version, registry.new_id(), description, weights))


def update(
    registry: FunctionRegistry,
    name: str,
    alias: str,
    *,
    version: str | None = None,
    description: str | None = None,
    weights: Mapping[str, float] | None = None,
    revision_id: str | None = None,
) -> Alias:
    """Change what is given; AwsError as `create`, and 404 for the alias, 412 for another revision."""
    function = registry.get(name)
    if (old := function.aliases.get(alias)) is None:
        raise AwsError(RESOURCE_NOT_FOUND, f"Alias not found: {registry.arn(name, alias)}", 404)
    check_revision(revision_id, old.revision_id, REVISION_GETTERS)
    new = replace(
        old,
        version=version or old.version,
        description=old.description if description is None else description,
        weights=old.weights if weights is None else weights,
        revision_id=registry.new_id(),
    )
    _checked(registry, name, new.version, new.weights)
    return _set(registry, function, new)


def get(registry: FunctionRegistry, name: str, alias: str) -> Alias:
    """An alias; AwsError 404."""
    function = registry.find(name)
    if function is None or alias not in function.aliases:
        raise alias_not_found(registry.arn(name, alias))
    return function.aliases[alias]


def delete(registry: FunctionRegistry, name: str, alias: str) -> None:
    """An alias with what belongs to it; one that does not exist is no error, as on AWS. AwsError 404: no function."""
    function = registry.get(name)
    if function.aliases.pop(alias, None) is not None:
        registry.forget_qualifier(function, alias)
        registry.forget_targets(function)


def _checked(registry: FunctionRegistry, name: str, version: str, weights: Mapping[str, float]) -> Function:
    check_routing(version, weights)
    function = registry.get(name, version)
    for number in (version, *weights):
        if function.record(number) is None:
            raise function_not_found(registry.arn(name, number))
    return function


def _set(registry: FunctionRegistry, function: Function, alias: Alias) -> Alias:
    function.aliases[alias.name] = alias
    registry.forget_targets(function)
    return alias
