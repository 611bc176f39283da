"""Cuts what a runtime writes into log messages. Pure.

The Python client writes framed records (a type, length, time, text) beside the plain lines of print(); both come
through one pipe, so their order is kept. A message ends as it was written: a line with its line break, a framed record
often without one. https://github.com/aws/aws-lambda-python-runtime-interface-client
"""

from __future__ import annotations

import time
from collections.abc import Callable

EVENT_LIMIT = 262_144 - 26  # CloudWatch Logs' limit for one event; longer messages are cut into several.
_MAGIC = b"\xa5\x5a\x00"
_HEAD = 16
_FRAME_LIMIT = 16 * 1024 * 1024
_CLOCK_SLACK_S = 86_400.0


class FrameReader:
    """Framed records whole, everything else line by line. `now` tells a frame from bytes that look like one."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """Messages completed by `data`."""
        if not self._buffer and data.endswith(b"\n") and _MAGIC not in data:
            return _lines(data)
        buffer = self._buffer
        buffer += data
        messages: list[str] = []
        start = search = 0
        while (at := buffer.find(_MAGIC, search)) >= 0:
            length = self._frame_length(at)
            if length is None:
                search = at + 1
                continue
            end = at + _HEAD + length
            if end > len(buffer):
                break  # The rest of the frame is still to come.
            messages += _lines(buffer[start:at])
            messages += _pieces(bytes(buffer[at + _HEAD : end]))
            start = search = end
        plain = len(buffer) if at < 0 else at
        complete = buffer.rfind(b"\n", start, plain) + 1
        if complete > start:
            messages += _lines(buffer[start:complete])
            start = complete
        if at < 0 and plain - start > EVENT_LIMIT:
            *whole, rest = _cut(bytes(buffer[start:plain]))
            messages += [piece.decode("utf-8", "replace") for piece in whole]
            start = plain - len(rest)
        del buffer[:start]
        return messages

    def _frame_length(self, at: int) -> int | None:
        """The length of the text in the frame at `at`, at least 0 while its head is incomplete; None if it is none."""
        head = self._buffer[at : at + _HEAD]
        if len(head) < _HEAD:
            return 0
        length, at_us = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:16], "big")
        if length > _FRAME_LIMIT or abs(at_us / 1e6 - self._now()) > _CLOCK_SLACK_S:
            return None
        return length

    def finish(self) -> list[str]:
        """What is left of a pipe that has ended."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return _lines(data)

    def break_line(self) -> list[str]:
        """End a line that was left open; a frame of which the rest is still to come stays.

        A frame's head comes in one piece: half a head is none.
        """
        if not self._buffer:
            return []
        at = self._buffer.find(_MAGIC)
        if at == 0 and len(self._buffer) >= _HEAD and self._frame_length(0) is not None:
            return []
        return self.finish()


def _lines(data: bytes | bytearray) -> list[str]:
    if not data:
        return []
    lines = bytes(data).split(b"\n")
    last = lines.pop()
    messages: list[str] = []
    for line in lines:
        if len(line) < EVENT_LIMIT:
            messages.append(line.decode("utf-8", "replace") + "\n")
        else:
            messages += _pieces(line + b"\n")
    return messages + _pieces(last) if last else messages


def _pieces(data: bytes) -> list[str]:
    """A message, in several if it is too long for one event."""
    return [piece.decode("utf-8", "replace") for piece in _cut(data)]


def _cut(data: bytes) -> list[bytes]:
    """Pieces that are no longer than an event may be, never cut within a character."""
    pieces = []
    while len(data) > EVENT_LIMIT:
        end = EVENT_LIMIT
        while end > EVENT_LIMIT - 4 and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[:end])
        data = data[end:]
    return [*pieces, data]
