"""One PostgreSQL server: make its data folder, start it, hear its log, stop it.

Called by `instances`; every process is started through the lab's guardian, so that none outlives the lab.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from labhelpers.database import leftovers
from labhelpers.database.installation import Installation
from labhelpers.database.output import OutputPipe
from labhelpers.errors import LabError
from labhelpers.processes.spawner import Process, Spawner
from labhelpers.processes.spec import ProcessSpec

ADDRESS = "127.0.0.1"
ADMIN = "rdsadmin"  # RDS's own superuser, in every instance of RDS as well.

# Below the ports that operating systems hand out by themselves (32768 and up on Linux, 49152 and up elsewhere), so that
# nobody is given an instance's port while it restarts.
_PORTS = range(20_000, 32_000)
_PORT_TRIES = 20
_TOOL_TIMEOUT_S = 60.0
_START_TIMEOUT_S = 60.0
_LOCKS = 64  # PostgreSQL's own default for each session ...
_LOCKS_IN_ALL = 16_000  # ... as long as this holds.
_STOP_PATIENCE_S = 15.0
_END_PATIENCE_S = 1.5
_LOG_LINES_KEPT = 200
_READY = "database system is ready to accept connections"
_PORT_TAKEN = "could not create any TCP/IP sockets"

_SETTINGS = """\
listen_addresses = '{address}'
port = {port}
unix_socket_directories = ''
max_connections = {max_connections}
# The tables of locks are shared by all sessions: with many of them, fewer each are enough, and memory is spared.
max_locks_per_transaction = {locks}
max_pred_locks_per_transaction = {locks}
password_encryption = scram-sha-256
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
# AWS: lines begin like this as well.
log_line_prefix = '%t:%r:%u@%d:[%p]:'
# AWS: off. Here: on, because the lab shows who connects; these lines are kept out of the instance's log.
log_connections = on
# Without fsync a write is safe as soon as the operating system has it: whatever happens to PostgreSQL's processes,
# kill -9 included, loses nothing. Only a power cut could, and a lab does not outlive its machine's. Commits are many
# times faster on a laptop's disk. full_page_writes stays on: a process can be killed in the middle of a page.
fsync = off
# Small: a course's tables fit, and the machine is the learner's own. AWS: a quarter of the class's memory.
shared_buffers = 16MB
max_wal_size = 256MB
# No replicas here, so their log and their processes are left out.
wal_level = minimal
max_wal_senders = 0
max_logical_replication_workers = 0
# Shared memory for parallel queries lives in the data folder and goes with it.
dynamic_shared_memory_type = mmap
"""
_SETTINGS_SINCE = {18: "io_method = sync\n"}  # Three processes fewer.
_ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"


class Killed(LabError):
    """A process of PostgreSQL's was killed from outside before its work was done: trying again may help."""


class Server:
    """A data folder below `folder` and, while it runs, the process that serves it. `on_line` gets its log."""

    def __init__(
        self, folder: Path, installation: Installation, spawner: Spawner, on_line: Callable[[str], None]
    ) -> None:
        self.data = folder / "data"
        self.port = 0
        self.log: deque[str] = deque(maxlen=_LOG_LINES_KEPT)
        self._folder = folder
        self._installation = installation
        self._spawner = spawner
        self._on_line = on_line
        self._admin_password = secrets.token_urlsafe(24)
        self._process: Process | None = None
        self._pipe: OutputPipe | None = None
        self._ready: asyncio.Future[None] | None = None
        self._random = random.Random()

    @property
    def pid(self) -> int:
        """The process id of the running server, or 0."""
        return self._process.pid if self._process is not None and not self._process.exited.done() else 0

    async def initialise(self) -> None:
        """Make an empty cluster whose superuser is rdsadmin. LabError with the tool's words when that fails.

        Killed when its process or the server's was killed meanwhile, as for `start` and `run_sql`.
        """
        self._folder.mkdir(parents=True, mode=0o700)
        password_file = self._folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._admin_password + "\n", encoding="ascii")
        argv = [
            *("initdb", "-D", str(self.data), "-U", ADMIN, "--pwfile", str(password_file)),
            *(
                "-A",
                "scram-sha-256",
                "--encoding",
                "UTF8",
                "--no-sync",
                "--no-instructions",
                "--wal-segsize",
                "1",
            ),
            # AWS: en_US.UTF-8. Here: Unicode's code points order texts, because not every machine has that locale.
            *("--locale", "C"),
        ]
        if self._installation.major >= 16:  # Else what a killed initdb leaves would stay in /dev/shm.
            argv += ["--set", "dynamic_shared_memory_type=mmap"]
        if self._installation.major >= 17:
            argv += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        try:
            await self._run_tool(argv, unprivileged=True)
        except (
            BaseException
        ):  # The lab ends, too: initdb was killed, and the server that it had started is left.
            await asyncio.to_thread(leftovers.clear, self.data)
            raise
        finally:
            password_file.unlink()
        (self.data / "pg_hba.conf").write_text(_ACCESS, encoding="ascii")

    async def start(self, max_connections: int) -> int:
        """Start the server; returns its port on 127.0.0.1 once it accepts connections. LabError when it does not."""
        for _ in range(_PORT_TRIES):
            self.port = self.port if _is_free(self.port) else self._free_port()
            if await self._start_on(self.port, max_connections):
                return self.port
            self.port = 0  # Somebody took it between the look and the start.
        raise LabError(f"PostgreSQL found no free port from {_PORTS[0]} to {_PORTS[-1]}")

    async def _start_on(self, port: int, max_connections: int) -> bool:
        locks = max(10, min(_LOCKS, _LOCKS_IN_ALL // max_connections))
        settings = _SETTINGS.format(address=ADDRESS, port=port, max_connections=max_connections, locks=locks)
        settings += "".join(
            line for major, line in _SETTINGS_SINCE.items() if self._installation.major >= major
        )
        (self.data / "postgresql.conf").write_text(settings, encoding="ascii")
        self.log.clear()
        self._ready = asyncio.get_running_loop().create_future()
        spec = self._spec(["postgres", "-D", str(self.data)], unprivileged=True)
        self._pipe, self._process = await self._spawn(spec, self._hear)
        news: set[asyncio.Future[Any]] = {self._ready, self._process.exited}
        await asyncio.wait(news, timeout=_START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if self._ready.done() and not self._process.exited.done():
            return True
        code = self._process.exited.result() if self._process.exited.done() else 0
        await self._end(signal.SIGQUIT, _END_PATIENCE_S)
        if any(_PORT_TAKEN in line for line in self.log):
            return False
        if _was_killed(code, self.log):
            raise Killed(f"PostgreSQL was killed while it started: {self.last_words()}")
        raise LabError(f"PostgreSQL did not start: {self.last_words()}")

    def _hear(self, line: str) -> None:
        self.log.append(line)
        if _READY in line and self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
        self._on_line(line)

    def last_words(self) -> str:
        """The end of the log, for an error message."""
        return " / ".join(list(self.log)[-5:]) or "it printed nothing"

    async def wait_exited(self) -> int:
        """Wait until the running server ends by itself; its exit code, or minus the signal that ended it."""
        assert self._process is not None
        return await asyncio.shield(self._process.exited)

    async def run_sql(self, script: Path, variables: Mapping[str, str], secret: Mapping[str, str]) -> None:
        """Run a script as rdsadmin; `variables` are psql's, `secret` is its environment. LabError when it fails."""
        # AWS: rdsadmin never connects over the learner's connections; three are kept free for superusers here too.
        argv = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        for name, value in variables.items():
            argv += ["-v", f"{name}={value}"]
        environment = {
            "PGHOST": ADDRESS,
            "PGPORT": str(self.port),
            "PGUSER": ADMIN,
            "PGDATABASE": "postgres",
            "PGPASSWORD": self._admin_password,
            "PGCONNECT_TIMEOUT": "20",
            "PGSSLMODE": "disable",
        }
        await self._run_tool(argv, environment=environment | dict(secret))

    async def stop(self) -> None:
        """Stop in order, as RDS does: sessions are ended, everything is written down."""
        await self._end(signal.SIGINT, _STOP_PATIENCE_S)

    async def discard(self) -> None:
        """End at once and remove everything of this server from the disk."""
        await self._end(signal.SIGQUIT, _END_PATIENCE_S)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def clear_up(self) -> None:
        """After the server ended by itself: make its data folder fit for a new start."""
        if self._pipe is not None:
            await asyncio.to_thread(leftovers.clear, self.data)
            await self._pipe.drain()
            self._pipe.close()
        self._pipe = self._process = None

    async def _end(self, number: signal.Signals, patience_s: float) -> None:
        # The server's first process ends all others in order, so the signal is for that one alone.
        if self._process is not None and not self._process.exited.done():
            await self._process.end(number, patience_s)
        await self.clear_up()

    async def _run_tool(
        self, argv: list[str], *, environment: Mapping[str, str] | None = None, unprivileged: bool = False
    ) -> None:
        """Run one of PostgreSQL's tools to its end."""
        said: list[str] = []
        spec = self._spec(argv, environment=environment, unprivileged=unprivileged)
        pipe, process = await self._spawn(spec, said.append)
        try:
            code = await asyncio.wait_for(asyncio.shield(process.exited), _TOOL_TIMEOUT_S)
            await pipe.drain()
        except TimeoutError:
            raise LabError(
                f"{argv[0]} did not end within {_TOOL_TIMEOUT_S:g} s: {' / '.join(said[-5:])}"
            ) from None
        finally:
            if not process.exited.done():
                await process.end()
            pipe.close()
        if code != 0:
            reason = " / ".join(said[-5:]) or process.failure
            what = f"{argv[0]} of PostgreSQL {self._installation.version} failed ({code}): {reason}"
            lost = self._process is not None and self._process.exited.done()
            raise Killed(what) if lost or _was_killed(code, said) else LabError(what)

    async def _spawn(self, spec: ProcessSpec, on_line: Callable[[str], None]) -> tuple[OutputPipe, Process]:
        pipe = OutputPipe(on_line)
        await pipe.open()
        try:
            process = await self._spawner.spawn(spec, pipe.write_end)
        except BaseException:
            pipe.close()
            raise
        pipe.handed_over()
        return pipe, process

    def _spec(
        self, argv: list[str], *, environment: Mapping[str, str] | None = None, unprivileged: bool = False
    ) -> ProcessSpec:
        return ProcessSpec(
            argv=(self._installation.program(argv[0]), *argv[1:]),
            # PATH: initdb runs its neighbours through a shell. LC_ALL: the same words on every machine.
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **(environment or {})},
            cwd=str(self._folder),
            title=argv[0],
            stop_signal=int(signal.SIGQUIT),
            unprivileged=unprivileged,  # PostgreSQL refuses to run as root.
            owned=(str(self._folder),) if unprivileged else (),
        )

    def _free_port(self) -> int:
        for _ in range(_PORT_TRIES):
            port = self._random.choice(_PORTS)
            if _is_free(port):
                return port
        raise LabError(f"found no free port from {_PORTS[0]} to {_PORTS[-1]} for PostgreSQL")


def _was_killed(code: int, said: Iterable[str]) -> bool:
    """Whether a signal has ended a process, or, as it says, one of those that it had started."""
    return code < 0 or any("terminated by signal" in line for line in said)


def _is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As PostgreSQL does.
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True
