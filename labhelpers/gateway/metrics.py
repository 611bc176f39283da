"""Execution metrics of APIs, in API Gateway's namespace.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from weakref import WeakSet

from labhelpers.metrics import PERIOD_S, Dimensions, MetricSums, PutMetrics, Sums

NAMESPACE = "AWS/ApiGateway"


class Metrics(MetricSums):
    """Adds up values: `add` is cheap. The cloud calls `flush` before it asks CloudWatch anything."""

    def __init__(self, put: PutMetrics, now: Callable[[], float] = time.time) -> None:
        super().__init__(NAMESPACE, put, now)
        self._meters: WeakSet[RequestMeter] = WeakSet()

    def meter(self, *dimensions: Dimensions, client_errors: str, server_errors: str) -> RequestMeter:
        """A meter of requests whose figures stand under each of `dimensions`; HTTP APIs say `4xx`, REST `4XXError`."""
        made = RequestMeter(self, dimensions, client_errors, server_errors)
        self._meters.add(made)
        return made

    def flush(self) -> None:
        """Hand over all that has come since the last time, the meters' too."""
        for meter in list(self._meters):
            meter.flush()
        super().flush()


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
        self._latency, self._integration, self._data = Sums(), Sums(), Sums()

    def count(
        self, status: int, latency_ms: float, integration_ms: float | None, data_bytes: int | None
    ) -> None:
        """One request that was answered. `integration_ms` is None when it came to no integration.

        `data_bytes` is None for REST APIs, which have no metric of them.
        """
        minute = int(self._metrics.now()) // PERIOD_S
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


def _ones(count: int, ones: int) -> Sums:
    """What `count` values come to of which `ones` are 1 and the others 0."""
    return Sums(count, float(ones), float(ones == count), float(ones > 0))
