"""Deployment packages and layers from pip."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import boto3
import pytest

from labhelpers import Lab, pip_layer, zip_code
from labhelpers.course import deploy
from labhelpers.errors import LabError


def test_file_lies_at_the_top_under_its_own_name(tmp_path: Path) -> None:
    """A handler file becomes an archive of that one file."""
    source = tmp_path / "handler.py"
    source.write_text("x = 1\n", encoding="utf-8")
    with zipfile.ZipFile(io.BytesIO(zip_code(source))) as archive:
        assert archive.namelist() == ["handler.py"]
        assert archive.read("handler.py") == b"x = 1\n"


def test_folder_keeps_its_inner_paths_and_modes_without_caches(tmp_path: Path) -> None:
    """Inner folders keep their place, executables their bit; Python's caches stay out."""
    for name in ("index.py", "inner/more.py", "__pycache__/index.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "run.sh").write_bytes(b"")
    (tmp_path / "run.sh").chmod(0o755)
    with zipfile.ZipFile(io.BytesIO(zip_code(tmp_path))) as archive:
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in archive.infolist()}
    assert modes == {"index.py": 0o644, "inner/more.py": 0o644, "run.sh": 0o755}


def test_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    """The archive does not depend on times, so an unchanged package keeps its CodeSha256."""
    source = tmp_path / "index.py"
    source.write_text("x = 1\n", encoding="utf-8")
    first = zip_code(source)
    source.touch()
    assert zip_code(source) == first


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The error names the path and where it was looked from."""
    with pytest.raises(LabError, match=r"there is no file or folder .*nothing\.py"):
        zip_code(tmp_path / "nothing.py")


def test_layer_of_nothing_is_refused() -> None:
    """A layer needs at least one requirement."""
    with pytest.raises(LabError, match="has no requirements"):
        pip_layer("empty")


def test_pip_failure_is_told_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip says of a requirement that it can't read reaches the learner."""
    monkeypatch.setattr(deploy.platformdirs, "user_cache_path", lambda _: tmp_path)
    with Lab(), pytest.raises(LabError, match=r"pip could not install (?s:.)*Invalid requirement"):
        pip_layer("broken", "not a requirement!")


def test_layer_is_published_and_found_in_the_cache_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second publication takes pip's work from the cache and has the same content."""
    monkeypatch.setattr(deploy.platformdirs, "user_cache_path", lambda _: tmp_path)
    with Lab():
        first = pip_layer("small", "jmespath")
        monkeypatch.setattr(deploy, "_pip_install", None)  # A second use of pip would fail.
        second = pip_layer("small", "jmespath")
        client = boto3.client("lambda")
        hashes = {
            client.get_layer_version_by_arn(Arn=arn)["Content"]["CodeSha256"] for arn in (first, second)
        }
    assert first.endswith(":layer:small:1")
    assert second.endswith(":layer:small:2")
    assert len(hashes) == 1
