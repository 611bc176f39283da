"""Functions and versions through boto3: answers have AWS's members, refusals AWS's words."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labhelpers import limits
from labhelpers.functions.package import remove_tree
from tests.deployment_packages import FUNCTION_ARN, ROLE, make_zip
from tests.in_process_lambda import InProcessLambda, in_process_lambda, refusal

ARN = f"{FUNCTION_ARN}:echo"
INVALID = "InvalidParameterValueException"
READY = {"State": "Active", "LastUpdateStatus": "Successful"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InProcessLambda]:
    """An empty Lambda."""
    with in_process_lambda(tmp_path) as lab:
        yield lab
    remove_tree(tmp_path / "packages")


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    """What AWS sends, without what boto3 adds."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_create_answer_is_complete(lab: InProcessLambda) -> None:
    """Every member that AWS sends, pending, and nothing else."""
    answer = lab.create(Environment={"Variables": {"KEY": "b"}})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (
        answer["RuntimeVersionConfig"]
        .pop("RuntimeVersionArn")
        .startswith("arn:aws:lambda:us-east-1::runtime:")
    )
    assert without_metadata(answer) == {
        "FunctionName": "echo",
        "FunctionArn": ARN,
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "index.handler",
        "CodeSize": answer["CodeSize"],
        "CodeSha256": answer["CodeSha256"],
        "RevisionId": answer["RevisionId"],
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "LastModified": "2023-11-14T22:13:20.000+0000",
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/echo"},
        "RuntimeVersionConfig": {},
        "Environment": {"Variables": {"KEY": "b"}},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
    }


def test_function_is_active_at_the_next_look(lab: InProcessLambda) -> None:
    """boto3's waiters end at once; the revision is another, as on AWS."""
    created = lab.create()
    lab.client.get_waiter("function_active_v2").wait(FunctionName="echo")
    found = lab.client.get_function_configuration(FunctionName="echo")
    assert found.items() >= READY.items()
    assert "StateReason" not in found
    assert found["RevisionId"] != created["RevisionId"]


def test_get_function_shows_where_the_code_is(lab: InProcessLambda) -> None:
    """The address works, for ten minutes; tags and reserved concurrency come where there are any."""
    code = make_zip()
    lab.create(Code={"ZipFile": code}, Tags={"a": "b"})
    lab.client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=5)
    found = lab.client.get_function(FunctionName=f"{ARN}:$LATEST")
    assert found["Configuration"]["FunctionArn"] == f"{ARN}:$LATEST"
    assert found["Tags"] == {"a": "b"}
    assert found["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    address = found["Code"]["Location"]
    start = "http://127.0.0.1:1/_lab/lambda-code/"
    assert address.startswith(start)
    archive = lab.service.code(address.removeprefix(start))
    assert archive is not None
    assert archive.read_bytes() == code
    lab.time += 601
    assert lab.service.code(address.removeprefix(start)) is None
    assert lab.service.code("made up") is None


def test_all_settings_are_kept_and_shown(lab: InProcessLambda) -> None:
    """What a function is created with is what is read back."""
    given = {
        "Description": "all of it",
        "Timeout": 900,
        "MemorySize": 10_240,
        "EphemeralStorage": {"Size": 1024},
        "Architectures": ["arm64"],
        "TracingConfig": {"Mode": "Active"},
        "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:q"},
        "KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1",
        "LoggingConfig": {
            "LogFormat": "JSON",
            "ApplicationLogLevel": "DEBUG",
            "SystemLogLevel": "WARN",
            "LogGroup": "mine",
        },
        "Environment": {"Variables": {"KEY": "value"}},
    }
    lab.create(
        **given,
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        SnapStart={"ApplyOn": "None"},
    )
    found = lab.client.get_function_configuration(FunctionName="echo")
    assert found.items() >= given.items()
    assert found["VpcConfig"]["SubnetIds"] == ["subnet-1"]
    version = lab.registry.resolve("echo").version
    assert (version.timeout_s, version.memory_mb, version.ephemeral_storage_mb) == (900, 10_240, 1024)
    assert (dict(version.variables), version.log_group, version.log_format) == (
        {"KEY": "value"},
        "mine",
        "JSON",
    )


def test_update_changes_what_it_is_given(lab: InProcessLambda) -> None:
    """The rest stays; empty values take settings away."""
    lab.create(
        Description="old",
        Environment={"Variables": {"KEY": "1"}},
        DeadLetterConfig={"TargetArn": "arn:aws:sns:us-east-1:1:t"},
    )
    lab.time += 60
    changed = lab.client.update_function_configuration(
        FunctionName="echo", Timeout=9, DeadLetterConfig={"TargetArn": ""}
    )
    assert changed["LastUpdateStatus"] == "InProgress"
    assert changed["LastUpdateStatusReasonCode"] == "Creating"
    assert changed["LastModified"] == "2023-11-14T22:14:20.000+0000"
    found = lab.client.get_function_configuration(FunctionName="echo")
    assert found.items() >= READY.items()
    assert (found["Timeout"], found["Description"], found["Environment"]) == (
        9,
        "old",
        {"Variables": {"KEY": "1"}},
    )
    assert "DeadLetterConfig" not in found


def test_update_code_replaces_the_package(lab: InProcessLambda) -> None:
    """The old one goes; Publish makes a version in the same call."""
    first = lab.create()
    changed = lab.client.update_function_code(FunctionName="echo", ZipFile=make_zip({"index.py": "2"}))
    assert changed["LastUpdateStatus"] == "InProgress"
    assert changed["CodeSha256"] != first["CodeSha256"]
    published = lab.client.update_function_code(
        FunctionName="echo", ZipFile=make_zip({"index.py": "3"}), Publish=True, Architectures=["arm64"]
    )
    assert (published["Version"], published["FunctionArn"]) == ("1", f"{ARN}:1")
    assert published["State"] == "Pending"
    assert published["Architectures"] == ["arm64"]
    assert len(list(lab.packages._folder.iterdir())) == 1


def test_dry_run_of_new_code_changes_nothing(lab: InProcessLambda) -> None:
    """The code is checked and answered for, and gone again."""
    before = lab.create()
    code = make_zip({"index.py": "2"})
    answer = lab.client.update_function_code(FunctionName="echo", ZipFile=code, DryRun=True)
    assert answer["CodeSize"] == len(code)
    assert lab.client.get_function_configuration(FunctionName="echo")["CodeSha256"] == before["CodeSha256"]
    assert len(list(lab.packages._folder.iterdir())) == 1


def test_code_can_come_from_s3(lab: InProcessLambda) -> None:
    """And S3's refusal is repeated in Lambda's words."""
    lab.objects["bucket", "code.zip"] = make_zip()
    lab.create(Code={"S3Bucket": "bucket", "S3Key": "code.zip"})
    assert (lab.registry.resolve("echo").version.code_root / "index.py").is_file()
    assert refusal(lab.create, name="other", Code={"S3Bucket": "bucket", "S3Key": "nope.zip"}) == (
        400,
        INVALID,
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"MemorySize": 20_000},
            (
                "1 validation error detected: Value '20000' at 'memorySize' failed to satisfy constraint: "
                "Member must have value less than or equal to 10240"
            ),
        ),
        (
            {"Timeout": 901},
            (
                "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
                "Member must have value less than or equal to 900"
            ),
        ),
        (
            {"EphemeralStorage": {"Size": 10_241}},
            (
                "1 validation error detected: Value '10241' at 'ephemeralStorage.size' failed to satisfy constraint: "
                "Member must have value less than or equal to 10240"
            ),
        ),
        (
            {"Role": "r1"},
            (
                "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy "
                r"regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
            ),
        ),
        (
            {"Handler": "has space"},
            (
                "1 validation error detected: Value 'has space' at 'handler' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [^\s]+"
            ),
        ),
        (
            {"SnapStart": {"ApplyOn": "invalidOption"}},
            (
                "1 validation error detected: Value 'invalidOption' at 'snapStart.applyOn' failed to satisfy "
                "constraint: Member must satisfy enum value set: [PublishedVersions, None]"
            ),
        ),
    ],
)
def test_broken_constraints_are_validation_errors(
    lab: InProcessLambda, changes: dict[str, Any], expected: str
) -> None:
    """Worded as AWS words them, without a Type; nothing is created."""
    assert refusal(lab.create, **changes) == (400, "ValidationException", expected)
    assert json.loads(lab.raw[-1].body) == {"message": expected}
    assert lab.client.list_functions()["Functions"] == []


@pytest.mark.parametrize(
    ("changes", "status", "code", "message"),
    [
        ({"name": "a" * 65}, 400, INVALID, f"1 validation error detected: Value '{'a' * 65}' at 'functionName'"),
        ({"Runtime": None}, 400, INVALID, "Runtime and Handler are mandatory parameters for functions created with"),
        ({"Runtime": "python3.7"}, 400, INVALID, "The runtime parameter of python3.7 is no longer supported"),
        ({"Runtime": "cobol"}, 400, INVALID, "Value cobol at 'runtime' failed to satisfy constraint: Member must"),
        ({"Code": {}}, 400, INVALID, "Please provide a source for function code."),
        ({"Code": {"ZipFile": b"no zip"}}, 400, INVALID, "Could not unzip uploaded file. Please check your file"),
        ({"Code": {"ZipFile": b""}}, 400, INVALID, "Uploaded file must be a non-empty zip"),
        ({"Code": {"ZipFile": b"x", "S3Key": "k"}}, 400, INVALID, "Please do not provide other FunctionCode"),
        ({"Tags": {f"{n}": "x" for n in range(51)}}, 400, INVALID, "Number of tags exceeds resource tag limit."),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, 400, INVALID, "Lambda was unable to configure your env"),
        ({"Layers": [f"arn:aws:lambda:us-east-1:123456789012:layer:l{n}:1" for n in range(6)]}, 400, INVALID,
         "Cannot reference more than 5 layers."),
    ],
)  # fmt: skip
def test_settings_that_aws_refuses_are_refused(
    lab: InProcessLambda, changes: dict[str, Any], status: int, code: str, message: str
) -> None:
    """With AWS's code, status and words, and without leaving a package behind."""
    found = refusal(lab.create, **changes)
    assert found[:2] == (status, code)
    assert found[2].startswith(message)
    assert json.loads(lab.raw[-1].body) == {"Type": "User", "message": found[2]}
    assert list(lab.packages._folder.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"Code": {"ImageUri": "x"}, "PackageType": "Image"}, "functions made from container images"),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "SnapStart"),
        ({"FileSystemConfigs": [{"Arn": "x", "LocalMountPath": "/mnt/x"}]}, "file systems of functions"),
        ({"CodeSigningConfigArn": "x"}, "code signing"),
        ({"Runtime": "nodejs24.x"}, "the runtime nodejs24.x"),
        ({"DurableConfig": {"ExecutionTimeout": 1}}, "durable functions"),
        (
            {"Layers": ["arn:aws:lambda:us-east-1:017000801446:layer:Powertools:7"]},
            "belongs to another account",
        ),
    ],
)
def test_what_this_lab_does_not_do_is_refused_by_name(
    lab: InProcessLambda, changes: dict[str, Any], what: str
) -> None:
    """HTTP 501 with a code of our own: never a plausible answer."""
    status, code, message = refusal(lab.create, **changes)
    assert (status, code) == (501, "NotEmulatedByThisLab")
    assert what in message


def test_second_function_of_a_name_is_a_conflict(lab: InProcessLambda) -> None:
    """AWS's words, its grammar too."""
    lab.create()
    assert refusal(lab.create) == (409, "ResourceConflictException", "Function already exist: echo")


def test_package_limits_hold(lab: InProcessLambda, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zip, the whole request, and what it unpacks to with its layers."""
    monkeypatch.setattr(limits, "ZIPPED_BYTES_MAX", 100)
    too_large = "RequestEntityTooLargeException"
    assert refusal(lab.create) == (413, too_large, "Zipped size must be smaller than 100 bytes")
    monkeypatch.setattr(limits, "PACKAGE_REQUEST_BYTES_MAX", 200)
    expected = "Request must be smaller than 200 bytes for the CreateFunction operation"
    assert refusal(lab.create) == (413, too_large, expected)
    monkeypatch.undo()
    layer = lab.client.publish_layer_version(LayerName="big", Content={"ZipFile": make_zip({"x": "0" * 600})})
    monkeypatch.setattr(limits, "UNZIPPED_BYTES_MAX", 1000)
    code = {"ZipFile": make_zip({"index.py": "1" * 900})}
    assert refusal(lab.create, Code=code, Layers=[layer["LayerVersionArn"]]) == (
        400,
        INVALID,
        (
            "Function code combined with layers exceeds the maximum allowed size of 1000 bytes. "
            "The actual size is 1500 bytes."
        ),
    )


@pytest.mark.parametrize("operation", ["get_function", "get_function_configuration", "delete_function"])
def test_function_that_is_not_there(lab: InProcessLambda, operation: str) -> None:
    """404 in AWS's spelling of the member."""
    work = getattr(lab.client, operation)
    expected = f"Function not found: {FUNCTION_ARN}:nope"
    assert refusal(work, FunctionName="nope") == (404, "ResourceNotFoundException", expected)
    assert json.loads(lab.raw[-1].body) == {"Type": "User", "Message": expected}
    assert lab.raw[-1].headers["x-amzn-ErrorType"] == "ResourceNotFoundException"


def test_versions_are_listed_with_latest_first(lab: InProcessLambda) -> None:
    """Entries have no state; their ARNs are qualified."""
    created = lab.create(Publish=True)
    assert (created["Version"], created["FunctionArn"]) == ("1", ARN)
    lab.client.update_function_configuration(FunctionName="echo", Description="second")
    published = lab.client.publish_version(FunctionName="echo", Description="its own")
    assert (published["Version"], published["Description"], published["State"]) == ("2", "its own", "Active")
    versions = lab.client.list_versions_by_function(FunctionName="echo")["Versions"]
    assert [entry["FunctionArn"] for entry in versions] == [f"{ARN}:{number}" for number in ("$LATEST", 1, 2)]
    assert not any({"State", "LastUpdateStatus", "RuntimeVersionConfig"} & entry.keys() for entry in versions)


def test_publish_checks_what_it_is_told(lab: InProcessLambda) -> None:
    """Another hash than that of the code, another revision than the latest."""
    created = lab.create()
    assert refusal(lab.client.publish_version, FunctionName="echo", CodeSha256="other") == (
        400,
        INVALID,
        (
            f"CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({created['CodeSha256']}). "
            "Please try again with the CodeSHA256 in $LATEST."
        ),
    )
    stale = {"FunctionName": "echo", "RevisionId": created["RevisionId"]}
    assert refusal(lab.client.publish_version, **stale)[:2] == (412, "PreconditionFailedException")
    assert refusal(lab.client.update_function_code, ZipFile=make_zip(), **stale)[0] == 412
    assert refusal(lab.client.update_function_configuration, Timeout=5, **stale)[0] == 412


@pytest.mark.parametrize("name", ["echo:1", f"{ARN}:live", "gone:7"])
@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("publish_version", {}),
        ("update_function_code", {"ZipFile": make_zip()}),
        ("update_function_configuration", {"Timeout": 5}),
    ],
)
def test_only_latest_can_be_changed(
    lab: InProcessLambda, operation: str, change: dict[str, Any], name: str
) -> None:
    """A name with a version or an alias is refused, one with $LATEST is not."""
    created = lab.create(Publish=True)
    work = getattr(lab.client, operation)
    assert refusal(work, FunctionName=name, **change) == (
        400,
        INVALID,
        (
            "Current operation does not support versions other than $LATEST. "
            "Please set the version to $LATEST or do not set a version in your request."
        ),
    )
    assert lab.client.get_function_configuration(FunctionName="echo")["Timeout"] == created["Timeout"]
    assert work(FunctionName="echo:$LATEST", **change)["FunctionName"] == "echo"


def test_delete_takes_versions_and_aliases_along(lab: InProcessLambda) -> None:
    """And one version alone, unless it is $LATEST or named by an alias."""
    lab.create(Publish=True)
    delete = lab.client.delete_function
    assert refusal(delete, FunctionName="echo", Qualifier="$LATEST") == (
        400,
        INVALID,
        "$LATEST version cannot be deleted without deleting the function.",
    )
    assert refusal(delete, FunctionName="echo:live") == (
        400,
        INVALID,
        "Deletion of aliases is not currently supported.",
    )
    answer = delete(FunctionName="echo", Qualifier="1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert delete(FunctionName="echo")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert lab.client.list_functions()["Functions"] == []
    assert list(lab.packages._folder.iterdir()) == []


def test_functions_are_listed_page_by_page(lab: InProcessLambda) -> None:
    """At most fifty at once; a marker goes on where the last page ended, also when its last item is gone."""
    code = {"ZipFile": make_zip()}
    for number in range(60):
        lab.create(name=f"f{number:02d}", Code=code)
    first = lab.client.list_functions(MaxItems=1000)
    assert len(first["Functions"]) == 50
    pages = lab.client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 7})
    names = [entry["FunctionName"] for page in pages for entry in page["Functions"]]
    assert names == [f"f{number:02d}" for number in range(60)]
    assert refusal(lab.client.list_functions, Marker="!") == (400, INVALID, "Invalid marker.")


def test_all_versions_are_listed_on_request(lab: InProcessLambda) -> None:
    """FunctionVersion=ALL gives each version with its qualified ARN; else functions with their plain one."""
    lab.create(Publish=True)
    everything = lab.client.list_functions(FunctionVersion="ALL")["Functions"]
    assert [entry["FunctionArn"] for entry in everything] == [f"{ARN}:$LATEST", f"{ARN}:1"]
    assert [entry["FunctionArn"] for entry in lab.client.list_functions()["Functions"]] == [ARN]


def test_reserved_concurrency_is_set_read_and_taken_back(lab: InProcessLambda) -> None:
    """Nought is a number too; a version cannot have it."""
    lab.create()
    client = lab.client
    assert client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)[
        "ReservedConcurrentExecutions"
    ] == 0  # fmt: skip
    assert client.get_function_concurrency(FunctionName="echo")["ReservedConcurrentExecutions"] == 0
    client.delete_function_concurrency(FunctionName="echo")
    assert without_metadata(client.get_function_concurrency(FunctionName="echo")) == {}
    put = client.put_function_concurrency
    assert refusal(put, FunctionName="nope", ReservedConcurrentExecutions=1)[2] == (
        f"Function not found: {FUNCTION_ARN}:nope:$LATEST"
    )
    assert (
        "Aliases and versions do not support"
        in refusal(put, FunctionName="echo:1", ReservedConcurrentExecutions=1)[2]
    )
    assert refusal(put, FunctionName="echo", ReservedConcurrentExecutions=901)[2] == (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
        "below its minimum value of [100]."
    )
    assert refusal(put, FunctionName="echo", ReservedConcurrentExecutions=-1)[1] == "ValidationException"


def test_account_settings_count_what_is_used(lab: InProcessLambda) -> None:
    """Every version uses the bytes of its archive."""
    size = lab.create(Publish=True)["CodeSize"]
    lab.client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=30)
    settings = lab.client.get_account_settings()
    assert settings["AccountLimit"] == {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1000,
        "UnreservedConcurrentExecutions": 970,
    }
    assert settings["AccountUsage"] == {"TotalCodeSize": 2 * size, "FunctionCount": 1}


def test_tags_are_set_and_taken_away(lab: InProcessLambda) -> None:
    """On functions only, up to fifty, and never empty."""
    lab.create()
    client = lab.client
    client.tag_resource(Resource=ARN, Tags={"a": "1", "b": "2"})
    client.tag_resource(Resource=ARN, Tags={"b": "3"})
    client.untag_resource(Resource=ARN, TagKeys=["a", "unknown"])
    assert client.list_tags(Resource=ARN)["Tags"] == {"b": "3"}
    assert refusal(client.tag_resource, Resource=ARN, Tags={})[2] == (
        "An error occurred and the request cannot be processed."
    )
    many = {f"k{number}": "v" for number in range(50)}
    assert (
        refusal(client.tag_resource, Resource=ARN, Tags=many)[2]
        == "Number of tags exceeds resource tag limit."
    )
    assert refusal(client.list_tags, Resource=f"{ARN}:1")[2].startswith(
        "Tags on function aliases and versions"
    )
    assert (
        refusal(client.list_tags, Resource=f"{FUNCTION_ARN}:nope")[2]
        == f"Function not found: {FUNCTION_ARN}:nope"
    )
    assert refusal(client.list_tags, Resource="arn:aws:something")[1] == "ValidationException"
    assert refusal(client.untag_resource, Resource=ARN, TagKeys=[])[2] == (
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"
    )


def test_function_without_code_signing_says_so(lab: InProcessLambda) -> None:
    """Tools that read a function's state ask for it; the answer of AWS is an empty one."""
    lab.create()
    assert without_metadata(lab.client.get_function_code_signing_config(FunctionName="echo")) == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Could not parse request body into json: "),
        (b"[]", "Start of structure or map found where not expected."),
        (json.dumps({"FunctionName": 5}).encode(), "NUMBER_VALUE can not be converted to a String"),
        (
            json.dumps(
                {
                    "FunctionName": "f",
                    "Role": ROLE,
                    "Runtime": "python3.12",
                    "Handler": "h",
                    "Code": {"ZipFile": "*"},
                }
            ).encode(),
            "ZipFile is not valid Base64.",
        ),
    ],
)
def test_body_that_is_no_request_is_a_serialization_error(
    lab: InProcessLambda, body: bytes, message: str
) -> None:
    """What boto3 would never send, somebody else does."""
    response = lab.send("POST", "http://x/2015-03-31/functions", body)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "SerializationException")
    assert json.loads(response.body)["message"].startswith(message)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/2015-03-31/nothing", 404, "UnknownOperationException"),
        ("POST", "/2020-04-22/code-signing-configs/", 501, "NotEmulatedByThisLab"),
        ("PUT", "/2021-07-20/functions/f/runtime-management-config", 501, "NotEmulatedByThisLab"),
    ],
)
def test_other_paths_are_unknown_or_left_out(
    lab: InProcessLambda, method: str, path: str, status: int, code: str
) -> None:
    """An unknown path is AWS's error, a known one that is left out is ours."""
    response = lab.send(method, f"http://x{path}")
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (status, code)


def test_zip_file_is_what_was_sent(lab: InProcessLambda) -> None:
    """The hash in the answer is that of the archive's bytes."""
    import hashlib

    code = make_zip()
    expected = base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert lab.create(Code={"ZipFile": code})["CodeSha256"] == expected
