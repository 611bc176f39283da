"""Events that a target did not get: EventBridge's codes for why, and what its dead-letter queue is told. Pure.

Called by `triggers.event_bus`. AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

from __future__ import annotations

from collections.abc import Mapping

from labhelpers.errors import AwsError
from labhelpers.events.eventbridge_rules import Rule, Target

Attributes = Mapping[str, tuple[str, str]]


class Undeliverable(Exception):
    """A target cannot take the event, now or later: `code` is EventBridge's, the text says why and what would help."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def code_of(error: AwsError) -> str:
    """EventBridge's own code for what a target answered."""
    if error.status == 429:
        return "THROTTLING"
    if (
        error.status == 404
        or "NotFound" in error.code
        or "NonExistent" in error.code
        or "NotExist" in error.code
    ):
        return "NO_RESOURCE"
    if error.status == 403 or "AccessDenied" in error.code:
        return "NO_PERMISSIONS"
    return "ERROR_FROM_TARGET"


def dead_letter_attributes(
    rule: Rule, target: Target, code: str, why: str, retries: int, ended: str
) -> Attributes:
    """The attributes of a message in the dead-letter queue; `ended` is the limit that ended the attempts, or empty."""
    found = {
        "RULE_ARN": rule.arn,
        "TARGET_ARN": target.arn,
        "ERROR_CODE": code,
        "ERROR_MESSAGE": why,
        "RETRY_ATTEMPTS": str(retries),
        **({"EXHAUSTED_RETRY_CONDITION": ended} if ended else {}),
    }
    return {name: ("String", value) for name, value in found.items()}
