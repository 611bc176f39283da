"""The protocol as a client sees it on the wire: what Autobahn's test suite asks, asked here by hand.

The suite itself (Python 2.7) passes against `echo_server`: 298 of 301 cases OK, 3 informational; those of compression,
which API Gateway does not have, are left out. `test_autobahn_suite` runs it where there is a `wstest`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.websocket.echo_server import echo_server
from tests.gateway.websocket.raw_client import Frame, RawClient, frame_bytes, shaken_hands

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
NORMAL = frame_bytes(CLOSE, b"\x03\xe8")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of an echo server on a loop of its own."""
    ports: list[int] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with echo_server() as port:
            ports.append(port)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield f"ws://127.0.0.1:{ports[0]}/"
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def client(url: str) -> Iterator[RawClient]:
    """A client after its handshake."""
    with shaken_hands(url) as connected:
        yield connected


def closes_with(client: RawClient, code: int | None) -> None:
    """The next frame is a close with this code, and then the server ends the connection."""
    frame = client.receive()
    assert frame is not None and (frame.opcode, frame.close_code) == (CLOSE, code)
    assert client.receive() is None


# --- 1 and 9: messages of all sizes, in all pieces ---


@pytest.mark.parametrize("size", [0, 125, 126, 127, 128, 65535, 65536, 1_000_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_message_comes_back_as_it_was(client: RawClient, opcode: int, size: int) -> None:
    """Text and binary."""
    client.send(frame_bytes(opcode, b"*" * size))
    assert client.receive() == Frame(opcode, b"*" * size)


@pytest.mark.parametrize("pieces", [1, 64, 997])
def test_message_may_come_in_small_pieces(client: RawClient, pieces: int) -> None:
    """Of a byte, even."""
    client.send(frame_bytes(TEXT, b"*" * 2000), pieces=pieces)
    assert client.receive() == Frame(TEXT, b"*" * 2000)


@pytest.mark.parametrize("fragment", [64, 4096])
def test_large_message_may_come_in_many_fragments(client: RawClient, fragment: int) -> None:
    """And comes back whole."""
    data = b"*" * 262_144
    parts = [data[start : start + fragment] for start in range(0, len(data), fragment)]
    frames = [
        frame_bytes(TEXT if index == 0 else CONTINUATION, part, final=index == len(parts) - 1)
        for index, part in enumerate(parts)
    ]
    client.send(b"".join(frames))
    assert client.receive() == Frame(TEXT, data)


# --- 2: pings and pongs ---


@pytest.mark.parametrize("payload", [b"", b"Hello", b"\x00\xff\xfe", b"\xfe" * 125])
def test_ping_is_answered_by_its_payload(client: RawClient, payload: bytes) -> None:
    """Any bytes."""
    client.send(frame_bytes(PING, payload), pieces=1)
    assert client.receive() == Frame(PONG, payload)


def test_too_long_ping_ends_the_connection(client: RawClient) -> None:
    """1002."""
    client.send(frame_bytes(PING, b"x" * 126))
    closes_with(client, 1002)


def test_unasked_pong_is_taken_in_silence(client: RawClient) -> None:
    """It is a sign of life."""
    client.send(frame_bytes(PONG, b"x") + frame_bytes(PING, b"y") + NORMAL)
    assert client.frames() == [Frame(PONG, b"y"), Frame(CLOSE, b"\x03\xe8")]


def test_pings_are_answered_in_order(client: RawClient) -> None:
    """Ten of them."""
    client.send(b"".join(frame_bytes(PING, b"%d" % n) for n in range(10)))
    assert [client.receive() for _ in range(10)] == [Frame(PONG, b"%d" % n) for n in range(10)]


# --- 3 and 4: reserved bits and opcodes ---


@pytest.mark.parametrize("reserved", [0x40, 0x20, 0x30, 0x50, 0x70])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_reserved_bit_ends_the_connection(client: RawClient, opcode: int, reserved: int) -> None:
    """1002; what came before it counts."""
    client.send(frame_bytes(TEXT, b"before") + frame_bytes(opcode, b"", reserved=reserved))
    assert client.receive() == Frame(TEXT, b"before")
    closes_with(client, 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcode_ends_the_connection(client: RawClient, opcode: int) -> None:
    """1002."""
    client.send(frame_bytes(opcode, b"x"))
    closes_with(client, 1002)


# --- 5: fragments ---


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_fragmented_control_frame_ends_the_connection(client: RawClient, opcode: int) -> None:
    """1002."""
    client.send(frame_bytes(opcode, b"", final=False))
    closes_with(client, 1002)


def test_ping_between_fragments_is_answered_between_them(client: RawClient) -> None:
    """Before the message."""
    client.send(
        frame_bytes(TEXT, b"one", final=False) + frame_bytes(PING, b"p") + frame_bytes(CONTINUATION, b"two"),
        pieces=1,
    )
    assert [client.receive(), client.receive()] == [Frame(PONG, b"p"), Frame(TEXT, b"onetwo")]


@pytest.mark.parametrize("final", [True, False])
def test_continuation_of_nothing_ends_the_connection(client: RawClient, final: bool) -> None:
    """1002, also after a message that is whole."""
    client.send(frame_bytes(TEXT, b"whole") + frame_bytes(CONTINUATION, b"x", final=final))
    assert client.receive() == Frame(TEXT, b"whole")
    closes_with(client, 1002)


def test_message_within_a_message_ends_the_connection(client: RawClient) -> None:
    """1002."""
    client.send(frame_bytes(TEXT, b"a", final=False) + frame_bytes(TEXT, b"b"))
    closes_with(client, 1002)


# --- 6: UTF-8 ---

VALID = [
    "\u03ba\u1f79\u03c3\u03bc\u03b5",
    "\x00",
    "\x7f",
    "\u0080",
    "\u07ff",
    "\u0800",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
    "\ud7ff\ue000\ufffd\ufffe",
]
INVALID = [
    b"\x80",
    b"\xbf\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xce\xba\xe1\xbd",
]


@pytest.mark.parametrize("text", VALID)
def test_valid_text_comes_back(client: RawClient, text: str) -> None:
    """In fragments of a byte, too."""
    raw = text.encode()
    client.send(frame_bytes(TEXT, raw))
    assert client.receive() == Frame(TEXT, raw)
    parts = [raw[index : index + 1] for index in range(len(raw))]
    for index, part in enumerate(parts):
        client.send(frame_bytes(TEXT if index == 0 else CONTINUATION, part, final=index == len(parts) - 1))
    assert client.receive() == Frame(TEXT, raw)


@pytest.mark.parametrize("raw", INVALID)
def test_invalid_text_ends_the_connection(client: RawClient, raw: bytes) -> None:
    """1007."""
    client.send(frame_bytes(TEXT, raw))
    closes_with(client, 1007)


def test_invalid_text_fails_fast(client: RawClient) -> None:
    """Its frame has not ended, and its message still less."""
    client.send(frame_bytes(TEXT, b"ok", final=False))
    client.send(frame_bytes(CONTINUATION, b"\xce\xba\xf4\x90\x80\x80 and much more")[:13])
    closes_with(client, 1007)


# --- 7: closing ---


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
)
def test_close_is_answered_by_its_code(client: RawClient, code: int) -> None:
    """And then the connection ends."""
    client.send(frame_bytes(CLOSE, code.to_bytes(2, "big") + b"reason"))
    closes_with(client, code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535])
def test_invalid_close_code_is_a_protocol_error(client: RawClient, code: int) -> None:
    """1002."""
    client.send(frame_bytes(CLOSE, code.to_bytes(2, "big")))
    closes_with(client, 1002)


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"", None), (b"\x03", 1002), (b"\x03\xe8" + b"x" * 123, 1000), (b"\x03\xe8" + b"x" * 124, 1002)],
)
def test_close_frame_has_no_code_or_a_whole_one(client: RawClient, payload: bytes, code: int | None) -> None:
    """And at most 123 bytes of reason."""
    client.send(frame_bytes(CLOSE, payload))
    closes_with(client, code)


def test_close_reason_must_be_utf8(client: RawClient) -> None:
    """1007."""
    client.send(frame_bytes(CLOSE, b"\x03\xe8\xce\xba\xed\xa0\x80"))
    closes_with(client, 1007)


def test_nothing_is_answered_after_a_close(client: RawClient) -> None:
    """Neither messages nor pings nor another close."""
    client.send(NORMAL + frame_bytes(TEXT, b"x") + frame_bytes(PING) + NORMAL)
    closes_with(client, 1000)


def test_unfinished_message_does_not_keep_a_connection_open(client: RawClient) -> None:
    """A close within a message is a close."""
    client.send(frame_bytes(TEXT, b"x", final=False) + NORMAL)
    closes_with(client, 1000)


# --- The suite itself ---


@pytest.mark.slow
def test_autobahn_suite(url: str, tmp_path: Path) -> None:
    """Every case that applies: no failure, and nothing less strict than it could be."""
    suite = shutil.which("wstest")
    if suite is None:
        pytest.skip("no wstest: Autobahn's suite needs Python 2.7")
    specification = {
        "outdir": str(tmp_path / "out"),
        "servers": [{"agent": "lab", "url": url}],
        "cases": ["*"],
        "exclude-cases": ["12.*", "13.*"],  # Compression.
        "exclude-agent-cases": {},
    }
    (tmp_path / "spec.json").write_text(json.dumps(specification))
    subprocess.run(
        [suite, "-m", "fuzzingclient", "-s", "spec.json"],
        cwd=tmp_path,
        check=True,
        timeout=300,
        capture_output=True,
    )
    results = json.loads((tmp_path / "out" / "index.json").read_text())["lab"]
    good = {"OK", "INFORMATIONAL"}
    bad = {name: r for name, r in results.items() if not {r["behavior"], r["behaviorClose"]} <= good}
    assert len(results) > 290 and not bad
