"""What AWS allows of an event source mapping, in its words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labhelpers.errors import AwsError, NotEmulated
from labhelpers.functions import event_source_rules as rules
from labhelpers.functions.event_source_mappings import EventSourceMapping, State

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
FIFO = f"{QUEUE}.fifo"
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def make(source: str, **members: Any) -> EventSourceMapping:
    """The mapping that a request for this source makes."""
    return rules.new_mapping({"EventSourceArn": source, **members}, "u", FUNCTION, 1.0)


def test_defaults_depend_on_the_source() -> None:
    """Ten messages of a queue, a hundred records of a stream."""
    assert make(QUEUE).batch_size == 10
    assert make(STREAM, StartingPosition="LATEST").batch_size == 100
    assert make(TABLE, StartingPosition="LATEST").last_result == "No records processed"


def test_mapping_made_disabled_is_disabled_at_once() -> None:
    """Others are being created first."""
    assert make(QUEUE, Enabled=False).state is State.DISABLED
    assert make(QUEUE).state is State.CREATING


TOO_MANY = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
NO_POSITION = (
    "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
    "Member must not be null."
)


@pytest.mark.parametrize(
    ("source", "members", "message"),
    [
        (QUEUE, {"BatchSize": 11}, TOO_MANY),
        (FIFO, {"MaximumBatchingWindowInSeconds": 1}, "Batching window is not supported for FIFO queues"),
        (QUEUE, {"StartingPosition": "LATEST"}, "StartingPosition is not valid for SQS event sources."),
        (
            QUEUE,
            {"MaximumRetryAttempts": 1},
            "Unsupported MaximumRetryAttempts parameter for given event source mapping type.",
        ),
        (
            QUEUE,
            {"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}},
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        (STREAM, {}, NO_POSITION),
        (TABLE, {}, NO_POSITION),
        (
            STREAM,
            {"StartingPosition": "LATEST", "StartingPositionTimestamp": 1},
            "Timestamp only valid with StartingPosition AT_TIMESTAMP",
        ),
        (
            TABLE,
            {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1},
            f"Unsupported starting position for arn type: {TABLE}",
        ),
        (
            STREAM,
            {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": -1},
            (
                "Received Exception while reading from provided stream. class java.lang.Long can not be converted to "
                "a Timestamp"
            ),
        ),
        (
            STREAM,
            {"StartingPosition": "LATEST", "ScalingConfig": {"MaximumConcurrency": 2}},
            "Unsupported ScalingConfig parameter for given event source mapping type.",
        ),
        (
            STREAM,
            {"StartingPosition": "LATEST", "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}},
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        ("arn:aws:s3:::bucket", {}, "Unrecognized event source."),
        ("", {}, "Unrecognized event source."),
    ],
)
def test_what_aws_refuses(source: str, members: dict[str, Any], message: str) -> None:
    """Each with AWS's code and text."""
    with pytest.raises(AwsError) as refused:
        make(source, **members)
    assert (refused.value.code, refused.value.message) == ("InvalidParameterValueException", message)


@pytest.mark.parametrize(
    "pattern", ["", "null", '"simple string"', '{"eventSource": "aws:sqs"}', '{"eventSource": []}']
)
def test_filter_that_is_no_pattern_is_refused(pattern: str) -> None:
    """Recorded from AWS: one text for all of them."""
    with pytest.raises(AwsError, match=r"Invalid filter pattern definition\."):
        make(QUEUE, FilterCriteria={"Filters": [{"Pattern": pattern}]})


@pytest.mark.parametrize("member", sorted(rules.LEFT_OUT_MEMBERS))
def test_what_is_left_out_is_refused_by_name(member: str) -> None:
    """Instead of being kept and never done."""
    with pytest.raises(NotEmulated):
        make(QUEUE, **{member: {"X": "y"}})


@pytest.mark.parametrize(
    "source", ["kafka:us-east-1:123456789012:cluster/c/u", "mq:us-east-1:123456789012:broker:b:i"]
)
def test_source_that_is_not_read_is_refused_by_name(source: str) -> None:
    """AWS reads it, this lab does not."""
    with pytest.raises(NotEmulated, match="as an event source"):
        make(f"arn:aws:{source}")


def test_update_changes_only_what_it_names() -> None:
    """Empty structures clear what they hold."""
    mapping = make(
        QUEUE,
        ScalingConfig={"MaximumConcurrency": 5},
        FilterCriteria={"Filters": [{"Pattern": '{"body": ["x"]}'}]},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    changed = rules.with_settings(mapping, {"BatchSize": 3})
    assert changed == replace(mapping, batch_size=3)
    cleared = rules.with_settings(
        changed, {"ScalingConfig": {}, "FilterCriteria": {}, "FunctionResponseTypes": []}
    )
    assert (cleared.max_concurrency, cleared.filters, cleared.response_types) == (None, (), ())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            QUEUE,
            (
                f'An event source mapping with SQS arn (" {QUEUE} ") and function (" f ") already exists. Please '
                "update or delete the existing mapping with UUID u"
            ),
        ),
        (
            STREAM,
            (
                f'The event source arn (" {STREAM} ") and function (" f ") provided mapping already exists. Please '
                "update or delete the existing mapping with UUID u"
            ),
        ),
    ],
)
def test_second_mapping_of_source_and_function_is_a_conflict(source: str, message: str) -> None:
    """It names the first one; another function or the mapping itself is none."""
    first = make(source, StartingPosition="LATEST") if source == STREAM else make(source)
    with pytest.raises(AwsError) as refused:
        rules.check_unique(replace(first, uuid="v"), [first], "f")
    assert (refused.value.status, refused.value.message) == (409, message)
    rules.check_unique(first, [first], "f")
    rules.check_unique(replace(first, uuid="v", function_arn=f"{FUNCTION}:live"), [first], "f")


@pytest.mark.parametrize(
    ("was", "becomes", "state"),
    [
        (True, True, State.UPDATING),
        (False, False, State.UPDATING),
        (True, False, State.DISABLING),
        (False, True, State.ENABLING),
    ],
)
def test_update_sends_a_mapping_on_its_way(was: bool, becomes: bool, state: State) -> None:
    """By what it is and what it shall be."""
    assert rules.updated_state(replace(make(QUEUE), enabled=was), becomes) is state
