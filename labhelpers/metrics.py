"""Metrics of services, added up here for each minute and handed to CloudWatch when somebody looks.

The gateways and the functions measure; the cloud calls `flush` before CloudWatch is asked anything.
docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PERIOD_S = 60
Dimensions = tuple[tuple[str, str], ...]
# Takes metric data as PutMetricData has them (Timestamp in epoch seconds; `Bins` is ours: how many values there were
# of about which size). Called on the event loop, must not block.
PutMetrics = Callable[[str, list[dict[str, Any]]], None]

# A bin of a distribution is 2% wide: a percentile is never further off than that.
_BIN_WIDTH = math.log(1.02)


def bin_of(value: float) -> int:
    """The bin of a distribution that a value of at least 0 belongs to."""
    return round(math.log(value) / _BIN_WIDTH) if value > 0 else -(2**31)


def middle_of(index: int) -> float:
    """The value in the middle of a bin."""
    return math.exp(index * _BIN_WIDTH) if index > -(2**31) else 0.0


@dataclass(slots=True)
class Sums:
    """What some values come to. `bins` is their distribution, where percentiles are of interest."""

    count: int = 0
    total: float = 0.0
    least: float = 0.0
    most: float = 0.0
    bins: dict[int, int] = field(default_factory=dict)

    def add(self, value: float) -> None:
        """One value."""
        if not self.count or value < self.least:
            self.least = value
        if not self.count or value > self.most:
            self.most = value
        self.count += 1
        self.total += value

    def add_to_distribution(self, value: float) -> None:
        """One value of a metric whose percentiles are of interest."""
        self.add(value)
        index = bin_of(value)
        self.bins[index] = self.bins.get(index, 0) + 1

    def merge(self, other: Sums) -> None:
        """All values of another."""
        self.least = min(self.least, other.least) if self.count else other.least
        self.most = max(self.most, other.most) if self.count else other.most
        self.count += other.count
        self.total += other.total
        for index, count in other.bins.items():
            self.bins[index] = self.bins.get(index, 0) + count


class MetricSums:
    """The metrics of one namespace. `now` gives epoch seconds: whose clock tells the minutes."""

    def __init__(self, namespace: str, put: PutMetrics, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._namespace = namespace
        self._put = put
        self._sums: dict[tuple[Dimensions, str, str, int], Sums] = {}

    def add(self, dimensions: Dimensions, name: str, value: float, unit: str = "Count") -> None:
        """One value of a metric, now. `unit` is CloudWatch's: Count, Milliseconds, Bytes."""
        self.of(dimensions, name, unit, int(self.now()) // PERIOD_S).add(value)

    def add_sums(self, dimensions: Dimensions, name: str, unit: str, minute: int, sums: Sums) -> None:
        """Values that somebody has added up in a minute (since the epoch)."""
        self.of(dimensions, name, unit, minute).merge(sums)

    def of(self, dimensions: Dimensions, name: str, unit: str, minute: int) -> Sums:
        """The sums of a metric in a minute, to add to."""
        key = (dimensions, name, unit, minute)
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = Sums()
        return sums

    def flush(self) -> None:
        """Hand over all that has come since the last time; what is asked of CloudWatch afterwards sees it."""
        if self._sums:
            sums, self._sums = self._sums, {}
            self._put(self._namespace, [_datum(*key, found) for key, found in sums.items()])


def _datum(dimensions: Dimensions, name: str, unit: str, minute: int, sums: Sums) -> dict[str, Any]:
    bins = {"Bins": sums.bins} if sums.bins else {}
    return {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
        "Timestamp": minute * PERIOD_S,
        "Unit": unit,
        "StatisticValues": {
            "SampleCount": sums.count,
            "Sum": sums.total,
            "Minimum": sums.least,
            "Maximum": sums.most,
        },
        **bins,
    }
