"""All execution environments of a lab: reused while they fit, started as load asks, ended when idle or outdated.

`invoke` asks for an environment for a call; environments tell when they are idle or have ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from labhelpers.clock import Clock
from labhelpers.errors import LabError
from labhelpers.functions.call import Call, Surroundings
from labhelpers.functions.environment import ExecutionEnvironment, State
from labhelpers.model import FunctionVersion

IDLE_LIMIT_S = (
    420.0  # AWS does not say how long it keeps idle environments; minutes is what is seen. Lab time.
)
_FINISHING_PATIENCE_S = 0.1
_WAITS = 5
_MEMORY_PERIOD_S = 0.02
_IDLE_PERIOD_S = 15.0


@dataclass(slots=True)
class _Group:
    """The environments of one function version."""

    everyone: set[ExecutionEnvironment] = field(default_factory=set)
    free: list[ExecutionEnvironment] = field(default_factory=list)
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
        surroundings.spawner.on_lost = self._on_guardian_lost

    async def run(self, version: FunctionVersion, call: Call) -> None:
        """Give `call` to a free environment of `version`, or to a new one; the call's `answer` tells the outcome."""
        if self._closed:
            raise LabError("the lab was closed")
        group = self._groups[version.qualified_arn]
        if group.revision != version.revision:
            self._outdate(group, version.revision)
        environment = self._take_free(group)
        for _ in range(_WAITS):  # Whoever is woken may find that another call was quicker.
            if environment is not None or not self._is_worth_waiting(group):
                break
            await self._wait_for_free(group)
            environment = self._take_free(group)
        if environment is None:
            environment = ExecutionEnvironment(version, self._around, self._on_free, self._on_end)
            group.everyone.add(environment)
            self._keep(self._start(environment, environment.start(call), call))
        elif environment.state is State.RESET:
            self._keep(self._start(environment, environment.start_again(call), call))
        else:
            environment.run(call)
        self._work(environment)

    async def _start(
        self, environment: ExecutionEnvironment, start: Coroutine[Any, Any, None], call: Call
    ) -> None:
        try:
            await start
        except Exception as error:
            self._around.journal.failure(
                f"an execution environment did not start: {error!r}", environment.version.arn
            )
            if not call.answer.done():
                call.answer.set_exception(error)
            environment.end()
            raise

    def _take_free(self, group: _Group) -> ExecutionEnvironment | None:
        """The environment that was used last; one that must start its runtime again only if there is no other."""
        free = group.free
        for index in range(len(free) - 1, -1, -1):
            if free[index].can_take_call:
                return free.pop(index)
        for index in range(len(free) - 1, -1, -1):
            if free[index].state is State.RESET:
                return free.pop(index)
        return None

    def _is_worth_waiting(self, group: _Group) -> bool:
        finishing = [environment for environment in group.everyone if environment.is_finishing]
        return len(finishing) > len(group.waiting)

    async def _wait_for_free(self, group: _Group) -> None:
        """An answered call's environment asks for its next event in a moment; that is shorter than a cold start."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        group.waiting.append(waiter)
        patience = loop.call_later(_FINISHING_PATIENCE_S, _wake, waiter)
        try:
            await waiter
        finally:
            patience.cancel()
            if waiter in group.waiting:
                group.waiting.remove(waiter)

    def _on_guardian_lost(self) -> None:
        self._around.journal.failure(
            "the lab's guardian process was killed, and with it every function and database; it runs again"
        )

    def _work(self, environment: ExecutionEnvironment) -> None:
        self._busy.add(environment)
        if self._meter is None or self._meter.done():
            self._meter = self._keep(self._measure())
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = self._keep(self._sweep())

    def _on_free(self, environment: ExecutionEnvironment) -> None:
        self._busy.discard(environment)
        group = self._groups[environment.version.qualified_arn]
        if self._closed or environment.version.revision != group.revision:
            self._keep(environment.shut_down())
            return
        if environment not in group.free:
            group.free.append(environment)
        while group.waiting:
            if _wake(group.waiting.popleft()):
                break

    def _on_end(self, environment: ExecutionEnvironment) -> None:
        self._busy.discard(environment)
        arn = environment.version.qualified_arn
        group = self._groups[arn]
        group.everyone.discard(environment)
        if environment in group.free:
            group.free.remove(environment)

    def _outdate(self, group: _Group, revision: str) -> None:
        group.revision = revision
        free, group.free = group.free, []
        for environment in free:
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
        while self._busy:
            await asyncio.sleep(_MEMORY_PERIOD_S)
            for environment in list(self._busy):
                environment.check_memory()

    async def _sweep(self) -> None:
        """End environments that have been idle for long; ends when there are none."""
        while self.environments():
            await self._clock.sleep(_IDLE_PERIOD_S)
            limit = time.monotonic() - IDLE_LIMIT_S / self._clock.speed
            for group in self._groups.values():
                for environment in [e for e in group.free if e.free_since < limit]:
                    group.free.remove(environment)
                    self._keep(environment.shut_down())

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End every environment, orderly where it is idle. May be called twice."""
        self._closed = True
        for task in (self._meter, self._sweeper):
            if task is not None:
                task.cancel()
        await asyncio.gather(
            *(environment.shut_down() for environment in self.environments()), return_exceptions=True
        )
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _wake(waiter: asyncio.Future[None]) -> bool:
    """Wake who waits; False if it waits no more."""
    if waiter.done():
        return False
    waiter.set_result(None)
    return True
