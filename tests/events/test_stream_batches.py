"""Batches: what answers mean, halves, lanes, windows, and what is told of records that were given up."""

import json
from typing import Any

import pytest

from labhelpers.events.destinations import Response
from labhelpers.events.stream_batches import (
    STATE_BYTES_MAX,
    Batch,
    GivenUp,
    Loss,
    first_failure,
    is_too_large,
    lane_of,
    state_of,
    window_at,
)
from labhelpers.events.stream_log import StreamRecord

KINESIS = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
DYNAMODB = "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-11-25T00:00:00.000"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def batch(*numbers: int, attempts: int = 0) -> Batch:
    """A batch of records that arrived at their numbers' seconds."""
    records = tuple(StreamRecord(str(n), float(n), "k", b'{"n":%d}' % n) for n in numbers)
    return Batch(records, tuple(record.text for record in records), attempts)


def numbers(part: Batch) -> list[int]:
    """The sequence numbers of its records."""
    return [int(record.sequence_number) for record in part.records]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b'""',
        b"[]",
        b"{}",
        b'{"batchItemFailures": []}',
        b'{"batchItemFailures": null}',
        b'{"x": 1}',
    ],
)
def test_answers_without_failures_are_success(answer: bytes) -> None:
    """Recorded on AWS: an empty or null answer, list or object."""
    assert first_failure(answer, batch(1, 2).records) is None


@pytest.mark.parametrize(
    "item",
    [{"itemIdentifier": 123}, {"itemIdentifier": ""}, {"itemIdentifier": None}, {"foo": 123}, {"foo": None}],
)
def test_failures_that_name_no_record_fail_the_whole_batch(item: dict[str, Any]) -> None:
    """Recorded on AWS: an identifier of no record, an empty or null one, another key."""
    assert first_failure(json.dumps({"batchItemFailures": [item]}).encode(), batch(1, 2).records) == 0


def test_the_lowest_failure_counts() -> None:
    """Whatever the order in which the function names them."""
    answer = b'{"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}'
    assert first_failure(answer, batch(1, 2, 3).records) == 1


def test_halves_begin_anew() -> None:
    """The first has one more of an odd number; a split is no try, so both count from none."""
    first, second = batch(1, 2, 3, attempts=2).halves()
    assert (numbers(first), numbers(second)) == ([1, 2], [3])
    assert (first.attempts, second.attempts) == (0, 0)
    assert first.texts == (b'{"n":1}', b'{"n":2}')


def test_an_event_is_the_records_texts() -> None:
    """With windows there is more beside them."""
    assert json.loads(batch(1, 2).event()) == {"Records": [{"n": 1}, {"n": 2}]}
    assert json.loads(batch().event({"state": {}})) == {"Records": [], "state": {}}


def test_aged_records_are_the_first_ones() -> None:
    """Those that arrived before a moment."""
    assert [batch(1, 2, 3).older(moment) for moment in (0.0, 2.0, 2.5, 9.0)] == [0, 1, 2, 3]


def test_a_key_keeps_its_lane() -> None:
    """All lanes are used, each key always in the same."""
    lanes = {key: lane_of(key, 10) for key in map(str, range(200))}
    assert set(lanes.values()) == set(range(10))
    assert all(lane_of(key, 10) == lane for key, lane in lanes.items())
    assert lane_of("any", 1) == 0


# --- Windows ---


def test_windows_tile_time() -> None:
    """A record belongs to one window; the end of one is the start of the next."""
    window = window_at(125.0, 60)
    assert (window.start, window.end) == (120.0, 180.0)
    assert [window.has(batch(n).records[0]) for n in (119, 120, 179, 180)] == [False, True, True, False]


def test_window_fields_are_as_aws_sends_them() -> None:
    """The names and the time format of AWS's page."""
    assert window_at(1_607_497_475.0, 120).fields("shardId-000000000006", KINESIS, final=True) == {
        "window": {"start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z"},
        "state": {},
        "shardId": "shardId-000000000006",
        "eventSourceARN": KINESIS,
        "isFinalInvokeForWindow": True,
        "isWindowTerminatedEarly": False,
    }


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (b'{"state": {"n": 1}}', {"n": 1}),
        (b"{}", None),
        (b"null", None),
        (b'{"state": 1}', None),
        (b"", None),
    ],
)
def test_an_answer_without_state_is_none(answer: bytes, state: Any) -> None:
    """A function of tumbling windows must return one."""
    assert state_of(answer) == state


def test_a_state_of_more_than_a_megabyte_is_too_large() -> None:
    """Counted as JSON."""
    assert not is_too_large({"a": "x" * (STATE_BYTES_MAX - 10)})
    assert is_too_large({"a": "x" * STATE_BYTES_MAX})


# --- Failure destinations ---


ANSWERED = Response(200, executed_version="$LATEST")


def loss(source: str, response: Response | None = ANSWERED) -> Loss:
    """Two records that were given up after three tries."""
    given_up = batch(1_573_690_799, 1_573_690_800, attempts=3)
    return Loss(
        GivenUp.RETRIES,
        given_up,
        "uuid",
        source,
        "shardId-1",
        FUNCTION,
        "request",
        1_573_691_881.021,
        response,
        given_up.event().decode(),
    )


def test_a_table_records_loss_is_as_aws_documents_it() -> None:
    """Arrival in seconds, and a null functionError where items only were reported: recorded."""
    assert loss(DYNAMODB).record() == {
        "requestContext": {
            "requestId": "request",
            "functionArn": FUNCTION,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None},
        "version": "1.0",
        "timestamp": "2019-11-14T00:38:01.021Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-1",
            "startSequenceNumber": "1573690799",
            "endSequenceNumber": "1573690800",
            "approximateArrivalOfFirstRecord": "2019-11-14T00:19:59Z",
            "approximateArrivalOfLastRecord": "2019-11-14T00:20:00Z",
            "batchSize": 2,
            "streamArn": DYNAMODB,
        },
    }


def test_a_kinesis_loss_has_milliseconds() -> None:
    """And its own name for what the batch was."""
    info = loss(KINESIS).record()["KinesisBatchInfo"]
    assert info["approximateArrivalOfFirstRecord"] == "2019-11-14T00:19:59.000Z"


def test_a_loss_without_a_response_tells_of_none() -> None:
    """As recorded of records that were too old."""
    assert "responseContext" not in loss(KINESIS, None).record()


def test_only_buckets_get_the_records_themselves() -> None:
    """As text under `payload`, below a key that AWS documents; queues and topics get the record alone."""
    bucket = loss(KINESIS).message("arn:aws:s3:::lost", "unique")
    assert json.loads(json.loads(bucket.body)["payload"])["Records"]
    assert bucket.key == "aws/lambda/uuid/shardId-1/2019/11/14/2019-11-14T00.38.01-unique"
    assert "payload" not in json.loads(loss(KINESIS).message("arn:aws:sqs:us-east-1:1:lost", "unique").body)
