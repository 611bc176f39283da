"""The life of a connection: its states, and which may follow which. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where a connection is. @connections knows it only while it is OPEN."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.CONNECTING: frozenset({State.OPEN, State.CLOSED}),
    State.OPEN: frozenset({State.CLOSING, State.CLOSED}),
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class IllegalTransition(Exception):
    """A state was left for one that cannot follow it."""


def follow(state: State, new: State) -> State:
    """`new`, if it may follow `state`. IllegalTransition says what might."""
    if new not in TRANSITIONS[state]:
        expected = ", ".join(sorted(each.value for each in TRANSITIONS[state])) or "nothing"
        raise IllegalTransition(f"after {state.value} comes {expected}, not {new.value}")
    return new
