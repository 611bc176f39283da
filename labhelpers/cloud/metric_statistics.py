"""CloudWatch's statistics: what the values of a metric come to in each period of a question. Pure.

docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from labhelpers.errors import NotEmulated
from labhelpers.metrics import middle_of

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
_NO_BINS: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Portion:
    """Some values of a metric: how many, what they come to, and how they are distributed, where that is known."""

    at: datetime
    count: float
    total: float
    least: float
    most: float
    unit: str | None = None
    bins: Mapping[int, int] = field(default_factory=lambda: _NO_BINS)


@dataclass(frozen=True, slots=True)
class Datapoint:
    """The statistics of one period, by the names that CloudWatch's answer has for them."""

    timestamp: datetime
    unit: str | None
    sample_count: float | None
    average: float | None
    sum: float | None
    minimum: float | None
    maximum: float | None
    extended_statistics: dict[str, float] | None


def periods(
    portions: Iterable[Portion], start: datetime, end: datetime, period_s: int
) -> list[tuple[datetime, list[Portion]]]:
    """The periods from `start` on that have values, each with its start."""
    width = timedelta(seconds=period_s)
    found: dict[int, list[Portion]] = {}
    for portion in portions:
        if start <= portion.at < end:
            found.setdefault((portion.at - start) // width, []).append(portion)
    return [(start + number * width, found[number]) for number in sorted(found)]


def statistic(portions: Sequence[Portion], name: str) -> float | None:
    """A statistic by CloudWatch's name: Sum, Average, Minimum, Maximum, SampleCount, p99 and the like.

    None where it is not known: CloudWatch too has no percentile of values of which only sums were put.
    NotEmulated for the other names that CloudWatch has.
    """
    count = sum(portion.count for portion in portions)
    total = sum(portion.total for portion in portions)
    if name == "SampleCount":
        return count
    if name == "Sum":
        return total
    if name == "Average":
        return total / count if count else None
    if name == "Minimum":
        return min(portion.least for portion in portions)
    if name == "Maximum":
        return max(portion.most for portion in portions)
    if found := _PERCENTILE.fullmatch(name):
        return _percentile(portions, float(found[1]))
    raise NotEmulated(f"the CloudWatch statistic {name!r} (sums, averages, extremes and percentiles work)")


def _percentile(portions: Sequence[Portion], rank: float) -> float | None:
    values: list[tuple[float, float]] = []
    for portion in portions:
        if portion.least == portion.most:
            values.append((portion.least, portion.count))
        elif portion.bins:
            values += [
                (min(max(middle_of(index), portion.least), portion.most), count)
                for index, count in portion.bins.items()
            ]
        else:
            return None
    values.sort()
    wanted = sum(count for _, count in values) * rank / 100
    reached = 0.0
    for value, count in values:
        reached += count
        if reached >= wanted:
            return value
    return values[-1][0] if values else None


def datapoint(at: datetime, portions: Sequence[Portion], names: Sequence[str]) -> Datapoint:
    """All statistics that a question names, of one period."""
    values = {name: statistic(portions, name) for name in names}
    extended = {name: value for name, value in values.items() if name[0] == "p" and value is not None}
    return Datapoint(
        at,
        portions[0].unit,
        values.get("SampleCount"),
        values.get("Average"),
        values.get("Sum"),
        values.get("Minimum"),
        values.get("Maximum"),
        extended or None,
    )
