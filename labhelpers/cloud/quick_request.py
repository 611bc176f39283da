"""A whole small request, read without aiohttp's machinery: the hottest calls of the cloud come in one piece.

Rules: a request that is in any way unusual (split, chunked, with Expect or Upgrade, with odd characters or lengths) is
none, and takes aiohttp's way. The front door treats both alike.
"""

from __future__ import annotations

import asyncio
import re

from aiohttp import HttpVersion, HttpVersion11, web
from multidict import CIMultiDict, CIMultiDictProxy

from labhelpers.gateway.exchange import Pairs, WholeRequest
from labhelpers.gateway.raw_response import RawResponse

# Lambda's Invoke and requests to APIs: what everything in a lab makes most.
STARTS = (
    b"POST /2015-03-31/functions/",
    *(
        b"%s /_aws/%s/" % (method, kind)
        for method in b"GET POST PUT PATCH DELETE HEAD OPTIONS".split()
        for kind in (b"execute-api", b"lambda-url")
    ),
)
_UNUSUAL = (b"\ntransfer-", b"\nexpect", b"\nupgrade", b"\nproxy-connection", b"\nsec-websocket-key1")
_ONCE = frozenset(
    "content-location content-range content-type etag host max-forwards server user-agent".split()
)
_LONG_HEAD_BYTES = 32_768  # aiohttp's limits, of a header and of their number, are beyond these two.
_MANY_HEADERS = 100
_LENGTH = re.compile("0|[1-9][0-9]{0,9}")

# What clients with a kept connection send again and again: heads that were read, by their bytes.
_HEADS_MAX = 512
_HEAD_BYTES_MAX = 2048
_heads: dict[bytes, Head] = {}


class Head:
    """A request's line and headers. `length` is its Content-Length, None without one; `pairs` all headers in order."""

    __slots__ = ("headers", "length", "method", "pairs", "target")

    def __init__(self, method: str, target: str, pairs: Pairs, length: int | None) -> None:
        self.method = method
        self.target = target
        self.pairs = pairs
        self.headers = CIMultiDictProxy(CIMultiDict(pairs))
        self.length = length


class Wire:
    """A client's connection, and what is always the same about it: asking the transport each time costs more."""

    __slots__ = ("address", "remote", "secure", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        self.transport = transport
        self.remote = str(peer[0]) if peer else "127.0.0.1"
        self.secure = transport.get_extra_info("sslcontext") is not None
        self.address: tuple[str, int] | None = transport.get_extra_info("sockname")


class QuickRequest(WholeRequest):
    """What the front door and the gateways ask of an aiohttp request. `body` is whole."""

    __slots__ = ("_wire", "headers", "method", "raw_path", "remote", "secure")

    version: HttpVersion = HttpVersion11
    keep_alive = True

    def __init__(self, head: Head, body: bytes, wire: Wire) -> None:
        super().__init__(body, head.pairs, wire.address)
        self.method = head.method
        self.raw_path = head.target
        self.headers = head.headers
        self.remote = wire.remote
        self.secure = wire.secure  # Whether it came by TLS.
        self._wire = wire

    @property
    def can_read_body(self) -> bool:
        """Whether it has a body."""
        return bool(self.body)

    async def read(self) -> bytes:
        """The body."""
        return self.body

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection; None when the client has gone."""
        transport = self._wire.transport
        return None if transport.is_closing() else transport


def read_request(data: bytes, wire: Wire) -> QuickRequest | None:
    """The request that `data` is exactly; None if it is not one whole plain request."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = _heads.get(data[:end]) or _read_head(data[:end])
    if head is None:
        return None
    body = data[end + 4 :]
    if len(body) != (head.length or 0):
        return None
    return QuickRequest(head, body, wire)


def _read_head(data: bytes) -> Head | None:
    lower = data.lower()
    if len(data) > _LONG_HEAD_BYTES or any(word in lower for word in _UNUSUAL):
        return None
    start, *lines = data.decode("utf-8", "surrogateescape").split("\r\n")
    method, _, rest = start.partition(" ")
    target, _, version = rest.partition(" ")
    if version != "HTTP/1.1" or not target.isascii() or not target.isprintable() or "#" in target:
        return None
    pairs = []
    length = None
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _is_plain(name) or not value.isprintable():
            return None
        value = value.strip(" ")
        pairs.append((name, value))
        lower_name = name.lower()
        if lower_name == "connection" and value.lower() != "keep-alive":
            return None
        if lower_name == "content-length":
            if length is not None or not _LENGTH.fullmatch(value):
                return None
            length = int(value)
    if len(pairs) > _MANY_HEADERS or _is_repeated(pairs):
        return None
    made = Head(method, target, tuple(pairs), length)
    if len(data) <= _HEAD_BYTES_MAX and b"\nauthorization:" not in lower:  # A signature comes but once.
        if len(_heads) >= _HEADS_MAX:
            _heads.clear()
        _heads[data] = made
    return made


def _is_plain(name: str) -> bool:
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum()


def _is_repeated(pairs: list[tuple[str, str]]) -> bool:
    """Whether there are two of a header of which there can be only one."""
    once = [lower for name, _ in pairs if (lower := name.lower()) in _ONCE]
    return len(once) != len(set(once))


def answer_bytes(response: web.StreamResponse, request: QuickRequest) -> bytes:
    """The whole answer to a quick request, as it goes over the connection."""
    if not isinstance(response, RawResponse):
        assert isinstance(response, web.Response)
        body = response.body if isinstance(response.body, bytes) else b""
        whole = RawResponse(response.status, tuple(response.headers.items()), body)
        if response.keep_alive is False:
            whole.force_close()
        return whole.as_bytes(request)
    return response.as_bytes(request)
