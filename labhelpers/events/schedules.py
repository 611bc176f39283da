"""Schedule expressions: rate(...), cron(...) and at(...), and when each is due next. Pure.

Used by EventBridge's scheduled rules and by EventBridge Scheduler.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
     https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol

from labhelpers.events.cron_fields import Days, parse_days, parse_values

_RATE = re.compile(r"rate\(([1-9]\d{0,8}) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_YEARS = 1970, 2199


class Schedule(Protocol):
    """When something is due."""

    def next_after(self, moment: float, start: float) -> float | None:
        """The first time due after `moment`; `start` is when the schedule began.

        Both in epoch seconds; None for never again.
        """


@dataclass(frozen=True, slots=True)
class Rate:
    """Every `seconds`, counted from the schedule's start."""

    seconds: int

    def next_after(self, moment: float, start: float) -> float | None:
        """`start` plus the next whole number of intervals, at least one."""
        passed = max(0, int((moment - start) // self.seconds))
        due = start + (passed + 1) * self.seconds
        return due if due > moment else due + self.seconds


@dataclass(frozen=True, slots=True)
class At:
    """Once."""

    moment: float

    def next_after(self, moment: float, start: float) -> float | None:
        """The one time, if it is still to come."""
        return self.moment if self.moment > moment else None


@dataclass(frozen=True, slots=True)
class Cron:
    """At the minutes of a time zone that six fields name."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: frozenset[int]
    years: frozenset[int]
    zone: tzinfo = UTC

    def next_after(self, moment: float, start: float) -> float | None:
        """The next minute that fits.

        AWS: one that summer time leaves out is left out, and one that its end repeats counts once.
        """
        after = datetime.fromtimestamp(moment, self.zone)
        # The hour that the end of summer time repeats may put a local time later than `after` before it in truth.
        day = (after - timedelta(hours=2)).date()
        last = max(self.years)
        while day.year <= last:
            if day.year not in self.years:
                day = date(day.year + 1, 1, 1)
            elif day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            else:
                if self.days.fits(day) and (due := self._on(day, moment)) is not None:
                    return due
                day += timedelta(days=1)
        return None

    def _on(self, day: date, moment: float) -> float | None:
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                due = local.timestamp()
                if due > moment and datetime.fromtimestamp(due, self.zone).replace(fold=0) == local:
                    return due
        return None


def parse_rule_schedule(text: str) -> Schedule:
    """The ScheduleExpression of an EventBridge rule: rate or cron, in UTC. ValueError if it is none."""
    if text.startswith("rate("):
        found = _RATE.fullmatch(text)
        # AWS: one of a unit takes its singular, more take the plural.
        if found is None or (found[1] == "1") == bool(found[3]):
            raise ValueError(f"no schedule: {text!r}")
        return Rate(int(found[1]) * _SECONDS[found[2]])
    return _cron(text, UTC)


def parse_schedule(text: str, zone: tzinfo = UTC) -> Schedule:
    """The ScheduleExpression of EventBridge Scheduler: rate, cron or at, in `zone`. ValueError if it is none."""
    if found := _RATE.fullmatch(text):
        return Rate(int(found[1]) * _SECONDS[found[2]])
    if found := _AT.fullmatch(text):
        try:
            return At(datetime.fromisoformat(found[1]).replace(tzinfo=zone).timestamp())
        except ValueError as error:
            raise ValueError(f"no schedule: {text!r}") from error
    return _cron(text, zone)


def _cron(text: str, zone: tzinfo) -> Cron:
    found = _CRON.fullmatch(text)
    if found is None:
        raise ValueError(f"no schedule: {text!r}")
    minutes, hours, day_of_month, month, day_of_week, year = found.groups()
    return Cron(
        tuple(sorted(parse_values(minutes, 0, 59))),
        tuple(sorted(parse_values(hours, 0, 23))),
        parse_days(day_of_month, day_of_week),
        parse_values(month, 1, 12, _MONTHS),
        parse_values(year, *_YEARS),
        zone,
    )
