"""Answers as bytes on a connection."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.exchange import GatewayAnswer, Pairs, respond


async def sent(
    answer: GatewayAnswer, request_line: bytes = b"GET / HTTP/1.1", *, head: bool = False
) -> bytes:
    """What a client reads when a server answers so and the client closes."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return respond(answer, head=head)

    server = web.Server(handle, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
            data = await reader.read()
            writer.close()
            await writer.wait_closed()
        return data
    finally:
        listening.close()
        await server.shutdown(0.1)


def parts(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status line, header lines but for Date, body."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, [line for line in lines if not line.startswith(b"Date: ")], body


async def test_answer_is_one_well_formed_message() -> None:
    """Status, headers in their order, length, body."""
    first, lines, body = parts(await sent(GatewayAnswer(201, (("A", "1"), ("A", "2")), b"text")))
    assert (first, body) == (b"HTTP/1.1 201 Created", b"text")
    assert lines == [b"A: 1", b"A: 2", b"Content-Length: 4", b"Connection: close"]


@pytest.mark.parametrize("status", [204, 304])
async def test_status_without_body_has_none(status: int) -> None:
    """Nor a length."""
    _, lines, body = parts(await sent(GatewayAnswer(status, (), b"text")))
    assert body == b"" and lines == [b"Connection: close"]


async def test_head_has_the_length_but_no_body() -> None:
    """As RFC 9110 has it."""
    _, lines, body = parts(await sent(GatewayAnswer(200, (), b"text"), b"HEAD / HTTP/1.1", head=True))
    assert body == b"" and b"Content-Length: 4" in lines


async def test_head_may_have_the_length_of_a_body_elsewhere() -> None:
    """A backend's answer to HEAD names a length without a body."""
    answer = GatewayAnswer(200, (("Content-Length", "42"),))
    assert b"Content-Length: 42" in parts(await sent(answer, b"HEAD / HTTP/1.1", head=True))[1]
    assert b"Content-Length: 0" in parts(await sent(answer))[1]


async def test_headers_cannot_end_their_line_nor_frame_the_message() -> None:
    """What a handler returns injects nothing: no second header, no second answer, no other length."""
    evil: Pairs = (
        ("X-A", "1\r\nSet-Cookie: a=b"),
        ("X-B\r\nX-C", "1"),
        ("Content-Length", "999"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "upgrade"),
        ("X-D", "\x00\x7f\u00e9"),
    )
    _, lines, body = parts(await sent(GatewayAnswer(200, evil, b"b")))
    assert lines == [
        b"X-A: 1  Set-Cookie: a=b",
        "X-D:   \u00e9".encode(),
        b"Content-Length: 1",
        b"Connection: close",
    ]
    assert body == b"b"


names_and_values = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=5)


@given(names_and_values)
def test_no_header_whatever_breaks_the_message(pairs: list[tuple[str, str]]) -> None:
    """The head stays one head, line by line."""
    response: Any = respond(GatewayAnswer(200, tuple(pairs), b"body"))
    response._keep_alive = True

    class Asked:
        version = (1, 1)

    head = response._head_bytes(Asked())
    assert head.count(b"\r\n\r\n") == 1 and head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n") <= len(pairs) + 4 and b"\n" not in head.replace(b"\r\n", b"")
