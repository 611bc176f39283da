"""`Lab`: a cloud of one's own for a notebook or a program, which ends with it.

A notebook imports it from `labhelpers`. It spawns the cloud's process and points boto3 to it; nothing else runs here.
The cloud holds the other end of a pipe: however this process ends, the pipe closes, and the cloud ends too.
From the first `Lab()` on, boto3 finds nothing but labs here: no call meant for one that has ended reaches AWS.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import select
import site
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from labhelpers import limits
from labhelpers.cell_progress import watch_cells
from labhelpers.clock import MAX_SPEED, MIN_SPEED
from labhelpers.cloud.environment_variables import (
    TRUST,
    forget_certificates,
    lab_variables,
    lead_nowhere,
    lead_to,
    without_foreign,
)
from labhelpers.errors import LabError
from labhelpers.follower import Follower

READY_TIMEOUT_S = 20.0
_CLOSE_TIMEOUT_S = 10.0
_FOLLOW_TIMEOUT_S = 60.0  # The cloud says something every 15 s.
_PACKAGE_ROOT = Path(__file__).parents[1]

_REPLACED = "The earlier lab of this notebook was ended; run the cells after this one again."

_current: Lab | None = None


def running_lab() -> Lab:
    """The lab that runs in this process. LabError if there is none."""
    if _current is None or not _current.is_running:
        raise LabError("no lab is running here; `Lab()` starts one")
    return _current


class Lab:
    """A running cloud. `with Lab() as lab:` or `lab.close()` end it; another `Lab()` in this process replaces it.

    It hides the AWS keys, profiles and settings of this process's environment, until the process ends: after the lab's
    end, new clients fail to connect to where it was.

    `port` 0 picks a free one. `clock_speed` (1 to 3,600) is how many times faster the lab's clock runs: retries and
    schedules follow it, functions do not. With `iam` the policies of roles and of users that you make decide what they
    may do; your own keys may do everything. `concurrency` (1 to 1,000) is how many calls of functions your account may
    run at once, where the machine is small. LabError if the cloud does not come up.
    """

    def __init__(
        self,
        port: int = 0,
        clock_speed: float = 1.0,
        iam: bool = False,
        concurrency: int = limits.CONCURRENT_EXECUTIONS,
    ) -> None:
        global _current
        if _current is None:
            lead_nowhere()  # Should the lab not start, the next cell must not reach an account.
        if not MIN_SPEED <= clock_speed <= MAX_SPEED:
            raise LabError(
                f"clock_speed is a number from {MIN_SPEED:g} to {MAX_SPEED:g}, not {clock_speed!r}"
            )
        if not 1 <= concurrency <= limits.CONCURRENT_EXECUTIONS:
            raise LabError(
                f"concurrency is a number from 1 to {limits.CONCURRENT_EXECUTIONS}, not {concurrency!r}"
            )
        self._replaced = _current is not None and _current.is_running
        if _current is not None:
            _current.close()
        self._trusted = os.environ.get(TRUST)
        self._owner = os.getpid()
        self._cells = contextlib.ExitStack()
        self.before_close: list[Callable[[], object]] = []  # For who has a last question to the lab.
        self._process, self._pipe, self._stderr = _spawn(
            [
                *("--port", str(port), "--speed", str(clock_speed), "--concurrency", str(concurrency)),
                *(["--iam"] if iam else []),
            ]
        )
        try:
            self._cells.enter_context(watch_cells())
            address = self._wait_ready()
        except BaseException:
            self._end_process()
            raise
        self.endpoint_url: str = address["endpoint_url"]
        self.access_key_id: str = address["access_key_id"]
        self.secret_access_key: str = address["secret_access_key"]
        self.region: str = address["region"]
        self.account_id: str = address["account_id"]
        self.role_arn: str = address["role_arn"]
        self._token: str = address["token"]
        lead_to(
            lab_variables(
                self.endpoint_url,
                self.access_key_id,
                self.secret_access_key,
                self.region,
                ca_bundle=address["ca_bundle"],
            )
        )
        let_go = weakref.WeakMethod(self._let_go)  # What is registered there is kept for ever.
        os.register_at_fork(after_in_child=lambda: (found := let_go()) and found())
        atexit.register(self.close)
        _current = self

    # --- Its life ---

    @property
    def is_running(self) -> bool:
        """Whether the cloud is there to be called."""
        return self._pipe >= 0 and self._process.poll() is None

    def close(self) -> None:
        """End the cloud with everything in it. The second time does nothing.

        The AWS variables go on leading to where it was: a new client fails to connect, and never reaches AWS.
        """
        global _current
        if os.getpid() != self._owner:  # A forked child's copy of this object: the lab is its parent's.
            return
        if _current is self:
            _current = None
            forget_certificates(self._trusted)
        atexit.unregister(self.close)
        while self.before_close and self.is_running:
            with contextlib.suppress(Exception):  # Whatever it is, the lab ends.
                self.before_close.pop()()
        self._end_process()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _let_go(self) -> None:
        """In a forked child: its copy of the pipe must not keep the cloud alive."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _end_process(self) -> None:
        if self._pipe < 0:
            return
        os.close(self._pipe)
        self._pipe = -1
        with self._cells:
            self._wait_end()

    def _wait_end(self) -> None:
        try:
            self._process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # Its guardian ends what it leaves.
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._stderr.close()

    def _wait_ready(self) -> dict[str, str]:
        """The line that the cloud prints when calls will succeed."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise LabError(
                    f"the lab's cloud was not ready after {READY_TIMEOUT_S:g} s. {self._last_words()}"
                )
            read = os.read(self._process.stdout.fileno(), 65536)
            if not read:
                self._process.wait(_CLOSE_TIMEOUT_S)
                raise LabError(f"the lab's cloud did not start. {self._last_words()}")
            line += read
        address: dict[str, str] = json.loads(line)
        return address

    def _last_words(self) -> str:
        """What the cloud said on stderr, at the end."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()[-12:]
        return "It said:\n" + "\n".join(lines) if lines else "It said nothing."

    # --- Its journal and its clock ---

    def journal(self, since: int = 0, kind: str = "") -> list[dict[str, Any]]:
        """What has happened after entry number `since`, oldest first; with `kind` only those whose kind starts with it.

        Each is a dict of seq, at (epoch seconds), kind, resource, request_id, trace_id and detail.
        """
        entries: list[dict[str, Any]] = self._ask("GET", "/_lab/journal", {"since": since, "kind": kind})
        return entries

    def follow(self, since: int = 0, kind: str = "") -> Follower:
        """The journal after `since`, and then each entry when it happens, until the lab ends or `close()` is called."""
        return Follower(
            *self._request(
                "GET", f"/_lab/events?{urlencode({'since': since, 'kind': kind})}", None, _FOLLOW_TIMEOUT_S
            )
        )

    @property
    def pid(self) -> int:
        """The process id of the cloud."""
        return self._process.pid

    @property
    def clock_speed(self) -> float:
        """How many times faster than real the lab's clock runs; may be set, from 1 to 3,600."""
        return float(self._ask("GET", "/_lab/clock")["speed"])

    @clock_speed.setter
    def clock_speed(self, speed: float) -> None:
        self._ask("PUT", "/_lab/clock", body={"speed": speed})

    def step_clock(self, seconds: float) -> None:
        """Let `seconds` of the lab's time pass at once: retries and schedules that were due meanwhile happen now."""
        self._ask("PUT", "/_lab/clock", body={"step": seconds})

    def now(self) -> datetime:
        """The time that the lab's clock reads, in UTC."""
        return datetime.fromtimestamp(self._ask("GET", "/_lab/clock")["now"], UTC)

    def _ask(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> Any:
        target = f"{path}?{urlencode(query)}" if query else path
        connection, response = self._request(
            method, target, json.dumps(body) if body is not None else None, 30.0
        )
        try:
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise LabError(str(answer.get("message", answer)))
        return answer

    def _request(
        self, method: str, target: str, body: str | None, timeout_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        if not self.is_running:
            raise LabError("this lab has ended; `Lab()` starts another")
        connection = http.client.HTTPConnection(urlsplit(self.endpoint_url).netloc, timeout=timeout_s)
        try:
            connection.request(method, target, body, {"Authorization": f"Bearer {self._token}"})
            return connection, connection.getresponse()
        except OSError as error:
            connection.close()
            raise LabError(f"the lab's cloud does not answer at {self.endpoint_url}: {error}") from error

    # --- How it shows itself ---

    def __repr__(self) -> str:
        note = f"\n{_REPLACED}" if self._replaced else ""
        return f"<Lab {self.endpoint_url}, {'running' if self.is_running else 'ended'}>{note}"

    def _repr_html_(self) -> str:
        state = "running" if self.is_running else "ended"
        note = f"<br>{_REPLACED}" if self._replaced else ""
        where = f"<code>{escape(self.endpoint_url)}</code>, account {escape(self.account_id)}"
        return f"<b>Lab</b> {state} at {where}{note}"


def _spawn(arguments: list[str]) -> tuple[subprocess.Popen[bytes], int, IO[bytes]]:
    """The cloud's process, our end of the pipe that keeps it alive, and the file that its stderr goes to."""
    environment = without_foreign(os.environ)
    if str(_PACKAGE_ROOT) not in site.getsitepackages():  # Not installed, or from its source.
        environment["PYTHONPATH"] = str(_PACKAGE_ROOT)
    theirs, ours = os.pipe()
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - read when the cloud fails, closed with the lab
    command = [sys.executable, "-P", "-m", "labhelpers.cloud", "--parent-fd", str(theirs)]
    try:
        # A session of its own: Ctrl-C and the stop button are for the cell, not for the cloud.
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            pass_fds=[theirs],
            start_new_session=True,
            cwd="/",
        )
    except BaseException:
        os.close(ours)
        stderr.close()
        raise
    finally:
        os.close(theirs)
    return process, ours, stderr
