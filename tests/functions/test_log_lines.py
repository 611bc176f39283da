"""Lambda's own lines, to the byte."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from labhelpers.functions.log_lines import LogLines, Report, timestamp
from tests.fakes import function_version

AT = 1_669_176_000.0
STREAM = "2026/11/23/[$LATEST]0123"


def lines(**settings: str) -> LogLines:
    """Lines of a function with these settings."""
    return LogLines(replace(function_version("f"), **settings), STREAM)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("report", "ending"),
    [
        (Report(2.368, 3, 128, 36), "Max Memory Used: 36 MB\t\n"),
        (Report(2.368, 427, 128, 36, 423.98), "Max Memory Used: 36 MB\tInit Duration: 423.98 ms\t\n"),
        (Report(2.368, 3, 128, 36, status="error"), "Max Memory Used: 36 MB\t\n"),
        (Report(2.368, 3, 128, 36, 1.0, "timeout"), "MB\tInit Duration: 1.00 ms\tStatus: timeout\n"),
        (
            Report(2.368, 3, 128, 128, None, "error", "Runtime.OutOfMemory"),
            "Max Memory Used: 128 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n",
        ),
    ],
)
def test_report_line(report: Report, ending: str) -> None:
    """Fields, tabs and the tab at the end; a handler's own error is not named."""
    line = lines().report(AT, "r-1", report)
    assert line.startswith("REPORT RequestId: r-1\tDuration: 2.37 ms\tBilled Duration: ")
    assert line.endswith(ending)


def test_sampled_call_is_shown_with_its_segment() -> None:
    """A second line of REPORT; in JSON the trace header with every record of the call. Others have none."""
    trace, report = (
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        Report(1, 1, 128, 1),
    )
    line = lines().report(AT, "r", report, f"{trace};Lineage=1:a8:0")
    assert line.split("\n")[1:] == [
        "XRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t",
        "",
    ]
    assert "XRAY" not in lines().report(AT, "r", report, trace.replace("Sampled=1", "Sampled=0"))
    objects = lines(log_format="JSON", system_log_level="DEBUG")
    for text in (
        objects.start(AT, "r", "arn", trace),
        objects.end(AT, "r", report, trace),
        objects.report(AT, "r", report, trace),
    ):
        assert json.loads(text)["record"]["tracing"] == {"type": "X-Amzn-Trace-Id", "value": trace}
    assert "tracing" not in json.loads(objects.start(AT, "r", "arn"))["record"]


def test_text_lines() -> None:
    """START, END, time-out, exit, INIT_START, INIT_REPORT."""
    text = lines()
    assert text.start(AT, "r", "arn") == "START RequestId: r Version: $LATEST\n"
    assert text.end(AT, "r", Report(1, 1, 128, 1)) == "END RequestId: r\n"
    assert text.timed_out(AT, "r", 3) == "2022-11-23T04:00:00.000Z r Task timed out after 3.00 seconds\n\n"
    assert (
        text.exited("r", "Runtime exited", "Runtime.ExitError")
        == "RequestId: r Error: Runtime exited\nRuntime.ExitError\n"
    )
    assert text.init_start(AT, "python:3.13.v1", "arn") == (
        "INIT_START Runtime Version: python:3.13.v1\tRuntime Version ARN: arn\n"
    )
    assert text.init_report(AT, 229.219, "init", "error", "Runtime.ImportModuleError") == (
        "INIT_REPORT Init Duration: 229.22 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n"
    )
    assert text.init_report(AT, 10000, "init", "timeout", "") == (
        "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout\n"
    )


def test_json_lines() -> None:
    """The same as objects; what a text line would say twice is left out."""
    objects = lines(log_format="JSON")
    assert objects.timed_out(AT, "r", 3) == objects.exited("r", "m", "t") == ""
    assert json.loads(objects.start(AT, "r", "arn")) == {
        "time": "2022-11-23T04:00:00.000Z",
        "type": "platform.start",
        "record": {"requestId": "r", "functionArn": "arn", "version": "$LATEST"},
    }
    init = json.loads(objects.init_start(AT, "v", "arn"))["record"]
    assert init["instanceId"] == "2026/11/23/f[$LATEST]0123"
    report = json.loads(
        objects.report(AT, "r", Report(1.23456, 2, 128, 36, 7.0, "error", "Runtime.ExitError"))
    )
    assert report["record"] == {
        "requestId": "r",
        "metrics": {
            "durationMs": 1.235,
            "billedDurationMs": 2,
            "memorySizeMB": 128,
            "maxMemoryUsedMB": 36,
            "initDurationMs": 7.0,
        },
        "status": "error",
        "errorType": "Runtime.ExitError",
    }


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", "start done report failed-done failed-report init"),
        ("INFO", "start report failed-done failed-report init"),
        ("WARN", "failed-done failed-report init"),
    ],
)
def test_system_log_level(level: str, shown: str) -> None:
    """What each level leaves: the developer guide's mapping of events to levels."""
    objects = lines(log_format="JSON", system_log_level=level)
    good, bad = Report(1, 1, 128, 1), Report(1, 1, 128, 1, None, "error", "Runtime.ExitError")
    written = {
        "start": objects.start(AT, "r", "arn"),
        "done": objects.end(AT, "r", good),
        "report": objects.report(AT, "r", good),
        "failed-done": objects.end(AT, "r", bad),
        "failed-report": objects.report(AT, "r", bad),
        "init": objects.init_report(AT, 1, "init", "error", "Runtime.ExitError"),
    }
    assert " ".join(name for name, line in written.items() if line) == shown


def test_timestamp_has_milliseconds() -> None:
    """Rounded down, never 1,000."""
    assert timestamp(0.9999) == "1970-01-01T00:00:00.999Z"
