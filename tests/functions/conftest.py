"""Labs for the tests of functions: in both modes, isolated (namespaces) and plain, on the loop that the cloud uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from tests.functions.function_lab import FunctionLab, function_lab


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run coroutines on uvloop, as the cloud does."""
    return {"uvloop": uvloop.new_event_loop}


async def _lab(isolated: bool) -> AsyncIterator[FunctionLab]:
    async with function_lab(isolated=isolated) as lab:
        if isolated and not lab.spawner.isolated:
            pytest.skip("no user namespaces on this machine")
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["isolated", "plain"])
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[FunctionLab]:
    """A lab for the whole module, once isolated and once plain."""
    async for made in _lab(request.param == "isolated"):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def isolated_lab() -> AsyncIterator[FunctionLab]:
    """An isolated lab for the whole module."""
    async for made in _lab(isolated=True):
        yield made
