"""The manager of mappings: one poller for each, which follows every change, and states that can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from labhelpers.errors import RESOURCE_NOT_FOUND, AwsError
from labhelpers.functions.event_source_mappings import (
    EventSourceMapping,
    EventSourceMappings,
    State,
)
from labhelpers.journal import Journal
from labhelpers.model import Account
from labhelpers.triggers.mappings import MappingManager
from tests.fakes import FakeRegistry, function_arn, until

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"


@dataclass
class FakePoller:
    """Writes down what it is told; `hold` keeps it from stopping."""

    mapping: EventSourceMapping
    told: list[str] = field(default_factory=list)
    hold: asyncio.Event | None = None

    def start(self) -> None:
        self.told.append("start")

    async def stop(self) -> None:
        if self.hold is not None:
            await self.hold.wait()
        self.told.append("stop")

    def change(self, mapping: EventSourceMapping) -> None:
        self.mapping = mapping
        self.told.append("change")

    async def close(self) -> None:
        self.told.append("close")


class World:
    """A store of mappings with a manager whose pollers are fake."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.mappings = EventSourceMappings(Account(), self.journal, lambda: 7.0)
        self.registry = FakeRegistry("f", "g")
        self.manager = MappingManager(self.mappings, self.registry, self.journal)  # type: ignore[arg-type]
        self.pollers: list[FakePoller] = []
        self.manager.factories["sqs"] = self._make

    def _make(self, mapping: EventSourceMapping) -> FakePoller:
        self.pollers.append(FakePoller(mapping))
        return self.pollers[-1]

    def add(self, *, enabled: bool = True) -> FakePoller:
        state = State.CREATING if enabled else State.DISABLED
        self.mappings.add(EventSourceMapping("u", QUEUE, function_arn("f"), state, enabled, 0.0, 10))
        return self.pollers[-1]

    async def reaches(self, state: State) -> None:
        await until(lambda: self.mappings.get("u").state is state)

    def update(self, state: State, **changes: Any) -> None:
        self.mappings.change(replace(self.mappings.get("u"), state=state, **changes))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """No mappings yet."""
    made = World()
    yield made
    await made.manager.close()


async def test_new_mapping_polls_at_once_and_becomes_enabled(world: World) -> None:
    """It is Creating for a moment, but does not wait for that."""
    poller = world.add()
    assert poller.told == ["start"]
    assert world.mappings.get("u").state is State.CREATING
    await world.reaches(State.ENABLED)


async def test_disabled_mapping_does_not_poll_until_it_is_enabled(world: World) -> None:
    """Through Enabling, with the mapping as it is then."""
    poller = world.add(enabled=False)
    world.update(State.ENABLING, enabled=True, batch_size=3)
    await world.reaches(State.ENABLED)
    assert poller.told == ["stop", "change", "start"]
    assert poller.mapping.batch_size == 3


async def test_disabling_lasts_until_what_is_under_way_is_done(world: World) -> None:
    """The poller takes nothing new meanwhile."""
    poller = world.add()
    await world.reaches(State.ENABLED)
    poller.hold = asyncio.Event()
    world.update(State.DISABLING, enabled=False)
    await asyncio.sleep(0.1)
    assert world.mappings.get("u").state is State.DISABLING
    poller.hold.set()
    await world.reaches(State.DISABLED)
    assert poller.told == ["start", "stop", "change"]


async def test_updated_mapping_goes_on_with_the_same_poller(world: World) -> None:
    """So that it keeps its place in its source."""
    poller = world.add()
    await world.reaches(State.ENABLED)
    world.update(State.UPDATING, window_s=5)
    await world.reaches(State.ENABLED)
    assert world.pollers == [poller]
    assert poller.told == ["start", "stop", "change", "start"]
    assert world.mappings.get("u").modified == 7.0


async def test_deleted_mapping_is_gone_after_its_poller(world: World) -> None:
    """Then nobody knows its UUID any more."""
    poller = world.add()
    await world.reaches(State.ENABLED)
    world.update(State.DELETING)
    await until(lambda: world.mappings.find("u") is None)
    assert poller.told[-2:] == ["change", "close"]
    with pytest.raises(AwsError, match=RESOURCE_NOT_FOUND):
        world.mappings.get("u")


async def test_mapping_of_a_deleted_function_becomes_disabled(world: World) -> None:
    """The registry's change is enough; nothing has to arrive first."""
    poller = world.add()
    await world.reaches(State.ENABLED)
    world.manager.function_changed(function_arn("f"))
    assert world.mappings.get("u").enabled
    world.registry.delete("f")
    world.manager.function_changed(function_arn("f"))
    await until(lambda: "stop" in poller.told)
    mapping = world.mappings.get("u")
    assert (mapping.state, mapping.enabled) == (State.DISABLED, False)
    assert mapping.last_result == f"PROBLEM: Function not found: {function_arn('f')}"
    (entry,) = world.journal.since(kind="failure")
    assert entry.resource == QUEUE


async def test_closing_ends_every_poller() -> None:
    """Also those in the middle of a change."""
    world = World()
    poller = world.add()
    await world.manager.close()
    assert poller.told[-1] == "close"


async def test_mapping_that_has_lost_its_source_says_so_and_how_it_goes_on(world: World) -> None:
    """A batch that was under way then does not hide the problem; after the mapping is enabled again one does."""
    world.add()
    await world.reaches(State.ENABLED)
    world.mappings.fail("u", "the queue is gone")
    world.mappings.note_result("u", "OK")
    assert world.mappings.get("u").last_result == "PROBLEM: the queue is gone"
    (told,) = world.journal.since(kind="failure")
    assert "update_event_source_mapping(UUID='u', Enabled=True)" in told.detail["message"]
    world.update(State.ENABLING, enabled=True)
    await world.reaches(State.ENABLED)
    world.mappings.note_result("u", "OK")
    assert world.mappings.get("u").last_result == "OK"
