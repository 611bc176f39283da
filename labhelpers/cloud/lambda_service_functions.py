"""Operations on functions and their versions: create, read, update, publish, list, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers.cloud import lambda_service_requests as shapes
from labhelpers.cloud.lambda_service_answers import answer, configuration, page
from labhelpers.cloud.lambda_service_control import Call, ControlPlane
from labhelpers.cloud.lambda_service_settings import (
    changed_architecture,
    changed_settings,
    new_settings,
    refuse,
)
from labhelpers.cloud.lambda_service_tags import check_tags
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.errors import INVALID_PARAMETER, AwsError
from labhelpers.functions.execution_roles import check_target
from labhelpers.functions.names import NAME_LENGTH_MAX, FunctionReference
from labhelpers.functions.package import Package
from labhelpers.functions.policy import REVISION_GETTERS, check_revision
from labhelpers.functions.runtime_ids import check_runtime
from labhelpers.functions.settings import FunctionSettings
from labhelpers.functions.versions import Function, Status, VersionRecord
from labhelpers.model import LATEST


async def create_function(lab: ControlPlane, call: Call) -> AwsResponse:
    """CreateFunction."""
    members = call.read(shapes.CREATE_FUNCTION)
    refuse({**members["Code"], **members})
    name = _new_name(lab, members["FunctionName"])
    if not (members.get("Runtime") and members.get("Handler")):
        message = (
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
        raise AwsError(INVALID_PARAMETER, message)
    _check_runtime(lab, members["Runtime"], members["Handler"])
    lab.check_role(members["Role"])
    tags = members.get("Tags") or {}
    check_tags(tags)
    lab.registry.check_free(name)
    package = await lab.package(call, members["Code"])
    try:
        settings = new_settings(members, name, lab.registry.layers)
        _check_dead_letters(lab, settings)
        publish = bool(members.get("Publish"))
        record = lab.registry.create(name, settings, package, publish=publish, tags=tags)
    except BaseException:
        lab.packages.release(package)
        raise
    # AWS: this one answer shows the version of a published function beside its unqualified ARN.
    function = lab.registry.get(name)
    return answer(_shown(lab, function, record, function.arn, Status.CREATING), 201)


def _new_name(lab: ControlPlane, given: str) -> str:
    name = lab.registry.reference(given).name
    if len(name) > NAME_LENGTH_MAX:
        raise AwsError(
            INVALID_PARAMETER,
            f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {NAME_LENGTH_MAX}",
        )
    return name


def _check_dead_letters(lab: ControlPlane, settings: FunctionSettings) -> None:
    if settings.dead_letter_arn:
        check_target(lab.allows, settings.role, settings.dead_letter_arn)


def _check_runtime(lab: ControlPlane, runtime: str, handler: str) -> None:
    check_runtime(runtime)
    lab.runnable(runtime, handler)


def _shown(
    lab: ControlPlane, function: Function, record: VersionRecord, arn: str, status: Status = Status.READY
) -> dict[str, Any]:
    return configuration(function, record, arn=arn, status=status, runtime_arn=lab.name_runtime)


def _found(lab: ControlPlane, reference: FunctionReference) -> dict[str, Any]:
    record = lab.registry.target(reference)
    arn = lab.registry.arn(reference.name, reference.qualifier)
    return _shown(lab, lab.registry.get(reference.name), record, arn)


def get_function(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetFunction: configuration, an address of the code, tags and reserved concurrency."""
    reference = lab.reference(call.read(shapes.QUALIFIED_FUNCTION))
    found = _found(lab, reference)
    function = lab.registry.get(reference.name)
    location = lab.location(call, lab.registry.target(reference).package)
    body: dict[str, Any] = {"Configuration": found, "Code": {"RepositoryType": "S3", "Location": location}}
    if function.tags:
        body["Tags"] = function.tags
    if function.reserved_concurrency is not None:
        body["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
    return answer(body)


def get_function_configuration(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetFunctionConfiguration."""
    return answer(_found(lab, lab.reference(call.read(shapes.QUALIFIED_FUNCTION))))


def _changeable(lab: ControlPlane, members: Mapping[str, Any]) -> str:
    """The name of a function of which $LATEST is to be changed or published."""
    reference = lab.reference(members)
    if reference.qualifier not in ("", LATEST):
        raise AwsError(
            INVALID_PARAMETER,
            f"Current operation does not support versions other than {LATEST}. "
            f"Please set the version to {LATEST} or do not set a version in your request.",
        )
    return reference.name


async def update_function_code(lab: ControlPlane, call: Call) -> AwsResponse:
    """UpdateFunctionCode, with DryRun and Publish."""
    members = call.read(shapes.UPDATE_FUNCTION_CODE)
    refuse(members)
    name = _changeable(lab, members)
    check_revision(members.get("RevisionId"), lab.registry.get(name).latest.revision_id, REVISION_GETTERS)
    package = await lab.package(call, members)
    if members.get("DryRun"):
        return _dry_run(lab, name, package)
    try:
        latest = lab.registry.get(name).latest
        record = lab.registry.update(
            name,
            package=package,
            settings=changed_architecture(latest.settings, members.get("Architectures")),
            publish=bool(members.get("Publish")),
            revision_id=members.get("RevisionId"),
        )
    except BaseException:
        lab.packages.release(package)
        raise
    function = lab.registry.get(name)
    published = record.version != LATEST
    arn = lab.registry.arn(name, record.version if published else "")
    return answer(_shown(lab, function, record, arn, Status.CREATING if published else Status.UPDATING))


def _dry_run(lab: ControlPlane, name: str, package: Package) -> AwsResponse:
    try:
        function = lab.registry.get(name)
        body = _shown(lab, function, function.latest, function.arn)
        return answer({**body, "CodeSha256": package.sha256, "CodeSize": package.code_size})
    finally:
        lab.packages.release(package)


def update_function_configuration(lab: ControlPlane, call: Call) -> AwsResponse:
    """UpdateFunctionConfiguration."""
    members = call.read(shapes.UPDATE_FUNCTION_CONFIGURATION)
    refuse(members)
    name = _changeable(lab, members)
    if members.get("Runtime"):
        _check_runtime(lab, members["Runtime"], members.get("Handler") or "")
    if members.get("Role"):
        lab.check_role(members["Role"])
    function = lab.registry.get(name)
    check_revision(members.get("RevisionId"), function.latest.revision_id, REVISION_GETTERS)
    settings = changed_settings(members, function.latest.settings, lab.registry.layers)
    _check_dead_letters(lab, settings)
    record = lab.registry.update(name, settings=settings)
    return answer(_shown(lab, function, record, function.arn, Status.UPDATING))


def delete_function(lab: ControlPlane, call: Call) -> AwsResponse:
    """DeleteFunction: all of it, or one version."""
    reference = lab.reference(call.read(shapes.QUALIFIED_FUNCTION))
    if reference.qualifier:
        lab.registry.delete_version(reference.name, reference.qualifier)
    else:
        lab.registry.delete(reference.name)
    return answer(status=204)


def list_functions(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListFunctions; with FunctionVersion=ALL every version of each."""
    members = call.read(shapes.LIST_FUNCTIONS)
    every = members.get("FunctionVersion") == "ALL"
    entries = [
        (function, record)
        for function in lab.registry.functions()
        for record in (function.all_versions() if every else [function.latest])
    ]

    def show(entry: tuple[Function, VersionRecord]) -> dict[str, Any]:
        function, record = entry
        return configuration(function, record, arn=_listed_arn(entry) if every else function.arn)

    shown, more = page(entries, _listed_arn, show, members.get("Marker"), members.get("MaxItems"))
    return answer({"Functions": shown, **more})


def _listed_arn(entry: tuple[Function, VersionRecord]) -> str:
    return f"{entry[0].arn}:{entry[1].version}"


def publish_version(lab: ControlPlane, call: Call) -> AwsResponse:
    """PublishVersion."""
    members = call.read(shapes.PUBLISH_VERSION)
    refuse(members)
    name = _changeable(lab, members)
    record = lab.registry.publish(
        name,
        description=members.get("Description"),
        sha256=members.get("CodeSha256"),
        revision_id=members.get("RevisionId"),
    )
    return answer(_shown(lab, lab.registry.get(name), record, lab.registry.arn(name, record.version)), 201)


def list_versions_by_function(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListVersionsByFunction."""
    members = call.read(shapes.LIST_OF_FUNCTION)
    function = lab.registry.get(lab.reference(members).name)

    def show(record: VersionRecord) -> dict[str, Any]:
        return configuration(function, record, arn=_listed_arn((function, record)))

    shown, more = page(
        function.all_versions(),
        lambda record: record.version,
        show,
        members.get("Marker"),
        members.get("MaxItems"),
    )
    return answer({"Versions": shown, **more})


def get_function_code_signing_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetFunctionCodeSigningConfig: a function of this lab never has one, which AWS says with an empty answer."""
    lab.registry.get(lab.reference(call.read(shapes.NAMESPACED_FUNCTION)).name)
    return answer({})
