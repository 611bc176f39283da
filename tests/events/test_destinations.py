"""Invocation records and dead letters: AWS's example and what was recorded on AWS."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from labhelpers.events.destinations import (
    Condition,
    Outcome,
    Response,
    invocation_record,
    to_dead_letter_queue,
    to_destination,
)

ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders"
ERROR = b'{"errorMessage": "intended", "errorType": "ValueError"}'
FAILED = Outcome(
    Condition.RETRIES_EXHAUSTED,
    "11111111-2222-4333-8444-555555555555",
    ARN,
    "",
    3,
    b'{"order": 1}',
    1_700_000_000.5,
    Response(200, ERROR, "$LATEST", "Unhandled"),
)


def test_record_is_awss_example() -> None:
    """The record of a failed invocation equals the example in the developer guide."""
    example: Any = json.loads((Path(__file__).parent / "lambda_destination.json").read_text())["event"]
    context = example["requestContext"]
    outcome = Outcome(
        Condition(context["condition"]),
        context["requestId"],
        context["functionArn"].removesuffix(":$LATEST"),
        "",
        context["approximateInvokeCount"],
        json.dumps(example["requestPayload"]).encode(),
        datetime.fromisoformat(example["timestamp"]).timestamp(),
        Response(200, json.dumps(example["responsePayload"]).encode(), "$LATEST", "Unhandled"),
    )
    assert invocation_record(outcome) == example


def test_success_has_no_function_error() -> None:
    """After a success `responseContext` is status and version alone, and the payload is what the handler returned."""
    outcome = replace(FAILED, condition=Condition.SUCCESS, attempts=1, response=Response(200, b'"done"', "7"))
    record = invocation_record(outcome)
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "7"}
    assert record["responsePayload"] == "done"


def test_alias_stays_in_the_arn() -> None:
    """The record names the function as it was called: with its alias or version, else with $LATEST."""
    assert (
        invocation_record(replace(FAILED, qualifier="live"))["requestContext"]["functionArn"] == f"{ARN}:live"
    )
    assert invocation_record(FAILED)["requestContext"]["functionArn"] == f"{ARN}:$LATEST"


def test_event_that_never_ran_has_no_response() -> None:
    """An event given up before any attempt tells nothing of a response."""
    outcome = replace(FAILED, condition=Condition.ZERO_RESERVED_CONCURRENCY, attempts=0, response=None)
    record = invocation_record(outcome)
    assert "responseContext" not in record
    assert "responsePayload" not in record
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"


def test_throttled_event_tells_the_status() -> None:
    """The answer of Lambda itself is a status without payload, version or function error."""
    throttled = replace(
        FAILED, condition=Condition.EVENT_AGE_EXCEEDED, response=Response(429, message="Rate Exceeded.")
    )
    record = invocation_record(throttled)
    assert record["responseContext"] == {"statusCode": 429}
    assert "responsePayload" not in record


@pytest.mark.parametrize(
    ("condition", "detail_type"),
    [
        (Condition.SUCCESS, "Lambda Function Invocation Result - Success"),
        (Condition.RETRIES_EXHAUSTED, "Lambda Function Invocation Result - Failure"),
        (Condition.EVENT_AGE_EXCEEDED, "Lambda Function Invocation Result - Failure"),
    ],
)
def test_event_bus_learns_the_result(condition: Condition, detail_type: str) -> None:
    """On a bus the source is `lambda`; resources are the bus and the function, in this order (recorded on AWS)."""
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/results"
    message = to_destination(replace(FAILED, condition=condition), bus, "u")
    assert (message.service, message.source, message.detail_type) == ("events", "lambda", detail_type)
    assert message.resources == (bus, f"{ARN}:$LATEST")


def test_bucket_key_tells_function_and_moment() -> None:
    """In a bucket the record lies under aws/lambda/async, the function's name and the day."""
    message = to_destination(FAILED, "arn:aws:s3:::failures", "0000-unique")
    assert message.key == "aws/lambda/async/orders/2023/11/14/2023-11-14T22.13.20-0000-unique"
    assert json.loads(message.body) == invocation_record(FAILED)
    # Elsewhere a key would be a queue's message group.
    assert to_destination(FAILED, "arn:aws:sqs:us-east-1:123456789012:failures", "0000-unique").key == ""


def test_dead_letter_is_the_event_with_attributes() -> None:
    """A dead-letter queue gets the event as it came and three attributes (recorded on AWS)."""
    message = to_dead_letter_queue(FAILED, "arn:aws:sqs:us-east-1:123456789012:dead")
    assert message.body == '{"order": 1}'
    assert dict(message.attributes) == {
        "RequestID": ("String", FAILED.request_id),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "intended"),
    }


def test_long_error_message_is_cut_between_characters() -> None:
    """ErrorMessage is the first 1,024 bytes, without half a character."""
    response = Response(200, json.dumps({"errorMessage": "é" * 2000}).encode(), "$LATEST", "Unhandled")
    kind, text = to_dead_letter_queue(replace(FAILED, response=response), "arn:aws:sqs:a:b:c").attributes[
        "ErrorMessage"
    ]
    assert kind == "String"
    assert text == "é" * 512


@pytest.mark.parametrize("payload", [b"", b"not json", b"[1]", b"{}", b'{"errorMessage": null}'])
def test_error_without_message_sends_no_empty_attribute(payload: bytes) -> None:
    """SQS refuses empty attributes, so an error without a message has none."""
    outcome = replace(FAILED, response=Response(200, payload, "$LATEST", "Unhandled"))
    assert "ErrorMessage" not in to_dead_letter_queue(outcome, "arn:aws:sqs:a:b:c").attributes


def test_switched_off_function_says_so_in_the_dead_letter() -> None:
    """Without any attempt there is no ErrorCode, but the message tells why."""
    outcome = replace(FAILED, condition=Condition.ZERO_RESERVED_CONCURRENCY, attempts=0, response=None)
    attributes = to_dead_letter_queue(outcome, "arn:aws:sqs:a:b:c").attributes
    assert "ErrorCode" not in attributes
    assert "zero reserved" in attributes["ErrorMessage"][1]
