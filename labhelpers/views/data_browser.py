"""A look into what the lab's buckets, queues, tables and database hold; it keeps up with what happens.

A notebook makes one with `DataBrowser(lab)`, or `DataBrowser(lab, "table stock")` to begin with that; with
`database_url` the database's tables are among the sources.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import traitlets

from labhelpers.errors import LabError
from labhelpers.views import data_listing
from labhelpers.views.aws import client
from labhelpers.views.data_listing import BUCKET, EMPTY, QUEUE, Source
from labhelpers.views.feed import Batch, Journalled
from labhelpers.views.following import FollowingView, Rereader
from labhelpers.views.view import script, style


class DataBrowser(FollowingView):
    """Data of `lab`. `selected` is a source's id, such as "bucket uploads"; `database_url` is for psycopg."""

    _subject = "The data"
    _esm = script("data_browser")
    _css = style("data_browser")

    sources: Any = traitlets.List().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    listing = traitlets.Dict().tag(sync=True)
    detail = traitlets.Unicode("").tag(sync=True)

    def __init__(self, lab: Journalled, selected: str = "", *, database_url: str = "") -> None:
        self._database_url = database_url
        self._lock = threading.RLock()
        self._reading = (
            threading.Lock()
        )  # One reading at a time: each keeps what the one before it has received.
        self._rereader = Rereader("data-browser", self._read_shown)
        self._sources: list[Source] = []
        self._listing = EMPTY
        self._shown: Source | None = None
        super().__init__()
        self.selected = selected
        self.follow(lab)
        self._rereader.read_and_start()
        if selected and not self.problem:
            self._check(selected)
        self.observe(self._on_selected, names="selected")
        self.on_msg(self._on_message)

    def _check(self, selected: str) -> None:
        if selected not in {source.id for source in self._sources}:
            self.close()
            known = ", ".join(repr(source.id) for source in self._sources)
            others = (
                f"; there are {known}" if known else ", nor anything else that holds data; create it first"
            )
            raise LabError(f"DataBrowser: there is no {selected!r}{others}")

    def to_text(self) -> str:
        """The sources, and what the chosen one holds."""
        with self._lock:
            names = ", ".join(source.id for source in self._sources) or "nothing that holds data"
            return f"{names}\n\n{self.selected}\n{self._listing.as_text()}".strip()

    def close(self) -> None:
        """Stop following the lab, and take the view from the page."""
        self._rereader.end()
        super().close()

    # --- Reading ---

    def refresh(self) -> None:
        """Read again, at once."""
        self._read()

    def _read(self, *, receive: bool = False) -> None:
        with self._reading, self._database() as database:
            found = data_listing.find_sources(client, database)
            with self._lock:
                self._sources = found
                self.sources = [
                    {"id": source.id, "kind": source.kind, "name": source.name} for source in found
                ]
                chosen = next((source for source in found if source.id == self.selected), None)
                if chosen is None and found:
                    chosen = found[0]
                    self.selected = chosen.id
                before = self._listing if chosen == self._shown else EMPTY
                self._shown = chosen
            listing = EMPTY
            if chosen:
                listing = data_listing.read_source(chosen, client, database, receive=receive, before=before)
            kind = chosen.kind if chosen else ""
            with self._lock:
                self._listing = listing
                self.listing = {
                    "columns": list(listing.columns),
                    "rows": [list(row) for row in listing.rows],
                    "note": listing.note,
                    "opens": kind == BUCKET or any(listing.details),
                    "receives": kind == QUEUE,
                }

    @contextlib.contextmanager
    def _database(self) -> Iterator[Any]:
        if not self._database_url:
            yield None
            return
        import psycopg

        with psycopg.connect(self._database_url, connect_timeout=5, autocommit=True) as connection:
            yield connection

    def _read_shown(self) -> None:
        with self.showing_read_errors("The data could not be read"):
            self._read()

    # --- Following the journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Read again if data may have changed; the view's own reading is no change."""
        if any(data_listing.changes_data(entry) for entry in entries):
            self._rereader.again()

    # --- The page ---

    def _on_selected(self, change: Any) -> None:
        self.detail = ""
        self._rereader.again()

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        if content.get("receive"):
            self.in_background(lambda: self._look("The messages could not be received", receive=True))
        elif isinstance(content.get("row"), int):
            self.in_background(lambda: self._open(content["row"]))

    def _look(self, doing: str, *, receive: bool) -> None:
        with self.working(doing):
            self._read(receive=receive)

    def _open(self, row: int) -> None:
        """Show the whole of one row."""
        with self.working("The row could not be opened"):
            with self._lock:
                source = next((s for s in self._sources if s.id == self.selected), None)
                listing = self._listing
            if source is None or not 0 <= row < len(listing.rows):
                return
            if source.kind == BUCKET:
                self.detail = data_listing.read_object(source.name, listing.rows[row][0], client)
            else:
                self.detail = listing.details[row]
