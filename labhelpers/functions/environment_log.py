"""What an execution environment writes down: its log stream, with Lambda's own lines in place, and journal entries."""

from __future__ import annotations

import time

from labhelpers.functions import languages
from labhelpers.functions.call import Call, Surroundings
from labhelpers.functions.log_lines import ON_DEMAND, PROVISIONED_CONCURRENCY, LogLines, Report
from labhelpers.functions.log_stream import LogStream
from labhelpers.functions.outcomes import InitFailure
from labhelpers.functions.permitted_logs import permitted_sink
from labhelpers.model import FunctionError, FunctionVersion

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
        self.stream.write(self._lines.start(at, call.request_id, call.arn, call.trace_id))
        self._journal.append(
            "invoke.started",
            call.arn,
            request_id=call.request_id,
            trace_id=call.trace_id,
            environment=self._id,
            cold=cold,
            event=call.payload[:_JOURNAL_TEXT].decode("utf-8", "replace"),
        )

    def timed_out(self, call: Call) -> None:
        """The line that names a timeout."""
        self.stream.write(self._lines.timed_out(time.time(), call.request_id, self._version.timeout_s))

    def exited(self, call: Call, message: str, kind: str) -> None:
        """The lines that name the end of a runtime."""
        self.stream.write(self._lines.exited(call.request_id, message, kind))

    def ended(self, call: Call, report: Report, error: FunctionError | None) -> bytes | None:
        """END and REPORT; returns the log's tail if the call asked for it."""
        now = time.time()
        end = self._lines.end(now, call.request_id, report, call.trace_id)
        self.stream.write(end, self._lines.report(now, call.request_id, report, call.trace_id))
        self._journal.append(
            "invoke.ended",
            call.arn,
            request_id=call.request_id,
            trace_id=call.trace_id,
            environment=self._id,
            status=report.status,
            error_type=error.type if error is not None else "",
            error_message=error.message[:_JOURNAL_TEXT] if error is not None else "",
            duration_ms=round(report.duration_ms, 3),
            billed_ms=report.billed_ms,
            init_ms=report.init_ms,
            memory_mb=report.memory_mb,
            max_memory_mb=report.max_memory_mb,
        )
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
