"""Entries of PutEvents, the events made of them, and the targets of rules."""

import json
from typing import Any

import pytest

from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.eventbridge import (
    MAX_ENTRIES_BYTES,
    EntryRefused,
    check_entries,
    make_event,
    read_test_event,
)
from labhelpers.events.eventbridge_rules import check_targets, read_target

ENTRY = {"Source": "shop", "DetailType": "paid", "Detail": '{"n": 1.0, "big": 12345678901234567890}'}
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
NOW = 1_795_406_400.7


def made(**changes: Any) -> dict[str, Any]:
    """The event of the entry with these changes."""
    return dict(make_event({**ENTRY, **changes}, "e-1", "123456789012", "us-east-1", NOW).body)


def test_event_has_awss_shape() -> None:
    """All members in AWS's order, seconds in the time, numbers as they were."""
    event = made()
    assert list(event) == "version id detail-type source account time region resources detail".split()
    assert json.dumps(event) == (
        '{"version": "0", "id": "e-1", "detail-type": "paid", "source": "shop", "account": "123456789012", '
        '"time": "2026-11-23T04:00:00Z", "region": "us-east-1", "resources": [], '
        '"detail": {"n": 1.0, "big": 12345678901234567890}}'
    )
    assert made(Time=1_600_000_000.9, Resources=["arn:x"])["time"] == "2020-09-13T12:26:40Z"
    assert made(Resources=["arn:x"])["resources"] == ["arn:x"]


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (
            {"Source": ""},
            "InvalidArgument",
            "Parameter Source is not valid. Reason: Source is a required argument.",
        ),
        ({"DetailType": None}, "InvalidArgument", "Reason: DetailType is a required argument."),
        ({"Detail": ""}, "InvalidArgument", "Reason: Detail is a required argument."),
        ({"Detail": "{"}, "MalformedDetail", "Detail is malformed."),
        ({"Detail": "[1]"}, "MalformedDetail", "Detail is malformed."),
        ({"Detail": '"text"'}, "MalformedDetail", "Detail is malformed."),
        ({"Detail": '{"a": NaN}'}, "MalformedDetail", "Detail is malformed."),
        ({"Detail": '{"a": 1e999}'}, "MalformedDetail", "Detail is malformed."),
        ({"Source": "aws.s3"}, "NotAuthorizedForSourceException", "Not authorized for the source."),
    ],
)
def test_entry_is_refused_as_by_aws(changes: dict[str, Any], code: str, message: str) -> None:
    """A bad entry has AWS's code and words."""
    with pytest.raises(EntryRefused) as caught:
        made(**changes)
    assert (caught.value.code, message in caught.value.message) == (code, True)


def test_awss_own_services_may_be_sources() -> None:
    """An event of S3 comes from the lab itself."""
    event = make_event({**ENTRY, "Source": "aws.s3"}, "e", "1", "us-east-1", NOW, by_aws=True)
    assert event.body["source"] == "aws.s3"


def test_request_is_refused_as_a_whole() -> None:
    """No entries, more than ten, and more than a megabyte."""
    with pytest.raises(AwsError, match="length greater than or equal to 1"):
        check_entries([])
    with pytest.raises(AwsError) as caught:
        check_entries([ENTRY] * 11)
    assert caught.value.message.startswith(
        "1 validation error detected: Value '[PutEventsRequestEntry(time=null, source=shop, resources=null, "
        "detailType=paid, detail={"
    )
    assert caught.value.message.endswith(
        "at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10"
    )
    room = MAX_ENTRIES_BYTES - len("shop") - len("paid") - 14
    check_entries([{**ENTRY, "Detail": "x" * room, "Time": NOW}])
    with pytest.raises(AwsError) as caught:
        check_entries([{**ENTRY, "Detail": "x" * (room + 1), "Time": NOW}])
    assert caught.value.message == "Total size of the entries in the request is over the limit."


@pytest.mark.parametrize(
    "entries",
    [
        "text",
        {"Source": "s"},
        [1],
        [{**ENTRY, "Detail": {}}],
        [{**ENTRY, "Time": "2026"}],
        [{**ENTRY, "Time": 1e99}],
        [{**ENTRY, "Resources": "arn:x"}],
        [{**ENTRY, "Resources": [1]}],
    ],
)
def test_entries_of_another_form_are_refused(entries: Any) -> None:
    """What is no list of entries never gets further."""
    with pytest.raises(AwsError) as caught:
        check_entries(entries)
    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize("missing", ["id", "account", "source", "time", "region", "detail-type"])
def test_tested_event_needs_its_envelope(missing: str) -> None:
    """TestEventPattern asks for the members that every event has."""
    event = {"id": "1", "account": "1", "source": "s", "time": "t", "region": "r", "detail-type": "d"}
    assert read_test_event(json.dumps(event)) == event
    del event[missing]
    with pytest.raises(AwsError, match=missing):
        read_test_event(json.dumps(event))
    for text in ("", "[]", "{"):
        with pytest.raises(AwsError, match="Parameter Event is not valid"):
            read_test_event(text)


# --- Targets ---


def refusal(targets: list[dict[str, Any]], *there: str) -> AwsError:
    """Why PutTargets refuses these."""
    with pytest.raises(AwsError) as caught:
        check_targets(targets, there)
    return caught.value


def test_targets_are_refused_as_by_aws() -> None:
    """Ids, addresses, inputs, retry policies and dead-letter queues are checked in AWS's words."""
    target = {"Id": "1", "Arn": QUEUE}
    check_targets([target], ())
    assert refusal([{**target, "Id": "!@#"}]).message == (
        "1 validation error detected: Value '!@#' at 'targets.1.member.id' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+"
    )
    assert "length less than or equal to 64" in refusal([{**target, "Id": "x" * 65}]).message
    assert "Provided Arn is not in correct format" in refusal([{**target, "Arn": "q"}]).message
    both = {**target, "Input": "{}", "InputPath": "$.detail"}
    assert refusal([both]).message == (
        "Only one of Input, InputPath, or InputTransformer must be provided for target 1."
    )
    assert (
        "retryPolicy.maximumRetryAttempts"
        in refusal([{**target, "RetryPolicy": {"MaximumRetryAttempts": 186}}]).message
    )
    assert "SqsParameters must be specified" in refusal([{**target, "Arn": f"{QUEUE}.fifo"}]).message
    assert "no standard queue" in refusal([{**target, "DeadLetterConfig": {"Arn": f"{QUEUE}.fifo"}}]).message
    stream = {"Id": "1", "Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}
    assert "RoleArn is required" in refusal([stream]).message


def test_rule_has_at_most_five_targets() -> None:
    """Those that are there count, those that are replaced do not count twice."""
    targets = [{"Id": str(number), "Arn": QUEUE} for number in range(5)]
    check_targets(targets, ("0", "1"))
    error = refusal(targets, "another")
    assert (error.code, error.message) == (
        "LimitExceededException",
        "The requested resource exceeds the maximum number allowed.",
    )


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"Arn": "arn:aws:states:us-east-1:123456789012:stateMachine:m"}, "'states'"),
        ({"Arn": "arn:aws:events:us-east-1:123456789012:api-destination/d/1"}, "'events'"),
        ({"Arn": QUEUE, "HttpParameters": {"PathParameterValues": ["a"]}}, "HttpParameters"),
    ],
)
def test_target_that_is_not_here_is_refused_by_name(settings: dict[str, Any], what: str) -> None:
    """What the lab does not do is named."""
    with pytest.raises(NotEmulated, match=what):
        check_targets([{"Id": "1", **settings}], ())


def test_retry_policy_is_awss_unless_told() -> None:
    """185 attempts in a day, or what the target says."""
    target = read_target({"Id": "1", "Arn": QUEUE})
    assert (target.max_attempts, target.max_age_s, target.dead_letter_arn) == (185, 86_400, "")
    policy = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    target = read_target({"Id": "1", "Arn": QUEUE, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": QUEUE}})
    assert (target.max_attempts, target.max_age_s, target.dead_letter_arn) == (0, 60, QUEUE)
