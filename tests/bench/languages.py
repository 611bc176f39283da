"""What each language costs: the first call of a new function and the calls after it, through boto3.

The floor of a cold start is the program alone, started and ended; that of a warm call is Python's.
"""

from __future__ import annotations

import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from labhelpers import Lab
from labhelpers.functions import runtimes_java, runtimes_programs, runtimes_table
from tests.bench import peers
from tests.bench.table import Row, milliseconds

COLD_STARTS, WARM_CALLS, ROUNDS = 9, 300, 3
CONFIG = Config(retries={"total_max_attempts": 1})
RUNTIMES = Path(runtimes_table.__file__).parents[1] / "runtimes"
PYTHON = "def handler(event, context):\n    return event\n"
NODE = "exports.handler = async (event) => event;\n"
RUBY = "def handler(event:, context:) = event\n"
JAVA = "public class Echo { public Object handle(Object event) { return event; } }\n"
GO = "package main\n\nfunc handle(event map[string]any, context Context) (any, error) { return event, nil }\n"
CSHARP = "public static class Function { public static string Handle(string json, Context context) { return json; } }\n"
BASH = 'handler() { echo "$1"; }\n'

Build = Callable[[Path], list[str]]


def _written(name: str, text: str, *program: str) -> Build:
    def build(folder: Path) -> list[str]:
        (folder / name).write_text(text, encoding="utf-8")
        return list(program)

    return build


def _java(folder: Path) -> list[str]:
    java = runtimes_programs.find_java(17)
    assert java is not None
    runtimes_java.make_client(java)
    (folder / "Echo.java").write_text(JAVA, encoding="utf-8")
    subprocess.run([Path(java.path).with_name("javac"), "Echo.java"], cwd=folder, check=True)
    return [*runtimes_java.command(java, 512)[:-1], "-version"]


def _go(folder: Path) -> list[str]:
    shutil.copy(RUNTIMES / "go" / "runtime.go", folder)
    (folder / "handler.go").write_text(GO, encoding="utf-8")
    env = {**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off"}
    subprocess.run(
        ["go", "build", "-o", "bootstrap", "runtime.go", "handler.go"], cwd=folder, check=True, env=env
    )
    return [str(folder / "bootstrap")]  # Without a Runtime API it ends at once.


def _csharp(folder: Path) -> list[str]:
    shutil.copy(RUNTIMES / "csharp" / "bootstrap", folder)
    (folder / "Function.cs").write_text(CSHARP, encoding="utf-8")
    sources = [str(RUNTIMES / "csharp" / "Runtime.cs"), "Function.cs"]
    subprocess.run(["mcs", "-out:bootstrap.exe", *sources], cwd=folder, check=True)
    return ["mono", "--version"]


def _bash(folder: Path) -> list[str]:
    shutil.copy(RUNTIMES / "bash" / "bootstrap", folder)
    (folder / "index.sh").write_text(BASH, encoding="utf-8")
    return ["bash", "-c", ":"]


# Name, runtime, handler, the program that it needs, how its package is made, what it must reach cold and warm.
LANGUAGES: tuple[tuple[str, str, str, str, Build, str, str], ...] = (
    (
        "Python",
        f"python{sys.version_info.major}.{sys.version_info.minor}",
        "index.handler",
        "sh",
        _written("index.py", PYTHON),
        "",
        "",
    ),
    (
        "Node.js",
        "nodejs22.x",
        "index.handler",
        "node",
        _written("index.js", NODE, "node", "-e", "0"),
        "< 100 ms",
        "< 1.5 x Python",
    ),
    (
        "Ruby",
        "ruby3.4",
        "index.handler",
        "ruby",
        _written("index.rb", RUBY, "ruby", "-e", "0"),
        "< 200 ms",
        "",
    ),
    ("Java", "java17", "Echo::handle", "javac", _java, "< 600 ms", ""),
    ("Go", "provided.al2023", "x.y", "go", _go, "< 20 ms over floor", ""),
    ("C# (Mono)", "provided.al2023", "x.y", "mcs", _csharp, "", ""),
    ("Bash", "provided.al2023", "index.handler", "curl", _bash, "", ""),
)


def _archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def _seconds(action: Callable[[], object], count: int) -> list[float]:
    found = []
    for _ in range(count):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return found


class _Measured:
    """One language in a lab: its package, its functions, what was measured."""

    def __init__(self, lab: Lab, client: Any, name: str, runtime: str, handler: str, package: bytes) -> None:
        self.name = name
        self._client = client
        self._settings = {"Runtime": runtime, "Handler": handler, "Role": lab.role_arn, "MemorySize": 1769}
        self._package = package
        self._count = 0

    def function(self) -> str:
        """A new function, ready to be called."""
        self._count += 1
        name = f"{self.name.split()[0].replace('#', 'sharp').replace('.', '')}-{self._count}"
        self._client.create_function(FunctionName=name, Code={"ZipFile": self._package}, **self._settings)
        self._client.get_waiter("function_active_v2").wait(FunctionName=name)
        return name

    def call(self, name: str) -> bytes:
        answer = self._client.invoke(FunctionName=name, Payload=b"{}")
        body: bytes = answer["Payload"].read()
        assert "FunctionError" not in answer, body
        return body

    def cold_s(self) -> float:
        """Median of the first calls of new functions."""
        names = [self.function() for _ in range(COLD_STARTS)]
        self.call(names.pop())  # Files come from the disk once.
        return statistics.median(
            time for name in names for time in _seconds(lambda name=name: self.call(name), 1)
        )


def _alone_s(command: list[str]) -> float:
    """Median seconds that a program takes to start and end by itself."""
    env = {**os.environ, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}
    env.pop("NODE_EXTRA_CA_CERTS", None)
    quiet = subprocess.DEVNULL

    def start() -> None:
        subprocess.run(command, env=env, stdout=quiet, stderr=quiet, check=False)

    return statistics.median(_seconds(start, COLD_STARTS))


def run(peer_url: str = "") -> list[Row]:
    """Two rows for each language that this machine has."""
    rows: list[Row] = []
    peer = peers.client(peer_url) if peer_url else None
    with Lab() as lab, tempfile.TemporaryDirectory() as work:
        client = boto3.client("lambda", config=CONFIG)
        found: list[tuple[_Measured, str, str]] = []
        for name, runtime, handler, program, build, cold_target, warm_target in LANGUAGES:
            if not shutil.which(program):
                rows.append(Row(f"{name}: no {program} here", ""))
                continue
            folder = Path(work, name.split()[0])
            folder.mkdir()
            alone = build(folder)
            measured = _Measured(lab, client, name, runtime, handler, _archive(folder))
            warm = measured.function()
            cold = milliseconds(measured.cold_s())
            floor = milliseconds(_alone_s(alone)) if alone else ""
            rows.append(Row(f"first call, {name}", cold, floor, "", cold_target))
            _seconds(partial(measured.call, warm), 20)
            found.append((measured, warm, warm_target))
        return rows + _warm(found, peer)


def _warm(found: list[tuple[_Measured, str, str]], peer: Any) -> list[Row]:
    """Warm calls of all languages in turns, so that the machine's moods hit all alike."""

    def call_peer() -> None:
        peer.invoke(FunctionName=peers.NODE_FUNCTION)["Payload"].read()

    medians: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for measured, name, _target in found:
            times = _seconds(partial(measured.call, name), WARM_CALLS // ROUNDS)
            medians.setdefault(measured.name, []).append(statistics.median(times))
        if peer is not None:
            medians.setdefault("peer", []).append(
                statistics.median(_seconds(call_peer, WARM_CALLS // ROUNDS))
            )
    python_s = statistics.median(medians["Python"])
    rows = []
    for measured, _name, target in found:
        own_s = statistics.median(medians[measured.name])
        beside = (
            milliseconds(statistics.median(medians["peer"])) if peer and measured.name == "Node.js" else ""
        )
        title = f"warm call, {measured.name} ({own_s / python_s:.2f} x Python)"
        rows.append(Row(title, milliseconds(own_s), milliseconds(python_s), beside, target))
    return rows
