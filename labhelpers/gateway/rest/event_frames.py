"""Proxy events of requests that come again and again: only what is different each time is set into their JSON. Pure.

A stage's settings (`Live`) have one `Frames`, which goes with them. A frame is made when a request comes the second
time.
"""

from __future__ import annotations

import re
from secrets import token_hex
from typing import NamedTuple

from labhelpers.gateway.context import request_time
from labhelpers.gateway.exchange import GatewayRequest, Pairs

FRAMES_MAX = 256
_FRAME_BYTES_MAX = 4096


class Particulars(NamedTuple):
    """What is different in every request's event."""

    trace_id: str
    extended_id: str
    time: str
    epoch_ms: int | str
    request_id: str


def particulars(request: GatewayRequest, extended_id: str) -> Particulars:
    """Those of one request."""
    at = request.received_at
    return Particulars(request.trace_id, extended_id, request_time(at), int(at * 1000), request.request_id)


# They stand where a frame is to be filled; no request can contain them but by guessing.
MARKS = Particulars(*(token_hex(16) for _ in range(5)))
_MARK = re.compile(f'{MARKS.trace_id}|{MARKS.extended_id}|{MARKS.time}|"{MARKS.epoch_ms}"|{MARKS.request_id}')
_ORDER = [MARKS[0], MARKS[0], MARKS[1], MARKS[2], f'"{MARKS[3]}"', MARKS[4]]
_PLAIN = re.compile(r"[\w=;:.-]*", re.ASCII)

_Key = tuple[Pairs, str, str, str, str, str, str, str]


def is_plain(trace_id: str) -> bool:
    """Whether it stands in JSON as it is."""
    return _PLAIN.fullmatch(trace_id) is not None


class Frame:
    """The text of an event around what is different each time: trace twice, extended id, time twice, request id."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[str]) -> None:
        self._parts = parts

    def filled(self, request: GatewayRequest, extended_id: str) -> bytes:
        """The event of a request that is the same but for these."""
        at = request.received_at
        a, b, c, d, e, f, g = self._parts
        trace, time = request.trace_id, request_time(at)
        return f"{a}{trace}{b}{trace}{c}{extended_id}{d}{time}{e}{int(at * 1000)}{f}{request.request_id}{g}".encode()


class Frames:
    """The frames of one stage, by all of a request that its event is made of."""

    __slots__ = ("_frameless", "_frames")

    def __init__(self) -> None:
        self._frames: dict[_Key, Frame | None] = {}
        self._frameless: set[_Key] = set()  # Those that came again, and cannot have one.

    def find(self, request: GatewayRequest) -> Frame | None:
        """The frame for such a request, if there is one."""
        return self._frames.get(_key(request))

    def is_wanted(self, request: GatewayRequest) -> bool:
        """Whether such a request has come before; now it has."""
        key = _key(request)
        if key in self._frames:
            return key not in self._frameless
        if len(self._frames) >= FRAMES_MAX:
            self._frames.clear()
            self._frameless.clear()
        self._frames[key] = None
        return False

    def keep(self, request: GatewayRequest, marked: bytes) -> None:
        """Make the frame of an event that was made with MARKS; none of a long one, or of one that is not as usual."""
        text = marked.decode()
        if len(marked) <= _FRAME_BYTES_MAX and _MARK.findall(text) == _ORDER:
            self._frames[_key(request)] = Frame(_MARK.split(text))
        else:
            self._frameless.add(_key(request))


def _key(request: GatewayRequest) -> _Key:
    return (
        request.headers,
        request.method,
        request.path,
        request.query,
        request.source_ip,
        request.domain,
        request.scheme,
        request.protocol,
    )
