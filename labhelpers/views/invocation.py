"""What came back from one Invoke, read into parts that a reader looks for; pure.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.views.shown_text import sendable

PAYLOAD_SHOWN = 20_000

_FIGURES = re.compile(r"(Init Duration|Billed Duration|Duration|Max Memory Used|Memory Size): ([\d.]+ \w+)")
_GLUED = re.compile(r"(?<!\n)(?=END RequestId: [0-9a-f-]{36}$)", re.MULTILINE)
_CONTINUED = (" ", "\xa0", "Traceback")  # The runtime client indents a traceback by no-break spaces.
_KINDS = (
    ("INIT", re.compile(r"INIT_(START|REPORT) ")),
    ("START", re.compile(r"START RequestId: ")),
    ("END", re.compile(r"END RequestId: ")),
    ("REPORT", re.compile(r"REPORT RequestId: |XRAY TraceId: ")),
    ("ERROR", re.compile(r"\[ERROR\]|Traceback |\S+Z \S+ Task timed out after |RequestId: \S+ Error: ")),
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log tail. `kind` is INIT, START, END, REPORT, ERROR, or "" for what the function printed."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call and its answer. `function_error` is X-Amz-Function-Error ("" when the handler returned)."""

    status: int
    version: str
    payload: str
    function_error: str = ""
    error_type: str = ""
    error_message: str = ""
    stack_trace: tuple[str, ...] = ()
    log: tuple[LogLine, ...] = ()
    request_id: str = ""

    @property
    def value(self) -> Any:
        """The payload as Python sees it."""
        return json.loads(self.payload) if self.payload else None

    @property
    def figures(self) -> dict[str, str]:
        """Name to value of what the REPORT line measured: Duration, Billed Duration, Memory Size, ..."""
        report = next((line.text for line in self.log if line.kind == "REPORT"), "")
        return dict(_FIGURES.findall(report))

    def to_text(self) -> str:
        """Status, payload, error and log, as plain text."""
        lines = [self.headline()]
        if self.error_type or self.error_message:
            lines += [
                f"{self.error_type}: {self.error_message}",
                *(line.rstrip() for line in self.stack_trace),
            ]
        else:
            lines.append(shown_payload(self.payload))
        lines += ["Log:", *(f"{line.kind:6} {line.text}" for line in self.log)] if self.log else []
        return "\n".join(lines)

    def headline(self) -> str:
        """The status, and whose fault it is if it is one."""
        if self.function_error:
            return f"HTTP {self.status}, X-Amz-Function-Error: {self.function_error} (the function failed)"
        return f"HTTP {self.status} (the function returned)" if self.status == 200 else f"HTTP {self.status}"


def read_invocation(answer: Mapping[str, Any], payload: bytes) -> Invocation:
    """Read boto3's answer to `invoke` with LogType=Tail, and the payload that was read from it."""
    text = payload.decode("utf-8", "replace")
    failed = str(answer.get("FunctionError", ""))
    told = _object(text) if failed else {}
    tail = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
    return Invocation(
        int(answer["StatusCode"]),
        str(answer.get("ExecutedVersion", "")),
        text,
        failed,
        str(told.get("errorType", "")),
        str(told.get("errorMessage", "")),
        tuple(str(line) for line in told.get("stackTrace") or ()),
        log_lines(tail),
        str(answer.get("ResponseMetadata", {}).get("RequestId", "")),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def log_lines(tail: str) -> tuple[LogLine, ...]:
    """The lines of a log tail, each with its kind; a traceback's lines are errors up to the platform's next line."""
    lines: list[LogLine] = []
    in_error = False
    # AWS: a traceback has no end of line, so that the platform's line follows in the same one.
    for text in _GLUED.sub("\n", tail).splitlines():
        kind = next((name for name, pattern in _KINDS if pattern.match(text)), "")
        in_error = kind == "ERROR" or (in_error and not kind and text.startswith(_CONTINUED))
        if text.strip():
            lines.append(LogLine(kind or ("ERROR" if in_error else ""), text.rstrip()))
    return tuple(lines)


def shown_payload(payload: str) -> str:
    """The payload laid out, if it is JSON; cut when it is very long."""
    try:
        text = sendable(json.dumps(json.loads(payload), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        text = sendable(payload)
    if len(text) > PAYLOAD_SHOWN:
        return f"{text[:PAYLOAD_SHOWN]}\n… {len(text) - PAYLOAD_SHOWN:,} more characters"
    return text
