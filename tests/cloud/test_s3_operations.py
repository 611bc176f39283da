"""S3 requests and the operations that they are."""

from __future__ import annotations

import re

import botocore.session
import pytest

from labhelpers.cloud.s3_operations import read_call

# The same request: AWS has an older and a newer name for it, or tells two operations apart by more than the query.
_SAME = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "DeleteBucketLifecycle": "DeleteBucketLifecycleConfiguration",
    "CreateBucketMetadataConfiguration": "PostBucketMetadataConfiguration",
    "CreateBucketMetadataTableConfiguration": "PostBucketMetadataTableConfiguration",
    "CreateSession": "GetSession",
    "ListDirectoryBuckets": "ListBuckets",
    "ListObjectAnnotations": "GetObjectAnnotation",
    "RenameObject": "PutObjectName",
    "UpdateObjectEncryption": "PutObjectEncryption",
    **{
        f"ListBucket{part}Configurations": f"GetBucket{part}Configuration"
        for part in ("Analytics", "IntelligentTiering", "Inventory", "Metrics")
    },
}
# Members of the query, or headers, that boto3 adds to the address in its model.
_QUERY = {
    "UploadPart": "partNumber=1&uploadId=u",
    "UploadPartCopy": "partNumber=1&uploadId=u",
    "CompleteMultipartUpload": "uploadId=u",
    "AbortMultipartUpload": "uploadId=u",
    "ListParts": "uploadId=u",
}
_NOT_HERE = re.compile("WriteGetObjectResponse|UpdateBucketMetadata.*TableConfiguration")


def operations() -> list[tuple[str, str, str]]:
    """Name, method and address of every operation of S3 that botocore knows."""
    model = botocore.session.get_session().get_service_model("s3")
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        if not _NOT_HERE.fullmatch(name):
            found.append((name, http["method"], http["requestUri"]))
    return found


@pytest.mark.parametrize(
    ("name", "method", "address"), operations(), ids=[name for name, _, _ in operations()]
)
def test_operation_is_recognised(name: str, method: str, address: str) -> None:
    """Every operation that boto3 can send has its own name here."""
    path, _, query = address.replace("{Bucket}", "my-bucket").replace("{Key+}", "a/b%20c").partition("?")
    query = "&".join(part for part in (query, _QUERY.get(name, "")) if part)
    headers = {"x-amz-copy-source": "x/y"} if "Copy" in name else {}
    call = read_call(method, path, query, headers)
    assert call.operation == _SAME.get(name, name)
    assert call.key == ("a/b c" if "{Key+}" in address else "")


def test_form_upload_and_version_are_read() -> None:
    """A form has no key in its path; a version is in the query."""
    assert read_call("POST", "/my-bucket", "", {}).operation == "PostObject"
    assert read_call("GET", "/my-bucket/k", "versionId=v%2F1", {}).version_id == "v/1"
    assert read_call("GET", "/my-bucket/", "", {}).operation == "ListObjects"
