"""An answer written to the connection in one piece: what aiohttp's Response does, at a third of its cost.

Made by `exchange.respond`; the front door's server sends it. Rules: Content-Length and Date are ours, a body goes with
neither HEAD nor 204, 205 and 304, and nothing in a header can end its line.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import HttpVersion, web
from aiohttp.abc import AbstractStreamWriter

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_NO_BODY = frozenset({204, 205, 304})
_OURS = frozenset({"content-length", "connection", "transfer-encoding", "keep-alive", "date", "upgrade"})
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_date_second = 0
_date_line = b""


class RequestHead(Protocol):
    """What of a request decides how its answer is framed."""

    @property
    def version(self) -> HttpVersion: ...
    @property
    def keep_alive(self) -> bool: ...


class RawResponse(web.StreamResponse):
    """Status, headers and a whole body. `head` leaves the body out but not its length."""

    def __init__(
        self, status: int, headers: tuple[tuple[str, str], ...], body: bytes, *, head: bool = False
    ) -> None:
        self._status = status  # The rest of aiohttp's own is made when aiohttp is to send it.
        self._pairs = headers
        self._raw_body = body
        self._head = head
        self._request: web.BaseRequest | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Remember whom to answer; all is written at once, by `write_eof`."""
        super().__init__(status=self._status)
        self._request = request
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        return None

    @property
    def prepared(self) -> bool:
        return self._request is not None

    async def write_eof(self, data: Any = b"") -> None:
        """Send head and body. ConnectionError when the client has gone."""
        request = self._request
        transport = request.transport if request is not None else None
        if request is None or transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(self._head_bytes(request) + self._sent_body())
        await request.writer.drain()

    def as_bytes(self, request: RequestHead) -> bytes:
        """Head and body for a request that is answered without `prepare`."""
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        return self._head_bytes(request) + self._sent_body()

    def _sent_body(self) -> bytes:
        return b"" if self._head or self._status in _NO_BODY else self._raw_body

    def _length(self) -> int:
        """The body's length; of an answer to HEAD that of a body which stayed with a backend, if it names one."""
        if self._status == 205:
            return 0
        if self._head and not self._raw_body:
            named = [value for name, value in self._pairs if name.lower() == "content-length"]
            if len(named) == 1 and named[0].isascii() and named[0].isdigit():
                return int(named[0])
        return len(self._raw_body)

    def _head_bytes(self, request: RequestHead) -> bytes:
        status = self._status
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"]
        for name, value in self._pairs:
            if _is_sent(name):
                if not (value.isascii() and value.isprintable()):
                    value = _CONTROL.sub(" ", value)  # noqa: PLW2901 - what may be sent of it
                lines.append(f"{name}: {value}\r\n")
        if status not in (204, 304):
            lines.append(f"Content-Length: {self._length()}\r\n")
        if not self._keep_alive:
            lines.append("Connection: close\r\n")
        elif request.version < (1, 1):
            lines.append("Connection: keep-alive\r\n")
        return _encoded("".join(lines)) + date_line() + b"\r\n"


@lru_cache(maxsize=1024)
def _is_sent(name: str) -> bool:
    """Whether a header of this name goes out: a well-formed one that is not ours to write."""
    return name.lower() not in _OURS and _NAME.fullmatch(name) is not None


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # A backend's bytes go on as they came.
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def date_line() -> bytes:
    """The Date header of this second."""
    global _date_second, _date_line
    second = int(time.time())
    if second != _date_second:
        _date_second = second
        _date_line = time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime(second)).encode()
    return _date_line
