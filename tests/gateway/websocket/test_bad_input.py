"""Whatever a client sends after the handshake: it is closed or answered, and nobody else notices."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.http_api.gateway import Gateway
from tests.gateway.websocket.raw_client import ask, frame_bytes, shaken_hands, upgrade_request
from tests.gateway.websocket.test_limits import mock_echo
from tests.gateway.websocket.websocket_lab import WebSocketApi

CLOSE_CODES = {1000, 1002, 1003, 1007, 1009, None}


@pytest.fixture(scope="module")
def echo(gateway: Gateway) -> WebSocketApi:
    """An API that sends messages back."""
    return mock_echo(gateway)


FRAMES = st.builds(
    frame_bytes,
    st.integers(0, 15),
    st.binary(max_size=200),
    final=st.booleans(),
    masked=st.booleans() | st.just(True),
    reserved=st.sampled_from([0, 0, 0, 0x40, 0x20, 0x10]),
    length=st.none() | st.none() | st.integers(0, 1 << 63),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAMES, min_size=1, max_size=6), st.binary(max_size=20))
def test_any_frames_end_in_an_answer_or_a_close(echo: WebSocketApi, frames: list[bytes], tail: bytes) -> None:
    """Never in silence, and never in anything but a WebSocket's own words."""
    with shaken_hands(echo.url) as client:
        client.send(b"".join(frames) + tail)
        client.send(frame_bytes(8, b"\x03\xe8"))
        client.socket.settimeout(0.5)
        seen = []
        with contextlib.suppress(TimeoutError):  # The garbage may have announced a frame that never ends.
            while (frame := client.receive()) is not None:
                seen.append(frame)
        assert all(frame.opcode in (1, 8, 10) for frame in seen)
        assert all(frame.close_code in CLOSE_CODES or frame.payload for frame in seen if frame.opcode == 8)


def test_another_client_does_not_notice(echo: WebSocketApi) -> None:
    """While fifty others send garbage."""
    generator = random.Random(1)
    with echo.connected() as good:
        for number in range(50):
            with shaken_hands(echo.url) as bad:
                bad.send(generator.randbytes(generator.randint(1, 2000)))
                good.send(str(number))
                assert good.recv() == str(number)


def test_half_a_frame_waits_without_harm(echo: WebSocketApi) -> None:
    """A client may take its time with a frame; it holds up nobody."""
    with shaken_hands(echo.url) as slow, echo.connected() as good:
        data = frame_bytes(1, b"slowly")
        for byte in data[:-1]:
            slow.send(bytes((byte,)))
            good.send("quick")
            assert good.recv() == "quick"
        slow.send(data[-1:])
        frame = slow.receive()
        assert frame is not None and frame.payload == b"slowly"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80))
def test_any_text_comes_back(echo: WebSocketApi, text: str) -> None:
    """JSON or not, with whatever characters; what is empty is no reply."""
    with shaken_hands(echo.url) as client:
        client.text(text)
        if text:
            frame = client.receive()
            assert frame is not None and frame.payload.decode() == text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol"]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    )
)
def test_any_handshake_has_a_status(echo: WebSocketApi, headers: dict[str, str]) -> None:
    """101 or a refusal; never 500."""
    kept = {name: value.strip() for name, value in headers.items()}
    status, _, _ = ask(echo.url, upgrade_request(echo.url, kept))
    assert status in (101, 400, 403, 426)
