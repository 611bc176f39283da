"""The Lambda Runtime API: the HTTP server that a runtime in an execution environment talks to.

One listener per environment, as on AWS, so the runtime needs no other identity than its address. The environment
implements `RuntimeApiHandler`; this module only speaks HTTP, and as little of it as a runtime needs. A result and the
request for the next event may come in one piece: then the answer to the first leaves together with the next event.
Our own client reaches the same listener, on Linux, by a Unix socket, which wakes a process sooner than TCP does.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from labhelpers import limits

PREFIX = "/2018-06-01/runtime/"
_NEXT = PREFIX + "invocation/next"
_ACCEPTED = b'{"status":"OK"}\n'
_REASONS = {
    200: b"OK",
    202: b"Accepted",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    413: b"Request Entity Too Large",
}
BODY_LIMIT = limits.SYNC_RESPONSE_BYTES_MAX + 1024  # Room to notice that a body is larger.
HEAD_LIMIT = 2 * 1024 * 1024  # The client sends the causes of an error in a header of up to 1 MB.


_RESULT = b"POST " + PREFIX.encode() + b"invocation/"
_RESULT_END = b"/response HTTP/1.1"
_NEXT_START = f"GET {_NEXT} HTTP/1.1\r\n".encode()
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """An answer that says no: AWS's error type and message for the runtime."""

    status: int
    error_type: str
    message: str


def transition_refused(state: str, target: str) -> Refusal:
    """The refusal of a request that has no place in the runtime's `state`, in the words of AWS's emulator.

    https://github.com/aws/aws-lambda-runtime-interface-emulator
    """
    text = f"State transition from {state} to {target} failed for runtime. Error: State transition is not allowed"
    return Refusal(403, "InvalidStateTransition", text)


class RuntimeApiHandler(Protocol):
    """What the environment does with a runtime's requests; each may raise `Refusal`."""

    def on_next(self, connection: Connection) -> None: ...
    def on_response(self, request_id: str, body: bytes, content_type: str, too_large: bool) -> None: ...
    def on_error(self, request_id: str, body: bytes, error_type: str, too_large: bool) -> None: ...
    def on_init_error(self, body: bytes, error_type: str) -> None: ...


class Connection(asyncio.Protocol):
    """One connection of a runtime."""

    def __init__(self, handler: RuntimeApiHandler) -> None:
        self._handler = handler
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._head_size = 0
        self._keep_alive = True
        self._owed = b""  # The answer to a result that goes out with the next event, or by itself.
        self._asks_next = False  # The request for the next event came in one piece with the result.
        self._loop = asyncio.get_running_loop()
        self._has_refused = (
            False  # In the data at hand: what was sent in one piece with a refused result is not heard.
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by type

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def data_received(self, data: bytes) -> None:
        if self._head_size == 0 and self._take_result(data):
            return
        if self._head_size >= 0:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse()
            return
        self._has_refused = False
        if self._owed and not self._asks_next:
            self._loop.call_soon(self._pay)
        if self._head_size > HEAD_LIMIT:
            self._refuse()

    def _take_result(self, data: bytes) -> bool:
        """Do what comes with every call, if `data` is that and nothing else: our client's result, whole."""
        found = read_result(data)
        if found is None:
            return False
        request_id, content_type, body, asks_next = found
        try:
            self._handler.on_response(request_id, body, content_type, False)
        except Refusal as no:
            self._answer_refusal(no)
            if asks_next:
                self.close()
            return True
        self._owed = _ACCEPTED_ANSWER
        if asks_next:
            self._asks_next = True
            self._loop.call_soon(self._ask_next)
        else:
            self._loop.call_soon(self._pay)
        return True

    def _pay(self) -> None:
        """Send what is owed, if no event has taken it along."""
        if self._owed and not self._asks_next:
            self._write(b"")
            if not self._keep_alive:
                self.close()

    def _ask_next(self) -> None:
        self._asks_next = False
        if self._transport is None:
            return
        try:
            self._handler.on_next(self)
        except Refusal as no:
            self._answer_refusal(no)

    def _refuse(self) -> None:
        self._keep_alive = False
        self._answer(400, b'{"errorType":"InvalidRequest","errorMessage":"malformed HTTP request"}')

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # httptools calls these while it parses.
    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._head_size = -1
        if b"expect" in self._headers:
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= BODY_LIMIT:
            self._body.append(body)

    def on_message_complete(self) -> None:
        url, headers, body = self._url.decode("latin-1"), self._headers, b"".join(self._body)
        too_large = self._size > BODY_LIMIT
        self._url, self._headers, self._body, self._size, self._head_size = b"", {}, [], 0, 0
        self._keep_alive = self._parser.should_keep_alive()
        if self._has_refused:
            self.close()
            return
        try:
            self._route(self._parser.get_method(), url, headers, body, too_large)
        except Refusal as no:
            self._has_refused = True
            self._answer_refusal(no)

    def _answer_refusal(self, no: Refusal) -> None:
        self._answer(no.status, json.dumps({"errorMessage": no.message, "errorType": no.error_type}).encode())

    def _route(
        self, method: bytes, url: str, headers: dict[bytes, bytes], body: bytes, too_large: bool
    ) -> None:
        path = url.partition("?")[0]
        if path == _NEXT and method == b"GET":
            if self._owed:  # The caller's answer, which waits in the loop, goes first.
                self._asks_next = True
                self._loop.call_soon(self._ask_next)
            else:
                self._handler.on_next(self)
            return
        parts = path.removeprefix(PREFIX).split("/")
        if not url.startswith(PREFIX):
            raise Refusal(404, "ResourceNotFound", f"the Runtime API has no {url}")
        error_type = headers.get(b"lambda-runtime-function-error-type", b"").decode("latin-1")
        if method == b"POST" and len(parts) == 3 and parts[0] == "invocation" and parts[2] == "response":
            content_type = headers.get(b"content-type", b"application/json").decode("latin-1")
            self._handler.on_response(parts[1], body, content_type, too_large)
            self._owed = _ACCEPTED_ANSWER
            return
        if method == b"POST" and len(parts) == 3 and parts[0] == "invocation" and parts[2] == "error":
            self._handler.on_error(parts[1], body, error_type, too_large)
        elif method == b"POST" and parts == ["init", "error"]:
            self._handler.on_init_error(body, error_type)
        else:
            raise Refusal(404, "ResourceNotFound", f"the Runtime API has no {method.decode()} {url}")
        self._answer(202, _ACCEPTED)

    def _answer(self, status: int, body: bytes) -> None:
        self._write(_answer_bytes(status, body))
        if not self._keep_alive:
            self.close()

    def send_event(self, headers: bytes, payload: bytes) -> None:
        """Answer `next` with an event; `headers` is a block of complete header lines."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(payload)
        self._write(b"".join((head, headers, b"\r\n", payload)))
        if not self._keep_alive:
            self.close()

    def _write(self, data: bytes) -> None:
        if self._owed:
            data, self._owed = self._owed + data, b""
        if self._transport is not None:
            self._transport.write(data)


def read_result(data: bytes) -> tuple[str, str, bytes, bool] | None:
    """A result as our client for Python sends it, in one piece: request id, type, body, whether `next` follows.

    None for everything else, which the parser then reads.
    """
    end = data.find(_HEAD_END)
    if end < 0 or not data.startswith(_RESULT):
        return None
    lines = data[:end].split(b"\r\n")
    if len(lines) != 5 or not lines[0].endswith(_RESULT_END):
        return None
    start, kind, length, host, agent = lines
    if not (
        kind.startswith(b"Content-Type: ")
        and length.startswith(b"Content-Length: ")
        and host.startswith(b"Host: ")
        and agent.startswith(b"User-Agent: ")
        and length[16:].isdigit()
    ):
        return None
    begin = end + len(_HEAD_END)
    whole = begin + int(length[16:])
    rest = data[whole:]
    if len(data) < whole or (
        rest and not (rest.startswith(_NEXT_START) and rest.find(_HEAD_END) == len(rest) - len(_HEAD_END))
    ):
        return None
    request_id = start[len(_RESULT) : -len(_RESULT_END)].decode("latin-1")
    return request_id, kind[14:].decode("latin-1"), data[begin:whole], bool(rest)


def _answer_bytes(status: int, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
        status,
        _REASONS[status],
        len(body),
    )
    return head + body


_ACCEPTED_ANSWER = _answer_bytes(202, _ACCEPTED)


async def listen(handler: RuntimeApiHandler) -> tuple[asyncio.Server, str]:
    """Open the Runtime API of one environment on a free loopback port; returns the server and `host:port`."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(handler), "127.0.0.1", 0, backlog=8
    )
    host, port = server.sockets[0].getsockname()[:2]
    return server, f"{host}:{port}"


async def listen_nearby(handler: RuntimeApiHandler, log_stream: str) -> asyncio.Server | None:
    """Open it on a Unix socket without a file as well: nobody else can guess the stream's name. None without such."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return await asyncio.get_running_loop().create_unix_server(
            lambda: Connection(handler), f"\0labhelpers/{log_stream}", backlog=8
        )
    except OSError:
        return None  # The port is there for everybody.
