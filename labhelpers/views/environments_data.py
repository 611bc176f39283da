"""The picture of what the environments of functions did: all places in it are shares of the width; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labhelpers.views.environments_lanes import BUSY, FROZEN, INIT, RESET, Lane, Span, Timeline
from labhelpers.views.environments_time import Fold, Interval, Tick, TimeAxis, length_text

DRAWN_MAX = 100
_BARS_MAX = 4_000
_CURVE_STEPS = 240


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch as it is drawn, from `x0` to `x1`; `failed` puts a cross at its end."""

    kind: str
    x0: float
    x1: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A lane as it is drawn. `ended` is where, below 0 if it lives; `text` says all in words."""

    name: str
    text: str
    bars: tuple[Bar, ...]
    ended: float


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn. `curve` is how many calls ran from `x0` to `x1`; `throttles` how many were refused at `x`."""

    title: str
    summary: str
    rows: tuple[Row, ...]
    left_out: int
    ticks: tuple[Tick, ...]
    folds: tuple[Fold, ...]
    curve: tuple[tuple[float, float, int], ...]
    throttles: tuple[tuple[float, int], ...]
    most: int

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self)


def build_picture(timeline: Timeline, now: float) -> Picture:
    """The picture at `now`; what has come to rest ends with the last thing that happened."""
    title = f"Execution environments of {', '.join(timeline.functions) or 'all functions'}"
    lanes = list(timeline.lanes.values())
    end = max(now, timeline.last) if timeline.is_running else timeline.last
    throttles = list(timeline.throttles)
    if not lanes and not throttles:
        return Picture(title, "No environment yet: nobody has called.", (), 0, (), (), (), (), 0)
    lives = {lane.id: list(lane.stretches(end)) for lane in lanes}
    running = [_interval(span) for lane in lanes for span in lives[lane.id] if span.kind in (INIT, BUSY)]
    counted = [
        _interval(span)
        for lane in lanes
        for span in lives[lane.id]
        if span.kind == BUSY or (span.kind == INIT and not lane.provisioned)
    ]
    marks = [*((at, at) for at, _ in throttles), *((lane.ended, lane.ended) for lane in lanes if lane.ended)]
    axis = TimeAxis([*running, *marks], end)
    drawn = lanes[-DRAWN_MAX:]
    narrow = max(0.0015, len(drawn) / _BARS_MAX)
    rows = tuple(
        Row(
            lane.name,
            lane_text(lane, lives[lane.id]),
            tuple(_bars(lives[lane.id], axis, narrow)),
            round(axis.x(lane.ended), 4) if lane.ended else -1.0,
        )
        for lane in drawn
    )
    refused = Counter(round(axis.x(at) * _CURVE_STEPS) / _CURVE_STEPS for at, _ in throttles)
    curve, most = _curve(counted, axis)
    return Picture(
        title,
        summary(timeline, most),
        rows,
        len(lanes) - len(drawn) + timeline.left_out,
        tuple(axis.ticks()),
        tuple(axis.folds),
        curve,
        tuple(sorted((round(x, 4), number) for x, number in refused.items())),
        most,
    )


def _interval(span: Span) -> Interval:
    assert span.end is not None  # A lane's stretches all have an end.
    return span.start, span.end


def _bars(spans: Iterable[Span], axis: TimeAxis, narrow: float) -> Iterator[Bar]:
    """What is narrower than can be seen is drawn so wide, and takes in what else would lie there."""
    covered = crossed = -1.0
    for span in spans:
        start, end = _interval(span)
        x0, x1 = axis.x(start), axis.x(end)
        if span.kind in (FROZEN, RESET):
            x0 = max(x0, covered)
            if x1 - x0 < narrow:
                continue
        elif x1 <= covered and not (span.failure and x1 > crossed + narrow):
            continue
        else:
            x1 = min(max(x1, x0 + narrow), 1.0)
            x0 = min(x0, 1.0 - narrow)
            covered = x1
            crossed = x1 if span.failure else crossed
        yield Bar(span.kind, round(x0, 4), round(x1, 4), bool(span.failure))


def _curve(intervals: Sequence[Interval], axis: TimeAxis) -> tuple[tuple[tuple[float, float, int], ...], int]:
    """How many intervals lie over each stretch of the axis, the highest of each step, and the highest of all."""
    changes: Counter[float] = Counter()
    for since, until in intervals:
        changes[since] += 1
        changes[until] -= 1
    steps = [0] * _CURVE_STEPS
    count = most = 0
    times = sorted(changes)
    for i, time in enumerate(times):
        count += changes[time]
        most = max(most, count)
        first = min(int(axis.x(time) * _CURVE_STEPS), _CURVE_STEPS - 1)
        last = min(int(axis.x(times[min(i + 1, len(times) - 1)]) * _CURVE_STEPS - 1e-9), _CURVE_STEPS - 1)
        for step in range(first, max(first, last) + 1):
            steps[step] = max(steps[step], count)
    found: list[tuple[float, float, int]] = []
    for step, height in enumerate(steps):
        x0, x1 = round(step / _CURVE_STEPS, 4), round((step + 1) / _CURVE_STEPS, 4)
        if found and found[-1][2] == height:
            found[-1] = (found[-1][0], x1, height)
        else:
            found.append((x0, x1, height))
    return tuple(piece for piece in found if piece[2]), most


def lane_text(lane: Lane, spans: Iterable[Span]) -> str:
    """One environment in words."""
    lengths: dict[str, float] = defaultdict(float)
    for span in spans:
        start, end = _interval(span)
        lengths[span.kind] += end - start
    parts = ["provisioned"] if lane.provisioned else []
    parts += [f"{label} {length_text(lengths[kind])}" for kind, label in _LENGTHS if kind in lengths]
    parts.append(
        f"{_many(lane.calls, 'call')}, {lane.cold} cold" + f", {lane.failed} failed" * bool(lane.failed)
    )
    parts.append(_now(lane))
    return f"{lane.name} ({lane.id[:8]}): {'; '.join(parts)}"


def _now(lane: Lane) -> str:
    if lane.ended is not None:
        return "ended"
    lasting = lane.spans[-1] if lane.spans and lane.spans[-1].end is None else None
    return _STATES[lasting.kind] if lasting else "now frozen"


_LENGTHS = ((INIT, "INIT"), (BUSY, "busy"), (FROZEN, "frozen"))
_STATES = {INIT: "now in INIT", BUSY: "now busy", RESET: "now reset: the next call starts it again"}


def summary(timeline: Timeline, most: int) -> str:
    """All environments in one sentence."""
    lanes = timeline.lanes.values()
    made = len(lanes) + timeline.left_out
    ended = sum(lane.ended is not None for lane in lanes) + timeline.left_out
    busy = sum(lane.is_running for lane in lanes)
    calls, cold = sum(lane.calls for lane in lanes), sum(lane.cold for lane in lanes)
    text = f"{_many(made, 'environment')}, {busy} running, {ended} ended"
    text += f"; {_many(calls, 'call')}, {cold} cold; up to {most} at once"
    refused = sum(timeline.throttled.values())
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in timeline.throttled.items())
    return f"{text}; {refused:,} throttled ({reasons})" if refused else f"{text}; none throttled"


def _many(number: int, word: str) -> str:
    return f"{number:,} {word}" + "s" * (number != 1)


def picture_text(picture: Picture) -> str:
    """The picture in words, a line for each environment that is drawn."""
    lines = [picture.title, picture.summary, *(f"  {row.text}" for row in picture.rows)]
    if picture.left_out:
        lines.append(f"  and {picture.left_out} earlier ones")
    return "\n".join(lines)
