"""The lab's clock: its speed and its steps."""

import asyncio

import pytest

from labhelpers.clock import Clock


async def test_a_step_ends_every_sleep_that_was_due() -> None:
    """Who sleeps less than the step wakes at once, in lab time; who sleeps longer goes on sleeping."""
    clock = Clock()
    start = clock.now()
    short, long = asyncio.create_task(clock.sleep(600)), asyncio.create_task(clock.sleep(6000))
    await asyncio.sleep(0)
    clock.step(1200)
    await asyncio.wait_for(short, 5)
    assert clock.now() - start >= 1200
    assert not long.done()
    clock.step(6000)
    await asyncio.wait_for(long, 5)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), 1e12])
def test_the_clock_never_runs_back(seconds: float) -> None:
    """A step into the past, to nowhere, or by centuries is refused."""
    with pytest.raises(ValueError, match="steps by"):
        Clock().step(seconds)


async def test_it_tells_how_far_it_is_ahead() -> None:
    """Nothing at first; what was stepped later on; and it grows while it runs faster."""
    clock = Clock()
    assert abs(clock.ahead_s) < 1e-3
    clock.step(3600)
    assert abs(clock.ahead_s - 3600) < 1e-3
    clock.set_speed(1000)
    before = clock.ahead_s
    await asyncio.sleep(0.01)
    assert clock.ahead_s > before + 5
