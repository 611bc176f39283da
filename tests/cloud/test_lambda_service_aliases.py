"""Aliases, permissions and settings of asynchronous calls through boto3, with AWS's words for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labhelpers.functions.package import remove_tree
from tests.deployment_packages import FUNCTION_ARN, make_zip
from tests.in_process_lambda import InProcessLambda, in_process_lambda, refusal

ARN = f"{FUNCTION_ARN}:echo"
INVALID, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
MISMATCH = "The derived qualifier from the function name does not match the specified qualifier."


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InProcessLambda]:
    """A Lambda with one function and its versions 1 and 2."""
    with in_process_lambda(tmp_path) as lab:
        lab.create(Publish=True)
        lab.client.update_function_code(
            FunctionName="echo", ZipFile=make_zip({"index.py": "2"}), Publish=True
        )
        yield lab
    remove_tree(tmp_path / "packages")


def alias(lab: InProcessLambda, name: str = "live", version: str = "1", **more: Any) -> dict[str, Any]:
    """An alias of the function under test."""
    made: dict[str, Any] = lab.client.create_alias(
        FunctionName="echo", Name=name, FunctionVersion=version, **more
    )
    return made


def permission(lab: InProcessLambda, **changes: Any) -> dict[str, Any]:
    """A permission for S3, with `changes`."""
    request = {
        "FunctionName": "echo",
        "StatementId": "s3",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    }
    made: dict[str, Any] = lab.client.add_permission(**{**request, **changes})
    return made


def test_alias_lives_and_changes(lab: InProcessLambda) -> None:
    """Created, read, weighted, unweighted, listed, deleted."""
    routing = {"AdditionalVersionWeights": {"2": 0.2}}
    made = alias(lab, Description="first", RoutingConfig=routing)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    expected = {
        "AliasArn": f"{ARN}:live",
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "first",
        "RoutingConfig": routing,
        "RevisionId": made["RevisionId"],
    }
    found = lab.client.get_alias(FunctionName="echo", Name="live")
    assert {name: value for name, value in found.items() if name != "ResponseMetadata"} == expected
    assert (
        lab.client.get_function(FunctionName="echo:live")["Configuration"].items()
        >= {
            "FunctionArn": f"{ARN}:live",
            "Version": "1",
        }.items()
    )
    stale = refusal(lab.client.update_alias, FunctionName="echo", Name="live", RevisionId="other")
    assert stale[:2] == (412, "PreconditionFailedException")
    changed = lab.client.update_alias(FunctionName="echo", Name="live", RoutingConfig={}, FunctionVersion="2")
    assert (changed["FunctionVersion"], changed["Description"], "RoutingConfig" in changed) == (
        "2",
        "first",
        False,
    )
    assert changed["RevisionId"] != made["RevisionId"]
    lab.client.delete_alias(FunctionName="echo", Name="live")
    lab.client.delete_alias(FunctionName="echo", Name="live")
    assert lab.client.list_aliases(FunctionName="echo")["Aliases"] == []


def test_aliases_are_listed_by_name_and_version(lab: InProcessLambda) -> None:
    """A version's list has those that send it a share."""
    alias(lab, "b")
    alias(lab, "a", "2")
    alias(lab, "c", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})

    def listed(**options: str) -> list[str]:
        return [found["Name"] for found in lab.client.list_aliases(FunctionName="echo", **options)["Aliases"]]

    assert (listed(), listed(FunctionVersion="2")) == (["a", "b", "c"], ["a", "c"])


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        ({"Name": "2024"}, 400, "ValidationException", "1 validation error detected: Value '2024' at 'name'"),
        ({"FunctionVersion": "9"}, 404, NOT_FOUND, f"Function not found: {ARN}:9"),
        ({"FunctionName": "nope"}, 404, NOT_FOUND, f"Function not found: {FUNCTION_ARN}:nope:1"),
        ({"weights": {"9": 0.1}}, 404, NOT_FOUND, f"Function not found: {ARN}:9"),
        (
            {"weights": {"2": 0.1, "3": 0.1}},
            400,
            INVALID,
            "Number of items in AdditionalVersionWeights cannot be",
        ),
        (
            {"weights": {"1": 0.1}},
            400,
            INVALID,
            "Invalid function version 1. Function version 1 is already included",
        ),
        (
            {"weights": {"2": 2}},
            400,
            "ValidationException",
            "1 validation error detected: Value '{2=2.0}' at 'routing",
        ),
        (
            {"FunctionVersion": "$LATEST", "weights": {"2": 0.1}},
            400,
            INVALID,
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ),
    ],
)
def test_alias_that_aws_refuses_is_refused(
    lab: InProcessLambda, change: dict[str, Any], status: int, code: str, message: str
) -> None:
    """Names, versions and weights."""
    request = {"FunctionName": "echo", "Name": "live", "FunctionVersion": "1", **change}
    if (weights := request.pop("weights", None)) is not None:
        request["RoutingConfig"] = {"AdditionalVersionWeights": weights}
    found = refusal(lab.client.create_alias, **request)
    assert found[:2] == (status, code)
    assert found[2].startswith(message)


def test_missing_and_double_aliases_are_told_apart(lab: InProcessLambda) -> None:
    """Three operations, three sentences."""
    alias(lab)
    assert refusal(alias, lab=lab) == (409, "ResourceConflictException", f"Alias already exists: {ARN}:live")
    other = {"FunctionName": "echo", "Name": "other"}
    assert refusal(lab.client.get_alias, **other) == (404, NOT_FOUND, f"Cannot find alias arn: {ARN}:other")
    assert refusal(lab.client.update_alias, **other) == (404, NOT_FOUND, f"Alias not found: {ARN}:other")


def test_permission_is_added_read_and_removed(lab: InProcessLambda) -> None:
    """The statement as text; the policy is gone with its last one."""
    bucket = "arn:aws:s3:::pictures"
    made = json.loads(permission(lab, SourceArn=bucket, SourceAccount="123456789012")["Statement"])
    assert made == {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "123456789012"},
            "ArnLike": {"AWS:SourceArn": bucket},
        },
    }
    found = lab.client.get_policy(FunctionName="echo")
    assert json.loads(found["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [made]}
    assert lab.registry.allows(
        "echo", principal="s3.amazonaws.com", source_arn=bucket, source_account="123456789012"
    )
    lab.client.remove_permission(FunctionName="echo", StatementId="s3", RevisionId=found["RevisionId"])
    assert refusal(lab.client.get_policy, FunctionName="echo") == (
        404,
        NOT_FOUND,
        "The resource you requested does not exist.",
    )


def test_policies_of_function_version_and_alias_are_separate(lab: InProcessLambda) -> None:
    """Each names its own resource."""
    alias(lab)
    for qualifier in ("", ":1", ":live"):
        made = json.loads(permission(lab, FunctionName=f"echo{qualifier}")["Statement"])
        assert made["Resource"] == ARN + qualifier
        policy = json.loads(lab.client.get_policy(FunctionName=f"echo{qualifier}")["Policy"])
        assert policy["Statement"] == [made]


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        (
            {"StatementId": "a.b"},
            400,
            "ValidationException",
            "1 validation error detected: Value 'a.b' at 'statementId'",
        ),
        ({"FunctionName": "echo:1", "Qualifier": "2"}, 400, INVALID, MISMATCH),
        ({"Qualifier": "$LATEST"}, 400, INVALID, "We currently do not support adding policies for $LATEST."),
        (
            {"Principal": "invalid.nonaws.com"},
            400,
            INVALID,
            "The provided principal was invalid. Please check the",
        ),
        (
            {"FunctionUrlAuthType": "NONE"},
            400,
            INVALID,
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
        ),
        ({"FunctionName": "nope"}, 404, NOT_FOUND, f"Function not found: {FUNCTION_ARN}:nope"),
        ({"Qualifier": "gone"}, 404, NOT_FOUND, f"Cannot find alias arn: {ARN}:gone"),
        ({"Qualifier": "42"}, 404, NOT_FOUND, f"Function not found: {ARN}:42"),
        ({"Qualifier": "with-$-in"}, 404, NOT_FOUND, f"Function not found: {ARN}:with-$-in"),
        (
            {},
            409,
            "ResourceConflictException",
            "The statement id (s3) provided already exists. Please provide a new",
        ),
        (
            {"StatementId": "b", "RevisionId": "old"},
            412,
            "PreconditionFailedException",
            "The Revision Id provided",
        ),
    ],
)
def test_permission_that_aws_refuses_is_refused(
    lab: InProcessLambda, change: dict[str, Any], status: int, code: str, message: str
) -> None:
    """The policy stays as it was."""
    permission(lab)
    before = lab.client.get_policy(FunctionName="echo")["Policy"]
    found = refusal(permission, lab=lab, **change)
    assert found[:2] == (status, code)
    assert found[2].startswith(message)
    assert lab.client.get_policy(FunctionName="echo")["Policy"] == before


def test_removal_says_what_is_missing(lab: InProcessLambda) -> None:
    """The function, the alias, the policy or the statement."""
    remove = lab.client.remove_permission
    assert (
        refusal(remove, FunctionName="nope", StatementId="x")[2]
        == f"No policy found for: {FUNCTION_ARN}:nope"
    )
    assert (
        refusal(remove, FunctionName="echo:gone", StatementId="x")[2] == f"Cannot find alias arn: {ARN}:gone"
    )
    assert (
        refusal(remove, FunctionName="echo", StatementId="x")[2]
        == "No policy is associated with the given resource."
    )
    permission(lab)
    assert (
        refusal(remove, FunctionName="echo", StatementId="x")[2]
        == "Statement x is not found in resource policy."
    )


def test_event_invoke_config_is_put_updated_listed_and_deleted(lab: InProcessLambda) -> None:
    """Put replaces all, update what it is given; both destinations are always shown."""
    alias(lab)
    put, update = lab.client.put_function_event_invoke_config, lab.client.update_function_event_invoke_config
    first = put(
        FunctionName="echo",
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": QUEUE}},
    )
    assert first["FunctionArn"] == f"{ARN}:$LATEST"
    assert first["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": QUEUE}}
    assert "MaximumRetryAttempts" not in first
    assert first["LastModified"].timestamp() == lab.time
    changed = update(FunctionName="echo", MaximumRetryAttempts=0)
    assert (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]) == (0, 60)
    assert changed["DestinationConfig"] == first["DestinationConfig"]
    config = lab.registry.event_invoke_config(ARN, "")
    assert (config.max_retries, config.max_age_s, config.on_failure) == (0, 60, QUEUE)
    replaced = put(FunctionName="echo", MaximumRetryAttempts=1)
    assert "MaximumEventAgeInSeconds" not in replaced
    assert replaced["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    put(FunctionName="echo:live", MaximumRetryAttempts=1)
    put(FunctionName="echo", Qualifier="1", MaximumRetryAttempts=1)
    listed = lab.client.list_function_event_invoke_configs(FunctionName="echo")["FunctionEventInvokeConfigs"]
    assert [entry["FunctionArn"] for entry in listed] == [
        f"{ARN}:{name}" for name in ("$LATEST", "1", "live")
    ]
    lab.client.delete_function_event_invoke_config(FunctionName="echo")
    gone = refusal(lab.client.get_function_event_invoke_config, FunctionName="echo")
    assert gone == (404, NOT_FOUND, f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig")


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ({"FunctionName": "nope", "MaximumRetryAttempts": 1}, 404, "The function doesn't exist."),
        ({"FunctionName": "echo:gone", "MaximumRetryAttempts": 1}, 404, "The function doesn't exist."),
        (
            {"FunctionName": "echo"},
            400,
            "You must specify at least one of error handling or destination setting.",
        ),
        ({"target": ARN}, 400, "You can't specify the function as a destination for itself."),
        ({"target": f"{ARN}:1"}, 400, "You can't specify the function as a destination for itself."),
        ({"target": f"{FUNCTION_ARN}:nope"}, 400, f"The destination ARN {FUNCTION_ARN}:nope is invalid."),
        (
            {"target": "arn:aws:iam:us-east-1:123456789012:thing"},
            400,
            (
                "The provided destination config DestinationConfig(onSuccess=OnSuccess("
                "destination=arn:aws:iam:us-east-1:123456789012:thing), onFailure=null) is invalid."
            ),
        ),
        (
            {"target": "arn:aws:s3:::b"},
            400,
            "The provided destination config DestinationConfig(onSuccess=OnSuccess(",
        ),
        (
            {"target": "no arn"},
            400,
            "1 validation error detected: Value 'no arn' at 'destinationConfig.onSuccess.",
        ),
        (
            {"FunctionName": "echo", "MaximumRetryAttempts": 3},
            400,
            "1 validation error detected: Value '3' at 'maximum",
        ),
        (
            {"FunctionName": "echo", "MaximumEventAgeInSeconds": 59},
            400,
            "1 validation error detected: Value '59' at",
        ),
    ],
)
def test_event_invoke_config_that_aws_refuses_is_refused(
    lab: InProcessLambda, request_: dict[str, Any], status: int, message: str
) -> None:
    """Functions, figures and targets."""
    if (target := request_.get("target")) is not None:
        request_ = {"FunctionName": "echo", "DestinationConfig": {"OnSuccess": {"Destination": target}}}
    found = refusal(lab.client.put_function_event_invoke_config, **request_)
    assert found[0] == status
    assert found[2].startswith(message)


def test_update_needs_a_config(lab: InProcessLambda) -> None:
    """The function exists, but nothing was put before."""
    found = refusal(
        lab.client.update_function_event_invoke_config, FunctionName="echo", MaximumRetryAttempts=1
    )
    assert found == (404, NOT_FOUND, f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig")
