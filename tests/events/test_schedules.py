"""Schedule expressions: which are read, and when each is due."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.events.schedules import Cron, Rate, parse_rule_schedule, parse_schedule


def at(text: str, zone: str = "UTC") -> float:
    """The epoch seconds of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def due(expression: str, after: str, count: int = 1, zone: str = "UTC") -> list[str]:
    """The next `count` times, as local times."""
    schedule, moment, times = parse_schedule(expression, ZoneInfo(zone)), at(after, zone), []
    for _ in range(count):
        next_due = schedule.next_after(moment, 0)
        assert next_due is not None
        moment = next_due
        times.append(datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M"))
    return times


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(0 10 * * ? *)", "2026-11-25T10:00:00", ["2026-11-26 10:00", "2026-11-27 10:00"]),
        ("cron(15 12 * * ? *)", "2026-11-25T10:00:00", ["2026-11-25 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-27T18:00:00", ["2026-11-30 18:00"]),
        ("cron(0/15 * * * ? *)", "2026-11-25T10:07:00", ["2026-11-25 10:15", "2026-11-25 10:30"]),
        ("cron(5/10 8-9 1 JAN,JUL ? *)", "2026-11-25T00:00:00", ["2027-01-01 08:05", "2027-01-01 08:15"]),
        ("cron(0 0 L * ? *)", "2028-02-01T00:00:00", ["2028-02-29 00:00", "2028-03-31 00:00"]),
        ("cron(0 0 LW * ? *)", "2026-05-01T00:00:00", ["2026-05-29 00:00"]),
        ("cron(0 0 3W * ? *)", "2026-10-01T00:00:00", ["2026-10-02 00:00"]),
        ("cron(0 0 1W * ? *)", "2026-08-01T00:00:00", ["2026-08-03 00:00"]),
        ("cron(0 0 ? * 3#2 *)", "2026-11-01T00:00:00", ["2026-11-10 00:00", "2026-12-08 00:00"]),
        ("cron(0 0 ? * 6L *)", "2026-11-01T00:00:00", ["2026-11-27 00:00"]),
        ("cron(0 0 ? * FRIL *)", "2026-11-01T00:00:00", ["2026-11-27 00:00"]),
        ("cron(0 0 ? * FRI-MON *)", "2026-11-26T00:00:00", ["2026-11-27 00:00", "2026-11-28 00:00"]),
        ("cron(0 0 ? * L *)", "2026-11-25T00:00:00", ["2026-11-28 00:00"]),
        ("cron(30 6 29 2 ? *)", "2026-01-01T00:00:00", ["2028-02-29 06:30"]),
        ("cron(0 0 1 1 ? 2030-2040/5)", "2026-01-01T00:00:00", ["2030-01-01 00:00", "2035-01-01 00:00"]),
    ],
)
def test_cron_is_due_when_aws_says(expression: str, after: str, expected: list[str]) -> None:
    """A cron expression names the minutes that AWS's table of wildcards gives it."""
    assert due(expression, after, len(expected)) == expected


def test_summer_time_skips_what_does_not_exist_and_runs_once_what_exists_twice() -> None:
    """AWS: no run in the hour that spring leaves out, one run in the hour that autumn repeats."""
    berlin = "Europe/Berlin"
    assert due("cron(30 2 * * ? *)", "2026-03-28T12:00:00", 1, berlin) == ["2026-03-30 02:30"]
    assert due("cron(30 2 * * ? *)", "2026-10-24T12:00:00", 2, berlin) == [
        "2026-10-25 02:30",
        "2026-10-26 02:30",
    ]


def test_a_zone_moves_a_schedule() -> None:
    """The same fields mean another moment in another zone."""
    schedule = parse_schedule("cron(0 9 * * ? *)", ZoneInfo("America/New_York"))
    assert schedule.next_after(at("2026-01-01T00:00:00"), 0) == at("2026-01-01T14:00:00")


def test_a_past_year_is_never_due() -> None:
    """A cron expression whose years are over has no next time."""
    assert parse_schedule("cron(0 0 1 1 ? 2020)").next_after(at("2026-01-01T00:00:00"), 0) is None


def test_at_is_due_once() -> None:
    """A one-time schedule is due at its moment and then never again."""
    schedule = parse_schedule("at(2026-11-25T12:00:00)", ZoneInfo("Asia/Tokyo"))
    moment = at("2026-11-25T03:00:00")
    assert schedule.next_after(moment - 1, 0) == moment
    assert schedule.next_after(moment, 0) is None


@given(st.integers(1, 90), st.floats(0, 1e6), st.floats(0, 1e7))
def test_a_rate_keeps_its_step_from_its_start(minutes: int, start: float, passed: float) -> None:
    """The next time is later than now, by at most one interval, and a whole number of them after the start."""
    seconds = minutes * 60
    next_due = Rate(seconds).next_after(start + passed, start)
    assert next_due is not None
    assert start + passed < next_due <= start + passed + seconds + 1e-3
    assert abs((next_due - start) / seconds - round((next_due - start) / seconds)) < 1e-6


@given(st.integers(1_577_836_800, 1_893_456_000))
def test_every_minute_is_the_next_minute(now: int) -> None:
    """`* * * * ? *` in UTC is due at the start of the next minute, whatever the time."""
    assert parse_schedule("cron(* * * * ? *)").next_after(now, 0) == now // 60 * 60 + 60


# Recorded from AWS, both services.
REFUSED = """rate(10 seconds)|rate(10 years)|rate()|rate(10)|rate(10 minutess)|rate(foo minutes)|rate(-10 minutes)|
rate(0 minutes)|rate( 10 minutes )| rate(10 minutes)|cron(0 1 * * * *)|cron(7 20 * * NOT *)|cron(INVALID)|
cron(0 dummy ? * MON-FRI *)|cron(71 8 1 * ? *)|cron()|cron(0 0 ? * 3#6 *)|cron(0 0 ? * 3#1,6#3 *)|cron(0 0 ? * ? *)|
cron(0 24 * * ? *)|cron(0 0 32 * ? *)|cron(0 0 1 13 ? *)|cron(0 0 1 1 ? 1969)|cron(9-5 0 1 1 ? *)|cron(0/0 0 1 1 ? *)|
at(2021-12-31)|at(2021-12-31T23:59:59Z)|at(2021-13-31T23:59:59)|daily|"""


@pytest.mark.parametrize("expression", [part.strip("\n") for part in REFUSED.split("|")])
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    """Neither rules nor the Scheduler take what AWS refuses."""
    with pytest.raises(ValueError, match="no schedule"):
        parse_schedule(expression)
    with pytest.raises(ValueError, match="no schedule"):
        parse_rule_schedule(expression)


def test_rules_take_no_one_time_schedule_and_mind_their_plurals() -> None:
    """`at` belongs to the Scheduler; a rule wants `rate(1 minute)` and `rate(2 minutes)`."""
    for expression in ("at(2030-01-01T00:00:00)", "rate(1 minutes)", "rate(2 minute)"):
        with pytest.raises(ValueError, match="no schedule"):
            parse_rule_schedule(expression)
    assert parse_rule_schedule("rate(2 hours)") == Rate(7200)
    assert isinstance(parse_rule_schedule("cron(0 0 * * ? *)"), Cron)
