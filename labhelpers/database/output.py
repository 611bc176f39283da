"""Lines that a program prints, as they come: the log of a PostgreSQL, the complaints of its tools."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

_LONGEST_LINE = 64 * 1024


class Lines(asyncio.Protocol):
    """Cuts what arrives into lines and hands each to `on_line`; a line beyond 64 KiB comes in pieces."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self.closed = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop: every writer has closed its end."""
        if self._rest:
            self._on_line(self._rest.decode("utf-8", "replace"))
        if not self.closed.done():
            self.closed.set_result(None)


class OutputPipe:
    """A pipe for a program's output: `write_end` is for the program, what it prints goes to `on_line`.

    Use as `async with`; leaving it closes our copy of the write end and, if the program is done, waits for the rest.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self.write_end = -1
        self._transport: asyncio.ReadTransport | None = None
        self._lines: Lines | None = None

    async def open(self) -> None:
        """Make the pipe and begin to read."""
        read_end, self.write_end = os.pipe()
        os.set_blocking(read_end, False)
        self._transport, self._lines = await asyncio.get_running_loop().connect_read_pipe(
            lambda: Lines(self._on_line), os.fdopen(read_end, "rb", buffering=0)
        )

    def handed_over(self) -> None:
        """The program has its end: close our copy, so that the pipe ends with the program."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    async def drain(self, patience_s: float = 1.0) -> None:
        """Wait until the last line has come, but not long: a stray process may hold the pipe open."""
        assert self._lines is not None
        await asyncio.wait({self._lines.closed}, timeout=patience_s)

    def close(self) -> None:
        """Stop reading."""
        self.handed_over()
        if self._transport is not None:
            self._transport.close()
