"""/var/runtime: the runtime client, boto3 and what they need, and not one package more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from labhelpers.functions.python_packages import PACKAGES, make_runtime_folder


def test_folder_has_the_packages_and_no_other(tmp_path: Path) -> None:
    """Links to packages and their metadata; the folders they lead to are told."""
    sources = make_runtime_folder(tmp_path / "runtime")
    names = {path.name for path in (tmp_path / "runtime").iterdir()}
    assert {"awslambdaric", "boto3", "botocore", "bootstrap.py"} <= names
    known = {name.replace("-", "_") for name in PACKAGES} | {"python_dateutil", "runtime_client", "bootstrap"}
    assert {name.split(".")[0].split("-")[0] for name in names} <= known
    links = [path for path in (tmp_path / "runtime").iterdir() if path.is_symlink()]
    assert len(links) > 10 and all(path.readlink().parent in sources for path in links)


def test_packages_work_by_themselves(tmp_path: Path) -> None:
    """An interpreter with this folder alone can import boto3, make a client, and knows the versions."""
    make_runtime_folder(tmp_path / "runtime")
    code = (
        "import boto3, importlib.metadata as m; boto3.client('s3', 'us-east-1');"
        " print(m.version('boto3') == boto3.__version__)"
    )
    run = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path / 'runtime')!r}); {code}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [run.stdout, run.returncode] == ["True\n", 0], run.stderr


def test_filling_again_changes_nothing(tmp_path: Path) -> None:
    """A folder may be filled twice, with the other client too."""
    first = make_runtime_folder(tmp_path / "runtime")
    assert make_runtime_folder(tmp_path / "runtime") == first
    make_runtime_folder(tmp_path / "other", native_client=False)
    assert (tmp_path / "other" / "runtime_client.py").exists()
