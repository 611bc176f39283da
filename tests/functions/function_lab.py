"""Functions without a cloud: a real guardian, real environments, and a list where CloudWatch Logs would be."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from labhelpers.clock import Clock
from labhelpers.functions.call import Surroundings
from labhelpers.functions.environment import ExecutionEnvironment, State
from labhelpers.functions.invoke import Invoker
from labhelpers.functions.languages import RuntimeFolders
from labhelpers.functions.opt_folders import OptFolders
from labhelpers.functions.pool import Pool
from labhelpers.functions.python_packages import make_runtime_folder
from labhelpers.journal import Journal
from labhelpers.model import (
    LATEST,
    Credentials,
    FunctionVersion,
    InvokeRequest,
    InvokeResult,
    Layer,
    LogEvent,
)
from labhelpers.processes.spawner import Spawner

ACCOUNT = "123456789012"
PATIENCE_S = 20.0


@dataclass
class Roles:
    """Mints keys that nobody checks; `minted` are those not yet forgotten, with their session's name."""

    minted: dict[str, str] = field(default_factory=dict)
    count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def mint_role_credentials(self, role_arn: str, session_name: str) -> Credentials:
        key = f"ASIA{next(self.count):016d}"
        self.minted[key] = session_name
        return Credentials(key, "secret", role_arn, "token")

    def forget(self, access_key_id: str) -> None:
        del self.minted[access_key_id]


@dataclass(frozen=True)
class Resolved:
    version: FunctionVersion
    invoked_arn: str


class Registry:
    """Versions by name and qualifier, as a test puts them in."""

    def __init__(self) -> None:
        self.versions: dict[str, FunctionVersion] = {}
        self.concurrency, self.unreserved_min = 1_000, 100

    def resolve(self, function: str, qualifier: str = "") -> Resolved:
        version = self.versions[function]
        return Resolved(version, f"{version.arn}:{qualifier}" if qualifier else version.arn)

    def total_reserved(self) -> int:
        return sum(version.reserved_concurrency or 0 for version in self.versions.values())


class FunctionLab:
    """What functions need, in one folder. `calls` go through the one door."""

    def __init__(self, folder: Path, *, isolated: bool, native_client: bool, **surroundings: Any) -> None:
        self.folder = folder
        self.isolated = isolated
        self.journal = Journal()
        self.roles = Roles()
        self.registry = Registry()
        self.events: list[tuple[str, str, LogEvent]] = []
        packages = folder / "runtime"
        self.folders = RuntimeFolders(packages, make_runtime_folder(packages, native_client=native_client))
        self.spawner = Spawner(folder, packages)
        self.surroundings = Surroundings(
            spawner=self.spawner,
            journal=self.journal,
            log_sink=self._sink,
            credentials=self.roles,
            endpoint_url=lambda: "http://127.0.0.1:9",
            region="us-east-1",
            folders=self.folders,
            opt_folder=OptFolders(folder / "opt").of,
            **surroundings,
        )
        self.pool = Pool(self.surroundings, Clock())
        self.invoker = Invoker(self.registry, self.pool, self.journal)  # type: ignore[arg-type]
        self._names = (f"f{number}" for number in itertools.count(1))

    def _sink(self, group: str, stream: str, events: list[LogEvent]) -> None:
        self.events += [(group, stream, event) for event in events]

    def function(
        self,
        code: str | Mapping[str, str] = "def handler(event, context):\n    return event\n",
        *,
        name: str = "",
        layers: Mapping[str, Mapping[str, str]] | None = None,
        **settings: Any,
    ) -> str:
        """Make a function of `code` (index.py's text, or all files) and these settings; returns its name."""
        name = name or next(self._names)
        root = self.folder / "code" / f"{name}-{len(self.registry.versions)}"
        write_files(root, {"index.py": code} if isinstance(code, str) else code)
        made = []
        for number, (layer, files) in enumerate((layers or {}).items()):
            write_files(self.folder / "layers" / f"{name}{number}", files)
            made.append(Layer(f"arn:{layer}:1", self.folder / "layers" / f"{name}{number}"))
        values: dict[str, Any] = {
            "arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}",
            "version": LATEST,
            "revision": "1",
            "runtime": "python3.12",
            "handler": "index.handler",
            "role": f"arn:aws:iam::{ACCOUNT}:role/lab",
            "code_size": 0,
            "timeout_s": 10,
            "memory_mb": 256,
            "log_group": f"/aws/lambda/{name}",
        }
        self.registry.versions[name] = FunctionVersion(
            name=name, code_root=root, layers=tuple(made), **values | settings
        )
        return name

    def change(self, name: str, **settings: Any) -> None:
        """Change a function's settings, as the control plane does: a new revision."""
        version = self.registry.versions[name]
        revision = str(int(version.revision) + 1)
        self.registry.versions[name] = replace(version, revision=revision, **settings)
        self.pool.retire(version.arn)

    async def invoke(self, name: str, event: Any = None, **request: Any) -> InvokeResult:
        """Call a function and wait for the result; the `event` may be bytes."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        async with asyncio.timeout(PATIENCE_S):
            return await self.invoker.invoke(InvokeRequest(name, payload, **request))

    async def value(self, name: str, event: Any = None, **request: Any) -> Any:
        """Call a function that must succeed; returns what it returned."""
        result = await self.invoke(name, event, **request)
        assert result.error is None, result.payload
        return json.loads(result.payload)

    async def failure(self, name: str, event: Any = None, **request: Any) -> dict[str, Any]:
        """Call a function that must fail; returns the error's body."""
        result = await self.invoke(name, event, **request)
        assert result.error is not None, result.payload
        body: dict[str, Any] = json.loads(result.payload)
        assert body.get("errorType", "") == result.error.type
        return body

    def environments(self, name: str) -> list[ExecutionEnvironment]:
        """The function's environments that have not ended."""
        return [found for found in self.pool.environments() if found.version.name == name]

    async def rested(self, name: str) -> list[ExecutionEnvironment]:
        """Wait until no environment of the function works; returns them."""
        await self.until(
            lambda: all(found.state in (State.IDLE, State.RESET) for found in self.environments(name))
        )
        return self.environments(name)

    def messages(self, name: str) -> list[str]:
        """The function's log events so far, of all streams."""
        return [event.message for group, _, event in self.events if group == f"/aws/lambda/{name}"]

    def log(self, name: str) -> str:
        """The function's log as one text."""
        return "".join(self.messages(name))

    async def until(self, condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Wait for something that no call announces."""
        async with asyncio.timeout(patience_s):
            while not condition():  # noqa: ASYNC110 - what it asks knows no events
                await asyncio.sleep(0.005)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files below a folder; those that begin with `#!` may be executed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o755)


def family(pid: int) -> list[psutil.Process]:
    """All living descendants of a process."""
    with_zombies = psutil.Process(pid).children(recursive=True)
    return [process for process in with_zombies if process.is_running()]


@contextmanager
def isolation_mode(isolated: bool) -> Iterator[None]:
    """Let guardians that start now isolate functions, or not."""
    before = os.environ.pop("LABHELPERS_ISOLATION", None)
    if not isolated:
        os.environ["LABHELPERS_ISOLATION"] = "off"
    try:
        yield
    finally:
        os.environ.pop("LABHELPERS_ISOLATION", None)
        if before is not None:
            os.environ["LABHELPERS_ISOLATION"] = before


@asynccontextmanager
async def function_lab(
    *, isolated: bool = True, native_client: bool = False, **surroundings: Any
) -> AsyncIterator[FunctionLab]:
    """A lab with functions only; closing it must leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="labhelpers-test-"))
    lab = FunctionLab(folder, isolated=isolated, native_client=native_client, **surroundings)
    with isolation_mode(isolated):
        await lab.spawner.start()
        await lab.spawner.wait_ready()
    try:
        yield lab
    finally:
        await lab.pool.close()
        await lab.spawner.close()
    assert folder.name not in os.listdir(folder.parent)
    assert not lab.roles.minted
    failures = [entry.detail["message"] for entry in lab.journal.since(kind="failure")]
    assert not [message for message in failures if "guardian process was killed" not in message]
