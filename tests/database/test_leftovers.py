"""What a killed PostgreSQL leaves, made by hand, and what is left of it after clearing."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.database import leftovers

_IPC_CREAT, _IPC_RMID = 0o1000, 0
_libc = ctypes.CDLL(None)


@pytest.fixture
def segment() -> Iterator[tuple[int, int]]:
    """A System V shared memory segment: its key and its id."""
    key = 0x1AB00000 | os.getpid() & 0xFFFFF
    number = _libc.shmget(key, 56, _IPC_CREAT | 0o600)
    if number < 0:
        pytest.skip("no System V shared memory here")
    yield key, number
    _libc.shmctl(number, _IPC_RMID, None)


def write_lock(data: Path, key: int, number: int) -> Path:
    """postmaster.pid as PostgreSQL writes it; line 7 is the segment."""
    lock = data / "postmaster.pid"
    lock.write_text(f"4711\n{data}\n1700000000\n5432\n\n127.0.0.1\n{key:9d} {number:9d}\nready   \n")
    return lock


def exists(key: int) -> bool:
    """Whether a segment of that key is there."""
    return bool(_libc.shmget(key, 0, 0) >= 0)


def test_segment_and_lock_are_given_back(tmp_path: Path, segment: tuple[int, int]) -> None:
    """They outlive the processes, so somebody has to."""
    key, number = segment
    lock = write_lock(tmp_path, key, number)
    leftovers.clear(tmp_path)
    assert not exists(key) and not lock.exists()


def test_segment_of_somebody_else_is_left_alone(tmp_path: Path, segment: tuple[int, int]) -> None:
    """An id that the key does not lead to means another segment by now."""
    key, number = segment
    write_lock(tmp_path, key, number + 1)
    leftovers.clear(tmp_path)
    write_lock(tmp_path, key ^ 0x01000000, number)
    leftovers.clear(tmp_path)
    assert exists(key)


def test_worker_in_the_folder_is_killed(tmp_path: Path) -> None:
    """A process that still works on the data would meet the next server there; one elsewhere is none of ours."""
    wait = [sys.executable, "-c", "input()"]  # Ends with us, too.
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postmaster.pid").write_text("4711\n")
    with (
        subprocess.Popen(wait, cwd=tmp_path / "data", stdin=subprocess.PIPE) as inside,
        subprocess.Popen(wait, cwd=tmp_path, stdin=subprocess.PIPE) as outside,
    ):
        leftovers.clear(tmp_path / "data")
        assert inside.poll() is not None and outside.poll() is None


def test_server_that_ended_in_order_left_nothing(tmp_path: Path) -> None:
    """Without a lock file there is nothing to look for."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], cwd=tmp_path, stdin=subprocess.PIPE
    ) as bystander:
        leftovers.clear(tmp_path)
        assert bystander.poll() is None
