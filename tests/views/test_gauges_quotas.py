"""Quotas: what is used and left, and when a period ends on the lab's clock."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from labhelpers.gateway.rest.usage import period_start
from labhelpers.views.gauges_clock import LabClock, Reading
from labhelpers.views.gauges_quotas import build_quotas, period_of
from labhelpers.views.gauges_settings import Plan, QuotaLimit


@pytest.mark.parametrize("period", ["DAY", "WEEK", "MONTH"])
@pytest.mark.parametrize(
    "day", [date(2026, 11, 26), date(2026, 12, 31), date(2028, 2, 29), date(2026, 11, 1)]
)
def test_periods_are_the_gateway_s(period: str, day: date) -> None:
    """They begin where the gateway begins to count anew, and end where its next one begins."""
    start, ends = period_of(datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC).timestamp(), period)
    assert start == period_start(day, period)
    assert period_start(ends, period) == ends
    assert start <= day < ends


def test_used_is_of_the_period_and_left_of_today() -> None:
    """A key of which get_usage has nothing has used nothing; a plan without a quota is left out."""
    now = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()
    free = Plan("p", "free", keys={"k": "ada", "new": "bob"}, quota=QuotaLimit(25, "WEEK"))
    ada, bob = build_quotas([free, Plan("q", "pro")], {"p": {"k": [[4, 21], [0, 21], [6, 15]]}}, now)
    assert (ada.owner, ada.used, ada.left, ada.limit) == ("plan free, key ada", 10, 15, 25)
    assert (bob.used, bob.left) == (0, 25)
    assert datetime.fromtimestamp(ada.resets_at, UTC) == datetime(2026, 11, 30, tzinfo=UTC)


def clock_entry(kind: str, at: float, now: float, speed: float) -> dict[str, object]:
    """An entry that says how the lab's clock was set."""
    return {"kind": kind, "at": at, "detail": {"now": now, "speed": speed}}


def test_lab_s_time_of_any_entry_is_known() -> None:
    """Before and after steps, at the speed that the clock had then."""
    clock = LabClock(Reading(500.0, 9_000.0, 60.0))
    assert clock.lab_time(501.0) == 9_060.0
    assert not clock.add({"kind": "log", "at": 1.0, "detail": {}})
    clock.add(clock_entry("lab.started", 100.0, 100.0, 1.0))
    clock.add(clock_entry("clock.step", 200.0, 3_800.0, 1.0))
    clock.add(clock_entry("clock.speed", 300.0, 3_900.0, 60.0))
    assert [clock.lab_time(at) for at in (90.0, 150.0, 250.0, 301.0)] == [90.0, 150.0, 3_850.0, 3_960.0]
    assert clock.speed == 60
