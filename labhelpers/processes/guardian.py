"""The guardian: a small process that starts every other one, and ends them all when the cloud is gone.

It runs beside the cloud (`python -I -S`, standard library only), listens on a socket pair, and answers with lines of
JSON. The end of that socket means that the cloud has ended, in whatever way: the guardian then kills what it started
and removes the lab's folder. AWS's Python runtime client is imported once here, so a Python environment is a fork away.

Rules: one thread; nothing blocks the loop; a child never returns into it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from labhelpers.processes import isolation
from labhelpers.processes.child import FAILED_TO_START, become, children_of
from labhelpers.processes.removal import remove_tree
from labhelpers.processes.spec import ProcessSpec, Sandbox

QUIT_PATIENCE_S = 2.0


class _Child:
    """A process that the cloud asked for. `pid` is our own child's: the program's, or its supervisor's."""

    __slots__ = ("number", "pid", "report", "said", "spec")

    def __init__(self, number: int, spec: ProcessSpec, pid: int, report: int) -> None:
        self.number = number
        self.spec = spec
        self.pid = pid
        self.report = report
        self.said = b""

    def line(self, name: bytes) -> str | None:
        """What the report pipe has said under `name`."""
        lines = self.said.split(b"\n")[:-1]
        return next((line[len(name) + 1 :].decode() for line in lines if line.startswith(name + b" ")), None)


class Guardian:
    """The loop: requests in, started processes' news out."""

    def __init__(self, control: socket.socket, folder: str) -> None:
        self._control = control
        self._folder = folder
        self._buffer = b""
        self._descriptors: list[int] = []
        self._children: dict[int, _Child] = {}  # by pid
        self._reports: dict[int, _Child] = {}  # by report pipe
        self._orphans: dict[
            int, int
        ] = {}  # first processes that ended before their forker did: pid -> status
        self._tmp: set[str] = set()  # where a /tmp is mounted
        self._mount_point = os.path.join(folder, "root")
        os.makedirs(self._mount_point, exist_ok=True)

    def run(self) -> None:
        """Serve until the cloud is gone, then leave nothing behind."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._tell(kind="ready", isolated=isolation.enter(self._folder, self._mount_point))
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(wake_read, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, 4096)
                    self._reap()
                elif descriptor == self._control.fileno():
                    if not self._receive():
                        self._end_everything()
                        return
                elif descriptor in self._reports:
                    self._listen(self._reports[descriptor])

    def _tell(self, **message: Any) -> None:
        with contextlib.suppress(OSError):  # The cloud is gone: its end of the socket says so next.
            self._control.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 8)
        except ConnectionResetError:
            return False
        self._descriptors += descriptors
        if not data:
            return False
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message["do"] == "stop":
                return False
            if message["do"] == "release":
                self._release(message["tmp"])
            else:
                self._start(message["id"], message["spec"], self._descriptors.pop(0))
        return True

    def _start(self, number: int, raw: dict[str, Any], output: int) -> None:
        try:
            self._spawn(number, raw, output)
        except OSError as error:  # No memory, no process, no mount: this one fails, not the lab.
            failure = f"{type(error).__name__}: {error}"
            self._tell(kind="exited", id=number, code=FAILED_TO_START, peak_bytes=0, failure=failure)
        finally:
            os.close(output)

    def _spawn(self, number: int, raw: dict[str, Any], output: int) -> None:
        if raw["sandbox"]:
            raw["sandbox"] = Sandbox(**raw["sandbox"])
            self._provide_tmp(raw["sandbox"])
        spec = ProcessSpec(**raw)
        read_end, write_end = os.pipe()
        guardian = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(read_end)
            os.close(write_end)
            raise
        if pid == 0:
            become(spec, output, write_end, self._mount_point, guardian)
        os.close(write_end)
        os.set_blocking(read_end, False)
        self._children[pid] = self._reports[read_end] = _Child(number, spec, pid, read_end)
        self._poll.register(read_end, select.POLLIN)

    def _provide_tmp(self, sandbox: Sandbox) -> None:
        """Mount the /tmp of an environment, once: it outlives the environment's processes, as on AWS."""
        from labhelpers.processes import linux

        if sandbox.tmp in self._tmp:
            return
        os.makedirs(sandbox.tmp, exist_ok=True)
        flags = linux.MS_NOSUID | linux.MS_NODEV
        linux.mount("tmp", sandbox.tmp, "tmpfs", flags, f"size={sandbox.tmp_mb}m,mode=1777")
        self._tmp.add(sandbox.tmp)

    def _release(self, tmp: str) -> None:
        from labhelpers.processes import linux

        if tmp in self._tmp:
            self._tmp.discard(tmp)
            linux.unmount(tmp)
            with contextlib.suppress(OSError):
                os.rmdir(tmp)

    def _listen(self, child: _Child) -> bool:
        """Take in what a child's report pipe says; False when there was nothing more."""
        if child.report < 0:
            return False
        try:
            data = os.read(child.report, 4096)
        except BlockingIOError:
            return False
        if not data:
            self._poll.unregister(child.report)
            del self._reports[child.report]
            os.close(child.report)
            child.report = -1
            return False
        known = child.line(b"pid")
        child.said += data
        pid = child.line(b"pid")
        if pid is not None and known is None:
            self._tell(kind="started", id=child.number, pid=int(pid))
        return True

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                self._remember_orphan(pid, status)
                continue
            while self._listen(child):
                pass
            first = int(child.line(b"first") or 0)
            if first in (0, pid):
                self._bury(child, status, usage.ru_maxrss)
            else:  # It has left its work to the first process of a new namespace, which is ours by now.
                child.pid = first
                self._children[first] = child
                if first in self._orphans:
                    del self._children[first]
                    self._bury(child, self._orphans.pop(first), 0)

    def _remember_orphan(self, pid: int, status: int) -> None:
        """A process that came to us as an orphan has ended: only a first process is of any interest."""
        for child in self._children.values():
            while self._listen(child):
                pass
            if child.line(b"first") == str(pid):
                self._orphans[pid] = status

    def _bury(self, child: _Child, status: int, largest_kb: int) -> None:
        while self._listen(child):
            pass
        if child.report >= 0:
            self._poll.unregister(child.report)
            del self._reports[child.report]
            os.close(child.report)
        code = os.waitstatus_to_exitcode(status)
        if (told := child.line(b"exit")) is not None:
            code, largest_kb = (int(word) for word in told.split())
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # What the process started and left behind in its group.
        peak = largest_kb * (1 if sys.platform == "darwin" else 1024)
        failure = child.line(b"failed") or ""
        self._tell(kind="exited", id=child.number, code=code, peak_bytes=peak, failure=failure)

    def _end_everything(self) -> None:
        for pid, child in self._children.items():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, child.spec.stop_signal)
        deadline = time.monotonic() + QUIT_PATIENCE_S
        while self._children and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.005)
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _kill_children()
        for tmp in list(self._tmp):
            self._release(tmp)
        remove_tree(self._folder)


def _kill_children() -> None:
    """Kill every process that is still ours: descendants that had left their group came to us as orphans."""
    if not isolation.is_linux():
        return
    deadline = time.monotonic() + QUIT_PATIENCE_S
    while (children := children_of(os.getpid())) and time.monotonic() < deadline:
        for pid in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.002)


def main(control: int, folder: str, runtime: str) -> None:
    """Run the guardian on socket `control` for the lab in `folder`; `runtime` becomes /var/runtime."""
    if isolation.is_linux():
        from labhelpers.processes import linux

        linux.adopt_orphans()
        linux.set_name("lab-guardian")
    if runtime:
        from labhelpers.processes.python_runtime import preload

        preload(runtime)
    Guardian(socket.socket(fileno=control), folder).run()
