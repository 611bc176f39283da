"""The logs of functions as they are written: a tail of one or many, with a filter.

A notebook makes one with `Logs(lab)` or `Logs(lab, "resize", "writer")`; the page draws only the lines in sight.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import traitlets

from labhelpers.views.feed import Batch, Journalled, feed_of
from labhelpers.views.logs_data import KEPT_LINES, Line, build_lines
from labhelpers.views.view import View, script, style

_TEXT_LINES = 50


class Logs(View):
    """The log lines of all functions of `lab`, or of those named. The last 100,000 are kept."""

    _esm = script("logs")
    _css = style("logs")

    state = traitlets.Unicode("live").tag(sync=True)
    kept = traitlets.Int(KEPT_LINES).tag(sync=True)

    def __init__(self, lab: Journalled, *functions: str) -> None:
        self._functions = frozenset(functions)
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self._unsubscribe: Callable[[], None] = lambda: None
        super().__init__()
        self.on_msg(self._on_message)
        self._unsubscribe = feed_of(lab).subscribe(self)

    def to_text(self) -> str:
        """The last lines."""
        with self._lock:
            lines = list(self._lines)
        if not lines:
            return "No log line yet."
        left_out = [f"({len(lines) - _TEXT_LINES:,} lines before these)"] if len(lines) > _TEXT_LINES else []
        return "\n".join([*left_out, *map(str, lines[-_TEXT_LINES:])])

    def close(self) -> None:
        """Stop following the lab, and take the view from the page."""
        self._unsubscribe()
        super().close()

    # --- Following the journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Hand new lines to the page."""
        lines = build_lines(entries, self._functions)
        if lines:
            with self._lock:
                self._lines.extend(lines)
                self.send({"lines": [line.as_json() for line in lines]})

    def on_error(self, error: BaseException) -> None:
        """Show what could not be shown."""
        self.show_problem("The logs could not follow the journal", error)

    def on_end(self, why: str) -> None:
        """Say that nothing more will come."""
        self.state = "ended"
        if why:
            self.problem = f"The journal's stream broke: {why}"

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        """A page that has just been drawn asks for what there is."""
        if isinstance(content, dict) and content.get("ask") == "all":
            with self._lock:
                self.send({"all": [line.as_json() for line in self._lines]})
