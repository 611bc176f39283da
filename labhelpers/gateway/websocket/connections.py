"""All open connections of a lab, and the end of those that are idle or old, on the lab's clock.

`apis` adds connections and takes them out; @connections finds them here.
docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from labhelpers import limits
from labhelpers.clock import Clock
from labhelpers.gateway.websocket.connection import Connection
from labhelpers.gateway.websocket.frames import CloseCode

# AWS: an idle connection's `$disconnect` was recorded with 1001 and this text.
GOING_AWAY = "Going away"


class Connections:
    """Open connections by id. Event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Connection] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._open.values()))

    def add(self, connection: Connection) -> None:
        """A connection is open from now on."""
        self._open[connection.id] = connection
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    def remove(self, connection: Connection) -> None:
        """It is not any more. Twice does no harm."""
        self._open.pop(connection.id, None)

    def find(self, connection_id: str) -> Connection | None:
        """The open connection of that id."""
        return self._open.get(connection_id)

    def close_all(self, which: Callable[[Connection], bool]) -> None:
        """Close those connections: their API or stage is gone."""
        for connection in self:
            if which(connection):
                self.remove(connection)
                connection.close(CloseCode.GOING_AWAY, GOING_AWAY)

    async def _sweep(self) -> None:
        """Close what has been idle or open for too long; ends when nothing is open."""
        while self._open:
            # Later connections and activity only move deadlines back: nothing is due before this one.
            await self._clock.sleep_until(min(map(_deadline, self._open.values())))
            self.close_all(self._is_due)

    def _is_due(self, connection: Connection) -> bool:
        return _deadline(connection) <= self._clock.now()

    async def end(self) -> None:
        """The lab ends, and every connection with it."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in self:
            self.remove(connection)
            connection.abort()


def _deadline(connection: Connection) -> float:
    idle = connection.idle_since + limits.WEBSOCKET_IDLE_S_MAX
    return min(idle, connection.opened_at + limits.WEBSOCKET_CONNECTION_S_MAX)
