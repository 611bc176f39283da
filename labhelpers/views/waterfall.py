"""`draw_waterfall`: who waited for whom; from the journal, a bar for each call of a function and request to an API.

A notebook imports it from `labhelpers`. `build_bars` is pure; the chart is drawn by `draw_chart`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labhelpers.views.chart import DrawnChart, draw_chart

if TYPE_CHECKING:
    from labhelpers.lab import Lab

_GOOD, _BAD = "#4c8bd6", "#d9822b"
_BAR_PX = 18
_NUMBER_LENGTH = len("0000 ")


@dataclass(frozen=True, slots=True)
class Bar:
    """One wait or one run; times in seconds since the first bar began."""

    who: str
    start_s: float
    end_s: float
    result: str
    good: bool


def build_bars(entries: Iterable[Mapping[str, Any]]) -> tuple[Bar, ...]:
    """The bars of a journal's entries, in the order in which they began; what has not ended goes to the last entry."""
    found: list[Bar] = []
    running: dict[str, tuple[str, float]] = {}
    last = 0.0
    for entry in entries:
        at, detail, request_id = entry["at"], entry["detail"], entry["request_id"]
        last = max(last, at)
        if entry["kind"] == "gateway.request":
            path, status = detail["path"], detail["status"]
            who = f"client, {detail['method']} {path}"
            found.append(Bar(who, at - detail["latency_ms"] / 1000, at, f"HTTP {status}", status < 400))
        elif entry["kind"] == "invoke.started":
            running[request_id] = (f"function {entry['resource'].split(':')[6]}", at)
        elif entry["kind"] == "invoke.ended" and request_id in running:
            who, began = running.pop(request_id)
            found.append(Bar(who, began, at, detail["status"], detail["status"] == "success"))
    found += [Bar(who, began, last, "still running", good=True) for who, began in running.values()]
    zero = min((bar.start_s for bar in found), default=0.0)
    shifted = [Bar(b.who, b.start_s - zero, b.end_s - zero, b.result, b.good) for b in found]
    return tuple(sorted(shifted, key=lambda bar: bar.start_s))


def draw_waterfall(lab: Lab, since: int, description: str) -> DrawnChart:
    """The waterfall of all that the journal has after entry `since`. `description` says in words what it shows."""
    import altair as alt
    import pandas as pd

    bars = build_bars(lab.journal(since=since))
    data = pd.DataFrame([asdict(bar) | {"row": _label(number, bar)} for number, bar in enumerate(bars)])
    base = alt.Chart(data, width=420, height=alt.Step(_BAR_PX + 12))
    # The axis names a bar's result too: its letters follow the notebook's theme, those of a text mark do not.
    axis = alt.Axis(labelExpr=f"slice(datum.value, {_NUMBER_LENGTH})", labelLimit=400, labelFontSize=12)
    drawn = base.mark_bar(size=_BAR_PX).encode(
        alt.X("start_s:Q", title="seconds"),
        alt.X2("end_s:Q"),
        alt.Y("row:N", sort=None, title=None, axis=axis),
        color=alt.condition("datum.good", alt.value(_GOOD), alt.value(_BAD)),
    )
    return draw_chart(drawn, description)


def _label(number: int, bar: Bar) -> str:
    """A row's name, with a number before it that makes it unique and that the axis leaves out."""
    return f"{number:04} {bar.who}: {bar.end_s - bar.start_s:.2f} s, {bar.result}"
