"""RFC 6455's frames: what a receiver makes of bytes in any pieces, and what a server sends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labhelpers.gateway.websocket.frames import (
    CloseCode,
    Closed,
    Event,
    Failure,
    Limits,
    Message,
    Opcode,
    Ping,
    Pong,
    close_frame,
    frame,
    masked,
    message_frames,
)
from labhelpers.gateway.websocket.receiver import Receiver
from tests.gateway.websocket.raw_client import frame_bytes

AWS = Limits(frame_bytes=32 * 1024, message_bytes=128 * 1024)
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def received(data: bytes, limits: Limits = AWS, *, pieces: int = 0) -> list[Event]:
    """What a receiver makes of these bytes."""
    receiver = Receiver(limits)
    if not pieces:
        return receiver.feed(data)
    return [
        event
        for start in range(0, len(data), pieces)
        for event in receiver.feed(data[start : start + pieces])
    ]


def failure_of(data: bytes, limits: Limits = AWS) -> CloseCode:
    """The code of the failure that these bytes are."""
    (event,) = received(data, limits)
    assert isinstance(event, Failure)
    return event.code


# --- Messages ---


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 1000, 32768])
@pytest.mark.parametrize("pieces", [0, 1, 7])
def test_text_of_any_size_arrives(size: int, pieces: int) -> None:
    """Whatever the length's form is, and however the bytes come."""
    data = b"x" * size
    assert received(frame_bytes(TEXT, data), pieces=pieces) == [Message(data)]


def test_fragments_become_one_message() -> None:
    """A first frame, continuations, and the last one that is final."""
    data = (
        frame_bytes(TEXT, "gr\u00fc".encode()[:3], final=False)
        + frame_bytes(CONTINUATION, "gr\u00fc".encode()[3:] + b"\xc3", final=False)
        + frame_bytes(CONTINUATION, b"", final=False)
        + frame_bytes(CONTINUATION, b"\x9fe")
    )
    for pieces in (0, 1, 3):
        assert received(data, pieces=pieces) == [Message("gr\u00fc\u00dfe".encode())]


def test_control_frames_come_between_fragments() -> None:
    """A ping within a message is reported at once, and the message goes on."""
    data = (
        frame_bytes(TEXT, b"a", final=False)
        + frame_bytes(PING, b"p")
        + frame_bytes(CONTINUATION, b"b", final=False)
        + frame_bytes(PONG, b"q")
        + frame_bytes(CONTINUATION, b"c")
    )
    assert received(data) == [Ping(b"p"), Pong(b"q"), Message(b"abc")]


def test_messages_after_each_other_are_apart() -> None:
    """Several messages in one piece of data."""
    data = frame_bytes(TEXT, b"one") + frame_bytes(TEXT, b"two") + frame_bytes(PING)
    assert received(data) == [Message(b"one"), Message(b"two"), Ping(b"")]


def test_binary_messages_depend_on_the_limits() -> None:
    """AWS takes none: 1003. Where they are allowed, they need not be UTF-8."""
    assert failure_of(frame_bytes(BINARY, b"\xff")) is CloseCode.UNSUPPORTED_DATA
    allowed = Limits(1000, 1000, binary=True)
    assert received(frame_bytes(BINARY, b"\xff"), allowed) == [Message(b"\xff", is_text=False)]


# --- Rules ---


@pytest.mark.parametrize(
    "data",
    [
        frame_bytes(TEXT, b"x", reserved=0x40),
        frame_bytes(TEXT, b"x", reserved=0x20),
        frame_bytes(PING, b"", reserved=0x10),
        frame_bytes(3, b"x"),
        frame_bytes(7),
        frame_bytes(11, b"x"),
        frame_bytes(15),
        frame_bytes(TEXT, b"x", masked=False),
        frame_bytes(PING, b"x", final=False),
        frame_bytes(CLOSE, b"\x03\xe8", final=False),
        frame_bytes(PING, b"x" * 126),
        frame_bytes(CLOSE, b"\x03\xe8" + b"x" * 124),
        frame_bytes(CONTINUATION, b"x"),
        frame_bytes(CONTINUATION, b"x", final=False),
        frame_bytes(TEXT, b"x", length=1 << 63),
        frame_bytes(CLOSE, b"\x03"),
    ],
)
def test_broken_rule_is_a_protocol_error(data: bytes) -> None:
    """Reserved bits and opcodes, masks, control frames, continuations of nothing: 1002, and nothing after it."""
    receiver = Receiver(AWS)
    (event,) = receiver.feed(data + frame_bytes(TEXT, b"later"))
    assert isinstance(event, Failure) and event.code is CloseCode.PROTOCOL_ERROR
    assert receiver.feed(frame_bytes(TEXT, b"later")) == []


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_new_message_within_a_message_is_a_protocol_error(opcode: int) -> None:
    """Only a continuation may follow a fragment."""
    data = frame_bytes(TEXT, b"x", final=False) + frame_bytes(opcode, b"y")
    (event,) = received(data, Limits(1000, 1000, binary=True))
    assert isinstance(event, Failure) and event.code is CloseCode.PROTOCOL_ERROR


def test_what_was_whole_before_a_failure_counts() -> None:
    """A message in the same piece of data as the broken frame."""
    events = received(frame_bytes(TEXT, b"good") + frame_bytes(3))
    assert events[0] == Message(b"good") and isinstance(events[1], Failure)


# --- Sizes ---


def test_frame_over_the_limit_is_too_big_by_its_head() -> None:
    """1009 as soon as the head says so: none of the payload need come."""
    assert failure_of(frame_bytes(TEXT, b"", length=32769)[:4]) is CloseCode.TOO_BIG
    assert received(frame_bytes(TEXT, b"x" * 32768)) == [Message(b"x" * 32768)]


def test_message_over_the_limit_is_too_big_though_its_frames_are_not() -> None:
    """128 KB in four frames is a message; one byte more is 1009."""
    frames = [frame_bytes(TEXT, b"x" * 32768, final=False)] + [
        frame_bytes(CONTINUATION, b"x" * 32768, final=False) for _ in range(2)
    ]
    whole = b"".join(frames) + frame_bytes(CONTINUATION, b"x" * 32768)
    assert received(whole) == [Message(b"x" * 131072)]
    more = b"".join(frames) + frame_bytes(CONTINUATION, b"x" * 32768, final=False) + frame_bytes(0, b"x")
    assert failure_of(more) is CloseCode.TOO_BIG


def test_empty_fragments_take_no_memory() -> None:
    """Any number of them: only what they bring is kept."""
    receiver = Receiver(AWS)
    receiver.feed(frame_bytes(TEXT, b"a", final=False))
    for _ in range(1000):
        assert receiver.feed(frame_bytes(CONTINUATION, b"", final=False)) == []
    assert receiver.feed(frame_bytes(CONTINUATION, b"b")) == [Message(b"ab")]
    assert len(receiver._parts) == 0


# --- UTF-8 ---


@pytest.mark.parametrize(
    "text",
    [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xff",
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"\xed\xa0\x80",
        b"\xce",
        b"ok\xf0\x9f\x98",
    ],
)
def test_text_that_is_no_utf8_is_invalid_data(text: bytes) -> None:
    """Surrogates, overlong forms, what is above U+10FFFF, what ends too soon: 1007."""
    assert failure_of(frame_bytes(TEXT, text)) is CloseCode.INVALID_DATA
    (event,) = received(frame_bytes(TEXT, text[:1], final=False) + frame_bytes(CONTINUATION, text[1:]))
    assert isinstance(event, Failure) and event.code is CloseCode.INVALID_DATA


def test_invalid_text_is_found_before_its_frame_has_ended() -> None:
    """As soon as the wrong byte is there."""
    data = frame_bytes(TEXT, b"abc\xffdef")
    receiver = Receiver(AWS)
    assert receiver.feed(data[:9]) == []
    (event,) = receiver.feed(data[9:10])
    assert isinstance(event, Failure) and event.code is CloseCode.INVALID_DATA


def test_character_may_be_split_between_frames() -> None:
    """Its bytes belong together only in the message."""
    data = frame_bytes(TEXT, b"\xe2\x82", final=False) + frame_bytes(CONTINUATION, b"\xac")
    assert received(data) == [Message("\u20ac".encode())]


# --- Closing ---


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1014, 3000, 3999, 4999]
)
def test_valid_close_code_is_reported(code: int) -> None:
    """Those of the RFC and its registry, of libraries, and private ones."""
    assert received(frame_bytes(CLOSE, code.to_bytes(2, "big") + b"bye")) == [Closed(code, "bye")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_invalid_close_code_is_a_protocol_error(code: int) -> None:
    """Reserved ones and unknown ones: 1002."""
    assert failure_of(frame_bytes(CLOSE, code.to_bytes(2, "big"))) is CloseCode.PROTOCOL_ERROR


def test_close_frame_may_be_empty_but_not_invalid() -> None:
    """Without a code it is 1005; a reason that is no UTF-8 is 1007."""
    assert received(frame_bytes(CLOSE)) == [Closed(1005, "")]
    assert failure_of(frame_bytes(CLOSE, b"\x03\xe8\xff")) is CloseCode.INVALID_DATA


def test_nothing_counts_after_a_close_frame() -> None:
    """The client has said its last word."""
    assert received(frame_bytes(CLOSE, b"\x03\xe8") + frame_bytes(TEXT, b"x")) == [Closed(1000, "")]


# --- What a server sends ---


def test_frames_of_a_server_have_the_shortest_length() -> None:
    """7, 16 and 64 bits."""
    assert frame(Opcode.TEXT, b"x" * 125)[:2] == bytes((0x81, 125))
    assert frame(Opcode.TEXT, b"x" * 126)[:4] == bytes((0x81, 126, 0, 126))
    assert frame(Opcode.PONG, b"")[:2] == bytes((0x8A, 0))
    assert frame(Opcode.BINARY, b"x" * 65536)[:10] == bytes((0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0))


def test_long_message_goes_out_in_frames() -> None:
    """None larger than the limit; only the last is final."""
    sent = message_frames(b"x" * 70_000, 32_768)
    first = frame(Opcode.TEXT, b"x" * 32_768, final=False)
    rest = frame(Opcode.CONTINUATION, b"x" * 32_768, final=False) + frame(Opcode.CONTINUATION, b"x" * 4_464)
    assert sent == first + rest
    assert message_frames(b"", 10) == frame(Opcode.TEXT, b"")


def test_reason_is_cut_to_what_a_close_frame_takes() -> None:
    """At most 123 bytes, and still UTF-8."""
    sent = close_frame(1000, "\u00e4" * 100)
    assert len(sent) <= 127 and sent[4:].decode() == "\u00e4" * 61
    assert close_frame(1005, "never sent") == bytes((0x88, 0))


# --- Any input ---


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4), st.integers(0, 8))
def test_masking_twice_gives_the_same(data: bytes, mask: bytes, offset: int) -> None:
    """And each byte is masked by the one that its place says."""
    once = masked(data, mask, offset)
    assert masked(once, mask, offset) == data
    assert once == bytes(byte ^ mask[(index + offset) % 4] for index, byte in enumerate(data))


@settings(max_examples=400)
@given(st.lists(st.text(max_size=60), max_size=6), st.integers(1, 40), st.integers(1, 50))
def test_any_pieces_give_the_same_messages(texts: list[str], fragment: int, pieces: int) -> None:
    """Neither how a message is fragmented nor how its bytes arrive changes it."""
    data = b""
    for text in texts:
        raw = text.encode()
        parts = [raw[start : start + fragment] for start in range(0, len(raw), fragment)] or [b""]
        for index, part in enumerate(parts):
            data += frame_bytes(TEXT if index == 0 else 0, part, final=index == len(parts) - 1)
    assert received(data, pieces=pieces) == [Message(text.encode()) for text in texts]


@settings(max_examples=1500)
@given(st.binary(max_size=200), st.integers(1, 200))
def test_garbage_never_raises(data: bytes, pieces: int) -> None:
    """Whatever comes is an event or nothing, and the pieces do not matter for what it is."""
    whole, cut = received(data), received(data, pieces=pieces)
    assert [type(event) for event in whole] == [type(event) for event in cut]
    assert sum(isinstance(event, Failure | Closed) for event in whole) <= 1
