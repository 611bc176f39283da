"""Time limits that share a timer."""

import asyncio

from labhelpers.deadlines import Deadlines


def test_each_is_over_in_its_time_and_those_cancelled_never() -> None:
    """A limit calls its end after its seconds, in the order of their beginnings; a cancelled one does not."""

    async def main() -> None:
        loop, deadlines = asyncio.get_running_loop(), Deadlines()
        ended: list[tuple[str, float]] = []
        done = loop.create_future()
        began = loop.time()

        def end(name: str) -> None:
            ended.append((name, loop.time() - began))

        deadlines.after(0.05, lambda: end("first"))
        cancelled = deadlines.after(0.05, lambda: end("cancelled"))
        await asyncio.sleep(0.02)
        deadlines.after(0.05, lambda: end("second"))
        deadlines.after(0.03, lambda: end("shorter"))
        deadlines.after(0.09, lambda: done.set_result(None))
        cancelled.cancel()
        cancelled.cancel()
        await done
        assert [name for name, _ in ended] in (["first", "shorter", "second"], ["shorter", "first", "second"])
        assert dict(ended)["first"] >= 0.05
        assert dict(ended)["second"] >= 0.07

    asyncio.run(main())


def test_a_new_one_after_a_pause_is_armed_again() -> None:
    """When the timer found nothing to end, the next limit has a timer of its own again."""

    async def main() -> None:
        deadlines, over = Deadlines(), asyncio.Event()
        deadlines.after(0.01, lambda: None).cancel()
        await asyncio.sleep(0.03)
        deadlines.after(0.01, over.set)
        await asyncio.wait_for(over.wait(), 5)

    asyncio.run(main())


def test_one_that_fails_holds_up_no_other() -> None:
    """An end that raises is told to the loop, and the next one is still called."""

    async def main() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.append(str(context["exception"]))
        )
        deadlines, over = Deadlines(), asyncio.Event()

        def fail() -> None:
            raise ValueError("no")

        deadlines.after(0.01, fail)
        deadlines.after(0.01, over.set)
        await asyncio.wait_for(over.wait(), 5)
        assert told == ["no"]

    asyncio.run(main())
