"""The metrics of one stage of an HTTP API, counted for the API, for the stage, and for routes that ask for it.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
"""

from __future__ import annotations

from typing import Protocol

from labhelpers.gateway.metrics import Dimensions, Metrics


class _Named(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def resource(self) -> str: ...


class Meters:
    """Counts requests. `count` is called once for each."""

    __slots__ = ("_api", "_metrics", "_stage")

    def __init__(self, metrics: Metrics, api_id: str, stage: str) -> None:
        self._metrics = metrics
        self._api: Dimensions = (("ApiId", api_id),)
        self._stage: Dimensions = (("ApiId", api_id), ("Stage", stage))

    def count(
        self,
        status: int,
        latency_ms: float,
        integration_ms: float | None,
        data_bytes: int,
        route: _Named | None = None,
    ) -> None:
        """One request that was answered. `integration_ms` is None when it came to no integration."""
        for dimensions in (self._api, self._stage):
            self._count(dimensions, status, latency_ms, integration_ms, data_bytes)
        if route is not None:
            # AWS: detailed metrics name the route by its method and path; `$default` has no method.
            detailed = (*self._stage, ("Method", route.method or "ANY"), ("Resource", route.resource))
            self._count(detailed, status, latency_ms, integration_ms, data_bytes)

    def _count(
        self,
        dimensions: Dimensions,
        status: int,
        latency_ms: float,
        integration_ms: float | None,
        data_bytes: int,
    ) -> None:
        add = self._metrics.add
        add(dimensions, "Count", 1.0)
        add(dimensions, "4xx", 1.0 if 400 <= status < 500 else 0.0)
        add(dimensions, "5xx", 1.0 if status >= 500 else 0.0)
        add(dimensions, "Latency", latency_ms, "Milliseconds")
        add(dimensions, "DataProcessed", float(data_bytes), "Bytes")
        if integration_ms is not None:
            add(dimensions, "IntegrationLatency", integration_ms, "Milliseconds")
