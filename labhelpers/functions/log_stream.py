"""What an execution environment writes, from its pipe to CloudWatch Logs: every message, in order, also a crash's last.

Nothing here waits: a function that writes faster than we read is slowed by its own pipe.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import termios
import time
from collections.abc import Callable, Iterable

from labhelpers import limits
from labhelpers.functions.log_frames import FrameReader
from labhelpers.model import LaterLogEvents, LogEvent

Sink = Callable[[str, str, Iterable[LogEvent]], None]
KEPT_BYTES = 64 * 1024 * 1024
_EVENT_COST = 200  # What one event takes beside its text.
_READ = 1 << 16
_NO_BYTES = bytes(4)


class LogStream:
    """One log stream: reads an environment's pipe and adds Lambda's own lines in their place.

    # AWS: keeps everything. Here: `kept_bytes` a call, because a lab's memory is the learner's; a line says so then.
    """

    def __init__(
        self,
        group: str,
        name: str,
        sink: Sink,
        on_messages: Callable[[list[str]], None],
        kept_bytes: int,
    ) -> None:
        self.group = group
        self.name = name
        self._sink = sink
        self._on_messages = on_messages
        self._kept_bytes = self._left = kept_bytes
        self._reader = FrameReader()
        self._read_end = -1
        self._tail: bytes | None = None

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
                if not _has_bytes(self._read_end) or not self._read_some():
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

    def write(self, *lines: str) -> None:
        """Add lines of Lambda's own; empty ones are none. A line that the function left open ends here."""
        self.end_line()
        self._emit([line for line in lines if line], ours=True)

    def end_line(self) -> None:
        """A line that the function left open ends here."""
        if rest := self._reader.break_line():
            self._emit(rest)

    def write_later(self, events: LaterLogEvents) -> None:
        """Add lines of Lambda's own that are worded when somebody reads them. Not for a call whose tail is kept.

        They have their time already: `end_line` comes before that is taken.
        """
        self._sink(self.group, self.name, events)

    def begin_call(self, *, tail: bool) -> None:
        """A call begins: its log has the whole allowance, and its `tail` is kept if asked for."""
        self._left = self._kept_bytes
        self._tail = b"" if tail else None

    def take_tail(self) -> bytes | None:
        """The last 4 KB written since `begin_call`, if its tail was to be kept."""
        tail, self._tail = self._tail, None
        return tail

    def _emit(self, messages: list[str], *, ours: bool = False) -> None:
        if not messages:
            return
        if self._tail is not None:
            self._tail = (self._tail + "".join(messages).encode())[-limits.LOG_TAIL_BYTES :]
        if not ours:
            messages = self._afford(messages)
            if not messages:
                return
        now = int(time.time() * 1000)
        self._on_messages(messages)
        self._sink(self.group, self.name, [LogEvent(now, message) for message in messages])

    def _afford(self, messages: list[str]) -> list[str]:
        """As many messages as the call's allowance lets pass."""
        if self._left < 0:
            return []
        for count, message in enumerate(messages):
            self._left -= len(message) + _EVENT_COST
            if self._left < 0:
                kept = self._kept_bytes // (1024 * 1024)
                return [
                    *messages[:count],
                    f"The lab keeps {kept} MB of a call's log; the rest was dropped.\n",
                ]
        return messages


def _has_bytes(pipe: int) -> bool:
    """Whether there is something to read. That there is nothing is mostly so, and an exception would cost more."""
    return any(fcntl.ioctl(pipe, termios.FIONREAD, _NO_BYTES))
