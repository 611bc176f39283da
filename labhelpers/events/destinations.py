"""What an asynchronous invocation leaves behind: records for destinations and for dead-letter queues. Pure.

Called by `functions.destinations` and `triggers.s3`; `Outgoing` is what the cloud's delivery sends on.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType
from typing import Any

from labhelpers.events.s3 import timestamp
from labhelpers.model import LATEST

MAX_ERROR_MESSAGE_BYTES = 1024


class Condition(Enum):
    """Why an event left the queue, in AWS's words."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"


@dataclass(frozen=True, slots=True)
class Response:
    """How the last attempt ended: 200 with the handler's result or error, or the status of Lambda's own refusal.

    `payload` is JSON text, empty where there is none; `function_error` is "" or "Unhandled"; `message` is for people.
    """

    status: int
    payload: bytes = b""
    executed_version: str = ""
    function_error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that is told of one asynchronous invocation at its end. `at` is epoch seconds, `function_arn` unqualified.

    `qualifier` is the caller's, perhaps empty; `response` is None if no attempt got as far as an answer.
    """

    condition: Condition
    request_id: str
    function_arn: str
    qualifier: str
    attempts: int
    request_payload: bytes
    at: float
    response: Response | None = None

    @property
    def qualified_arn(self) -> str:
        return f"{self.function_arn}:{self.qualifier or LATEST}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that the cloud sends to `target`, an ARN of a queue, topic, event bus, bucket, stream or function.

    `attributes` (name to data type and value) are for queues and topics, `subject` for topics. `key` is a bucket's key,
    a FIFO queue's message group or a stream's partition key. `source`, `detail_type` and `resources` are for event
    buses, `at` (epoch seconds) for those and for logs. `trace_id` is an X-Amzn-Trace-Id header's text.
    """

    target: str
    body: str
    attributes: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    subject: str = ""
    key: str = ""
    source: str = ""
    detail_type: str = ""
    resources: tuple[str, ...] = ()
    at: float = 0.0
    trace_id: str = ""

    @property
    def service(self) -> str:
        """The service in the target's ARN: `sqs`, `sns`, `events`, `s3`, `kinesis`, `logs` or `lambda`."""
        return self.target.split(":")[2]


def invocation_record(outcome: Outcome) -> dict[str, Any]:
    """The record that a destination receives. An event that never reached the function has no response in it."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": timestamp(outcome.at),
        "requestContext": {
            "requestId": outcome.request_id,
            "functionArn": outcome.qualified_arn,
            "condition": outcome.condition.value,
            "approximateInvokeCount": outcome.attempts,
        },
        "requestPayload": _json(outcome.request_payload),
    }
    response = outcome.response
    if response is not None:
        context = {
            "statusCode": response.status,
            "executedVersion": response.executed_version,
            "functionError": response.function_error,
        }
        record["responseContext"] = {name: value for name, value in context.items() if value}
        if response.payload:
            record["responsePayload"] = _json(response.payload)
    return record


def to_destination(outcome: Outcome, target: str, unique: str) -> Outgoing:
    """The record of `outcome` as a message to `target`. `unique` makes a bucket's key one of its kind (a UUID)."""
    name = outcome.function_arn.rpartition(":")[2]
    moment = datetime.fromtimestamp(outcome.at, UTC)
    result = "Success" if outcome.condition is Condition.SUCCESS else "Failure"
    key = f"aws/lambda/async/{name}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{unique}"
    return Outgoing(
        target,
        json.dumps(invocation_record(outcome), separators=(",", ":"), ensure_ascii=False),
        key=key if target.startswith("arn:aws:s3:") else "",
        source="lambda",
        detail_type=f"Lambda Function Invocation Result - {result}",
        resources=(target, outcome.qualified_arn),
        at=outcome.at,
    )


def to_dead_letter_queue(outcome: Outcome, target: str) -> Outgoing:
    """The event alone, with the error in attributes: RequestID, ErrorCode (an HTTP status), ErrorMessage (up to 1 KB).

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
    """
    attributes = {"RequestID": ("String", outcome.request_id)}
    if outcome.response is not None:
        attributes["ErrorCode"] = ("Number", str(outcome.response.status))
    message = _error_message(outcome).encode()[:MAX_ERROR_MESSAGE_BYTES].decode(errors="ignore")
    if message:  # SQS and SNS refuse an attribute without a value.
        attributes["ErrorMessage"] = ("String", message)
    return Outgoing(target, outcome.request_payload.decode(errors="replace"), MappingProxyType(attributes))


def _error_message(outcome: Outcome) -> str:
    if outcome.condition is Condition.ZERO_RESERVED_CONCURRENCY:
        return "Function not invoked. Function is configured with zero reserved concurrent executions"
    if outcome.response is None:
        return "Function not invoked. The event exceeded its maximum age"
    if outcome.response.message:
        return outcome.response.message
    error = _json(outcome.response.payload) if outcome.response.payload else None
    return str(error.get("errorMessage") or "") if isinstance(error, dict) else ""


def _json(payload: bytes) -> Any:
    """The value of JSON text; text that is none stays text, so nothing of it is lost."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")
