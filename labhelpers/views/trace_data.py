"""Traces: the journal's entries gathered into one story each, and each story's steps as rows on a line of time. Pure.

What belongs together is tied by the trace's root, by request ids, and by the invocation that a trigger names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labhelpers.views.shown_text import sendable

Entry = Mapping[str, Any]
_Step = tuple[float, float, str, str, str, str]  # Begin, end, and then as in a `Row`.
_LATE_S = 0.2
MOST_TRACES = 100
MOST_ENTRIES = 400  # Of one trace; what comes later is left out.
MOST_NAMES = 1_000  # Of one trace: the last ones, by which more of it may come.
GOOD, BAD, WAITING, MARK = "good", "bad", "waiting", "mark"
_STEPS = (
    *(
        "invoke.",
        "gateway.",
        "url.",
        "websocket.",
        "s3.",
        "sns.",
        "sqs.",
        "events.",
        "scheduler.",
        "dynamodb.",
    ),
    *("kinesis.", "logs.", "iam.denied", "failure"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One step. `start_s` and `end_s` count from the trace's first moment; `kind` is good, bad, waiting or mark.

    `what` says in words what happened; `event` is the JSON text that was handed over there, "" if none is known.
    """

    who: str
    what: str
    kind: str
    start_s: float
    end_s: float
    event: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """One trace in the list: its key, what began it, when (epoch seconds), how long it took, and how it went."""

    key: str
    title: str
    at: float
    duration_s: float
    steps: int
    state: str


class Traces:
    """Gathers entries as they come; the last hundred traces are kept, and the one that is `pinned` (its key)."""

    def __init__(self) -> None:
        self.pinned = ""
        self._entries: dict[str, list[Entry]] = {}
        self._keys: dict[str, str] = {}  # Of each name the trace that it belongs to, and the other way round.
        self._names: dict[str, dict[str, None]] = {}  # The one that was met last is the last.
        self._made: dict[str, Summary] = {}

    def add_all(self, entries: Iterable[Entry]) -> set[str]:
        """Take entries up; the keys of the traces that have changed."""
        changed = set()
        for entry in entries:
            names = _names(entry)
            if names and _matters(entry):
                changed.add(self._add(entry, names))
        self._forget()
        return changed & self._entries.keys()

    def summaries(self) -> list[Summary]:
        """The traces, the newest first."""
        for key, entries in self._entries.items():
            if key not in self._made:
                self._made[key] = build_summary(key, entries)
        return sorted(self._made.values(), key=lambda summary: -summary.at)

    def rows(self, key: str) -> tuple[Row, ...]:
        """The steps of one trace; none for one that is forgotten."""
        return build_rows(self._entries.get(key, []))

    def _add(self, entry: Entry, names: Sequence[str]) -> str:
        known = list(dict.fromkeys(self._keys[name] for name in names if name in self._keys))
        key = known[0] if known else names[0]
        for other in known[1:]:
            self._join(key, other)
        own = self._names.setdefault(key, {})
        for name in names:
            self._keys[name] = key
            own.pop(name, None)
            own[name] = None
        while len(own) > MOST_NAMES:
            oldest = next(iter(own))
            del own[oldest], self._keys[oldest]
        self._made.pop(key, None)
        kept = self._entries.setdefault(key, [])
        if len(kept) < MOST_ENTRIES:
            kept.append(entry)
        return key

    def _join(self, key: str, other: str) -> None:
        """Two traces have turned out to be one."""
        self._made.pop(other, None)
        together = [*self._entries.get(key, []), *self._entries.pop(other, [])]
        self._entries[key] = sorted(together, key=lambda entry: float(entry["at"]))[:MOST_ENTRIES]
        names = self._names.pop(other)
        self._names.setdefault(key, {}).update(names)
        self._keys |= dict.fromkeys(names, key)

    def _forget(self) -> None:
        while len(self._entries) > MOST_TRACES:
            oldest = min(
                (key for key in self._entries if key != self.pinned),
                key=lambda key: float(self._entries[key][-1]["at"]),
            )
            del self._entries[oldest]
            self._made.pop(oldest, None)
            for name in self._names.pop(oldest):
                del self._keys[name]


def _names(entry: Entry) -> list[str]:
    """What ties an entry to others."""
    root = entry["trace_id"].partition(";")[0].removeprefix("Root=")
    detail = entry["detail"]
    found = [root, entry["request_id"], detail.get("invocation", "")]
    return [str(name) for name in found if name]


def _matters(entry: Entry) -> bool:
    """Whether an entry is a step of a request, and not a change of settings or a line of a log."""
    return str(entry["kind"]).startswith(_STEPS)


def build_summary(key: str, entries: Sequence[Entry]) -> Summary:
    """One line on a trace."""
    rows = build_rows(entries)
    first = entries[0]
    start = min(
        (float(first["at"]) - (rows[0].end_s - rows[0].start_s if _is_request(first) else 0.0), first["at"])
    )
    state = "failed" if any(row.kind == BAD for row in rows) else "done"
    if any(row.what.startswith("running") for row in rows):
        state = "running"
    duration = max((row.end_s for row in rows), default=0.0)
    return Summary(
        key, f"{rows[0].who}: {rows[0].what}" if rows else first["kind"], start, duration, len(rows), state
    )


def build_rows(entries: Sequence[Entry]) -> tuple[Row, ...]:
    """The steps of one trace, in the order in which they began."""
    made: list[_Step] = []
    requests: list[Entry] = []
    queued: dict[str, Entry] = {}
    waiting: dict[str, float] = {}
    running: dict[str, Entry] = {}
    cold: dict[str, float] = {}  # Since when a call has waited for INIT; its end tells how long that took.
    last = max((float(entry["at"]) for entry in entries), default=0.0)
    for entry in entries:
        at, kind, detail, request = float(entry["at"]), entry["kind"], entry["detail"], entry["request_id"]
        who = _who(entry)
        if _is_request(entry):
            requests.append(entry)
        elif kind == "invoke.queued":
            queued[request] = entry
        elif kind == "invoke.attempt":
            begun = waiting.pop(request, 0.0) or float(queued.pop(request, entry)["at"])
            words = (
                "waited in the event queue" if detail.get("n", 1) == 1 else f"waited for try {detail['n']}"
            )
            if at - begun > 0.001:
                made.append((begun, at, who, words, WAITING, ""))
            waiting[f"{request} start"] = at
        elif kind == "invoke.retry_in":
            waiting[request] = at
        elif kind == "invoke.started":
            begun = waiting.pop(f"{request} start", at)
            running[request] = entry
            if detail.get("cold"):
                cold[request] = begun
        elif kind == "invoke.ended":
            started = running.pop(request, entry)
            made += _cold_start(started, cold.pop(request, None), float(detail.get("init_ms") or 0.0) / 1000)
            good = detail["status"] == "success" and not detail.get("error_type")
            words = f"ran {detail['duration_ms']:.1f} ms" if good else _failure(detail)
            event = started["detail"].get("event", "")
            made.append((float(started["at"]), at, who, words, GOOD if good else BAD, event))
        else:
            bad = kind in ("failure", "invoke.throttled", "invoke.dropped") or "dead_letter" in kind
            made.append((at, at, who, _words(entry), BAD if bad else MARK, ""))
    for request, started in running.items():
        made += _cold_start(started, cold.get(request))
        event = started["detail"].get("event", "")
        made.append((float(started["at"]), last, _who(started), "running", GOOD, event))
    made += [_request(entry, made) for entry in requests]
    zero = min((row[0] for row in made), default=0.0)
    # Of what begins in the same millisecond, a moment comes before what it has set off.
    made.sort(key=lambda row: (round(row[0] - zero, 3), row[4] != MARK, row[0], -row[1]))
    return tuple(
        Row(who, what, kind, round(begun - zero, 6), round(end - zero, 6), event)
        for begun, end, who, what, kind, event in made
    )


def _cold_start(started: Entry, since: float | None, init_s: float = 0.0) -> list[_Step]:
    """A step before a call that had to wait; none for one that has not (`since` is None)."""
    at = float(started["at"])
    return [] if since is None else [(min(since, at - init_s), at, _who(started), "cold start", WAITING, "")]


def _request(entry: Entry, steps: Iterable[_Step]) -> _Step:
    """What a client asked a gateway. It is written down a moment after its latency ended: it began before its steps."""
    at, detail, status = float(entry["at"]), entry["detail"], entry["detail"]["status"]
    latest = at - float(detail.get("latency_ms") or 0.0) / 1000
    begun = min((step[0] for step in steps if latest - _LATE_S < step[0] < latest), default=latest)
    route = detail.get("route") or f"{detail.get('method', '')} {detail.get('path', '')}".strip()
    return (begun, at, _who(entry), f"{route}: HTTP {status}", BAD if status >= 400 else GOOD, "")


def _is_request(entry: Entry) -> bool:
    return entry["kind"] in ("gateway.request", "url.request")


def _who(entry: Entry) -> str:
    """The thing that an entry is about, as people say it."""
    parts = str(entry["resource"]).split(":", 5)
    if len(parts) < 6:
        return str(entry["resource"]) or "lab"
    service, rest = parts[2], parts[5]
    names = {
        "lambda": ("function", rest.removeprefix("function:").partition(":")[0]),
        "s3": ("bucket", rest),
        "sqs": ("queue", rest),
        "sns": ("topic", rest),
        "execute-api": ("API", "/".join(rest.split("/")[:2])),
        "events": ("", rest.replace("/", " ", 1)),
        "dynamodb": ("table", rest.removeprefix("table/").partition("/")[0]),
        "kinesis": ("stream", rest.removeprefix("stream/")),
        "scheduler": ("schedule", rest.rpartition("/")[2]),
        "rds": ("database", rest.rpartition(":")[2]),
    }
    kind, name = names.get(service, (service, rest))
    return f"{kind} {name}".strip()


def _failure(detail: Mapping[str, Any]) -> str:
    error = detail.get("error_type") or detail["status"]
    return f"failed after {detail['duration_ms']:.1f} ms: {error}"


def _words(entry: Entry) -> str:
    """What a moment's entry says."""
    detail, kind = entry["detail"], str(entry["kind"])
    if kind == "failure":
        return str(detail["message"])
    if kind == "s3.event":
        return f"{detail['event']} {detail['key']}"
    if kind == "invoke.throttled":
        return f"throttled: {detail['reason']}"
    if kind == "invoke.dropped":
        return f"dropped: {detail['condition']}"
    target = str(detail.get("destination", ""))
    if target:
        return f"sent to {_who({**entry, 'resource': target})}"
    return kind.replace(".", " ").replace("_", " ")


def pretty(text: str) -> str:
    """An event's JSON on several lines; other text, and JSON that was cut off, as it is."""
    try:
        return sendable(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return sendable(text)


def as_json(summaries: Iterable[Summary], rows: Iterable[Row]) -> dict[str, Any]:
    """What the page needs."""
    return {
        "traces": [asdict(summary) for summary in summaries],
        "rows": [{**asdict(row), "event": pretty(row.event)} for row in rows],
    }


def trace_text(summary: Summary | None, rows: Sequence[Row]) -> str:
    """One trace in words, a line for each step."""
    if summary is None:
        return "No trace yet: send a request, or upload a file."
    lines = [f"Trace {summary.title} ({summary.state}, {summary.duration_s:.3f} s)"]
    marks = {GOOD: "●", BAD: "✗", WAITING: "○", MARK: "·"}
    lines += [f"{row.start_s:9.3f} s {marks[row.kind]} {row.who}: {row.what}" for row in rows]
    return "\n".join(lines)
