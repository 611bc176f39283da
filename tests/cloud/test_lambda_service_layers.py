"""Layers through boto3: versions, who may use them, and the functions that have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labhelpers.functions.package import remove_tree
from tests.deployment_packages import make_zip
from tests.in_process_lambda import InProcessLambda, in_process_lambda, refusal

LAYER = "arn:aws:lambda:us-east-1:123456789012:layer"
NOT_FOUND = (404, "ResourceNotFoundException", "The resource you requested does not exist.")
CONTENT = {"python/lib.py": "VALUE = 1"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InProcessLambda]:
    """An empty Lambda."""
    with in_process_lambda(tmp_path) as lab:
        yield lab
    remove_tree(tmp_path / "packages")


def publish(lab: InProcessLambda, name: str = "tools", **more: Any) -> dict[str, Any]:
    """A version of a layer with one Python module."""
    request: dict[str, Any] = {"LayerName": name, "Content": {"ZipFile": make_zip(CONTENT)}, **more}
    made: dict[str, Any] = lab.client.publish_layer_version(**request)
    return made


def test_published_layer_is_shown_completely(lab: InProcessLambda) -> None:
    """What its owner said, and an address of its archive; what was not said is not shown."""
    made = publish(
        lab,
        Description="tools",
        LicenseInfo="MIT",
        CompatibleRuntimes=["python3.12"],
        CompatibleArchitectures=["x86_64"],
    )
    token = made["Content"].pop("Location").rpartition("/")[2]
    assert lab.service.code(token) is not None
    assert made["Content"].keys() == {"CodeSha256", "CodeSize"}
    assert {name: value for name, value in made.items() if name not in ("ResponseMetadata", "Content")} == {
        "LayerArn": f"{LAYER}:tools",
        "LayerVersionArn": f"{LAYER}:tools:1",
        "Version": 1,
        "Description": "tools",
        "CreatedDate": "2023-11-14T22:13:20.000+0000",
        "LicenseInfo": "MIT",
        "CompatibleRuntimes": ["python3.12"],
        "CompatibleArchitectures": ["x86_64"],
    }
    plain = publish(lab)
    assert plain["Version"] == 2
    assert not {"CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"} & plain.keys()
    by_arn = lab.client.get_layer_version_by_arn(Arn=f"{LAYER}:tools:1")
    assert by_arn["LicenseInfo"] == "MIT"
    assert lab.client.get_layer_version(LayerName=f"{LAYER}:tools", VersionNumber=1)["LicenseInfo"] == "MIT"


def test_function_finds_its_layers(lab: InProcessLambda) -> None:
    """In its order, unpacked; the configuration shows ARN and size; an empty list takes them away."""
    first, second = publish(lab), publish(lab, "more")
    arns = [second["LayerVersionArn"], first["LayerVersionArn"]]
    made = lab.create(Layers=arns)
    assert made["Layers"] == [
        {"Arn": arn, "CodeSize": layer["Content"]["CodeSize"]}
        for arn, layer in zip(arns, (second, first), strict=True)
    ]
    layers = lab.registry.resolve("echo").version.layers
    assert [layer.arn for layer in layers] == arns
    assert (layers[0].root / "python/lib.py").read_text() == "VALUE = 1"
    lab.client.update_function_configuration(FunctionName="echo", Layers=[])
    assert lab.registry.resolve("echo").version.layers == ()


def test_deleted_layer_stays_with_functions_that_have_it(lab: InProcessLambda) -> None:
    """It cannot be found or added any more; its files go with the last function version; numbers go on."""
    arn = publish(lab)["LayerVersionArn"]
    lab.create(Layers=[arn], Publish=True)
    lab.client.delete_layer_version(LayerName="tools", VersionNumber=1)
    lab.client.delete_layer_version(LayerName="tools", VersionNumber=1)
    assert refusal(lab.client.get_layer_version, LayerName="tools", VersionNumber=1) == NOT_FOUND
    assert refusal(lab.create, name="other", Layers=[arn])[2] == f"Layer version {arn} does not exist."
    root = lab.registry.resolve("echo").version.layers[0].root
    lab.client.update_function_configuration(FunctionName="echo", Layers=[])
    assert root.is_dir()
    lab.client.delete_function(FunctionName="echo")
    assert not root.exists()
    assert publish(lab)["Version"] == 2


def test_layers_are_listed_by_what_they_fit(lab: InProcessLambda) -> None:
    """Each with its newest fitting version; versions newest first."""
    publish(lab, CompatibleRuntimes=["python3.12"])
    publish(lab, CompatibleRuntimes=["python3.13"], CompatibleArchitectures=["arm64"])
    publish(lab, "another")

    def newest(**options: str) -> dict[str, int]:
        layers = lab.client.list_layers(**options)["Layers"]
        return {layer["LayerName"]: layer["LatestMatchingVersion"]["Version"] for layer in layers}

    assert newest() == {"another": 1, "tools": 2}
    assert newest(CompatibleRuntime="python3.12") == {"tools": 1}
    assert newest(CompatibleArchitecture="arm64") == {"tools": 2}
    versions = lab.client.list_layer_versions(LayerName="tools")["LayerVersions"]
    assert [version["Version"] for version in versions] == [2, 1]
    assert lab.client.list_layer_versions(LayerName="unknown")["LayerVersions"] == []


def test_layer_permissions_have_their_own_policy(lab: InProcessLambda) -> None:
    """Added, read, guarded by revision, removed."""
    publish(lab)
    layer = {"LayerName": "tools", "VersionNumber": 1}
    grant = {**layer, "StatementId": "all", "Action": "lambda:GetLayerVersion", "Principal": "*"}
    add, get = lab.client.add_layer_version_permission, lab.client.get_layer_version_policy
    assert refusal(get, **layer)[2] == "No policy is associated with the given resource."
    made = add(**grant, OrganizationId="o-1234567890")
    statement = json.loads(made["Statement"])
    assert statement == {
        "Sid": "all",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:GetLayerVersion",
        "Resource": f"{LAYER}:tools:1",
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}},
    }
    found = get(**layer)
    assert json.loads(found["Policy"])["Statement"] == [statement]
    assert found["RevisionId"] == made["RevisionId"]
    assert refusal(add, **grant)[:2] == (409, "ResourceConflictException")
    assert "GetLayerPolicy API" in refusal(add, **{**grant, "StatementId": "b"}, RevisionId="old")[2]
    assert refusal(add, **{**grant, "Action": "*"})[1] == "ValidationException"
    assert (
        refusal(get, LayerName="tools", VersionNumber=2)[2]
        == f"Layer version {LAYER}:tools:2 does not exist."
    )
    remove = lab.client.remove_layer_version_permission
    assert refusal(remove, **layer, StatementId="x")[2] == "Statement x is not found in resource policy."
    remove(**layer, StatementId="all")
    assert refusal(get, **layer)[2] == "No policy is associated with the given resource."


def test_layers_that_aws_refuses_are_refused(lab: InProcessLambda) -> None:
    """Numbers, values, archives, and combinations in a function."""
    arn = publish(lab)["LayerVersionArn"]
    publish(lab)
    get = lab.client.get_layer_version
    assert refusal(get, LayerName="tools", VersionNumber=0)[2] == "Layer Version Cannot be less than 1"
    assert refusal(get, LayerName="tools", VersionNumber=9) == NOT_FOUND
    assert refusal(lab.client.get_layer_version_by_arn, Arn=f"{LAYER}:tools")[1] == "ValidationException"
    far, foreign = LAYER.replace("us-east-1", "eu-west-1"), LAYER.replace("123456789012", "210987654321")
    assert refusal(lab.client.get_layer_version_by_arn, Arn=f"{far}:tools:1") == NOT_FOUND
    assert refusal(get, LayerName=f"{far}:tools", VersionNumber=1) == NOT_FOUND
    status, code, message = refusal(lab.client.get_layer_version_by_arn, Arn=f"{foreign}:tools:1")
    assert (status, code) == (403, "AccessDeniedException")
    assert message.endswith(
        f"is not authorized to perform: lambda:GetLayerVersion on resource: {foreign}:tools:1 because no "
        "resource-based policy allows the lambda:GetLayerVersion action"
    )
    values = {"CompatibleRuntimes": ["cobol"], "CompatibleArchitectures": ["z80"]}
    message = refusal(publish, lab=lab, **values)[2]
    assert message.startswith(
        "2 validation errors detected: Value '[cobol]' at 'compatibleRuntimes' failed to satisfy constraint: "
        "Member must satisfy enum value set: [nodejs20.x, python3.14, "
    )
    assert refusal(publish, lab=lab, Content={"ZipFile": b"no zip"})[2].startswith(
        "Could not unzip uploaded file."
    )
    double = [arn, f"{LAYER}:tools:2"]
    assert refusal(lab.create, Layers=double)[2] == (
        "Two different versions of the same layer are not allowed to be referenced in the same function. "
        f"{double[0]} and {double[1]} are versions of the same layer."
    )
    elsewhere = arn.replace("us-east-1", "eu-west-1")
    assert refusal(lab.create, Layers=[elsewhere])[2] == (
        "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."
    )
    assert refusal(lab.create, Layers=[f"{LAYER}:tools"])[1] == "ValidationException"
    assert lab.client.list_functions()["Functions"] == []
