"""What an execution environment writes down: its log stream, with Lambda's own lines in place, and journal entries.

What comes with every call, START, END and REPORT, is noted with its facts and worded when somebody reads it.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from labhelpers.functions import languages
from labhelpers.functions.call import Call, Surroundings
from labhelpers.functions.log_lines import ON_DEMAND, PROVISIONED_CONCURRENCY, LogLines, Report
from labhelpers.functions.log_stream import LogStream
from labhelpers.functions.outcomes import InitFailure
from labhelpers.functions.permitted_logs import permitted_sink
from labhelpers.journal import Entry
from labhelpers.model import FunctionError, FunctionVersion, LaterLogEvents, LogEvent, Origin

_NO_ERROR = ("", "")
_JOURNAL_TEXT = 2_000  # The journal is for looking; the whole text is in the log stream.


class EnvironmentLog:
    """Writes for the environment `environment_id`; `stream` is where its runtime's output goes."""

    def __init__(
        self,
        version: FunctionVersion,
        around: Surroundings,
        environment_id: str,
        *,
        provisioned: bool = False,
    ) -> None:
        self._version = version
        self._journal = around.journal
        self._metrics = around.metrics
        self._arn = version.qualified_arn
        self._id = environment_id
        self._provisioned = provisioned
        self._request_id = ""
        # AWS: in a log group that functions may share, a stream is named after its function, too.
        owner = "" if version.log_group == f"/aws/lambda/{version.name}" else version.name
        name = f"{time.strftime('%Y/%m/%d', time.gmtime())}/{owner}[{version.version}]{environment_id}"
        self.stream = LogStream(
            version.log_group, name, permitted_sink(version, around), self._on_messages, around.log_kept_bytes
        )
        self._lines = LogLines(version, name, PROVISIONED_CONCURRENCY if provisioned else ON_DEMAND)
        self._is_text = version.log_format != "JSON"  # There the level decides which lines there are.
        # What words the facts of calls: in common they have what the environment is.
        lines, arn = self._lines, self._arn
        self._start_events = partial(_start_events, lines)
        self._end_events = partial(_end_events, lines)
        self._start_entries = partial(_start_entries, lines, arn, environment_id)
        self._started_entries = partial(_started_entries, environment_id)
        self._end_entries = partial(_end_entries, lines, arn, environment_id)
        self._ended_entries = partial(_ended_entries, environment_id)

    def state(self, value: str) -> None:
        """The environment has come into a state."""
        self._journal.append(
            "environment.state",
            self._arn,
            environment=self._id,
            state=value,
            provisioned=self._provisioned,
        )

    def init_started(self, at: float) -> None:
        """INIT_START."""
        self.stream.write(self._lines.init_start(at, *languages.runtime_version(self._version.runtime)))

    def init_failed(self, phase: str, duration_ms: float, failure: InitFailure) -> None:
        """INIT_REPORT; `phase` is init, or invoke when it was tried in a call's time."""
        line = self._lines.init_report(time.time(), duration_ms, phase, failure.status, failure.error_type)
        self.stream.write(line)

    def begin(self, call: Call) -> None:
        """From here on the log is that of `call`."""
        self._request_id = call.request_id
        self.stream.begin_call(tail=call.log_tail)

    def started(self, call: Call, at: float, *, cold: bool) -> None:
        """START. `cold` if the call has waited for an INIT."""
        self.stream.end_line()
        if self._is_text:
            at = time.time()  # Not before what INIT has left: whoever reads sorts them.
        line = at, call.request_id, call.arn, call.trace_id
        event = call.payload[:_JOURNAL_TEXT]
        if self._is_text and not call.log_tail:
            self.stream.write_later(LaterLogEvents(self._start_events, line))
            self._journal.note(2, self._start_entries, line, cold, event, call.origin)
        else:
            self.stream.write(self._lines.start(*line))
            self._journal.note(1, self._started_entries, line, cold, event, call.origin)

    def timed_out(self, call: Call) -> None:
        """The line that names a timeout."""
        self.stream.write(self._lines.timed_out(time.time(), call.request_id, self._version.timeout_s))

    def exited(self, call: Call, message: str, kind: str) -> None:
        """The lines that name the end of a runtime."""
        self.stream.write(self._lines.exited(call.request_id, message, kind))

    def ended(self, call: Call, report: Report, error: FunctionError | None) -> bytes | None:
        """END and REPORT; returns the log's tail if the call asked for it."""
        self.stream.end_line()
        line = time.time(), call.request_id, tuple(report), call.trace_id
        failed = (error.type, error.message[:_JOURNAL_TEXT]) if error is not None else _NO_ERROR
        if self._is_text and not call.log_tail:
            self.stream.write_later(LaterLogEvents(self._end_events, line))
            self._journal.note(3, self._end_entries, line, call.arn, failed)
        else:
            at, request_id, _, trace = line
            self.stream.write(
                self._lines.end(at, request_id, report, trace),
                self._lines.report(at, request_id, report, trace),
            )
            self._journal.note(1, self._ended_entries, line, call.arn, failed)
        self._metrics.ended(call.arn, self._version.version, report.duration_ms, report.status != "success")
        self._request_id = ""
        return self.stream.take_tail()

    def _on_messages(self, messages: list[str]) -> None:
        for message in messages:
            self._journal.append(
                "log",
                self._arn,
                request_id=self._request_id,
                environment=self._id,
                message=message[:_JOURNAL_TEXT],
            )


# --- What is worded only when it is read ---

_Started = tuple[float, str, str, str]  # When, request id, function's ARN, trace.
_Ended = tuple[float, str, tuple[Any, ...], str]  # When, request id, the report's figures, trace.


def _start_events(lines: LogLines, at: float, request_id: str, arn: str, trace: str) -> list[LogEvent]:
    return [LogEvent(int(at * 1000), lines.start(at, request_id, arn, trace))]


def _end_events(
    lines: LogLines, at: float, request_id: str, figures: tuple[Any, ...], trace: str
) -> list[LogEvent]:
    report = Report(*figures)
    end, last = lines.end(at, request_id, report, trace), lines.report(at, request_id, report, trace)
    return [LogEvent(int(at * 1000), end), LogEvent(int(at * 1000), last)]


def _log_entry(seq: int, at: float, arn: str, request_id: str, environment: str, message: str) -> Entry:
    return Entry(seq, at, "log", arn, request_id, "", {"environment": environment, "message": message})


def _start_entries(
    lines: LogLines,
    arn: str,
    environment: str,
    seq: int,
    at: float,
    line: _Started,
    cold: bool,
    event: bytes,
    origin: Origin,
) -> list[Entry]:
    start = _log_entry(seq, at, arn, line[1], environment, lines.start(*line))
    return [start, *_started_entries(environment, seq + 1, at, line, cold, event, origin)]


def _started_entries(
    environment: str, seq: int, at: float, line: _Started, cold: bool, event: bytes, origin: Origin
) -> list[Entry]:
    _, request_id, arn, trace = line
    source, source_arn, principal = origin
    detail = {
        "environment": environment,
        "cold": cold,
        "event": event.decode("utf-8", "replace"),
        "source": source,
        "source_arn": source_arn,
        "principal": principal,
    }
    return [Entry(seq, at, "invoke.started", arn, request_id, trace, detail)]


def _end_entries(
    lines: LogLines,
    arn: str,
    environment: str,
    seq: int,
    at: float,
    line: _Ended,
    called: str,
    failed: tuple[str, str],
) -> list[Entry]:
    request_id = line[1]
    end, last = (event.message for event in _end_events(lines, *line))
    return [
        _log_entry(seq, at, arn, request_id, environment, end),
        _log_entry(seq + 1, at, arn, request_id, environment, last),
        *_ended_entries(environment, seq + 2, at, line, called, failed),
    ]


def _ended_entries(
    environment: str, seq: int, at: float, line: _Ended, called: str, failed: tuple[str, str]
) -> list[Entry]:
    _, request_id, figures, trace = line
    report = Report(*figures)
    detail: dict[str, Any] = {
        "environment": environment,
        "status": report.status,
        "error_type": failed[0],
        "error_message": failed[1],
        "duration_ms": round(report.duration_ms, 3),
        "billed_ms": report.billed_ms,
        "init_ms": report.init_ms,
        "memory_mb": report.memory_mb,
        "max_memory_mb": report.max_memory_mb,
    }
    return [Entry(seq, at, "invoke.ended", called, request_id, trace, detail)]
