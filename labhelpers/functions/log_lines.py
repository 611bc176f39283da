"""The lines that Lambda writes around a function's own: START, END, REPORT and their JSON forms. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labhelpers.model import FunctionVersion


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one invocation. `init_ms` only on a cold start; `status` is success, error or timeout."""

    duration_ms: float
    billed_ms: int
    memory_mb: int
    max_memory_mb: int
    init_ms: float | None = None
    status: str = "success"
    error_type: str = ""
    trace_id: str = ""


def timestamp(at: float) -> str:
    """Epoch seconds as AWS writes them in logs: 2026-11-23T04:00:00.000Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"


class LogLines:
    """Writes Lambda's own lines for one function version, in its log format and at its system log level."""

    def __init__(self, version: FunctionVersion) -> None:
        self._version = version
        self._json = version.log_format == "JSON"
        self._level = version.system_log_level or "INFO"

    def init_start(self, at: float, runtime_version: str, runtime_arn: str) -> str:
        if not self._json:
            return f"INIT_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_arn}\n"
        record = {
            "initializationType": "on-demand",
            "phase": "init",
            "runtimeVersion": runtime_version,
            "runtimeVersionArn": runtime_arn,
            "functionName": self._version.name,
            "functionVersion": self._version.version,
        }
        return self._event(at, "platform.initStart", record)

    def init_report(self, at: float, duration_ms: float, phase: str, status: str, error_type: str) -> str:
        if not self._json:
            error = f"\tError Type: {error_type}" if error_type else ""
            return (
                f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\tStatus: {status}{error}\n"
            )
        record: dict[str, Any] = {
            "initializationType": "on-demand",
            "phase": phase,
            "status": status,
            "metrics": {"durationMs": round(duration_ms, 3)},
        }
        if error_type:
            record["errorType"] = error_type
        return self._event(at, "platform.initReport", record, warn=True)

    def start(self, at: float, request_id: str) -> str:
        if not self._json:
            return f"START RequestId: {request_id} Version: {self._version.version}\n"
        return self._event(at, "platform.start", {"requestId": request_id, "version": self._version.version})

    def end(self, at: float, request_id: str) -> str:
        return "" if self._json else f"END RequestId: {request_id}\n"

    def timed_out(self, at: float, request_id: str, seconds: float) -> str:
        """The line that names a time-out; in the JSON format the report alone says so."""
        return (
            ""
            if self._json
            else f"{timestamp(at)} {request_id} Task timed out after {seconds:.2f} seconds\n\n"
        )

    def exited(self, at: float, request_id: str, message: str, error_type: str) -> str:
        return "" if self._json else f"RequestId: {request_id} Error: {message}\n{error_type}\n"

    def report(self, at: float, request_id: str, report: Report) -> str:
        if not self._json:
            init = f"\tInit Duration: {report.init_ms:.2f} ms" if report.init_ms is not None else ""
            named = (
                report.error_type or report.status == "timeout"
            )  # Not for an exception that the handler raised.
            status = f"\tStatus: {report.status}" if named else ""
            error = f"\tError Type: {report.error_type}" if report.error_type else ""
            return (
                f"REPORT RequestId: {request_id}\tDuration: {report.duration_ms:.2f} ms"
                f"\tBilled Duration: {report.billed_ms} ms\tMemory Size: {report.memory_mb} MB"
                f"\tMax Memory Used: {report.max_memory_mb} MB{init}{status}{error}\t\n"
            )
        metrics: dict[str, Any] = {
            "durationMs": round(report.duration_ms, 3),
            "billedDurationMs": report.billed_ms,
            "memorySizeMB": report.memory_mb,
            "maxMemoryUsedMB": report.max_memory_mb,
        }
        if report.init_ms is not None:
            metrics["initDurationMs"] = round(report.init_ms, 3)
        record: dict[str, Any] = {"requestId": request_id, "metrics": metrics, "status": report.status}
        if report.error_type:
            record["errorType"] = report.error_type
        return self._event(at, "platform.report", record, warn=report.status != "success")

    def _event(self, at: float, kind: str, record: dict[str, Any], warn: bool = False) -> str:
        if self._level == "WARN" and not warn:
            return ""
        return (
            json.dumps({"time": timestamp(at), "type": kind, "record": record}, separators=(",", ":")) + "\n"
        )
