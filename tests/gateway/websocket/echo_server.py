"""A plain echo server made of our connections, with limits that suit a protocol test suite instead of AWS's."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator

from aiohttp import web

from labhelpers.gateway.data_plane import Visit
from labhelpers.gateway.websocket import handshake
from labhelpers.gateway.websocket.connection import Connection, Ending
from labhelpers.gateway.websocket.events import Client
from labhelpers.gateway.websocket.frames import Event, Limits, Message, message_frames
from labhelpers.gateway.websocket.takeover import TakenOver, take_over

LARGE = Limits(frame_bytes=64 * 1024 * 1024, message_bytes=64 * 1024 * 1024, binary=True)


class Echo(Connection):
    """Sends every message back as it came, binary ones too."""

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Message):
            self._write(message_frames(event.data, LARGE.frame_bytes, is_text=event.is_text))
        else:
            super()._on_event(event)


async def _ended(connection: Connection, ending: Ending) -> None:
    """Nobody asks how an echo ended."""


async def _handle(connection: Connection, data: bytes) -> None:
    """Never called: `Echo` answers at once."""


async def _serve(request: web.BaseRequest) -> web.StreamResponse:
    asked = await Visit("echo", "", "/", "", request).read("1")
    client = Client("1", "echo", "test", "", 0, asked, {})
    connection = Echo(client, now=time.time, handle=_handle, ended=_ended, frames=LARGE)
    taken = take_over(request)
    if taken is not None:
        connection.open(taken[0], handshake.acceptance(asked), taken[1])
    return TakenOver()


@contextlib.asynccontextmanager
async def echo_server(port: int = 0) -> AsyncIterator[int]:
    """A running echo server; gives its port."""
    server = web.Server(_serve)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", port)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await server.shutdown(1.0)


async def _forever() -> None:
    async with echo_server() as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_forever())
