"""A WebSocket client that sends whatever bytes a test wants, also wrong ones, and tells exactly what comes back."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Frame:
    """One frame of the server's."""

    opcode: int
    payload: bytes
    final: bool = True

    @property
    def close_code(self) -> int | None:
        """The code in a close frame; None for one without."""
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else None


def frame_bytes(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    masked: bool = True,
    reserved: int = 0,
    length: int | None = None,
) -> bytes:
    """A client's frame. `reserved` are the three bits (0x40, 0x20, 0x10), `length` what the head says of it."""
    size = len(payload) if length is None else length
    first, mask_bit = opcode | reserved | (0x80 if final else 0), 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


class RawClient:
    """A client after its handshake."""

    def __init__(self, connection: socket.socket, head: bytes, early: bytes) -> None:
        self.socket = connection
        self.head = head.decode()
        self._buffer = early

    def send(self, data: bytes, *, pieces: int = 0) -> None:
        """Send bytes, all at once or in pieces of that size."""
        if not pieces:
            self.socket.sendall(data)
        else:
            for start in range(0, len(data), pieces):
                self.socket.sendall(data[start : start + pieces])

    def text(self, text: str) -> None:
        """Send a text message."""
        self.send(frame_bytes(1, text.encode()))

    def receive(self) -> Frame | None:
        """The next frame; None at the end of the connection."""
        head = self._read(2)
        if len(head) < 2:
            return None
        size = head[1] & 0x7F
        assert not head[1] & 0x80, "a server does not mask"
        if size == 126:
            size = struct.unpack("!H", self._read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._read(8))[0]
        return Frame(head[0] & 0x0F, self._read(size), bool(head[0] & 0x80))

    def frames(self) -> list[Frame]:
        """All frames until the server ends the connection."""
        found = []
        while (frame := self.receive()) is not None:
            found.append(frame)
        return found

    def _read(self, size: int) -> bytes:
        with contextlib.suppress(ConnectionError):
            while len(self._buffer) < size:
                chunk = self.socket.recv(65536)
                if not chunk:
                    break
                self._buffer += chunk
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


def upgrade_request(url: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> bytes:
    """The request of a handshake; a header of "" is left out."""
    address = urlsplit(url)
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    found = {
        "Host": address.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    lines = [f"{name}: {value}" for name, value in found.items() if value]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode()


@contextlib.contextmanager
def shaken_hands(url: str, headers: dict[str, str] | None = None) -> Iterator[RawClient]:
    """A client whose handshake was accepted. AssertionError if it was not."""
    address = urlsplit(url)
    assert address.hostname and address.port
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
        connection.sendall(upgrade_request(url, headers))
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = connection.recv(65536)
            assert chunk, answer
            answer += chunk
        head, _, early = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), answer
        yield RawClient(connection, head, early)


def ask(url: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own: status, headers in lower case, body."""
    address = urlsplit(url)
    assert address.hostname and address.port
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = connection.recv(65536)
            assert chunk, answer
            answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
    return int(lines[0].split()[1]), headers, body
