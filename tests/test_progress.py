"""Progress: seen after a second, gone at the end, nothing of it kept."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest

from labhelpers import progress as module
from labhelpers.progress import LineScreen, NotebookScreen, Progress, Screen, SharedScreen, progress_html


class Watched(Screen):
    """A screen that notes what it is told."""

    def __init__(self) -> None:
        self.shown, self.cleared = threading.Event(), 0

    def show(self, progress: Progress) -> None:
        self.shown.set()

    def clear(self, progress: Progress) -> None:
        self.cleared += 1


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_short_work_shows_nothing() -> None:
    """Most work is done before anybody wonders."""
    screen = Watched()
    with Progress("a moment", screen=screen):
        pass
    assert not screen.shown.is_set()
    assert screen.cleared == 0


@pytest.mark.parametrize("fails", [False, True])
def test_long_work_is_shown_and_then_gone(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """Also when it fails; its thread has ended by then."""
    monkeypatch.setattr(module, "SHOWN_AFTER_S", 0.0)
    screen = Watched()
    with (
        pytest.raises(OSError, match="disk full") if fails else monkeypatch.context(),
        Progress("long", screen=screen),
    ):
        assert screen.shown.wait(10)
        if fails:
            raise OSError("disk full")
    assert screen.cleared == 1
    assert "labhelpers-progress" not in {thread.name for thread in threading.enumerate()}


def test_line_says_what_and_how_far() -> None:
    """The steps if they are known, and the seconds."""
    progress = Progress("calling greet", 1_200, screen=Screen())
    progress.tell("second wave", done=1_000)
    progress.step()
    assert progress.text() == "calling greet (second wave), 1,001 of 1,200: 0 s"
    assert Progress("installing", screen=Screen()).text() == "installing: 0 s"


def test_terminal_line_is_written_over_and_taken_away() -> None:
    """Elsewhere, as in a log, it is one line."""
    progress, terminal, log = Progress("x", screen=Screen()), Terminal(), io.StringIO()
    for screen in (LineScreen(terminal), LineScreen(log)):
        screen.show(progress)
        screen.show(progress)
        screen.clear(progress)
    assert terminal.getvalue() == "\r\x1b[Kx: 0 s\r\x1b[Kx: 0 s\r\x1b[K"
    assert log.getvalue() == "x ...\n"


def test_notebook_output_begins_and_ends_empty() -> None:
    """So that neither a kept notebook nor nbval, which looks at the first form only, has anything of it."""
    told: list[tuple[dict[str, str], bool, str]] = []

    def display(bundle: dict[str, str], raw: bool, display_id: str, update: bool, **_: Any) -> None:
        told.append((bundle, update, display_id))

    progress, screen = Progress("x", 2, screen=Screen()), NotebookScreen(display)
    screen.clear(progress)
    screen.show(progress)
    screen.show(progress)  # Nothing new.
    progress.step()
    screen.show(progress)
    screen.clear(progress)
    bundles = [bundle for bundle, _, _ in told]
    assert bundles[0] == bundles[-1] == {}
    assert bundles[1]["text/plain"] == "x, 0 of 2: 0 s"
    assert [update for _, update, _ in told] == [False, True, True, True]
    assert len({display_id for _, _, display_id in told}) == 1


def test_html_holds_text_as_text() -> None:
    """What is being done may be named after a file."""
    shown = progress_html(Progress("<b>x</b>", screen=Screen()))
    assert "&lt;b&gt;x" in shown
    assert "<progress style" in shown


def test_shared_screen_shows_what_began_last() -> None:
    """Whoever is told first to be shown; it is empty when all is over."""
    told: list[str] = []

    class Noted(Screen):
        def show(self, progress: Progress) -> None:
            told.append(progress.what)

        def clear(self, progress: Progress) -> None:
            told.append("")

    screen = SharedScreen(Noted())
    cell, helper = Progress("cell", screen=screen), Progress("helper", screen=screen)
    for progress in (cell, helper, cell):
        screen.show(progress)
    screen.clear(helper)
    screen.show(cell)
    screen.clear(cell)
    assert told == ["cell", "helper", "helper", "cell", ""]


def test_broken_screen_does_not_disturb_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread ends without a word."""
    monkeypatch.setattr(module, "SHOWN_AFTER_S", 0.0)
    tried = threading.Event()

    class Broken(Screen):
        def show(self, progress: Progress) -> None:
            tried.set()
            raise OSError("no screen")

    with Progress("work", screen=Broken()):
        assert tried.wait(10)


def test_work_goes_on_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no thread left shows nothing."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with Progress("work", screen=Watched()) as progress:
        progress.step()
    assert progress.done == 1
