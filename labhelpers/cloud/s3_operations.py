"""Which S3 operation a request is: S3 says it by method, path and query alone. Pure.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

# A query parameter of this name makes a request be about that part of a bucket or object.
BUCKET_PARTS: Mapping[str, str] = {
    "abac": "BucketAbac",
    "accelerate": "BucketAccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "BucketAnalyticsConfiguration",
    "cors": "BucketCors",
    "encryption": "BucketEncryption",
    "intelligent-tiering": "BucketIntelligentTieringConfiguration",
    "inventory": "BucketInventoryConfiguration",
    "lifecycle": "BucketLifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metadataConfiguration": "BucketMetadataConfiguration",
    "metadataTable": "BucketMetadataTableConfiguration",
    "metrics": "BucketMetricsConfiguration",
    "notification": "BucketNotificationConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "BucketReplication",
    "requestPayment": "BucketRequestPayment",
    "session": "Session",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
OBJECT_PARTS: Mapping[str, str] = {
    "acl": "ObjectAcl",
    "annotation": "ObjectAnnotation",
    "attributes": "ObjectAttributes",
    "encryption": "ObjectEncryption",
    "legal-hold": "ObjectLegalHold",
    "renameObject": "ObjectName",
    "retention": "ObjectRetention",
    "tagging": "ObjectTagging",
    "torrent": "ObjectTorrent",
}
_VERBS: Mapping[str, str] = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post"}
_PLAIN: Mapping[tuple[str, str], str] = {
    ("", "GET"): "ListBuckets",
    ("bucket", "PUT"): "CreateBucket",
    ("bucket", "HEAD"): "HeadBucket",
    ("bucket", "DELETE"): "DeleteBucket",
    ("bucket", "GET"): "ListObjects",
    ("bucket", "POST"): "PostObject",
    ("object", "GET"): "GetObject",
    ("object", "HEAD"): "HeadObject",
    ("object", "PUT"): "PutObject",
    ("object", "DELETE"): "DeleteObject",
}


@dataclass(frozen=True, slots=True)
class S3Call:
    """An S3 request understood: `operation` is AWS's name of it, `key` the plain key ("" for a call about a bucket)."""

    operation: str
    bucket: str
    key: str
    version_id: str
    upload_id: str = ""


def read_call(method: str, path: str, query: str, headers: Mapping[str, str]) -> S3Call:
    """The S3 call of a path-style request. `path` and `query` are raw."""
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    fields = (
        {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()} if query else {}
    )
    level = ("object" if key else "bucket") if bucket else ""
    operation = _special(level, method, fields) or _about_part(level, method, fields)
    operation = operation or _PLAIN.get((level, method), f"{method} {path}")
    if "x-amz-copy-source" in headers:
        operation = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(operation, operation)
    return S3Call(operation, bucket, key, fields.get("versionId", ""), fields.get("uploadId", ""))


# Operations that no rule makes: level, method and the parameters that must be there, the first that fits.
_SPECIAL: tuple[tuple[str, str, frozenset[str], str], ...] = (
    ("bucket", "GET", frozenset({"uploads"}), "ListMultipartUploads"),
    ("bucket", "GET", frozenset({"versions"}), "ListObjectVersions"),
    ("bucket", "GET", frozenset({"list-type"}), "ListObjectsV2"),
    ("bucket", "POST", frozenset({"delete"}), "DeleteObjects"),
    ("object", "POST", frozenset({"uploads"}), "CreateMultipartUpload"),
    ("object", "POST", frozenset({"uploadId"}), "CompleteMultipartUpload"),
    ("object", "POST", frozenset({"restore"}), "RestoreObject"),
    ("object", "POST", frozenset({"select"}), "SelectObjectContent"),
    ("object", "PUT", frozenset({"partNumber", "uploadId"}), "UploadPart"),
    ("object", "GET", frozenset({"uploadId"}), "ListParts"),
    ("object", "DELETE", frozenset({"uploadId"}), "AbortMultipartUpload"),
)


def _special(level: str, method: str, fields: Mapping[str, str]) -> str:
    names = fields.keys()
    return next((op for lv, m, wanted, op in _SPECIAL if (lv, m) == (level, method) and wanted <= names), "")


def _about_part(level: str, method: str, fields: Mapping[str, str]) -> str:
    parts = BUCKET_PARTS if level == "bucket" else OBJECT_PARTS
    return next((f"{_VERBS.get(method, method)}{parts[name]}" for name in fields if name in parts), "")
