"""Execution environments over time: what the journal tells, how it is laid out, and the view that shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from labhelpers.views.environments import Environments
from labhelpers.views.environments_data import DRAWN_MAX, build_picture, picture_text
from labhelpers.views.environments_lanes import LANES_MAX, SPANS_MAX, Timeline
from labhelpers.views.environments_svg import environments_svg
from labhelpers.views.environments_time import FOLDS_MAX, TimeAxis
from tests.views.accounts import COPIER, WRITER
from tests.views.test_feed import FakeLab
from tests.views.test_live_map import Watch, write

T0 = 1.7e9


class Story:
    """Entries of a journal at times of the test's choice, in seconds."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def __call__(self, at: float, kind: str, resource: str = COPIER, **detail: Any) -> None:
        entry = {"seq": len(self.entries) + 1, "at": T0 + at, "kind": kind, "resource": resource}
        self.entries.append({**entry, "request_id": "r", "trace_id": "", "detail": detail})

    def state(self, at: float, environment: str, state: str, provisioned: bool = False) -> None:
        """An environment comes into a state."""
        arn = f"{COPIER}:$LATEST"
        self(at, "environment.state", arn, environment=environment, state=state, provisioned=provisioned)

    def call(self, at: float, until: float, environment: str, cold: bool = False, error: str = "") -> None:
        """A call from `at` to `until`."""
        self(at, "invoke.started", environment=environment, cold=cold)
        status = "error" if error else "success"
        self(until, "invoke.ended", environment=environment, status=status, error_type=error)

    def timeline(self, *functions: str) -> Timeline:
        """What a view makes of it."""
        made = Timeline(functions)
        made.add_all(self.entries)
        return made


def life() -> Story:
    """INIT, a call, a pause, a call that crashes, a new INIT and call, the end."""
    story = Story()
    story.state(0.0, "e1", "INIT")
    story.call(0.2, 0.3, "e1", cold=True)
    story.call(0.5, 0.6, "e1", error="Runtime.ExitError")
    story.state(0.6, "e1", "RESET")
    story.state(0.8, "e1", "INIT")
    story.call(0.9, 1.0, "e1", cold=True)
    story.state(1.2, "e1", "ENDED")
    return story


def test_lane_tells_a_life() -> None:
    """INIT, busy, frozen and reset follow without gaps, to the end."""
    timeline = life().timeline()
    (lane,) = timeline.lanes.values()
    spans = list(lane.stretches(T0 + 9))
    assert [span.kind for span in spans] == [
        *("init", "busy", "frozen", "busy", "reset", "init", "busy", "frozen"),
    ]
    assert all(one.end == two.start for one, two in pairwise(spans))
    assert spans[-1].end == lane.ended == T0 + 1.2
    assert [span.failure for span in spans if span.failure] == ["Runtime.ExitError"]
    assert (lane.calls, lane.cold, lane.failed) == (3, 2, 1)


def test_picture_in_words() -> None:
    """One sentence for all, a line for each; throttles with their reason."""
    story = life()
    story(1.3, "invoke.throttled", reason="TooMany")
    text = picture_text(build_picture(story.timeline("copier"), T0 + 2))
    assert text.splitlines() == [
        "Execution environments of copier",
        "1 environment, 0 running, 1 ended; 3 calls, 2 cold; up to 1 at once; 1 throttled (TooMany 1)",
        "  copier 1 (e1): INIT 300 ms; busy 300 ms; frozen 400 ms; 3 calls, 2 cold, 1 failed; ended",
    ]


def test_other_functions_have_no_lane() -> None:
    """Unless none is named: then all have."""
    story = Story()
    story.call(0, 1, "e1")
    story(2, "invoke.started", WRITER, environment="e2", cold=True)
    assert list(story.timeline("copier").lanes) == ["e1"]
    assert [lane.name for lane in story.timeline().lanes.values()] == ["copier 1", "writer 1"]
    assert "nobody has called" in build_picture(story.timeline("stranger"), T0).summary


def test_curve_counts_what_runs_at_once() -> None:
    """Calls and the INITs that calls wait for; a provisioned environment's INIT has no call."""
    story = Story()
    story.state(0, "p", "INIT", provisioned=True)
    story.state(1, "p", "IDLE")
    story.state(1, "e1", "INIT")
    story.call(2, 4, "e1", cold=True)
    story.call(3, 4, "p")
    picture = build_picture(story.timeline(), T0 + 4)
    assert picture.most == 2
    assert [(round(x0, 2), round(x1, 2), count) for x0, x1, count in picture.curve] == [
        (0.25, 0.75, 1),
        (0.75, 1.0, 2),
    ]
    assert "copier 1 (p): provisioned; INIT 1.0 s" in picture.rows[0].text


def test_what_runs_goes_on_with_the_clock() -> None:
    """A call without an end reaches to now; when all rests, the picture ends with the last that happened."""
    story = Story()
    story(0, "invoke.started", environment="e1", cold=False)
    timeline = story.timeline()
    assert timeline.is_running
    assert "busy 7.0 s; 1 call, 0 cold; now busy" in build_picture(timeline, T0 + 7).rows[0].text
    story(1, "invoke.ended", environment="e1", status="success")
    timeline.add_all(story.entries[-1:])
    assert not timeline.is_running
    assert build_picture(timeline, T0 + 7) == build_picture(timeline, T0 + 99)


def test_long_wait_is_folded() -> None:
    """An hour between two calls of a second takes no more room than its label needs."""
    axis = TimeAxis([(T0, T0 + 1), (T0 + 3601, T0 + 3602)], T0 + 3602)
    (fold,) = axis.folds
    assert (fold.label, round(fold.x0, 2), round(fold.x1, 2)) == ("60 min", 0.47, 0.53)
    assert axis.x(T0 + 0.5) == pytest.approx(0.235)
    assert axis.x(T0 + 3601.5) == pytest.approx(0.765)
    labels = [tick.label for tick in axis.ticks()]
    assert labels[0] == "0.0 s" and labels[-1].startswith("60 min 1.")
    assert not any(fold.x0 < tick.x < fold.x1 for tick in axis.ticks())


def test_short_wait_keeps_its_length() -> None:
    """A second between two calls is seen as a second."""
    axis = TimeAxis([(T0, T0 + 1), (T0 + 2, T0 + 3)], T0 + 4)
    assert axis.folds == []
    assert [axis.x(T0 + second) for second in range(5)] == [0, 0.25, 0.5, 0.75, 1]


def test_one_moment_is_an_axis_too() -> None:
    """A throttle and nothing else."""
    story = Story()
    story(0, "invoke.throttled", reason="ReservedFunctionConcurrentInvocationLimitExceeded")
    picture = build_picture(story.timeline(), T0 + 1)
    assert (len(picture.throttles), picture.rows, picture.most) == (1, (), 0)


def test_memory_is_bounded() -> None:
    """The oldest lanes and stretches are let go; all calls stay counted; what is drawn stays small."""
    story = Story()
    for number in range(2 * LANES_MAX):
        story.state(number, f"e{number}", "INIT")
        story.call(number, number + 0.5, f"e{number}", cold=True)
    for number in range(2 * SPANS_MAX):
        story.call(2000 + number * 1e-3, 2000 + number * 1e-3 + 5e-4, "e599")
    timeline = story.timeline()
    assert (len(timeline.lanes), timeline.left_out) == (LANES_MAX, LANES_MAX)
    assert sum(len(lane.spans) for lane in timeline.lanes.values()) <= SPANS_MAX
    picture = build_picture(timeline, T0)
    assert len(picture.rows) == DRAWN_MAX
    assert picture.left_out == 2 * LANES_MAX - DRAWN_MAX
    assert sum(len(row.bars) for row in picture.rows) < 8_000
    assert timeline.lanes["e599"].calls == 2 * SPANS_MAX + 1


def test_svg_has_the_words_and_the_marks() -> None:
    """It is well-formed, whatever a function is called; failures and the end have marks of their own."""
    story = life()
    story(1.3, "invoke.throttled", reason="<script>")
    picture = build_picture(story.timeline(), T0 + 2)
    drawn = environments_svg(picture)
    root = ElementTree.fromstring(drawn)
    texts = [node.text for node in root.iter() if node.text]
    assert "×" in texts and "▲" in texts and "copier 1" in texts
    assert not [node for node in root.iter() if node.tag.endswith("script")]
    assert picture_text(picture) in texts


@pytest.fixture
def lab() -> Iterator[FakeLab]:
    """A lab that ends with the test."""
    made = FakeLab()
    yield made
    made.end()


def test_thousands_of_waits_and_failures_make_no_large_picture() -> None:
    """Neighbouring folds are drawn as one, with all that was waited, and failures at one place as one cross."""
    story = Story()
    for number in range(4_001):
        story.call(number * 60.0, number * 60.0 + 0.01, "e1", error="Runtime.ExitError")
    picture = build_picture(story.timeline(), T0 + 1)
    assert len(picture.folds) == FOLDS_MAX
    assert {fold.label for fold in picture.folds} == {"100 min"}
    (row,) = picture.rows
    assert len(row.bars) < 1_000
    assert len([bar for bar in row.bars if bar.failed]) > 100
    assert all(a.x1 <= b.x0 for a, b in pairwise(picture.folds))


def test_view_follows_the_journal(lab: FakeLab) -> None:
    """What happened before it was made is there, what comes is added, and close ends all."""
    story = life()
    write(lab, story.entries[:2])
    view = Environments(lab, "copier")
    assert "1 environment, 1 running" in view.picture["summary"]
    watch = Watch(view, "picture")
    write(lab, story.entries[2:])
    watch.until(lambda: "3 calls, 2 cold" in view.picture["summary"])
    assert view.to_html().startswith("<img src=")
    view.close()
    assert lab.streams[0].closed.is_set()


def test_view_leaves_no_thread_after_a_thousand_updates(lab: FakeLab) -> None:
    """It draws in batches: fewer pictures than entries."""
    before = set(threading.enumerate())
    view = Environments(lab)
    drawn: list[object] = []
    view.observe(drawn.append, names="picture")
    watch = Watch(view, "picture")
    story = Story()
    for number in range(1000):
        story.call(number * 0.01, number * 0.01 + 0.005, "e1")
    write(lab, story.entries)
    watch.until(lambda: "1,000 calls" in view.picture["summary"])
    assert len(drawn) < 200
    view.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]


def test_view_stays_when_the_lab_ends(lab: FakeLab) -> None:
    """With what it has, and says so."""
    view = Environments(lab)
    watch = Watch(view, "state")
    lab.end()
    watch.until(lambda: view.state == "ended")
    view.close()
