"""What the environments of functions did, read from the journal's entries: gathered in bounded memory; pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LANES_MAX, SPANS_MAX = 300, 8_000

INIT, BUSY, FROZEN, RESET = "init", "busy", "frozen", "reset"


@dataclass(slots=True)
class Span:
    """A stretch of an environment's life, in epoch seconds; `end` is None while it lasts. `failure`: how it ended."""

    kind: str
    start: float
    end: float | None = None
    failure: str = ""


@dataclass(slots=True)
class Lane:
    """One execution environment. `spans` are INIT, busy and RESET; between them it is frozen."""

    id: str
    function: str
    number: int
    provisioned: bool = False
    spans: list[Span] = field(default_factory=list)
    calls: int = 0
    cold: int = 0
    failed: int = 0
    ended: float | None = None

    @property
    def name(self) -> str:
        """The function's name, and which of its environments this is."""
        return f"{self.function} {self.number}"

    @property
    def is_running(self) -> bool:
        """Whether it is in INIT or busy."""
        return (
            self.ended is None
            and bool(self.spans)
            and self.spans[-1].end is None
            and self.spans[-1].kind != RESET
        )

    def begin(self, kind: str, at: float) -> None:
        """A new stretch; the one before it is over."""
        self.close(at)
        self.spans.append(Span(kind, at))

    def close(self, at: float) -> None:
        """The stretch that lasts, if any, is over."""
        if self.spans and self.spans[-1].end is None:
            self.spans[-1].end = at

    def stretches(self, now: float) -> Iterator[Span]:
        """All of its life up to `now`, frozen stretches too, without gaps."""
        last = None
        for span in self.spans:
            if last is not None and span.start > last:
                yield Span(FROZEN, last, span.start)
            last = span.end if span.end is not None else self.ended or now
            yield Span(span.kind, span.start, last, span.failure)
        until = self.ended or now
        if last is not None and until > last:
            yield Span(FROZEN, last, until)


class Timeline:
    """The environments of these functions (none named: of all), as the journal's entries tell of them."""

    def __init__(self, functions: Sequence[str] = ()) -> None:
        self.functions = tuple(functions)
        self.lanes: dict[str, Lane] = {}
        self.throttles: deque[tuple[float, str]] = deque(maxlen=SPANS_MAX)
        self.throttled: Counter[str] = Counter()
        self.left_out = 0
        self.last = 0.0
        self._made: Counter[str] = Counter()
        self._spans = 0

    @property
    def is_running(self) -> bool:
        """Whether anything is in INIT or busy: then the picture moves with the clock."""
        return any(lane.is_running for lane in self.lanes.values())

    def add_all(self, entries: Iterable[Mapping[str, Any]]) -> bool:
        """Take these entries; returns whether there was anything in them."""
        taken = False
        for entry in entries:
            take = _TAKERS.get(entry["kind"])
            parts = str(entry["resource"]).split(":")
            if take is None or len(parts) < 7 or (self.functions and parts[6] not in self.functions):
                continue
            take(self, parts[6], entry)
            self.last = max(self.last, entry["at"])
            taken = True
        return taken

    def _state(self, function: str, entry: Mapping[str, Any]) -> None:
        detail, at = entry["detail"], entry["at"]
        lane = self._lane(function, detail["environment"])
        lane.provisioned = lane.provisioned or bool(detail.get("provisioned"))
        if detail["state"] == "INIT":
            self._begin(lane, INIT, at)
        elif detail["state"] == "RESET":
            self._begin(lane, RESET, at)
        elif detail["state"] == "ENDED":
            lane.close(at)
            lane.ended = at
        else:
            lane.close(at)

    def _started(self, function: str, entry: Mapping[str, Any]) -> None:
        lane = self._lane(function, entry["detail"]["environment"])
        lane.calls += 1
        lane.cold += bool(entry["detail"]["cold"])
        self._begin(lane, BUSY, entry["at"])

    def _ended(self, function: str, entry: Mapping[str, Any]) -> None:
        detail = entry["detail"]
        lane = self._lane(function, detail["environment"])
        lane.close(entry["at"])
        if detail["status"] != "success":
            lane.failed += 1
            if lane.spans:
                lane.spans[-1].failure = detail.get("error_type") or detail["status"]

    def _throttled(self, function: str, entry: Mapping[str, Any]) -> None:
        self.throttles.append((entry["at"], entry["detail"]["reason"]))
        self.throttled[entry["detail"]["reason"]] += 1

    def _begin(self, lane: Lane, kind: str, at: float) -> None:
        lane.begin(kind, at)
        self._spans += 1
        if self._spans > SPANS_MAX:
            for other in self.lanes.values():
                other.spans = other.spans[len(other.spans) // 2 :]
            self._spans = sum(len(other.spans) for other in self.lanes.values())

    def _lane(self, function: str, environment: str) -> Lane:
        lane = self.lanes.get(environment)
        if lane is None:
            self._made[function] += 1
            lane = self.lanes[environment] = Lane(environment, function, self._made[function])
            if len(self.lanes) > LANES_MAX:
                oldest = next(
                    (found for found in self.lanes.values() if found.ended), next(iter(self.lanes.values()))
                )
                self._spans -= len(self.lanes.pop(oldest.id).spans)
                self.left_out += 1
        return lane


_TAKERS = {
    "environment.state": Timeline._state,
    "invoke.started": Timeline._started,
    "invoke.ended": Timeline._ended,
    "invoke.throttled": Timeline._throttled,
}
