"""One cloud process from start to end: its folder, its loop, the signals and the parent that end it.

Called by the command line and by `python -m labhelpers.cloud`, which `Lab` spawns; runs `application`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from labhelpers import limits
from labhelpers.cloud.environment_variables import FOREIGN
from labhelpers.cloud.lab_folder import LabFolder, sweep

DESCRIPTORS = 10_240  # For a thousand environments and their callers; it is also the most that macOS gives.


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a cloud: what a program needs to call it with boto3, and the token of its journal.

    `ca_bundle` is the file of certificates to trust: addresses that handlers make from their events begin with https.
    """

    endpoint_url: str
    access_key_id: str
    secret_access_key: str
    region: str
    account_id: str
    token: str
    role_arn: str
    ca_bundle: str


def run_cloud(
    on_ready: Callable[[Address], None],
    *,
    port: int = 0,
    clock_speed: float = 1.0,
    iam: bool = False,
    concurrency: int = limits.CONCURRENT_EXECUTIONS,
    parent: int | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent; nothing is left then. LabError if the port is taken.

    `parent` is a descriptor whose end of file says that the parent is gone. `on_ready` hears when calls will succeed.
    """
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    _allow_many_descriptors()
    with LabFolder() as folder:
        tempfile.tempdir = str(folder.path)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(_serve(folder, on_ready, port, clock_speed, iam, concurrency, parent))
        finally:
            tempfile.tempdir = None


def _allow_many_descriptors() -> None:
    """An execution environment takes six; macOS gives a process 256 and Linux 1,024, unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # It is not on every system; asyncio's own loop is slower, no more.
        return None
    return uvloop.new_event_loop


async def _serve(
    folder: LabFolder,
    on_ready: Callable[[Address], None],
    port: int,
    clock_speed: float,
    iam: bool,
    concurrency: int,
    parent: int | None,
) -> None:
    from labhelpers.cloud.application import Application

    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    if parent is not None:
        loop.add_reader(parent, ended.set)
    async with Application(
        folder.path, port=port, clock_speed=clock_speed, iam=iam, concurrency=concurrency
    ) as cloud:
        on_ready(
            Address(
                cloud.endpoint_url,
                cloud.keys.lab.access_key_id,
                cloud.keys.lab.secret_access_key,
                cloud.account.region,
                cloud.account.id,
                cloud.keys.token,
                cloud.bridge.function_role_arn,
                cloud.ca_bundle,
            )
        )
        sweeping = loop.run_in_executor(None, sweep, folder.path.parent)
        await ended.wait()
        await sweeping
    if parent is not None:
        loop.remove_reader(parent)
