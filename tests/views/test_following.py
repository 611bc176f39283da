"""What views of a journal share: what they say of errors and of the end, and reading again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from labhelpers.views.feed import Batch
from labhelpers.views.following import FollowingView, Rereader

PATIENCE_S = 10


class Lab:
    """A lab with one entry, whose stream ends, or breaks."""

    def __init__(self, breaks: bool = False) -> None:
        self._breaks = breaks
        self.is_running = True

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        return [{"seq": 1, "kind": "log"}]

    def follow(self, since: int = 0) -> Iterator[dict[str, Any]]:
        yield {"seq": 2, "kind": "log"}
        if self._breaks:
            raise OSError("cut off")


class Sample(FollowingView):
    """Keeps what it was given; the second entry is too much for it."""

    _subject = "The sample"

    def __init__(self, lab: Lab) -> None:
        self.seqs: list[int] = []
        self.problems: list[str] = []
        self.ended = threading.Event()
        super().__init__()
        self.observe(lambda change: self.problems.append(change["new"]), names="problem")
        self.follow(lab)

    def on_entries(self, entries: Batch) -> None:
        self.seqs += [entry["seq"] for entry in entries]
        if 2 in self.seqs:
            raise ValueError("two")

    def on_end(self, why: str) -> None:
        super().on_end(why)
        self.ended.set()


@pytest.mark.parametrize(
    ("breaks", "last"), [(False, []), (True, ["The journal's stream broke: OSError: cut off"])]
)
def test_errors_and_the_end_are_shown(breaks: bool, last: list[str]) -> None:
    """The past is there at once; an error names the view; the end changes the state, a break says why."""
    view = Sample(Lab(breaks))
    assert view.seqs[0] == 1
    assert view.ended.wait(PATIENCE_S)
    assert view.state == "ended"
    assert view.problems == ["The sample could not follow the journal: ValueError: two", *last]
    view.close()


def test_a_lab_that_ends_while_it_is_read_is_no_error() -> None:
    """What fails while the lab runs is shown, and is gone after the next success; what fails by its end is not told."""
    lab = Lab()
    view = Sample(lab)
    assert view.ended.wait(PATIENCE_S)
    with view.showing_read_errors("Not read"):
        raise OSError("lost")
    assert view.problem == "Not read: OSError: lost"
    with view.showing_read_errors("Not read"):
        pass
    assert view.problem == ""
    lab.is_running = False
    with view.showing_read_errors("Not read"):
        raise OSError("lost")
    assert view.problem == ""
    view.close()


def test_a_view_that_follows_nothing_is_closed() -> None:
    """A view may be closed before it follows a lab, and twice."""
    view = FollowingView()
    view.close()
    view.close()


def test_reading_again_waits_and_gathers() -> None:
    """What was wanted before the first reading is in it; what is wanted during one makes one more; the end is told."""
    read, go_on, ended = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
    count = 0

    def work() -> None:
        nonlocal count
        count += 1
        read.release()
        assert go_on.acquire(timeout=PATIENCE_S)

    rereader = Rereader("test", work, pause_s=0, at_end=ended.set)
    rereader.again()
    go_on.release()
    rereader.read_and_start()
    assert read.acquire(timeout=PATIENCE_S)
    assert count == 1
    rereader.again()
    assert read.acquire(timeout=PATIENCE_S)
    for _ in range(3):
        rereader.again()
    go_on.release()
    assert read.acquire(timeout=PATIENCE_S)
    rereader.end()
    go_on.release()
    assert ended.wait(PATIENCE_S)
    assert count == 3
