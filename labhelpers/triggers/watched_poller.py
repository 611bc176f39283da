"""Pollers that stop while their function's execution role may not read their source, and go on when it may again.

Put between `mappings.MappingManager` and its pollers where IAM decides; AWS asks the role at each poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from labhelpers.errors import AwsError
from labhelpers.functions.event_queue import Tasks
from labhelpers.functions.event_source_mappings import EventSourceMapping, EventSourceMappings
from labhelpers.functions.execution_roles import Allows, missing
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.journal import Journal
from labhelpers.triggers.mappings import Poller


class RoleWatch:
    """Watches the roles of all mappings. `wrap` each poller; call `look` whenever policies or functions change."""

    def __init__(
        self, allows: Allows, registry: FunctionRegistry, mappings: EventSourceMappings, journal: Journal
    ) -> None:
        self._allows = allows
        self._registry = registry
        self._mappings = mappings
        self._journal = journal
        self._pollers: list[_WatchedPoller] = []
        self._tasks = Tasks(self._broken)

    def wrap(self, mapping: EventSourceMapping, poller: Poller) -> Poller:
        """The poller, which polls only while the role may."""
        watched = _WatchedPoller(mapping, poller, self._may_poll, self._pollers.remove)
        self._pollers.append(watched)
        return watched

    def look(self) -> None:
        """Something has changed: stop whoever may not poll any more, and let those go on who may again."""
        for poller in list(self._pollers):
            self._tasks.start(poller.look())

    async def close(self) -> None:
        """End what is under way here; the pollers are the manager's."""
        await self._tasks.close()

    def _may_poll(self, mapping: EventSourceMapping) -> bool:
        try:
            role = self._registry.resolve(mapping.function_arn).version.role
        except AwsError:
            return True  # There is no function: that is the manager's to tell.
        lacking = missing(self._allows, role, mapping.source_arn)
        if not lacking:
            return True
        self._mappings.note_result(mapping.uuid, "PROBLEM: Access denied by the function's execution role.")
        self._journal.failure(
            f"nothing is read from {mapping.source_arn} for {mapping.function_arn}: its role {role} lacks "
            f"{lacking}; a policy that allows it lets the reading go on",
            mapping.source_arn,
            uuid=mapping.uuid,
        )
        return False

    def _broken(self, error: BaseException) -> None:
        self._journal.failure(f"watching the role of an event source mapping failed: {error!r}")


class _WatchedPoller:
    def __init__(
        self,
        mapping: EventSourceMapping,
        poller: Poller,
        may_poll: Callable[[EventSourceMapping], bool],
        forget: Callable[[_WatchedPoller], object],
    ) -> None:
        self._mapping = mapping
        self._poller = poller
        self._may_poll = may_poll
        self._forget = forget
        self._wanted = False
        self._running = False
        self._lock = asyncio.Lock()

    def start(self) -> None:
        self._wanted = True
        if not self._running and self._may_poll(self._mapping):
            self._running = True
            self._poller.start()

    async def stop(self) -> None:
        self._wanted = False
        async with self._lock:
            await self._halt()

    def change(self, mapping: EventSourceMapping) -> None:
        self._mapping = mapping
        self._poller.change(mapping)

    async def close(self) -> None:
        self._wanted = self._running = False
        self._forget(self)
        await self._poller.close()

    async def look(self) -> None:
        """Ask the role again."""
        async with self._lock:
            if self._running and not self._may_poll(self._mapping):
                await self._halt()
            elif self._wanted and not self._running:
                self.start()

    async def _halt(self) -> None:
        if self._running:
            self._running = False
            await self._poller.stop()
