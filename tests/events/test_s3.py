"""S3's records: AWS's own examples, what was recorded on AWS, and Powertools' models as an independent judge."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from aws_lambda_powertools.utilities.parser.models import S3EventNotificationEventBridgeModel, S3Model
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.events.s3 import (
    S3ObjectEvent,
    encoded_key,
    eventbridge_detail_type,
    eventbridge_entry,
    s3_event,
    s3_record,
    s3_test_event,
    sequencer,
    timestamp,
)
from labhelpers.events.s3_notifications import EVENTS

PUT = S3ObjectEvent(
    name="ObjectCreated:Put",
    bucket="uploads",
    key="pictures/red flower.jpg",
    size=1024,
    etag="d41d8cd98f00b204e9800998ecf8427e",
    sequencer=sequencer(1_700_000_000_000_000_000),
    at=1_700_000_000.1239,
    bucket_owner="A3NL1KOZZKEXAMPLE",
    principal="AWS:AIDAEXAMPLE",
    request_id="C3D13FE58DE4C810",
    host_id="bGFi",
)


def golden(name: str) -> Any:
    """The event of a file beside this one; the file also names its source."""
    return json.loads((Path(__file__).parent / name).read_text())["event"]


def epoch(text: str) -> float:
    """Epoch seconds of an ISO time."""
    return datetime.fromisoformat(text).timestamp()


def test_put_record_is_awss_example() -> None:
    """The record of a put equals the example in the developer guide, member for member."""
    record = golden("s3_put.json")["Records"][0]
    told = record["s3"]
    event = S3ObjectEvent(
        name=record["eventName"],
        bucket=told["bucket"]["name"],
        key=told["object"]["key"],
        size=told["object"]["size"],
        etag=told["object"]["eTag"],
        sequencer=told["object"]["sequencer"],
        at=epoch(record["eventTime"]),
        region=record["awsRegion"],
        bucket_owner=told["bucket"]["ownerIdentity"]["principalId"],
        principal=record["userIdentity"]["principalId"],
        source_ip=record["requestParameters"]["sourceIPAddress"],
        request_id=record["responseElements"]["x-amz-request-id"],
        host_id=record["responseElements"]["x-amz-id-2"],
    )
    assert s3_event(event, told["configurationId"]) == golden("s3_put.json")


# The members of `object` and the version as recorded on AWS, July and August 2023, by LocalStack's validated tests
# (tests/aws/services/s3/test_s3_notifications_sqs.snapshot.json).
@pytest.mark.parametrize(
    ("name", "version", "members"),
    [
        ("ObjectCreated:Put", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectCreated:Copy", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectCreated:CompleteMultipartUpload", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectRestore:Post", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectTagging:Put", "2.3", {"key", "eTag"}),
        ("ObjectTagging:Delete", "2.3", {"key", "eTag"}),
        ("ObjectAcl:Put", "2.3", {"key", "eTag"}),
    ],
)
def test_record_has_the_members_of_its_event(name: str, version: str, members: set[str]) -> None:
    """Each kind of event has the version and the members of `object` that AWS sends."""
    record = s3_record(replace(PUT, name=name), "cfg")
    assert record["eventVersion"] == version
    assert set(record["s3"]["object"]) == members


def test_delete_has_neither_size_nor_etag() -> None:
    """A deleted object is told by key and sequencer alone; in a versioned bucket also by version."""
    gone = replace(PUT, name="ObjectRemoved:Delete", size=None, etag=None)
    assert set(s3_record(gone, "cfg")["s3"]["object"]) == {"key", "sequencer"}
    gone = replace(gone, version_id="v1")
    assert s3_record(gone, "cfg")["s3"]["object"]["versionId"] == "v1"


def test_restored_object_tells_until_when() -> None:
    """Only ObjectRestore:Completed carries glacierEventData."""
    restored = replace(
        PUT, name="ObjectRestore:Completed", restored_until=1_700_086_400.0, storage_class="GLACIER"
    )
    assert s3_record(restored, "cfg")["glacierEventData"] == {
        "restoreEventData": {
            "lifecycleRestorationExpiryTime": "2023-11-15T22:13:20.000Z",
            "lifecycleRestoreStorageClass": "GLACIER",
        }
    }
    S3Model.model_validate(s3_event(restored, "cfg"))
    assert "glacierEventData" not in s3_record(PUT, "cfg")


# Powertools wants a size in every record; AWS sends none with these (recorded, above).
WITHOUT_SIZE = {"ObjectAcl:Put", "ObjectTagging:Put", "ObjectTagging:Delete"}


@pytest.mark.parametrize(
    "name", sorted({event.removeprefix("s3:") for event in EVENTS if "*" not in event} - WITHOUT_SIZE)
)
def test_powertools_reads_every_record(name: str) -> None:
    """Powertools' parser model accepts the record of each event type."""
    event = replace(PUT, name=name, version_id="v1")
    if name.startswith("ObjectRemoved"):
        event = replace(event, size=None, etag=None)
    model = S3Model.model_validate(s3_event(event, "cfg"))
    assert model.Records[0].eventName == name
    assert model.Records[0].s3.object is not None
    assert model.Records[0].s3.object.key == "pictures/red+flower.jpg"


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("red flower.jpg", "red+flower.jpg"),  # The example of AWS's page.
        ("a@b", "a%40b"),  # Recorded, like the members above.
        ("folder/a(1).txt", "folder/a%281%29.txt"),
        ("1+1=2", "1%2B1%3D2"),
        ("été/日", "%C3%A9t%C3%A9/%E6%97%A5"),
        ("plain-name_1.txt", "plain-name_1.txt"),
    ],
)
def test_key_is_form_encoded(key: str, encoded: str) -> None:
    """A key in a record is encoded like a form's value, except that slashes stay."""
    assert encoded_key(key) == encoded


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_unquote_plus_gives_the_key_back(key: str) -> None:
    """What a function does with the key, `unquote_plus`, always finds the object."""
    assert unquote_plus(encoded_key(key)) == key


@given(st.integers(0, 2**62), st.integers(1, 2**40))
def test_later_sequencer_is_greater(at_ns: int, more: int) -> None:
    """Sequencers compare as text like the moments that they stand for."""
    assert sequencer(at_ns) < sequencer(at_ns + more)
    assert len(sequencer(at_ns)) == 18


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.1239, "2023-11-14T22:13:20.124Z"),
        (1_700_000_000.9999, "2023-11-14T22:13:21.000Z"),
    ],
)
def test_times_have_milliseconds(at: float, text: str) -> None:
    """Times are UTC with three decimals."""
    assert timestamp(at) == text


def test_test_event_has_no_records() -> None:
    """s3:TestEvent is a plain object that says which bucket asks."""
    event = s3_test_event("uploads", 0.0, "R", "H")
    assert event["Event"] == "s3:TestEvent"
    assert event["Bucket"] == "uploads"
    assert "Records" not in event


def eventbridge_envelope(event: S3ObjectEvent, account: str, requester: str) -> dict[str, Any]:
    """The entry as EventBridge would hand it to a target, but for its id."""
    entry = eventbridge_entry(event, requester)
    assert entry is not None
    return {
        "version": "0",
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": account,
        "time": timestamp(entry["Time"])[:19] + "Z",
        "region": event.region,
        "resources": entry["Resources"],
        "detail": entry["Detail"],
    }


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("s3_eventbridge_created.json", "ObjectCreated:Put"),
        ("s3_eventbridge_deleted.json", "ObjectRemoved:DeleteMarkerCreated"),
    ],
)
def test_eventbridge_event_is_awss_example(file: str, name: str) -> None:
    """The event for EventBridge equals the user guide's example, and Powertools reads it."""
    example = golden(file)
    detail = example["detail"]
    event = S3ObjectEvent(
        name=name,
        bucket=detail["bucket"]["name"],
        key=detail["object"]["key"],
        size=detail["object"].get("size"),
        etag=detail["object"]["etag"],
        version_id=detail["object"]["version-id"],
        sequencer=detail["object"]["sequencer"],
        at=epoch(example["time"]),
        region=example["region"],
        source_ip=detail["source-ip-address"],
        request_id=detail["request-id"],
    )
    made = eventbridge_envelope(event, example["account"], detail["requester"])
    assert made | {"id": example["id"]} == example
    S3EventNotificationEventBridgeModel.model_validate(made | {"id": example["id"]})


def test_permanent_deletion_says_so() -> None:
    """EventBridge distinguishes a delete marker from the end of an object."""
    entry = eventbridge_entry(replace(PUT, name="ObjectRemoved:Delete", size=None, etag=None), "123456789012")
    assert entry is not None
    assert entry["Detail"]["deletion-type"] == "Permanently Deleted"
    assert set(entry["Detail"]["object"]) == {"key", "sequencer"}


def test_eventbridge_key_is_plain() -> None:
    """Unlike in the other records, the key is not encoded."""
    entry = eventbridge_entry(PUT, "123456789012")
    assert entry is not None
    assert entry["Detail"]["object"]["key"] == "pictures/red flower.jpg"


# Recorded on AWS in July and August 2023 (LocalStack's test_s3_notifications_eventbridge.snapshot.json).
@pytest.mark.parametrize(
    ("name", "detail_type", "members"),
    [
        ("ObjectAcl:Put", "Object ACL Updated", {"key", "etag"}),
        ("ObjectRestore:Post", "Object Restore Initiated", {"key", "etag", "size"}),
        ("ObjectRestore:Completed", "Object Restore Completed", {"key", "etag", "size"}),
    ],
)
def test_eventbridge_members_of_other_events(name: str, detail_type: str, members: set[str]) -> None:
    """Events that change no content have no sequencer and no reason."""
    event = replace(
        PUT, name=name, storage_class="GLACIER", restored_until=1.0 if "Completed" in name else None
    )
    entry = eventbridge_entry(event, "123456789012")
    assert entry is not None
    assert entry["DetailType"] == detail_type
    assert set(entry["Detail"]["object"]) == members
    assert "reason" not in entry["Detail"]
    assert ("source-ip-address" in entry["Detail"]) == (name != "ObjectRestore:Completed")
    assert ("restore-expiry-time" in entry["Detail"]) == (name == "ObjectRestore:Completed")
    assert ("source-storage-class" in entry["Detail"]) == name.startswith("ObjectRestore")


@pytest.mark.parametrize("name", ["Replication:OperationNotTracked", "ReducedRedundancyLostObject"])
def test_some_events_never_reach_eventbridge(name: str) -> None:
    """What S3 does not send to EventBridge has no entry."""
    assert eventbridge_detail_type(name) is None
    assert eventbridge_entry(replace(PUT, name=name), "123456789012") is None
