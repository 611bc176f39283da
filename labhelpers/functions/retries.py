"""When an asynchronous event is tried again, and when it is given up. Pure; called by `functions.asynchronous`.

- The function's own errors (exceptions, timeouts, crashes): at most `max_retries` more tries, after 60 s, then 120 s.
- Throttles and system errors cost no try: they are repeated after 1, 2, 4 ... 300 s while the event is young enough.
- No try begins after the event's maximum age: if the next one would, the event is given up at once.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from labhelpers.events.destinations import Condition

FIRST_RETRY_S = 60.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 300.0


class RetrySettings(Protocol):
    """The part of a function's event invoke config that decides about retries."""

    @property
    def max_age_s(self) -> int:
        """MaximumEventAgeInSeconds: 60 to 21,600."""

    @property
    def max_retries(self) -> int:
        """MaximumRetryAttempts: 0 to 2."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `seconds` of lab time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The event leaves the queue unprocessed."""

    condition: Condition


def after_failure(attempts: int, age_s: float, settings: RetrySettings) -> Again | GiveUp:
    """What follows the `attempts`-th failed run of the function, for an event of `age_s` seconds."""
    if attempts > settings.max_retries:
        return GiveUp(Condition.RETRIES_EXHAUSTED)
    return _within_age(FIRST_RETRY_S * attempts, age_s, settings)


def after_refusal(refusals: int, age_s: float, settings: RetrySettings) -> Again | GiveUp:
    """What follows the `refusals`-th throttle or system error in a row."""
    wait_s = FIRST_BACKOFF_S * 2.0 ** min(refusals - 1, 16)
    return _within_age(min(wait_s, LONGEST_BACKOFF_S), age_s, settings)


def _within_age(wait_s: float, age_s: float, settings: RetrySettings) -> Again | GiveUp:
    if age_s + wait_s >= settings.max_age_s:
        return GiveUp(Condition.EVENT_AGE_EXCEEDED)
    return Again(wait_s)
