"""The ids that a gateway gives each request: request ids, extended ones, and the roots of traces."""

from __future__ import annotations

import os
import time
from binascii import b2a_base64, hexlify

_STORE_BYTES = 4096
_store = b""
_used = 0


def _random(count: int) -> bytes:
    """Random bytes of the operating system, fetched many at a time. Event loop only."""
    global _store, _used
    if _used + count > len(_store):
        _store, _used = os.urandom(_STORE_BYTES), 0
    _used += count
    return _store[_used - count : _used]


def request_id() -> str:
    """A request id as REST APIs have it: a random UUID."""
    text = hexlify(_random(16)).decode()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def extended_request_id() -> str:
    """An id as HTTP APIs' requests, extended request ids and WebSocket connections have it: 15 letters and `=`."""
    return b2a_base64(_random(11), newline=False).decode().replace("+", "-").replace("/", "_")


def trace_root() -> str:
    """A trace that begins here, as the gateway hands it on in X-Amzn-Trace-Id: `Root=1-{seconds}-{96 bits}`."""
    return f"Root=1-{int(time.time()):08x}-{hexlify(_random(12)).decode()}"
