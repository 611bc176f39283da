"""What is travelling where: the functions of a lab, what starts them and what they call, and what moves, live.

A notebook makes one; it reads AWS's settings through boto3 and everything else from the lab's journal.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import traitlets
from botocore.exceptions import BotoCoreError

from labhelpers.views.account_reader import AwsReader
from labhelpers.views.aws import make_client
from labhelpers.views.feed import Batch, Journalled
from labhelpers.views.following import FollowingView, Rereader
from labhelpers.views.map_data import MapData, Picture, build_now, build_picture, event_text
from labhelpers.views.map_svg import map_svg
from labhelpers.views.map_text import map_text
from labhelpers.views.tally import Tally
from labhelpers.views.tally_counts import Count, Move
from labhelpers.views.things import CLIENT, FUNCTION, Resources
from labhelpers.views.view import picture_html, script, style

READ_PAUSE_S = 0.3


class AccountReader(Protocol):
    """What a map needs to know an account: `read` raises what goes wrong, `close` lets connections go.

    `notice` is given all entries of the journal, and says whether it is time to read again.
    """

    def read(self) -> Resources: ...

    def notice(self, entries: Iterable[Mapping[str, Any]]) -> bool: ...

    def close(self) -> None: ...


class LiveMap(FollowingView):
    """A live map of `lab`. `reader` tells the account's resources (default: AWS's APIs through boto3).

    `close()` ends it; a map whose lab has ended stays as it was.
    """

    _subject = "The map"
    _esm = script("live_map")
    _css = style("live_map")

    picture = traitlets.Dict().tag(sync=True)
    step = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)

    def __init__(self, lab: Journalled, *, reader: AccountReader | None = None) -> None:
        self._lock, self._reading = threading.RLock(), threading.Lock()
        self._reader = reader or AwsReader(make_client)
        self._tally = Tally()
        self._number = 0
        self._lab = lab
        self._rereader = Rereader("map-reader", self._refresh_shown, READ_PAUSE_S, self._reader.close)
        self._resources = Resources()
        self._drawn_links: frozenset[tuple[str, str]] = frozenset()
        self._picture = Picture((), (), 0, 0)
        super().__init__()
        self.follow(lab)
        self.observe(self._on_selected, names="selected")
        self._rereader.start()

    # --- Forms ---

    def data(self) -> MapData:
        """The map at this moment."""
        with self._lock:
            return MapData(self._picture, build_now(self._picture, self._tally))

    def to_text(self) -> str:
        """All links, things and the last failure, a line each."""
        return map_text(self.data())

    def to_svg(self) -> str:
        """The map as one SVG picture."""
        return map_svg(self.data())

    def to_html(self) -> str:
        """The map as a picture with its text form as alternative text."""
        data = self.data()
        return picture_html(map_svg(data), map_text(data))

    def close(self) -> None:
        """Stop following the lab, and take the map from the page."""
        self._rereader.end()
        super().close()

    # --- Following the journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Count what happened, and show it."""
        first = not self._number
        if self._reader.notice(entries) and not first:
            self._rereader.again()
        with self._lock:
            if first:  # The past, given by `follow`: it tells which services there is something to ask.
                self._resources = self._reader.read()
                self._tally.know(self._resources.named(FUNCTION), self._resources.links)
            moves = self._tally.add_all(entries)
            self._redraw()
            self._show([] if first else moves)

    def on_end(self, why: str) -> None:
        """Say that nothing more will come."""
        with self._lock:
            self._drawn_links = frozenset({("", "")})
            self._redraw()
            self._show([])
        self._rereader.end()
        super().on_end(why)

    # --- Reading the settings ---

    def _refresh_shown(self) -> None:
        with self.showing_errors("The map could not read the account's settings"):
            try:
                self.refresh()
            except BotoCoreError:
                if getattr(self._lab, "is_running", True):  # A lab that ends while it is read is no error.
                    raise

    def last_look(self) -> None:
        """Read the settings once more: what a notebook has just deleted is not there in the end."""
        self._refresh_shown()

    def refresh(self) -> None:
        """Read the account's settings now."""
        with self._reading:  # Two threads do: its own, and the one that closes the lab.
            resources = self._reader.read()
        with self._lock:
            if resources != self._resources:
                self._resources = resources
                self._tally.know(resources.named(FUNCTION), resources.links)
                self._drawn_links = frozenset({("", "")})
                self._redraw()
                self._show([])

    # --- Showing; with the lock held ---

    def _redraw(self) -> None:
        """Lay the picture out again, if something now takes a way that is not drawn."""
        seen = frozenset(self._tally.seen)
        if seen != self._drawn_links or not self._number:
            self._drawn_links = seen
            self._picture = build_picture(self._resources, self._tally.seen.values())
            picture = self._picture.as_json()
            if picture != self.picture:
                self.picture = picture

    def _show(self, moves: Sequence[Move]) -> None:
        """One message to the page: how things stand, what moved, and what the selected thing did lately."""
        self._number += 1
        now = build_now(self._picture, self._tally)
        selected = self._tally.of(self.selected) if self.selected else Count()
        self.step = {
            "number": self._number,
            "now": now.as_json(),
            "moves": _gathered(moves, self._picture),
            "recent": list(selected.recent),
            "event": event_text(selected.last_event),
            "failure": selected.last_failure,
        }

    def _on_selected(self, _: Mapping[str, Any]) -> None:
        with self._lock:
            self._show([])


def _gathered(moves: Sequence[Move], picture: Picture) -> list[dict[str, Any]]:
    """Moves of one batch along one link as one: how many, and the name of the last; those of the client first.

    A call is in the journal when it is answered: what it has set in motion may be there before.
    """
    numbers = Counter((move.source, move.target) for move in moves)
    texts = {(move.source, move.target): move.text for move in moves}
    ids = {(arrow.source, arrow.target): arrow.id for arrow in picture.arrows}
    return [
        {"link": ids[pair], "number": number, "text": texts[pair]}
        for pair, number in sorted(numbers.items(), key=lambda found: found[0][0] != CLIENT)
        if pair in ids
    ]
