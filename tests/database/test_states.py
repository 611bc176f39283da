"""The states of a DB instance and the moves between them."""

import pytest

from labhelpers.database.states import SETTLED, TRANSITIONS, State, check_transition
from labhelpers.errors import LabError


def test_every_state_has_its_moves() -> None:
    """The table is complete, only deleting ends, and whatever is under way can come to rest."""
    assert set(TRANSITIONS) == set(State)
    assert [state for state, after in TRANSITIONS.items() if not after] == [State.DELETING]
    assert all(TRANSITIONS[state] & SETTLED for state in set(State) - SETTLED - {State.DELETING})


def test_every_state_but_one_may_be_deleted() -> None:
    """A learner can always get rid of an instance, a failed one included."""
    assert all(State.DELETING in TRANSITIONS[state] for state in set(State) - {State.DELETING})


def test_illegal_move_says_what_was_expected() -> None:
    """What came and what might have come."""
    with pytest.raises(LabError, match="that is stopped became rebooting; expected: deleting, starting"):
        check_transition(State.STOPPED, State.REBOOTING)
    check_transition(State.STOPPED, State.STARTING)
