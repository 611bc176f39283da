"""The pool: environments are reused, started as load asks, outdated by changes, ended in the end; nothing leaks."""

from __future__ import annotations

import asyncio
import time

import psutil
import pytest

from labhelpers.clock import Clock
from labhelpers.errors import AwsError, LabError
from labhelpers.functions.environment import State
from labhelpers.functions.pool import Pool
from labhelpers.functions.scaling import Bucket, Starts
from tests.descriptors import descriptors
from tests.functions.function_lab import FunctionLab, family, function_lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLEEPER = "import time\ndef handler(e, c):\n    time.sleep(e)\n    return c.log_stream_name\n"


async def test_calls_at_once_get_environments_of_their_own(lab: FunctionLab) -> None:
    """One event at a time each; afterwards they wait for the next calls."""
    name = lab.function(SLEEPER)
    streams = await asyncio.gather(*(lab.value(name, 0.4) for _ in range(8)))
    assert len(set(streams)) == 8
    assert len(await lab.rested(name)) == 8
    again = await asyncio.gather(*(lab.value(name, 0.2) for _ in range(8)))
    assert set(again) == set(streams)


async def test_a_hundred_calls_at_once(isolated_lab: FunctionLab) -> None:
    """Every one is answered, each with its own answer."""
    lab = isolated_lab
    name = lab.function("def handler(e, c): return e\n", timeout_s=30)
    assert await asyncio.gather(*(lab.value(name, n) for n in range(100))) == list(range(100))
    assert len(await lab.rested(name)) <= 100
    lab.change(name)
    await lab.until(lambda: not lab.environments(name))


async def test_call_that_waits_for_a_start_takes_what_is_freed(isolated_lab: FunctionLab) -> None:
    """The machine starts a few environments at once: quick calls beyond those need no more of them."""
    lab = isolated_lab
    name = lab.function("def handler(e, c): return e\n", timeout_s=30)
    assert await asyncio.gather(*(lab.value(name, n) for n in range(150))) == list(range(150))
    assert len(lab.environments(name)) < 75
    assert lab.pool._starts._left > 0
    lab.change(name)


async def test_slow_inits_run_side_by_side(isolated_lab: FunctionLab) -> None:
    """An INIT that waits does not keep the others from starting."""
    lab = isolated_lab
    name = lab.function("import time\ntime.sleep(1)\ndef handler(e, c): time.sleep(e)\n", timeout_s=30)
    began = time.perf_counter()
    await asyncio.gather(*(lab.value(name, 1) for _ in range(10)))
    assert time.perf_counter() - began < 4
    assert len(lab.environments(name)) == 10
    lab.change(name)


async def test_caller_who_leaves_before_a_start_lets_the_next_one_in(isolated_lab: FunctionLab) -> None:
    """Nobody waits for ever because somebody else has gone."""
    lab = isolated_lab
    name = lab.function(SLEEPER, timeout_s=30)
    calls = [asyncio.create_task(lab.invoke(name, 0.01)) for _ in range(40)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert all(not call.cancelled() for call in calls[1::2])
    await lab.rested(name)
    lab.change(name)


async def test_function_that_scales_too_fast_is_throttled(isolated_lab: FunctionLab) -> None:
    """A call that would need another environment is refused; the place to start it is free again."""
    lab = isolated_lab
    name = lab.function(SLEEPER)
    lab.pool._scaling._buckets[lab.registry.versions[name].arn] = Bucket(0.001, 1, time.monotonic())
    results = await asyncio.gather(*(lab.invoke(name, 0.3) for _ in range(2)), return_exceptions=True)
    [refused] = [result for result in results if isinstance(result, AwsError)]
    assert refused.status == 429 and refused.fields["Reason"] == "ConcurrentInvocationLimitExceeded"
    await lab.rested(name)
    assert lab.pool._starts._left == Starts()._left
    lab.change(name)


async def test_calls_one_after_the_other_share_an_environment(lab: FunctionLab) -> None:
    """A call that comes while the environment is about to ask for its next event waits for it."""
    name = lab.function("def handler(e, c): return c.log_stream_name\n")
    assert len({await lab.value(name) for _ in range(100)}) == 1


async def test_environment_used_last_is_used_next(lab: FunctionLab) -> None:
    """Few calls keep few environments warm, so that the others can be ended."""
    name = lab.function(SLEEPER)
    await asyncio.gather(*(lab.value(name, 0.3) for _ in range(3)))
    streams = set()
    for _ in range(10):
        await lab.rested(name)
        streams.add(await lab.value(name, 0))
    assert len(streams) == 1


async def test_healthy_environment_goes_before_a_reset_one(lab: FunctionLab) -> None:
    """A call waits for an INIT only if every runtime is busy or gone."""
    name = lab.function(
        "import os, time\nnumber = 0\ndef handler(e, c):\n    global number\n    number += 1\n"
        "    time.sleep(0.3)\n    if e: os._exit(1)\n    return number\n"
    )
    await asyncio.gather(lab.invoke(name, 0), lab.invoke(name, 1))
    assert {found.state for found in await lab.rested(name)} == {State.IDLE, State.RESET}
    assert await lab.value(name, 0) == 2


async def test_change_ends_idle_environments_now_and_busy_ones_later(lab: FunctionLab) -> None:
    """A call in progress ends as it began; the next one runs on what the function is now."""
    name = lab.function(
        "import os, time\ndef handler(e, c):\n    time.sleep(e)\n    return os.environ['V']\n",
        variables={"V": "1"},
    )
    await asyncio.gather(lab.value(name, 0.2), lab.value(name, 0.2))
    await lab.rested(name)
    running = asyncio.create_task(lab.value(name, 0.5))
    await lab.until(lambda: any(found.state is State.BUSY for found in lab.environments(name)))
    lab.change(name, variables={"V": "2"})
    await lab.until(lambda: len(lab.environments(name)) == 1)
    assert await lab.value(name, 0) == "2"
    assert await running == "1"
    await lab.until(lambda: len(lab.environments(name)) == 1)
    assert await lab.value(name, 0) == "2"


async def test_idle_environments_are_ended_after_a_while() -> None:
    """Lab time decides; a reset environment is idle too."""
    async with function_lab() as lab:
        lab.pool = Pool(lab.surroundings, Clock(3600.0))
        lab.invoker._pool = lab.pool
        name = lab.function("import os\ndef handler(e, c):\n    if e: os._exit(1)\n")
        await lab.value(name)
        await lab.failure(name, True)
        await lab.until(lambda: not lab.environments(name))
        await lab.value(name)


async def test_caller_who_leaves_does_not_disturb(lab: FunctionLab) -> None:
    """A cancelled call runs on in its environment, which takes the next call when it is done."""
    name = lab.function(
        "import time\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    time.sleep(e)\n    return n\n"
    )
    await lab.value(name, 0)
    await lab.rested(name)
    leaving = asyncio.create_task(lab.invoke(name, 0.3))
    await lab.until(lambda: lab.environments(name)[0].state is State.BUSY)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await lab.rested(name)
    assert await lab.value(name, 0) == 3


async def test_nothing_leaks(lab: FunctionLab) -> None:
    """After 200 calls and 20 lives of environments there are as many descriptors, tasks and processes as before."""
    assert lab.spawner._guardian is not None
    guardian = psutil.Process(lab.spawner._guardian.pid)
    name = lab.function("import os\ndef handler(e, c):\n    if e: os._exit(1)\n")
    await lab.value(name)

    async def count() -> tuple[set[str], int, int]:
        lab.change(name)
        await lab.until(lambda: not lab.environments(name) and not lab.spawner._tasks)
        await asyncio.sleep(0.05)  # The watch over memory ends by itself.
        return (
            {str(task.get_coro()) for task in asyncio.all_tasks()},
            guardian.num_fds(),
            len(guardian.children(recursive=True)),
        )

    before, opened = await count(), descriptors()
    for _ in range(10):
        for _ in range(20):
            await lab.value(name)
        await lab.failure(name, True)
        await lab.value(name)
        lab.change(name)
    assert await count() == before
    assert not descriptors() - opened


async def test_close_answers_every_call() -> None:
    """Calls in progress, in INIT and waiting are answered when the lab closes; later ones are refused."""
    async with function_lab() as lab:
        busy = lab.function(SLEEPER)
        loading = lab.function("import time\ntime.sleep(60)\n")
        calls = [asyncio.create_task(lab.invoke(busy, 60)) for _ in range(3)]
        calls += [asyncio.create_task(lab.invoke(loading)) for _ in range(3)]
        await lab.until(lambda: sum(found.pid > 0 for found in lab.pool.environments()) == 6)
        calls += [asyncio.create_task(lab.invoke(loading)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.gather(lab.pool.close(), lab.pool.close())
        async with asyncio.timeout(5):
            results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, LabError) or result.error for result in results)  # type: ignore[union-attr]
        with pytest.raises(LabError):
            await lab.invoke(busy, 0)
        assert lab.spawner._guardian is not None
        everyone = [psutil.Process(lab.spawner._guardian.pid), *family(lab.spawner._guardian.pid)]
        await lab.spawner.close()
        await lab.spawner.close()
    assert not [process for process in everyone if process.is_running()]


async def test_guardian_is_replaced_when_it_was_killed(lab: FunctionLab) -> None:
    """Its processes end with it: calls in progress are answered as crashes, and the next calls just work."""
    seen = len(lab.journal.since(kind="failure"))
    idle, busy = lab.function("def handler(e, c): return 1\n"), lab.function(SLEEPER)
    await lab.value(idle)
    running = asyncio.create_task(lab.invoke(busy, 60))
    await lab.until(lambda: any(found.state is State.BUSY for found in lab.environments(busy)))
    assert lab.spawner._guardian is not None
    lab.spawner._guardian.kill()
    result = await running
    assert result.error is not None
    assert result.error.message.endswith("Error: Runtime exited with error: signal: killed")
    assert await asyncio.gather(lab.value(idle), lab.value(idle), lab.value(busy, 0.01))
    [failure] = lab.journal.since(kind="failure")[seen:]
    assert "guardian process was killed" in failure.detail["message"]


async def test_call_that_comes_as_the_guardian_dies(isolated_lab: FunctionLab) -> None:
    """A new environment that the lost guardian was asked for is asked for again."""
    lab = isolated_lab
    assert lab.spawner._guardian is not None
    lab.spawner._guardian.kill()
    assert await asyncio.gather(*(lab.value(lab.function(), n) for n in range(5))) == list(range(5))


@pytest.mark.asyncio(loop_scope="function")
async def test_python_s_own_loop_will_do() -> None:
    """Where there is no uvloop everything works the same."""

    async def use() -> None:
        async with function_lab() as lab:
            name = lab.function(
                "import os\ndef handler(e, c):\n    if e: os._exit(1)\n    return 1\n", timeout_s=1
            )
            assert await asyncio.gather(*(lab.value(name) for _ in range(5))) == [1] * 5
            await lab.failure(name, True)
            lab.change(name)
            assert await lab.value(name) == 1

    await asyncio.to_thread(asyncio.run, use())
