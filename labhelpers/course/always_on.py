"""`AlwaysOnServer`: a handler behind a server of one's own, to set beside the same handler as a function.

A notebook imports it from `labhelpers`. It is a plain process on this machine and knows nothing of the lab's cloud.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from labhelpers.cloud.environment_variables import without_foreign
from labhelpers.errors import LabError

PROGRAM = Path(__file__).with_name("always_on_program.py")
_READY_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_S = 60.0
_CLOSE_TIMEOUT_S = 5.0
_END_TIMEOUT_S = 0.5


class AlwaysOnServer:
    """A process that listens on loopback for as long as it is up, and answers with `handler(event, None)` of a file.

    `requests` counts what it was asked. It ends with `close()`, at the end of a `with`, or with the kernel. LabError if
    the handler's file can't be loaded.
    """

    def __init__(self, file: str | Path, handler: str = "handler") -> None:
        path = Path(file)
        if not path.is_file():
            raise LabError(f"there is no file {path} (looked from {Path.cwd()}); check its name")
        self.requests = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        self._ended: float | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-u", str(PROGRAM), str(path), handler],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=without_foreign(os.environ),
            start_new_session=True,  # The stop button is for the cell, not for the server.
        )
        self._started = time.monotonic()
        atexit.register(self.close)
        try:
            self.port = self._wait_ready(path)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        running = self._process.poll() is None
        if not running and self._ended is None:
            self._ended = time.monotonic()
        return running

    @property
    def up_s(self) -> float:
        """Seconds that it has been up, busy or not; they stop when it is seen to have ended."""
        now = time.monotonic() if self.is_running else self._ended or self._started
        return now - self._started

    @property
    def memory_mb(self) -> float:
        """Resident memory that it holds now, asked or not; 0 when it has ended."""
        try:
            return float(psutil.Process(self.pid).memory_info().rss) / 1_048_576 if self.is_running else 0.0
        except psutil.NoSuchProcess:
            return 0.0

    def ask(self, event: Any) -> Any:
        """POST an event as JSON; returns what the handler returned.

        OSError, such as ConnectionRefusedError, when the server is down; LabError when the handler raised.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_TIMEOUT_S)
        try:
            connection.request("POST", "/", json.dumps(event), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except ConnectionError:
            with contextlib.suppress(
                subprocess.TimeoutExpired
            ):  # Its end may be a moment behind its sockets'.
                self._process.wait(_END_TIMEOUT_S)
            raise
        finally:
            connection.close()
        self.requests += 1
        if response.status != 200:
            raise LabError(f"the server answered {response.status}: {answer}; its log tells more")
        return answer

    def log(self) -> str:
        """All that the server and its handler have printed: on a server of one's own, this is kept by oneself."""
        if self._log.closed:
            return ""
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(
            "utf-8", "replace"
        )

    def close(self) -> None:
        """Switch the server off. Does nothing the second time."""
        atexit.unregister(self.close)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_CLOSE_TIMEOUT_S)
        if self._ended is None:
            self._ended = time.monotonic()
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()
        self._log.close()

    def __enter__(self) -> AlwaysOnServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if not self.is_running:
            return f"<AlwaysOnServer, down after {self.requests} requests>"
        return f"<AlwaysOnServer {self.url}, process {self.pid}, up>"

    def _wait_ready(self, path: Path) -> int:
        assert self._process.stdout is not None
        line = b""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            readable = select.select([self._process.stdout], [], [], left)[0]
            read = os.read(self._process.stdout.fileno(), 64) if readable else b""
            if not read:
                said = self.log().strip() or "nothing"
                raise LabError(f"the server with {path} did not come up. It said:\n{said}")
            line += read
        return int(line)
