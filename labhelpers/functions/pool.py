"""All execution environments of a lab: reused while they fit, started as load asks, ended when idle or outdated.

`invoke` asks for an environment for a call; environments tell when they are idle or have ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from labhelpers.clock import Clock
from labhelpers.functions.call import Call, Surroundings
from labhelpers.functions.environment import ExecutionEnvironment
from labhelpers.functions.memory import descendants_bytes
from labhelpers.model import FunctionVersion

IDLE_LIMIT_S = (
    420.0  # AWS does not say how long it keeps idle environments; minutes is what is seen. Lab time.
)
_FINISHING_PATIENCE_S = 0.02
_MEMORY_PERIOD_S = 0.02
_TREE_PERIOD = 10
_IDLE_PERIOD_S = 15.0


@dataclass(slots=True)
class _Group:
    """The environments of one function version."""

    everyone: set[ExecutionEnvironment] = field(default_factory=set)
    idle: list[ExecutionEnvironment] = field(default_factory=list)
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    revision: str = ""


class Pool:
    """Hands out environments. Used from the cloud's event loop only."""

    def __init__(self, surroundings: Surroundings, clock: Clock) -> None:
        self._around = surroundings
        self._clock = clock
        self._groups: dict[str, _Group] = defaultdict(_Group)
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[ExecutionEnvironment] = set()
        self._meter: asyncio.Task[None] | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, version: FunctionVersion, call: Call) -> None:
        """Give `call` to an idle environment of `version`, or to a new one; the call's `answer` tells the outcome."""
        group = self._groups[version.qualified_arn]
        if group.revision != version.revision:
            self._outdate(group, version.revision)
        environment = self._take_idle(group)
        if environment is None and any(e.is_finishing for e in group.everyone):
            await self._wait_for_idle(group)
            environment = self._take_idle(group)
        if environment is not None:
            self._work(environment)
            environment.run(call)
            return
        environment = ExecutionEnvironment(version, self._around, self._on_idle, self._on_end)
        group.everyone.add(environment)
        self._work(environment)
        self._keep(self._start(environment, call))

    async def _start(self, environment: ExecutionEnvironment, call: Call) -> None:
        try:
            await environment.start(call)
        except Exception as error:
            self._around.journal.failure(
                f"an execution environment did not start: {error!r}", environment.version.arn
            )
            environment.kill()
            if not call.answer.done():
                call.answer.set_exception(error)
            raise

    def _take_idle(self, group: _Group) -> ExecutionEnvironment | None:
        while group.idle:
            environment = group.idle.pop()
            if environment.can_take_call:
                return environment
            environment.kill()
        return None

    async def _wait_for_idle(self, group: _Group) -> None:
        """An answered call's environment asks for its next event in a moment; that is shorter than a cold start."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group.waiting.append(waiter)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(waiter, _FINISHING_PATIENCE_S)

    def _work(self, environment: ExecutionEnvironment) -> None:
        self._busy.add(environment)
        if self._meter is None or self._meter.done():
            self._meter = self._keep(self._measure())
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = self._keep(self._sweep())

    def _on_idle(self, environment: ExecutionEnvironment) -> None:
        self._busy.discard(environment)
        group = self._groups[environment.version.qualified_arn]
        if self._closed or environment.version.revision != group.revision:
            self._keep(environment.shut_down())
            return
        group.idle.append(environment)
        while group.waiting:
            waiter = group.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break

    def _on_end(self, environment: ExecutionEnvironment) -> None:
        self._busy.discard(environment)
        group = self._groups[environment.version.qualified_arn]
        group.everyone.discard(environment)
        if environment in group.idle:
            group.idle.remove(environment)

    def _outdate(self, group: _Group, revision: str) -> None:
        group.revision = revision
        idle, group.idle = group.idle, []
        for environment in idle:
            self._keep(environment.shut_down())

    def retire(self, function_arn: str) -> None:
        """The function has changed or gone: its idle environments end now, busy ones after their call."""
        for arn, group in self._groups.items():
            if arn == function_arn or arn.startswith(function_arn + ":"):
                self._outdate(group, "")

    def environments(self) -> list[ExecutionEnvironment]:
        """Every environment that has not ended."""
        return [environment for group in self._groups.values() for environment in group.everyone]

    async def _measure(self) -> None:
        """Watch the memory of busy environments; ends when none is busy."""
        beat = 0
        while self._busy:
            await asyncio.sleep(_MEMORY_PERIOD_S)
            beat += 1
            trees: dict[int, int] = {}
            if beat % _TREE_PERIOD == 0:
                pids = [environment.pid for environment in self._busy if environment.pid]
                trees = await asyncio.to_thread(descendants_bytes, pids)
            for environment in list(self._busy):
                environment.check_memory(trees.get(environment.pid, 0))

    async def _sweep(self) -> None:
        """End environments that have been idle for long; ends when there are none."""
        while self.environments():
            await self._clock.sleep(_IDLE_PERIOD_S)
            limit = time.monotonic() - IDLE_LIMIT_S / self._clock.speed
            for group in self._groups.values():
                for environment in [e for e in group.idle if e.idle_since < limit]:
                    group.idle.remove(environment)
                    self._keep(environment.shut_down())

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End every environment, orderly where it is idle."""
        self._closed = True
        await asyncio.gather(
            *(environment.shut_down() for environment in self.environments()), return_exceptions=True
        )
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
