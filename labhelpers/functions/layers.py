"""Layers: immutable, numbered archives that functions find in /opt. Kept by the registry of functions.

docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from labhelpers import limits
from labhelpers.errors import INVALID_PARAMETER, RESOURCE_NOT_FOUND, AwsError, NotEmulated
from labhelpers.functions.constraints import Text
from labhelpers.functions.names import REGION
from labhelpers.functions.package import Package, PackageStore
from labhelpers.functions.policy import Policy
from labhelpers.model import Account, Layer

_LAYER_ARN = rf"arn:(aws[a-zA-Z-]*)?:lambda:{REGION}:\d{{12}}:layer:"
LAYER_NAME = Text(1, 2048, rf"({_LAYER_ARN}[a-zA-Z0-9-_]{{1,140}}|[a-zA-Z0-9-_]{{1,140}})")
LAYER_VERSION_ARN = Text(
    1, 2048, rf"(({_LAYER_ARN}[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+))"
)
_ARN = re.compile(
    r"arn:[^:]*:lambda:(?P<region>[^:]*):(?P<account>\d*):layer:(?P<name>[^:]+)(:(?P<version>\d+))?"
)


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """One version of a layer. `runtimes` and `architectures` are None when its owner said nothing of them."""

    name: str
    version: int
    layer_arn: str
    package: Package
    created: str
    description: str = ""
    license_info: str = ""
    runtimes: tuple[str, ...] | None = None
    architectures: tuple[str, ...] | None = None

    @property
    def arn(self) -> str:
        return f"{self.layer_arn}:{self.version}"

    def as_layer(self) -> Layer:
        """What an execution environment needs of it."""
        return Layer(self.arn, self.package.root)

    def fits(self, runtime: str, architecture: str) -> bool:
        """Whether it is said to be compatible with both, where they are asked for."""
        return (not runtime or runtime in (self.runtimes or ())) and (
            not architecture or architecture in (self.architectures or ())
        )


@dataclass(slots=True)
class _Layer:
    last: int = 0
    versions: dict[int, LayerVersion] = field(default_factory=dict)
    policies: dict[int, Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerDraft:
    """What PublishLayerVersion gives beside the archive."""

    name: str
    description: str = ""
    license_info: str = ""
    runtimes: tuple[str, ...] | None = None
    architectures: tuple[str, ...] | None = None


class LayerRegistry:
    """All layers of the account. A deleted version stays with the functions that have it. Event loop only."""

    def __init__(self, account: Account, packages: PackageStore) -> None:
        self._account = account
        self._packages = packages
        self._layers: dict[str, _Layer] = {}

    def publish(self, draft: LayerDraft, package: Package, created: str) -> LayerVersion:
        """The next version of a layer. Takes over the reference to `package`; numbers are never used again."""
        layer = self._layers.setdefault(draft.name, _Layer())
        layer.last += 1
        version = LayerVersion(
            draft.name,
            layer.last,
            self.arn(draft.name),
            package,
            created,
            draft.description,
            draft.license_info,
            draft.runtimes,
            draft.architectures,
        )
        layer.versions[layer.last] = version
        return version

    def find(self, name: str, number: int) -> LayerVersion | None:
        """A version of a layer, if it exists. AwsError: InvalidParameterValueException for a number below 1."""
        if number < 1:
            raise AwsError(INVALID_PARAMETER, "Layer Version Cannot be less than 1")
        layer = self._layers.get(name)
        return layer.versions.get(number) if layer else None

    def get(self, name: str, number: int) -> LayerVersion:
        """A version of a layer; AwsError 404."""
        if (version := self.find(name, number)) is None:
            raise AwsError(RESOURCE_NOT_FOUND, "The resource you requested does not exist.", 404)
        return version

    def delete(self, name: str, number: int) -> None:
        """Take a version out of the account; deleting what does not exist is no error, as on AWS."""
        if (version := self.find(name, number)) is not None:
            layer = self._layers[name]
            del layer.versions[number]
            layer.policies.pop(number, None)
            self._packages.release(version.package)

    def versions(self, name: str) -> list[LayerVersion]:
        """All versions of a layer, newest first."""
        layer = self._layers.get(name)
        return sorted(layer.versions.values(), key=lambda version: -version.version) if layer else []

    def names(self) -> list[str]:
        """Layers that have a version, by name."""
        return sorted(name for name, layer in self._layers.items() if layer.versions)

    def policy(self, version: LayerVersion) -> Policy | None:
        """A version's resource policy, if it ever had a statement."""
        return self._layers[version.name].policies.get(version.version)

    def set_policy(self, version: LayerVersion, policy: Policy) -> None:
        self._layers[version.name].policies[version.version] = policy

    def attached(self, arns: Iterable[str]) -> tuple[LayerVersion, ...]:
        """The layer versions of a function's configuration, in its order.

        AwsError InvalidParameterValueException as AWS: another region, over five, one layer twice, or one that is not
        there. NotEmulated: a layer of another account, which only AWS has.
        """
        wanted = [_ARN.fullmatch(arn) for arn in arns]
        if any(parts is None or parts["version"] is None for parts in wanted):
            raise NotEmulated("layers that belong to AWS itself")
        found = [parts for parts in wanted if parts is not None]
        self._check_places(found)
        seen: dict[str, str] = {}
        for parts in found:
            if (other := seen.get(parts["name"])) is not None:
                raise AwsError(
                    INVALID_PARAMETER,
                    "Two different versions of the same layer are not allowed to be referenced in the same function. "
                    f"{other} and {parts[0]} are versions of the same layer.",
                )
            seen[parts["name"]] = parts[0]
        return tuple(self._attached(parts) for parts in found)

    def _check_places(self, found: list[re.Match[str]]) -> None:
        region = self._account.region
        if any(parts["region"] != region for parts in found):
            raise AwsError(
                INVALID_PARAMETER,
                "Layers are not in the same region as the function. "
                f"Layers are expected to be in region {region}.",
            )
        for parts in found:
            if parts["account"] != self._account.id:
                raise NotEmulated(f"the layer {parts[0]}, which belongs to another account")
        if len(found) > limits.LAYERS_MAX:
            raise AwsError(INVALID_PARAMETER, f"Cannot reference more than {limits.LAYERS_MAX} layers.")

    def _attached(self, parts: re.Match[str]) -> LayerVersion:
        version = self.find(parts["name"], int(parts["version"]))
        if version is None:
            raise AwsError(INVALID_PARAMETER, f"Layer version {parts[0]} does not exist.")
        return version

    def arn(self, name: str) -> str:
        """A layer's ARN, without a version."""
        return f"arn:aws:lambda:{self._account.region}:{self._account.id}:layer:{name}"

    def total_bytes(self) -> int:
        """Bytes of the archives of all versions."""
        layers = self._layers.values()
        return sum(version.package.code_size for layer in layers for version in layer.versions.values())


def layer_name(name_or_arn: str) -> str:
    """The name in a layer's name, ARN or version ARN."""
    parts = _ARN.fullmatch(name_or_arn)
    return parts["name"] if parts else name_or_arn


def version_of(arn: str) -> tuple[str, int]:
    """Name and number in the ARN of a layer version; NotEmulated for AWS's own layers."""
    parts = _ARN.fullmatch(arn)
    if parts is None or parts["version"] is None:
        raise NotEmulated(f"the layer {arn}")
    return parts["name"], int(parts["version"])
