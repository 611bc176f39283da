"""HTTP and HTTPS on one port: the first byte of a connection tells which of them a client speaks.

Used by the front door around its HTTP server. 0x16 begins a TLS handshake (RFC 8446, 5.1) and no HTTP request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

_HANDSHAKE = 0x16
_PATIENCE_S = 10.0
# As long as the HTTP server keeps a connection that has nothing to ask.
_SILENCE_S = 75.0

Context = Callable[[], Awaitable[ssl.SSLContext]]


class Doorstep:
    """Makes the protocol of each new connection, for `create_server`; `server` gets those that have said something.

    `context` makes what TLS needs; without it there is none.
    """

    def __init__(self, server: web.Server, context: Context | None) -> None:
        self.server = server
        self.context = context
        self.waiting: set[Opening] = set()

    def __call__(self) -> Opening:
        return Opening(self)

    def close(self) -> None:
        """End the connections that nobody has taken yet."""
        for opening in tuple(self.waiting):
            opening.abort()


class Opening(asyncio.Protocol):
    """A connection before its first byte: then it becomes one of the HTTP server's, perhaps within TLS."""

    def __init__(self, doorstep: Doorstep) -> None:
        self._doorstep = doorstep
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._starting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; asyncio calls it."""
        self._transport = cast(asyncio.Transport, transport)
        self._doorstep.waiting.add(self)
        self._timer = asyncio.get_running_loop().call_later(_SILENCE_S, self.abort)

    def data_received(self, data: bytes) -> None:
        """The first bytes; asyncio calls it."""
        transport = self._transport
        assert transport is not None
        if data[0] == _HANDSHAKE and self._doorstep.context is not None:
            transport.pause_reading()
            start = self._start_tls(transport, self._doorstep.context, data)
            self._starting = asyncio.get_running_loop().create_task(start)
            return
        self._settle()
        http = self._doorstep.server()
        transport.set_protocol(http)
        http.connection_made(transport)
        http.data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It has gone without a word; asyncio calls it."""
        self._settle()

    def abort(self) -> None:
        """End it: it says nothing, or the lab ends."""
        self._settle()
        if self._transport is not None:
            self._transport.abort()

    def _settle(self) -> None:
        self._doorstep.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _start_tls(self, transport: asyncio.Transport, context: Context, first: bytes) -> None:
        try:
            secure, early = await _upgrade(transport, await context(), first)
        except (OSError, RuntimeError):  # The client does not trust us, speaks something else, or has gone.
            transport.abort()
            return
        finally:
            self._settle()
        http = self._doorstep.server()
        http.connection_made(secure)
        secure.set_protocol(http)
        if early:
            http.data_received(early)


class _Held(asyncio.Protocol):
    """Keeps what comes in before somebody takes it."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data


async def _upgrade(
    transport: asyncio.Transport, context: ssl.SSLContext, first: bytes
) -> tuple[asyncio.Transport, bytes]:
    """The transport within TLS, and what the client has sent through it already. OSError and SSLError if it fails."""
    loop = asyncio.get_running_loop()
    held = _Held()
    starting = loop.create_task(
        loop.start_tls(transport, held, context, server_side=True, ssl_handshake_timeout=_PATIENCE_S)
    )
    # Once round: the protocol of TLS is set. Twice: it knows its transport, and nothing has been read for it yet.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    protocol = transport.get_protocol()
    if isinstance(protocol, Opening):
        starting.cancel()
        raise ConnectionResetError("the client has gone")
    _feed(cast(asyncio.BufferedProtocol, protocol), first)
    secure = await starting
    if secure is None:
        raise ConnectionResetError("the client has gone")
    return secure, held.data


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Hand over what was read for it by somebody else."""
    left = memoryview(data)
    while left:
        buffer = memoryview(protocol.get_buffer(len(left))).cast("B")
        size = min(len(buffer), len(left))
        buffer[:size] = left[:size]
        protocol.buffer_updated(size)
        left = left[size:]
