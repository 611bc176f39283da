"""What S3 calls ask IAM for: actions have names of their own, and some calls ask for several. Pure.

docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from labhelpers.cloud.permissions_asks import Ask
from labhelpers.cloud.protocol import AwsRequest
from labhelpers.cloud.s3_operations import S3Call
from labhelpers.iam.patterns import Context

# Operations whose action has another name. All others are asked for by their own.
_ACTIONS: Mapping[str, str] = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PostObject": "PutObject",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "SelectObjectContent": "GetObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
# Actions that have a name of their own for one version of an object.
_VERSIONED = {
    name: name.replace("Object", "ObjectVersion")
    for name in (
        "GetObject",
        "DeleteObject",
        "GetObjectAcl",
        "PutObjectAcl",
        "GetObjectTagging",
        "PutObjectTagging",
        "DeleteObjectTagging",
        "GetObjectAttributes",
        "GetObjectTorrent",
    )
}
# Condition keys of S3 that a request says in its query, and in its headers.
_IN_QUERY = ("prefix", "delimiter", "max-keys", "versionid")
_IN_HEADERS = (
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-content-sha256",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-write",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
)


def action_of(operation: str, version_id: str = "") -> str:
    """IAM's action for an operation on an object, or on one version of it."""
    name = _ACTIONS.get(operation, operation)
    return f"s3:{_VERSIONED.get(name, name) if version_id else name}"


def asks(call: S3Call, request: AwsRequest) -> list[Ask]:
    """What an S3 call asks for."""
    context = _context(request)
    bucket = f"arn:aws:s3:::{call.bucket}"
    if call.operation == "DeleteObjects":
        return [
            Ask(action_of("DeleteObject", version), f"{bucket}/{key}", context, item=key)
            for key, version in objects_to_delete(request.body)
        ]
    resource = f"{bucket}/{call.key}" if call.key else bucket
    if call.operation == "PostObject":
        resource = f"{bucket}/*"
    elif call.operation == "ListBuckets":
        resource = "arn:aws:s3:::*"
    found = [Ask(action_of(call.operation, call.version_id), resource, context)]
    if call.operation == "GetObjectAttributes":
        found.insert(0, Ask(action_of("GetObject", call.version_id), resource, context))
    if call.operation in ("CopyObject", "UploadPartCopy"):
        path, _, query = request.headers.get("x-amz-copy-source", "").partition("?")
        source = f"arn:aws:s3:::{unquote(path).lstrip('/')}"
        found.insert(0, Ask(action_of("GetObject", query), source, context))
    if "x-amz-tagging" in request.headers and call.operation in ("PutObject", "CopyObject"):
        found.append(Ask("s3:PutObjectTagging", resource, context))
    return found


def _context(request: AwsRequest) -> Context:
    found: dict[str, list[str]] = {}
    if request.query:
        query = {name.lower(): values for name, values in parse_qs(request.query, True).items()}
        found |= {f"s3:{name}": query[name][:1] for name in _IN_QUERY if name in query}
    headers = request.headers
    return found | {f"s3:{name}": [headers[name]] for name in _IN_HEADERS if name in headers}


def objects_to_delete(body: bytes) -> list[tuple[str, str]]:
    """Key and version ("" for the present one) of each object that DeleteObjects names."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return []
    found = []
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "Object":
            told = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
            found.append((told.get("Key", ""), told.get("VersionId", "")))
    return found


def without_objects(body: bytes, keys: frozenset[str]) -> bytes:
    """The body of DeleteObjects without some keys."""
    root = ElementTree.fromstring(body)
    for element in list(root):
        if element.tag.rpartition("}")[2] == "Object":
            told = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
            if told.get("Key") in keys:
                root.remove(element)
    for element in root.iter():  # Written with a namespace, every tag would get a prefix.
        element.tag = element.tag.rpartition("}")[2]
    return ElementTree.tostring(root)
