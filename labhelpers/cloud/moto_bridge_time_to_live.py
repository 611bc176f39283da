"""DynamoDB's time to live: deletes expired items, which moto never does. Nothing runs before a table has asked for it.

AWS: deletes within a few days. Here: within a minute of the lab's clock.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import Any

from labhelpers.clock import Clock
from labhelpers.model import Account

EVERY_S = 60.0
_PAUSE_S = 1.0  # Of real time, when the lab's clock runs fast.
# AWS leaves alone what expired longer ago: it may not have been meant as a time.
_LONG_AGO_S = 5 * 365 * 86_400.0


class TimeToLive:
    """Looks for expired items once a minute, from the first `start` on."""

    def __init__(self, sweep: Callable[[], Awaitable[Any]], clock: Clock) -> None:
        self._sweep = sweep
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Some table has a time to live."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(EVERY_S)
            await self._sweep()
            await asyncio.sleep(_PAUSE_S)


def delete_expired(account: Account, now: float) -> None:
    """On moto's thread: delete the items of this account whose time is over. `now` is epoch seconds."""
    backends: Any = import_module("moto.dynamodb.models").dynamodb_backends
    for backend in list(backends[account.id].values()):
        for table in list(backend.tables.values()):
            if table.ttl.get("TimeToLiveStatus") == "ENABLED":
                for item in [i for i in _items(table) if _is_expired(i, table.ttl["AttributeName"], now)]:
                    table.delete_item(item.hash_key, item.range_key)


def _items(table: Any) -> Iterable[Any]:
    for found in list(table.items.values()):
        if table.has_range_key:
            yield from found.values()
        else:
            yield found


def _is_expired(item: Any, attribute: str, now: float) -> bool:
    value = item.attrs.get(attribute)
    if value is None or value.type != "N":
        return False
    try:
        at = float(Decimal(value.value))
    except InvalidOperation:
        return False
    return now - _LONG_AGO_S < at <= now
