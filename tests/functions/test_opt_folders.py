"""/opt: what layers bring, merged as AWS merges them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from labhelpers.functions.opt_folders import OptFolders
from labhelpers.model import Layer
from tests.fakes import function_version
from tests.functions.function_lab import write_files


def layer(folder: Path, name: str, **files: str) -> Layer:
    """A layer of these files."""
    write_files(folder / name, files)
    return Layer(f"arn:{name}:1", folder / name)


def test_without_layers_it_is_empty(tmp_path: Path) -> None:
    """An empty folder, the same for all."""
    opt = OptFolders(tmp_path / "opt")
    made = opt.of(function_version("a"))
    assert os.listdir(made) == [] and opt.of(function_version("b")) == made


def test_one_layer_is_used_as_it_is(tmp_path: Path) -> None:
    """Nothing is copied."""
    only = layer(tmp_path, "one", file="x")
    assert OptFolders(tmp_path / "opt").of(replace(function_version("a"), layers=(only,))) == only.root


def test_later_layers_lie_over_earlier_ones(tmp_path: Path) -> None:
    """Files are replaced, folders joined, links kept; the order is part of the result."""
    one = layer(tmp_path, "one", **{"both": "1", "python/a.py": "1", "deep/er/x": "1"})
    two = layer(tmp_path, "two", **{"both": "2", "python/b.py": "2", "deep/er/y": "2"})
    (one.root / "link").symlink_to("both")
    (two.root / "folder").symlink_to("python")
    opt = OptFolders(tmp_path / "opt")
    made = opt.of(replace(function_version("a"), layers=(one, two)))
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*")) == [
        "both",
        "deep",
        "deep/er",
        "deep/er/x",
        "deep/er/y",
        "folder",
        "link",
        "python",
        "python/a.py",
        "python/b.py",
    ]
    assert (made / "both").read_text() == "2" and os.readlink(made / "link") == "both"
    other = opt.of(replace(function_version("a"), layers=(two, one)))
    assert (other / "both").read_text() == "1"
    assert opt.of(replace(function_version("c"), layers=(one, two))) == made


@pytest.mark.parametrize(("first", "second"), [("file", "file/inside"), ("file/inside", "file")])
def test_a_file_and_a_folder_of_one_name(tmp_path: Path, first: str, second: str) -> None:
    """The later layer wins, whichever kind it brings."""
    layers = (layer(tmp_path, "one", **{first: "1"}), layer(tmp_path, "two", **{second: "2"}))
    made = OptFolders(tmp_path / "opt").of(replace(function_version("a"), layers=layers))
    assert (made / second).read_text() == "2"


def test_read_only_layers_are_merged(tmp_path: Path) -> None:
    """Layers are unpacked read-only."""
    layers = (layer(tmp_path, "one", **{"python/a": "1"}), layer(tmp_path, "two", **{"python/b": "2"}))
    for one in layers:
        for path in (one.root / "python", one.root):
            path.chmod(0o555)
    made = OptFolders(tmp_path / "opt").of(replace(function_version("a"), layers=layers))
    assert sorted(os.listdir(made / "python")) == ["a", "b"]
    for one in layers:
        one.root.chmod(0o755)
        (one.root / "python").chmod(0o755)
