"""The lab's folder, and what dead labs leave."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from labhelpers.cloud import lab_folder
from labhelpers.cloud.lab_folder import LabFolder, sweep

LATER_S = 3600.0


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another temporary directory than that of the labs that run now."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folder_goes_with_its_lab(temporary_folder: Path) -> None:
    """Also when parts of it may not be written."""
    with LabFolder() as folder:
        code = folder.path / "code"
        code.mkdir()
        (code / "handler.py").write_text("")
        (code / "handler.py").chmod(0o400)
        code.chmod(0o500)
        assert folder.path.parent == temporary_folder
    assert not folder.path.exists()


def test_folder_of_a_living_lab_is_left_alone(temporary_folder: Path) -> None:
    """The lock tells."""
    with LabFolder() as folder:
        assert sweep(temporary_folder, time.time() + LATER_S) == []
        assert folder.path.exists()


def test_folder_of_a_dead_lab_is_removed(temporary_folder: Path) -> None:
    """Nobody holds its lock any more."""
    dead = LabFolder()
    os.close(dead._lock)
    dead._lock = -1
    assert sweep(temporary_folder) == []
    assert sweep(temporary_folder, time.time() + LATER_S) == [dead.path]
    assert not dead.path.exists()


def test_what_is_no_labs_folder_is_left_alone(temporary_folder: Path) -> None:
    """A folder without a lock, a file and a link of such a name are somebody's own."""
    (temporary_folder / f"{lab_folder.PREFIX}mine").mkdir()
    (temporary_folder / f"{lab_folder.PREFIX}file").write_text("")
    (temporary_folder / f"{lab_folder.PREFIX}link").symlink_to(temporary_folder / f"{lab_folder.PREFIX}mine")
    assert sweep(temporary_folder, time.time() + LATER_S) == []
    assert len(list(temporary_folder.iterdir())) == 3
