"""What an execution environment writes, from its pipe to CloudWatch Logs: every message, in order, also a crash's last.

The Python client writes framed records (a magic number, length, time, text) beside the plain lines of print(); both
come through one pipe, so their order is kept. https://github.com/aws/aws-lambda-python-runtime-interface-client
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from labhelpers.model import LogEvent

Sink = Callable[[str, str, list[LogEvent]], None]
_MAGIC = b"\xa5\x5a\x00"
_HEAD = 16
_FRAME_LIMIT = 16 * 1024 * 1024
_EVENT_LIMIT = 262_144 - 26  # CloudWatch Logs' limit for one event; longer lines are cut into several.
_TAIL_LIMIT = 4096
_READ = 1 << 16


class FrameReader:
    """Cuts a pipe's bytes into messages: framed records whole, everything else line by line. Pure."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """Messages completed by `data`, each ending in a line break."""
        self._buffer += data
        messages: list[str] = []
        while self._buffer:
            magic = self._buffer.find(_MAGIC)
            if magic == 0 and (length := self._frame_length()) >= 0:
                if len(self._buffer) < _HEAD + length:
                    break  # The rest of the frame is still to come.
                messages.append(self._take_frame(length))
                continue
            line_end = self._buffer.find(b"\n")
            if magic > 0 and not 0 <= line_end < magic:
                messages += self._take(magic)  # A line without its end, then a frame.
            elif line_end >= 0:
                messages += self._take(line_end + 1)
            elif len(self._buffer) > _EVENT_LIMIT:
                messages += self._take(_EVENT_LIMIT)
            else:
                break
        return messages

    def _frame_length(self) -> int:
        """The length of the text in the frame at the front; -1 when these bytes are no frame after all."""
        if len(self._buffer) < _HEAD:
            return 0
        length = int.from_bytes(self._buffer[4:8], "big")
        return length if length <= _FRAME_LIMIT else -1

    def _take_frame(self, length: int) -> str:
        text = bytes(self._buffer[_HEAD : _HEAD + length])
        del self._buffer[: _HEAD + length]
        return text.decode("utf-8", "replace").removesuffix("\n") + "\n"

    def _take(self, count: int) -> list[str]:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return [_text(data[i : i + _EVENT_LIMIT]) for i in range(0, len(data), _EVENT_LIMIT)]

    def finish(self) -> list[str]:
        """What is left when the pipe has ended, or when a message must not wait for its line break."""
        return self._take(len(self._buffer)) if self._buffer else []


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text if text.endswith("\n") else text + "\n"


class LogStream:
    """One log stream: reads an environment's pipe and adds Lambda's own lines in their place."""

    def __init__(self, group: str, name: str, sink: Sink, on_line: Callable[[str], None]) -> None:
        self.group = group
        self.name = name
        self._sink = sink
        self._on_line = on_line
        self._reader = FrameReader()
        self._read_end = -1
        self._recent: list[bytes] | None = None

    def open_pipe(self) -> int:
        """Make the pipe and watch it; returns its write end, which the caller gives away and closes."""
        self.close_pipe()
        self._read_end, write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        asyncio.get_running_loop().add_reader(self._read_end, self._read_some)
        return write_end

    def _read_some(self) -> bool:
        """Read what is there, at most one buffer; False when there was nothing."""
        try:
            data = os.read(self._read_end, _READ)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._read_end)
            return False
        self._emit(self._reader.feed(data))
        return True

    def drain(self) -> None:
        """Take in all that the environment has written so far."""
        if self._read_end >= 0:
            for _ in range(64):  # A pipe holds 64 KiB; a writer that never stops must not keep us here.
                if not self._read_some():
                    break

    def close_pipe(self) -> None:
        """Take in the rest and close the pipe."""
        if self._read_end < 0:
            return
        self.drain()
        self._emit(self._reader.finish())
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self._read_end)
        self._read_end = -1

    def write(self, line: str) -> None:
        """Add a line of Lambda's own; an empty one is none."""
        if line:
            self._emit([line])

    def flush_partial(self) -> None:
        """End a line that the function left open, so that Lambda's next line is its own."""
        self._emit(self._reader.finish())

    def _emit(self, messages: list[str]) -> None:
        if not messages:
            return
        now = int(time.time() * 1000)
        for message in messages:
            self._on_line(message)
        if self._recent is not None:
            self._recent += [message.encode() for message in messages]
            del self._recent[: max(0, len(self._recent) - _TAIL_LIMIT)]
        self._sink(self.group, self.name, [LogEvent(now, message) for message in messages])

    def begin_tail(self) -> None:
        """Start to keep the end of the log for `LogType=Tail`."""
        self._recent = []

    def take_tail(self) -> bytes:
        """The last 4 KB written since `begin_tail`."""
        recent, self._recent = self._recent or [], None
        return b"".join(recent)[-_TAIL_LIMIT:]
