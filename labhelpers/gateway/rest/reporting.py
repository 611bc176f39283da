"""Tells what came of each request: metrics, the access log, the journal.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

from __future__ import annotations

from functools import partial
from typing import Any

from labhelpers.gateway.access_log import AccessLog
from labhelpers.gateway.exchange import GatewayAnswer
from labhelpers.gateway.metrics import RequestMeter
from labhelpers.gateway.rest.run import Run, method_arn
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.journal import Entry
from labhelpers.metrics import Dimensions
from labhelpers.model import Account

_NOTHING: dict[str, Any] = {}


class Reporter:
    """One for all REST APIs; `tell` is called once for each request."""

    def __init__(self, surroundings: GatewaySurroundings) -> None:
        self._metrics = surroundings.metrics
        self._journal = surroundings.journal
        self._meters: dict[tuple[str, ...], RequestMeter] = {}
        self._entries = partial(_entries, surroundings.account)

    def tell(self, run: Run, answer: GatewayAnswer, latency_ms: float, access_log: AccessLog | None) -> None:
        """Add to the metrics, write the access log, append to the journal."""
        self._measure(run, answer.status, latency_ms)
        if access_log is not None:
            access_log.write(_log_context(run, answer, latency_ms))
        request, method = run.request, run.method
        self._journal.note(
            1,
            self._entries,
            run.api_id,
            run.stage,
            request.method,
            run.path,
            method.resource_path if method else run.path,
            request.request_id,
            request.trace_id,
            answer.status,
            latency_ms,
            run.integration_ms,
            _more(run),
        )

    def _measure(self, run: Run, status: int, latency_ms: float) -> None:
        name, stage = run.program.api_name, run.stage
        meter = self._meters.get((name, stage))
        if meter is None:
            api: Dimensions = (("ApiName", name),)
            meter = self._meter((name, stage), api, (*api, ("Stage", stage)))
        meter.count(status, latency_ms, run.integration_ms, None)
        settings, method = run.settings, run.method
        if settings is not None and settings.detailed_metrics and method is not None:
            key = (name, stage, run.request.method, method.resource_path)
            detailed = self._meters.get(key) or self._meter(key, _of_method(*key))
            detailed.count(status, latency_ms, run.integration_ms, None)
        if run.cache_status:
            which = "CacheHitCount" if run.cache_status == "HIT" else "CacheMissCount"
            for dimensions in ((("ApiName", name),), (("ApiName", name), ("Stage", stage))):
                self._metrics.add(dimensions, which, 1)

    def _meter(self, key: tuple[str, ...], *dimensions: Dimensions) -> RequestMeter:
        made = self._metrics.meter(*dimensions, client_errors="4XXError", server_errors="5XXError")
        self._meters[key] = made
        return made


def _of_method(name: str, stage: str, method: str, resource: str) -> Dimensions:
    return (("ApiName", name), ("Method", method), ("Resource", resource), ("Stage", stage))


def _entries(
    account: Account,
    seq: int,
    at: float,
    api_id: str,
    stage: str,
    method: str,
    path: str,
    resource: str,
    request_id: str,
    trace_id: str,
    status: int,
    latency_ms: float,
    integration_ms: float | None,
    more: dict[str, Any],
) -> list[Entry]:
    detail = {
        "api": "REST",
        "route": f"{method} {resource}",
        "status": status,
        "latency_ms": round(latency_ms, 3),
        "integration_ms": None if integration_ms is None else round(integration_ms, 3),
        **more,
    }
    arn = method_arn(account, api_id, stage, method, path)
    return [Entry(seq, at, "gateway.request", arn, request_id, trace_id, detail)]


def _more(run: Run) -> dict[str, Any]:
    if not (run.is_canary or run.cache_status or run.response_type or run.api_key_id):
        return _NOTHING
    more: dict[str, Any] = {}
    if run.is_canary:
        more["canary"] = True
    if run.cache_status:
        more["cache"] = run.cache_status
    if run.response_type:
        more["response_type"] = run.response_type
    if run.api_key_id:
        more["api_key_id"] = run.api_key_id
    return more


def _log_context(run: Run, answer: GatewayAnswer, latency_ms: float) -> dict[str, Any]:
    """`$context` for an access log: also what is known only at the end."""
    context = dict(run.context())
    integration_ms = None if run.integration_ms is None else round(run.integration_ms)
    context.update(
        status=str(answer.status),
        responseLength=str(len(answer.body)),
        responseLatency=str(round(latency_ms)),
        integrationLatency=None if integration_ms is None else str(integration_ms),
        integrationStatus=None if run.integration_status is None else str(run.integration_status),
        integrationErrorMessage=run.integration_error or None,
        integration={
            "latency": integration_ms,
            "status": run.integration_status,
            "integrationStatus": run.integration_status,
            "error": run.integration_error or None,
        },
    )
    return context
