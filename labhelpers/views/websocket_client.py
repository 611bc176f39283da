"""One WebSocket client of the console: a connection and the thread that reads it, for as long as it is open.

States: idle -> connecting -> open -> closed, or connecting -> refused; from closed and refused it may connect again.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import websocket

from labhelpers.errors import LabError
from labhelpers.views.websocket_frames import BINARY, CLOSE, IN, NOTE, OUT, PING, PONG, TEXT, close_text

IDLE, CONNECTING, OPEN, CLOSED, REFUSED = "idle", "connecting", "open", "closed", "refused"
CONNECT_TIMEOUT_S = 30.0  # $connect may start a function and an authorizer.
_CLOSE_TIMEOUT_S = 2.0
_CONTINUATION = 0

Tell = Callable[[str, int, bytes], None]


class WebSocketClient:
    """`on_frame(way, opcode, data)` hears of each frame (way "note", opcode 0: a note), `on_state(state)` of changes.

    Both are called by the thread that opened, sends or reads.
    """

    def __init__(self, on_frame: Tell, on_state: Callable[[str], None]) -> None:
        self._on_frame, self._on_state = on_frame, on_state
        self._lock = threading.RLock()
        self._connection: Any = None
        self._reader: threading.Thread | None = None
        self._closing = False
        self.state = IDLE

    def open(self, url: str, headers: Sequence[str] = ()) -> None:
        """Connect and read from then on. LabError if it is open already, or if the handshake was refused."""
        with self._lock:
            if self.state in (CONNECTING, OPEN):
                raise LabError("this client is connected already")
            self._closing = False
            self._turn(CONNECTING)
        try:
            connection = websocket.create_connection(
                url, timeout=CONNECT_TIMEOUT_S, header=list(headers), enable_multithread=True
            )
            connection.settimeout(None)
        except websocket.WebSocketBadStatusException as error:
            body = (error.resp_body or b"").decode("utf-8", "replace")
            self._note(f"refused: HTTP {error.status_code} {body}".strip())
            self._turn(REFUSED)
            raise LabError(f"the handshake was refused: HTTP {error.status_code} {body}".strip()) from None
        except BaseException as error:
            self._note(f"not connected: {error}")
            self._turn(REFUSED)
            raise
        with self._lock:
            self._connection = connection
            self._note(f"connected to {url}")
            self._turn(OPEN)
            self._reader = threading.Thread(
                target=self._read, args=(connection,), name="labhelpers-websocket-client", daemon=True
            )
            self._reader.start()

    def send(self, text: str) -> None:
        """Send a text message. LabError when not open."""
        self._send(TEXT, text.encode())

    def ping(self, data: bytes = b"") -> None:
        """Send a ping; the other side answers with a pong. LabError when not open."""
        self._send(PING, data)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, and wait for the other side's at most 2 s. Does nothing when not open."""
        with self._lock:
            connection, reader = self._connection, self._reader
            if connection is None:
                return
            self._closing = True
            with contextlib.suppress(OSError, websocket.WebSocketException):
                self._send(CLOSE, code.to_bytes(2, "big") + reason.encode())
        if reader is not None and reader is not threading.current_thread():
            reader.join(_CLOSE_TIMEOUT_S)
            with contextlib.suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)  # Its reader ends, if it has not.

    def _send(self, opcode: int, data: bytes) -> None:
        with self._lock:
            if self._connection is None:
                raise LabError("this client is not connected")
            # Told first: the answer may be read before this call is back.
            self._on_frame(OUT, opcode, data)
            self._connection.send(data, opcode)

    # --- The reader's thread ---

    def _read(self, connection: Any) -> None:
        """Hand on each frame until the connection ends; answer pings and a goodbye."""
        message, kind = b"", TEXT
        try:
            while True:
                frame = connection.recv_frame()
                if frame.opcode in (TEXT, BINARY, _CONTINUATION):
                    kind = frame.opcode or kind
                    message += frame.data
                    if frame.fin:
                        self._on_frame(IN, kind, message)
                        message = b""
                    continue
                self._on_frame(IN, frame.opcode, frame.data)
                if frame.opcode == PING:
                    self._send(PONG, frame.data)
                elif frame.opcode == CLOSE:
                    if not self._closing:
                        self._send(CLOSE, frame.data[:2])
                    self._end(connection, f"closed: {close_text(frame.data)}")
                    return
        except (OSError, LabError, websocket.WebSocketException):
            self._end(connection, f"closed: {close_text((1006).to_bytes(2, 'big'))}")

    def _end(self, connection: Any, why: str) -> None:
        with self._lock:
            self._connection = None
            with contextlib.suppress(OSError):
                connection.shutdown()
            self._note(why)
            self._turn(CLOSED)

    def _note(self, text: str) -> None:
        self._on_frame(NOTE, 0, text.encode())

    def _turn(self, state: str) -> None:
        self.state = state
        self._on_state(state)
