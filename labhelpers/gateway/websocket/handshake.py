"""The opening handshake of RFC 6455, a server's side: what an upgrade request must be, and the answer. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib

from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest, is_safe_header, message_answer

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"
# AWS: these belong to the connection and are not in `$connect`'s event.
CONNECTION_HEADERS = frozenset({"connection", "upgrade"})


def is_upgrade(request: GatewayRequest) -> bool:
    """Whether the client asks for a WebSocket at all."""
    return "websocket" in _tokens(request, "upgrade") and "upgrade" in _tokens(request, "connection")


def refusal(request: GatewayRequest) -> GatewayAnswer | None:
    """What to answer an upgrade request that breaks RFC 6455, 4.2.1; None for a right one."""
    if request.method != "GET" or request.protocol == "HTTP/1.0":
        return message_answer(400, "Bad Request")
    if request.header_values("sec-websocket-version") != [_VERSION]:
        return message_answer(426, "Upgrade Required", (("Sec-WebSocket-Version", _VERSION),))
    keys = request.header_values("sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return message_answer(400, "Bad Request")
    return None


def acceptance(request: GatewayRequest, subprotocol: str = "") -> bytes:
    """The 101 that makes the connection a WebSocket. A subprotocol is only told to a client that offered it."""
    key = (request.header("sec-websocket-key") or "").strip().encode()
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if subprotocol in subprotocols(request) and is_safe_header("Sec-WebSocket-Protocol", subprotocol):
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join((*lines, "", "")).encode()


def subprotocols(request: GatewayRequest) -> list[str]:
    """The subprotocols that the client offers, in its order of preference."""
    offered = ",".join(request.header_values("sec-websocket-protocol"))
    return [each.strip() for each in offered.split(",") if each.strip()]


def _tokens(request: GatewayRequest, name: str) -> list[str]:
    return [each.strip().lower() for value in request.header_values(name) for each in value.split(",")]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.strip(), validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
