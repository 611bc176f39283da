"""S3's older presigned URLs (signature version 2), which `generate_presigned_url` of boto3 still makes in us-east-1.

Pure, as `signature` is. AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote

from labhelpers.cloud.denials import Denial, Denied
from labhelpers.cloud.signature import Headers

# Query parameters that name a part of a resource are signed with its path.
_SUBRESOURCES = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
        "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
        "response-cache-control", "response-content-disposition", "response-content-encoding",
        "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
        "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip


def is_presigned(query: str) -> bool:
    """Whether the query string has the marks of a version 2 signature."""
    return "AWSAccessKeyId=" in query and "Signature=" in query


def access_key_id(query: str) -> str:
    """Whose key the URL says it was signed with."""
    return _field(query, "AWSAccessKeyId")


def token(query: str) -> str:
    """The session token in the URL, "" if none."""
    return _field(query, "x-amz-security-token")


def _field(query: str, name: str) -> str:
    return parse_qs(query, keep_blank_values=True).get(name, [""])[0]


def verify(secret: str, method: str, path: str, query: str, headers: Headers, now: float) -> None:
    """Denied if the URL has expired or its signature is another one. `path` is raw and starts with the bucket."""
    expires = _field(query, "Expires")
    if not expires.isdecimal():
        raise Denied(
            Denial.UNSIGNED, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId"
        )
    if now > int(expires):
        moment, server = (
            datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for t in (int(expires), now)
        )
        raise Denied(Denial.URL_EXPIRED, fields={"Expires": moment, "ServerTime": server})
    text = string_to_sign(method, path, query, headers, expires)
    expected = base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1"))
    if not hmac.compare_digest(expected, _field(query, "Signature").encode()):
        fields = {
            "AWSAccessKeyId": access_key_id(query),
            "StringToSign": text,
            "SignatureProvided": _field(query, "Signature"),
        }
        raise Denied(Denial.MISMATCH, fields=fields)


def string_to_sign(method: str, path: str, query: str, headers: Headers, expires: str) -> str:
    """What version 2 signs; headers that the URL itself carries count as headers."""
    in_url = {name.lower(): values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
    amz = {name: value for name, value in in_url.items() if name.startswith("x-amz-")}
    amz |= {
        name.lower(): ",".join(value.strip() for value in headers.getall(name))
        for name in headers
        if name.lower().startswith("x-amz-")
    }
    lines = [method]
    lines += [headers.get(name, in_url.get(name, "")).strip() for name in ("content-md5", "content-type")]
    lines += [
        expires,
        *(f"{name}:{value}" for name, value in sorted(amz.items())),
        path + _subresources(query),
    ]
    return "\n".join(lines)


def _subresources(query: str) -> str:
    found = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if name in _SUBRESOURCES:
            found.append(f"{name}{equals}{unquote(value)}")
    return f"?{'&'.join(sorted(found))}" if found else ""
