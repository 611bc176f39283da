"""A line with a bar below each cell of a notebook that takes over a second, whatever the cell does.

A `Lab` has it while it runs. IPython tells when a cell begins and ends; what the cell is doing is read off its thread
while the line is shown, so that neither short cells nor calls of boto3 pay for it. What the cell itself shows comes
first: the bar breaks no line of it that is still open, and is not there while it asks for input, or once it has cleared
its output.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

from labhelpers.progress import NotebookScreen, Progress, SharedScreen, cell_screens, notebook_shell

_AFTER_HELPERS_S = 0.1  # A helper with which a cell begins is shown at once, and not in place of the cell.
_CALL_KEPT_S = 1.0  # So that the line stays the same over a loop of short calls.


@contextlib.contextmanager
def watch_cells() -> Iterator[None]:
    """In a notebook's kernel, show progress below its cells, from the running one on. Elsewhere nothing happens."""
    shell = notebook_shell()
    if shell is None:
        yield
        return
    cells = CellProgress(shell)
    try:
        yield
    finally:
        cells.close()


class CellProgress:
    """Shows below each cell of `shell`, IPython's in a kernel, that it runs, until `close()`."""

    def __init__(self, shell: Any) -> None:
        self._events, self._shell = shell.events, shell
        self._publisher: Any = None
        self._lines = OpenLines(sys.stdout, sys.stderr)
        self._cells: dict[int, _Cell] = {}  # By thread: a subshell runs its cells in one of its own.
        if _runs_cell(threading.get_ident()):
            self._begin()
        self._events.register("pre_run_cell", self._begin)
        self._events.register("post_run_cell", self._end)

    def close(self) -> None:
        """Show nothing any more, below the running cell either."""
        for event, callback in (("pre_run_cell", self._begin), ("post_run_cell", self._end)):
            with contextlib.suppress(ValueError):  # The learner has taken it away.
                self._events.unregister(event, callback)
        for thread in list(self._cells):
            self._cells.pop(thread).end()
        self._lines.close()

    def _begin(self, *_: object) -> None:
        if hasattr(self._shell.display_pub, "parent_header"):  # Not while something captures the outputs.
            self._publisher = self._shell.display_pub
        if self._publisher is None:
            return
        request = self._publisher.parent_header.get("msg_id", "")
        thread = threading.get_ident()
        running = self._cells.get(thread)
        if running is not None and running.request == request:
            running.depth += 1  # A cell that runs a cell.
            return
        if running is not None:  # Its end was not told.
            running.end()
        self._cells[thread] = _Cell(self._publisher, request, self._lines)

    def _end(self, *_: object) -> None:
        thread = threading.get_ident()
        running = self._cells.get(thread)
        if running is None:
            return
        running.depth -= 1
        if running.depth == 0:
            del self._cells[thread]
            running.end()


class _Cell:
    """A cell that runs in this thread, and all progress in it, on one screen. `request` is the id of its message."""

    def __init__(self, publisher: Any, request: str, lines: OpenLines) -> None:
        self.request, self.depth = request, 1
        thread = threading.get_ident()
        output = _CellOutput(publisher, request, lines, thread)
        screen = SharedScreen(output)
        self._running = contextlib.ExitStack()
        cell_screens[thread] = screen
        self._running.callback(cell_screens.pop, thread, None)
        publisher.register_hook(output.notice)  # Of this thread alone.
        self._running.callback(publisher.unregister_hook, output.notice)
        self._running.enter_context(_CellRuns(thread, screen))

    def end(self) -> None:
        """Take the bar away; no thread of it is left."""
        self._running.close()


class _CellRuns(Progress):
    """Says that a cell runs, and what it calls."""

    def __init__(self, thread: int, screen: SharedScreen) -> None:
        super().__init__("this cell is running", screen=screen, later_s=_AFTER_HELPERS_S)
        self._cell_thread, self._seen = thread, 0.0

    def text(self) -> str:
        """The line as it is now; a call is named up to a second longer than it lasts."""
        call = call_under_way(self._cell_thread)
        now = time.monotonic()
        if call:
            self.note, self._seen = call, now
        elif now > self._seen + _CALL_KEPT_S:
            self.note = ""
        return super().text()


class _CellOutput(NotebookScreen):
    """An output below a cell, where it does not disturb what the cell shows."""

    def __init__(self, publisher: Any, request: str, lines: OpenLines, thread: int) -> None:
        super().__init__(partial(_publish, publisher))
        self._request, self._lines, self._thread = request, lines, thread
        self._was_cleared = False

    def notice(self, message: dict[str, Any]) -> dict[str, Any]:
        """A hook of ipykernel's publisher: whether the cell clears its output, and the bar with it."""
        if message["header"]["msg_type"] == "clear_output":
            self._was_cleared = True
        return message

    def show(self, progress: Progress) -> None:
        """Show the line and a bar, or take them away."""
        if self._was_cleared or _asks_for_input(self._thread):
            self.clear(progress)
        elif self.has_begun or not self._lines.is_open(self._request):
            super().show(progress)


def _publish(publisher: Any, bundle: dict[str, str], *, raw: bool, display_id: str, update: bool) -> None:
    """IPython's `display`, but past whatever captures the cell's outputs."""
    publisher.publish(bundle, {}, transient={"display_id": display_id}, update=update)


class OpenLines:
    """Which cell has written a line to ipykernel's `streams` that it has not ended, such as a bar of its own."""

    def __init__(self, *streams: Any) -> None:
        self._streams = [stream for stream in streams if hasattr(stream, "register_hook")]
        self._ends: dict[str, tuple[str, str]] = {}
        for stream in self._streams:  # Hooks belong to the thread that sends.
            stream.pub_thread.schedule(partial(stream.register_hook, self._notice))

    def is_open(self, request: str) -> bool:
        """Whether the last that the cell of that message has written ends within a line."""
        for stream in self._streams:
            stream.flush()
        return any(cell == request and end != "\n" for cell, end in list(self._ends.values()))

    def close(self) -> None:
        """Look no more."""
        for stream in self._streams:
            with contextlib.suppress(Exception):  # At the process's end its thread may be gone.
                stream.pub_thread.schedule(partial(stream.unregister_hook, self._notice))

    def _notice(self, message: dict[str, Any]) -> dict[str, Any]:
        name, text = message["content"]["name"], message["content"]["text"]
        self._ends[name] = (message["parent_header"].get("msg_id", ""), text[-1:])
        return message


# --- What a thread is doing, read off its frames ---


def call_under_way(thread: int) -> str:
    """What the thread of that ident asks AWS for: "calling lambda Invoke", "polling rds DescribeDBInstances", or ""."""
    call = ""
    for frame, place in _frames(thread):
        describe = _CALLS.get(place)
        if describe is not None:
            with contextlib.suppress(AttributeError, KeyError):  # It only begins, or is made in another way.
                call = describe(frame.f_locals)
    return call


def _describe_call(local: Any) -> str:
    return f"calling {local['self'].meta.service_model.service_name} {local['operation_name']}"


def _describe_waiter(local: Any) -> str:
    client = local["self"]._operation_method._client_method.__self__
    return f"polling {client.meta.service_model.service_name} {local['self'].config.operation}"


_CALLS: dict[tuple[str, str], Callable[[Any], str]] = {
    ("botocore.client", "_make_api_call"): _describe_call,
    ("botocore.waiter", "wait"): _describe_waiter,
}


def _asks_for_input(thread: int) -> bool:
    return any(place == ("ipykernel.kernelbase", "_input_request") for _, place in _frames(thread))


def _runs_cell(thread: int) -> bool:
    """Whether the thread runs a cell whose end IPython will tell."""
    return any(
        place == ("IPython.core.interactiveshell", "run_cell_async") and not frame.f_locals["silent"]
        for frame, place in _frames(thread)
    )


def _frames(thread: int) -> Iterator[tuple[FrameType, tuple[str, str]]]:
    """The frames of a thread from the innermost out, each with its module and function."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        yield frame, (frame.f_globals.get("__name__", ""), frame.f_code.co_name)
        frame = frame.f_back
