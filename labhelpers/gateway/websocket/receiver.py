"""Reads RFC 6455's frames from a client: pure, no sockets. What comes in is masked; there are no extensions.

Rules: what is wrong is found as early as its bytes are there, also within a frame (UTF-8, lengths), and is the last
thing that a `Receiver` reports. Control frames may come between the fragments of a message.
datatracker.ietf.org/doc/html/rfc6455
"""

from __future__ import annotations

import codecs

from labhelpers.gateway.websocket.frames import (
    CONTROL_BYTES_MAX,
    FINAL,
    MASKED,
    CloseCode,
    Closed,
    Event,
    Failure,
    Limits,
    Message,
    Opcode,
    Ping,
    Pong,
    masked,
)

_RESERVED, _OPCODE = 0x70, 0x0F
_LENGTH = 0x7F
_DATA = frozenset({Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY})
_CONTROL = frozenset({Opcode.CLOSE, Opcode.PING, Opcode.PONG})
# 1004 to 1006 and 1015 are never sent; 1012 to 1014 were registered after the RFC.
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})


class _Broken(Exception):
    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Receiver:
    """Turns what a client sends into events; `feed` takes it in any pieces."""

    __slots__ = (
        "_buffer",
        "_decoder",
        "_done",
        "_final",
        "_left",
        "_limits",
        "_mask",
        "_offset",
        "_opcode",
        "_parts",
        "_size",
        "_type",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = b""
        self._done = False
        # The frame that is being read: `_left` bytes of its payload have not come; -1 when its head has not.
        self._left = -1
        self._opcode = Opcode.CONTINUATION
        self._final = True
        self._mask = b""
        self._offset = 0
        # The message that is being put together: its type (CONTINUATION for none), its unmasked parts, their size.
        self._type = Opcode.CONTINUATION
        self._parts: list[bytes] = []
        self._size = 0
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes complete, in order. After a `Closed` or `Failure` nothing comes any more."""
        if self._done:
            return []
        if (usual := self._usual(data)) is not None:
            return [usual]
        events: list[Event] = []
        self._buffer = self._buffer + data if self._buffer else data
        try:
            while self._step(events):
                pass
        except _Broken as broken:
            events.append(Failure(broken.code, broken.reason))
            self._end()
        return events

    def _usual(self, data: bytes) -> Message | None:
        """What comes most often, read in one go: a short text in one frame, with nothing before or after it."""
        size = len(data) - 6
        if (
            not 0 <= size < 126
            or data[0] != FINAL | Opcode.TEXT
            or data[1] != MASKED | size
            or self._buffer
            or self._left >= 0
            or self._type
            or size > self._limits.frame_bytes
        ):
            return None
        payload = masked(data[6:], data[2:6])
        try:
            payload.decode()
        except UnicodeDecodeError:
            return None
        return Message(payload)

    def _end(self) -> None:
        self._done = True
        self._buffer = b""
        self._parts = []

    def _step(self, events: list[Event]) -> bool:
        """Read one head or what is there of a payload; whether there may be more."""
        if self._done:
            return False
        if self._left < 0 and not self._read_head():
            return False
        if self._opcode in _CONTROL:
            return self._read_control(events)
        return self._read_data(events)

    def _read_head(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        first, second = buffer[0], buffer[1]
        self._check_head(first, second)
        length = second & _LENGTH
        start = 2
        if length == 126:
            start, length = 4, int.from_bytes(buffer[2:4], "big")
        elif length == 127:
            start, length = 10, int.from_bytes(buffer[2:10], "big")
        if len(buffer) < start:
            return False
        if length >> 63:
            raise _Broken(CloseCode.PROTOCOL_ERROR, "Invalid frame length")
        if first & _OPCODE not in _CONTROL:
            self._check_size(length)
        if len(buffer) < start + 4:
            return False
        self._opcode, self._final = Opcode(first & _OPCODE), bool(first & FINAL)
        self._mask, self._offset, self._left = buffer[start : start + 4], 0, length
        self._buffer = buffer[start + 4 :]
        if self._opcode in (Opcode.TEXT, Opcode.BINARY):
            self._type = self._opcode
        return True

    def _check_head(self, first: int, second: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise _Broken(CloseCode.PROTOCOL_ERROR, "Reserved bits are set")
        if opcode not in _DATA and opcode not in _CONTROL:
            raise _Broken(CloseCode.PROTOCOL_ERROR, "Unknown opcode")
        if not second & MASKED:
            raise _Broken(CloseCode.PROTOCOL_ERROR, "A client's frames must be masked")
        if opcode in _CONTROL:
            if not first & FINAL:
                raise _Broken(CloseCode.PROTOCOL_ERROR, "A control frame must not be fragmented")
            if second & _LENGTH > CONTROL_BYTES_MAX:
                raise _Broken(CloseCode.PROTOCOL_ERROR, "A control frame is too long")
        elif opcode == Opcode.CONTINUATION:
            if self._type == Opcode.CONTINUATION:
                raise _Broken(CloseCode.PROTOCOL_ERROR, "Nothing to continue")
        elif self._type != Opcode.CONTINUATION:
            raise _Broken(CloseCode.PROTOCOL_ERROR, "The message before is not finished")
        elif opcode == Opcode.BINARY and not self._limits.binary:
            raise _Broken(CloseCode.UNSUPPORTED_DATA, "Binary frames are not supported")

    def _check_size(self, length: int) -> None:
        if length > self._limits.frame_bytes:
            raise _Broken(CloseCode.TOO_BIG, "Frame too big")
        if self._size + length > self._limits.message_bytes:
            raise _Broken(CloseCode.TOO_BIG, "Message too big")

    def _read_control(self, events: list[Event]) -> bool:
        if len(self._buffer) < self._left:
            return False
        payload = masked(self._buffer[: self._left], self._mask)
        self._buffer = self._buffer[self._left :]
        self._left = -1
        if self._opcode == Opcode.PING:
            events.append(Ping(payload))
        elif self._opcode == Opcode.PONG:
            events.append(Pong(payload))
        else:
            events.append(_read_close(payload))
            self._end()
        return True

    def _read_data(self, events: list[Event]) -> bool:
        buffer = self._buffer
        if not buffer and self._left:
            return False
        piece = masked(buffer[: self._left], self._mask, self._offset)
        self._buffer = buffer[self._left :]
        self._left -= len(piece)
        self._offset += len(piece)
        self._size += len(piece)
        ended = self._left == 0
        if self._type == Opcode.TEXT:
            self._check_text(piece, final=ended and self._final)
        if piece:
            self._parts.append(piece)
        if not ended:
            return False
        self._left = -1
        if self._final:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            events.append(Message(data, self._type == Opcode.TEXT))
            self._parts, self._size, self._type, self._decoder = [], 0, Opcode.CONTINUATION, None
        return True

    def _check_text(self, piece: bytes, *, final: bool) -> None:
        try:
            if final and self._decoder is None:
                piece.decode()
                return
            if self._decoder is None:
                self._decoder = codecs.getincrementaldecoder("utf-8")()
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            raise _Broken(CloseCode.INVALID_DATA, "The text is not UTF-8") from None


def _read_close(payload: bytes) -> Closed:
    if not payload:
        return Closed(CloseCode.NO_STATUS, "")
    if len(payload) == 1:
        raise _Broken(CloseCode.PROTOCOL_ERROR, "A close frame has no whole code")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CLOSE_CODES and not 3000 <= code <= 4999:
        raise _Broken(CloseCode.PROTOCOL_ERROR, "Invalid close code")
    try:
        return Closed(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise _Broken(CloseCode.INVALID_DATA, "The reason is not UTF-8") from None
