"""Runs one poller for each event source mapping, and has it follow every change at once.

How a kind of source joins in: `manager.factories["kinesis"] = factory`, where `factory(mapping)` makes a `Poller`
that reads nothing yet, and `mappings.source_checks["kinesis"] = check`, which refuses sources that do not exist.
A poller lives as long as its mapping, so it keeps its own place in the stream; the manager calls
- `start()` when the mapping is enabled, perhaps again after `stop()`; it returns at once, the work is in tasks;
- `await stop()` on disable, update and delete: take nothing new, return when what is under way is done;
- `change(mapping)` between `stop()` and `start()`: the mapping as it is from now on;
- `await close()` at the end: after it no task is left, whatever was under way is cancelled.
A poller tells what came of a batch by `mappings.note_result(uuid, "OK" or "PROBLEM: ...")`, and calls `mappings.fail`
when its source or its function is gone. Calls go through `Invoker.invoke`, with `source_arn` the mapping's source.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from labhelpers.errors import AwsError
from labhelpers.functions.event_queue import Tasks
from labhelpers.functions.event_source_mappings import EventSourceMapping, EventSourceMappings, State
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.journal import Journal

# AWS: a change takes seconds to a minute. Here: it works at once, and its state can be seen for a moment.
VISIBLE_S = 0.05


class Poller(Protocol):
    """Reads one source for one mapping; see above."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    def change(self, mapping: EventSourceMapping) -> None: ...

    async def close(self) -> None: ...


PollerFactory = Callable[[EventSourceMapping], Poller]


class MappingManager:
    """The pollers of all mappings. `factories` has one for each service: "sqs", "kinesis", "dynamodb"."""

    def __init__(self, mappings: EventSourceMappings, registry: FunctionRegistry, journal: Journal) -> None:
        self.factories: dict[str, PollerFactory] = {}
        self.wrap: Callable[[EventSourceMapping, Poller], Poller] = lambda _, poller: poller
        self._mappings = mappings
        self._registry = registry
        self._journal = journal
        self._pollers: dict[str, Poller] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks = Tasks(self._broken)
        mappings.on_change.append(self._changed)

    async def close(self) -> None:
        """End all pollers."""
        await self._tasks.close()
        pollers, self._pollers = list(self._pollers.values()), {}
        await asyncio.gather(*(poller.close() for poller in pollers))

    def function_changed(self, arn: str) -> None:
        """A listener of the registry: mappings of what is gone become disabled."""
        for mapping in self._mappings:
            if mapping.enabled and not self._exists(mapping.function_arn):
                self._mappings.fail(mapping.uuid, f"Function not found: {mapping.function_arn}")

    def _exists(self, function_arn: str) -> bool:
        try:
            self._registry.resolve(function_arn)
        except AwsError:
            return False
        return True

    def _changed(self, before: EventSourceMapping | None, after: EventSourceMapping | None) -> None:
        if after is None:
            return
        if before is None:  # `source_checks` has let only services in that have a factory.
            poller = self.wrap(after, self.factories[after.service](after))
            self._pollers[after.uuid] = poller
            self._locks[after.uuid] = asyncio.Lock()
            if after.enabled:
                poller.start()
        self._tasks.start(self._follow(before, after))

    async def _follow(self, before: EventSourceMapping | None, mapping: EventSourceMapping) -> None:
        uuid = mapping.uuid
        async with self._locks[uuid]:
            poller = self._pollers[uuid]
            if before is not None:
                await poller.stop()
                poller.change(mapping)
                if mapping.enabled and mapping.state is not State.DELETING:
                    poller.start()
            if mapping.state is State.DISABLED:  # It failed, and shows that already.
                return
            await asyncio.sleep(VISIBLE_S)
            if mapping.state is State.DELETING:
                await poller.close()
                del self._pollers[uuid]
                self._mappings.remove(uuid)
            else:
                self._mappings.settle(uuid, State.ENABLED if mapping.enabled else State.DISABLED)
        if mapping.state is State.DELETING:
            self._locks.pop(uuid, None)

    def _broken(self, error: BaseException) -> None:
        self._journal.failure(f"an event source mapping failed in the lab itself: {error!r}")
