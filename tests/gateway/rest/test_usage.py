"""Quotas of usage plans: periods, offsets, and what is counted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.rest.store import RestStore
from labhelpers.gateway.rest.usage import Client, Usage, period_start
from labhelpers.gateway.throttle import Throttles
from labhelpers.model import Account


class Days:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.day = date(2026, 3, 31)  # A Tuesday.

    def now(self) -> float:
        return datetime(self.day.year, self.day.month, self.day.day, 12, tzinfo=UTC).timestamp()


def plan(days: Days, limit: int, period: str, offset: int = 0) -> tuple[Usage, Client, Any]:
    """A plan with one key, and what is used of it."""
    store = RestStore(Account())
    record = {
        "id": "p",
        "name": "p",
        "apiStages": [],
        "quota": {"limit": limit, "period": period, "offset": offset},
    }
    store.plans["p"] = record
    store.plan_keys["p"] = {"k": {"id": "k"}}
    return Usage(store, Throttles(), days.now), Client("k", "key", record), record


@pytest.mark.parametrize(
    ("day", "period", "start"),
    [
        (date(2026, 3, 31), "DAY", date(2026, 3, 31)),
        (date(2026, 3, 31), "WEEK", date(2026, 3, 30)),
        (date(2026, 3, 30), "WEEK", date(2026, 3, 30)),
        (date(2026, 3, 31), "MONTH", date(2026, 3, 1)),
    ],
)
def test_period_of_a_day(day: date, period: str, start: date) -> None:
    """Weeks begin on Monday."""
    assert period_start(day, period) == start


@pytest.mark.parametrize(("period", "passed"), [("DAY", 1), ("WEEK", 6), ("MONTH", 1)])
def test_quota_is_full_again_in_the_next_period(period: str, passed: int) -> None:
    """On the clock's day that begins it."""
    days = Days()
    usage, client, _ = plan(days, 2, period)
    assert [usage.take(client) for _ in range(3)] == [True, True, False]
    days.day += timedelta(passed - 1)
    assert not usage.take(client)
    days.day += timedelta(1)
    assert usage.take(client)


def test_offset_counts_in_the_first_period_only() -> None:
    """It is for plans that begin in the middle of one."""
    days = Days()
    usage, client, _ = plan(days, 3, "MONTH", 2)
    assert [usage.take(client) for _ in range(2)] == [True, False]
    days.day = date(2026, 4, 1)
    assert [usage.take(client) for _ in range(4)] == [True, True, True, False]


def test_report_has_used_and_left_of_every_day() -> None:
    """A refused request counts for nothing."""
    days = Days()
    usage, client, record = plan(days, 3, "WEEK")
    usage.take(client)
    days.day += timedelta(1)
    for _ in range(4):
        usage.take(client)
    found = usage.report(record, None, date(2026, 3, 30), date(2026, 4, 1))
    assert found == {"k": [[0, 3], [1, 2], [2, 0]]}


@given(st.integers(1, 50), st.integers(0, 60), st.integers(0, 100))
def test_remaining_can_be_set(limit: int, calls: int, remaining: int) -> None:
    """UpdateUsage grants or takes requests of the present period, whatever was used before."""
    usage, client, record = plan(Days(), limit, "DAY")
    for _ in range(calls):
        usage.take(client)
    usage.set_remaining(record, "k", remaining)
    assert sum(usage.take(client) for _ in range(remaining + 3)) == remaining


def test_without_quota_all_are_counted() -> None:
    """And none is refused."""
    usage, client, record = plan(Days(), 1, "DAY")
    del record["quota"]
    assert all(usage.take(client) for _ in range(5))
    assert usage.report(record, "k", date(2026, 3, 31), date(2026, 3, 31)) == {"k": [[5, 0]]}
