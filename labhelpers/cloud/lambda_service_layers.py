"""Operations on layers, their versions and who may use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers.cloud import lambda_service_requests as shapes
from labhelpers.cloud.lambda_service_answers import answer, layer_version, page
from labhelpers.cloud.lambda_service_control import Call, ControlPlane
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.errors import RESOURCE_NOT_FOUND, AwsError
from labhelpers.functions.layers import LayerDraft, LayerVersion, layer_name, version_of
from labhelpers.functions.policy import Policy, Statement, check_revision, conditions, read_principal
from labhelpers.functions.versions import timestamp

_ARN_PARTS = ("arn", "partition", "service", "region", "account", "layer", "name")


async def publish_layer_version(lab: ControlPlane, call: Call) -> AwsResponse:
    """PublishLayerVersion."""
    members = call.read(shapes.PUBLISH_LAYER)
    draft = LayerDraft(
        layer_name(members["LayerName"]),
        members.get("Description") or "",
        members.get("LicenseInfo") or "",
        _given(members, "CompatibleRuntimes"),
        _given(members, "CompatibleArchitectures"),
    )
    package = await lab.package(call, members["Content"])
    version = lab.registry.layers.publish(draft, package, timestamp(lab.registry.now()))
    return answer(_with_content(lab, call, version), 201)


def _given(members: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    value = members.get(name)
    return None if value is None else tuple(value)


def _with_content(lab: ControlPlane, call: Call, version: LayerVersion) -> dict[str, Any]:
    content = {
        "Location": lab.location(call, version.package),
        "CodeSha256": version.package.sha256,
        "CodeSize": version.package.code_size,
    }
    return {"LayerArn": version.layer_arn, "Content": content, **layer_version(version)}


def get_layer_version(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetLayerVersion."""
    members = call.read(shapes.LAYER_VERSION)
    name, number = _named(members)
    _check_place(lab, call, members["LayerName"], number)
    return answer(_with_content(lab, call, lab.registry.layers.get(name, number)))


def _check_place(lab: ControlPlane, call: Call, layer: str, number: int) -> None:
    """AwsError for a layer, named by its ARN, that another account or region has; a plain name is one of ours."""
    parts = layer.split(":")
    if len(parts) < len(_ARN_PARTS) or lab.registry.layers.arn(parts[-1]) == layer:
        return
    own, credentials = lab.registry.account.id, call.request.credentials
    if parts[_ARN_PARTS.index("account")] == own:
        raise AwsError(RESOURCE_NOT_FOUND, "The resource you requested does not exist.", 404)
    caller = credentials.principal if credentials is not None else f"arn:aws:iam::{own}:root"
    raise AwsError(
        "AccessDeniedException",
        f"User: {caller} is not authorized to perform: lambda:GetLayerVersion on resource: "
        f"{layer}:{number} because no resource-based policy allows the lambda:GetLayerVersion action",
        403,
    )


def list_layers(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListLayers; GetLayerVersionByArn, which has the same path, too."""
    if "find=LayerVersion" in call.request.query.split("&"):
        arn = call.read(shapes.LAYER_BY_ARN)["Arn"]
        name, number = version_of(arn)
        _check_place(lab, call, arn.rpartition(":")[0], number)
        return answer(_with_content(lab, call, lab.registry.layers.get(name, number)))
    members = call.read(shapes.LIST_LAYERS)
    newest = [fitting[0] for name in lab.registry.layers.names() if (fitting := _fitting(lab, name, members))]

    def show(version: LayerVersion) -> dict[str, Any]:
        latest = layer_version(version)
        return {"LayerName": version.name, "LayerArn": version.layer_arn, "LatestMatchingVersion": latest}

    shown, more = page(
        newest, lambda version: version.name, show, members.get("Marker"), members.get("MaxItems")
    )
    return answer({"Layers": shown, **more})


def list_layer_versions(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListLayerVersions, newest first; empty for a layer that does not exist, as on AWS."""
    members = call.read(shapes.LIST_LAYER_VERSIONS)
    versions = _fitting(lab, layer_name(members["LayerName"]), members)
    shown, more = page(
        versions,
        lambda version: str(version.version),
        layer_version,
        members.get("Marker"),
        members.get("MaxItems"),
    )
    return answer({"LayerVersions": shown, **more})


def _fitting(lab: ControlPlane, name: str, members: Mapping[str, Any]) -> list[LayerVersion]:
    runtime, architecture = (
        members.get("CompatibleRuntime") or "",
        members.get("CompatibleArchitecture") or "",
    )
    return [version for version in lab.registry.layers.versions(name) if version.fits(runtime, architecture)]


def delete_layer_version(lab: ControlPlane, call: Call) -> AwsResponse:
    """DeleteLayerVersion."""
    lab.registry.layers.delete(*_named(call.read(shapes.LAYER_VERSION)))
    return answer(status=204)


def add_layer_version_permission(lab: ControlPlane, call: Call) -> AwsResponse:
    """AddLayerVersionPermission."""
    members = call.read(shapes.ADD_LAYER_PERMISSION)
    version = _existing(lab, members)
    layers = lab.registry.layers
    policy = layers.policy(version) or Policy("")
    check_revision(members.get("RevisionId"), policy.revision, "GetLayerPolicy")
    statement = Statement(
        members["StatementId"],
        read_principal(members["Principal"]),
        members["Action"],
        version.arn,
        conditions(organisation=members.get("OrganizationId") or ""),
    )
    policy = policy.with_statement(statement, lab.registry.new_id())
    layers.set_policy(version, policy)
    return answer({"Statement": statement.as_json(), "RevisionId": policy.revision}, 201)


def get_layer_version_policy(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetLayerVersionPolicy."""
    policy = _policy(lab, _existing(lab, call.read(shapes.LAYER_VERSION)))
    return answer({"Policy": policy.as_json(), "RevisionId": policy.revision})


def remove_layer_version_permission(lab: ControlPlane, call: Call) -> AwsResponse:
    """RemoveLayerVersionPermission."""
    members = call.read(shapes.REMOVE_LAYER_PERMISSION)
    version = _existing(lab, members)
    policy = _policy(lab, version)
    changed = policy.without(members["StatementId"], lab.registry.new_id())
    check_revision(members.get("RevisionId"), policy.revision, "GetLayerPolicy")
    lab.registry.layers.set_policy(version, changed)
    return answer(status=204)


def _named(members: Mapping[str, Any]) -> tuple[str, int]:
    return layer_name(members["LayerName"]), members["VersionNumber"]


def _existing(lab: ControlPlane, members: Mapping[str, Any]) -> LayerVersion:
    name, number = _named(members)
    if (version := lab.registry.layers.find(name, number)) is None:
        arn = f"{lab.registry.layers.arn(name)}:{number}"
        raise AwsError(RESOURCE_NOT_FOUND, f"Layer version {arn} does not exist.", 404)
    return version


def _policy(lab: ControlPlane, version: LayerVersion) -> Policy:
    policy = lab.registry.layers.policy(version)
    if policy is None or not policy.statements:
        raise AwsError(RESOURCE_NOT_FOUND, "No policy is associated with the given resource.", 404)
    return policy
