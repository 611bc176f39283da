"""Execution logs: what a REST API did with a request, step by step, as AWS words it.

A stage's logging level decides what is kept: INFO everything, ERROR only failures; bodies and headers with data trace.
docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from labhelpers.gateway.access_log import WriteLogs
from labhelpers.model import LogEvent

_VALUE_MAX = 1024 - 26
_SECRET = frozenset({"authorization", "x-api-key", "x-amz-security-token"})
_SHOWN_END = 6


class ExecutionLog:
    """The lines of one request. `write` sends them to the stage's log group; `as_text` is test_invoke_method's form."""

    def __init__(self, request_id: str, level: str, *, data_trace: bool) -> None:
        self.data_trace = data_trace
        self._id = request_id
        self._info = level == "INFO"
        self._lines: list[tuple[float, str]] = []

    def step(self, line: str) -> None:
        """A step."""
        if self._info:
            self._lines.append((time.time(), line))

    def data(self, label: str, value: Any) -> None:
        """A step's data: a body or headers; only with data trace."""
        if self._info and self.data_trace:
            self._lines.append((time.time(), f"{label}: {_shown(value)}"))

    def failed(self, line: str) -> None:
        """A failure, and its cause."""
        self._lines.append((time.time(), line))

    def write(self, write_logs: WriteLogs, api_id: str, stage: str) -> None:
        """To CloudWatch Logs: group `API-Gateway-Execution-Logs_{api}/{stage}`."""
        if self._lines:
            group = f"API-Gateway-Execution-Logs_{api_id}/{stage}"
            stream = hashlib.md5(f"{api_id}/{stage}".encode(), usedforsecurity=False).hexdigest()
            events = [LogEvent(int(at * 1000), f"({self._id}) {line}") for at, line in self._lines]
            write_logs(group, stream, events)

    def as_text(self) -> str:
        """One text: a title, and a date before each line."""
        lines = [f"Execution log for request {self._id}"]
        for at, line in self._lines:
            date = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(at))
            lines.append(f"{date} : {line}")
        return "\n".join([*lines, ""])


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
    elif isinstance(value, str):
        text = value
    else:
        pairs = value.items() if isinstance(value, Mapping) else value
        text = "{" + ", ".join(f"{name}={_masked(name, _joined(each))}" for name, each in pairs) + "}"
    return text if len(text) <= _VALUE_MAX else f"{text[:_VALUE_MAX]} [TRUNCATED]"


def _joined(value: Any) -> str:
    return ",".join(value) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _masked(name: str, value: str) -> str:
    """AWS shows the last characters only of what must stay secret."""
    if name.lower() not in _SECRET:
        return value
    return (
        "*" * (len(value) - _SHOWN_END) + value[-_SHOWN_END:] if len(value) > _SHOWN_END else "*" * len(value)
    )
