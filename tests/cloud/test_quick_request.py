"""The short way for whole small requests: what takes it, and that its answers are those of the long way."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cloud import http_server, quick_request
from labhelpers.cloud.http_server import HttpServer
from labhelpers.cloud.quick_request import STARTS, QuickRequest, Wire, read_request
from labhelpers.eager import Answer
from labhelpers.gateway.raw_response import RawResponse
from tests.conftest import PATIENCE_S, Cloud
from tests.deployment_packages import make_zip

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]

PATH = "/2015-03-31/functions/echo/invocations"


class Transport:
    """Stands for a connection: only where it comes from is asked."""

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1)

    def is_closing(self) -> bool:
        return False


def read(data: bytes) -> QuickRequest | None:
    """What the reader makes of these bytes."""
    return read_request(data, Wire(Transport()))  # type: ignore[arg-type]


PLAIN = (
    b"POST /2015-03-31/functions/f/invocations?Qualifier=1 HTTP/1.1\r\n"
    b"Host: h\r\nX-A:  b \r\nContent-Length: 2\r\n\r\n{}"
)


def test_whole_plain_request_is_read() -> None:
    """Method, raw target, headers in any case, and the body."""
    request = read(PLAIN)
    assert request is not None
    assert (request.method, request.raw_path) == ("POST", "/2015-03-31/functions/f/invocations?Qualifier=1")
    assert (request.headers["x-a"], request.body) == ("b", b"{}")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_request_to_an_api_needs_no_length(method: str) -> None:
    """Without a body there is none to be told of; with one there must be."""
    head = f"{method} /_aws/execute-api/a/dev/x?y=%20 HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    request = read(head)
    assert request is not None and head.startswith(STARTS)
    assert (request.raw_path, request.body, request.can_read_body) == (
        "/_aws/execute-api/a/dev/x?y=%20",
        b"",
        False,
    )
    assert read(head + b"x") is None and read(head + head) is None
    assert read(head.replace(b"?y", b"#y")) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"{}", b"{"),
        (b"{}", b"{}P"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"),
        (b"Content-Length: 2", b"Content-Length: +2"),
        (b"Content-Length: 2", b"Content-Length: 02"),
        (b"Content-Length: 2", b"Content-Length: " + b"2" * 5000),
        (b"Content-Length: 2", "Content-Length: \u00b2".encode()),
        (b"X-A: ", b"TRANSFER-ENCODING: "),
        (b"Content-Length: 2", b"Content-Length: 2\r\nTransfer-Encoding: chunked"),
        (b"X-A:", b"Connection: close\r\nX-A:"),
        (b"X-A:", b"Connection: keep-alive, X-A\r\nX-A:"),
        (b"X-A:", b"Upgrade: websocket\r\nX-A:"),
        (b"X-A:", b"Expect: 100-continue\r\nX-A:"),
        (b"X-A:", b" folded\r\nX-A:"),
        (b"X-A:", b"X A:"),
        (b"b \r\n", b"b\x00\r\n"),
        (b"b \r\n", b"b\n\r\n"),
        (b"X-A:  b ", b"X-A"),
        (b"X-A:", "X-\u00e9:".encode()),
        (b"X-A:", "X-\u00b2:".encode()),
        (b"Host: h", b"Host: h\r\nhost: h"),
        (b"X-A:", b"Content-Type: a/b\r\ncontent-type: a/b\r\nX-A:"),
        (b"X-A:", b"Proxy-Connection: close\r\nX-A:"),
        (b"X-A:", b"Sec-WebSocket-Key1: k\r\nX-A:"),
        (b"b \r\n", b"b" * 70_000 + b"\r\n"),
        (b"X-A:", b"X-B: b\r\n" * 130 + b"X-A:"),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_unusual_request_takes_the_long_way(old: bytes, new: bytes) -> None:
    """Whatever could be read in two ways is left to aiohttp's parser."""
    assert read(PLAIN.replace(old, new)) is None


def test_connection_that_is_to_be_kept_is_nothing_unusual() -> None:
    """Browsers and many libraries say so, though HTTP/1.1 keeps it anyway; the header goes on as it was sent."""
    request = read(PLAIN.replace(b"X-A:", b"connection: Keep-Alive\r\nX-A:"))
    assert request is not None and ("connection", "Keep-Alive") in request.pairs


def test_same_head_is_read_once_and_a_signed_one_not_kept() -> None:
    """Heads with the same bytes share what was read of them, whatever the body; a signature comes only once."""
    first, second = read(PLAIN), read(PLAIN.replace(b"{}", b"[]"))
    assert first is not None and second is not None
    assert first.pairs is second.pairs and (first.body, second.body) == (b"{}", b"[]")
    assert read(PLAIN.replace(b"{}", b"[")) is None and read(PLAIN + b"x") is None
    signed = PLAIN.replace(b"X-A", b"Authorization")
    one, other = read(signed), read(signed)
    assert one is not None and other is not None and one.pairs is not other.pairs


def test_many_heads_are_not_kept_for_ever() -> None:
    """However many there are, memory for them is bounded."""
    for number in range(3 * quick_request._HEADS_MAX):
        assert read(PLAIN.replace(b"X-A", b"X-%d" % number)) is not None
        assert len(quick_request._heads) <= quick_request._HEADS_MAX
    before = len(quick_request._heads)
    assert read(PLAIN.replace(b"X-A", b"X-" + b"a" * 3000)) is not None
    assert len(quick_request._heads) == before


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_left(data: bytes) -> None:
    """No bytes make the reader fail, and what it reads has the length that it says."""
    request = read(b"POST /2015-03-31/functions/" + data)
    assert request is None or int(request.headers["Content-Length"]) == len(request.body)


def test_what_can_wait_is_done_after_the_answer_even_if_it_fails() -> None:
    """The client has its answer before the rest is done; what fails then is told to the loop, and more may be asked."""

    async def main() -> None:
        seen, told = [], []

        async def handle(request: QuickRequest) -> RawResponse:
            def rest() -> None:
                seen.append(request.transport is not None)
                raise ValueError("no")

            request.after(rest)
            return RawResponse(200, (), b"ok")

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(repr(context["exception"])))
        server = HttpServer(handle)
        listening = await loop.create_server(server, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        for _ in range(2):
            writer.write(PLAIN)
            async with asyncio.timeout(PATIENCE_S):
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        listening.close()
        await server.shutdown()
        assert seen == [True, True] and told == ["ValueError('no')"] * 2

    asyncio.run(main())


def test_what_follows_an_early_answer_is_still_its_body() -> None:
    """A request answered before its body came is not over: a body that looks like a request is not taken for one."""

    async def main() -> None:
        asked: list[str] = []

        async def handle(request: QuickRequest) -> RawResponse:
            asked.append(request.method)
            return RawResponse(200, (), b"ok")

        loop = asyncio.get_running_loop()
        server = HttpServer(handle, lingering_time=PATIENCE_S)
        listening = await loop.create_server(server, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        body = b"GET /_aws/execute-api/a/dev/x HTTP/1.1\r\nHost: h\r\n\r\n"
        async with asyncio.timeout(PATIENCE_S):
            head = b"POST /_aws/execute-api/a/dev/x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(body))
            await reader.readuntil(b"ok")
            (connection,) = server.connections
            loop.call_soon(connection.data_received, body)  # As a piece of its own.
            await asyncio.sleep(0)
            writer.write(b"PUT /_aws/execute-api/a/dev/x HTTP/1.1\r\nHost: h\r\n\r\n")
            await reader.readuntil(b"ok")
        writer.close()
        listening.close()
        await server.shutdown()
        assert asked == ["POST", "PUT"]

    asyncio.run(main())


def test_nothing_new_is_served_while_the_server_ends() -> None:
    """Clients that go on asking while what is served is being ended do not keep the server from its end."""

    async def main() -> None:
        asked: list[bytes] = []
        is_asked, goes_on = asyncio.Event(), asyncio.Event()

        async def handle(request: QuickRequest) -> RawResponse:
            asked.append(request.body)
            is_asked.set()
            try:
                await Answer[None]()
            finally:
                await goes_on.wait()
            return RawResponse(200, (), b"")

        loop = asyncio.get_running_loop()
        server = HttpServer(handle)
        listening = await loop.create_server(server, "127.0.0.1", 0)
        address = listening.sockets[0].getsockname()
        first, second = [await asyncio.open_connection(*address) for _ in range(2)]
        async with asyncio.timeout(PATIENCE_S):
            first[1].write(PLAIN)
            await is_asked.wait()
            end = asyncio.create_task(server.shutdown(0.1))
            await asyncio.sleep(0)
            for connection in server.connections:
                loop.call_soon(connection.data_received, PLAIN.replace(b"{}", b"[]"))
            loop.call_soon(goes_on.set)
            await end
            for reader, writer in (first, second):
                assert await reader.read() == b""
                writer.close()
        listening.close()
        assert asked == [b"{}"]

    asyncio.run(main())


async def connected(server: HttpServer, count: int) -> tuple[list[Client], asyncio.Server]:
    """So many clients whose connections the server has, and what listens; its handler answers `{}` at once."""
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    clients = [await asyncio.open_connection(*listening.sockets[0].getsockname()) for _ in range(count)]
    for reader, writer in clients:
        writer.write(PLAIN)
        await reader.readuntil(b"{}")
    return clients, listening


async def in_loop(act: Callable[..., object], *arguments: object) -> None:
    """Do something as the event loop does it, not within a task."""
    asyncio.get_running_loop().call_soon(act, *arguments)
    await asyncio.sleep(0)


class Held:
    """A handler that answers the request of number n when `answers[n]` is there, and remembers what it began."""

    def __init__(self, count: int) -> None:
        self.begun: list[int] = []
        self.answers = [Answer[None]() for _ in range(count)]
        self.all_begun = asyncio.Event()

    async def __call__(self, request: QuickRequest) -> RawResponse:
        if request.body != b"{}":
            self.begun.append(int(request.body))
            if len(self.begun) == len(self.answers):
                self.all_begun.set()
            await self.answers[int(request.body)]
        return RawResponse(200, (), request.body)

    def ask_all(self, server: HttpServer) -> None:
        """A request on each connection, at once."""
        for number, connection in enumerate(list(server.connections)):
            connection.data_received(PLAIN.replace(b"{}", b"%02d" % number))

    async def answer_all(self, clients: list[Client]) -> None:
        """Let all end, and see that each client has its answer."""
        for each in reversed(self.answers):
            if not each.done():
                each.set_result(None)
        for reader, writer in clients:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            writer.close()


def test_much_at_once_is_begun_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few; then, first come, first served, one for each that has ended, when its answer has gone out."""
    monkeypatch.setattr(http_server, "_MOMENT_S", 1e6)
    monkeypatch.setattr(http_server, "_QUICK_S", 1e9)

    async def main() -> None:
        loop, count = asyncio.get_running_loop(), http_server._AT_ONCE
        held = Held(2 * count)
        server = HttpServer(held)
        async with asyncio.timeout(PATIENCE_S):
            clients, listening = await connected(server, 2 * count)
            await in_loop(held.ask_all, server)
            assert held.begun == list(range(count))
            begun = []
            for number in (3, 1):  # Results that come in one round go out before anything begins.
                loop.call_soon(held.answers[number].set_result, None)
                loop.call_soon(lambda: begun.append(len(held.begun)))
            await asyncio.sleep(0)
            assert begun == [count, count]
            await asyncio.sleep(0)
            assert held.begun == list(range(count + 2))
            for number in range(count + 2):
                if number not in (1, 3):
                    await in_loop(held.answers[number].set_result, None)
            await held.answer_all(clients)
        assert held.begun == list(range(2 * count))
        listening.close()
        await server.shutdown()

    asyncio.run(main())


def test_nobody_waits_for_what_takes_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment in which none of the few has ended all others begin; who is slow holds no place either."""
    monkeypatch.setattr(http_server, "_MOMENT_S", 0.01)
    monkeypatch.setattr(http_server, "_QUICK_S", 1e9)

    async def main() -> None:
        held = Held(5 * http_server._AT_ONCE)
        server = HttpServer(held)
        async with asyncio.timeout(PATIENCE_S):
            clients, listening = await connected(server, len(held.answers))
            await in_loop(held.ask_all, server)
            await held.all_begun.wait()
            assert held.begun == list(range(len(held.answers)))
            await asyncio.sleep(2 * http_server._MOMENT_S)
            late = await asyncio.open_connection(*listening.sockets[0].getsockname())
            late[1].write(PLAIN)  # `{}` is answered at once, though so many are under way.
            await late[0].readuntil(b"{}")
            late[1].close()
            await held.answer_all(clients)
        listening.close()
        await server.shutdown()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("took_s", "is_quick"),
    [
        pytest.param([], True, id="unknown"),
        pytest.param([1.0], False, id="slow"),
        pytest.param([1.0, 0.0005, 1.0], True, id="quick when there is little to do"),
        pytest.param([0.0005, *[1.0] * 3000], False, id="quick once"),
    ],
)
def test_only_what_can_be_quick_takes_turns(
    monkeypatch: pytest.MonkeyPatch, took_s: list[float], is_quick: bool
) -> None:
    """For a function that waits for something more at once are more done."""
    monkeypatch.setattr(http_server, "_MOMENT_S", 1e6)

    async def main() -> None:
        held = Held(2 * http_server._AT_ONCE)
        server = HttpServer(held)
        for each in took_s:
            server._learn(("", "2015-03-31", "functions", "f", "invocations"), each)
        async with asyncio.timeout(PATIENCE_S):
            clients, listening = await connected(server, len(held.answers))
            await in_loop(held.ask_all, server)
            assert len(held.begun) == (http_server._AT_ONCE if is_quick else len(held.answers))
            await held.answer_all(clients)
        listening.close()
        await server.shutdown()

    asyncio.run(main())


def test_places_are_not_remembered_without_end() -> None:
    """Whoever asks for ever new ones."""

    async def main() -> None:
        server = HttpServer(Held(0))
        for number in range(5_000):
            server._learn(("", str(number)), 1.0)
        assert len(server._shortest_s) <= 1_000
        await server.shutdown()

    asyncio.run(main())


def test_who_waits_for_a_turn_gets_none_when_the_server_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that has not begun is not begun any more."""
    monkeypatch.setattr(http_server, "_QUICK_S", 1e9)

    async def main() -> None:
        begun: list[bytes] = []

        async def handle(request: QuickRequest) -> RawResponse:
            begun.append(request.body)
            return RawResponse(200, (), request.body)

        server = HttpServer(handle)
        async with asyncio.timeout(PATIENCE_S):
            clients, listening = await connected(server, http_server._AT_ONCE + 1)
            for connection in list(
                server.connections
            ):  # Within a task: none of them can begin before it pauses.
                connection.data_received(PLAIN.replace(b"{}", b"[]"))
            await server.shutdown(0.1)
            for reader, writer in clients:
                assert await reader.read() == b""
                writer.close()
        listening.close()
        assert begun == [b"{}"] * len(clients)

    asyncio.run(main())


@pytest.fixture(scope="module")
def echo(cloud: Cloud) -> str:
    """A function that returns its event; the name."""
    role = cloud.client("iam").create_role(
        RoleName="quick",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                    }
                ],
            }
        ),
    )["Role"]["Arn"]
    cloud.client("lambda").create_function(
        FunctionName="echo",
        Runtime="python3.13",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": make_zip({"index.py": "def handler(event, context):\n    return event\n"})},
    )
    return "echo"


def signed(cloud: Cloud, body: bytes, *more: tuple[str, str]) -> bytes:
    """An Invoke as it goes over the connection."""
    request = AWSRequest("POST", f"{cloud.endpoint_url}{PATH}", {"Host": cloud.netloc}, body)
    keys = Credentials(cloud.access_key_id, cloud.secret_access_key)
    SigV4Auth(keys, "lambda", cloud.region).add_auth(request)
    lines = [f"{name}: {value}" for name, value in [*request.headers.items(), *more]]
    return (
        f"POST {PATH} HTTP/1.1\r\n".encode()
        + "\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode()
        + b"\r\n\r\n"
        + body
    )


def answers(connection: socket.socket, count: int) -> list[tuple[bytes, bytes]]:
    """So many answers from a connection: status line and body."""
    found, data = [], b""
    connection.settimeout(PATIENCE_S)
    while len(found) < count:
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, data = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\ncontent-length: (\d+)", head)[1])  # type: ignore[index]
        while len(data) < length:
            data += connection.recv(65536)
        found.append((head.split(b"\r\n")[0], data[:length]))
        data = data[length:]
    return found


def test_both_ways_share_a_connection(cloud: Cloud, echo: str) -> None:
    """Quick, split in the middle, quick again, and a client error: each gets its answer, in order."""
    quick, split = signed(cloud, b'{"n": 1}'), signed(cloud, b'{"n": 2}')
    with socket.create_connection(tuple(cloud.netloc.split(":"))) as connection:  # type: ignore[arg-type]
        connection.sendall(quick)
        assert answers(connection, 1) == [(b"HTTP/1.1 200 OK", b'{"n": 1}')]
        connection.sendall(split[:40])
        connection.sendall(split[40:])
        assert answers(connection, 1) == [(b"HTTP/1.1 200 OK", b'{"n": 2}')]
        connection.sendall(signed(cloud, b'{"n": 3}', ("Connection", "keep-alive")))
        assert answers(connection, 1) == [(b"HTTP/1.1 200 OK", b'{"n": 3}')]
        connection.sendall(quick)
        assert answers(connection, 1) == [(b"HTTP/1.1 200 OK", b'{"n": 1}')]
        connection.sendall(quick.replace(b'{"n": 1}', b'{"n": 4}'))
        assert answers(connection, 1)[0][0] == b"HTTP/1.1 403 Forbidden"


def test_pipelined_requests_are_answered_in_order(cloud: Cloud, echo: str) -> None:
    """What comes while a quick request is served waits for its turn."""
    first, second = signed(cloud, b'{"n": 1}'), signed(cloud, b'{"n": 2}')
    with socket.create_connection(tuple(cloud.netloc.split(":"))) as connection:  # type: ignore[arg-type]
        connection.sendall(first)
        connection.sendall(second)
        assert [body for _, body in answers(connection, 2)] == [b'{"n": 1}', b'{"n": 2}']


def test_large_answer_goes_the_short_way_too(cloud: Cloud, echo: str) -> None:
    """A megabyte comes back whole, whichever way the request took."""
    event = {"text": "x" * 1_000_000}
    answer = cloud.client("lambda").invoke(FunctionName=echo, Payload=json.dumps(event))
    assert json.load(answer["Payload"]) == event
