"""Lines of functions' logs as the view of them shows them: what kind each is, and of which function. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

KEPT_LINES = 100_000
_PLATFORM = re.compile(r"(INIT_START|START|END|REPORT|INIT_REPORT|EXTENSION)\b")
_TROUBLE = re.compile(r"\[ERROR\]|Task timed out after|RequestId: \S+ Error:|\tERROR\t|^Traceback ")
_JSON_KINDS = {
    "platform.initStart": "INIT_START",
    "platform.start": "START",
    "platform.report": "REPORT",
    "platform.end": "END",
    "platform.initReport": "INIT_REPORT",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `at` in epoch seconds; `kind` is AWS's word for its own lines, else ERROR or LOG."""

    at: float
    function: str
    kind: str
    request_id: str
    message: str

    def as_json(self) -> list[Any]:
        """As the page gets it: a list is half as long as an object."""
        return [round(self.at, 3), self.function, self.kind, self.message]

    def __str__(self) -> str:
        time = datetime.fromtimestamp(self.at, UTC).astimezone()
        return f"{time:%H:%M:%S} {self.function} {self.kind:<11} {self.message}"


def build_lines(entries: Iterable[Mapping[str, Any]], functions: frozenset[str] = frozenset()) -> list[Line]:
    """The lines of these entries of the journal, of the named functions only, or of all."""
    lines = []
    for entry in entries:
        if entry["kind"] != "log":
            continue
        function = (
            str(entry["resource"]).split(":")[6] if entry["resource"].count(":") > 5 else entry["resource"]
        )
        if functions and function not in functions:
            continue
        message = str(entry["detail"]["message"]).rstrip("\n")
        lines.append(Line(float(entry["at"]), function, kind_of(message), entry["request_id"], message))
    return lines


def kind_of(message: str) -> str:
    """What a line is."""
    if message.startswith("{") and (kind := _json_kind(message)):
        return kind
    if found := _PLATFORM.match(message):
        return found[1]
    return "ERROR" if _TROUBLE.search(message) else "LOG"


def _json_kind(message: str) -> str:
    """The kind of a line in JSON format, "" for other JSON."""
    try:
        value = json.loads(message)
    except ValueError:
        return ""
    if not isinstance(value, dict):
        return ""
    if kind := _JSON_KINDS.get(str(value.get("type"))):
        return kind
    return "ERROR" if value.get("level") in ("ERROR", "FATAL", "CRITICAL") else ""
