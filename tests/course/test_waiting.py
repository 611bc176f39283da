"""Waiting for a condition with a deadline."""

from itertools import count

import pytest

from labhelpers.course.waiting import wait_for
from labhelpers.errors import LabError


def test_first_true_value_is_returned() -> None:
    """The condition is asked again until it says something true, and that is the answer."""
    numbers = count()
    assert wait_for(lambda: [] if next(numbers) < 3 else ["row"], "a row") == ["row"]
    assert next(numbers) == 4


def test_deadline_names_what_did_not_come() -> None:
    """Who waits in vain reads for what, and where to look."""
    with pytest.raises(LabError, match=r"waited 0.05 s for a row, in vain; lab\.journal\(\)"):
        wait_for(lambda: None, "a row", timeout_s=0.05)


def test_error_of_the_condition_is_not_hidden() -> None:
    """What goes wrong while asking is raised at once."""
    with pytest.raises(ZeroDivisionError):
        wait_for(lambda: 1 / 0, "nothing")
