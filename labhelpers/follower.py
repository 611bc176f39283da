"""Reads the stream of a lab's journal, as many entries at a time as have come. `Lab.follow` makes one."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections import deque
from collections.abc import Iterator
from typing import Any

_READ_BYTES = 1 << 18


class Follower(Iterator[dict[str, Any]]):
    """Entries of a journal as they happen. `close()` may come from another thread, and ends a wait at once."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        # The response owns the socket: a second descriptor of it can be shut down beside a read.
        self._socket = socket.socket(fileno=os.dup(response.fileno()))
        self._entries: deque[dict[str, Any]] = deque()
        self._closed = False
        self._begun = b""  # The beginning of a line whose end has not come yet.

    def __next__(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            while not self._entries and not self._closed:
                data = self._response.read1(_READ_BYTES)
                if not data:
                    break
                *lines, self._begun = (self._begun + data).split(b"\n")
                self._entries.extend(json.loads(line[6:]) for line in lines if line.startswith(b"data: "))
        if self._entries and not self._closed:
            return self._entries.popleft()
        self._connection.close()  # The lab has ended, or this was closed.
        self._socket.close()
        raise StopIteration

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
