"""The command `labhelpers lab`: JupyterLab at the first notebook, with the repository as its root.

Called by the command line, after the doctor. The root is the repository, for notebooks show pictures from beside their
own folder. The token is handed over in a file: on the command line all users of the machine could read it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from labhelpers.course import doctor

ROOT = Path(__file__).parents[2]
FIRST = "notebooks/00_start_here.ipynb"
_START_TIMEOUT_S = 60.0
_PAUSE_S = 0.05
# Asks on first use whether JupyterLab may fetch its makers' news; a setting can't answer that for all.
_NEWS = "@jupyterlab/apputils-extension:announcements"


def open_jupyterlab(options: Sequence[str] = (), say: Callable[[str], None] = print) -> int:
    """Run the doctor, then JupyterLab with `options` of its own until it is stopped; returns the exit code."""
    if not (ROOT / FIRST).is_file():
        say(f"There is no {FIRST} in {ROOT}: run this in a clone of the repository.")
        return 1
    if code := doctor.main(say):
        return code
    command = [sys.executable, "-m", "jupyterlab", *settings(), *options]
    if not _has_browser() and not any(option.startswith("--no-browser") for option in options):
        command.append("--no-browser")
    if os.geteuid() == 0:
        command.append("--allow-root")
    sys.stdout.flush()
    with _environment() as environment, _running(command, environment) as server:
        if url := _wait_ready(server):
            say(f"\nThe course is open at {url}")
            say("To stop it and all labs: press Ctrl-C twice in this terminal.")
            sys.stdout.flush()
        return _wait(server)


def settings() -> list[str]:
    """What JupyterLab is started with."""
    return [
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *(f"--{app}.log_level=WARN" for app in ("ServerApp", "LabApp", "ExtensionApp")),
    ]


@contextlib.contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """Our environment, and what JupyterLab takes from files: the token, which it then does not print, and no news."""
    with tempfile.TemporaryDirectory(prefix="labhelpers-jupyter-") as folder:
        page = Path(folder, "labconfig", "page_config.json")
        page.parent.mkdir()
        page.write_text(json.dumps({"disabledExtensions": {_NEWS: True}}), encoding="utf-8")
        token = Path(folder, "token")
        token.write_text(secrets.token_hex(24), encoding="ascii")
        paths = filter(None, (folder, os.environ.get("JUPYTER_CONFIG_PATH")))
        yield {
            **os.environ,
            "JUPYTER_TOKEN_FILE": str(token),
            "JUPYTER_CONFIG_PATH": os.pathsep.join(paths),
        }


@contextlib.contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process. Ctrl-C reaches it by itself, and asks there; SIGTERM is handed on to it."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    ended = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        yield server
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()
        signal.signal(signal.SIGTERM, ended)
        signal.signal(signal.SIGINT, before)


def _wait(server: subprocess.Popen[bytes]) -> int:
    code = server.wait()
    return 0 if code in (0, -signal.SIGTERM, -signal.SIGINT) else 1


def _wait_ready(server: subprocess.Popen[bytes]) -> str:
    """The address with the token, which the server writes into a file when it listens; empty if it ended instead."""
    file = Path(jupyter_runtime_dir(), f"jpserver-{server.pid}.json")
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError, ValueError):  # Not there yet, or half written.
            found = json.loads(file.read_text(encoding="utf-8"))
            query = f"?token={found['token']}" if found["token"] else ""
            return f"{found['url']}lab/tree/{FIRST}{query}"
        time.sleep(_PAUSE_S)
    return ""


def _has_browser() -> bool:
    if sys.platform == "darwin":
        return True
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "microsoft" in platform.release().lower() and shutil.which("wslview") is not None
    import webbrowser

    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
