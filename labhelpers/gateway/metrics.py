"""Execution metrics: added up here for each minute, and handed to CloudWatch when somebody looks.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NAMESPACE = "AWS/ApiGateway"
Dimensions = tuple[tuple[str, str], ...]
# Takes metric data as PutMetricData has them (Timestamp in epoch seconds); called on the event loop, must not block.
PutMetrics = Callable[[str, list[dict[str, Any]]], None]

_PERIOD_S = 60


@dataclass(slots=True)
class _Sums:
    count: int = 0
    total: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def add(self, value: float) -> None:
        if not self.count or value < self.least:
            self.least = value
        if not self.count or value > self.most:
            self.most = value
        self.count += 1
        self.total += value


class Metrics:
    """Adds up values: `add` is cheap. The cloud calls `flush` before it asks CloudWatch anything."""

    def __init__(self, put: PutMetrics, now: Callable[[], float] = time.time) -> None:
        self._put = put
        self._now = now
        self._sums: dict[tuple[Dimensions, str, str, int], _Sums] = {}

    def add(self, dimensions: Dimensions, name: str, value: float, unit: str = "Count") -> None:
        """One value of a metric, now. `unit` is CloudWatch's: Count, Milliseconds, Bytes."""
        key = (dimensions, name, unit, int(self._now()) // _PERIOD_S)
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = _Sums()
        sums.add(value)

    def flush(self) -> None:
        """Hand over all that has come since the last time; what is asked of CloudWatch afterwards sees it."""
        if self._sums:
            sums, self._sums = self._sums, {}
            self._put(NAMESPACE, [_datum(*key, found) for key, found in sums.items()])


def _datum(dimensions: Dimensions, name: str, unit: str, minute: int, sums: _Sums) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
        "Timestamp": minute * _PERIOD_S,
        "Unit": unit,
        "StatisticValues": {
            "SampleCount": sums.count,
            "Sum": sums.total,
            "Minimum": sums.least,
            "Maximum": sums.most,
        },
    }
