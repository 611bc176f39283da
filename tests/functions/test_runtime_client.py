"""Our stand-in for the compiled part of AWS's runtime client, against a Runtime API that says yes, no, or nothing."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labhelpers.functions import runtime_client
from labhelpers.functions.runtime_api import Refusal, listen, listen_nearby
from tests.functions.test_runtime_api import EVENT_HEADERS, Environment

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE = b"Lambda-Runtime-Deadline-Ms: 1764105000000\r\n"


@pytest.fixture(autouse=True)
def _fresh_client() -> Iterator[None]:
    yield
    runtime_client._drop()


def use(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client talk to this Runtime API."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", address)
    runtime_client.initialize_client("test/1")


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """What a function of the client returns or raises; it blocks a thread, as it does in a function."""
    return await asyncio.wait_for(asyncio.to_thread(function, *args), 10)


async def test_events_and_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of any size come whole, with the headers that AWS's client reads; results go as they are."""
    environment = Environment(events=[b"{}", b"x" * 900_000, b"3"])
    server, address = await listen(environment)
    use(address, monkeypatch)
    body, headers = await call(runtime_client.next)
    assert [body, headers["Lambda-Runtime-Aws-Request-Id"], headers["Content-Type"]] == [
        b"{}",
        "id-1",
        "application/json",
    ]
    assert headers["Lambda-Runtime-Client-Context"] is None and headers["Lambda-Runtime-Deadline-Ms"] is None
    await call(runtime_client.post_invocation_result, "id-1", b"true", "application/json")
    assert (await call(runtime_client.next))[0] == b"x" * 900_000
    await call(runtime_client.post_error, "id-1", '{"errorType": "ä"}', '{"a":\n1}')
    assert (await call(runtime_client.next))[0] == b"3"
    await call(runtime_client.post_invocation_result, "id-1", b"y" * 900_000, "application/unknown")
    assert [asked[:3] for asked in environment.asked] == [
        ("next",),
        ("response", "id-1", b"true"),
        ("next",),
        ("error", "id-1", '{"errorType": "ä"}'.encode()),
        ("next",),
        ("response", "id-1", 900_000),
    ]
    server.close()


async def test_refused_results_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's words and the status: a large result's at once, a small one's when the next event is asked for."""
    environment = Environment(refusal=Refusal(413, "RequestEntityTooLarge", "too large"))
    server, address = await listen(environment)
    use(address, monkeypatch)
    message = "Failed to post invocation response, http response code: 413"
    with pytest.raises(RuntimeError, match=message):
        await call(runtime_client.post_invocation_result, "id-1", b"x" * 900_000, "application/json")
    await call(runtime_client.post_invocation_result, "id-1", b"x", "application/json")
    with pytest.raises(RuntimeError, match=message):
        await call(runtime_client.next)
    with pytest.raises(RuntimeError, match="Failed to post invocation error, http response code: 413"):
        await call(runtime_client.post_error, "id-1", "{}", "")
    assert "next" not in [asked[0] for asked in environment.asked]
    with pytest.raises(RuntimeError, match="Failed to get next, http response code: 413"):
        await call(runtime_client.next)
    server.close()


async def test_default_timeout_of_a_function_is_not_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """`socket.setdefaulttimeout` in a handler's module does not end the wait for an event."""
    environment = Environment(events=[b"1"])
    server, address = await listen(environment)
    use(address, monkeypatch)
    socket.setdefaulttimeout(0.01)
    try:
        assert (await call(runtime_client.next))[0] == b"1"
        assert runtime_client._connection is not None and runtime_client._connection.gettimeout() is None
    finally:
        socket.setdefaulttimeout(None)
        server.close()


async def test_lost_connection_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that goes away is an error, not a wait without end."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    use(f"{host}:{port}", monkeypatch)
    with pytest.raises(ConnectionError):
        await call(runtime_client.next)
    server.close()
    with pytest.raises(OSError):  # noqa: PT011 - refused, or reset where the system was slow to close
        await call(runtime_client.next)


async def test_deadline_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds as AWS's client reads them."""

    class WithDeadline(Environment):
        def on_next(self, connection: Any) -> None:
            connection.send_event(EVENT_HEADERS + DEADLINE, b"1")

    server, address = await listen(WithDeadline())
    use(address, monkeypatch)
    assert (await call(runtime_client.next))[1]["Lambda-Runtime-Deadline-Ms"] == 1764105000000
    server.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sockets without a file are Linux's")
async def test_socket_nearby_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the environment's log stream the client finds the Unix socket, and needs no port."""
    near = Environment(events=[b"near"])
    server = await listen_nearby(near, "2026/11/25/[7]0123")
    assert server is not None
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/25/[7]0123")
    use("127.0.0.1:1", monkeypatch)
    assert (await call(runtime_client.next))[0] == b"near"
    server.close()
