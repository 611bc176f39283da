"""Cutting a pipe's bytes into messages: frames whole, lines whole, whatever way the bytes arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.functions.log_frames import EVENT_LIMIT, FrameReader

NOW = 1_700_000_000.0


def frame(text: str, at: float = NOW, length: int | None = None) -> bytes:
    """A record as the Python client frames it."""
    data = text.encode()
    head = b"\xa5\x5a\x00\x0b" + (len(data) if length is None else length).to_bytes(4, "big")
    return head + int(at * 1e6).to_bytes(8, "big") + data


def reader() -> FrameReader:
    """One for which it is NOW."""
    return FrameReader(lambda: NOW)


def test_lines_and_frames_in_one_chunk() -> None:
    """A frame ends an open line; its text stays as it is."""
    data = b"one\ntwo" + frame("[INFO]\tx\n") + frame("[ERROR] y\nTraceback") + b"three\nfour"
    cut = reader()
    assert cut.feed(data) == ["one\n", "two", "[INFO]\tx\n", "[ERROR] y\nTraceback", "three\n"]
    assert cut.finish() == ["four"]
    assert cut.finish() == []


@given(
    st.lists(
        st.one_of(
            st.text("ab\u00e4\u20ac", max_size=5).map(lambda text: (text + "\n").encode()),
            st.text("ab\u00e4\n", max_size=20).map(frame),
        ),
        max_size=8,
    ),
    st.lists(st.integers(1, 12), min_size=1, max_size=60),
)
def test_messages_do_not_depend_on_how_bytes_arrive(parts: list[bytes], sizes: list[int]) -> None:
    """Cut anywhere, the same messages come out."""
    data = b"".join(parts)
    whole = reader()
    expected = whole.feed(data) + whole.finish()
    cut, got, at, turn = reader(), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        got += cut.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert got + cut.finish() == expected


@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_byte_is_lost(data: bytes, size: int) -> None:
    """Of plain output, however odd, nothing is missing or doubled."""
    cut = reader()
    text = "".join("".join(cut.feed(data[at : at + size])) for at in range(0, len(data), size))
    lines = (text + "".join(cut.finish())).encode("utf-8", "surrogatepass").split(b"\n")
    assert len(lines) == len(data.split(b"\n"))


def test_frame_of_another_time_is_plain_output() -> None:
    """A head whose time is not about now, or whose length is absurd, is no head."""
    for data in (frame("x", at=NOW - 1e6), frame("x", length=2**31)):
        cut = reader()
        assert cut.feed(data + b"\nafter\n")[-1] == "after\n"


def test_open_line_ends_but_a_frame_under_way_stays() -> None:
    """Before Lambda's own line an open line is given out; half a frame waits for its other half."""
    cut = reader()
    cut.feed(b"half")
    assert cut.break_line() == ["half"]
    whole = frame("record")
    assert cut.feed(whole[:18]) == [] and cut.break_line() == []
    assert cut.feed(whole[18:]) == ["record"]


def test_long_message_is_cut_between_characters() -> None:
    """A piece is no longer than an event may be, and never ends within a character."""
    cut = reader()
    pieces = cut.feed(b"x" + "\u20ac".encode() * EVENT_LIMIT) + cut.finish()
    assert "".join(pieces) == "x" + "\u20ac" * EVENT_LIMIT
    assert all(len(piece.encode()) <= EVENT_LIMIT for piece in pieces)
    assert [len(piece) for piece in reader().feed(frame("y" * (EVENT_LIMIT + 1)))] == [EVENT_LIMIT, 1]
