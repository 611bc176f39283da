"""The programs on this machine that run languages other than this Python: where each is, and in which version.

Found when they are first asked for, by asking the program itself; one that is not there is looked for again.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_ASK_S = 10.0
_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
# Where several JDKs stand side by side: Debian, Fedora, macOS.
_JDK_FOLDERS = ("/usr/lib/jvm/*/", "/Library/Java/JavaVirtualMachines/*/Contents/Home/")


@dataclass(frozen=True, slots=True)
class Program:
    """An executable file at its real `path`, with its `version`; `home` is the folder that it needs to see."""

    path: str
    version: tuple[int, ...]

    @property
    def home(self) -> str:
        """The folder of its installation: what holds `bin`."""
        folder = os.path.dirname(self.path)
        return os.path.dirname(folder) if os.path.basename(folder) == "bin" else folder

    @property
    def version_text(self) -> str:
        return ".".join(str(number) for number in self.version)


def find(name: str, question: str = "--version") -> Program | None:
    """The program `name` on the PATH, if it is there and runs; `question` makes it say its version."""
    path = shutil.which(name)
    return ask(path, question) if path else None


@lru_cache(maxsize=64)
def ask(path: str, question: str) -> Program | None:
    """The program at `path`; None if it does not start or does not name a version (as a shim without its target)."""
    try:
        done = subprocess.run(
            [path, question],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    numbers = _NUMBERS.search(done.stdout + done.stderr)
    if done.returncode != 0 or numbers is None:
        return None
    return Program(os.path.realpath(path), tuple(int(number) for number in numbers.groups() if number))


def find_java(major: int) -> Program | None:
    """A JDK for classes of Java `major`: that version, else the oldest newer one, else the newest there is.

    Looked for in $JAVA_HOME, where systems keep several, and on the PATH. A runtime alone (no javac) is none.
    """
    found = {program.version[0]: program for home in _java_homes() if (program := _jdk(home)) is not None}
    newer = sorted(version for version in found if version >= major)
    return found[newer[0] if newer else max(found)] if found else None


def _java_homes() -> list[str]:
    named = os.environ.get("JAVA_HOME", "")
    on_path = shutil.which("javac") or ""
    homes = [home for pattern in _JDK_FOLDERS for home in sorted(glob.glob(pattern))]
    homes.append(os.path.dirname(os.path.dirname(os.path.realpath(on_path))) if on_path else "")
    return [os.path.realpath(home) for home in (*homes, named) if home]


@lru_cache(maxsize=16)
def _jdk(home: str) -> Program | None:
    java = os.path.join(home, "bin", "java")
    if not os.access(os.path.join(home, "bin", "javac"), os.X_OK) or not os.access(java, os.X_OK):
        return None
    try:
        said = Path(home, "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ask(java, "-version")
    numbers = re.search(r'^JAVA_VERSION="(\d+)(?:\.(\d+))?(?:\.(\d+))?', said, re.MULTILINE)
    if numbers is None:
        return ask(java, "-version")
    return Program(os.path.realpath(java), tuple(int(number) for number in numbers.groups() if number))
