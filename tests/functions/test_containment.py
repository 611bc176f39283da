"""What a function can see, reach and leave behind: as on AWS in isolated mode, as near as can be in plain mode."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import psutil
import pytest

from labhelpers.functions.environment import State
from tests.functions.function_lab import FunctionLab, function_lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAEMON = """
import os, time
def daemonize(what):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2): os.dup2(null, fd)
            what()
        os._exit(0)
    os.wait()
"""


def processes_in(lab: FunctionLab, name: str = "") -> list[psutil.Process]:
    """All that runs under the lab's guardian; with `name` what runs in that function's environments."""
    assert lab.spawner._guardian is not None
    found = []
    for process in psutil.Process(lab.spawner._guardian.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # It has just ended.
            if not name or process.name() == name:
                found.append(process)
    return found


async def test_children_and_daemons_end_with_the_environment(lab: FunctionLab) -> None:
    """A child, a grandchild and a daemon in a session of its own are all gone when the environment is."""
    name = lab.function(
        DAEMON + "import subprocess, sys\n"
        "def handler(e, c):\n"
        "    daemonize(lambda: time.sleep(1000))\n"
        "    subprocess.Popen(['sleep', '1000'])\n"
        "    subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "    if os.fork() == 0: time.sleep(1000)\n"
    )
    await lab.value(name)
    assert len(processes_in(lab)) >= 6
    lab.change(name)
    await lab.until(lambda: not processes_in(lab))


async def test_children_end_when_the_runtime_does(lab: FunctionLab) -> None:
    """Reset ends what the runtime has started, also what had left its group."""
    name = lab.function(
        DAEMON + "def handler(e, c):\n    daemonize(lambda: time.sleep(1000))\n    os._exit(1)\n"
    )
    await lab.failure(name)
    await lab.until(lambda: not processes_in(lab, name))


async def test_frozen_between_calls(lab: FunctionLab) -> None:
    """Threads, children and daemons stand still when no call is in progress, and go on with the next one."""
    name = lab.function(
        DAEMON + "import threading, tempfile\nbase = tempfile.gettempdir() + '/'\n"
        "def tick(file):\n"
        "    n = 0\n"
        "    while True:\n"
        "        n += 1\n"
        "        with open(base + file + '.new', 'w') as f: f.write(str(n))\n"
        "        os.rename(base + file + '.new', base + file)\n"
        "        time.sleep(0.002)\n"
        "def handler(e, c):\n"
        "    if e == 'start':\n"
        "        threading.Thread(target=tick, args=['thread'], daemon=True).start()\n"
        "        daemonize(lambda: tick('daemon'))\n"
        "        time.sleep(0.05)\n"
        "    elif e: time.sleep(e)\n"
        "    return [int(open(base + file).read()) for file in ('thread', 'daemon')]\n"
    )
    await lab.value(name, "start")
    [environment] = await lab.rested(name)
    stopped = psutil.STATUS_STOPPED
    await lab.until(lambda: psutil.Process(environment.pid).status() == stopped)
    others = processes_in(lab, name)
    await lab.until(lambda: all(found.status() == stopped for found in others))
    before = await lab.value(name, 0)
    await lab.until(lambda: all(found.status() == stopped for found in others))
    await asyncio.sleep(0.2)  # Time in which a process that was not frozen would go on.
    after = await lab.value(name, 0)
    assert all(0 <= later - earlier < 50 for earlier, later in zip(before, after, strict=True))
    assert all(later > earlier for earlier, later in zip(after, await lab.value(name, 0.05), strict=True))
    lab.change(name)
    await lab.until(lambda: not processes_in(lab, name))


async def test_thread_that_prints_after_the_return(lab: FunctionLab) -> None:
    """What is written when the call has its answer is kept, before or after the call's REPORT."""
    name = lab.function(
        "import threading, time\ndef talk():\n    time.sleep(0.005)\n    print('late')\n"
        "def handler(e, c): threading.Thread(target=talk).start()\n"
    )
    await lab.value(name)
    await lab.until(lambda: "late\n" in lab.messages(name))


async def test_code_is_read_only(isolated_lab: FunctionLab) -> None:
    """Writing to the package, the runtime, the layers or anywhere but /tmp is refused."""
    name = isolated_lab.function(
        "import os\ndef handler(e, c):\n    said = {}\n"
        "    for path in ('/var/task/x', '/var/runtime/x', '/opt/x', '/x', '/etc/x', '/usr/x', '/var/x', '/dev/x',\n"
        "        '/dev/shm/x', '/proc/sys/kernel/hostname', '/proc/sysrq-trigger', '/home/x'):\n"
        "        try: said[path] = open(path, 'w').close()\n"
        "        except OSError as error: said[path] = error.errno\n"
        "    return said\n"
    )
    assert set((await isolated_lab.value(name)).values()) <= {1, 2, 13, 30}


async def test_host_is_out_of_sight(isolated_lab: FunctionLab, tmp_path: Path) -> None:
    """No home, no other folder, no other process of the host; /tmp is private, empty and writable."""
    lab = isolated_lab
    (tmp_path / "secret").write_text("x")
    name = lab.function(
        "import os, getpass, pathlib\ndef handler(e, c):\n"
        "    return {'there': [path for path in e if os.path.exists(path)], 'tmp': os.listdir('/tmp'),\n"
        "        'mode': oct(os.stat('/tmp').st_mode), 'pids': [p for p in os.listdir('/proc') if p.isdigit()],\n"
        "        'cwd': os.getcwd(), 'user': getpass.getuser(), 'uid': os.getuid(), 'file': __file__,\n"
        "        'home': str(pathlib.Path.home()), 'null': open('/dev/null', 'w').write('x')}\n"
    )
    repository = str(Path(__file__).parents[2] / "README.md")
    said = await lab.value(
        name, [repository, str(tmp_path / "secret"), "/etc/shadow", "/root/.bashrc", "/dev/shm"]
    )
    assert said == {
        "there": [],
        "tmp": [],
        "mode": "0o41777",
        "pids": ["1", "2"],
        "cwd": "/var/task",
        "user": "sbx_user1051",
        "uid": 993,
        "file": "/var/task/index.py",
        "home": "/home/sbx_user1051",
        "null": 1,
    }


async def test_full_tmp(isolated_lab: FunctionLab) -> None:
    """/tmp holds what the function's ephemeral storage says; beyond it: no space left on device."""
    name = isolated_lab.function(
        "import os\ndef handler(e, c):\n"
        "    try:\n"
        "        with open('/tmp/big', 'wb') as f:\n"
        "            for n in range(600): f.write(bytes(1024 * 1024))\n"
        "    except OSError as error: return [error.errno, os.stat('/tmp/big').st_size >> 20]\n"
        "    finally: os.remove('/tmp/big')\n",
        ephemeral_storage_mb=512,
        memory_mb=1024,
    )
    assert await isolated_lab.value(name) == [28, 512]


async def test_plain_mode_has_a_tmp_of_its_own() -> None:
    """Where /tmp cannot be private, TMPDIR is: it is the environment's, and goes with it."""
    async with function_lab(isolated=False) as lab:
        name = lab.function("import tempfile\ndef handler(e, c): return tempfile.mkstemp()[1]\n")
        file = Path(await lab.value(name))
        assert file.is_relative_to(lab.folder) and file.name in os.listdir(file.parent)
        lab.change(name)
        await lab.until(lambda: not os.path.exists(file.parent))


async def test_environments_share_no_tmp(lab: FunctionLab) -> None:
    """Each environment has a /tmp of its own."""
    name = lab.function(
        "import tempfile, os, time\ndef handler(e, c):\n    time.sleep(0.3)\n"
        "    path = tempfile.gettempdir() + '/file'\n    there = os.path.exists(path)\n"
        "    open(path, 'w').close()\n    return there\n"
    )
    assert await asyncio.gather(lab.value(name), lab.value(name)) == [False, False]


async def test_descriptor_limit(lab: FunctionLab) -> None:
    """1,024 descriptors, as AWS's limits say; none of the lab's own is open in a function."""
    name = lab.function(
        "import os, resource\ndef handler(e, c):\n    files = []\n"
        "    for fd in os.listdir('/proc/self/fd'):\n"
        "        try: files.append(os.readlink('/proc/self/fd/' + fd))\n"
        "        except OSError: pass\n"
        "    return resource.getrlimit(resource.RLIMIT_NOFILE), sorted({file.split(':')[0] for file in files})\n"
    )
    limit, files = await lab.value(name)
    assert limit == [1024, 1024]
    assert [file for file in files if not file.startswith("/proc/")] == ["/dev/null", "pipe", "socket"]


@pytest.mark.parametrize(
    "attack",
    [
        "os.kill(os.getppid(), 9)",
        "os.closerange(0, 1024)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "os.chdir('/'); os.umask(0); sys.setrecursionlimit(10**8); f()",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
    ],
)
async def test_function_that_harms_itself(lab: FunctionLab, attack: str) -> None:
    """Whatever it does to its own runtime, it is answered, and the next call finds a fresh one."""
    name = lab.function(
        "import os, signal, sys, time\ndef f(): f()\n"
        f"def handler(e, c):\n    if e:\n        {attack}\n    return 1\n",
        timeout_s=1,
        memory_mb=128,
    )
    await lab.invoke(name, True)
    if "getppid" in attack and not lab.isolated:  # It may have answered before it fell.
        await lab.until(lambda: [found.state for found in lab.environments(name)] == [State.RESET])
    assert await lab.value(name, False) == 1
    lab.change(name)
    await lab.until(lambda: not processes_in(lab, name))


async def test_fork_bomb(isolated_lab: FunctionLab) -> None:
    """Processes without end are ended with the call; others run meanwhile."""
    lab = isolated_lab
    name = lab.function(
        "import os, time\ndef handler(e, c):\n"
        "    for n in range(300):\n"
        "        if os.fork() == 0: time.sleep(60)\n"
        "    while True: time.sleep(1)\n",
        timeout_s=1,
        memory_mb=10240,
    )
    bomb = asyncio.create_task(lab.invoke(name))
    assert await lab.value(lab.function(), 1) == 1
    result = await bomb
    assert result.error is not None and result.error.type == "Sandbox.Timedout"
    await lab.until(lambda: not processes_in(lab, name))
