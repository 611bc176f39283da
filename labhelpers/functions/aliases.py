"""Aliases: names for a version, or for two by weight. Pure.

docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from labhelpers import limits
from labhelpers.errors import INVALID_PARAMETER, AwsError
from labhelpers.model import LATEST

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
