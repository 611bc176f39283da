"""The reader of a journal's stream: whole entries, however the bytes are cut, until the stream or the reader ends."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable

from labhelpers.follower import Follower

PATIENCE_S = 10
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def served(serve: Callable[[socket.socket], None]) -> Follower:
    """A follower of what `serve` writes to its connection."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(HEAD)
            serve(connection)

    threading.Thread(target=run, daemon=True).start()
    client = http.client.HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=PATIENCE_S)
    client.request("GET", "/")
    return Follower(client, client.getresponse())


def chunk(data: bytes) -> bytes:
    """A chunk of HTTP."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_entries_come_whole_in_order() -> None:
    """Cut in the middle of a line or together in one piece; comments between them are no entries."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(chunk(b": hello\n\nid: 1\nda") + chunk(b'ta: {"seq": 1}\n\n: still here\n\n'))
        connection.sendall(chunk(b'id: 2\ndata: {"seq": 2}\n\nid: 3\ndata: {"seq": 3}\n\n') + b"0\r\n\r\n")

    assert [entry["seq"] for entry in served(serve)] == [1, 2, 3]


def test_nothing_comes_after_close() -> None:
    """Also not what had been read together with the entry before."""
    wait = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(chunk(b'data: {"seq": 1}\n\ndata: {"seq": 2}\n\n'))
        wait.wait(PATIENCE_S)

    follower = served(serve)
    assert next(follower) == {"seq": 1}
    follower.close()
    assert list(follower) == []
    wait.set()


def test_a_broken_stream_ends() -> None:
    """What came whole is given; the lab may end in the middle of a line."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(chunk(b'data: {"seq": 1}\n\ndata: {"se'))

    assert list(served(serve)) == [{"seq": 1}]
