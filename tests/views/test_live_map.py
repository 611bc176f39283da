"""The live map's Python side."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from labhelpers.views.live_map import LiveMap
from labhelpers.views.things import Resources, changes_things
from tests.views.accounts import COPIER, INBOX, WRITER, Writer, one_upload, pipeline
from tests.views.test_feed import PATIENCE_S, FakeLab


class Account:
    """An account with these resources, or with an error."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.error: Exception | None = None
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()

    def notice(self, entries: Iterable[Mapping[str, Any]]) -> bool:
        return any(changes_things(entry) for entry in entries)

    def read(self) -> Resources:
        if self.error:
            raise self.error
        return self.resources


class Watch:
    """Waits until a trait of a map has a value that a test wants."""

    def __init__(self, live: LiveMap, *names: str) -> None:
        self._live = live
        self._news = threading.Condition()
        live.observe(self._on_change, names=list(names))

    def _on_change(self, _: object) -> None:
        with self._news:
            self._news.notify_all()

    def until(self, condition: object) -> None:
        assert callable(condition)
        with self._news:
            assert self._news.wait_for(condition, PATIENCE_S)


@pytest.fixture
def lab() -> Iterator[FakeLab]:
    """A lab that ends with the test."""
    made = FakeLab()
    yield made
    made.end()


def write(lab: FakeLab, entries: list[dict[str, object]]) -> None:
    """Write these entries into the lab's journal."""
    for entry in entries:
        lab.entries.append(entry)
        for stream in lab.streams:
            stream.entries.put(entry)


def test_map_shows_the_past_without_moving_it(lab: FakeLab) -> None:
    """What happened before the map was made counts, but no dot moves for it."""
    write(lab, one_upload())
    live = LiveMap(lab, reader=Account(pipeline()))
    assert live.step["now"]["done"] == 1
    assert live.step["moves"] == []
    live.close()


def test_event_becomes_a_move(lab: FakeLab) -> None:
    """One message with the counters, and what moved along which link."""
    live = LiveMap(lab, reader=Account(pipeline()))
    watch = Watch(live, "step")
    entries = Writer()
    entries.upload(INBOX, "report.csv")
    write(lab, entries.entries)
    watch.until(lambda: live.step["moves"])
    assert live.step["moves"] == [{"link": f"client>{INBOX}", "number": 1, "text": "report.csv"}]
    live.close()


def test_map_grows_when_the_settings_change(lab: FakeLab) -> None:
    """A new function is an entry of the journal: the map reads the account again."""
    account = Account(Resources())
    live = LiveMap(lab, reader=account)
    assert live.picture["nodes"] == ()
    watch = Watch(live, "picture")
    account.resources = pipeline()
    write(lab, [Writer()("function.created", COPIER)])
    watch.until(lambda: len(live.picture["nodes"]) == 6)
    live.close()


def test_error_while_reading_is_shown(lab: FakeLab) -> None:
    """In the view; the next reading that works takes it away."""
    account = Account(pipeline())
    live = LiveMap(lab, reader=account)
    watch = Watch(live, "problem")
    entries = Writer()
    account.error = RuntimeError("no answer")
    write(lab, [entries("function.created", COPIER)])
    watch.until(lambda: "RuntimeError: no answer" in live.problem)
    account.error = None
    write(lab, [entries("function.updated", COPIER)])
    watch.until(lambda: not live.problem)
    live.close()


def test_selected_thing_tells_what_it_did_lately(lab: FakeLab) -> None:
    """What happened, the last event and the last failure, whole, come with the next step, at once."""
    write(lab, one_upload())
    live = LiveMap(lab, reader=Account(pipeline()))
    assert (live.step["recent"], live.step["event"], live.step["failure"]) == ([], "", "")
    live.selected = INBOX
    assert live.step["recent"] == ["ObjectCreated:Put report.csv"]
    assert json.loads(live.step["event"])["key"] == "report.csv"
    live.selected = WRITER
    assert live.step["failure"].startswith("KeyError: 'DATABASE_URL'\nTraceback (most recent")
    assert live.step["now"]["failure"]["text"] == "KeyError: 'DATABASE_URL'"
    live.close()


def test_closed_map_lets_go(lab: FakeLab) -> None:
    """Its stream ends, its thread too; closing again does nothing."""
    account = Account(pipeline())
    live = LiveMap(lab, reader=account)
    live.close()
    live.close()
    assert lab.streams[0].closed.wait(PATIENCE_S)
    assert account.closed.wait(PATIENCE_S)


def test_end_of_the_lab_is_shown(lab: FakeLab) -> None:
    """The map stays as it was and says that it is no longer live."""
    live = LiveMap(lab, reader=Account(pipeline()))
    watch = Watch(live, "state")
    lab.end()
    watch.until(lambda: live.state == "ended")
    assert not live.problem
    live.close()


def test_saved_notebook_has_a_picture_and_a_text(lab: FakeLab) -> None:
    """Beside the widget, for pages without a kernel; a picture with its text as alternative."""
    live = LiveMap(lab, reader=Account(pipeline()))
    bundle = live._repr_mimebundle_()
    assert bundle is not None
    data, _ = bundle
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert data["text/plain"].startswith("You -> bucket inbox")
    assert 'alt="You -&gt; bucket inbox' in data["text/html"]
    assert live.to_svg().startswith("<svg")
    live.close()
