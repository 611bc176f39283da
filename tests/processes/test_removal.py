"""Folders go, whatever functions made in them."""

import os
import socket
from pathlib import Path

from labhelpers.processes.removal import remove_tree


def make_deep(folder: Path, levels: int) -> None:
    """Folders within folders, far beyond what a path may name."""
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 200, dir_fd=descriptor)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


def test_deep_folder_is_removed(tmp_path: Path) -> None:
    """Two thousand levels are beyond recursion, paths and descriptors."""
    (tmp_path / "lab").mkdir()
    make_deep(tmp_path / "lab", 2_000)
    remove_tree(tmp_path / "lab")
    assert list(tmp_path.iterdir()) == []


def test_all_kinds_of_files_are_removed_and_links_not_followed(tmp_path: Path) -> None:
    """Folders without permissions, pipes, sockets, names that are no text; what a link leads to stays."""
    outside, lab = tmp_path / "outside", tmp_path / "lab"
    (outside / "kept").mkdir(parents=True)
    (lab / "a" / "b" / "c").mkdir(parents=True)
    (lab / "a" / "b" / "file").write_text("x")
    os.mkfifo(lab / "a" / "pipe")
    (lab / "a" / "link").symlink_to(outside)
    (lab / "a" / "b" / "dangling").symlink_to("/no/such")
    os.mkdir(os.fsencode(lab) + b"/\xff\n")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(lab / "s"))
    for folder in (lab / "a" / "b", lab / "a"):
        folder.chmod(0)
    remove_tree(lab)
    assert list(tmp_path.iterdir()) == [outside]
    assert list(outside.iterdir()) == [outside / "kept"]


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """Somebody else has removed it: fine."""
    remove_tree(tmp_path / "none")
