"""Actions at moments of the lab's clock."""

import asyncio

from labhelpers.clock import Clock
from labhelpers.functions.timetable import Timetable
from tests.fakes import FakeClock, settle


async def test_actions_run_in_the_order_of_their_moments() -> None:
    """The earliest moment comes first, whatever the order of asking; equal ones keep that order."""
    clock = FakeClock()
    table = Timetable(clock)
    seen: list[str] = []
    for seconds, name in ((3, "c"), (1, "a"), (2, "b"), (2, "b2")):
        table.after(seconds, lambda name=name: seen.append(name))  # type: ignore[misc]
    await clock.advance(0.5)
    assert not seen
    await clock.advance(1.5)
    assert seen == ["a", "b", "b2"]
    await clock.advance(5)
    assert seen == ["a", "b", "b2", "c"]
    assert len(table) == 0


async def test_action_may_ask_for_another() -> None:
    """An action that adds one to the table, sooner than all others, is obeyed."""
    clock = FakeClock()
    table = Timetable(clock)
    seen: list[float] = []

    def again() -> None:
        seen.append(clock.now())
        if len(seen) < 3:
            table.after(1, again)

    start = clock.now()
    table.after(1, again)
    table.after(10, lambda: seen.append(clock.now()))
    await clock.advance(10)
    assert [at - start for at in seen] == [1, 2, 3, 10]
    table.after(1, lambda: seen.append(0))
    await clock.advance(1)
    assert seen[-1] == 0


async def test_closed_table_forgets() -> None:
    """Nothing happens after close."""
    clock = FakeClock()
    table = Timetable(clock)
    table.after(1, lambda: (_ for _ in ()).throw(AssertionError))
    await settle()
    await table.close()
    await clock.advance(2)
    assert len(table) == 0


async def test_faster_clock_wakes_sleepers() -> None:
    """An action due in an hour runs soon when the lab's clock is set to 3,600 times the speed."""
    clock = Clock()
    table = Timetable(clock)
    done = asyncio.Event()
    table.after(60, done.set)
    await settle()
    clock.set_speed(3600)
    await asyncio.wait_for(done.wait(), 5)
    await table.close()
