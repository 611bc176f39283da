"""What became of asynchronous events, read from a lab's journal: nothing that was accepted may be missing here.

Called by notebooks; reads `Lab.journal`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from labhelpers.lab import Lab

PENDING, SUCCEEDED, DROPPED, REPORTED = "pending", "succeeded", "dropped", "reported"


@dataclass(slots=True)
class EventOutcome:
    """One event that Lambda has accepted. `tries` counts the runs that began; `last_error` is empty if none failed.

    `outcome`: pending until the function returns (succeeded) or the event is given up (dropped), and its report is at
    a destination or dead-letter queue (reported).
    """

    function: str
    request_id: str
    tries: int = 0
    outcome: str = PENDING
    last_error: str = ""


def read_outcomes(entries: Iterable[Mapping[str, Any]]) -> list[EventOutcome]:
    """The events that `entries` of a journal tell of, in the order in which they were accepted. Pure."""
    events: dict[str, EventOutcome] = {}
    for entry in entries:
        kind, request_id, detail = entry["kind"], entry["request_id"], entry["detail"]
        if kind == "invoke.queued":
            name = entry["resource"].split(":function:")[-1]
            events[request_id] = EventOutcome(name, request_id)
        elif event := events.get(request_id):
            _take(event, kind, detail)
    return list(events.values())


def _take(event: EventOutcome, kind: str, detail: Mapping[str, Any]) -> None:
    if kind == "invoke.attempt":
        event.tries += 1
    elif kind == "invoke.retry_in":
        event.last_error = detail["reason"]
    elif kind == "invoke.ended" and detail["status"] == "success":
        event.outcome = SUCCEEDED
    elif kind == "invoke.dropped":
        event.outcome = DROPPED
    elif kind == "invoke.delivered" and event.outcome == DROPPED:
        event.outcome = REPORTED


def event_outcomes(lab: Lab, since: int = 0) -> pd.DataFrame:
    """A table of all asynchronous events that Lambda has accepted after entry `since` of the lab's journal.

    Columns: function, request_id, tries, outcome (pending, succeeded, dropped, reported) and last_error.
    """
    import pandas as pd

    outcomes = read_outcomes(lab.journal(since=since, kind="invoke."))
    return pd.DataFrame(outcomes, columns=list(EventOutcome.__dataclass_fields__))
