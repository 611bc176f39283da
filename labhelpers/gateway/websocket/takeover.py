"""Takes a client's transport away from aiohttp's HTTP protocol, which then is gone, with its memory."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter


class TakenOver(web.StreamResponse):
    """The answer of a handler whose connection is somebody else's now: nothing is left to write."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing."""
        return None

    @property
    def prepared(self) -> bool:
        return True

    async def write_eof(self, data: Any = b"") -> None:
        """Nothing."""


def take_over(request: web.BaseRequest) -> tuple[asyncio.Transport, bytes] | None:
    """The transport of an upgrade request, and what the client has sent since; None when the client has gone.

    The caller sets its own protocol on the transport before it awaits anything, and returns `TakenOver`.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        return None
    http = request.protocol
    early = bytes(getattr(http, "_message_tail", b""))
    http.transport = None  # Or it would close it.
    http.connection_lost(None)
    return transport, early
