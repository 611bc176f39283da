"""Records of DynamoDB streams: their shape, their images by view type, and sizes that AWS has told."""

from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import DynamoDBStreamModel

from labhelpers.events.dynamodb import ItemChange, item_bytes, number_bytes, sequence_number, stream_record

KEYS = {"id": {"S": "id_value"}}
OLD = {**KEYS}
NEW = {**KEYS, "id2": {"S": "id2_new_value"}}
ARN = b'"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-11-25T00:00:00.000"'


def made(change: ItemChange, view_type: str = "NEW_AND_OLD_IMAGES") -> dict[str, Any]:
    """The event of a change."""
    record = stream_record(
        change, view_type=view_type, region="eu-west-1", sequence_number="100", event_id="ab" * 16
    )
    DynamoDBStreamModel.model_validate_json(b'{"Records":[' + record.with_fields(ARN) + b"]}")
    return record.event


def test_a_change_is_as_aws_records_it() -> None:
    """A MODIFY with both images; recorded on AWS with a size of 46 bytes."""
    assert made(ItemChange(KEYS, OLD, NEW, 1_700_000_000.9)) == {
        "eventID": "ab" * 16,
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_700_000_000.0,
            "Keys": KEYS,
            "NewImage": NEW,
            "OldImage": OLD,
            "SequenceNumber": "100",
            "SizeBytes": 46,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


def test_times_are_floats_without_a_fraction() -> None:
    """A filter for numbers sees one, and a handler a float, as AWS sends it."""
    record = stream_record(
        ItemChange(KEYS, None, NEW, 1_700_000_000.9),
        view_type="KEYS_ONLY",
        region="eu-west-1",
        sequence_number="1",
        event_id="",
    )
    assert b'"ApproximateCreationDateTime":1700000000.0' in record.text


@pytest.mark.parametrize(
    ("view_type", "images"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
    ],
)
def test_images_follow_the_view_type(view_type: str, images: set[str]) -> None:
    """Each of the four view types has its images, and the keys always."""
    told = made(ItemChange(KEYS, OLD, NEW, 0.0), view_type)["dynamodb"]
    assert {name for name in told if name.endswith("Image")} == images
    assert told["Keys"] == KEYS


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        (None, NEW, "INSERT"),
        (OLD, NEW, "MODIFY"),
        (OLD, None, "REMOVE"),
        (NEW, dict(NEW), ""),
        (None, None, ""),
    ],
)
def test_what_does_not_change_makes_no_record(old: Any, new: Any, name: str) -> None:
    """An item that is written as it was has no event."""
    assert ItemChange(KEYS, old, new, 0.0).name == name


def test_deletions_by_time_to_live_are_dynamodbs_own() -> None:
    """They alone say who it was."""
    told = made(ItemChange(KEYS, OLD, None, 0.0, expired=True))
    assert told["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert "userIdentity" not in made(ItemChange(KEYS, OLD, None, 0.0))


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"my_partition_key": {"S": "hello world"}, "binary_key": {"B": "Zm9vYmFy"}}, 43),  # Recorded.
        ({"my_partition_key": {"S": "testId0"}, "should_fail": {"BOOL": False}}, 35),  # Recorded.
        ({"ü": {"S": "é"}}, 4),
        ({"a": {"NULL": True}}, 2),
        ({"a": {"M": {"b": {"S": "cd"}}}}, 1 + 3 + 1 + 1 + 2),
        ({"a": {"L": [{"S": "b"}, {"S": "cd"}]}}, 1 + 3 + 2 + 3),
        ({"a": {"SS": ["b", "cd"]}}, 4),
        ({"a": {"BS": ["YWI="]}}, 3),
        ({"a": {"NS": ["1", "-2"]}}, 1 + 2 + 3),
    ],
)
def test_sizes_are_counted_as_on_aws(item: Any, size: int) -> None:
    """Names and values in bytes, with what lists and maps cost."""
    assert item_bytes(item) == size


@pytest.mark.parametrize(
    ("text", "size"), [("1", 2), ("12", 2), ("123", 3), ("-1", 3), ("1000", 2), ("0", 1), ("1.5e3", 2)]
)
def test_numbers_cost_a_byte_for_two_digits(text: str, size: int) -> None:
    """Zeros at either end cost nothing, a sign one byte."""
    assert number_bytes(text) == size


def test_sequence_numbers_grow() -> None:
    """As numbers, and with at least 21 digits as the API wants them."""
    series = [sequence_number(count, 12_345_678) for count in range(1, 2_000)]
    assert sorted(series, key=int) == series
    assert all(21 <= len(number) <= 40 for number in series)
