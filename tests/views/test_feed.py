"""The feed that brings a lab's journal to its views."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labhelpers.views import feed as feed_module
from labhelpers.views.feed import BATCH_S, Batch, Feed, feed_of

PATIENCE_S = 10


class Stream:
    """What `FakeLab.follow` gives: entries as they are written, until it is closed."""

    def __init__(self) -> None:
        self.entries: queue.SimpleQueue[dict[str, Any] | Exception | None] = queue.SimpleQueue()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (entry := self.entries.get()) is not None:
            if isinstance(entry, Exception):
                raise entry
            yield entry

    def close(self) -> None:
        self.closed.set()
        self.entries.put(None)


class FakeLab:
    """A lab with a journal and nothing else."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.streams: list[Stream] = []
        self.before_close: list[Callable[[], object]] = []

    def write(self, kind: str = "log") -> None:
        seq = len(self.entries) + 1
        entry = {"seq": seq, "at": float(seq), "kind": kind, "resource": "", "request_id": "", "detail": {}}
        self.entries.append(entry)
        for stream in self.streams:
            stream.entries.put(entry)

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["seq"] > since]

    def follow(self, since: int = 0) -> Stream:
        stream = Stream()
        for entry in self.journal(since):
            stream.entries.put(entry)
        self.streams.append(stream)
        return stream

    def end(self) -> None:
        for stream in self.streams:
            stream.entries.put(None)


class Reader:
    """Keeps what it is given; `until` waits for it."""

    def __init__(self, fails_at: int = 0) -> None:
        self.batches: list[list[int]] = []
        self.at: list[float] = []
        self.errors: list[BaseException] = []
        self.ended: list[str] = []
        self.looks: list[list[int]] = []
        self._fails_at = fails_at
        self._news = threading.Condition()

    @property
    def seqs(self) -> list[int]:
        return [seq for batch in self.batches for seq in batch]

    def on_entries(self, entries: Batch) -> None:
        with self._news:
            self.batches.append([entry["seq"] for entry in entries])
            self.at.append(time.monotonic())
            self._news.notify_all()
        if self._fails_at in self.batches[-1]:
            raise ValueError("cannot draw this")

    def on_error(self, error: BaseException) -> None:
        self.errors.append(error)

    def on_end(self, why: str) -> None:
        with self._news:
            self.ended.append(why)
            self._news.notify_all()

    def last_look(self) -> None:
        self.looks.append(self.seqs)
        if self._fails_at < 0:
            raise ValueError("cannot ask")

    def until(self, seqs: list[int]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.seqs == seqs, PATIENCE_S), self.seqs

    def until_ended(self) -> None:
        with self._news:
            assert self._news.wait_for(lambda: bool(self.ended), PATIENCE_S)


@pytest.fixture
def lab() -> Iterator[FakeLab]:
    """A lab that ends with the test."""
    made = FakeLab()
    yield made
    made.end()


def test_past_comes_first_and_every_entry_once(lab: FakeLab) -> None:
    """The past is there when `subscribe` returns."""
    lab.write()
    lab.write()
    reader = Reader()
    Feed(lab).subscribe(reader)
    assert reader.batches == [[1, 2]]
    lab.write()
    reader.until([1, 2, 3])


def test_second_view_shares_the_stream_and_misses_nothing(lab: FakeLab) -> None:
    """It gets what was written before it came from the journal, and the rest from the stream."""
    feed = feed_of(lab)
    first, second = Reader(), Reader()
    feed.subscribe(first)
    lab.write()
    lab.write()
    feed_of(lab).subscribe(second)
    lab.write()
    first.until([1, 2, 3])
    second.until([1, 2, 3])
    assert len(lab.streams) == 1


def test_burst_comes_in_few_batches(lab: FakeLab) -> None:
    """The first entry of a quiet feed at once, then a batch every 50 ms at most."""
    reader = Reader()
    Feed(lab).subscribe(reader)
    for _ in range(500):
        lab.write()
    reader.until(list(range(1, 501)))
    gaps = [b - a for a, b in zip(reader.at[1:], reader.at[2:], strict=False)]
    assert all(gap > BATCH_S * 0.8 for gap in gaps)


def test_threads_end_with_the_last_view(lab: FakeLab) -> None:
    """The stream is closed, and a later view starts a new one."""
    feed = Feed(lab)
    stops = [feed.subscribe(Reader()), feed.subscribe(Reader())]
    stops[0]()
    assert not lab.streams[0].closed.is_set()
    stops[1]()
    stops[1]()
    assert lab.streams[0].closed.wait(PATIENCE_S)
    late = Reader()
    feed.subscribe(late)
    lab.write()
    late.until([1])


def test_one_view_that_fails_does_not_stop_the_others(lab: FakeLab) -> None:
    """It is told what it raised, and goes on with the next batch."""
    feed = Feed(lab)
    bad, good = Reader(fails_at=1), Reader()
    feed.subscribe(bad)
    feed.subscribe(good)
    lab.write()
    good.until([1])
    lab.write()
    good.until([1, 2])
    bad.until([1, 2])
    assert [str(error) for error in bad.errors] == ["cannot draw this"]


def test_end_of_the_lab_is_told(lab: FakeLab) -> None:
    """Without a reason when it simply ended, with one when the stream broke."""
    reader = Reader()
    Feed(lab).subscribe(reader)
    lab.end()
    reader.until_ended()
    assert reader.ended == [""]
    broken = Reader()
    Feed(lab).subscribe(broken)
    lab.streams[-1].entries.put(OSError("connection lost"))
    broken.until_ended()
    assert broken.ended == ["OSError: connection lost"]


def test_generator_that_waits_is_left_to_end_by_itself() -> None:
    """Closing it from another thread would raise; its thread ends with its next entry."""
    waiting, more = threading.Event(), threading.Event()

    class GeneratorLab(FakeLab):
        def follow(self, since: int = 0) -> Iterator[dict[str, Any]]:
            waiting.set()
            more.wait(PATIENCE_S)
            yield {"seq": 1, "kind": "log"}

    reader = Reader()
    stop = Feed(GeneratorLab()).subscribe(reader)
    assert waiting.wait(PATIENCE_S)
    stop()
    more.set()
    assert reader.seqs == []


def test_views_have_all_and_a_last_look_before_the_lab_closes(lab: FakeLab) -> None:
    """What has happened is handed out first, each entry once; one that fails is told, and keeps no other from it."""
    feed, failing, reader = feed_of(lab), Reader(fails_at=-1), Reader()
    stops = [feed.subscribe(failing), feed.subscribe(reader)]
    lab.write()
    reader.until([1])
    for stream in lab.streams:
        stream.entries.put(None)  # Nothing more comes by itself.
    lab.entries.append({**lab.entries[0], "seq": 2})
    for settle in lab.before_close:
        settle()
    assert reader.looks == failing.looks == [[1, 2]]
    assert [str(error) for error in failing.errors] == ["cannot ask"] and not reader.errors
    for stop in stops:
        stop()
    for settle in lab.before_close:
        settle()
    assert len(reader.looks) == 1


def test_view_that_hangs_does_not_keep_the_lab_open(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the lab closes without the view's last look."""
    monkeypatch.setattr(feed_module, "SETTLE_S", 0.05)
    never = threading.Event()
    reader = Reader()
    monkeypatch.setattr(reader, "last_look", never.wait)
    stop = feed_of(lab).subscribe(reader)
    for settle in lab.before_close:
        settle()
    never.set()
    stop()


def test_lab_hears_of_its_feed_once(lab: FakeLab) -> None:
    """However many views ask for a lab's feed, it has one thing to do before it closes."""
    assert feed_of(lab) is feed_of(lab)
    assert len(lab.before_close) == 1
