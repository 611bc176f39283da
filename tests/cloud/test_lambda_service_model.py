"""The API is that of AWS's service model: every operation has its path, every constraint its figures."""

from __future__ import annotations

import re
from typing import Any

import boto3
import botocore.session
import pytest

from labhelpers.cloud import lambda_service_requests as shapes
from labhelpers.cloud.lambda_service_routes import routes
from labhelpers.functions.constraints import Choice, ListOf, MapOf, Number, Structure, Text
from labhelpers.functions.runtime_ids import ACCEPTED, DEPRECATED

MODEL = botocore.session.get_session().get_service_model("lambda")
DIRECT = {"Invoke", "InvokeAsync"}  # Matched before any table.
# Paths that two operations share: the first answers for both, or both are left out.
SHARED = {
    "GetLayerVersionByArn": "ListLayers",
    "ListProvisionedConcurrencyConfigs": "GetProvisionedConcurrencyConfig",
}

# Members whose figures are not the model's, and why.
DIFFERENT = {
    "MemorySize": "the model's maximum is that of Managed Instances",
    "Timeout": "the model's maximum is that of Managed Instances",
    "EphemeralStorage.Size": "the model's maximum is that of Managed Instances",
    "Runtime": "an unknown runtime is refused in another form than by the model's enumeration",
    "CompatibleRuntimes": "as above",
    "CompatibleRuntime": "as above",
    "Tags": "Python's re has no classes of Unicode: what AWS prints is checked",
    "TagKeys": "as above",
    "MasterRegion": "there is one region",
    "PublishTo": "refused by name",
    "Code.S3ObjectStorageMode": "REFERENCE is refused by name",
    "RevisionId": "compared as it is",
}


def operation(name: str) -> Any:
    """An operation as botocore models it."""
    return MODEL.operation_model(name)


@pytest.mark.parametrize("name", [name for name in MODEL.operation_names if name not in DIRECT])
def test_every_operation_has_its_route(name: str) -> None:
    """It is answered under AWS's own name, or left out by name."""
    http = operation(name).http
    path = http["requestUri"].partition("?")[0]
    found = routes().match(http["method"], re.sub(r"\{\w+\+?\}", "x", path))
    assert found is not None, f"{http['method']} {path} leads nowhere"
    route, names = found
    assert route.left_out or route.name == SHARED.get(name, name)
    if route.run:
        assert set(names) == set(re.findall(r"\{(\w+)\}", path))


REQUESTS = {
    "CreateFunction": shapes.CREATE_FUNCTION,
    "UpdateFunctionCode": shapes.UPDATE_FUNCTION_CODE,
    "UpdateFunctionConfiguration": shapes.UPDATE_FUNCTION_CONFIGURATION,
    "GetFunction": shapes.QUALIFIED_FUNCTION,
    "GetFunctionConfiguration": shapes.QUALIFIED_FUNCTION,
    "DeleteFunction": shapes.QUALIFIED_FUNCTION,
    "GetPolicy": shapes.QUALIFIED_FUNCTION,
    "GetFunctionEventInvokeConfig": shapes.QUALIFIED_FUNCTION,
    "ListFunctions": shapes.LIST_FUNCTIONS,
    "PublishVersion": shapes.PUBLISH_VERSION,
    "ListVersionsByFunction": shapes.LIST_OF_FUNCTION,
    "CreateAlias": shapes.CREATE_ALIAS,
    "UpdateAlias": shapes.UPDATE_ALIAS,
    "GetAlias": shapes.ONE_ALIAS,
    "ListAliases": shapes.LIST_ALIASES,
    "AddPermission": shapes.ADD_PERMISSION,
    "RemovePermission": shapes.REMOVE_PERMISSION,
    "PutFunctionConcurrency": shapes.PUT_CONCURRENCY,
    "PutProvisionedConcurrencyConfig": shapes.PUT_PROVISIONED_CONCURRENCY,
    "GetProvisionedConcurrencyConfig": shapes.PROVISIONED_CONCURRENCY,
    "DeleteProvisionedConcurrencyConfig": shapes.PROVISIONED_CONCURRENCY,
    "ListProvisionedConcurrencyConfigs": shapes.LIST_PROVISIONED_CONCURRENCY,
    "PutFunctionEventInvokeConfig": shapes.EVENT_INVOKE_CONFIG,
    "UpdateFunctionEventInvokeConfig": shapes.EVENT_INVOKE_CONFIG,
    "ListFunctionEventInvokeConfigs": shapes.LIST_EVENT_INVOKE_CONFIGS,
    "PublishLayerVersion": shapes.PUBLISH_LAYER,
    "GetLayerVersion": shapes.LAYER_VERSION,
    "GetLayerVersionByArn": shapes.LAYER_BY_ARN,
    "ListLayers": shapes.LIST_LAYERS,
    "ListLayerVersions": shapes.LIST_LAYER_VERSIONS,
    "AddLayerVersionPermission": shapes.ADD_LAYER_PERMISSION,
    "RemoveLayerVersionPermission": shapes.REMOVE_LAYER_PERMISSION,
    "TagResource": shapes.TAG_RESOURCE,
    "UntagResource": shapes.UNTAG_RESOURCE,
    "ListTags": shapes.LIST_TAGS,
}


def differences(ours: Any, theirs: Any, at: str) -> list[str]:
    """What our constraint says otherwise than the model's shape, one line each."""
    if at in DIFFERENT:
        return []
    if isinstance(ours, Structure):
        members = theirs.members
        found = [f"{at}: {name} is no member" for name in ours.members if name not in members]
        for name in set(ours.members) & set(members):
            found += differences(ours.members[name], members[name], f"{at}.{name}".lstrip("."))
        return found
    if isinstance(ours, ListOf):
        return compared(ours, theirs, at) + differences(ours.member, theirs.member, f"{at}[]")
    if isinstance(ours, MapOf):
        return differences(ours.key, theirs.key, f"{at} keys") + differences(
            ours.value, theirs.value, f"{at} values"
        )
    if isinstance(ours, Choice):
        return [] if set(ours.values) == set(theirs.enum) else [f"{at}: {ours.values} is not {theirs.enum}"]
    return compared(ours, theirs, at)


def compared(ours: Any, theirs: Any, at: str) -> list[str]:
    """The same for the figures of one shape."""
    pattern = ours.pattern if isinstance(ours, Text) else ""
    mine = (ours.min, ours.max, pattern) if isinstance(ours, Text | Number | ListOf) else (None, None, "")
    metadata = theirs.metadata
    model = (metadata.get("min"), metadata.get("max"), metadata.get("pattern", ""))
    return [] if mine == model else [f"{at}: {mine} is not {model}"]


@pytest.mark.parametrize("name", REQUESTS)
def test_constraints_are_those_of_the_service_model(name: str) -> None:
    """Lengths, ranges, patterns and sets, but for the listed members."""
    assert differences(REQUESTS[name], operation(name).input_shape, "") == []


def test_known_runtimes_are_those_of_the_service_model() -> None:
    """None that the model does not know; the model knows some that AWS did not take yet when that was recorded."""
    enumeration = set(MODEL.shape_for("Runtime").enum)
    assert set(ACCEPTED + DEPRECATED) <= enumeration
    assert enumeration - set(ACCEPTED + DEPRECATED) == {
        "custom",
        "java8.al2023",
        "java11.al2023",
        "java17.al2023",
        "nodejs26.x",
        "python3.15",
        "ruby4.0",
    }


def test_left_out_features_are_refused_by_name() -> None:
    """No operation is left out in silence: each has words for what it would have been."""
    for name in MODEL.operation_names:
        http = operation(name).http
        found = routes().match(
            http["method"], re.sub(r"\{\w+\+?\}", "x", http["requestUri"].partition("?")[0])
        )
        assert name in DIRECT or (found and (found[0].run or found[0].left_out)), name
    assert boto3.client  # The model that is read here is the one that learners' clients use.
