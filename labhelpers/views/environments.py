"""Execution environments over time, live: a lane for each, and below them how many calls run at once.

A notebook makes one; it reads the lab's journal and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import traitlets

from labhelpers.views.environments_data import Picture, build_picture, picture_text
from labhelpers.views.environments_lanes import Timeline
from labhelpers.views.environments_svg import environments_svg
from labhelpers.views.feed import Batch, Journalled
from labhelpers.views.following import FollowingView
from labhelpers.views.view import picture_html, script, style

MOVE_S = 0.25  # While something runs, the picture goes on with the clock.
_PAUSE_S = 0.04
_PAUSE_SHARE = 5  # A picture that takes long to build is built less often.


class Environments(FollowingView):
    """The execution environments of `lab`'s functions: of all, or of those named (a name or several).

    `close()` ends it; a view whose lab has ended stays as it was.
    """

    _subject = "The environments"
    _esm = script("environments")
    _css = style("environments")

    picture = traitlets.Dict().tag(sync=True)

    def __init__(self, lab: Journalled, functions: str | Sequence[str] = ()) -> None:
        names = (functions,) if isinstance(functions, str) else tuple(functions)
        self._timeline = Timeline(names)
        self._lock = threading.Lock()
        self._news, self._closed = threading.Event(), threading.Event()
        super().__init__()
        self.follow(lab)
        self._show()
        threading.Thread(target=self._draw, name="labhelpers-environments", daemon=True).start()

    # --- Forms ---

    def read(self) -> Picture:
        """The picture at this moment."""
        with self._lock:
            return build_picture(self._timeline, time.time())

    def to_text(self) -> str:
        """All in one sentence, then a line for each environment."""
        return picture_text(self.read())

    def to_svg(self) -> str:
        """Lanes and curve as one SVG picture."""
        return environments_svg(self.read())

    def to_html(self) -> str:
        """Lanes and curve as a picture with the text form as alternative text."""
        picture = self.read()
        return picture_html(environments_svg(picture), picture_text(picture))

    def close(self) -> None:
        """Stop following the lab, and take the view from the page."""
        self._closed.set()
        self._news.set()
        super().close()

    # --- The journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Take what happened; the picture follows."""
        with self._lock:
            if self._timeline.add_all(entries):
                self._news.set()

    def on_end(self, why: str) -> None:
        """Say that nothing more will come."""
        super().on_end(why)
        self._closed.set()
        self._news.set()

    # --- Drawing ---

    def _draw(self) -> None:
        """Show what is new; while something runs, also that time passes."""
        while not self._closed.is_set():
            with self._lock:
                moves = self._timeline.is_running
            self._news.wait(MOVE_S if moves else None)
            self._news.clear()
            began = time.perf_counter()
            with self.showing_errors("The environments could not be drawn"):
                self._show()
            self._closed.wait(max(_PAUSE_S, _PAUSE_SHARE * (time.perf_counter() - began)))

    def _show(self) -> None:
        picture: dict[str, Any] = self.read().as_json()
        if picture != self.picture:
            self.picture = picture
