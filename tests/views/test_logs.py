"""Log lines: of which function and of what kind, filtered, bounded, and as text."""

from typing import Any

import pytest

from labhelpers.views.logs import Logs
from labhelpers.views.logs_data import KEPT_LINES, build_lines, kind_of

ARN = "arn:aws:lambda:us-east-1:123456789012:function"


def entry(seq: int, message: str, function: str = "resize") -> dict[str, Any]:
    """A line as the journal has it."""
    return {
        "seq": seq, "at": 10.0 + seq, "kind": "log", "resource": f"{ARN}:{function}", "request_id": "r",
        "trace_id": "", "detail": {"message": message},
    }  # fmt: skip


class Quiet:
    """A lab in which nothing more happens."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self.entries = list(entries)

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        return self.entries

    def follow(self, since: int = 0) -> Any:
        return iter(())


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("START RequestId: 1 Version: $LATEST", "START"),
        ("END RequestId: 1", "END"),
        ("REPORT RequestId: 1\tDuration: 1.00 ms", "REPORT"),
        ("INIT_START Runtime Version: python:3.13", "INIT_START"),
        ("[ERROR] KeyError: 'name'", "ERROR"),
        ("2026-11-23T04:00:00.000Z 1 Task timed out after 3.00 seconds", "ERROR"),
        ('{"time": "x", "type": "platform.report", "record": {}}', "REPORT"),
        ('{"level": "ERROR", "message": "no"}', "ERROR"),
        ('{"level": "INFO", "message": "yes"}', "LOG"),
        ("STARTED the engine", "LOG"),
        ("{broken", "LOG"),
    ],
)
def test_kinds_are_told_apart(message: str, kind: str) -> None:
    """AWS's own lines by their first word, in both formats; errors by what they say."""
    assert kind_of(message) == kind


def test_only_named_functions_are_followed() -> None:
    """Another function's lines, and entries that are no lines, are left out."""
    other = {**entry(2, "x"), "kind": "invoke.started"}
    lines = build_lines([entry(1, "a"), other, entry(3, "b", "writer")], frozenset({"resize"}))
    assert [(line.function, line.message) for line in lines] == [("resize", "a")]


def test_the_text_form_has_the_last_lines() -> None:
    """Fifty of them, and how many came before."""
    view = Logs(Quiet(*[entry(number, f"line {number}") for number in range(60)]))
    text = view.to_text()
    assert text.startswith("(10 lines before these)")
    assert text.endswith("line 59")
    assert "<pre" in view.to_html()
    view.close()
    assert Logs(Quiet()).to_text() == "No log line yet."


def test_memory_is_bounded() -> None:
    """A thousand batches later the last 100,000 lines are there, and no more."""
    view = Logs(Quiet())
    batch = [entry(number, "x") for number in range(200)]
    for _ in range(1000):
        view.on_entries(batch)
    assert len(view._lines) == KEPT_LINES
    view.close()


def test_markup_in_a_line_is_text() -> None:
    """In the saved form as well."""
    view = Logs(Quiet(entry(1, "<script>alert(1)</script>")))
    assert "<script>" not in view.to_html()
    view.close()
