"""What the views share that follow a lab: how they begin, hear of errors and of the end, and are closed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import traitlets

from labhelpers.views.feed import Batch, Journalled, feed_of
from labhelpers.views.view import View

READ_PAUSE_S = 0.5


def _nothing() -> None:
    """What a view that follows nothing has to end."""


class FollowingView(View):
    """A view of a lab's journal; `state` is "live" until the lab has ended.

    A maker ends with `follow`; `on_entries` then gets the past at once, and what comes from the feed's thread.
    """

    _subject = "The view"  # Begins what is said when an entry could not be shown.

    state = traitlets.Unicode("live").tag(sync=True)
    _unsubscribe: Callable[[], None] = staticmethod(_nothing)
    _followed: Journalled | None = None

    def follow(self, lab: Journalled) -> None:
        """Take up the past of `lab`, then all that happens there, until `close`."""
        self._followed = lab
        try:
            self._unsubscribe = feed_of(lab).subscribe(self)
        except BaseException:
            self.close()  # Nobody gets a view that could not be made: it must not stay on the page.
            raise

    def unfollow(self) -> None:
        """Hear no more of the lab. May be called twice."""
        self._unsubscribe()

    def close(self) -> None:
        """Stop following the lab, and take the view from the page."""
        self.unfollow()
        super().close()

    @contextlib.contextmanager
    def showing_read_errors(self, doing: str) -> Iterator[None]:
        """Show in the view what is raised inside, while the lab is read; that it ended meanwhile is no error."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - shown in the view: the thread that reads has nobody else to tell
            if getattr(self._followed, "is_running", True):
                self.show_problem(doing, error)
        else:
            self.problem = ""

    def on_entries(self, entries: Batch) -> None:
        """Take up what happened, and show it."""
        raise NotImplementedError

    def last_look(self) -> None:
        """The lab is about to close: a view that asks AWS's APIs asks them once more."""

    def on_error(self, error: BaseException) -> None:
        """Show what could not be shown."""
        self.show_problem(f"{self._subject} could not follow the journal", error)

    def on_end(self, why: str) -> None:
        """Say that nothing more will come."""
        self.state = "ended"
        if why:
            self.problem = f"The journal's stream broke: {why}"


class Rereader:
    """Calls `read` in a thread of its own whenever `again` was called, but not more often than once in `pause_s`.

    `read` shows its own errors; `at_end` is called by the thread, its last. It is made before a view follows a lab,
    and begins afterwards.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], object],
        pause_s: float = READ_PAUSE_S,
        at_end: Callable[[], object] = _nothing,
    ) -> None:
        self._read, self._pause_s, self._at_end = read, pause_s, at_end
        self._wanted, self.ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"labhelpers-{name}", daemon=True)

    def start(self) -> None:
        """Begin to listen to `again`; also to what it was told before."""
        self._thread.start()

    def read_and_start(self) -> None:
        """Read now: that holds all that `again` was called for. Then begin."""
        self._wanted.clear()
        self._read()
        self.start()

    def again(self) -> None:
        """What was read may be out of date."""
        self._wanted.set()

    def end(self) -> None:
        """Read no more."""
        self.ended.set()
        self._wanted.set()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self.ended.is_set():
                break
            self._wanted.clear()
            self._read()
            if self.ended.wait(self._pause_s):
                break
        self._at_end()
