"""The guardian and its client: programs start, are heard of, and end, whoever of the three is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from labhelpers.errors import LabError
from labhelpers.processes.spawner import Process, Spawner
from labhelpers.processes.spec import ProcessSpec, Sandbox
from tests.descriptors import descriptors

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0


@pytest.fixture
def others() -> Counter[str]:
    """The descriptors of the tests' process without the spawner's; asked for before `spawner`."""
    return descriptors()


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    """A spawner with a folder of its own, which is gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="labhelpers-test-"))
    spawner = Spawner(folder)
    await spawner.start()
    yield spawner
    await spawner.close()
    assert folder.name not in os.listdir(folder.parent)


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe."""
    read_end, write_end = os.pipe()
    try:
        yield read_end, write_end
    finally:
        os.close(read_end)
        os.close(write_end)


async def run(spawner: Spawner, *argv: str, **settings: object) -> tuple[Process, bytes]:
    """Run a program to its end; returns it and what it wrote."""
    spec = ProcessSpec(argv=argv, **{"env": {"PATH": os.environ["PATH"]}, **settings})  # type: ignore[arg-type]
    with pipe() as (read_end, write_end):
        process = await spawner.spawn(spec, write_end)
        async with asyncio.timeout(PATIENCE_S):
            await process.exited
        os.set_blocking(read_end, False)
        try:
            return process, os.read(read_end, 1 << 16)
        except BlockingIOError:
            return process, b""


def wait_until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait for something that nobody announces."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def has_ended(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_program_runs_with_its_variables_and_folder(spawner: Spawner) -> None:
    """It has what the spec says and nothing else; its code and its largest size are told."""
    code = "import os; print(sorted(os.environ), os.getcwd()); raise SystemExit(5)"
    process, output = await run(
        spawner, sys.executable, "-c", code, env={"A": "1", "LC_CTYPE": "C.UTF-8"}, cwd="/usr"
    )
    assert output == b"['A', 'LC_CTYPE'] /usr\n"
    assert process.exited.result() == 5
    assert process.peak_bytes > 1_000_000
    assert process.failure == ""


async def test_descriptors_of_the_guardian_stay_with_it(spawner: Spawner) -> None:
    """A program has stdin (empty), stdout and stderr, and no other descriptor."""
    _, output = await run(spawner, "ls", "/proc/self/fd")
    assert output.split() == [b"0", b"1", b"2", b"3"]  # 3 is the folder that ls reads.


async def test_signal_that_ended_it_is_told(spawner: Spawner) -> None:
    """Minus the signal's number, as subprocess has it."""
    process, _ = await run(spawner, "sh", "-c", "kill -SEGV $$")
    assert process.exited.result() == -signal.SIGSEGV


async def test_program_that_is_not_there(spawner: Spawner) -> None:
    """It exits with 127, and the reason is told."""
    process, _ = await run(spawner, "/no/such/program")
    assert process.exited.result() == 127
    assert process.failure.startswith("FileNotFoundError: ")


async def test_place_that_cannot_be_made(spawner: Spawner) -> None:
    """Where the guardian itself fails, only that program does: the reason is told, and the next one starts."""
    await spawner.wait_ready()
    if not spawner.isolated:
        pytest.skip("no user namespaces on this machine")
    for place in (
        Sandbox("/", "/", "/", tmp="/proc/no/such"),
        Sandbox("/no/task", "/usr", "/usr", tmp=str(spawner.folder / "t")),
    ):
        process, _ = await run(spawner, "true", sandbox=place)
        assert process.exited.result() == 127
        assert "No such file or directory" in process.failure
    process, _ = await run(spawner, "true")
    assert process.exited.result() == 0


async def test_supervised_program_that_is_not_there_says_so_itself(spawner: Spawner) -> None:
    """A function's own wrapper fails as in a shell: its log has the reason, the lab has not failed."""
    process, output = await run(spawner, "/no/such/program", supervised=True)
    assert [process.exited.result(), process.failure] == [127, ""]
    assert output == b"/no/such/program: No such file or directory\n"
    process, output = await run(spawner, "/etc/passwd", supervised=True)
    assert [process.exited.result(), output] == [126, b"/etc/passwd: Permission denied\n"]


async def test_many_large_specs_at_once(spawner: Spawner) -> None:
    """Messages that do not fit into the socket at once are not mixed up."""
    large = {"PATH": os.environ["PATH"], "LARGE": "x" * 100_000}
    codes = [run(spawner, "sh", "-c", f"exit {n}", env=large) for n in range(20)]
    assert [process.exited.result() for process, _ in await asyncio.gather(*codes)] == list(range(20))


async def test_end_asks_first(spawner: Spawner) -> None:
    """A program that listens has time to end; one that does not is killed."""
    for trap, code in (("exit 7", 7), ("", -signal.SIGKILL)):
        with pipe() as (read_end, write_end):
            script = f"trap '{trap}' TERM; echo up; while :; do sleep 0.01; done"
            spec = ProcessSpec(argv=("sh", "-c", script), env={"PATH": os.environ["PATH"]})
            process = await spawner.spawn(spec, write_end)
            assert os.read(read_end, 10) == b"up\n"
            assert await process.end(signal.SIGTERM, 0.5) == code
            assert not process.send_signal(signal.SIGTERM)


async def test_supervisor_ends_what_is_left_behind(spawner: Spawner) -> None:
    """Also a process in a session of its own, whose parent is gone."""
    script = "setsid sh -c 'sleep 1000 & sleep 1000' & sleep 0.2"
    await run(spawner, "sh", "-c", script, supervised=True)
    assert spawner._guardian is not None
    assert psutil.Process(spawner._guardian.pid).children(recursive=True) == []


async def test_unprivileged_program_is_not_root(spawner: Spawner) -> None:
    """PostgreSQL refuses root; its folder is its own."""
    folder = spawner.folder / "data"
    folder.mkdir()
    code = f"import os; print(os.geteuid(), os.stat({str(folder)!r}).st_uid)"
    _, output = await run(
        spawner, "/usr/bin/env", "python3", "-c", code, unprivileged=True, owned=(str(folder),)
    )
    user, owner = output.split()
    assert user == owner and user != b"0"


async def test_guardian_that_was_killed_is_replaced(others: Counter[str], spawner: Spawner) -> None:
    """Its programs are given up; the next one starts under the new guardian, and no descriptor is left behind."""
    lost: list[int] = []
    spawner.on_lost = lambda: lost.append(1)
    await run(spawner, "true")
    before = (descriptors() - others).total()
    for number in range(1, 4):
        with pipe() as (_, write_end):
            spec = ProcessSpec(argv=("sleep", "1000"), env={"PATH": os.environ["PATH"]})
            process = await spawner.spawn(spec, write_end)
            assert spawner._guardian is not None
            spawner._guardian.kill()
            async with asyncio.timeout(PATIENCE_S):
                assert await process.exited == -signal.SIGKILL
            wait_until(lambda pid=process.pid: has_ended(pid))  # type: ignore[misc]
        await run(spawner, "true")
        assert len(lost) == number
    assert (descriptors() - others).total() == before


async def test_guardian_killed_while_it_starts_is_replaced(others: Counter[str], spawner: Spawner) -> None:
    """Whoever waits for it is served by the next one, and no descriptor is left behind."""
    await run(spawner, "true")
    before = (descriptors() - others).total()
    kill_guardians(spawner, count=3)
    process, _ = await run(spawner, "sh", "-c", "exit 3")
    assert process.exited.result() == 3
    assert (descriptors() - others).total() == before


async def test_guardian_always_killed_is_given_up(spawner: Spawner) -> None:
    """After some tries in a row the error says so, and what to do; closing still ends all."""
    await run(spawner, "true")
    kill_guardians(spawner, count=100)
    for _ in range(2):
        with pytest.raises(LabError, match=r"killed by signal 9 5 times in a row.*start a new one"):
            await run(spawner, "true")


def kill_guardians(spawner: Spawner, count: int) -> None:
    """Kill the guardian, and so many that follow as soon as they are started."""
    start, left = spawner.start, count

    async def start_and_kill() -> None:
        nonlocal left
        await start()
        if left:
            left -= 1
            assert spawner._guardian is not None
            spawner._guardian.kill()

    spawner.start = start_and_kill  # type: ignore[method-assign]
    assert spawner._guardian is not None
    spawner._guardian.kill()


async def test_close_ends_what_is_left() -> None:
    """Programs are told with their own signal, the folder is removed, read-only folders too; twice is fine."""
    folder = Path(tempfile.mkdtemp(prefix="labhelpers-test-"))
    spawner = Spawner(folder)
    await spawner.start()
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("x")
    (folder / "a" / "b").chmod(0o500)
    out = Path(tempfile.mkdtemp()) / "said"
    with pipe() as (read_end, write_end):
        script = f"trap 'echo quit > {out}; exit' QUIT; echo up; sleep 60 & wait"
        spec = ProcessSpec(
            argv=("sh", "-c", script), env={"PATH": os.environ["PATH"]}, stop_signal=int(signal.SIGQUIT)
        )
        process = await spawner.spawn(spec, write_end)
        assert os.read(read_end, 10) == b"up\n"
    await asyncio.gather(spawner.close(), spawner.close())
    assert out.read_text() == "quit\n"
    assert not psutil.pid_exists(process.pid)
    assert folder.name not in os.listdir(folder.parent)
    with pytest.raises(LabError):
        await spawner.spawn(spec, 1)


CLOUD = textwrap.dedent("""
    import asyncio, sys, uvloop
    from tests.functions.function_lab import function_lab
    DAEMON = '''
    import os, subprocess, time
    def handler(e, c):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for fd in range(3): os.close(fd)
                time.sleep(1000)
            os._exit(0)
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        if e: time.sleep(1000)
    '''
    async def main():
        async with function_lab(isolated=sys.argv[1] == "isolated") as lab:
            name = lab.function(__import__("textwrap").dedent(DAEMON), timeout_s=900)
            await lab.value(name, 0)
            busy = asyncio.create_task(lab.invoke(name, 1))
            idle = lab.function()
            await lab.value(idle)
            await lab.until(lambda: len(lab.environments(name)) == 1 and not busy.done())
            print(lab.folder, lab.spawner._guardian.pid, flush=True)
            await asyncio.sleep(1000)
    uvloop.run(main())
""")


@pytest.fixture(params=["isolated", "plain"])
def cloud(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[bytes], Path, int]]:
    """A process with a lab whose function has left daemons; with the lab's folder and its guardian's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLOUD, request.param],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    folder, guardian = process.stdout.readline().split()
    yield process, Path(folder.decode()), int(guardian)
    process.stdout.close()
    process.kill()
    process.wait()


def test_nothing_is_left_when_the_cloud_is_killed(cloud: tuple[subprocess.Popen[bytes], Path, int]) -> None:
    """Within 3 seconds every process has ended, daemons too, and the folder is gone."""
    process, folder, _ = cloud
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 7
    process.kill()
    process.wait()
    wait_until(lambda: not folder.exists() and not any(one.is_running() for one in family), 3.0)


def test_no_process_is_left_when_cloud_and_guardian_are_killed(
    cloud: tuple[subprocess.Popen[bytes], Path, int], request: pytest.FixtureRequest
) -> None:
    """The kernel ends them: in a namespace every process, without one the runtimes and their supervisors."""
    process, folder, guardian = cloud
    family = psutil.Process(process.pid).children(recursive=True)
    mine = family
    if "plain" in request.node.name:
        supervisors = [one.pid for one in family if one.ppid() == guardian]
        parents = {process.pid, guardian, *supervisors}
        mine = [one for one in family if one.ppid() in parents and os.getsid(one.pid) == one.pid]
        assert len(mine) == 1 + 2 * len(supervisors)
    os.kill(guardian, signal.SIGSTOP)  # So that it cannot notice the end of the cloud first.
    process.kill()
    os.kill(guardian, signal.SIGKILL)
    process.wait()
    try:
        wait_until(lambda: not any(one.is_running() and one.status() != "zombie" for one in mine), 3.0)
    finally:
        for one in family:
            if one.is_running():
                one.kill()
        subprocess.run(["rm", "-rf", str(folder)], check=True)
