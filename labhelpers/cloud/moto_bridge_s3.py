"""S3 in moto: what each request does to objects, told as events, and the notification configurations of buckets.

Runs on moto's thread only. moto's own events are switched off: it sends none for delete markers, three for one
multipart upload, and does not know who asked. Here each successful request becomes the events that AWS makes of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from importlib import import_module
from typing import Any
from xml.etree import ElementTree

from labhelpers.cloud.post_policy import read_form
from labhelpers.cloud.protocol import S3_HOST_ID, AwsRequest, AwsResponse
from labhelpers.cloud.s3_operations import S3Call
from labhelpers.errors import AwsError
from labhelpers.events.s3 import S3ObjectEvent, sequencer
from labhelpers.events.s3_notifications import NotificationConfiguration
from labhelpers.model import Account

# What a successful request has done to its object.
_EVENTS = {
    "PutObject": "ObjectCreated:Put",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
    "PutObjectAcl": "ObjectAcl:Put",
    "PutObjectTagging": "ObjectTagging:Put",
    "DeleteObjectTagging": "ObjectTagging:Delete",
    "RestoreObject": "ObjectRestore:Post",
}
_RESTORED = "s3:ObjectRestore:Completed"
_ATTRIBUTE = "lab_notifications"
EMPTY = NotificationConfiguration()


class S3State:
    """moto's S3 of one account."""

    def __init__(self, account: Account, now: Callable[[], float] = time.time) -> None:
        self._account = account
        self._now = now
        self._backends: Any = None
        self._restored: list[Any] = []
        self._last_sequence = 0

    def load(self) -> None:
        """Take over moto's sending of events. Call once moto may be imported."""
        models: Any = import_module("moto.s3.models")
        models.FakeKey.__del__ = models.FakeKey.dispose  # Of an upload that failed nobody else does.
        self._backends = models.s3_backends
        notifications: Any = import_module("moto.s3.notifications")
        notifications.send_event = self._moto_sends
        notifications.send_test_event = lambda *args, **kwargs: None

    def _moto_sends(self, account_id: str, event_name: str, bucket: Any, key: Any) -> None:
        # A restore completes when moto is next asked for the object: no request of its own says so.
        if str(getattr(event_name, "value", event_name)) == _RESTORED:
            self._restored.append(key)

    @property
    def _buckets(self) -> dict[str, Any]:
        buckets: dict[str, Any] = self._backends[self._account.id]["aws"].buckets
        return buckets

    def bucket(self, name: str) -> Any:
        """moto's bucket. AwsError NoSuchBucket."""
        try:
            return self._buckets[name]
        except KeyError:
            raise AwsError(
                "NoSuchBucket", "The specified bucket does not exist", 404, fields={"BucketName": name}
            ) from None

    # --- Notification configurations: kept on moto's bucket, so they go with it ---

    def notifications(self, bucket: str) -> NotificationConfiguration:
        """The configuration of a bucket; empty if it has none or does not exist. Safe on any thread."""
        found = self._buckets.get(bucket) if self._backends is not None else None
        configuration: NotificationConfiguration = getattr(found, _ATTRIBUTE, EMPTY)
        return configuration

    def set_notifications(self, bucket: str, configuration: NotificationConfiguration) -> None:
        """Replace the configuration of a bucket. AwsError NoSuchBucket."""
        setattr(self.bucket(bucket), _ATTRIBUTE, configuration)

    def check_preflight(self, bucket: str) -> None:
        """AwsError AccessForbidden for a browser's question about a bucket that has no CORS rules."""
        found = self._buckets.get(bucket)
        if found is None or not found.cors:
            raise AwsError("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.", 403)

    # --- Objects ---

    def object_bytes(self, bucket: str, key: str, version_id: str = "") -> bytes:
        """An object's content. AwsError NoSuchBucket, NoSuchKey, NoSuchVersion."""
        found = next(
            (k for k in self._versions(self.bucket(bucket), key) if version_id in ("", k.version_id)), None
        )
        if found is None or not hasattr(found, "value"):
            if version_id:
                raise AwsError("NoSuchVersion", "The specified version does not exist.", 404)
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404, fields={"Key": key})
        content: bytes = found.value
        return content

    @staticmethod
    def _versions(bucket: Any, key: str) -> list[Any]:
        """All versions of a key and its delete markers, the present one first."""
        return list(reversed(bucket.keys.getlist(key, []) or []))

    # --- Events ---

    def before(self, call: S3Call, request: AwsRequest) -> dict[str, bool]:
        """What has to be known before a request that deletes: its keys, and whether each exists.

        AwsError NoSuchUpload, which moto does not look for.
        """
        bucket = self._buckets.get(call.bucket)
        if bucket is None:
            return {}
        if call.upload_id and call.upload_id not in bucket.multiparts:
            raise AwsError(
                "NoSuchUpload",
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
                "aborted or completed.",
                404,
                fields={"UploadId": call.upload_id},
            )
        if call.operation == "DeleteObject":
            return {call.key: bool(self._versions(bucket, call.key))}
        if call.operation == "DeleteObjects":
            return {key: bool(self._versions(bucket, key)) for key, _ in _deleted_keys(request.body)}
        return {}

    def events(
        self,
        call: S3Call,
        request: AwsRequest,
        response: AwsResponse,
        existed: dict[str, bool],
        principal: str,
    ) -> list[S3ObjectEvent]:
        """The events that AWS would send for this request, now that it is done."""
        if not 200 <= response.status < 300 or call.bucket not in self._buckets:
            return []
        bucket = self._buckets[call.bucket]
        made: list[tuple[str, str, Any]] = []
        if name := _EVENTS.get(call.operation):
            made += [(name, call.key, k) for k in self._versions(bucket, call.key)[:1]]
        elif call.operation == "PostObject":
            key = read_form(request.headers.get("Content-Type", ""), request.body).key
            made += [("ObjectCreated:Post", key, k) for k in self._versions(bucket, key)[:1]]
        elif call.operation == "DeleteObject":
            made += self._deleted(bucket, call.key, call.version_id, existed)
        elif call.operation == "DeleteObjects":
            kept = _undeleted_keys(response.body)
            for key, version_id in _deleted_keys(request.body):
                if key not in kept:
                    made += self._deleted(bucket, key, version_id, existed)
        made += [("ObjectRestore:Completed", key.name, key) for key in self._restored]
        self._restored.clear()
        return [self._event(name, key, k, bucket, request, principal) for name, key, k in made]

    def _deleted(
        self, bucket: Any, key: str, version_id: str, existed: dict[str, bool]
    ) -> list[tuple[str, str, Any]]:
        if bucket.is_versioned and not version_id:
            return [("ObjectRemoved:DeleteMarkerCreated", key, m) for m in self._versions(bucket, key)[:1]]
        # AWS: deleting what is not there succeeds, and nothing happened.
        return [("ObjectRemoved:Delete", key, _Gone(version_id))] if existed.get(key) else []

    def _event(
        self, name: str, key: str, item: Any, bucket: Any, request: AwsRequest, principal: str
    ) -> S3ObjectEvent:
        removed = name.startswith("ObjectRemoved")
        marker = name.endswith("DeleteMarkerCreated")
        version = getattr(item, "version_id", "")
        return S3ObjectEvent(
            name=name,
            bucket=bucket.name,
            key=key,
            size=None if removed else getattr(item, "size", None),
            etag=_EMPTY_ETAG if marker else None if removed else str(item.etag).strip('"'),
            version_id="" if version == "null" else version,
            sequencer=self._sequencer(),
            at=self._now(),
            region=bucket.region_name,
            bucket_owner=owner_id(self._account.id),
            principal=principal,
            source_ip=request.source_ip,
            request_id=request.request_id,
            host_id=S3_HOST_ID,
            trace_id=request.headers.get("X-Amzn-Trace-Id", ""),
            restored_until=_expiry(item) if name == "ObjectRestore:Completed" else None,
            storage_class=item.storage_class if name.startswith("ObjectRestore:") else "",
        )

    def _sequencer(self) -> str:
        self._last_sequence = max(self._last_sequence + 1, time.time_ns())
        return sequencer(self._last_sequence)


# moto gives headers of the upload back with the object.
_REQUEST_HEADERS = frozenset({"x-amz-content-sha256", "x-amz-sdk-checksum-algorithm"})
_ENCRYPTED = frozenset(
    {
        "PutObject",
        "GetObject",
        "HeadObject",
        "CopyObject",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
    }
)


def s3_answer(call: S3Call, response: AwsResponse) -> AwsResponse:
    """moto's answer with the headers that S3 sends.

    S3 has encrypted every object since January 2023: https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
    """
    if response.status == 403 and not response.body:  # A bucket's policy says no.
        raise AwsError("AccessDenied", "Access Denied", 403)
    headers = {
        name: value for name, value in response.headers.items() if name.lower() not in _REQUEST_HEADERS
    }
    if call.operation in _ENCRYPTED and response.status < 300:
        names = {name.lower() for name in headers}
        if "x-amz-server-side-encryption" not in names:
            headers["x-amz-server-side-encryption"] = "AES256"
    return replace(response, headers=headers)


class _Gone:
    """A deleted object: of it there is only the version that the request named."""

    def __init__(self, version_id: str) -> None:
        self.version_id = version_id


def _expiry(key: Any) -> float | None:
    """When a restored copy goes again, in epoch seconds; moto keeps a naive time of UTC."""
    return key._expiry.replace(tzinfo=UTC).timestamp() if key._expiry else None


_EMPTY_ETAG = hashlib.md5(b"").hexdigest()


def owner_id(account_id: str) -> str:
    """The principal id of an account as S3 writes it: A and thirteen letters and digits."""
    return "A" + hashlib.sha256(account_id.encode()).hexdigest()[:13].upper()


def _elements(body: bytes, name: str) -> Iterator[dict[str, str]]:
    """The children of each element of that name, as name to text."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return
    for element in root.iter():
        if element.tag.rpartition("}")[2] == name:
            yield {child.tag.rpartition("}")[2]: child.text or "" for child in element}


def _deleted_keys(body: bytes) -> list[tuple[str, str]]:
    """Key and version ("" for the present one) of each object that DeleteObjects names."""
    return [(item["Key"], item.get("VersionId", "")) for item in _elements(body, "Object") if "Key" in item]


def _undeleted_keys(body: bytes) -> set[str]:
    return {item["Key"] for item in _elements(body, "Error") if "Key" in item}
