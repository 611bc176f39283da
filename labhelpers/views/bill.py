"""What the lab would have cost on AWS so far, live, and what the owner of usage plans can charge for their use.

A notebook makes one with `Bill(lab)`; `bill_usage` counts, `bill_data` builds.
"""

from __future__ import annotations

import numbers
import threading
import time
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

import traitlets
from botocore.exceptions import BotoCoreError

from labhelpers.errors import LabError
from labhelpers.views.aws import make_client
from labhelpers.views.bill_data import BillData, build_bill
from labhelpers.views.bill_forms import bill_html, bill_text
from labhelpers.views.bill_invoices import KeyUsage, Prices, build_invoices, plan_price
from labhelpers.views.bill_lines import Facts
from labhelpers.views.bill_reader import LAMBDA, PLANS, RDS, BillReader, outdated
from labhelpers.views.bill_usage import Usage
from labhelpers.views.feed import Batch, Journalled
from labhelpers.views.following import READ_PAUSE_S, FollowingView
from labhelpers.views.gauges_clock import LabClock, Reading
from labhelpers.views.view import script, style

MOVE_S = 1.0  # While something is charged by the time, the bill goes on with the clock.
_PAUSE_S = 0.1


class TimedLab(Journalled, Protocol):
    """What a bill needs of a lab: its journal and its clock."""

    def now(self) -> datetime: ...

    @property
    def clock_speed(self) -> float: ...


class Reads(Protocol):
    """What a bill needs to know beside the journal; `facts` and `usage` raise what goes wrong."""

    def facts(self, services: Collection[str]) -> Facts: ...
    def usage(self, lab_now: float) -> tuple[KeyUsage, ...]: ...
    def close(self) -> None: ...


class Bill(FollowingView):
    """The bill of `lab` from its start, in dollars of us-east-1, before any free tier.

    `plan_prices` adds an invoice for each customer of the usage plans: dollars for each call of a key, or for each
    plan by name such a number or `{"fee": 9, "included": 50, "per_call": 0.02}`. LabError for any other price.
    `close()` ends it; a bill whose lab has ended stays as it was.
    """

    _subject = "The bill"
    _esm = script("bill")
    _css = style("bill")

    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self, lab: TimedLab, *, plan_prices: Prices | None = None, reader: Reads | None = None
    ) -> None:
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self._news, self._closed = threading.Event(), threading.Event()
        self._check(plan_prices)
        super().__init__()
        self._lab, self._plan_prices = lab, plan_prices
        self._reader: Reads = reader or BillReader(make_client)
        self._clock = LabClock(Reading(time.time(), lab.now().timestamp(), lab.clock_speed))
        self._usage = Usage(self._clock.lab_time)
        self._facts, self._key_usage = Facts(), tuple[KeyUsage, ...]()
        self._outdated: set[str] = set()
        self._ended_at: float | None = None
        self._read_at = 0.0
        self.follow(lab)
        if self._usage.missed:
            self._outdated |= {LAMBDA, RDS, PLANS}
        self._step()
        threading.Thread(target=self._work, name="labhelpers-bill", daemon=True).start()

    def _check(self, prices: Prices | None) -> None:
        if prices is None or isinstance(prices, numbers.Real):
            return
        if not isinstance(prices, Mapping):
            raise LabError(
                "plan_prices takes a number of dollars, or a dictionary, a price for each plan by its name, such as "
                f'{{"basic": 0.02}}, not {prices!r}'
            )
        for plan in prices:
            plan_price(prices, plan)

    # --- Forms ---

    def read(self) -> BillData:
        """The bill at this moment."""
        with self._lock:
            now = self._clock.lab_time(self._ended_at or time.time())
            prices = self._plan_prices
            invoices = () if prices is None else build_invoices(self._key_usage, prices)
            return build_bill(self._usage, now, self._facts, invoices)

    def to_text(self) -> str:
        """All lines, invoices, and where the prices come from."""
        return bill_text(self.read())

    def to_html(self) -> str:
        """The same as tables."""
        return bill_html(self.read())

    def close(self) -> None:
        """Stop following the lab, and take the bill from the page."""
        self._stop()
        super().close()

    # --- The journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Count what was used; the page follows."""
        with self._lock:
            for entry in entries:
                self._clock.add(entry)
            changed = self._usage.add_all(entries)
            found = {outdated(entry) for entry in entries} - {""}
            if self._plan_prices is None:
                found -= {PLANS}
            self._outdated |= found
        if changed or found:
            self._news.set()

    def on_end(self, why: str) -> None:
        """Say that nothing more will come; what is charged by the time ends, too."""
        with self._lock:
            self._ended_at = time.time()
        super().on_end(why)
        self._stop()

    # --- The thread: reads what has changed, and shows the bill ---

    def _work(self) -> None:
        while not self._closed.is_set():
            self._news.wait(self._pause_s())
            self._news.clear()
            self._step()
            self._closed.wait(_PAUSE_S)
        self._reader.close()

    def _pause_s(self) -> float | None:
        """How long the thread may wait for news: until something is to be read or moves; None: as long as it likes."""
        with self._lock:
            if self._outdated:
                return max(0.0, self._read_at + READ_PAUSE_S - time.monotonic())
            return MOVE_S if self._usage.is_running else None

    def _step(self) -> None:
        with self._lock:
            services = frozenset(self._outdated)
        with self._reading:  # Two threads do: its own, and the one that closes the lab.
            if services and self._ended_at is None and time.monotonic() >= self._read_at + READ_PAUSE_S:
                with self.showing_errors("The bill could not be read"):
                    self._read_facts(services)
        try:
            self._show()
        except Exception as error:  # noqa: BLE001 - shown in the view: this thread has nobody else to tell
            self.show_problem("The bill could not be drawn", error)

    def last_look(self) -> None:
        """Read what is out of date once more, however short ago that was done."""
        self._read_at = float("-inf")
        self._step()

    def _read_facts(self, services: frozenset[str]) -> None:
        """Ask these of AWS's services, whose answers are out of date; what fails is asked again."""
        with self._lock:
            lab_now = self._clock.lab_time(time.time())
            self._outdated -= services
        self._read_at = time.monotonic()
        try:
            facts = self._reader.facts(services)
            usage = self._reader.usage(lab_now) if PLANS in services else self._key_usage
        except Exception as error:
            # A lab that ends while it is read is no error.
            if isinstance(error, BotoCoreError) and not getattr(self._lab, "is_running", True):
                return
            with self._lock:
                self._outdated |= services
            raise
        with self._lock:
            self._facts, self._key_usage = facts, usage

    def _show(self) -> None:
        data = self.read().as_json()
        if data != self.data:
            self.data = data

    def _stop(self) -> None:
        self._closed.set()
        self._news.set()
