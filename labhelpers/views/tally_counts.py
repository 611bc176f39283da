"""What is counted of each thing of the map, and what every reader of a journal's entries does with it; pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers.views.api_things import api_in
from labhelpers.views.shown_text import sendable
from labhelpers.views.things import CLIENT, EVENT, Link

RECENT = 8
LINE_MAX = 2_000  # As long as the journal keeps a line of a log.


@dataclass(slots=True)
class Count:
    """Of one thing. `arrived` is what came in, or was read of it; `again` what had to be tried again: batches of a
    stream, messages of a queue; `gone` the messages that a function was done with. Of an API's answers some tell the
    client (4XX) that it was wrong, some (5XX) that the API was.

    `running` and `waiting` are request ids, `environments` and `connections` the ids of those that are alive.
    `last_event` is what came last: a function's event as text, and what the journal knows of other things'.
    """

    done: int = 0
    failed: int = 0
    arrived: int = 0
    again: int = 0
    gone: int = 0
    last_failed: bool = False
    last_name: str = ""
    last_event: str | Mapping[str, Any] = ""
    last_failure: str = ""
    state: str = ""
    client_errors: int = 0
    server_errors: int = 0
    running: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    connections: set[str] = field(default_factory=set)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT))


@dataclass(frozen=True, slots=True)
class Failure:
    """The last thing that went wrong: when (epoch seconds), where (an id, or ""), and what it says."""

    at: float
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Move:
    """Something went along a link just now; `text` names it, if it has a name."""

    source: str
    target: str
    text: str = ""


class Counts:
    """The counts, the ways that things went, and the last failure; `tally` and `tally_apis` read entries into them."""

    def __init__(self) -> None:
        self.counts: dict[str, Count] = {}
        self.travelled: Counter[tuple[str, str]] = Counter()
        self.seen: dict[tuple[str, str], Link] = {}
        self.failure: Failure | None = None
        self._functions: dict[str, str] = {}
        self._failed_trace = ""

    def of(self, thing: str) -> Count:
        """The count of one thing."""
        return self.counts.setdefault(thing, Count())

    def total(self) -> Count:
        """All functions together."""
        whole = Count()
        for count in self.counts.values():
            whole.done += count.done
            whole.failed += count.failed
            whole.running |= count.running
            whole.waiting |= count.waiting
        return whole

    # --- For readers ---

    def _sent(self, source: str, target: str, text: str) -> Move:
        """An event; a queue, topic, bus or rule counts it."""
        if ":lambda:" not in target:
            self.of(target).arrived += 1
        return self._moved(source, target, EVENT, text)

    def _moved(self, source: str, target: str, kind: str, text: str) -> Move:
        self.travelled[source, target] += 1
        self.seen.setdefault((source, target), Link(source, target, kind))
        return Move(source, target, text)

    def _calling(self, detail: Mapping[str, Any]) -> str:
        """What a call came from; "" if something else in the journal tells it, or nothing does."""
        source = detail.get("source")
        if source == "apigateway":
            return api_in(str(detail.get("source_arn", "")))
        if source == "lambda-url":
            return CLIENT
        return self._caller(str(detail.get("principal", ""))) if source == "boto3" else ""

    def _caller(self, principal: str) -> str:
        """Who signed a call: a function, whose sessions are named after it, or else the client."""
        _, _, session = principal.replace("/", ":").rpartition(":")
        session = session.removesuffix("@lambda_function")  # AWS lengthens a name of one letter.
        by_role = "AROA" in principal or ":assumed-role/" in principal
        return self._functions.get(session, CLIENT) if by_role else CLIENT


def cut(text: str) -> str:
    """A text as long as is kept of it, and as it can be sent to a page."""
    text = sendable(text)
    return text if len(text) <= LINE_MAX else text[: LINE_MAX - 1] + "…"
