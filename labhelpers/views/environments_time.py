"""The time axis of the environments: long stretches in which nothing runs are folded, so that calls stay visible; pure.

A learner reads for minutes between two calls of milliseconds: on a plain axis both calls would be hairlines.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

FOLD_S_MIN = 1.0  # A shorter wait is drawn as long as it was.
_FOLD_SHARE = (
    0.5  # A wait is folded when it is longer than this share of all the time in which something ran.
)
_FOLD_WIDTH, _FOLD_WIDTH_ALL = 0.06, 0.4
FOLDS_MAX = 40  # Of more, neighbours are drawn as one.
_TICKS, _TICK_GAP = 6, 0.075

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fold:
    """A stretch that is drawn shorter than it was; `x0` and `x1` are shares of the width."""

    x0: float
    x1: float
    label: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A time on the axis, as a share of the width and in words: since the axis began."""

    x: float
    label: str


class TimeAxis:
    """From the first of `busy` (in any order) to `end`, in epoch seconds, as shares of the width from 0 to 1."""

    def __init__(self, busy: Iterable[Interval], end: float) -> None:
        runs = _merged([*busy, (end, end)])
        self.start = runs[0][0]
        active = sum(until - since for since, until in runs)
        gaps = {i: runs[i + 1][0] - runs[i][1] for i in range(len(runs) - 1)}
        shortest = max(FOLD_S_MIN, _FOLD_SHARE * active)
        folded = {i for i, length in gaps.items() if length > shortest}
        plain = active + sum(length for i, length in gaps.items() if i not in folded)
        width = min(_FOLD_WIDTH, _FOLD_WIDTH_ALL / len(folded)) if folded else 0.0
        scale = (1 - width * len(folded)) / plain if plain else 0.0
        self._times, self._xs = [self.start], [0.0]
        folds: list[tuple[float, float, float]] = []  # From, to, and how long the wait was.
        for i, (since, until) in enumerate(runs):
            self._add(until, (until - since) * scale)
            if i in folded:
                x0 = self._xs[-1]
                self._add(runs[i + 1][0], width)
                folds.append((x0, self._xs[-1], gaps[i]))
            elif i in gaps:
                self._add(runs[i + 1][0], gaps[i] * scale)
        self.folds = list(_drawn(folds))
        self._step = _nice(plain / _TICKS) if plain else 1.0

    def _add(self, time: float, width: float) -> None:
        self._times.append(time)
        self._xs.append(self._xs[-1] + width)

    def x(self, time: float) -> float:
        """Where a time is."""
        i = min(max(bisect.bisect_right(self._times, time), 1), len(self._times) - 1)
        t0, t1, x0, x1 = self._times[i - 1], self._times[i], self._xs[i - 1], self._xs[i]
        share = min(max((time - t0) / (t1 - t0), 0.0), 1.0) if t1 > t0 else 1.0
        return min(x0 + (x1 - x0) * share, 1.0)

    def ticks(self) -> list[Tick]:
        """Round times, none so near to another that their labels touch."""
        span = self._times[-1] - self.start
        found: list[Tick] = []
        decimals = max(0, -math.floor(math.log10(self._step) + 1e-9))
        inside = [(fold.x0, fold.x1) for fold in self.folds]
        number, last = 0, span / self._step
        while number <= last:
            seconds = number * self._step
            x = self.x(self.start + seconds)
            covered = next((x1 for x0, x1 in inside if x0 < x < x1), None)
            if covered is not None:  # On with the first round time after the fold.
                number = max(number + 1, math.ceil(self._after(covered) / self._step - 1e-9))
                continue
            if x <= 0.96 and (not found or x - found[-1].x >= _TICK_GAP):
                found.append(Tick(round(x, 4), _clock(seconds, decimals)))
            number += 1
        return found

    def _after(self, x: float) -> float:
        """Seconds from the start to the end of the fold that ends at `x`."""
        i = next(i for i, known in enumerate(self._xs) if known >= x - 1e-4)
        return self._times[i] - self.start


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    found: list[Interval] = []
    for since, until in sorted(intervals):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


def _drawn(folds: Sequence[tuple[float, float, float]]) -> Iterator[Fold]:
    """The folds, or groups of neighbours where there are too many; what ran between them lies on top."""
    size = -(-len(folds) // FOLDS_MAX)
    for first in range(0, len(folds), size or 1):
        group = folds[first : first + size]
        waited = sum(length for _, _, length in group)
        yield Fold(round(group[0][0], 4), round(group[-1][1], 4), length_text(waited))


def _nice(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value - 1e-12))


def _clock(seconds: float, decimals: int) -> str:
    if seconds < 120:
        return f"{seconds:.{decimals}f} s"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)} min {rest:.{decimals}f} s" if rest >= 1e-9 else f"{int(minutes)} min"


def length_text(seconds: float) -> str:
    """How long something took, with the digits that matter."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"
