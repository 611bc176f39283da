"""The Python that runs a function: the version that its runtime names where this machine has it, else the lab's own."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from labhelpers.functions import runtimes_programs
from labhelpers.functions.runtimes_programs import Program
from labhelpers.functions.runtimes_table import asked_major

OWN = f"python{sys.version_info.major}.{sys.version_info.minor}"
_OLDEST = (3, 8)  # Of AWS's runtime client.


@lru_cache(maxsize=16)
def other_python(runtime: str) -> Program | None:
    """The interpreter that `runtime` asks for, if it is another than the lab's own and on this machine."""
    if runtime == OWN or not asked_major(runtime):
        return None
    program = runtimes_programs.find(runtime)
    if (
        program is None
        or program.version < _OLDEST
        or runtime != f"python{program.version[0]}.{program.version[1]}"
    ):
        return None
    return program


def python_for(runtime: str, folders: tuple[Path, ...]) -> Program | None:
    """As `other_python`, but None too if code in `folders` was compiled for the lab's own Python: it runs on no other.

    AWS: such a package fails to import. Here: `pip install` on this machine makes what the lab's own Python needs.
    """
    program = other_python(runtime)
    return None if program is None or any(map(_is_compiled_for_own, folders)) else program


@lru_cache(maxsize=256)
def _is_compiled_for_own(folder: Path) -> bool:
    tag = f".cpython-{sys.version_info.major}{sys.version_info.minor}-"
    return any(tag in name for _, _, names in os.walk(folder) for name in names)
