"""One client's connection after the handshake: frames in and out, its messages in order, its end.

`upgrade` makes one and hands it the client's transport; `connections` keeps all of them.
Rules: a message's handler runs when that of the one before has ended; a client that sends faster is not read from
meanwhile, and one that does not read what it is sent has `send` refused, so neither costs the others anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from labhelpers import limits
from labhelpers.gateway.websocket.events import Client, MessageEvents
from labhelpers.gateway.websocket.frames import (
    CloseCode,
    Closed,
    Event,
    Failure,
    Limits,
    Message,
    Opcode,
    Ping,
    close_frame,
    frame,
    message_frames,
)
from labhelpers.gateway.websocket.receiver import Receiver
from labhelpers.gateway.websocket.states import State, follow

FRAME_LIMITS = Limits(limits.WEBSOCKET_FRAME_BYTES_MAX, limits.WEBSOCKET_MESSAGE_BYTES_MAX)
# Messages that wait for their turn; AWS does not say how many it keeps.
QUEUE_MESSAGES_MAX, QUEUE_BYTES_MAX = 64, 512 * 1024
# What may lie here for a client that does not read: then @connections answers LimitExceededException.
SEND_BUFFER_BYTES_MAX = 1024 * 1024
# How long a client may take to answer a close frame.
_CLOSE_PATIENCE_S = 3.0


class SlowClient(Exception):
    """The client does not read what it is sent: nothing more is taken for it."""


class Gone(Exception):
    """The connection is not open (any more)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended: the code and reason that `$disconnect` hears, and whether the client closed it."""

    code: int
    reason: str
    by_client: bool


class Connection(asyncio.Protocol):
    """A connection of one stage. `handle` is awaited for each message, in order; then `ended`, once.

    `active_at` is real time in epoch seconds, `idle_since` and `opened_at` the lab's.
    """

    __slots__ = (
        "_closer",
        "_drained",
        "_ended",
        "_ending",
        "_handle",
        "_now",
        "_paused",
        "_pump",
        "_queue",
        "_queued_bytes",
        "_receiver",
        "_transport",
        "_write_paused",
        "active_at",
        "client",
        "events",
        "id",
        "idle_since",
        "opened_at",
        "state",
    )

    def __init__(
        self,
        client: Client,
        *,
        now: Callable[[], float],
        handle: Callable[[Connection, bytes], Awaitable[None]],
        ended: Callable[[Connection, Ending], Awaitable[None]],
        frames: Limits = FRAME_LIMITS,
    ) -> None:
        self.id = client.connection_id
        self.client = client
        self.events = MessageEvents(client)
        self.state = State.CONNECTING
        self.active_at = time.time()
        self.opened_at = self.idle_since = now()
        self._now = now
        self._handle = handle
        self._ended = ended
        self._receiver = Receiver(frames)
        self._transport: asyncio.Transport | None = None
        self._ending: Ending | None = None
        self._closer: asyncio.TimerHandle | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._paused = False
        self._pump: asyncio.Task[None] | None = None
        self._write_paused = False
        self._drained: list[asyncio.Future[None]] = []

    # --- Opening ---

    def open(self, transport: asyncio.Transport, acceptance: bytes, early: bytes = b"") -> None:
        """Take over the client's transport and answer its handshake; `early` is what it has sent already."""
        self.state = follow(self.state, State.OPEN)
        self._transport = transport
        self.opened_at = self.idle_since = self._now()
        transport.set_protocol(self)
        with contextlib.suppress(RuntimeError):
            transport.resume_reading()
        transport.write(acceptance)
        if early:
            self.data_received(early)

    def never_open(self, ending: Ending) -> None:
        """The client went while `$connect` ran: all that is left is `$disconnect`."""
        self._conclude(ending)

    # --- What the client sends ---

    def data_received(self, data: bytes) -> None:
        """Some bytes of the client's; asyncio calls it."""
        for event in self._receiver.feed(data):
            self._on_event(event)

    def eof_received(self) -> bool:
        """The client ends its side; asyncio calls it, and then closes ours."""
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has gone, or we have closed; asyncio calls it."""
        if self._closer is not None:
            self._closer.cancel()
            self._closer = None
        self._transport = None
        self._release()
        self._conclude(self._ending or Ending(CloseCode.ABNORMAL, "", by_client=True))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Failure):
            self._fail(event)
        elif isinstance(event, Closed):
            self._client_closes(event)
        elif self.state is State.OPEN:
            self._touch()
            if isinstance(event, Message):
                self._enqueue(event.data)
            elif isinstance(event, Ping):
                self._write(frame(Opcode.PONG, event.data))

    def _touch(self) -> None:
        # AWS: which frames count for the idle time is not documented. Here: every whole frame, also pings and pongs.
        self.active_at = time.time()
        self.idle_since = self._now()

    # --- Messages, one after the other ---

    def _enqueue(self, data: bytes) -> None:
        self._queue.append(data)
        self._queued_bytes += len(data)
        if self._pump is None:
            self._start_pump()
        elif not self._paused and self._is_full(1):
            self._pause_reading(True)

    def _start_pump(self) -> None:
        loop = asyncio.get_running_loop()
        if sys.version_info >= (3, 12):  # It begins at once, which spares a turn of the loop.
            pump = asyncio.Task(self._handle_queue(), loop=loop, eager_start=True)
            self._pump = None if pump.done() else pump
        else:
            self._pump = loop.create_task(self._handle_queue())

    def _is_full(self, part: int) -> bool:
        return len(self._queue) * part >= QUEUE_MESSAGES_MAX or self._queued_bytes * part >= QUEUE_BYTES_MAX

    def _pause_reading(self, paused: bool) -> None:
        self._paused = paused
        if self._transport is not None and not self._transport.is_closing():
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    async def _handle_queue(self) -> None:
        try:
            while self._queue:
                data = self._queue.popleft()
                self._queued_bytes -= len(data)
                if self._paused and not self._is_full(2):
                    self._pause_reading(False)
                await self._handle(self, data)
        finally:
            self._pump = None
        if self.state is State.CLOSED and self._ending is not None:
            await self._ended(self, self._ending)

    # --- What is sent to the client ---

    def send(self, data: bytes) -> None:
        """Send a text message. Gone when the connection is not open, SlowClient when too much of it lies here."""
        self._check_open().write(message_frames(data, FRAME_LIMITS.frame_bytes))
        self._touch()

    def send_soon(self, data: bytes) -> None:
        """Like `send`, but at the loop's next turn: who asked for it has its answer first."""
        self._check_open()
        asyncio.get_running_loop().call_soon(self._send_now, data)

    def _send_now(self, data: bytes) -> None:
        with contextlib.suppress(
            Gone, SlowClient
        ):  # It was well a moment ago: then the message is lost on the way.
            self.send(data)

    def _check_open(self) -> asyncio.Transport:
        transport = self._transport
        if self.state is not State.OPEN or transport is None or transport.is_closing():
            raise Gone
        if transport.get_write_buffer_size() > SEND_BUFFER_BYTES_MAX:
            raise SlowClient
        return transport

    async def drained(self) -> None:
        """Wait until the client has read most of what it was sent, or has gone."""
        if self._write_paused:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drained.append(waiter)
            await waiter

    def pause_writing(self) -> None:
        """The client does not keep up; asyncio calls it."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """It does again; asyncio calls it."""
        self._release()

    def _release(self) -> None:
        self._write_paused = False
        waiters, self._drained = self._drained, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > SEND_BUFFER_BYTES_MAX:
            transport.abort()  # It floods us with pings and does not read the pongs.
        else:
            transport.write(data)

    # --- Its end ---

    def close(self, code: CloseCode, reason: str) -> None:
        """Close from our side: a close frame, some patience for the client's, then the transport's end."""
        if self.state is not State.OPEN:
            return
        self.state = follow(self.state, State.CLOSING)
        self._ending = Ending(code, reason, by_client=False)
        self._pause_reading(False)
        self._write(close_frame(code, reason))
        self._give_up_later()

    def abort(self) -> None:
        """End it at once: the lab ends."""
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, failure: Failure) -> None:
        """The client broke a rule. It is told; what it still sends is read and dropped, or that might not reach it."""
        if self._ending is None:
            self._ending = Ending(failure.code, failure.reason, by_client=False)
        if self.state is State.OPEN:
            self.state = follow(self.state, State.CLOSING)
            self._write(close_frame(failure.code, failure.reason))
            self._pause_reading(False)
        transport = self._transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()
        self._give_up_later()

    def _client_closes(self, closed: Closed) -> None:
        transport = self._transport
        if self.state is State.OPEN:
            self.state = follow(self.state, State.CLOSING)
            # AWS: recorded events have this text for a close frame without a code.
            reason = (
                "Client-side close frame status not set"
                if closed.code == CloseCode.NO_STATUS
                else closed.reason
            )
            self._ending = Ending(closed.code, reason, by_client=True)
            self._write(close_frame(closed.code, closed.reason))
        if transport is not None:
            transport.close()
            self._give_up_later()

    def _give_up_later(self) -> None:
        transport = self._transport
        if transport is not None and self._closer is None:
            self._closer = asyncio.get_running_loop().call_later(_CLOSE_PATIENCE_S, transport.abort)

    def _conclude(self, ending: Ending) -> None:
        """Nothing comes and goes any more: what waits is handled still, and then the connection's end."""
        if self.state is State.CLOSED:
            return
        self.state = follow(self.state, State.CLOSED)
        self._ending = ending
        if self._pump is None:
            self._start_pump()
