"""The lab's Java runtime client, compiled once for each JDK and kept in the user's cache, with its classes archived.

javac makes a jar of labhelpers/runtimes/java; a first run leaves a class data sharing archive, which spares each later
start most of the loading. https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import subprocess
import tempfile
import threading
from pathlib import Path

import platformdirs

from labhelpers.errors import MachineError
from labhelpers.functions.runtimes_programs import Program

SOURCES = Path(__file__).parents[1] / "runtimes" / "java"
MAIN = "lab.Runtime"
JAR, ARCHIVE = "runtime.jar", "runtime.jsa"
_COMPILE_S = 120.0
_making = threading.Lock()


def client_folder(java: Program) -> Path:
    """Where the client for this JDK is kept; it may not be there yet."""
    digest = hashlib.sha256(f"{java.path} {java.version}".encode())
    for source in sorted(SOURCES.rglob("*.java")):
        digest.update(source.read_bytes())
    return platformdirs.user_cache_path("labhelpers") / "java" / digest.hexdigest()[:24]


def prepare_soon(java: Program) -> None:
    """Begin to make the client for this JDK unless it is there; whoever needs it hears if that fails."""
    if not (client_folder(java) / JAR).exists():
        threading.Thread(target=_try_to_make, args=(java,), daemon=True, name="java-client").start()


def _try_to_make(java: Program) -> None:
    with contextlib.suppress(OSError, subprocess.SubprocessError, MachineError):  # `prepare` tries it again.
        make_client(java)


async def prepare(java: Program) -> None:
    """Make the client for this JDK unless it is there: some seconds, beside the loop. MachineError if it fails."""
    if not (client_folder(java) / JAR).exists():
        await asyncio.to_thread(make_client, java)


def make_client(java: Program) -> Path:
    """Compile the client for this JDK unless it is there; returns its folder. MachineError in the compiler's words."""
    target = client_folder(java)
    with _making:
        if (target / JAR).exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="labhelpers-java-", dir=target.parent) as work:
            classes = Path(work, "classes")
            sources = [str(source) for source in sorted(SOURCES.rglob("*.java"))]
            _run(java, "javac", "-nowarn", "-encoding", "UTF-8", "-parameters", "-d", str(classes), *sources)
            _run(java, "jar", "--create", "--file", f"{work}/{JAR}", "-C", str(classes), ".")
            target.mkdir(exist_ok=True)
            # The archive holds the jar's path and time: it is made with the jar in its place.
            try:
                os.link(f"{work}/{JAR}", target / JAR)
            except FileExistsError:  # Another lab was faster.
                return target
            _archive(java, target)
    return target


def _archive(java: Program, target: Path) -> None:
    """Archive the classes of a run that answers one event; without the archive all works, only slower."""
    part = target / f"{ARCHIVE}.{os.getpid()}"
    subprocess.run(
        [
            java.path,
            f"-XX:ArchiveClassesAtExit={part}",
            *flags(64),
            "-cp",
            str(target / JAR),
            MAIN,
            "--rehearse",
        ],
        capture_output=True,
        timeout=_COMPILE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if part.exists():
        part.replace(target / ARCHIVE)


def flags(memory_mb: int) -> list[str]:
    """How AWS starts a JVM: the first compiler only, the simple collector, a heap of 85% of the memory."""
    heap_mb = max(16, memory_mb * 85 // 100)
    # Without -Xlog:disable a JVM that cannot use the archive says so in the function's log.
    return ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xlog:disable", f"-Xmx{heap_mb}m"]


def command(java: Program, memory_mb: int) -> list[str]:
    """The JVM with the client in it; the client must have been made."""
    folder = client_folder(java)
    archive = [f"-XX:SharedArchiveFile={folder / ARCHIVE}"] if (folder / ARCHIVE).exists() else []
    return [java.path, *archive, *flags(memory_mb), "-cp", str(folder / JAR), MAIN]


def _run(java: Program, tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [os.path.join(os.path.dirname(java.path), tool), *arguments],
        capture_output=True,
        text=True,
        timeout=_COMPILE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise MachineError(
            f"{tool} could not make the lab's Java runtime client: {done.stderr.strip()[:500]}"
        )
