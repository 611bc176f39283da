"""What the tests of stream pollers share."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fakes import settle
from tests.triggers.stream_world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world whose pollers are closed at the end, with nothing left running."""
    made = World()
    yield made
    for poller in made.made:
        await poller.close()
    await settle()
    assert not [task for task in asyncio.all_tasks() if "Lane" in repr(task)]
