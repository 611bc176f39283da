"""What AWS keeps to itself, live: how full token buckets are, what is left of quotas, what waits to be tried again,
and where weighted calls went. A notebook makes one; it reads the lab's journal, its clock, and AWS's settings by boto3.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

import traitlets
from botocore.exceptions import BotoCoreError

from labhelpers.errors import LabError
from labhelpers.journal import CAPACITY
from labhelpers.views.aws import make_client
from labhelpers.views.feed import Batch, Entry, Journalled
from labhelpers.views.following import FollowingView
from labhelpers.views.gauges_buckets import Buckets
from labhelpers.views.gauges_clock import LabClock, Reading
from labhelpers.views.gauges_data import (
    BUCKETS,
    QUOTAS,
    RETRIES,
    SECTIONS,
    WEIGHTS,
    GaugesData,
    gauges_text,
)
from labhelpers.views.gauges_quotas import Items, build_quotas, counts_against_a_quota
from labhelpers.views.gauges_reader import (
    HTTP,
    LAMBDA,
    REST,
    SERVICES,
    SettingsReader,
    changed_service,
)
from labhelpers.views.gauges_retries import Retries
from labhelpers.views.gauges_settings import Plan, Settings
from labhelpers.views.gauges_weights import Routed
from labhelpers.views.view import script, style

USAGE_PAUSE_S = 0.25
_PAUSE_S = 0.04
_AGAIN_S = 1.0
_NEEDS = {
    BUCKETS: {REST, HTTP},
    QUOTAS: {REST},
    RETRIES: {LAMBDA},
    WEIGHTS: {LAMBDA, REST},
}
# Entries that are read by the settings as they are at that moment.
_BY_SETTINGS = ("gateway.", "websocket.", "invoke.started")


class TimedLab(Journalled, Protocol):
    """What gauges need of a lab: its journal and its clock."""

    def now(self) -> datetime: ...

    @property
    def clock_speed(self) -> float: ...


class Reads(Protocol):
    """What gauges need to know settings; `read` and `usage` raise what goes wrong."""

    @property
    def is_outdated(self) -> bool: ...
    def notice(self, service: str) -> None: ...
    def read(self) -> Settings: ...
    def usage(self, plans: Iterable[Plan], lab_now: float) -> dict[str, Items]: ...
    def close(self) -> None: ...


class Gauges(FollowingView):
    """Gauges of `lab`: all sections, or those named: "buckets", "quotas", "retries", "weights".

    `close()` ends it; gauges whose lab has ended stay as they were. LabError for a section that there is not.
    `reader` tells AWS's settings (default: its APIs through boto3).
    """

    _subject = "The gauges"
    _esm = script("gauges")
    _css = style("gauges")

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, lab: TimedLab, *sections: str, reader: Reads | None = None) -> None:
        self._news, self._closed = threading.Event(), threading.Event()
        self._check(sections)
        super().__init__()
        self._sections = tuple(name for name in SECTIONS if name in (sections or SECTIONS))
        needed = {service for name in self._sections for service in _NEEDS[name]}
        self._lab = lab
        self._reader: Reads = reader or SettingsReader(make_client, needed)
        self._clock = LabClock(Reading(time.time(), lab.now().timestamp(), lab.clock_speed))
        self._buckets, self._retries, self._routed = Buckets(), Retries(self._clock), Routed()
        self._settings = Settings()
        self._usage: dict[str, Items] = {}
        self._usage_is_old, self._usage_at, self._period_ends = True, 0.0, float("inf")
        self._came: deque[Entry] = deque(maxlen=CAPACITY)  # No more than the journal itself has.
        self._lock = threading.RLock()
        self.follow(lab)
        with self.showing_errors(_NOT_READ):
            self._begin()
        threading.Thread(target=self._work, name="labhelpers-gauges", daemon=True).start()

    def _check(self, sections: Iterable[str]) -> None:
        for section in sections:
            if section not in SECTIONS:
                raise LabError(f"there is no gauge {section!r}; there are {', '.join(SECTIONS)}")

    def read(self) -> GaugesData:
        """All gauges at this moment."""
        with self._lock:
            now = time.time()
            lab_now = self._clock.lab_time(now)
            shown = self._sections
            return GaugesData(
                shown,
                lab_now,
                self._clock.speed,
                self._buckets.read(now) if BUCKETS in shown else (),
                build_quotas(self._settings.plans, self._usage, lab_now) if QUOTAS in shown else (),
                self._retries.waiting if RETRIES in shown else (),
                self._retries.ended if RETRIES in shown else (),
                self._routed.read() if WEIGHTS in shown else (),
                self._retries.forgotten if RETRIES in shown else 0,
            )

    def to_text(self) -> str:
        """A line for each gauge."""
        return gauges_text(self.read())

    def close(self) -> None:
        """Stop following the lab, and take the gauges from the page."""
        self._closed.set()
        self._news.set()
        super().close()

    # --- The journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Keep what happened for the thread that reads settings beside it."""
        self._came.extend(entries)
        self._news.set()

    def on_end(self, why: str) -> None:
        """Say that nothing more will come."""
        super().on_end(why)
        self._news.set()

    # --- The thread: entries in their order, with the settings that they met ---

    def _begin(self) -> None:
        """Take the past: by the settings as they are now, for nobody knows what they were."""
        past = self._taken()
        services = {changed_service(entry) for entry in past} - {""}
        if past and past[0]["seq"] > 1:
            services = set(SERVICES)  # The journal has forgotten its beginning.
        for service in services:
            self._reader.notice(service)
        with self._lock:
            self._read_settings()
            for entry in past:
                self._add(entry, self._buckets.replay)
            self._read_usage()
            self._show()

    def _work(self) -> None:
        while not self._closed.is_set():
            self._news.wait(self._pause_s())
            self._news.clear()
            if self._closed.is_set():
                break
            if self.state == "ended":
                self._end()
                break
            with self.showing_errors(_NOT_READ):
                try:
                    self._step()
                except BotoCoreError:
                    if getattr(
                        self._lab, "is_running", True
                    ):  # A lab that ends while it is read is no error.
                        raise
            self._closed.wait(_PAUSE_S)
        self._reader.close()

    def _step(self) -> None:
        with self._lock:
            changed = False
            while self._came:  # What cannot be taken, because settings cannot be read, is taken later.
                if self._came[0]["kind"].startswith(_BY_SETTINGS):
                    changed |= self._read_settings()
                entry = self._came.popleft()
                changed |= self._add(entry)
                self._reader.notice(changed_service(entry))
            changed |= self._read_settings()
            changed |= self._read_usage()
            if changed:
                self._show()

    def last_look(self) -> None:
        """Read settings and usage once more, however short ago that was done."""
        with self._lock:
            self._usage_at = 0.0
            self._step()

    def _end(self) -> None:
        """Take the last entries; the lab is there no more to be asked."""
        with self._lock:
            for entry in self._taken():
                self._add(entry)
            self._show()

    def _taken(self) -> list[Entry]:
        return [self._came.popleft() for _ in range(len(self._came))]

    def _add(self, entry: Mapping[str, Any], ask: Callable[[Entry], bool] | None = None) -> bool:
        clock = self._clock.add(entry)
        if clock:
            self._usage_at = 0.0  # A new day may have begun.
        if clock or counts_against_a_quota(entry) or changed_service(entry) == REST:
            self._usage_is_old = True
        asked = (ask or self._buckets.add)(entry)
        changed = [clock, asked, self._retries.add(entry), self._routed.add(entry)]
        return any(changed)

    def _read_settings(self) -> bool:
        if not self._reader.is_outdated:
            return False
        settings = self._reader.read()
        if settings == self._settings:
            return False
        self._settings = settings
        self._buckets.know(settings)
        self._routed.know(settings)
        self._retries.dead_letters = settings.dead_letters
        return True

    # --- Quotas: get_usage, when it may have another answer, but not too often ---

    def _has_quotas(self) -> bool:
        return QUOTAS in self._sections and any(plan.quota for plan in self._settings.plans)

    def _read_usage(self) -> bool:
        now = time.time()
        lab_now = self._clock.lab_time(now)
        old = self._usage_is_old or lab_now >= self._period_ends
        if not (old and self._has_quotas()) or now < self._usage_at + USAGE_PAUSE_S:
            return False
        self._usage = self._reader.usage(self._settings.plans, lab_now)
        self._usage_is_old, self._usage_at = False, now
        quotas = build_quotas(self._settings.plans, self._usage, lab_now)
        self._period_ends = min((quota.resets_at for quota in quotas), default=float("inf"))
        return True

    def _pause_s(self) -> float | None:
        """How long the thread may wait for news: until usage is to be read; None: as long as it likes."""
        with self._lock:
            if self._came or self._reader.is_outdated:
                return _AGAIN_S  # Settings could not be read.
            if not self._has_quotas():
                return None
            now = time.time()
            if self._usage_is_old:
                return max(0.0, self._usage_at + USAGE_PAUSE_S - now)
            left_s = (self._period_ends - self._clock.lab_time(now)) / self._clock.speed
            return max(0.0, min(left_s, 3_600.0))

    def _show(self) -> None:
        self.data = self.read().as_json()


_NOT_READ = "The gauges could not be read"
