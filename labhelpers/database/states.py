"""The states of a DB instance, as RDS names them, and which may follow which; pure.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html#Overview.DBInstance.Status
"""

from __future__ import annotations

from enum import Enum

from labhelpers.errors import LabError


class State(Enum):
    """RDS's DBInstanceStatus."""

    CREATING = "creating"
    AVAILABLE = "available"
    MODIFYING = "modifying"
    REBOOTING = "rebooting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    STARTING = "starting"
    DELETING = "deleting"
    FAILED = "failed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.CREATING: frozenset({State.AVAILABLE, State.FAILED, State.DELETING}),
    # A PostgreSQL that is killed from outside is started again: rebooting, too.
    State.AVAILABLE: frozenset(
        {State.MODIFYING, State.REBOOTING, State.STOPPING, State.DELETING, State.FAILED}
    ),
    State.MODIFYING: frozenset({State.AVAILABLE, State.FAILED, State.DELETING}),
    State.REBOOTING: frozenset({State.AVAILABLE, State.FAILED, State.DELETING}),
    State.STOPPING: frozenset({State.STOPPED, State.FAILED, State.DELETING}),
    State.STOPPED: frozenset({State.STARTING, State.DELETING}),
    State.STARTING: frozenset({State.AVAILABLE, State.FAILED, State.DELETING}),
    State.FAILED: frozenset({State.DELETING}),
    State.DELETING: frozenset(),
}

SETTLED = frozenset({State.AVAILABLE, State.STOPPED, State.FAILED})


def check_transition(before: State, after: State) -> None:
    """LabError when `after` may not follow `before`: the lab's own mistake."""
    if after not in TRANSITIONS[before]:
        expected = ", ".join(sorted(state.value for state in TRANSITIONS[before])) or "nothing"
        raise LabError(f"a DB instance that is {before.value} became {after.value}; expected: {expected}")
