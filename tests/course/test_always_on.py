"""The always-on server answers with a handler's file, and is gone when it should be."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from labhelpers.course.always_on import AlwaysOnServer
from labhelpers.errors import LabError

HANDLER = """
import os

calls = 0

def handler(event, context):
    global calls
    calls += 1
    print("asked", event)
    if event.get("crash"):
        os._exit(3)
    if event.get("hang"):
        while True:
            pass
    return {"calls": calls, "twice": 2 * event["number"], "key": os.environ.get("AWS_SECRET_ACCESS_KEY")}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A handler that doubles, counts, crashes and hangs."""
    path = tmp_path / "doubling.py"
    path.write_text(HANDLER)
    return path


@pytest.fixture
def server(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AlwaysOnServer]:
    """That handler behind a server, in an environment that has keys."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for servers")
    with AlwaysOnServer(file) as running:
        yield running


def test_server_answers_with_the_handler(server: AlwaysOnServer) -> None:
    """One process answers all requests, keeps its log, and holds memory meanwhile."""
    assert server.ask({"number": 4}) == {"calls": 1, "twice": 8, "key": None}
    assert server.ask({"number": 5})["calls"] == 2
    assert server.requests == 2
    assert "asked {'number': 4}" in server.log()
    assert server.memory_mb > 1
    assert server.up_s > 0
    assert server.url in repr(server)


def test_handlers_error_is_told(server: AlwaysOnServer) -> None:
    """A handler that raises is a 500; the server goes on."""
    with pytest.raises(LabError, match=r"500.*KeyError"):
        server.ask({})
    assert "Traceback" in server.log()
    assert server.ask({"number": 1})["twice"] == 2


def test_crashed_server_stays_down(server: AlwaysOnServer) -> None:
    """Nobody starts it again: the next client finds nobody at home, and its time up stops."""
    with pytest.raises(ConnectionError):
        server.ask({"crash": True})
    with pytest.raises(ConnectionRefusedError):
        server.ask({"number": 1})
    assert not server.is_running
    assert server.up_s == server.up_s
    assert server.memory_mb == 0
    assert "down" in repr(server)


def test_broken_file_is_named(tmp_path: Path) -> None:
    """A file that is not there, or does not load, is said at once, in Python's own words."""
    with pytest.raises(LabError, match=r"there is no file .*nothing\.py"):
        AlwaysOnServer(tmp_path / "nothing.py")
    broken = tmp_path / "broken.py"
    broken.write_text("def handler(event, context:\n")
    with pytest.raises(LabError, match=r"(?s)did not come up.*SyntaxError"):
        AlwaysOnServer(broken)


def test_closing_twice_is_fine(file: Path) -> None:
    """A closed server is gone, and closing it again does nothing."""
    server = AlwaysOnServer(file)
    pid = server.pid
    server.close()
    server.close()
    assert not psutil.pid_exists(pid)


def test_server_ends_with_its_kernel(file: Path) -> None:
    """A kernel that is killed leaves no server behind, even one in an endless loop."""
    program = f"""
import threading
from labhelpers.course.always_on import AlwaysOnServer
server = AlwaysOnServer({str(file)!r})
threading.Thread(target=server.ask, args=({{"hang": True}},), daemon=True).start()
while "hang" not in server.log():
    pass
print(server.pid, flush=True)
input()
"""
    kernel = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with kernel:
        assert kernel.stdout is not None
        server = psutil.Process(int(kernel.stdout.readline()))
        os.kill(kernel.pid, signal.SIGKILL)
        server.wait(timeout=10)
    assert not server.is_running()
