"""No view leaks: after a thousand updates more it is as large as before, and a closed one is gone with all it had."""

from __future__ import annotations

import gc
import json
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import comm
import pytest
from ipywidgets.widgets import widget as widgets

import labhelpers
from labhelpers import Gauges
from labhelpers.views.feed import feed_of
from labhelpers.views.view import View
from tests.conftest import wait_for
from tests.views.test_gauges import Reader as GaugesReader
from tests.views.updates import FOLLOWING, MAKERS, SHOW, UPDATES, PassingLab, busy_moment, do_without_aws

UPDATES_EACH = 1_000
BYTES_MAX = 40_000  # A name kept of each update is twice that.
OBJECTS_MAX = 500
# What is kept on purpose, made so small that a thousand updates fill it.
KEPT = {
    "logs.KEPT_LINES": 300,
    "api_console.KEPT_ENTRIES": 300,
    "trace_data.MOST_TRACES": 20,
    "trace_data.MOST_ENTRIES": 50,
    "trace_data.MOST_NAMES": 100,
    "environments_lanes.LANES_MAX": 50,
    "environments_lanes.SPANS_MAX": 300,
    "gauges_clock._KEPT": 100,
    "gauges_buckets._KEPT": 100,
    "gauges_weights._ENVIRONMENTS": 100,
    "gauges_retry_list._SEEN": 100,
    "gauges_retry_list.WAITING_KEPT": 50,
}
IDS: dict[str, Callable[[int], tuple[str, str]]] = {
    "the same ids": lambda _: ("0", ""),
    "new ids": lambda number: (str(number), ""),
    "new ids in one trace": lambda number: (str(number), "Root=1-own"),
}


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[PassingLab]:
    """A lab that keeps nothing, and views that ask no AWS."""
    do_without_aws(monkeypatch.setattr)
    for name, bound in KEPT.items():
        monkeypatch.setattr(f"labhelpers.views.{name}", bound)
    made = PassingLab()
    yield made
    made.end()


def state_size(view: View) -> int:
    """How much the page would be sent of it."""
    return len(json.dumps(view.get_state(), default=str))


def test_every_view_is_looked_at() -> None:
    """One that comes later has to be put into the lists."""
    views = {name for name in labhelpers.__all__ if isinstance(getattr(labhelpers, name), type)}
    assert {name for name in views if issubclass(getattr(labhelpers, name), View)} == set(MAKERS)


@pytest.mark.parametrize(
    ("name", "ids"),
    # What follows no journal has no traces.
    [(name, ids) for name in MAKERS for ids in IDS if name in FOLLOWING or ids != "new ids in one trace"],
)
def test_a_thousand_updates_more_take_no_more_room(
    name: str, ids: str, lab: PassingLab, tmp_path: Path
) -> None:
    """Memory, objects and what the page gets stay bounded, whether ids repeat or are new each time."""
    view: Any = MAKERS[name](lab, tmp_path)

    def update(numbers: range) -> None:
        for number in numbers:
            UPDATES[name](view, number, *IDS[ids](number))
        SHOW.get(name, str)(view)

    def room() -> tuple[int, int]:
        gc.collect()
        return tracemalloc.get_traced_memory()[0], len(gc.get_objects())

    tracemalloc.start()
    try:
        update(range(UPDATES_EACH))
        page, (size, objects) = state_size(view), room()
        update(range(UPDATES_EACH, 2 * UPDATES_EACH))

        def grown() -> bool:
            now, more = room()
            return now - size > BYTES_MAX or more - objects > OBJECTS_MAX

        wait_for(lambda: not grown(), f"no more than {size:,} bytes and {objects:,} objects")
        assert state_size(view) < 1.1 * page + 500
    finally:
        tracemalloc.stop()
        view.close()


@pytest.mark.parametrize("name", MAKERS)
def test_a_closed_view_leaves_nothing(name: str, lab: PassingLab, tmp_path: Path) -> None:
    """No thread, stream, comm, widget or subscription; closing again does nothing; then the view itself is gone."""
    threads = set(threading.enumerate())
    comms, open_widgets = set(comm.get_comm_manager().comms), set(widgets._instances)
    view: Any = MAKERS[name](lab, tmp_path)
    for number in range(20):
        UPDATES[name](view, number, str(number), "")
    assert len(set(comm.get_comm_manager().comms) - comms) == 2, "the view's and its layout's"
    view.close()
    view.close()
    wait_for(lambda: not set(threading.enumerate()) - threads, "the end of its threads")
    assert set(comm.get_comm_manager().comms) == comms
    assert set(widgets._instances) == open_widgets
    assert all(stream.closed.is_set() for stream in lab.streams)
    assert not feed_of(lab)._since
    gone = weakref.ref(view)
    del view
    gc.collect()
    assert gone() is None


def test_entries_that_wait_for_settings_are_bounded(lab: PassingLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gauges keep no more of them than a journal has, however long AWS's APIs don't answer."""
    monkeypatch.setattr("labhelpers.views.gauges.CAPACITY", 100)
    reader = GaugesReader()
    view = Gauges(lab, reader=reader)
    reader.is_outdated, reader.error = True, OSError("no answer")
    for number in range(20):
        view.on_entries(busy_moment(number, str(number)))
    wait_for(lambda: view.problem, "what went wrong")
    assert len(view._came) <= 100
    view.close()


def test_a_lab_that_nobody_needs_is_gone() -> None:
    """The feed that brought its journal to views does not keep it."""
    lab = PassingLab()
    view = FOLLOWING["Logs"](lab, Path())
    view.close()
    gone = weakref.ref(lab)
    del lab, view
    gc.collect()
    wait_for(lambda: gc.collect() >= 0 and gone() is None, "the end of the lab")
