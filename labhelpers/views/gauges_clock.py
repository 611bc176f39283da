"""What the lab's clock reads, and read at any entry of the journal; pure.

Entries carry real time. Those that say how the clock was set carry the lab's time too: between them it runs evenly.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KEPT = 1_000
_KINDS = ("lab.started", "clock.step", "clock.speed")


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """At `at` (real time, epoch seconds) the lab's clock read `lab`, and ran `speed` times as fast from then on."""

    at: float
    lab: float
    speed: float = 1.0


class LabClock:
    """Made with what the clock reads now; `add` takes the journal's entries in their order."""

    def __init__(self, reading: Reading) -> None:
        self._readings = [reading]
        self._guessed = True  # Of the time before it: the clock may have been set since.

    def add(self, entry: Mapping[str, Any]) -> bool:
        """Note how the clock was set, if this entry says so; whether it does."""
        if entry["kind"] not in _KINDS or "now" not in entry["detail"]:
            return False
        made = Reading(float(entry["at"]), float(entry["detail"]["now"]), float(entry["detail"]["speed"]))
        if self._guessed:
            self._readings = []
            self._guessed = False
        self._readings = [*self._readings[-_KEPT:], made]
        return True

    @property
    def speed(self) -> float:
        """How many times faster than real it runs now."""
        return self._readings[-1].speed

    def lab_time(self, at: float) -> float:
        """What the lab's clock read at a real time, both in epoch seconds."""
        index = bisect.bisect_right(self._readings, at, key=lambda reading: reading.at)
        known = self._readings[max(0, index - 1)]
        return known.lab + (at - known.at) * known.speed
