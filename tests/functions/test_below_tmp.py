"""A clone, an interpreter and a TMPDIR below /tmp, where a function's own /tmp hides the host's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]
# Crashes, a timeout and calls between them: each start after the first finds the environment's /tmp as it was left.
PROGRAM = """
import json, sys
from pathlib import Path
import boto3
from labhelpers import Lab, deploy_function

Path("fragile.py").write_text(
    "import os, sys, time\\n"
    "def handler(event, context):\\n"
    "    if event == 'crash': os._exit(1)\\n"
    "    if event == 'hang': time.sleep(9)\\n"
    "    open('/tmp/kept', 'a').write('x')\\n"
    "    return [sys.prefix, len(open('/tmp/kept').read())]\\n"
)
with Lab() as lab:
    deploy_function("fragile", "fragile.py", lab.role_arn, Timeout=1)
    functions = boto3.client("lambda")
    for event in ["crash", "call", "crash", "crash", "call", "hang", "call"]:
        answer = functions.invoke(FunctionName="fragile", Payload=json.dumps(event))
        print(answer.get("FunctionError", "-"), answer["Payload"].read().decode())
    print([entry["detail"] for entry in lab.journal(kind="failure")])
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in /tmp itself, wherever the tests' own is."""
    with tempfile.TemporaryDirectory(prefix="labhelpers-test-", dir="/tmp") as made:
        yield Path(made)


def copy_of_python(folder: Path) -> Path:
    """This Python's own files, without its installed packages, in `folder`; returns the executable."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # Another file system.
            shutil.copy2(source, target)

    base = Path(sys.base_prefix)
    if base == Path("/usr"):
        pytest.skip("the system's Python can't be copied by its folder")
    left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "share", "include", "idlelib")
    shutil.copytree(base, folder, symlinks=True, ignore=left_out, copy_function=link)
    installed = folder / Path(sysconfig.get_path("stdlib")).relative_to(base) / "site-packages"
    installed.mkdir()
    (installed / "tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / Path(sys._base_executable).name  # type: ignore[attr-defined]


@pytest.mark.parametrize("isolation", ["", "off"])
def test_function_works_again_after_crashes(folder: Path, isolation: str) -> None:
    """A crash is a crash, and the next call works: each start finds the /tmp that an earlier one has used."""
    python = copy_of_python(folder / "python")
    (folder / "clone").mkdir()
    (folder / "clone" / "labhelpers").symlink_to(ROOT / "labhelpers")
    (folder / "tmp").mkdir()
    done = subprocess.run(
        [python, "-c", PROGRAM],
        cwd=folder / "clone",
        env={
            **os.environ,
            "TMPDIR": str(folder / "tmp"),
            "LABHELPERS_ISOLATION": isolation,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    errors = [line.partition(" ")[0] for line in lines[:-1]]
    assert errors == ["Unhandled", "-", "Unhandled", "Unhandled", "-", "Unhandled", "-"], done.stdout
    assert all("exited" in line or "Task timed out" in line for line in lines if line.startswith("Unhandled"))
    assert lines[-1] == "[]"
    assert str(folder / "python") in lines[1]
