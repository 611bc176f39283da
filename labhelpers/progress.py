"""A line with a bar for work that takes over a second: in a notebook below its cell, elsewhere a line on stderr.

In a notebook it is an output that is made empty when the work is done, so nothing of it is kept. Callers: whatever in
`labhelpers` makes somebody wait, and `cell_progress` for all other cells; it calls nothing of the lab.
"""

from __future__ import annotations

import contextlib
import contextvars
import html
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

SHOWN_AFTER_S = 1.0
_AGAIN_S = 0.25


class Progress:
    """What is being done, and how far it is: `with Progress("installing x") as progress: progress.tell(...)`.

    `total` is how many steps there are, None if nobody knows. It shows itself after a second, or `later_s` after that,
    and is gone at the end. A screen that fails shows nothing, and the work goes on.
    """

    def __init__(
        self, what: str, total: int | None = None, *, screen: Screen | None = None, later_s: float = 0.0
    ) -> None:
        self.what, self.total, self.done, self.note = what, total, 0, ""
        self._later_s = later_s
        self._screen = screen if screen is not None else _find_screen()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.start = time.monotonic()

    def tell(self, note: str = "", *, done: int | None = None) -> None:
        """What is being done now, and how many steps are done; may come from any thread."""
        self.note = note or self.note
        self.done = self.done if done is None else done

    def step(self) -> None:
        """One step more is done."""
        self.done += 1

    def text(self) -> str:
        """The line as it is now."""
        steps = f", {self.done:,} of {self.total:,}" if self.total else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.what}{note}{steps}: {time.monotonic() - self.start:.0f} s"

    def __enter__(self) -> Progress:
        context = contextvars.copy_context()  # IPython finds the cell to write below by it.
        thread = threading.Thread(
            target=context.run, args=(self._watch,), name="labhelpers-progress", daemon=True
        )
        with contextlib.suppress(
            RuntimeError
        ):  # The machine has no thread left: the work may do without a bar.
            thread.start()
            self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        if self._ended.wait(SHOWN_AFTER_S + self._later_s):
            return
        with contextlib.suppress(Exception):  # Whatever ails the screen, it is not the work's.
            try:
                while not self._ended.is_set():
                    self._screen.show(self)
                    self._ended.wait(_AGAIN_S)
            finally:
                self._screen.clear(self)


class Screen:
    """Where progress is shown; this one shows nothing."""

    def show(self, progress: Progress) -> None:
        """Show it as it is now, in place of what was shown before."""

    def clear(self, progress: Progress) -> None:
        """It is over."""


class LineScreen(Screen):
    """A stream: one line that is written over on a terminal, one line at all elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._written = stream, False
        self._terminal = stream.isatty()

    def show(self, progress: Progress) -> None:
        """Write the line."""
        if self._terminal:
            self._write(f"\r\x1b[K{progress.text()}")
        elif not self._written:
            self._write(f"{progress.what} ...\n")
        self._written = True

    def clear(self, progress: Progress) -> None:
        """Take it from a terminal."""
        if self._terminal:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class NotebookScreen(Screen):
    """An output of the running cell. `display` is IPython's: it takes a bundle and `display_id`, and `update`."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display, self._id, self._shown = display, "", ""

    @property
    def has_begun(self) -> bool:
        """Whether the output is there, be it empty."""
        return bool(self._id)

    def show(self, progress: Progress) -> None:
        """Show the line and a bar."""
        text = progress.text()
        if text == self._shown:
            return  # Drawn anew, a bar without a total would begin anew.
        if not self._id:
            self._id = f"labhelpers-progress-{id(progress):x}-{time.monotonic_ns():x}"
            self._put({})  # What is kept of a cell, and compared, begins and ends empty.
        self._shown = text
        self._put({"text/html": progress_html(progress), "text/plain": text}, update=True)

    def clear(self, progress: Progress) -> None:
        """Leave an output with nothing in it."""
        if self._shown:
            self._shown = ""
            self._put({}, update=True)

    def _put(self, bundle: dict[str, str], update: bool = False) -> None:
        self._display(bundle, raw=True, display_id=self._id, update=update)


class SharedScreen(Screen):
    """One screen for several. Of what is told to be shown, and is not over, it shows what began last."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._going: list[Progress] = []
        self._lock = threading.Lock()

    def show(self, progress: Progress) -> None:
        """Show it, or what began after it."""
        with self._lock:
            if progress not in self._going:
                self._going.append(progress)
            self._screen.show(max(self._going, key=lambda going: going.start))

    def clear(self, progress: Progress) -> None:
        """It is over. What is left takes its place when it is next told to be shown."""
        with self._lock:
            if progress in self._going:
                self._going.remove(progress)
            if not self._going:
                self._screen.clear(progress)


def progress_html(progress: Progress) -> str:
    """The line and a bar that screen readers know. Without a total the bar only says that work goes on."""
    value = f' max="{progress.total}" value="{min(progress.done, progress.total)}"' if progress.total else ""
    return (
        f'<label class="labhelpers-progress">{html.escape(progress.text())} '
        f'<progress{value} style="vertical-align: middle; width: 16em"></progress></label>'
    )


# By thread, the screen of the cell that runs in it: all that goes on in a cell shares one.
cell_screens: dict[int, Screen] = {}


def notebook_shell() -> Any | None:
    """IPython's shell in a notebook's kernel; None in a program, and in IPython's own terminal."""
    ipython = sys.modules.get("IPython")  # A notebook's kernel has loaded it.
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None


def _find_screen() -> Screen:
    running = cell_screens.get(threading.get_ident()) or next(reversed([*cell_screens.values()]), None)
    if running is not None:
        return running
    if notebook_shell() is None:
        return LineScreen(sys.stderr)
    from IPython.display import display

    return NotebookScreen(display)
