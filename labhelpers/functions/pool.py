"""All execution environments of a lab: reused while they fit, started as load asks, ended when idle or outdated.

`invoke` asks for an environment for a call; environments tell when they are idle or have ended; `provisioned` has some
started before any call.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any

from labhelpers.clock import Clock
from labhelpers.errors import LabError
from labhelpers.functions.call import Call, Surroundings
from labhelpers.functions.environment import ExecutionEnvironment, State
from labhelpers.functions.outcomes import InitFailure
from labhelpers.functions.scaling import ScalingRate, Starts
from labhelpers.model import FunctionVersion

IDLE_LIMIT_S = (
    420.0  # AWS does not say how long it keeps idle environments; minutes is what is seen. Lab time.
)
_FINISHING_PATIENCE_S = 0.1
_WAITS = 5
_MEMORY_PERIOD_S = 0.02
_LOOK_AT_ALL = 5
_IDLE_PERIOD_S = 15.0


class ScalingLimit(Exception):
    """A function has got as many new environments as it may have for now."""


@dataclass(slots=True)
class _Group:
    """The environments of one function version; `provisioned` is how many of them it has without being called."""

    everyone: set[ExecutionEnvironment] = field(default_factory=set)
    free: list[ExecutionEnvironment] = field(default_factory=list)
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    revision: str = ""
    provisioned: int = 0


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
        self._starts = Starts()
        self._scaling = ScalingRate(time.monotonic)
        self.on_provisioned_end: Callable[[str], None] = lambda function_arn: None
        self.on_warm: Callable[[FunctionVersion, InitFailure | None], None] = lambda version, failure: None
        surroundings.spawner.on_lost = self._on_guardian_lost

    def take(self, version: FunctionVersion, call: Call) -> bool:
        """Give `call` to an environment that is free now; False if that takes more than a look."""
        group = self._groups[version.qualified_arn]
        if self._closed or group.provisioned or group.revision != version.revision:
            return False
        if not group.free or not group.free[-1].can_take_call:
            return False
        environment = group.free.pop()
        environment.run(call)
        self._work(environment)
        return True

    async def run(self, version: FunctionVersion, call: Call) -> None:
        """Give `call` to a free environment of `version`, or to a new one; the call's `answer` tells the outcome.

        ScalingLimit when it would need a new one and the function may have none now.
        """
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
            environment = await self._free_or_place(group, version.arn)
        if group.provisioned:
            self._count_provisioned(group, environment, call, version.version)
        if environment is None:
            place = self._starts.holder()
            environment = ExecutionEnvironment(version, self._around, self._on_free, self._on_end)
            group.everyone.add(environment)
            self._keep(self._start(environment, environment.start(call), call, place))
        elif environment.state is State.RESET:
            self._keep(self._start(environment, environment.start_again(call), call))
        else:
            environment.run(call)
        self._work(environment)

    async def _start(
        self,
        environment: ExecutionEnvironment,
        start: Coroutine[Any, Any, None],
        call: Call,
        place: Callable[[], None] = lambda: None,
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
        finally:
            place()

    async def _free_or_place(self, group: _Group, function_arn: str) -> ExecutionEnvironment | None:
        """The environment that is freed before there is a place to start another, or None with such a place taken.

        AWS too gives a call that waits for a new environment to one that is freed before that has begun to start.
        """
        while not self._starts.take():
            waiter = self._starts.waiter()
            group.waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():  # It was this call's turn: it is the next one's.
                    self._wake_next(group)
                raise
            finally:
                if waiter in group.waiting:
                    group.waiting.remove(waiter)
            if self._closed:
                raise LabError("the lab was closed")
            if (environment := self._take_free(group)) is not None:
                self._starts.wake()
                return environment
        if not self._scaling.allows(function_arn):
            self._starts.give_back()
            raise ScalingLimit(function_arn)
        return None

    def _wake_next(self, group: _Group) -> None:
        while group.free and group.waiting:
            if _wake(group.waiting.popleft()):
                break
        self._starts.wake()

    def _take_free(self, group: _Group) -> ExecutionEnvironment | None:
        """The environment that was used last; one that must start its runtime again only if there is no other."""
        free = group.free
        if group.provisioned:
            for index in range(len(free) - 1, -1, -1):
                if free[index].is_provisioned and free[index].can_take_call:
                    return free.pop(index)
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
        if environment.is_provisioned and not self._still_provisioned(group, environment):
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
        if environment.is_provisioned and not self._closed:
            self.on_provisioned_end(environment.version.arn)

    # --- Provisioned concurrency ---

    def provision(self, version: FunctionVersion, count: int) -> None:
        """Have `count` environments of `version` that wait for calls: start those that are missing, end others.

        `on_warm` hears of each start, with the reason if it failed; `on_provisioned_end` of each end.
        """
        group = self._groups[version.qualified_arn]
        if group.revision != version.revision:
            self._outdate(group, version.revision)
        group.provisioned = count
        there = len(self.provisioned(version))
        for environment in [found for found in group.free if found.is_provisioned][: max(0, there - count)]:
            group.free.remove(environment)
            self._keep(environment.shut_down())
        for _ in range(count - there):
            environment = ExecutionEnvironment(
                version, self._around, self._on_free, self._on_end, is_provisioned=True
            )
            group.everyone.add(environment)
            self._keep(self._warm(environment))

    def provisioned(self, version: FunctionVersion) -> list[ExecutionEnvironment]:
        """The provisioned environments of this version that have not ended, those that are in INIT too."""
        everyone = self._groups[version.qualified_arn].everyone
        return [
            found for found in everyone if found.is_provisioned and found.version.revision == version.revision
        ]

    async def _warm(self, environment: ExecutionEnvironment) -> None:
        while not self._starts.take():
            await self._starts.waiter()
        place = self._starts.holder()
        try:
            failure = await environment.warm()
            if environment.state is not State.ENDED:
                self.on_warm(environment.version, failure)
        except Exception as error:
            what = f"an execution environment did not start: {error!r}"
            self._around.journal.failure(what, environment.version.arn)
            raise
        finally:
            place()
            if environment.state is State.INIT:
                environment.end()

    def provisioned_busy(self, *, unreserved: bool = False) -> int:
        """How many calls run in provisioned environments; perhaps only of functions without reserved concurrency."""
        return sum(
            environment.is_provisioned
            and not (unreserved and environment.version.reserved_concurrency is not None)
            for environment in self._busy
        )

    def _still_provisioned(self, group: _Group, environment: ExecutionEnvironment) -> bool:
        """AWS ends one that crashed, and starts another in its place; here as well one that there is no need for."""
        if environment.state is State.RESET:
            return False
        return len(self.provisioned(environment.version)) <= group.provisioned

    def _count_provisioned(
        self, group: _Group, environment: ExecutionEnvironment | None, call: Call, version: str
    ) -> None:
        there = [found for found in group.everyone if found.is_provisioned and found.state is not State.INIT]
        used = environment is not None and environment.is_provisioned
        busy = sum(found in self._busy for found in there) + used
        self._around.metrics.provisioned(call.arn, version, used=used, busy=busy, allocated=len(there))

    # --- Changes and time ---

    def _outdate(self, group: _Group, revision: str) -> None:
        group.revision = revision
        free, group.free = group.free, []
        for environment in free:
            self._keep(environment.shut_down())

    def retire(self, function_arn: str, still: Collection[str] = ()) -> None:
        """The function has changed or gone: its idle environments end now, busy ones after their call.

        Not those of versions whose revision is `still` what it was.
        """
        for arn, group in self._groups.items():
            if (arn == function_arn or arn.startswith(function_arn + ":")) and group.revision not in still:
                self._outdate(group, "")
                group.provisioned = 0

    def environments(self) -> list[ExecutionEnvironment]:
        """Every environment that has not ended."""
        return [environment for group in self._groups.values() for environment in group.everyone]

    async def _measure(self) -> None:
        """Watch the memory and the CPU time of busy environments; ends when none is busy.

        A call that is new since the last look is mostly over by the next one: it is looked at now and then only.
        """
        looks = 0
        while self._busy:
            await asyncio.sleep(_MEMORY_PERIOD_S)
            looks += 1
            for environment in list(self._busy):
                if environment.busy_s >= _MEMORY_PERIOD_S or looks % _LOOK_AT_ALL == 0:
                    environment.check()

    async def _sweep(self) -> None:
        """End environments that have been idle for long; ends when there are none."""
        while self.environments():
            await self._clock.sleep(_IDLE_PERIOD_S)
            limit = time.monotonic() - IDLE_LIMIT_S / self._clock.speed
            for group in self._groups.values():
                for environment in [e for e in group.free if e.free_since < limit and not e.is_provisioned]:
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
        self._starts.close()
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
