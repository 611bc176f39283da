"""RFC 6455's words: opcodes, close codes, what a client may have said, and the frames that a server sends. Pure.

`receiver` reads what comes in.
datatracker.ietf.org/doc/html/rfc6455
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Opcode(IntEnum):
    """The kinds of frames."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Why a connection ends: the codes that this server sends or tells of."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005
    ABNORMAL = 1006
    INVALID_DATA = 1007
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message. `data` is what was sent; of a text it is known to be UTF-8."""

    data: bytes
    is_text: bool = True


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered by a pong with the same data."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer to a ping, or a sign of life."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The client closes: its code (1005: it gave none) and reason."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The client broke a rule: close with this code. Nothing it sends afterwards counts."""

    code: CloseCode
    reason: str


Event = Message | Ping | Pong | Closed | Failure


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest frame and message in bytes, and whether messages may be binary."""

    frame_bytes: int
    message_bytes: int
    binary: bool = False


FINAL, MASKED = 0x80, 0x80
CONTROL_BYTES_MAX = 125


def masked(data: bytes, mask: bytes, offset: int = 0) -> bytes:
    """`data` masked (which is the same as unmasked), where its first byte is number `offset` of the payload."""
    size = len(data)
    if not size:
        return data
    start = offset & 3
    key = (mask[start:] + mask[:start]) * (size // 4 + 1)
    number = int.from_bytes(data, "little") ^ int.from_bytes(key[:size], "little")
    return number.to_bytes(size, "little")


def frame(opcode: Opcode, payload: bytes, *, final: bool = True) -> bytes:
    """One frame as a server sends it."""
    size = len(payload)
    first = opcode | (FINAL if final else 0)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def message_frames(data: bytes, frame_bytes: int, *, is_text: bool = True) -> bytes:
    """A message as a server sends it, in frames of at most `frame_bytes`."""
    opcode = Opcode.TEXT if is_text else Opcode.BINARY
    if len(data) <= frame_bytes:
        return frame(opcode, data)
    found = []
    for start in range(0, len(data), frame_bytes):
        end = start + frame_bytes
        found.append(frame(opcode, data[start:end], final=end >= len(data)))
        opcode = Opcode.CONTINUATION
    return b"".join(found)


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; 1005 stands for one without a code. A reason longer than the frame takes is cut."""
    if code == CloseCode.NO_STATUS:
        return frame(Opcode.CLOSE, b"")
    text = reason.encode()[: CONTROL_BYTES_MAX - 2].decode("utf-8", "ignore").encode()
    return frame(Opcode.CLOSE, code.to_bytes(2, "big") + text)
