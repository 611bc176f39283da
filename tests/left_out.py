"""A pytest plugin: one last line that says which tests were left out, and why."""

from collections import Counter

import pytest


def reasons(skipped: list[pytest.TestReport]) -> str:
    """`left out: 2 tests (no Chromium), 1 test (needs Linux)`, from the reports of skipped tests."""
    counted = Counter(_reason(report) for report in skipped)
    parts = [f"{n} test{'s' if n > 1 else ''} ({reason})" for reason, n in counted.most_common()]
    return "left out: " + (", ".join(parts) or "nothing")


def _reason(report: pytest.TestReport) -> str:
    longrepr = report.longrepr
    message = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return message.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Pytest calls it at the end of a run."""
    terminalreporter.write_line(reasons(terminalreporter.stats.get("skipped", [])))
