"""The fields of a cron expression as AWS reads them: lists, ranges, steps, and days by L, W, # and ?. Pure.

AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

_WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()
_PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?")


def parse_values(text: str, low: int, high: int, names: Sequence[str] = ()) -> frozenset[int]:
    """The numbers that a field of `*`, `a`, `a-b`, `a/n`, `a-b/n` and commas names. ValueError if it is no such field.

    `names` stand for `low`, `low` + 1, ...; a range may run over the end (FRI-MON).
    """
    values: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(f"no schedule: {text!r}")
        first, last, step = found["first"], found["last"], found["step"]
        start = low if first == "*" else _number(first, low, high, names)
        if first == "*" and last:
            raise ValueError(f"no schedule: {text!r}")
        to = high if first == "*" or step else start
        end = _number(last, low, high, names) if last else to
        if end < start:
            if not names:
                raise ValueError(f"no schedule: {text!r}")
            end += high - low + 1
        every = int(step) if step else 1
        if not 1 <= every <= max(high, 1):
            raise ValueError(f"no schedule: {text!r}")
        values.update((value - low) % (high - low + 1) + low for value in range(start, end + 1, every))
    return frozenset(values)


def _number(text: str, low: int, high: int, names: Sequence[str]) -> int:
    if text.upper() in names:
        return low + names.index(text.upper())
    value = int(text) if text.isascii() and text.isdigit() else low - 1
    if not low <= value <= high:
        raise ValueError(f"no schedule: {text!r}")
    return value


@dataclass(frozen=True, slots=True)
class Days:
    """Which days a cron expression means: by the month, or by the week; the members that are not used are empty.

    `weekdays` count from 1, Sunday. `nth` is (weekday, n): the nth in its month, 0 for the last.
    `last_day` the month's last; `nearest` a day of the month, 0 for the last: the workday nearest to it.
    """

    month_days: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    nth: tuple[int, int] | None = None
    last_day: bool = False
    nearest: int | None = None

    def fits(self, day: date) -> bool:
        """Whether `day` is one of them."""
        length = calendar.monthrange(day.year, day.month)[1]
        weekday = day.isoweekday() % 7 + 1
        if self.nearest is not None:
            return day.day == _workday(day.year, day.month, self.nearest or length, length)
        if self.nth is not None:
            wanted, n = self.nth
            return weekday == wanted and (day.day + 7 > length if n == 0 else (day.day - 1) // 7 + 1 == n)
        return day.day in self.month_days or weekday in self.weekdays or (self.last_day and day.day == length)


def _workday(year: int, month: int, day: int, length: int) -> int:
    """The day from Monday to Friday nearest to `day` in its month; 0 if the month has no such day."""
    if day > length:
        return 0
    weekday = date(year, month, day).weekday()
    if weekday == 5:  # Saturday: the day before, but not in the month before.
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < length else day - 2
    return day


def parse_days(day_of_month: str, day_of_week: str) -> Days:
    """The two fields of days, one of which must be `?`. ValueError if they are not."""
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ValueError(f"no schedule: days {day_of_month!r} {day_of_week!r}")
    if day_of_week == "?":
        return _by_month(day_of_month)
    return _by_week(day_of_week.upper())


def _by_month(text: str) -> Days:
    if text == "L":
        return Days(last_day=True)
    if text == "LW":
        return Days(nearest=0)
    if text.endswith("W"):
        return Days(nearest=_number(text[:-1], 1, 31, ()))
    return Days(month_days=parse_values(text, 1, 31))


def _by_week(text: str) -> Days:
    if text == "L":  # The week's last day, Saturday.
        return Days(weekdays=frozenset({7}))
    weekday, hash_, n = text.partition("#")
    if hash_:
        return Days(nth=(_number(weekday, 1, 7, _WEEKDAYS), _number(n, 1, 5, ())))
    if len(text) > 1 and text.endswith("L"):
        return Days(nth=(_number(text[:-1], 1, 7, _WEEKDAYS), 0))
    return Days(weekdays=parse_values(text, 1, 7, _WEEKDAYS))
