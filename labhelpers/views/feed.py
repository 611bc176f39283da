"""Brings a lab's journal to its views: one thread reads the stream, another hands out what came, in batches.

Rules: a quiet feed hands the first entry on at once; after that one batch every 50 ms at most. A subscriber gets the
past first, then every later entry once. What a subscriber raises is told to that subscriber alone. The threads end with
the last subscriber.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

BATCH_S = 0.05
SETTLE_S = 3.0

Entry = Mapping[str, Any]
Batch = Sequence[Entry]


class Journalled(Protocol):
    """What a feed needs of a lab: the past after `since`, and an endless stream after `since`.

    The stream may have a `close` that ends a waiting reader from another thread.
    """

    def journal(self, since: int = 0) -> Sequence[Entry]: ...

    def follow(self, since: int = 0) -> Iterator[Entry]: ...


class Subscriber(Protocol):
    """`on_entries` gets a batch, `on_end` hears that no more will come, and why ("" when the lab ended).

    `last_look` is called before the lab closes, on another thread than `on_entries`: what has to be asked of it, now.
    """

    def on_entries(self, entries: Batch) -> None: ...

    def on_error(self, error: BaseException) -> None: ...

    def on_end(self, why: str) -> None: ...

    def last_look(self) -> None: ...


class Feed:
    """The one reader of a lab's journal in this process."""

    def __init__(self, lab: Journalled) -> None:
        self._lab = lab
        self._lock = threading.Lock()
        self._since: dict[Subscriber, int] = {}
        self._run: _Run | None = None
        before_close = getattr(lab, "before_close", None)
        if before_close is not None:
            before_close.append(self.settle)

    def settle(self) -> None:
        """Give the views all that has happened, and their last look at the lab; after SETTLE_S it goes on without."""
        looking = threading.Thread(target=self._settle, name="labhelpers-feed-settle", daemon=True)
        looking.start()
        looking.join(SETTLE_S)

    def _settle(self) -> None:
        with self._lock:
            if not self._since:
                return
            self._give(self._lab.journal(min(self._since.values())))
            subscribers = list(self._since)
        for subscriber in subscribers:
            try:
                subscriber.last_look()
            except Exception as error:  # noqa: BLE001 - the view shows it; the other views look, too
                subscriber.on_error(error)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Give the past to `subscriber` now, then all that comes. Call the result to stop; it may be called twice."""
        with self._lock:
            past = self._lab.journal()
            subscriber.on_entries(past)
            self._since[subscriber] = past[-1]["seq"] if past else 0
            if self._run is None or self._run.ended:
                self._run = _Run(self._lab, self._since[subscriber], self._hand_out, self._tell_end)
        return lambda: self._unsubscribe(subscriber)

    def _unsubscribe(self, subscriber: Subscriber) -> None:
        with self._lock:
            self._since.pop(subscriber, None)
            run = self._run if not self._since else None
            if run:
                self._run = None
        if run:
            run.stop()

    def _hand_out(self, run: _Run, entries: Batch) -> None:
        with self._lock:
            if run is not self._run:
                return
            self._give(entries)

    def _give(self, entries: Batch) -> None:
        for subscriber, since in list(self._since.items()):
            new = [entry for entry in entries if entry["seq"] > since]
            if not new:
                continue
            self._since[subscriber] = new[-1]["seq"]
            try:
                subscriber.on_entries(new)
            except Exception as error:  # noqa: BLE001 - the view shows it; the other views go on
                subscriber.on_error(error)

    def _tell_end(self, run: _Run, why: str) -> None:
        with self._lock:
            subscribers = list(self._since) if run is self._run else []
        for subscriber in subscribers:
            subscriber.on_end(why)


class _Run:
    """The two threads, from the first subscriber to the last."""

    def __init__(
        self,
        lab: Journalled,
        since: int,
        on_batch: Callable[[_Run, Batch], None],
        on_end: Callable[[_Run, str], None],
    ) -> None:
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._on_batch, self._on_end = on_batch, on_end
        self._why = ""
        self.ended = False
        self._stream = lab.follow(since)
        for work in (self._read, self._deliver):
            threading.Thread(target=work, name=f"labhelpers-feed-{work.__name__[1:]}", daemon=True).start()

    def stop(self) -> None:
        """End both threads. The reader ends with its stream, or at its next entry."""
        self._stopped.set()
        self._entries.put(None)
        close = getattr(self._stream, "close", None)
        # A generator that is waiting for its next entry cannot be closed from here.
        if close and not hasattr(self._stream, "gi_running"):
            close()

    def _read(self) -> None:
        try:
            for entry in self._stream:
                if not self._stopped.is_set():
                    self._entries.put(entry)
                elif hasattr(self._stream, "gi_running"):
                    return  # A generator: nobody has told it to end. Others have been, and let go of their socket.
        except Exception as error:  # noqa: BLE001 - told to the subscribers: a stream breaks in many ways
            self._why = f"{type(error).__name__}: {error}"
        finally:
            self._entries.put(None)

    def _deliver(self) -> None:
        next_batch = 0.0
        more = True
        while more:
            batch = [self._entries.get()]
            self._stopped.wait(max(0.0, next_batch - time.monotonic()))
            while not self._entries.empty():
                batch.append(self._entries.get())
            more = None not in batch
            entries = [entry for entry in batch if entry is not None]
            if self._stopped.is_set():
                break
            if entries:
                self._on_batch(self, entries)
            next_batch = time.monotonic() + BATCH_S
        self.ended = True
        if not self._stopped.is_set():
            self._on_end(self, self._why)


_FEED = "_feed_of_views"  # An attribute of the lab: both go together.
_feeds_lock = threading.Lock()


def feed_of(lab: Journalled) -> Feed:
    """The feed of this lab, shared by its views."""
    with _feeds_lock:
        found: Feed = vars(lab).get(_FEED) or Feed(lab)
        vars(lab)[_FEED] = found
        return found
