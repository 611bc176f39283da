"""One request or upload on its way: a waterfall of its steps, of any of the last hundred; live from the journal.

A notebook makes one with `Trace(lab)`, or `Trace(lab, "cat.jpg")` for the newest one about that; what it draws is built
by `trace_data`.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import traitlets

from labhelpers.views.feed import Batch, Journalled
from labhelpers.views.following import FollowingView
from labhelpers.views.trace_data import Row, Summary, Traces, as_json, trace_text
from labhelpers.views.trace_svg import trace_svg
from labhelpers.views.view import picture_html, script, style

PAUSE_S, LONGEST_PAUSE_S = 0.25, 1.0
PAUSE_PER_TRACE_S = 0.02  # What has changed faster than one can read may be shown later.


class Trace(FollowingView):
    """Traces of `lab`. It follows the newest one until another is chosen: `selected` is its key, "" for the newest.

    The newest that has `about` in its title is chosen at first, if there is one.
    """

    _subject = "The trace"
    _esm = script("trace")
    _css = style("trace")

    data = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)

    def __init__(self, lab: Journalled, about: str = "") -> None:
        self._lock = threading.RLock()
        self._traces = Traces()
        self._timer: threading.Timer | None = None
        self._shown_at = 0.0
        self._changed: set[str] = set()  # Traces, since the last time.
        self._closed = False
        super().__init__()
        self.follow(lab)
        self.observe(self._on_selected, names="selected")
        with self._lock:
            found = (s.key for s in self._traces.summaries() if about and about in s.title)
            self.selected = next(found, "")

    def to_text(self) -> str:
        """The chosen trace, a line for each step."""
        return trace_text(*self._chosen())

    def to_svg(self) -> str:
        """The chosen trace as one SVG picture."""
        return trace_svg(*self._chosen())

    def to_html(self) -> str:
        """The waterfall as a picture with its text form as alternative text."""
        return picture_html(self.to_svg(), self.to_text())

    def close(self) -> None:
        """Stop following the lab, and take the view from the page."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        super().close()

    # --- Following the journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Take up what happened, and show it."""
        with self._lock:
            changed = self._traces.add_all(entries)
            self._changed |= changed
            if changed or not self.data:
                self._show_soon()

    def _on_selected(self, change: Any) -> None:
        with self.showing_errors("The trace could not be shown"), self._lock:
            self._traces.pinned = self.selected
            self._show()

    def _show_soon(self) -> None:
        """Show now, or when the last time is long enough ago: a rain of events must not keep the page busy."""
        pause_s = min(max(PAUSE_S, len(self._changed) * PAUSE_PER_TRACE_S), LONGEST_PAUSE_S)
        left_s = self._shown_at + pause_s - time.monotonic()
        if left_s <= 0:
            self._show()
        elif self._timer is None and not self._closed:
            self._timer = threading.Timer(left_s, self._show_late)
            self._timer.daemon = True
            self._timer.start()

    def _show_late(self) -> None:
        with self.showing_errors("The trace could not be shown"), self._lock:
            self._timer = None
            if not self._closed:
                self._show()

    def _chosen(self) -> tuple[Summary | None, tuple[Row, ...]]:
        with self._lock:
            summaries = self._traces.summaries()
            chosen = next(
                (s for s in summaries if s.key == self.selected), summaries[0] if summaries else None
            )
            return chosen, self._traces.rows(chosen.key) if chosen else ()

    def _show(self) -> None:
        self._shown_at = time.monotonic()
        self._changed.clear()
        chosen, rows = self._chosen()
        shown = as_json(self._traces.summaries(), rows)
        self.data = {**shown, "chosen": chosen.key if chosen else ""}
