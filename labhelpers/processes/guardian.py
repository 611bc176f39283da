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
import shutil
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from labhelpers.processes import isolation
from labhelpers.processes.spec import ProcessSpec, Sandbox

QUIT_PATIENCE_S = 2.0
_FAILED_TO_START = 127


class Guardian:
    """The loop: requests in, started processes' news out."""

    def __init__(self, control: socket.socket, folder: str) -> None:
        self._control = control
        self._folder = folder
        self._buffer = b""
        self._descriptors: list[int] = []
        self._specs: dict[int, ProcessSpec] = {}  # by our child's pid
        self._ids: dict[int, int] = {}  # our child's pid -> the cloud's id of it
        self._reports: dict[int, int] = {}  # report pipe -> our child's pid
        self._lines: dict[int, bytes] = {}  # our child's pid -> what its report pipe said
        self._adopted: dict[int, int] = {}  # ended processes that nobody has claimed yet: pid -> status
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
        self._tell(kind="ready", isolated=self._isolated())
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        self._poll = poll
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, 4096)
                    self._reap()
                elif descriptor == self._control.fileno():
                    if not self._receive():
                        self._end_everything()
                        return
                elif descriptor in self._reports:
                    self._read_report(descriptor)

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
            self._spawn(message["id"], message["spec"], self._descriptors.pop(0))
        return True

    def _spawn(self, number: int, raw: dict[str, Any], output: int) -> None:
        sandbox = Sandbox(**raw.pop("sandbox")) if raw["sandbox"] else raw.pop("sandbox")
        spec = ProcessSpec(sandbox=sandbox, **raw)
        read_end, write_end = os.pipe()
        guardian = os.getpid()
        pid = os.fork()
        if pid == 0:
            _in_child(spec, output, write_end, self._mount_point, guardian)
        os.close(output)
        os.close(write_end)
        os.set_blocking(read_end, False)
        self._specs[pid], self._ids[pid] = spec, number
        self._reports[read_end], self._lines[pid] = pid, b""
        self._poll.register(read_end, select.POLLIN)

    def _read_report(self, descriptor: int) -> None:
        pid = self._reports[descriptor]
        try:
            data = os.read(descriptor, 4096)
        except BlockingIOError:
            return
        if not data:
            self._forget_report(descriptor)
            return
        before = self._lines[pid]
        self._lines[pid] = before + data
        if b"pid " not in before and b"pid " in self._lines[pid]:
            self._tell(
                kind="started", id=self._ids[pid], pid=int(_report_line(self._lines[pid], b"pid ") or 0)
            )

    def _forget_report(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        os.close(descriptor)
        del self._reports[descriptor]

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._ids:
                self._hear_last_words(pid)
                first = _report_line(self._lines[pid], b"first ")
                if first is None:
                    self._bury(pid, status, usage.ru_maxrss)
                elif self._hand_over(pid, int(first)) in self._adopted:
                    self._bury(int(first), self._adopted.pop(int(first)), 0)
            else:
                self._adopted[pid] = status

    def _hand_over(self, pid: int, successor: int) -> int:
        """A child has left its work to the first process of the new namespace, which is ours by now."""
        self._ids[successor], self._specs[successor] = self._ids.pop(pid), self._specs.pop(pid)
        self._lines[successor] = self._lines.pop(pid).replace(b"first ", b"was ")
        for descriptor, owner in self._reports.items():
            if owner == pid:
                self._reports[descriptor] = successor
        return successor

    def _hear_last_words(self, pid: int) -> None:
        for descriptor in [d for d, owner in self._reports.items() if owner == pid]:
            before = None
            while descriptor in self._reports and before != self._lines[pid]:
                before = self._lines[pid]
                self._read_report(descriptor)

    def _bury(self, pid: int, status: int, largest: int) -> None:
        self._hear_last_words(pid)
        for descriptor in [d for d, owner in self._reports.items() if owner == pid]:
            self._forget_report(descriptor)
        said = self._lines.pop(pid)
        if (exit_line := _report_line(said, b"exit ")) is not None:
            code, largest = (int(word) for word in exit_line.split())
        else:
            code = os.waitstatus_to_exitcode(status)
        failure = _report_line(said, b"failed ")
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # What the process started and left behind in its group.
        del self._specs[pid]
        self._tell(
            kind="exited",
            id=self._ids.pop(pid),
            code=code,
            peak_bytes=largest * (1 if sys.platform == "darwin" else 1024),
            failure=failure.decode(errors="replace") if failure else "",
        )

    def _isolated(self) -> bool:
        """Whether this machine lets functions have a root folder of their own; tried once, in a child."""
        if not isolation.is_linux() or os.environ.get("LABHELPERS_ISOLATION") == "off":
            return False
        pid = os.fork()
        if pid == 0:
            try:
                isolation.unshare_namespaces()
                inner = os.fork()
                if inner == 0:
                    empty = os.path.join(self._folder, "empty")
                    os.makedirs(empty, exist_ok=True)
                    isolation.build_root(self._mount_point, Sandbox(task=empty, runtime=empty, opt=empty))
                    os._exit(0)
                _, status = os.waitpid(inner, 0)
                os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
            except BaseException:  # noqa: BLE001 - whatever it is, the answer is no
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        return status == 0

    def _end_everything(self) -> None:
        for pid, spec in self._specs.items():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, spec.stop_signal)
        deadline = time.monotonic() + QUIT_PATIENCE_S
        while time.monotonic() < deadline and self._wait_for_child():
            time.sleep(0.01)
        for pid in self._specs:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _kill_adopted()
        make_removable(self._folder)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_for_child(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return bool(self._specs)
                if pid in self._specs:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(pid, signal.SIGKILL)
                    del self._specs[pid]
        return False


def make_removable(folder: str) -> None:
    """Give the folders below `folder` back their write permission: function code is read-only."""
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)


def _report_line(said: bytes, name: bytes) -> bytes | None:
    return next((line[len(name) :] for line in said.split(b"\n") if line.startswith(name)), None)


def _kill_adopted() -> None:
    """Kill every process that is still ours: descendants that had left their group came to us as orphans."""
    if not isolation.is_linux():
        return
    deadline = time.monotonic() + QUIT_PATIENCE_S
    while time.monotonic() < deadline:
        children = [
            int(name) for name in os.listdir("/proc") if name.isdigit() and _parent_of(name) == os.getpid()
        ]
        for pid in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not children:
            return
        time.sleep(0.005)


def _parent_of(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _in_child(spec: ProcessSpec, output: int, report: int, mount_point: str, guardian: int) -> NoReturn:
    """The rest of a forked child's life: arrange what it may see, then become the program."""
    code = _FAILED_TO_START
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        _arrange_descriptors(output, keep=report)
        if spec.sandbox is not None:
            isolation.unshare_namespaces()
            first = os.fork()
            if first:  # Our child, the first process of the new namespace, goes on as the guardian's.
                os.write(report, b"first %d\n" % first)
                os._exit(0)
            _become_first_process(guardian)
            inner = os.fork()
            if inner:
                _watch_over(inner, report)
                os._exit(0)
            os.setsid()
        if spec.unprivileged:
            isolation.become_unprivileged(spec.owned)
        if isolation.is_linux():
            from labhelpers.processes import linux

            linux.set_name(spec.title)
            if spec.sandbox is None:
                linux.die_with_parent(spec.stop_signal)
        os.write(report, b"pid %d\n" % _outer_pid())
        if spec.sandbox is not None:
            isolation.build_root(mount_point, spec.sandbox)
        os.chdir(spec.cwd)
        if spec.python_handler:
            os.close(report)
            from labhelpers.processes.python_runtime import run_handler

            run_handler(spec)
        os.set_inheritable(report, False)
        os.execvpe(spec.argv[0], list(spec.argv), dict(spec.env))
    except BaseException as error:  # noqa: BLE001 - nothing may return into the guardian's loop
        with contextlib.suppress(OSError):
            reason = f"{type(error).__name__}: {error}".replace("\n", " ")
            os.write(report, f"failed {reason}\n".encode())
    finally:
        os._exit(code)
    raise AssertionError


def _outer_pid() -> int:
    """This process's id as the cloud sees it: /proc is still the host's here."""
    return int(os.readlink("/proc/self")) if isolation.is_linux() else os.getpid()


def _become_first_process(guardian: int) -> None:
    """The first process of a new process namespace: when it ends, the kernel ends all others in there."""
    from labhelpers.processes import linux

    while (
        _parent_of("self") != guardian
    ):  # Until then the end of our real parent would be taken for the guardian's.
        time.sleep(0.0002)
    linux.die_with_parent(signal.SIGKILL)


def _watch_over(inner: int, report: int) -> None:
    """Bury orphans until the program ends, and report how it did."""
    os.closerange(0, 3)
    while True:
        pid, status, usage = os.wait4(-1, 0)
        if pid == inner:
            os.write(report, b"exit %d %d\n" % (os.waitstatus_to_exitcode(status), usage.ru_maxrss))
            return


def _arrange_descriptors(output: int, keep: int) -> None:
    """stdin empty, stdout and stderr into the pipe `output`; every other descriptor closed but `keep`."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, keep)
    os.closerange(keep + 1, min(65536, os.sysconf("SC_OPEN_MAX")))


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
