"""The metrics of one stage of an HTTP API, counted for the API and the stage, and for routes that ask for it.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
"""

from __future__ import annotations

from typing import Protocol

from labhelpers.gateway.metrics import Metrics, RequestMeter
from labhelpers.metrics import Dimensions


class _Named(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def resource(self) -> str: ...


class Meters:
    """Counts requests. `count` is called once for each."""

    __slots__ = ("_metrics", "_routes", "_stage", "_stage_meter")

    def __init__(self, metrics: Metrics, api_id: str, stage: str) -> None:
        api: Dimensions = (("ApiId", api_id),)
        self._metrics = metrics
        self._stage: Dimensions = (*api, ("Stage", stage))
        self._stage_meter = self._meter(api, self._stage)
        self._routes: dict[tuple[str, str], RequestMeter] = {}

    def _meter(self, *dimensions: Dimensions) -> RequestMeter:
        return self._metrics.meter(*dimensions, client_errors="4xx", server_errors="5xx")

    def count(
        self,
        status: int,
        latency_ms: float,
        integration_ms: float | None,
        data_bytes: int,
        route: _Named | None = None,
    ) -> None:
        """One request that was answered; `route` if it has metrics of its own."""
        self._stage_meter.count(status, latency_ms, integration_ms, data_bytes)
        if route is not None:
            self._of(route).count(status, latency_ms, integration_ms, data_bytes)

    def _of(self, route: _Named) -> RequestMeter:
        # AWS: detailed metrics name the route by its method and path; `$default` has no method.
        key = (route.method or "ANY", route.resource)
        if key not in self._routes:
            self._routes[key] = self._meter((*self._stage, ("Method", key[0]), ("Resource", key[1])))
        return self._routes[key]

    def flush(self) -> None:
        """The stage is about to be forgotten: hand over what was counted."""
        for meter in (self._stage_meter, *self._routes.values()):
            meter.flush()
