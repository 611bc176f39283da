"""One connection: the order of its messages, its bounds, and all the ways in which it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from labhelpers import limits
from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.gateway.websocket.connection import (
    QUEUE_MESSAGES_MAX,
    SEND_BUFFER_BYTES_MAX,
    Connection,
    Ending,
    Gone,
    SlowClient,
)
from labhelpers.gateway.websocket.connections import Connections
from labhelpers.gateway.websocket.events import Client
from labhelpers.gateway.websocket.frames import CloseCode
from labhelpers.gateway.websocket.states import State
from tests.fakes import FakeClock, settle
from tests.gateway.websocket.raw_client import frame_bytes

ASKED = GatewayRequest("GET", "/", "", (), b"", "127.0.0.1", "", "", "")
HELLO = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """Keeps what is written; the client reads it only when `reads` is true."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unread = 0
        self.reads = True
        self.reading = True
        self.ended = False
        self.aborted = False
        self.closing = False
        self.protocol: Any = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None:
        self.written += data
        if not self.reads:
            self.unread += len(data)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self._end()

    def abort(self) -> None:
        self.aborted = True
        self._end()

    def _end(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Table:
    """A connection on a fake transport, and what is heard of it."""

    def __init__(self, clock: FakeClock | None = None, name: str = "c=") -> None:
        self.clock = clock or FakeClock()
        self.transport = FakeTransport()
        self.messages: list[bytes] = []
        self.endings: list[Ending] = []
        self.release = asyncio.Event()
        self.release.set()
        client = Client(name, "api", "dev", "", 0, ASKED, {})
        self.connection = Connection(client, now=self.clock.now, handle=self._handle, ended=self._ended)

    async def _handle(self, connection: Connection, data: bytes) -> None:
        await self.release.wait()
        self.messages.append(data)

    async def _ended(self, connection: Connection, ending: Ending) -> None:
        self.endings.append(ending)

    def open(self) -> Table:
        self.connection.open(self.transport, HELLO)
        return self

    def receive(self, *frames: bytes) -> None:
        self.connection.data_received(b"".join(frames))

    @property
    def sent(self) -> bytes:
        """What went to the client after the handshake."""
        return self.transport.written[len(HELLO) :]


def text(data: bytes) -> bytes:
    """A client's text message."""
    return frame_bytes(1, data)


# --- Opening ---


async def test_connection_is_open_after_its_handshake() -> None:
    """And not before: @connections does not know it yet."""
    table = Table()
    with pytest.raises(Gone):
        table.connection.send(b"too early")
    table.open()
    assert table.transport.written == HELLO and table.connection.state is State.OPEN


async def test_what_the_client_sent_early_counts() -> None:
    """Frames that came together with the upgrade request."""
    table = Table()
    table.connection.open(table.transport, HELLO, text(b"early"))
    await settle()
    assert table.messages == [b"early"]


# --- Messages ---


async def test_messages_are_handled_in_order_one_at_a_time() -> None:
    """The next begins when the one before has ended."""
    table = Table().open()
    table.release.clear()
    table.receive(text(b"1"), text(b"2"))
    table.receive(text(b"3"))
    await settle()
    assert table.messages == []
    table.release.set()
    await settle()
    assert table.messages == [b"1", b"2", b"3"]


async def test_fast_client_is_not_read_from_while_its_messages_wait() -> None:
    """Only so many are kept; reading goes on when half of them are done."""
    table = Table().open()
    table.release.clear()
    table.receive(*(text(b"%d" % n) for n in range(QUEUE_MESSAGES_MAX + 1)))
    await settle()
    assert not table.transport.reading
    table.release.set()
    await settle(1000)
    assert table.transport.reading and len(table.messages) == QUEUE_MESSAGES_MAX + 1


async def test_large_messages_stop_reading_sooner() -> None:
    """It is the bytes that fill memory."""
    table = Table().open()
    table.release.clear()
    part = b"x" * limits.WEBSOCKET_FRAME_BYTES_MAX
    for _ in range(17):
        table.receive(text(part))
    assert not table.transport.reading
    table.release.set()
    await settle(200)
    assert table.transport.reading and len(table.messages) == 17


async def test_ping_is_answered_at_once() -> None:
    """Though a message is being handled."""
    table = Table().open()
    table.release.clear()
    table.receive(text(b"slow"), frame_bytes(9, b"are you there"))
    await settle()
    assert table.sent == bytes((0x8A, 13)) + b"are you there"
    table.release.set()
    await settle()


# --- Sending ---


async def test_message_is_sent_in_frames_of_32_kb() -> None:
    """As AWS splits them."""
    table = Table().open()
    table.connection.send(b"x" * 32_769)
    assert table.sent[:4] == bytes((0x01, 126, 0x80, 0x00)) and table.sent[-3:] == bytes((0x80, 1)) + b"x"


async def test_client_that_does_not_read_gets_nothing_more() -> None:
    """What lies here for it is bounded."""
    table = Table().open()
    table.transport.reads = False
    for _ in range(SEND_BUFFER_BYTES_MAX // 131_072):
        table.connection.send(b"x" * 131_072)
    with pytest.raises(SlowClient):
        table.connection.send(b"one more")


async def test_client_that_floods_with_pings_and_does_not_read_is_dropped() -> None:
    """Its pongs would fill memory."""
    table = Table().open()
    table.transport.unread = SEND_BUFFER_BYTES_MAX + 1
    table.receive(frame_bytes(9))
    await settle()
    assert table.transport.aborted and table.endings == [Ending(1006, "", by_client=True)]


async def test_worker_waits_for_a_client_that_lags() -> None:
    """Until it has read, or has gone."""
    table = Table().open()
    await table.connection.drained()
    table.connection.pause_writing()
    waiting = asyncio.create_task(table.connection.drained())
    await settle()
    assert not waiting.done()
    table.connection.resume_writing()
    await waiting
    table.connection.pause_writing()
    waiting = asyncio.create_task(table.connection.drained())
    await settle()
    table.transport.abort()
    await asyncio.wait_for(waiting, 1)


# --- Ends ---


async def test_client_closes_with_its_code_and_reason() -> None:
    """Its close frame is answered by one of the same code, and `$disconnect` hears both."""
    table = Table().open()
    table.receive(frame_bytes(8, (4001).to_bytes(2, "big") + b"bye"))
    await settle()
    assert table.sent == bytes((0x88, 5)) + (4001).to_bytes(2, "big") + b"bye"
    assert table.endings == [Ending(4001, "bye", by_client=True)] and table.transport.closing


async def test_close_without_a_code_is_1005() -> None:
    """With the text that AWS has for it."""
    table = Table().open()
    table.receive(frame_bytes(8))
    await settle()
    assert table.sent == bytes((0x88, 0))
    assert table.endings == [Ending(1005, "Client-side close frame status not set", by_client=True)]


async def test_client_that_vanishes_is_1006() -> None:
    """No close frame came."""
    table = Table().open()
    table.connection.connection_lost(ConnectionResetError())
    await settle()
    assert table.endings == [Ending(1006, "", by_client=True)] and table.connection.state is State.CLOSED


async def test_end_comes_after_the_messages_before_it() -> None:
    """`$disconnect` is the last that is heard of a client."""
    table = Table().open()
    table.release.clear()
    table.receive(text(b"1"), text(b"2"), frame_bytes(8, b"\x03\xe8"))
    await settle()
    assert table.connection.state is State.CLOSED and table.endings == []
    table.release.set()
    await settle()
    assert table.messages == [b"1", b"2"] and [ending.code for ending in table.endings] == [1000]


async def test_broken_rule_closes_with_its_code() -> None:
    """The client is told, can read that (what it still sends is dropped), and then is gone."""
    table = Table().open()
    table.receive(frame_bytes(3, b"x"))
    assert table.sent[2:4] == (1002).to_bytes(2, "big") and table.transport.ended
    assert not table.transport.closing
    table.receive(text(b"dropped"))
    table.connection.connection_lost(None)
    await settle()
    assert table.messages == [] and [ending.code for ending in table.endings] == [1002]


async def test_server_closes_and_waits_for_the_client() -> None:
    """A close frame each way; messages that come meanwhile do not count."""
    table = Table().open()
    table.connection.close(CloseCode.NORMAL, "done")
    with pytest.raises(Gone):
        table.connection.send(b"late")
    assert table.sent == bytes((0x88, 6)) + b"\x03\xe8done" and not table.transport.closing
    table.receive(text(b"late"), frame_bytes(8, b"\x03\xe8"))
    await settle()
    assert table.messages == [] and table.endings == [Ending(1000, "done", by_client=False)]


async def test_client_that_does_not_answer_a_close_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some patience."""
    monkeypatch.setattr("labhelpers.gateway.websocket.connection._CLOSE_PATIENCE_S", 0.01)
    table = Table().open()
    table.connection.close(CloseCode.NORMAL, "done")
    async with asyncio.timeout(5):
        while not table.endings:  # noqa: ASYNC110 - a fake has no event to wait on
            await asyncio.sleep(0.001)
    assert table.transport.aborted and table.endings == [Ending(1000, "done", by_client=False)]


async def test_connection_that_never_opened_still_ends() -> None:
    """The client went while `$connect` ran."""
    table = Table()
    table.connection.never_open(Ending(1006, "", by_client=True))
    await settle()
    assert table.endings == [Ending(1006, "", by_client=True)]


async def test_connection_ends_once() -> None:
    """Whatever comes together."""
    table = Table().open()
    table.receive(frame_bytes(8, b"\x03\xe8"))
    table.connection.close(CloseCode.GOING_AWAY, "x")
    table.transport.abort()
    await settle()
    assert len(table.endings) == 1


# --- All connections, on the lab's clock ---


async def opened(connections: Connections, clock: FakeClock, name: str) -> Table:
    """A connection among others."""
    table = Table(clock, name).open()
    connections.add(table.connection)
    await settle()
    return table


async def test_idle_connection_is_closed_after_ten_minutes() -> None:
    """With 1001, as recorded; a message, a ping or something that is sent gives it ten more."""
    clock = FakeClock()
    connections = Connections(clock)
    keep: dict[str, Callable[[Table], None]] = {
        "message": lambda table: table.receive(text(b"x")),
        "ping": lambda table: table.receive(frame_bytes(9)),
        "pong": lambda table: table.receive(frame_bytes(10)),
        "sent": lambda table: table.connection.send(b"x"),
    }
    tables = {name: await opened(connections, clock, name) for name in ("idle", *keep)}
    await clock.advance(599)
    for name, act in keep.items():
        act(tables[name])
    await clock.advance(2)
    assert connections.find("idle") is None and len(connections) == 4
    assert tables["idle"].sent[2:] == b"\x03\xe9Going away"
    await clock.advance(596)
    assert len(connections) == 4
    await clock.advance(3)
    assert len(connections) == 0
    await connections.end()


async def test_no_connection_lasts_longer_than_two_hours() -> None:
    """However busy it is."""
    clock = FakeClock()
    connections = Connections(clock)
    table = await opened(connections, clock, "busy")
    for _ in range(14):
        await clock.advance(500)
        table.receive(text(b"x"))
    await clock.advance(199)
    assert connections.find("busy") is table.connection
    await clock.advance(1)
    assert connections.find("busy") is None and table.sent[-12:] == b"\x03\xe9Going away"
    await connections.end()


async def test_end_of_the_lab_ends_all() -> None:
    """At once."""
    clock = FakeClock()
    connections = Connections(clock)
    tables = [await opened(connections, clock, str(n)) for n in range(3)]
    await connections.end()
    await settle()
    assert len(connections) == 0 and all(table.transport.aborted for table in tables)
