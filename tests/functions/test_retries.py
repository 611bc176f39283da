"""When an event is tried again, as plain arithmetic."""

import itertools
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.events.destinations import Condition
from labhelpers.functions.retries import Again, GiveUp, after_failure, after_refusal


@dataclass
class Settings:
    max_age_s: int = 21_600
    max_retries: int = 2


def test_failures_wait_one_then_two_minutes() -> None:
    """A function's error is tried again after 60 s and 120 s, and then no more."""
    assert after_failure(1, 0, Settings()) == Again(60)
    assert after_failure(2, 61, Settings()) == Again(120)
    assert after_failure(3, 182, Settings()) == GiveUp(Condition.RETRIES_EXHAUSTED)


def test_number_of_retries_is_a_setting() -> None:
    """MaximumRetryAttempts 0 gives up after the first failure, 1 after the second."""
    assert after_failure(1, 0, Settings(max_retries=0)) == GiveUp(Condition.RETRIES_EXHAUSTED)
    assert after_failure(1, 0, Settings(max_retries=1)) == Again(60)
    assert after_failure(2, 60, Settings(max_retries=1)) == GiveUp(Condition.RETRIES_EXHAUSTED)


def test_retry_beyond_the_maximum_age_is_not_waited_for() -> None:
    """An event that would be too old at its next try is given up at once (recorded on AWS)."""
    assert after_failure(1, 0, Settings(max_age_s=60)) == GiveUp(Condition.EVENT_AGE_EXCEEDED)
    assert after_failure(1, 0, Settings(max_age_s=61)) == Again(60)


def test_refusals_double_from_one_second_to_five_minutes() -> None:
    """Throttles and system errors wait 1, 2, 4 ... and never more than 300 s."""
    waits = [after_refusal(n, 0, Settings()) for n in range(1, 12)]
    assert waits == [Again(s) for s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300)]


@given(st.integers(60, 21_600))
def test_refused_event_is_kept_until_its_age(max_age_s: int) -> None:
    """Whatever the maximum age, refusals end, the last try is within it, and it is used up but for one wait."""
    age = 0.0
    for n in itertools.count(1):
        verdict = after_refusal(n, age, Settings(max_age_s=max_age_s))
        if isinstance(verdict, GiveUp):
            break
        age += verdict.seconds
        assert age < max_age_s
    assert verdict == GiveUp(Condition.EVENT_AGE_EXCEEDED)
    assert age + 300 >= max_age_s or age * 2 + 1 >= max_age_s
