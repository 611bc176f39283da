"""Execution metrics: added up here for each minute, and handed to CloudWatch when somebody looks.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

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

    def merge(self, other: _Sums) -> None:
        self.least = min(self.least, other.least) if self.count else other.least
        self.most = max(self.most, other.most) if self.count else other.most
        self.count += other.count
        self.total += other.total


class Metrics:
    """Adds up values: `add` is cheap. The cloud calls `flush` before it asks CloudWatch anything."""

    def __init__(self, put: PutMetrics, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._put = put
        self._sums: dict[tuple[Dimensions, str, str, int], _Sums] = {}
        self._meters: WeakSet[RequestMeter] = WeakSet()

    def add(self, dimensions: Dimensions, name: str, value: float, unit: str = "Count") -> None:
        """One value of a metric, now. `unit` is CloudWatch's: Count, Milliseconds, Bytes."""
        self._find(dimensions, name, unit, int(self.now()) // _PERIOD_S).add(value)

    def add_sums(self, dimensions: Dimensions, name: str, unit: str, minute: int, sums: _Sums) -> None:
        """Values that a meter has added up in a minute (since the epoch)."""
        self._find(dimensions, name, unit, minute).merge(sums)

    def meter(self, *dimensions: Dimensions, client_errors: str, server_errors: str) -> RequestMeter:
        """A meter of requests whose figures stand under each of `dimensions`; HTTP APIs say `4xx`, REST `4XXError`."""
        made = RequestMeter(self, dimensions, client_errors, server_errors)
        self._meters.add(made)
        return made

    def flush(self) -> None:
        """Hand over all that has come since the last time; what is asked of CloudWatch afterwards sees it."""
        for meter in list(self._meters):
            meter.flush()
        if self._sums:
            sums, self._sums = self._sums, {}
            self._put(NAMESPACE, [_datum(*key, found) for key, found in sums.items()])

    def _find(self, dimensions: Dimensions, name: str, unit: str, minute: int) -> _Sums:
        key = (dimensions, name, unit, minute)
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = _Sums()
        return sums


class RequestMeter:
    """The metrics of requests, added up in place: one for a stage, or for a route with metrics of its own."""

    def __init__(
        self, metrics: Metrics, dimensions: tuple[Dimensions, ...], client_errors: str, server_errors: str
    ) -> None:
        self._metrics = metrics
        self._dimensions = dimensions
        self._errors = (client_errors, server_errors)
        self._minute = 0
        self._empty()

    def _empty(self) -> None:
        self._requests = self._client_errors = self._server_errors = 0
        self._latency, self._integration, self._data = _Sums(), _Sums(), _Sums()

    def count(
        self, status: int, latency_ms: float, integration_ms: float | None, data_bytes: int | None
    ) -> None:
        """One request that was answered. `integration_ms` is None when it came to no integration.

        `data_bytes` is None for REST APIs, which have no metric of them.
        """
        minute = int(self._metrics.now()) // _PERIOD_S
        if minute != self._minute:
            self.flush()
            self._minute = minute
        self._requests += 1
        if status >= 500:
            self._server_errors += 1
        elif status >= 400:
            self._client_errors += 1
        self._latency.add(latency_ms)
        if data_bytes is not None:
            self._data.add(data_bytes)
        if integration_ms is not None:
            self._integration.add(integration_ms)

    def flush(self) -> None:
        """Give what was added up to the metrics."""
        if not self._requests:
            return
        found = [
            ("Count", "Count", _ones(self._requests, self._requests)),
            (self._errors[0], "Count", _ones(self._requests, self._client_errors)),
            (self._errors[1], "Count", _ones(self._requests, self._server_errors)),
            ("Latency", "Milliseconds", self._latency),
            ("DataProcessed", "Bytes", self._data),
            ("IntegrationLatency", "Milliseconds", self._integration),
        ]
        for dimensions in self._dimensions:
            for name, unit, sums in found:
                if sums.count:
                    self._metrics.add_sums(dimensions, name, unit, self._minute, sums)
        self._empty()


def _ones(count: int, ones: int) -> _Sums:
    """What `count` values come to of which `ones` are 1 and the others 0."""
    return _Sums(count, float(ones), float(ones == count), float(ones > 0))


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
