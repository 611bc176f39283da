"""A forked child's way to the program that it becomes: what it may see, who stands over it, how its end is told.

Called by the guardian right after fork; never returns. What the guardian must know goes into the report pipe, a line
each: `first N` (the supervisor's id), `pid N` (the program's), `failed WHY`, `exit CODE PEAK_KB`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from typing import NoReturn

from labhelpers.processes import isolation
from labhelpers.processes.isolation import OPT, TASK
from labhelpers.processes.spec import ProcessSpec

# What a shell says of a program that is not there, or that it may not execute; Lambda passes it on.
FAILED_TO_START, FAILED_TO_EXECUTE = 127, 126


class InvalidEntrypoint(Exception):
    """The program of a custom runtime cannot be executed."""


def entrypoint_failure(spec: ProcessSpec, number: int | None) -> str:
    """How AWS words it: with the path on AWS, and the system's reason in small letters."""
    folder, name = os.path.split(spec.argv[0])
    shown = OPT if folder == spec.env.get("LAB_OPT", OPT) else TASK
    return f"fork/exec {shown}/{name}: {os.strerror(number or 0).lower()}"


def become(spec: ProcessSpec, output: int, report: int, mount_point: str, guardian: int) -> NoReturn:
    """Become the program of `spec`, writing to `output`."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        _arrange_descriptors(output, keep=report)
        if spec.sandbox is not None:
            _leave_to_first_process(report, guardian)
        if spec.sandbox is not None or (spec.supervised and isolation.is_linux()):
            _stand_over(report, guardian)
        _prepare(spec, guardian)
        os.write(report, b"pid %d\n" % outer_pid())
        if spec.sandbox is not None:
            isolation.build_root(mount_point, spec.sandbox)
        _limit(spec)
        os.chdir(spec.cwd)
        if spec.python_handler:
            os.close(report)
            from labhelpers.processes.python_runtime import run_handler

            run_handler(spec)
        os.set_inheritable(report, False)
        _execute(spec)
    except BaseException as error:  # noqa: BLE001 - nothing may return into the guardian's loop
        with contextlib.suppress(OSError):
            os.write(report, f"failed {type(error).__name__}: {error}".replace("\n", " ").encode() + b"\n")
    finally:
        os._exit(FAILED_TO_START)
    raise AssertionError


def _limit(spec: ProcessSpec) -> None:
    if spec.in_batches and hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # Forbidden in some containers.
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if spec.files_max:
        resource.setrlimit(resource.RLIMIT_NOFILE, (spec.files_max, spec.files_max))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # A crash leaves no file behind.
    if spec.processes_max:
        resource.setrlimit(resource.RLIMIT_NPROC, (spec.processes_max, spec.processes_max))


def _execute(spec: ProcessSpec) -> None:
    """Execute `argv`; for a function, which brings its own wrapper, a failure is the function's, as in a shell."""
    try:
        os.execvpe(spec.argv[0], list(spec.argv), dict(spec.env))
    except OSError as error:
        if spec.is_entrypoint:
            raise InvalidEntrypoint(entrypoint_failure(spec, error.errno)) from error
        if not spec.supervised:
            raise
        os.write(2, f"{spec.argv[0]}: {error.strerror}\n".encode())
        os._exit(FAILED_TO_START if isinstance(error, FileNotFoundError) else FAILED_TO_EXECUTE)


def outer_pid() -> int:
    """This process's id as the cloud sees it: /proc is still the host's here."""
    return int(os.readlink("/proc/self")) if isolation.is_linux() else os.getpid()


def parent_of(pid: str) -> int:
    """The parent of process `pid` (or "self"), as /proc tells; 0 when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _leave_to_first_process(report: int, guardian: int) -> None:
    """Enter new namespaces; only the first process in them, which the guardian adopts, returns from here."""
    isolation.unshare_namespaces()
    us = outer_pid()
    first = os.fork()
    if first:
        os.write(report, b"first %d\n" % first)
        os._exit(0)
    while (parent := parent_of("self")) == us:  # Its end would be taken for the guardian's.
        time.sleep(0.0002)
    if parent != guardian:
        os._exit(FAILED_TO_START)


def _stand_over(report: int, guardian: int) -> None:
    """Fork the program, which returns from here; stay as its supervisor, and end all that it leaves behind.

    In a process namespace of its own the kernel does that when we end; elsewhere orphans come to us and we kill them.
    """
    from labhelpers.processes import linux

    if os.getpid() != 1:
        linux.adopt_orphans()
    linux.die_with_parent(signal.SIGKILL)
    if parent_of("self") != guardian:
        os._exit(FAILED_TO_START)
    us = outer_pid()
    inner = os.fork()
    if inner == 0:
        linux.die_with_parent(signal.SIGKILL)
        if parent_of("self") != us:
            os._exit(FAILED_TO_START)
        os.setsid()
        return
    os.closerange(0, 3)
    while True:
        pid, status, usage = os.wait4(-1, 0)
        if pid == inner:
            break
    if os.getpid() != 1:
        _kill_children()
    os.write(report, b"exit %d %d\n" % (os.waitstatus_to_exitcode(status), usage.ru_maxrss))
    os._exit(0)


def _kill_children() -> None:
    """Kill and bury until no descendant is left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in children_of(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            os.wait()


def children_of(pid: int) -> list[int]:
    """The children of a process with one thread, from the kernel's own list where it keeps one."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and parent_of(name) == pid]


def _prepare(spec: ProcessSpec, guardian: int) -> None:
    if spec.unprivileged:
        isolation.become_unprivileged(spec.owned)
    if isolation.is_linux():
        from labhelpers.processes import linux

        linux.set_name(spec.title)
        if spec.sandbox is None and not spec.supervised:
            linux.die_with_parent(spec.stop_signal)
            if parent_of("self") != guardian:
                os._exit(FAILED_TO_START)


def _arrange_descriptors(output: int, keep: int) -> None:
    """stdin empty, stdout and stderr into the pipe `output`; every other descriptor closed but `keep`."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, keep)
    os.closerange(keep + 1, min(65536, os.sysconf("SC_OPEN_MAX")))
