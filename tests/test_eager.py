"""Coroutines that run at once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from labhelpers.eager import Answer, Eager

T = TypeVar("T")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(main)


async def outside(work: Callable[[], T]) -> T:
    """Run `work` as a reader of a socket runs: from the loop, in no task."""
    done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def call() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - the test's to see
            done.set_exception(error)

    asyncio.get_running_loop().call_soon(call)
    return await done


def test_it_runs_at_once_and_goes_on_within_the_answer() -> None:
    """Neither its beginning nor what comes after the answer waits for a turn of the loop."""

    async def main() -> None:
        answer: Answer[int] = Answer()
        seen: list[object] = []

        async def work() -> None:
            seen.append("begun")
            seen.append(await answer)

        def begin_and_answer() -> Eager:
            eager = Eager(work(), seen.append)
            assert seen == ["begun"]
            answer.set_result(7)
            return eager

        eager = await outside(begin_and_answer)
        assert seen == ["begun", 7, eager]
        assert eager.has_ended
        with pytest.raises(asyncio.InvalidStateError):
            answer.set_result(8)

    run(main())


def test_an_answer_that_is_there_is_not_waited_for_and_errors_are_raised() -> None:
    """An answer may come first; an exception in its place is raised where it is waited for, in a task too."""

    async def main() -> None:
        first: Answer[int] = Answer()
        first.set_result(1)
        assert await first == 1
        later: Answer[int] = Answer()
        asyncio.get_running_loop().call_soon(later.set_exception, ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            await later

    run(main())


def test_it_gets_a_task_where_it_waits_for_something_else() -> None:
    """What asyncio offers works in it: sleeping, futures, timeouts begun before or after, and answers after that."""

    async def main() -> None:
        answer: Answer[str] = Answer()
        over: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            seen = []
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.get_running_loop().create_future()
            except TimeoutError:
                seen.append("timeout")
            await asyncio.sleep(0)
            seen.append(await answer)
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(60)
            except TimeoutError:
                seen.append("timeout")
            over.set_result(seen)

        await outside(lambda: Eager(work()))
        asyncio.get_running_loop().call_later(0.03, answer.set_result, "answer")
        assert await asyncio.wait_for(over, 5) == ["timeout", "answer", "timeout"]

    run(main())


def test_a_timeout_ends_the_waiting_for_an_answer() -> None:
    """`asyncio.timeout` takes an eager coroutine for a task; the answer then may come, and nobody is woken."""

    async def main() -> None:
        answer: Answer[str] = Answer()
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        late: list[bool] = []

        async def work() -> None:
            try:
                async with asyncio.timeout(0.01):
                    await answer
            except TimeoutError:
                answer.when_there = lambda: late.append(True)
                over.set_result("timeout")

        await outside(lambda: Eager(work()))
        assert await asyncio.wait_for(over, 5) == "timeout"
        answer.set_result("late")
        assert late == [True]

    run(main())


def test_cancel_reaches_it_wherever_it_waits() -> None:
    """Cancelled, it ends: waiting for an answer, or for a future in a task of its own, or before it has begun."""

    async def main() -> None:
        seen: list[str] = []

        async def work(name: str, waits_for: Any) -> None:
            try:
                await waits_for
            except asyncio.CancelledError:
                seen.append(name)
                raise

        ended: asyncio.Queue[Eager] = asyncio.Queue()

        def begin() -> list[Eager]:
            future = asyncio.get_running_loop().create_future()
            return [
                Eager(work("answer", Answer()), ended.put_nowait),
                Eager(work("future", future), ended.put_nowait),
            ]

        all_three = await outside(begin)
        all_three.append(
            Eager(work("not begun", Answer()), ended.put_nowait)
        )  # This runs in a task: it waits.
        assert all(each.cancel() for each in all_three)
        for _ in all_three:
            await asyncio.wait_for(ended.get(), 5)
        assert sorted(seen) == ["answer", "future"]
        assert not any(each.cancel() for each in all_three)

    run(main())


def test_cancelled_before_its_task_has_begun_it_hears_of_it() -> None:
    """In the turn of the loop in which it gets its task too: what it waits for is given up, and it is told."""

    async def main() -> None:
        seen: list[str] = []
        waits_for: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        over = asyncio.Event()

        async def work() -> None:
            try:
                async with asyncio.timeout(0):  # The loop is told of this end before it is told of the task.
                    await waits_for
            except TimeoutError:
                seen.append("timeout")
            await asyncio.sleep(0)
            seen.append("goes on")

        await outside(lambda: Eager(work(), lambda _: over.set()))
        await asyncio.wait_for(over.wait(), 5)
        assert seen == ["timeout", "goes on"] and waits_for.cancelled()

    run(main())


def test_cancelled_when_its_answer_has_come_but_not_reached_it_it_ends_once() -> None:
    """An answer from within other work wakes it later; cancelled meanwhile, it is not run twice."""

    async def main() -> None:
        answer: Answer[str] = Answer()
        ended: list[Eager] = []
        told: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))

        async def work() -> None:
            await answer

        eager = await outside(lambda: Eager(work(), ended.append))
        answer.set_result("answer")  # This runs in a task.
        assert eager.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        assert ended == [eager] and not told

    run(main())


def test_an_answer_from_within_other_work_wakes_it_later() -> None:
    """Two coroutines never run inside each other: the one that is woken by the other runs after it."""

    async def main() -> None:
        answer: Answer[str] = Answer()
        seen: list[str] = []
        ended = asyncio.Event()

        async def waits() -> None:
            seen.append(await answer)

        async def answers() -> None:
            answer.set_result("answer")
            seen.append("answered")

        Eager(waits(), lambda _: ended.set())
        await answers()
        await asyncio.wait_for(ended.wait(), 5)
        assert seen == ["answered", "answer"]

    run(main())


def test_a_failure_is_told_to_the_loop() -> None:
    """Nobody waits for it: an exception goes where a task's would, before and after it has a task."""

    async def main() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.append(str(context["exception"]))
        )
        ended: asyncio.Queue[Eager] = asyncio.Queue()

        async def fail(after: float | None) -> None:
            if after is not None:
                await asyncio.sleep(after)
            raise ValueError(f"after {after}")

        await outside(lambda: [Eager(fail(None), ended.put_nowait), Eager(fail(0), ended.put_nowait)])
        for _ in range(2):
            await asyncio.wait_for(ended.get(), 5)
        assert told == ["after None", "after 0"]

    run(main())
