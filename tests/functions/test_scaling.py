"""AWS's rates, and how many environments start at once."""

from __future__ import annotations

import asyncio

import pytest

from labhelpers.functions.scaling import Bucket, RequestRate, ScalingRate, Starts

pytestmark = pytest.mark.asyncio


class Now:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


async def test_bucket_fills_at_its_rate_and_no_further() -> None:
    """All at once what it holds, then as many as come back; a fraction is no whole one."""
    bucket = Bucket(per_s=2, burst=3, at=0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(0.4)
    assert bucket.take(0.5) and not bucket.take(0.5)
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False]


async def test_requests_are_limited_to_ten_times_the_concurrency() -> None:
    """Each function with reserved concurrency for itself; a change of it counts at once."""
    now = Now()
    rate = RequestRate(now)
    assert [rate.allows("a", 1) for _ in range(11)] == [True] * 10 + [False]
    assert rate.allows("b", 1) and rate.allows("", 1_000)
    now.at += 0.125
    assert rate.allows("a", 1) and not rate.allows("a", 1)
    assert rate.allows("a", 2)


async def test_function_gets_a_thousand_environments_in_ten_seconds() -> None:
    """Then a hundred a second; other functions have their own."""
    now = Now()
    rate = ScalingRate(now)
    assert all(rate.allows("a") for _ in range(1_000)) and not rate.allows("a")
    assert rate.allows("b")
    now.at += 1
    assert sum(rate.allows("a") for _ in range(200)) == 100


async def test_place_is_given_back_once() -> None:
    """Whoever has waited longest is woken, and asks again."""
    starts = Starts(1)
    assert starts.take() and not starts.take()
    first, second = starts.waiter(), starts.waiter()
    end = starts.holder()
    assert not first.done()
    end()
    end()
    assert first.done() and not second.done()
    assert starts.take() and not starts.take()


async def test_long_start_gives_its_place_back_by_itself() -> None:
    """An INIT that waits for something keeps nobody else from starting."""
    starts = Starts(1)
    starts.take()
    starts.holder()
    async with asyncio.timeout(5):
        await starts.waiter()
    assert starts.take()


async def test_waiter_that_gave_up_is_passed_over() -> None:
    """The place goes to the next."""
    starts = Starts(1)
    starts.take()
    gone, there = starts.waiter(), starts.waiter()
    gone.cancel()
    starts.give_back()
    assert there.done()


async def test_close_wakes_everybody() -> None:
    """They find that it is over."""
    starts = Starts(1)
    starts.take()
    waiting = [starts.waiter() for _ in range(3)]
    starts.close()
    assert all(waiter.done() for waiter in waiting)
