"""Memory: over its limit a function ends as on AWS, whoever in its environment holds the memory."""

from __future__ import annotations

import os
import subprocess

import pytest

from labhelpers.functions.memory import MemoryMeter, companions, resident_bytes, supervisor_of
from tests.functions.function_lab import FunctionLab

HOG = "    block = [bytearray(2**20) for n in range(400)]\n    time.sleep(30)\n"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("where", ["handler", "import", "child"])
async def test_hog_is_ended(lab: FunctionLab, where: str) -> None:
    """In a call, in INIT or in a child process: Runtime.OutOfMemory, all memory used, and the next call works."""
    code = {
        "handler": f"def handler(e, c):\n    if e: return 1\n{HOG}",
        "import": f"if not os.path.exists(file):\n    open(file, 'w').close()\n{HOG}def handler(e, c): return 1\n",
        "child": f"def hog():\n{HOG}"
        "def handler(e, c):\n    if e: return 1\n    if os.fork() == 0: hog()\n    os.wait()\n",
    }[where]
    head = "import os, tempfile, time\nfile = tempfile.gettempdir() + '/there'\n"
    name = lab.function(head + code, memory_mb=128, timeout_s=20)
    if where == "import":
        assert await lab.value(name) == 1
        assert "\tPhase: init\tStatus: error\tError Type: Runtime.OutOfMemory\n" in lab.log(name)
        return
    result = await lab.invoke(name, log_tail=True)
    assert result.error is not None and result.error.type == "Runtime.OutOfMemory"
    assert result.error.message.endswith("Error: Runtime exited with error: signal: killed")
    log = (result.log_tail or b"").decode()
    assert "\tMemory Size: 128 MB\tMax Memory Used: 128 MB\t" in log
    assert "\tStatus: error\tError Type: Runtime.OutOfMemory\n" in log
    assert await lab.value(name, True) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_max_memory_used_is_measured(lab: FunctionLab) -> None:
    """REPORT says what was held at most, also if it was given back within the call."""
    name = lab.function("def handler(e, c):\n    x = bytearray(e * 2**20)\n    del x\n", memory_mb=512)
    await lab.value(name, 0)
    await lab.value(name, 100)
    await lab.rested(name)
    small, large = (
        int(line.split("Max Memory Used: ")[1].split()[0]) for line in lab.messages(name) if "REPORT" in line
    )
    assert 5 < small < 60
    assert 95 <= large - small <= 110


def test_meter_of_a_process_that_is_gone() -> None:
    """It holds nothing, and asking is no error."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            meter = MemoryMeter(process.pid)
            resident = meter.resident_bytes()
            assert meter.peak_bytes() >= resident > 0
        finally:
            process.kill()
    assert meter.resident_bytes() == meter.peak_bytes() == resident_bytes([process.pid]) == 0
    meter.close()
    meter.close()
    assert MemoryMeter(process.pid).resident_bytes() == 0


def test_companions_are_all_below_the_supervisor() -> None:
    """Children of children count; the runtime itself does not."""
    with subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"]) as process:
        assert supervisor_of(process.pid) == os.getpid()
        while len(companions(0, process.pid)) < 2:
            pass
        assert process.pid not in companions(process.pid, os.getpid())
        for pid in companions(0, process.pid):
            os.kill(pid, 9)
    assert companions(process.pid, process.pid) == []
