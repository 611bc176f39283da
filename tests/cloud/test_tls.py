"""HTTP and HTTPS on one port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from labhelpers.cloud.certificates import Certificates
from labhelpers.cloud.tls import Doorstep


class Door:
    """A server on both, and what trusts it."""

    def __init__(self, port: int, bundle: Path) -> None:
        self.port = port
        self.bundle = bundle

    @property
    def trusting(self) -> ssl.SSLContext:
        """A client's context that knows the lab's authority."""
        return ssl.create_default_context(cafile=str(self.bundle))


async def _answer(request: web.BaseRequest) -> web.Response:
    body = await request.read()
    return web.Response(text=f"{request.scheme} {request.path} {len(body)}")


@contextlib.asynccontextmanager
async def opened(folder: Path, *, tls: bool = True) -> AsyncIterator[tuple[Door, Doorstep]]:
    """A running server."""
    certificates = Certificates(folder / "runtime" / "ca-cert.pem")
    await certificates.ready()
    server = web.Server(_answer)
    doorstep = Doorstep(server, certificates.context if tls else None)
    listener = await asyncio.get_running_loop().create_server(doorstep, "127.0.0.1", 0)
    try:
        yield Door(listener.sockets[0].getsockname()[1], certificates.bundle), doorstep
    finally:
        listener.close()
        doorstep.close()
        await server.shutdown(0.1)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A server on both."""
    async with opened(tmp_path) as (made, _):
        yield made


async def test_both_are_answered_on_one_port(door: Door) -> None:
    """And the server knows which it was; connections are kept alive."""
    async with aiohttp.ClientSession() as session:
        for scheme in ("http", "https", "http", "https"):
            url = f"{scheme}://127.0.0.1:{door.port}/x"
            async with session.post(url, data=b"y" * 100_000, ssl=door.trusting) as answer:
                assert await answer.text() == f"{scheme} /x 100000"


async def test_hello_may_come_in_pieces(door: Door) -> None:
    """A client of a slow network."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = door.trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            data = outgoing.read()
            for start in range(0, len(data), 100):
                writer.write(data[start : start + 100])
                await writer.drain()
                await asyncio.sleep(0.001)
            incoming.write(await reader.read(65536))
    client.write(b"GET /pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    writer.write(outgoing.read())
    answer = b""
    while b"https /pieces 0" not in answer:
        incoming.write(await reader.read(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            answer += client.read(65536)
    writer.close()


@pytest.mark.parametrize("first", [b"\x16", b"\x16\x03\x01\x02\x00garbage" * 50, b"\x16\x03\x01\xff\xff"])
async def test_garbage_that_looks_like_tls_is_dropped(door: Door, first: bytes) -> None:
    """Others go on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(first)
    writer.write_eof()
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{door.port}/") as answer:
        assert answer.status == 200


async def test_client_that_does_not_trust_us_is_let_go(door: Door) -> None:
    """It is its own wish; nothing is logged, nothing is left."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"https://127.0.0.1:{door.port}/")


async def test_without_tls_it_is_no_http(tmp_path: Path) -> None:
    """Where there is no certificate, a TLS handshake is a bad request."""
    async with opened(tmp_path, tls=False) as (door, _), aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"https://127.0.0.1:{door.port}/", ssl=door.trusting)


async def test_silent_connections_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, and with the door."""
    monkeypatch.setattr("labhelpers.cloud.tls._SILENCE_S", 0.01)
    async with opened(tmp_path) as (door, doorstep):
        with socket.create_connection(("127.0.0.1", door.port)) as silent:
            silent.setblocking(False)
            loop = asyncio.get_running_loop()
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(loop.sock_recv(silent, 1), 5) == b""
        assert doorstep.waiting == set()
        monkeypatch.setattr("labhelpers.cloud.tls._SILENCE_S", 60.0)
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        async with asyncio.timeout(5):
            while not doorstep.waiting:  # noqa: ASYNC110 - a set has no event to wait on
                await asyncio.sleep(0.001)
    assert doorstep.waiting == set()
    writer.close()
