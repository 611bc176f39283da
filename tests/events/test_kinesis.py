"""Records of Kinesis streams as functions receive them, what filters see of them, and their numbers."""

import base64
from typing import Any

from aws_lambda_powertools.utilities.parser.models import KinesisDataStreamModel

from labhelpers.events.kinesis import filter_view, sequence_number, stream_record
from labhelpers.events.stream_filters import compile_stream_filter
from labhelpers.events.stream_log import StreamRecord

MAPPED = (
    b'"eventSourceARN":"arn:aws:kinesis:us-east-1:123456789012:stream/s",'
    b'"invokeIdentityArn":"arn:aws:iam::123456789012:role/r"'
)


def made(data: bytes = b"hello", key: str = "k") -> StreamRecord:
    """A record with this data."""
    return stream_record(
        shard_id="shardId-000000000000",
        partition_key=key,
        number="49",
        data=base64.b64encode(data).decode(),
        at=1_700_000_000.12345,
        region="us-east-1",
    )


def test_a_record_is_as_aws_sends_it() -> None:
    """All members, as recorded; the mapping adds its own."""
    assert made().event == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "k",
            "sequenceNumber": "49",
            "data": "aGVsbG8=",
            "approximateArrivalTimestamp": 1_700_000_000.123,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000000:49",
        "eventName": "aws:kinesis:record",
        "awsRegion": "us-east-1",
    }
    event = b'{"Records":[' + made().with_fields(MAPPED) + b"]}"
    assert KinesisDataStreamModel.model_validate_json(event).Records[0].kinesis.data == b"hello"


def test_sequence_numbers_have_56_digits_and_grow() -> None:
    """Within a stream, with time and count, whatever the shard."""
    series = [sequence_number(1_700_000_000.0 + n / 1000, n, 9 - n % 10) for n in range(1_000)]
    assert sorted(series) == series
    assert {len(str(number)) for number in series} == {56}
    assert all(str(number).startswith("49") for number in series)


def passes(data: bytes, *patterns: str) -> bool:
    """Whether a record with this data passes these patterns."""
    test: Any = compile_stream_filter("kinesis", patterns)
    return bool(test(made(data).event))


def test_filters_see_data_as_json() -> None:
    """A pattern under `data` is about what was put, decoded."""
    pattern = '{"data": {"temperature": [{"numeric": [">", 30]}]}}'
    assert passes(b'{"temperature": 31}', pattern)
    assert not passes(b'{"temperature": 30}', pattern)


def test_data_that_is_no_json_passes_no_pattern_about_data() -> None:
    """Not even one that wants something absent; patterns about other members do pass."""
    assert not passes(b"hello", '{"data": {"x": [{"exists": false}]}}')
    assert passes(b"hello", '{"partitionKey": ["k"]}')
    assert not passes(b"hello", '{"partitionKey": ["other"]}')


def test_one_pattern_of_several_is_enough() -> None:
    """Filters are alternatives."""
    patterns = '{"data": {"a": [1]}}', '{"data": {"b": [1]}}'
    assert passes(b'{"b": 1}', *patterns)
    assert not passes(b'{"c": 1}', *patterns)


def test_without_patterns_nothing_is_filtered() -> None:
    """There is no test at all, so nothing is decoded."""
    assert compile_stream_filter("kinesis", ()) is None


def test_the_view_has_no_data_that_is_no_json() -> None:
    """Bytes that are no text either are left out."""
    assert "data" not in filter_view(made(b"\xff\xfe").event)
