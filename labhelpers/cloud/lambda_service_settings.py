"""Reads a function's settings from a request to create or change it, and refuses by name what this lab cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from labhelpers.errors import NotEmulated
from labhelpers.functions.layers import LayerRegistry
from labhelpers.functions.settings import (
    FunctionSettings,
    Logging,
    Vpc,
    changed_logging,
    check_variables,
)

# Members that name what no function of this lab has. Empty ones ask for nothing.
REFUSED = {
    "ImageConfig": "functions made from container images",
    "FileSystemConfigs": "file systems of functions (EFS, S3 Files)",
    "CodeSigningConfigArn": "code signing",
    "CapacityProviderConfig": "Lambda Managed Instances (capacity providers)",
    "DurableConfig": "durable functions",
    "TenancyConfig": "tenant isolation",
    "RuntimeConfig": "custom runtimes of an account",
    "AcceleratorConfig": "accelerators",
    "PublishTo": "publishing to $LATEST.PUBLISHED",
    "ImageUri": "functions made from container images",
}


def refuse(members: Mapping[str, Any]) -> None:
    """NotEmulated, by name, for the first member that asks for something that this lab does not do."""
    for name, what in REFUSED.items():
        if members.get(name):
            raise NotEmulated(what)
    if members.get("PackageType") == "Image":
        raise NotEmulated(REFUSED["ImageUri"])
    if (members.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions":
        raise NotEmulated("SnapStart")


def new_settings(members: Mapping[str, Any], name: str, layers: LayerRegistry) -> FunctionSettings:
    """The settings of a new function, its request checked already; AwsError for layers and variables."""
    base = FunctionSettings(
        runtime=members["Runtime"],
        handler=members["Handler"],
        role=members["Role"],
        logging=Logging(f"/aws/lambda/{name}"),
        architecture=(members.get("Architectures") or ["x86_64"])[0],
    )
    return changed_settings(members, base, layers)


def changed_settings(
    members: Mapping[str, Any], old: FunctionSettings, layers: LayerRegistry
) -> FunctionSettings:
    """`old` with all that the request gives; AwsError for layers and variables as AWS."""
    changes: dict[str, Any] = {
        field: members[name] for name, field in _PLAIN.items() if members.get(name) is not None
    }
    if (environment := members.get("Environment")) is not None:
        changes["variables"] = environment.get("Variables") or {}
        check_variables(changes["variables"])
    if (tracing := members.get("TracingConfig")) is not None and tracing.get("Mode"):
        changes["tracing"] = tracing["Mode"]
    if (storage := members.get("EphemeralStorage")) is not None:
        changes["ephemeral_storage_mb"] = storage["Size"]
    if (target := members.get("DeadLetterConfig")) is not None:
        changes["dead_letter_arn"] = target.get("TargetArn") or ""
    if (vpc := members.get("VpcConfig")) is not None:
        changes["vpc"] = Vpc(
            tuple(vpc.get("SubnetIds") or ()),
            tuple(vpc.get("SecurityGroupIds") or ()),
            bool(vpc.get("Ipv6AllowedForDualStack")),
        )
    if (logging := members.get("LoggingConfig")) is not None:
        changes["logging"] = changed_logging(old.logging, logging)
    if (arns := members.get("Layers")) is not None:
        changes["layers"] = layers.attached(arns)
    return replace(old, **changes)


def changed_architecture(settings: FunctionSettings, architectures: list[str] | None) -> FunctionSettings:
    """`settings` for the architecture that UpdateFunctionCode gives, if it does."""
    return replace(settings, architecture=architectures[0]) if architectures else settings


_PLAIN = {
    "Runtime": "runtime",
    "Handler": "handler",
    "Role": "role",
    "Description": "description",
    "Timeout": "timeout_s",
    "MemorySize": "memory_mb",
    "KMSKeyArn": "kms_key_arn",
}
