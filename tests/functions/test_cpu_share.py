"""CPU follows memory: who computes is held to his share, who waits is not, and whoever is stopped can be ended."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import pytest

from labhelpers.functions import cpu_share
from labhelpers.functions.cpu_share import CpuShare, cpu_seconds, share_of
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


class Machine:
    """Stands for the system in time of its own: one busy runtime that gets `speed` of a core unless it is stopped.

    Timers come `late_s` after they should; the runtime's owner looks each 10 ms.
    """

    def __init__(self, speed: float, late_s: float) -> None:
        self.now = self.used = 0.0
        self._speed = speed
        self._late_s = late_s
        self._is_stopped = False
        self._due, self._what = math.inf, lambda: None

    @classmethod
    def with_share(
        cls, monkeypatch: pytest.MonkeyPatch, memory_mb: int, speed: float = 1.0, late_s: float = 0.0
    ) -> tuple[Machine, CpuShare]:
        """A machine, and what holds its runtime to the share of a function with that memory."""
        machine = cls(speed, late_s)
        monkeypatch.setattr(cpu_share, "time", machine)
        monkeypatch.setattr(cpu_share, "asyncio", machine)
        monkeypatch.setattr(cpu_share, "cpu_seconds", lambda pid: machine.used)
        return machine, CpuShare(-1, share_of(memory_mb * MB), machine.send, list)

    def perf_counter(self) -> float:
        return self.now

    def send(self, number: int) -> None:
        self._is_stopped = number == signal.SIGSTOP

    def get_running_loop(self) -> Machine:
        return self

    def call_later(self, seconds: float, what: Callable[[], None]) -> Machine:
        self._due, self._what = self.now + seconds + self._late_s, what
        return self

    def cancel(self) -> None:
        self._due = math.inf

    def work(self, share: CpuShare, cpu_s: float) -> float:
        """A call that needs so much CPU time; how long it takes."""
        began, until, look = self.now, self.used + cpu_s, self.now + 0.01
        share.begin()
        while (left_s := until - self.used) > 1e-9:
            speed = 0 if self._is_stopped else self._speed
            event = min(look, self._due, self.now + left_s / speed if speed else math.inf)
            self.used += (event - self.now) * speed
            self.now = event
            if event == self._due:
                self.cancel()
                self._what()
            elif event == look:
                look += 0.01
                share.look()
        share.end()
        return self.now - began


@pytest.mark.parametrize(
    ("speed", "late_s", "tolerance"),
    [
        pytest.param(1.0, 0.0, 0.02, id="quiet"),
        pytest.param(0.4, 0.0, 0.02, id="less-than-half-a-core"),
        pytest.param(1.0, 0.004, 0.05, id="late-timers"),
        pytest.param(0.5, 0.01, 0.05, id="both"),
    ],
)
async def test_half_the_memory_takes_twice_the_time_on_any_machine(
    monkeypatch: pytest.MonkeyPatch, speed: float, late_s: float, tolerance: float
) -> None:
    """The curve of a power tuning, exactly: however busy the machine, as long as it has what the share allows."""
    durations = {}
    for memory_mb in (128, 256, 512):
        machine, share = Machine.with_share(monkeypatch, memory_mb, speed, late_s)
        durations[memory_mb] = machine.work(share, 1.0)
        assert durations[memory_mb] == pytest.approx(1_769 / memory_mb, rel=tolerance)
    assert durations[128] / durations[512] == pytest.approx(4, rel=tolerance)
    assert durations[256] / durations[512] == pytest.approx(2, rel=tolerance)


@dataclass
class Holds:
    """For how long a lab's runtimes were stopped each time, and what CPU time each had used when it went on."""

    count: int = 0
    lengths_s: list[float] = field(default_factory=list)
    used_s: list[float] = field(default_factory=list)

    def record(self, monkeypatch: pytest.MonkeyPatch) -> Holds:
        send = CpuShare._signal
        stopped_at = 0.0

        def send_and_record(share: CpuShare, number: int) -> None:
            nonlocal stopped_at
            if number == signal.SIGSTOP:
                stopped_at = time.perf_counter()
                self.count += 1
            elif share._working:  # Not because the call is over.
                self.lengths_s.append(time.perf_counter() - stopped_at)
                self.used_s.append(cpu_seconds(share._pid))
            send(share, number)

        monkeypatch.setattr(CpuShare, "_signal", send_and_record)
        return self


@pytest.mark.parametrize("memory_mb", [128, 256, 512])
async def test_busy_function_has_its_share(
    isolated_lab: FunctionLab, memory_mb: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither more, by what it had used when it last went on, nor less, by how long it was held, also under load."""
    lab, share = isolated_lab, share_of(memory_mb * MB)
    name = lab.function(
        WORKER + "    return time.process_time()\n", memory_mb=memory_mb
    )  # What it has used since it was started.
    before_s = await lab.value(name, 0)
    await asyncio.sleep(0.03)  # A call that follows within a period has what the one before left unread.
    holds = Holds().record(monkeypatch)
    result = await lab.invoke(name, 0.7 * share, log_tail=True)
    used_s = json.loads(result.payload) - before_s
    paid_s = holds.used_s[-1] - before_s
    assert paid_s > 0
    assert result.duration_ms / 1000 > 0.85 * paid_s / share
    # A late timer is made up for by the next slice, unless it is the last one.
    assert sum(holds.lengths_s) - max(holds.lengths_s) < 1.15 * used_s / share - used_s


async def test_waiting_is_not_slowed(isolated_lab: FunctionLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a little work between waits, as long as it is within the share of each period."""
    lab = isolated_lab
    name = lab.function(
        "import time\ndef handler(e, c):\n    for _ in range(40):\n        time.sleep(0.01)\n", memory_mb=128
    )
    await lab.invoke(name)
    holds = Holds().record(monkeypatch)
    await lab.invoke(name)
    assert holds.count == 0


async def test_short_call_is_not_held_back(isolated_lab: FunctionLab) -> None:
    """One of less than some milliseconds is over before it is looked at."""
    lab = isolated_lab
    name = lab.function(WORKER, memory_mb=128)
    await lab.invoke(name, 0)
    assert min([await duration_ms(lab, name, 0.003) for _ in range(20)]) < 10


async def test_init_has_a_full_core(isolated_lab: FunctionLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take 2.8 s at the function's share takes what it needs: it is never held."""
    lab, holds = isolated_lab, Holds().record(monkeypatch)
    name = lab.function(f"{WORKER}\nwork(0.2)\n", memory_mb=128)
    result = await lab.invoke(name, 0, log_tail=True)
    assert result.init_ms is not None and result.init_ms > 200
    assert holds.count == 0


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


async def test_next_call_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one call has used is not asked of the next: a short one after a long one is short."""
    machine, share = Machine.with_share(monkeypatch, 256)
    machine.work(share, 0.05)
    assert machine.work(share, 0.003) == pytest.approx(0.003)


async def test_work_between_two_readings_is_not_asked_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """After many short calls in close succession one that works has its whole share, and no more than a little."""
    machine, share = Machine.with_share(monkeypatch, 256)
    for _ in range(20):
        machine.work(share, 0.002)
    assert machine.work(share, 0.05) == pytest.approx(0.05 * 1_769 / 256, rel=0.2)


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
        async with asyncio.timeout(20):
            while cpu_seconds(process.pid) < 0.1:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        exactly = cpu_seconds(process.pid)
        monkeypatch.setattr(cpu_share, "_HAS_CLOCKS", False)
        assert 0 < cpu_seconds(process.pid) == pytest.approx(exactly, abs=0.03)
    finally:
        process.kill()
        await process.wait()
