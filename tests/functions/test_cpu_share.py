"""CPU follows memory: who computes is held to his share, who waits is not, and whoever is stopped can be ended."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time

import psutil
import pytest

from labhelpers.functions import cpu_share
from labhelpers.functions.cpu_share import cpu_seconds, share_of
from labhelpers.functions.environment import State
from tests.functions.function_lab import FunctionLab

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Works until it has used so many seconds of CPU time, however long that takes.
WORKER = """
import time
def work(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass
def handler(event, context):
    work(event)
"""
MB = 1024 * 1024


async def duration_ms(lab: FunctionLab, name: str, event: object) -> float:
    """What REPORT says of a warm call."""
    result = await lab.invoke(name, event, log_tail=True)
    assert result.error is None, result.payload
    return result.duration_ms


async def test_a_core_for_each_1769_mb() -> None:
    """AWS's figure: 128 MB is a fourteenth of one, and the most memory nearly six."""
    assert share_of(1_769 * MB) == 1
    assert share_of(128 * MB) == pytest.approx(1 / 13.82, rel=0.001)
    assert share_of(10_240 * MB) == pytest.approx(5.79, rel=0.001)


async def test_half_the_memory_takes_twice_the_time(isolated_lab: FunctionLab) -> None:
    """The curve of a power tuning: the same CPU time at 128, 256 and 512 MB takes about 4 : 2 : 1."""
    lab = isolated_lab
    medians = {}
    for memory_mb in (128, 256, 512):
        name = lab.function(WORKER, memory_mb=memory_mb)
        await lab.invoke(name, 0)
        medians[memory_mb] = statistics.median([await duration_ms(lab, name, 0.05) for _ in range(3)])
        assert medians[memory_mb] == pytest.approx(50 * 1_769 / memory_mb, rel=0.15)
    assert medians[128] / medians[512] == pytest.approx(4, rel=0.2)
    assert medians[256] / medians[512] == pytest.approx(2, rel=0.2)


async def test_waiting_is_not_slowed(isolated_lab: FunctionLab) -> None:
    """Nor is a little work between waits, as long as it is within the share of each period."""
    lab = isolated_lab
    name = lab.function(
        "import time\ndef handler(e, c):\n    for _ in range(40):\n        time.sleep(0.01)\n", memory_mb=128
    )
    await lab.invoke(name)
    assert await duration_ms(lab, name, None) < 650


async def test_short_call_is_not_held_back(isolated_lab: FunctionLab) -> None:
    """One of less than some milliseconds is over before it is looked at."""
    lab = isolated_lab
    name = lab.function(WORKER, memory_mb=128)
    await lab.invoke(name, 0)
    assert min([await duration_ms(lab, name, 0.003) for _ in range(20)]) < 10


async def test_init_has_a_full_core(isolated_lab: FunctionLab) -> None:
    """What would take 2.8 s at the function's share takes about what it needs."""
    lab = isolated_lab
    name = lab.function(f"{WORKER}\nwork(0.2)\n", memory_mb=128)
    result = await lab.invoke(name, 0, log_tail=True)
    assert result.init_ms is not None and result.init_ms < 1_500


async def test_what_a_function_starts_counts_too(isolated_lab: FunctionLab) -> None:
    """A child's work is held to the share of its function."""
    lab = isolated_lab
    name = lab.function(
        WORKER.replace("def handler", "def in_child") + "import os\ndef handler(event, context):\n"
        "    child = os.fork()\n"
        "    if not child:\n        work(event)\n        os._exit(0)\n"
        "    os.waitpid(child, 0)\n",
        memory_mb=512,
    )
    await lab.invoke(name, 0)
    assert await duration_ms(lab, name, 0.3) > 650


async def test_stopped_function_times_out_on_time(isolated_lab: FunctionLab) -> None:
    """The timeout does not wait for its share, nor does the next call."""
    lab = isolated_lab
    name = lab.function(WORKER, memory_mb=128, timeout_s=1)
    await lab.invoke(name, 0)
    began = time.perf_counter()
    failure = await lab.failure(name, 60)
    assert failure["errorType"] == "Sandbox.Timedout"
    assert time.perf_counter() - began < 1.5
    await lab.rested(name)
    assert "Duration: 1000.00 ms" in lab.log(name)
    await lab.value(name, 0)


async def test_stopped_function_can_be_ended(isolated_lab: FunctionLab) -> None:
    """A change does not wait for it, and a kill reaches it."""
    lab = isolated_lab
    name = lab.function(WORKER, memory_mb=128)
    await lab.invoke(name, 0)
    call = asyncio.create_task(lab.invoke(name, 60))
    [environment] = lab.environments(name)
    await lab.until(lambda: environment.state is State.BUSY)
    runtime = psutil.Process(environment.pid)
    await lab.until(lambda: runtime.status() == psutil.STATUS_STOPPED)
    environment.kill()
    result = await call
    assert result.error is not None and "killed" in result.error.message


async def test_next_call_begins_anew(isolated_lab: FunctionLab) -> None:
    """What one call has used is not asked of the next: a short one after a long one is short."""
    lab = isolated_lab
    name = lab.function(WORKER, memory_mb=256)
    await lab.invoke(name, 0.05)
    assert await duration_ms(lab, name, 0) < 10


async def test_work_between_two_readings_is_not_asked_of_a_call(isolated_lab: FunctionLab) -> None:
    """After many short calls in close succession one that works has its whole share, and no more than a little."""
    lab = isolated_lab
    name = lab.function(WORKER, memory_mb=256)
    await lab.invoke(name, 0)
    for _ in range(20):
        await lab.invoke(name, 0.002)
    assert await duration_ms(lab, name, 0.05) == pytest.approx(50 * 1_769 / 256, rel=0.2)


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux's scheduler")
async def test_functions_do_not_interrupt_the_cloud(isolated_lab: FunctionLab) -> None:
    """The system wakes them in batches, when a processor is free, but at once what has been held to its share."""
    code = WORKER + "    import os\n    return os.sched_getscheduler(0)\n"
    name = isolated_lab.function(code, memory_mb=256)
    assert await isolated_lab.value(name, 0) == os.SCHED_BATCH
    await isolated_lab.value(name, 0.05)
    assert await isolated_lab.value(name, 0) == os.SCHED_OTHER


@pytest.mark.asyncio(loop_scope="function")
async def test_cpu_time_of_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by its own clock on Linux, by what the system tells elsewhere; both agree."""
    process = await asyncio.create_subprocess_exec("python3", "-c", "while True: pass")
    try:
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGSTOP)
        exactly = cpu_seconds(process.pid)
        monkeypatch.setattr(cpu_share, "_HAS_CLOCKS", False)
        assert 0 < cpu_seconds(process.pid) == pytest.approx(exactly, abs=0.03)
    finally:
        process.kill()
        await process.wait()
