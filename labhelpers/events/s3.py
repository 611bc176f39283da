"""S3's events: what happened to an object, and the record of it that each kind of destination receives. Pure.

Called by `triggers.s3`; the bridge to moto makes `S3ObjectEvent`. `events.s3_notifications` decides who receives one.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
     https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html (EventBridge)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

# AWS: since version 2.4 its page shows one number for all events (2.6 in 2026) that counts new optional fields.
# Here: the numbers recorded on AWS before, whose fields are the ones below, so a record never claims a field it lacks.
VERSION, VERSION_OF_METADATA_EVENTS, VERSION_OF_REPLICATION = "2.1", "2.3", "2.2"
_METADATA_EVENTS = (
    "LifecycleExpiration",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectAcl",
    "ObjectTagging",
)
_WITHOUT_SEQUENCER = ("ObjectAcl", "ObjectTagging")


@dataclass(frozen=True, slots=True)
class S3ObjectEvent:
    """Something that happened to an object: `name` without "s3:" ("ObjectCreated:Put"), `at` in epoch seconds.

    `key` is the plain key, not URL-encoded. `size` (bytes) and `etag` are None where AWS leaves them out (a delete).
    `bucket_owner` and `principal` are S3's principal ids; `sequencer` grows with each change of a key.
    `trace_id` is the X-Amzn-Trace-Id of the request that did it, "" if it had none.
    `restored_until` (epoch seconds) and `storage_class` tell of restored objects only.
    """

    name: str
    bucket: str
    key: str
    size: int | None = None
    etag: str | None = None
    version_id: str = ""
    sequencer: str = ""
    at: float = 0.0
    region: str = "us-east-1"
    bucket_owner: str = ""
    principal: str = ""
    source_ip: str = "127.0.0.1"
    request_id: str = ""
    host_id: str = ""
    trace_id: str = ""
    restored_until: float | None = None
    storage_class: str = ""

    @property
    def bucket_arn(self) -> str:
        return bucket_arn(self.bucket)

    @property
    def family(self) -> str:
        """The event's type without its last part: `ObjectCreated` of `ObjectCreated:Put`."""
        return self.name.partition(":")[0]


def bucket_arn(bucket: str) -> str:
    """The ARN of a bucket."""
    return f"arn:aws:s3:::{bucket}"


def encoded_key(key: str) -> str:
    """`key` as records have it: a space as `+`, special characters but `/` percent-encoded (see `unquote_plus`)."""
    return quote_plus(key, safe="/")


def sequencer(at_ns: int) -> str:
    """A sequencer for a moment in nanoseconds: 18 hexadecimal digits that sort as the moments do."""
    return f"{at_ns:018X}"


def timestamp(at: float) -> str:
    """Epoch seconds as S3 writes them: `2026-11-23T04:00:00.000Z`."""
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def s3_event(event: S3ObjectEvent, configuration_id: str) -> dict[str, Any]:
    """What a function, a queue or a topic receives: a list of one record."""
    return {"Records": [s3_record(event, configuration_id)]}


def s3_record(event: S3ObjectEvent, configuration_id: str) -> dict[str, Any]:
    """The record of `event` for the rule `configuration_id` of the bucket's notification configuration."""
    record: dict[str, Any] = {
        "eventVersion": _version(event.family),
        "eventSource": "aws:s3",
        "awsRegion": event.region,
        "eventTime": timestamp(event.at),
        "eventName": event.name,
        "userIdentity": {"principalId": event.principal},
        "requestParameters": {"sourceIPAddress": event.source_ip},
        "responseElements": {"x-amz-request-id": event.request_id, "x-amz-id-2": event.host_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": {"principalId": event.bucket_owner},
                "arn": event.bucket_arn,
            },
            "object": _record_object(event),
        },
    }
    if event.restored_until is not None:
        record["glacierEventData"] = {
            "restoreEventData": {
                "lifecycleRestorationExpiryTime": timestamp(event.restored_until),
                "lifecycleRestoreStorageClass": event.storage_class,
            }
        }
    return record


def s3_test_event(bucket: str, at: float, request_id: str, host_id: str) -> dict[str, Any]:
    """What S3 sends to queues and topics, never to functions, when a notification configuration names them."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": timestamp(at),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": host_id,
    }


def _version(family: str) -> str:
    if family == "Replication":
        return VERSION_OF_REPLICATION
    return VERSION_OF_METADATA_EVENTS if family in _METADATA_EVENTS else VERSION


def _record_object(event: S3ObjectEvent) -> dict[str, Any]:
    """The `object` member. Tagging and ACL events have neither size nor sequencer, a delete neither size nor eTag."""
    changed = event.family not in _WITHOUT_SEQUENCER
    members = {
        "key": encoded_key(event.key),
        "size": event.size if changed else None,
        "eTag": event.etag,
        "versionId": event.version_id or None,
        "sequencer": event.sequencer or None if changed else None,
    }
    return {name: value for name, value in members.items() if value is not None}


# --- EventBridge ---

_DETAIL_TYPES = {
    "ObjectCreated": "Object Created",
    "ObjectRemoved": "Object Deleted",
    "LifecycleExpiration": "Object Deleted",
    "ObjectRestore:Post": "Object Restore Initiated",
    "ObjectRestore:Completed": "Object Restore Completed",
    "ObjectRestore:Delete": "Object Restore Expired",
    "LifecycleTransition": "Object Storage Class Changed",
    "IntelligentTiering": "Object Access Tier Changed",
    "ObjectAcl": "Object ACL Updated",
    "ObjectTagging:Put": "Object Tags Added",
    "ObjectTagging:Delete": "Object Tags Deleted",
}
_REASONS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectRemoved:Delete": "DeleteObject",
    "ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
    "LifecycleExpiration:Delete": "Lifecycle Expiration",
    "LifecycleExpiration:DeleteMarkerCreated": "Lifecycle Expiration",
}


def eventbridge_detail_type(name: str) -> str | None:
    """The `detail-type` of an event; None for those that S3 does not send to EventBridge (replication, losses)."""
    return _DETAIL_TYPES.get(name) or _DETAIL_TYPES.get(name.partition(":")[0])


def eventbridge_entry(event: S3ObjectEvent, account: str) -> dict[str, Any] | None:
    """The event as an entry of PutEvents for the default bus, with `Detail` as a dict and `Time` in epoch seconds.

    The key is plain here, unlike in the other destinations' records. None if S3 does not send it to EventBridge.
    """
    detail_type = eventbridge_detail_type(event.name)
    if detail_type is None:
        return None
    return {
        "Source": "aws.s3",
        "DetailType": detail_type,
        "Time": event.at,
        "Resources": [event.bucket_arn],
        "Detail": _eventbridge_detail(event, account),
    }


def _eventbridge_detail(event: S3ObjectEvent, account: str) -> dict[str, Any]:
    ordered = event.family in ("ObjectCreated", "ObjectRemoved", "LifecycleExpiration")
    sized = event.family not in _WITHOUT_SEQUENCER
    members = {
        "key": event.key,
        "size": event.size if sized else None,
        "etag": event.etag,
        "version-id": event.version_id or None,
        "sequencer": event.sequencer or None if ordered else None,
    }
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": event.bucket},
        "object": {name: value for name, value in members.items() if value is not None},
        "request-id": event.request_id,
        "requester": account,
    }
    if event.name != "ObjectRestore:Completed":
        detail["source-ip-address"] = event.source_ip
    if reason := _REASONS.get(event.name):
        detail["reason"] = reason
    if event.family in ("ObjectRemoved", "LifecycleExpiration"):
        marker = event.name.endswith(":DeleteMarkerCreated")
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    if event.restored_until is not None:
        detail["restore-expiry-time"] = timestamp(event.restored_until)
    if event.family == "ObjectRestore" and event.storage_class:
        detail["source-storage-class"] = event.storage_class
    return detail
