"""What the tests of the gauges share: entries recorded from real labs, and a lab with a clock of the test's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.views.test_feed import FakeLab

RECORDINGS = json.loads((Path(__file__).parent / "recordings" / "gauges.json").read_text(encoding="utf-8"))


def recorded(name: str) -> list[dict[str, Any]]:
    """The entries of one run: a lab's journal, without what no gauge reads."""
    return [dict(entry) for entry in RECORDINGS[name]]


class TimedFakeLab(FakeLab):
    """A lab with a journal and a clock that a test sets."""

    def __init__(self, now: float = 1.7e9, speed: float = 1.0) -> None:
        super().__init__()
        self.reads, self.clock_speed = now, speed

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.reads, UTC)
