"""The frames of a WebSocket connection as the console shows them; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from labhelpers.errors import LabError
from labhelpers.views.data_listing import show_bytes

IN, OUT, NOTE = "in", "out", "note"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SHOWN_CHARACTERS = 4_000
_KINDS = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
_ARROWS = {IN: "←", OUT: "→", NOTE: "·"}
# docs.aws.amazon.com and RFC 6455, section 7.4.1.
_CODES = {
    1000: "normal end",
    1001: "going away",
    1002: "protocol error",
    1003: "kind of data not accepted",
    1005: "no code given",
    1006: "broken off without a close frame",
    1007: "text is no UTF-8",
    1008: "policy violation",
    1009: "message too big",
    1011: "error of the server",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, or a note on the connection. `number` counts over all clients of a console, `at` is epoch seconds."""

    number: int
    at: float
    client: int
    way: str
    kind: str
    text: str
    size: int = 0

    def as_json(self) -> list[Any]:
        """For the page."""
        return [self.number, self.at, self.client, self.way, self.kind, self.text, self.size]


def build_frame(number: int, at: float, client: int, way: str, opcode: int, data: bytes) -> Frame:
    """A frame that has gone one way or the other; long ones are cut off, bytes that are no text shown as digits."""
    kind = _KINDS.get(opcode, f"opcode {opcode}")
    text = close_text(data) if opcode == CLOSE else show_bytes(data)
    if len(text) > SHOWN_CHARACTERS:
        text = f"{text[:SHOWN_CHARACTERS]}… cut off"
    return Frame(number, at, client, way, kind, text, len(data))


def close_code(data: bytes) -> int:
    """The code in a close frame; 1005 where there is none (RFC 6455, section 7.1.5)."""
    return int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005


def close_text(data: bytes) -> str:
    """A close frame in words: its code, what that means, and the reason that was given."""
    code, reason = close_code(data), data[2:].decode("utf-8", "replace")
    meaning = _CODES.get(code, "")
    return f"{code}{f' ({meaning})' if meaning else ''}{f': {reason}' if reason else ''}"


def build_addresses(
    apis: Iterable[Mapping[str, Any]], stages: Mapping[str, Sequence[Mapping[str, Any]]]
) -> tuple[tuple[str, str], ...]:
    """(address, name) of each stage of WebSocket APIs, from GetApis' items and GetStages' items by API id."""
    return tuple(
        (
            f"{api['ApiEndpoint']}/{quote(stage['StageName'], safe='$')}",
            f"{api['Name']}, stage {stage['StageName']}",
        )
        for api in apis
        if api["ProtocolType"] == "WEBSOCKET"
        for stage in stages.get(api["ApiId"], ())
    )


def build_names(clients: int | Sequence[str], most: int) -> tuple[str, ...]:
    """The clients' names. LabError for none, for too many, and for a name that is there twice."""
    if isinstance(clients, str):
        clients = (clients,)
    names = tuple(f"Client {n + 1}" for n in range(clients)) if isinstance(clients, int) else tuple(clients)
    if not 1 <= len(names) <= most:
        raise LabError(f"a console has 1 to {most} clients, not {len(names)}")
    if len(set(names)) < len(names):
        raise LabError(f"each client needs a name of its own, not {', '.join(names)}")
    return names


def build_headers(text: str) -> list[str]:
    """Headers for the handshake from `Name: value` lines. LabError for a line that is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if not line.partition(":")[1]:
            raise LabError(f"line {number} of the headers is no `Name: value`: {line!r}")
    return lines


def build_url(address: str, query: str) -> str:
    """The address with a query added. LabError for an address that is no WebSocket's."""
    if not address.startswith(("ws://", "wss://")):
        raise LabError(f"the address of a WebSocket begins with ws:// or wss://, not {address!r}")
    query = query.strip().lstrip("?")
    escaped = quote(query, safe="".join(map(chr, range(33, 127))).replace("#", ""))
    return f"{address}{'&' if '?' in address else '?'}{escaped}" if query else address


def transcript_text(names: Sequence[str], states: Sequence[str], frames: Iterable[Frame]) -> str:
    """All clients and their frames in order, as plain text."""
    lines = [f"{name}: {state}" for name, state in zip(names, states, strict=True)]
    lines += [
        f"#{frame.number} {names[frame.client]} {_ARROWS[frame.way]} {frame.kind}: {frame.text}"
        for frame in sorted(frames, key=lambda frame: frame.number)
    ]
    return "\n".join(lines)
