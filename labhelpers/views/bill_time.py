"""What AWS charges by the time that it is there, not by its use: connections, databases, environments; pure.

All times are the lab's, in epoch seconds, and come in their order.
"""

from __future__ import annotations

from collections.abc import Mapping


class Spans:
    """How long things were on, of each group. Each time that one was on counts as `least_s` at least."""

    def __init__(self, least_s: float = 0.0) -> None:
        self._least_s = least_s
        self._on: dict[str, tuple[str, float]] = {}
        self._past: dict[str, float] = {}

    def on(self, key: str, now: float, group: str = "") -> None:
        """It is on from now; no matter if it was before."""
        self._on.setdefault(key, (group, now))

    def off(self, key: str, now: float) -> None:
        """It is off from now; no matter if it was before."""
        if key in self._on:
            group, since = self._on.pop(key)
            self._past[group] = self._past.get(group, 0.0) + self._length(since, now)

    @property
    def is_running(self) -> bool:
        """Whether anything is on."""
        return bool(self._on)

    def seconds(self, now: float) -> dict[str, float]:
        """All that was on so far, of each group."""
        found = dict(self._past)
        for group, since in self._on.values():
            found[group] = found.get(group, 0.0) + self._length(since, now)
        return found

    def _length(self, since: float, now: float) -> float:
        return max(self._least_s, now - since)


class Held:
    """Environments that were held, of each version of a function, in seconds times environments.

    A period lasts from the first to the last environment of a version. It is rounded up to whole `step_s`, and what
    that adds counts for the most that were held in it.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._periods: dict[str, _Period] = {}
        self._past: dict[str, float] = {}

    def on(self, version: str, environment: str, now: float) -> None:
        """This environment is there from now; no matter if it was before."""
        period = self._periods.setdefault(version, _Period(now))
        period.count(now)
        period.there.add(environment)
        period.most = max(period.most, len(period.there))

    def off(self, version: str, environment: str, now: float) -> None:
        """It is there no more."""
        period = self._periods.get(version)
        if period is None or environment not in period.there:
            return
        period.count(now)
        period.there.discard(environment)
        if not period.there:
            del self._periods[version]
            self._past[version] = self._past.get(version, 0.0) + period.rounded(now, self._step_s)

    @property
    def is_running(self) -> bool:
        """Whether any environment is held."""
        return bool(self._periods)

    def seconds(self, now: float) -> Mapping[str, float]:
        """Environment-seconds so far, of each version."""
        found = dict(self._past)
        for version, period in self._periods.items():
            found[version] = found.get(version, 0.0) + period.rounded(now, self._step_s)
        return found


class _Period:
    def __init__(self, now: float) -> None:
        self._began = self._counted = now
        self._held_s = 0.0
        self.there: set[str] = set()
        self.most = 0

    def count(self, now: float) -> None:
        self._held_s += len(self.there) * (now - self._counted)
        self._counted = now

    def rounded(self, now: float, step_s: float) -> float:
        held_s = self._held_s + len(self.there) * (now - self._counted)
        length = now - self._began
        return held_s + self.most * (-(-length // step_s) * step_s - length)
