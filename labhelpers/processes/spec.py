"""What the cloud asks the guardian to start: plain data, sent as JSON over their socket."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a function's process sees of the file system: everything else of the host is out of sight.

    `task`, `runtime` and `opt` are host folders that appear read-only at /var/task, /var/runtime and /opt; the links
    in `runtime` lead into `packages`, which are shown elsewhere. The interpreter appears at its own path. `tmp` is the
    host folder on which the guardian mounts a /tmp of `tmp_mb` MB; what is in it stays until `Spawner.release`.
    `shown` are further folders that appear at their own paths: those of the program that runs the function.
    """

    task: str
    runtime: str
    opt: str
    tmp: str
    tmp_mb: int = 512
    packages: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process to start.

    With `python_handler` the guardian forks itself and runs AWS's Python runtime client on that handler, which spares
    an interpreter's start; otherwise `argv` is executed. `stop_signal` is what ends it when the lab dies.
    `supervised`: a second process stands over it, which ends all that it leaves behind (always so with a sandbox).
    `unprivileged`: never run as root, as PostgreSQL asks; `owned` are then the folders that it must own.
    `is_entrypoint`: a program that cannot be executed is told as a failure to start, in AWS's words.
    `files_max` and `processes_max` are limits of open files and of processes; 0 is none.
    `in_batches`: woken, it waits until a processor is free, and interrupts nobody (Linux).
    """

    argv: tuple[str, ...] = ()
    python_handler: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    sandbox: Sandbox | None = None
    supervised: bool = False
    title: str = ""
    stop_signal: int = int(signal.SIGKILL)
    unprivileged: bool = False
    owned: tuple[str, ...] = ()
    is_entrypoint: bool = False
    files_max: int = 0
    processes_max: int = 0
    in_batches: bool = False
