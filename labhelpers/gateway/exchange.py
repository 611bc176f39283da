"""A request to an API and its answer, as all kinds of API see them, and how they come from and go to aiohttp.

Made by `data_plane` from what the front door accepted. Pure but for `read_request` and `respond`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import field
from urllib.parse import unquote_to_bytes

from aiohttp import web

from labhelpers import limits
from labhelpers.gateway.raw_response import RawResponse
from labhelpers.records import record

Pairs = tuple[tuple[str, str], ...]

# How long a client may take to send a body; AWS's figure is not published.
BODY_PATIENCE_S = 30.0

# RFC 9110, 7.6.1: these belong to one connection and are not passed on.
HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    "transfer-encoding upgrade".split()
)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class WholeRequest:
    """A request whose body came with its head: what the front door's own server makes beside aiohttp's requests.

    `pairs` are its headers in order: the same tuple for all requests whose heads are the same. `address` is where it
    came in. What is added by `after` is done when the client has its answer.
    """

    __slots__ = ("_after", "address", "body", "pairs")

    def __init__(self, body: bytes, pairs: Pairs, address: tuple[str, int] | None) -> None:
        self.body = body
        self.pairs = pairs
        self.address = address
        self._after: Callable[[], object] | None = None

    def after(self, work: Callable[[], object]) -> None:
        """Have `work` done when the answer is sent, before anything else of the loop."""
        assert self._after is None
        self._after = work

    def finish(self) -> None:
        """The answer is sent, or nobody is there to get it."""
        if self._after is not None:
            self._after()


class BodyTooLarge(Exception):
    """The client sent more than the gateway's 10 MB: 413."""


class HeadersTooLarge(Exception):
    """The request line and the headers' values are longer than the gateway's 10,240 bytes together: 431."""


class BodyTooSlow(Exception):
    """The client did not finish its body in time: 408."""


class BrokenBody(Exception):
    """The body ended before it was whole, or its framing is wrong: 400, or nobody is left to answer."""


@record
class GatewayRequest:
    """One request. `path` is what AWS's host would see: raw (undecoded), with the stage where the caller gave one.

    `query` is raw, without `?`. `headers` are as sent, in order, repeated where they were. `domain` is the authority
    that leads back to this API (`https://{domain}/{stage}`); `raw_path` is the path as it came, for signatures;
    `received_at` is real time in epoch seconds.
    """

    method: str
    path: str
    query: str
    headers: Pairs
    body: bytes
    source_ip: str
    domain: str
    request_id: str
    trace_id: str
    raw_path: str = ""
    received_at: float = field(default_factory=time.time)
    protocol: str = "HTTP/1.1"
    scheme: str = "http"

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name; None without one."""
        wanted = name.lower()
        return next((value for given, value in self.headers if given.lower() == wanted), None)

    def header_values(self, name: str) -> list[str]:
        """All values of a header, in order."""
        wanted = name.lower()
        return [value for given, value in self.headers if given.lower() == wanted]


@record
class GatewayAnswer:
    """What a client gets. Content-Length and Date are added on the way out; names and values are made safe there."""

    status: int
    headers: Pairs = ()
    body: bytes = b""


# --- Reading ---


async def read_body(request: web.BaseRequest, limit: int = limits.GATEWAY_PAYLOAD_BYTES_MAX) -> bytes:
    """The whole body. BodyTooLarge over `limit` bytes, BodyTooSlow after 30 s, BrokenBody if it does not come whole."""
    if isinstance(request, WholeRequest):
        return request.body  # It is smaller than one read of a connection.
    if not request.can_read_body:
        return b""
    length = request.content_length
    if length is not None and length > limit:
        raise BodyTooLarge
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        content = request.content
        first = await content.readany() if content.is_eof() else b""
        if first and content.at_eof():
            return first
        async with asyncio.timeout(BODY_PATIENCE_S):
            return await _read_rest(request, first, limit)
    except TimeoutError:
        raise BodyTooSlow from None
    except web.RequestPayloadError as error:
        raise BrokenBody from error


async def _read_rest(request: web.BaseRequest, first: bytes, limit: int) -> bytes:
    chunks, size = [first], len(first)
    while chunk := await request.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge
    return b"".join(chunks)


def decode(text: str) -> str:
    """Percent-decoding of a path's part; bytes that are no UTF-8 become U+FFFD."""
    if "%" not in text and text.isascii():
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def decode_query(text: str) -> str:
    """Percent-decoding of a query string's part, where `+` is a space."""
    return decode(text.replace("+", " "))


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Names and values of a raw query string, decoded, in order; `a` alone is an empty value."""
    if not query:
        return []
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(decode_query(name), decode_query(value)) for name, _, value in parts]


def multi(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All values of each name, in order."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def multi_headers(headers: Pairs) -> dict[str, list[str]]:
    """All values of each header; the name is spelt as it was first."""
    spelling: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(spelling.setdefault(name.lower(), name), []).append(value)
    return found


def joined_headers(headers: Pairs) -> dict[str, str]:
    """One value of each header: names in lower case, repeated ones joined by commas (payload 2.0's form)."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


# --- Answering ---


def is_safe_header(name: str, value: str) -> bool:
    """Whether a header may be sent: its name a token, its value without line ends and other control characters."""
    return _TOKEN.fullmatch(name) is not None and _UNSAFE_VALUE.search(value) is None


def without_hop_by_hop(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers that go on to the next hop: not those of the connection, nor those that `Connection` names."""
    kept = list(headers)
    named = {
        each.strip().lower()
        for name, value in kept
        if name.lower() == "connection"
        for each in value.split(",")
    }
    return [(name, value) for name, value in kept if name.lower() not in HOP_BY_HOP | named]


def json_answer(status: int, body: bytes, headers: Pairs = ()) -> GatewayAnswer:
    """An answer with a JSON body that is already written."""
    return GatewayAnswer(status, (("Content-Type", "application/json"), *headers), body)


def message_answer(status: int, message: str, headers: Pairs = ()) -> GatewayAnswer:
    """`{"message":"..."}`, as the gateway words its own refusals. `message` is one of the gateway's own texts."""
    return json_answer(status, b'{"message":"%s"}' % message.encode(), headers)


def respond(answer: GatewayAnswer, more: Pairs = (), *, head: bool = False) -> web.StreamResponse:
    """The answer on its way out, with `more` headers. With `head` the body is left out and its length stays."""
    return RawResponse(answer.status, answer.headers + more, answer.body, head=head)
