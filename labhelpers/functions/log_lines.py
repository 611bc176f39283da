"""The lines that Lambda writes around a function's own: START, END, REPORT and their JSON forms. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from labhelpers.events.tracing import parse_trace_header
from labhelpers.functions.outcomes import timeout_message
from labhelpers.model import FunctionVersion

# How an environment came to its INIT, as logs and AWS_LAMBDA_INITIALIZATION_TYPE name it.
ON_DEMAND, PROVISIONED_CONCURRENCY = "on-demand", "provisioned-concurrency"
_LEVELS = {"DEBUG": 0, "INFO": 1, "WARN": 2}
_DEBUG, _INFO, _WARN = 0, 1, 2
_SAMPLED = "Sampled=1"


class Report(NamedTuple):
    """The figures of one invocation. `init_ms` only on a cold start; `status` is success, error or timeout."""

    duration_ms: float
    billed_ms: int
    memory_mb: int
    max_memory_mb: int
    init_ms: float | None = None
    status: str = "success"
    error_type: str = ""


def timestamp(at: float) -> str:
    """Epoch seconds as AWS writes them in logs: 2026-11-23T04:00:00.000Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"


class LogLines:
    """Writes Lambda's own lines for one function version, in its log format and at its system log level."""

    def __init__(self, version: FunctionVersion, stream: str, initialization_type: str = ON_DEMAND) -> None:
        self._version = version
        self._initialization_type = initialization_type
        self._json = version.log_format == "JSON"
        self._level = _LEVELS.get(version.system_log_level, _INFO)
        day, _, unique = stream.rpartition("/")
        self._instance = f"{day}/{version.name}{unique.removeprefix(version.name)}"

    def init_start(self, at: float, runtime_version: str, runtime_arn: str) -> str:
        if not self._json:
            return f"INIT_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_arn}\n"
        record = {
            "initializationType": self._initialization_type,
            "phase": "init",
            "runtimeVersion": runtime_version,
            "runtimeVersionArn": runtime_arn,
            "functionName": self._version.name,
            "functionVersion": self._version.version,
            "instanceId": self._instance,
            "instanceMaxMemory": self._version.memory_mb * 1024 * 1024,
        }
        return self._event(at, "platform.initStart", record, _INFO)

    def init_report(self, at: float, duration_ms: float, phase: str, status: str, error_type: str) -> str:
        """A failed INIT; in the text format a successful one has no line of its own."""
        if not self._json:
            error = f"\tError Type: {error_type}" if error_type else ""
            return (
                f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\tStatus: {status}{error}\n"
            )
        record: dict[str, Any] = {
            "initializationType": self._initialization_type,
            "phase": phase,
            "status": status,
            "metrics": {"durationMs": round(duration_ms, 3)},
        }
        if error_type:
            record["errorType"] = error_type
        return self._event(at, "platform.initReport", record, _WARN)

    def start(self, at: float, request_id: str, function_arn: str, trace: str = "") -> str:
        if not self._json:
            return f"START RequestId: {request_id} Version: {self._version.version}\n"
        record: dict[str, Any] = {
            "requestId": request_id,
            "functionArn": function_arn,
            "version": self._version.version,
            **_tracing(trace),
        }
        return self._event(at, "platform.start", record, _INFO)

    def end(self, at: float, request_id: str, report: Report, trace: str = "") -> str:
        """END; in the JSON format the runtime is said to be done, at a level that is mostly not shown."""
        if not self._json:
            return f"END RequestId: {request_id}\n"
        record: dict[str, Any] = {
            "requestId": request_id,
            "status": report.status,
            "metrics": {"durationMs": round(report.duration_ms, 3)},
            **_tracing(trace),
        }
        if report.error_type:
            record["errorType"] = report.error_type
        return self._event(at, "platform.runtimeDone", record, _level(report))

    def timed_out(self, at: float, request_id: str, seconds: float) -> str:
        """The line that names a time-out; in the JSON format the report alone says so."""
        return "" if self._json else f"{timestamp(at)} {request_id} {timeout_message(seconds)}\n\n"

    def exited(self, request_id: str, message: str, error_type: str) -> str:
        return "" if self._json else f"RequestId: {request_id} Error: {message}\n{error_type}\n"

    def report(self, at: float, request_id: str, report: Report, trace: str = "") -> str:
        """REPORT; `trace` is the trace header of the call, which a sampled call is shown with."""
        if not self._json:
            return (
                f"REPORT RequestId: {request_id}\tDuration: {report.duration_ms:.2f} ms"
                f"\tBilled Duration: {report.billed_ms} ms\tMemory Size: {report.memory_mb} MB"
                f"\tMax Memory Used: {report.max_memory_mb} MB{_ending(report)}\n{_traced(trace)}"
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
        record.update(_tracing(trace))
        if report.error_type:
            record["errorType"] = report.error_type
        level = _INFO if report.status == "success" else _WARN
        return self._event(at, "platform.report", record, level)

    def _event(self, at: float, kind: str, record: dict[str, Any], level: int) -> str:
        if level < self._level:
            return ""
        event = {"time": timestamp(at), "type": kind, "record": record}
        return json.dumps(event, separators=(",", ":")) + "\n"


def _level(report: Report) -> int:
    return _DEBUG if report.status == "success" else _WARN


def _ending(report: Report) -> str:
    """The rest of REPORT, with AWS's tab at the end; a status is named only if the platform or the runtime failed."""
    init = f"\tInit Duration: {report.init_ms:.2f} ms" if report.init_ms is not None else ""
    if report.error_type:
        return f"{init}\tStatus: {report.status}\tError Type: {report.error_type}"
    return f"{init}\tStatus: timeout" if report.status == "timeout" else f"{init}\t"


def _traced(trace: str) -> str:
    """The second line of REPORT where X-Ray has a segment of the call."""
    if _SAMPLED not in trace:
        return ""
    sent = parse_trace_header(trace)
    return f"XRAY TraceId: {sent.root}\tSegmentId: {sent.parent}\tSampled: true\t\n"


def _tracing(trace: str) -> dict[str, Any]:
    return {"tracing": {"type": "X-Amzn-Trace-Id", "value": trace}} if _SAMPLED in trace else {}
