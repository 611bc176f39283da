"""What S3 refuses before it does anything, and moto does not: names, sizes and XML of a wrong form. Pure.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
     https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
     https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from labhelpers.cloud.s3_operations import BUCKET_PARTS, OBJECT_PARTS, S3Call
from labhelpers.errors import AwsError

KEY_BYTES_MAX = 1024
METADATA_BYTES_MAX = 2048
_METADATA = "x-amz-meta-"
_BUCKET = re.compile(
    r"(?!\d+\.\d+\.\d+\.\d+$)(?!xn--|sthree-)(?!.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)"
    r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)
_ACLS = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
        "log-delivery-write",
    }
)
_PUT_XML = frozenset(f"Put{part}" for part in [*BUCKET_PARTS.values(), *OBJECT_PARTS.values()])
# The policy is JSON; the notifications have a reader of their own.
_WITH_XML = (_PUT_XML | {"CreateBucket", "DeleteObjects", "CompleteMultipartUpload"}) - {
    "PutBucketPolicy",
    "PutBucketNotificationConfiguration",
}


def check(call: S3Call, headers: Mapping[str, str], body: bytes) -> None:
    """AwsError (400) as S3 words it for a request that can't be."""
    if call.operation == "CreateBucket" and not _BUCKET.fullmatch(call.bucket):
        fields: dict[str, str | int] = {"BucketName": call.bucket}
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.", fields=fields)
    size = len(call.key.encode(errors="replace"))
    if size > KEY_BYTES_MAX:
        fields = {"Size": size, "MaxSizeAllowed": KEY_BYTES_MAX}
        raise AwsError("KeyTooLongError", "Your key is too long", fields=fields)
    if (acl := headers.get("x-amz-acl")) and acl not in _ACLS:
        fields = {"ArgumentName": "x-amz-acl", "ArgumentValue": acl}
        raise AwsError("InvalidArgument", "Invalid canned ACL", fields=fields)
    if body and call.operation in _WITH_XML:
        _check_xml(body)
    _check_metadata(headers)


def _check_xml(body: bytes) -> None:
    try:
        ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise AwsError("MalformedXML", message) from error


def _check_metadata(headers: Mapping[str, str]) -> None:
    size = sum(
        len(name) - len(_METADATA) + len(value.encode(errors="replace"))
        for name, value in headers.items()
        if name.lower().startswith(_METADATA)
    )
    if size > METADATA_BYTES_MAX:
        fields: dict[str, str | int] = {"Size": size, "MaxSizeAllowed": METADATA_BYTES_MAX}
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise AwsError("MetadataTooLarge", message, fields=fields)
