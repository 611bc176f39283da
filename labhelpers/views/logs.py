"""The logs of functions as they are written: a tail of one or many, with a filter.

A notebook makes one with `Logs(lab)` or `Logs(lab, "resize", "writer")`; the page draws only the lines in sight.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import traitlets

from labhelpers.views.feed import Batch, Journalled
from labhelpers.views.following import FollowingView
from labhelpers.views.logs_data import KEPT_LINES, Line, build_lines
from labhelpers.views.view import script, style

_TEXT_LINES = 50


class Logs(FollowingView):
    """The log lines of all functions of `lab`, or of those named. The last 100,000 are kept."""

    _subject = "The logs"
    _esm = script("logs")
    _css = style("logs")

    kept = traitlets.Int(KEPT_LINES).tag(sync=True)

    def __init__(self, lab: Journalled, *functions: str) -> None:
        self._functions = frozenset(functions)
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque(maxlen=KEPT_LINES)
        super().__init__()
        self.on_msg(self._on_message)
        self.follow(lab)

    def to_text(self) -> str:
        """The last lines."""
        with self._lock:
            lines = list(self._lines)
        if not lines:
            return "No log line yet."
        left_out = [f"({len(lines) - _TEXT_LINES:,} lines before these)"] if len(lines) > _TEXT_LINES else []
        return "\n".join([*left_out, *map(str, lines[-_TEXT_LINES:])])

    # --- Following the journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Hand new lines to the page."""
        lines = build_lines(entries, self._functions)
        if lines:
            with self._lock:
                self._lines.extend(lines)
                self.send({"lines": [line.as_json() for line in lines]})

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        """A page that has just been drawn asks for what there is."""
        if isinstance(content, dict) and content.get("ask") == "all":
            with self._lock:
                self.send({"all": [line.as_json() for line in self._lines]})
