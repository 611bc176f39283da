"""What is recorded of WebSocket APIs: access logs, execution logs, CloudWatch's metrics and the lab's journal.

Called by `apis`, once for each event and each message that is sent. Nothing here can fail a client.
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from labhelpers.gateway.access_log import AccessLog
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.websocket.events import CONNECT_EVENT, Occasion, log_context
from labhelpers.gateway.websocket.integrations import Ran
from labhelpers.gateway.websocket.refused import Refused
from labhelpers.gateway.websocket.settings import Kind, Route, Stage
from labhelpers.metrics import Dimensions
from labhelpers.model import LogEvent

_LINE_MAX = 1_024


class Telemetry:
    """The records of one stage."""

    def __init__(self, stage: Stage, around: GatewaySurroundings) -> None:
        self._stage = stage
        self._around = around
        self._api: Dimensions = (("ApiId", stage.api_id),)
        self._stage_wide: Dimensions = (("ApiId", stage.api_id), ("Stage", stage.name))
        self._access_log: AccessLog | None = None
        if stage.access_log_destination:
            self._access_log = AccessLog(
                stage.access_log_destination, stage.access_log_format, around.write_logs, stage.arn
            )

    # --- Metrics ---

    def _count(self, name: str, route: Route | None, value: float = 1.0, unit: str = "Count") -> None:
        add = self._around.metrics.add
        add(self._api, name, value, unit)
        add(self._stage_wide, name, value, unit)
        if route is not None and route.detailed_metrics:
            add((*self._stage_wide, ("Route", route.key)), name, value, unit)

    def _count_integration(self, route: Route, kind: Kind, event_type: str, ran: Ran) -> None:
        self._count("ConnectCount" if event_type == CONNECT_EVENT else "MessageCount", route)
        if ran.refusal and not ran.failed_by_backend:
            self._count("ExecutionError", route)
        elif ran.status >= 400 or ran.failed_by_backend:
            self._count("IntegrationError", route)
        if ran.latency_ms is not None and kind is not Kind.MOCK:
            self._count("IntegrationLatency", route, ran.latency_ms, "Milliseconds")

    def sent(self) -> None:
        """A message went to the client."""
        self._count("MessageCount", None)

    # --- Logs and journal ---

    def record(
        self, occasion: Occasion, route: Route | None, ran: Ran | None, refused: Refused | None, kind: str
    ) -> None:
        """One event of a client's, and what came of it: metrics, journal (entry `kind`), access log, execution log."""
        if refused is not None:
            self._count("ClientError", route)
        elif ran is not None and route is not None and route.integration is not None:
            self._count_integration(route, route.integration.kind, occasion.type, ran)
        status = refused.status if refused else ran.status if ran else 200
        detail: dict[str, Any] = {
            "api": occasion.client.api_id,
            "stage": occasion.client.stage,
            "connection": occasion.client.connection_id,
            "route": occasion.route_key,
            "status": status,
        }
        if ran is not None and ran.latency_ms is not None:
            detail["integration_ms"] = round(ran.latency_ms, 3)
        if error := refused.reason if refused else ran.error if ran else "":
            detail["error"] = error
        if occasion.body is not None:
            detail["size"] = len(occasion.body)
        if kind == "websocket.disconnected":
            detail["code"] = occasion.disconnect_code
            detail["reason"] = occasion.disconnect_reason
        self._around.journal.append(kind, self._stage.arn, request_id=occasion.request_id, **detail)
        if self._access_log is not None:
            self._access_log.write(self._access_context(occasion, ran, refused, status))
        if route is not None and route.logging_level != "OFF":
            self._write_execution_log(occasion, route, ran, refused)

    def _access_context(
        self, occasion: Occasion, ran: Ran | None, refused: Refused | None, status: int
    ) -> dict[str, Any]:
        context = log_context(occasion, self._around.account.id)
        context["status"] = str(status)
        if ran is not None and ran.latency_ms is not None:
            latency = str(round(ran.latency_ms))
            context["integrationLatency"] = latency
            context["integrationStatus"] = str(ran.status)
            context["integration"] = {
                "latency": latency,
                "status": str(ran.status),
                "error": ran.error or None,
            }
        if ran is not None and ran.error:
            context["integrationErrorMessage"] = ran.error
        message = refused.message if refused else ran.refusal if ran else ""
        if message:
            context["error"] = {"message": message, "messageString": f'"{message}"'}
        return context

    def _write_execution_log(
        self, occasion: Occasion, route: Route, ran: Ran | None, refused: Refused | None
    ) -> None:
        lines = []
        if route.logging_level == "INFO":
            lines.append(f"Extended Request Id: {occasion.request_id}")
            lines.append(f"Selected route: {route.key}; event type: {occasion.type}")
            if route.data_trace and occasion.body is not None:
                lines.append(f"Request body: {occasion.body[:_LINE_MAX]}")
        if refused is not None:
            lines.append(
                f"Gateway response type: {refused.kind} with status code: {refused.status}: {refused.reason}"
            )
        elif ran is not None and ran.error:
            lines.append(ran.error)
        elif ran is not None and route.logging_level == "INFO":
            if route.data_trace:
                lines.append(f"Endpoint response body: {ran.body[:_LINE_MAX].decode('utf-8', 'replace')}")
            lines.append(f"Integration completed with status: {ran.status}")
        if lines:
            stage = self._stage
            at_ms = int(time.time() * 1000)
            stream = hashlib.md5(stage.arn.encode(), usedforsecurity=False).hexdigest()
            events = [LogEvent(at_ms, f"({occasion.request_id}) {line}") for line in lines]
            self._around.write_logs(f"/aws/apigateway/{stage.api_id}/{stage.name}", stream, events)

    def note_sent(
        self, occasion_id: str, connection_id: str, route_key: str, size: int, by: str, principal: str = ""
    ) -> None:
        """A message went to the client: `by` tells what sent it (a route's reply, @connections, the gateway).

        `principal` is the ARN of who asked @connections for it.
        """
        stage = self._stage
        self._around.journal.append(
            "websocket.sent",
            stage.arn,
            request_id=occasion_id,
            api=stage.api_id,
            stage=stage.name,
            connection=connection_id,
            route=route_key,
            size=size,
            by=by,
            principal=principal,
        )
