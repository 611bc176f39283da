"""What S3 refuses before it does anything."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from labhelpers.cloud.s3_constraints import check
from labhelpers.cloud.s3_operations import read_call
from labhelpers.errors import AwsError
from tests.conftest import Cloud


def refused(
    method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b""
) -> str:
    """The code of S3's refusal; "" if the request may go on."""
    try:
        check(read_call(method, path, query, headers or {}), headers or {}, body)
    except AwsError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "Upper", "under_score", "a..b", "192.168.5.4", "-a-b", "a-b-", "xn--abc", "abc-s3alias"],
)
def test_bucket_names_follow_rules(name: str) -> None:
    """3 to 63 lower case letters, digits, dots and hyphens."""
    assert refused("PUT", f"/{name}") == "InvalidBucketName"
    assert refused("GET", f"/{name}") == ""


@pytest.mark.parametrize("name", ["abc", "a" * 63, "my.bucket-1", "1.2.3", "0ab"])
def test_good_bucket_names_pass(name: str) -> None:
    """Also those that only look odd."""
    assert refused("PUT", f"/{name}") == ""


def test_sizes_have_limits() -> None:
    """A key has 1,024 bytes, metadata 2,048 together with their names."""
    assert refused("PUT", f"/b/{'x' * 1024}") == ""
    assert refused("PUT", f"/b/{'x' * 1023}%C3%BC") == "KeyTooLongError"
    assert refused("PUT", "/b/k", headers={"x-amz-meta-ab": "x" * 2046}) == ""
    assert refused("PUT", "/b/k", headers={"x-amz-meta-ab": "x" * 2047}) == "MetadataTooLarge"


def test_forms_are_checked() -> None:
    """XML that is none, and a canned ACL that nobody knows."""
    assert refused("POST", "/b", "delete", body=b"<Delete><Key>\x01</Key></Delete>") == "MalformedXML"
    assert refused("PUT", "/b", "versioning", body=b"no") == "MalformedXML"
    assert refused("PUT", "/b", "policy", body=b"{}") == ""
    assert refused("PUT", "/b/k", body=b"no") == ""
    assert refused("PUT", "/b/k", headers={"x-amz-acl": "nobody"}) == "InvalidArgument"


def test_upload_that_is_not_there_is_named(cloud: Cloud) -> None:
    """For parts as well; it is the caller's fault, and AWS's code says so."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="no-uploads")
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.upload_part(Bucket="no-uploads", Key="k", UploadId="none", PartNumber=1, Body=b"")
