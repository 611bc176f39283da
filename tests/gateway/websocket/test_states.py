"""The life of a connection."""

from __future__ import annotations

import pytest

from labhelpers.gateway.websocket.states import TRANSITIONS, IllegalTransition, State, follow


def test_connection_lives_once() -> None:
    """It opens, closes, and nothing follows the end."""
    state = State.CONNECTING
    for new in (State.OPEN, State.CLOSING, State.CLOSED):
        state = follow(state, new)
    assert TRANSITIONS[state] == frozenset()


@pytest.mark.parametrize(
    ("state", "new"),
    [
        (State.CONNECTING, State.CLOSING),
        (State.CLOSING, State.OPEN),
        (State.CLOSED, State.OPEN),
        (State.OPEN, State.CONNECTING),
    ],
)
def test_illegal_move_says_what_was_expected(state: State, new: State) -> None:
    """And what came."""
    with pytest.raises(IllegalTransition, match=f"after {state.value} comes .*, not {new.value}"):
        follow(state, new)
