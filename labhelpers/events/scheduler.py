"""What EventBridge Scheduler sends: the default notification, context attributes, and dead-letter messages. Pure.

AWS: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
     https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from labhelpers.model import Account

Attributes = dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a schedule: when it was due (epoch seconds), its id, and the number of this attempt, from 1."""

    schedule_arn: str
    due: float
    id: str
    attempt: int = 1

    @property
    def scheduled_time(self) -> str:
        """`2022-03-22T18:59:43Z`."""
        return f"{datetime.fromtimestamp(int(self.due), UTC):%Y-%m-%dT%H:%M:%SZ}"


def fill_in(text: str, execution: Execution) -> str:
    """A target's Input with Scheduler's context attributes replaced."""
    for name, value in (
        ("schedule-arn", execution.schedule_arn),
        ("scheduled-time", execution.scheduled_time),
        ("execution-id", execution.id),
        ("attempt-number", str(execution.attempt)),
    ):
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def default_notification(execution: Execution, account: Account, event_id: str) -> str:
    """What a target without Input receives. Its `detail` is a string."""
    return json.dumps(
        {
            "version": "0",
            "id": event_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account.id,
            "time": execution.scheduled_time,
            "region": account.region,
            "resources": [execution.schedule_arn],
            "detail": "{}",
        }
    )


def dead_letter_attributes(
    execution: Execution, target: str, *, code: str, message: str, exhausted: str
) -> Attributes:
    """The attributes of the message in the dead-letter queue; its body is the target's payload.

    `exhausted` is MaximumRetryAttempts, MaximumEventAgeInSeconds, or "" when another try would have been useless.
    """
    texts = {
        "ERROR_CODE": code,
        "ERROR_MESSAGE": message[:1024] or code,
        "EXECUTION_ID": execution.id,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(execution.attempt - 1),
        "SCHEDULED_TIME": execution.scheduled_time,
        "SCHEDULE_ARN": execution.schedule_arn,
        "TARGET_ARN": target,
    }
    if exhausted:
        texts["EXHAUSTED_RETRY_CONDITION"] = exhausted
    return {name: ("String", text) for name, text in texts.items()}
