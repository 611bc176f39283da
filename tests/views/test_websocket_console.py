"""The WebSocket console: frames in words, and clients that talk to a real lab."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labhelpers import Lab, WebSocketConsole
from labhelpers.errors import LabError
from labhelpers.views.websocket_console import KEPT_FRAMES
from labhelpers.views.websocket_frames import (
    CLOSE,
    TEXT,
    build_addresses,
    build_frame,
    build_headers,
    build_names,
    build_url,
)
from tests.conftest import wait_for
from tests.views.gateway_account import deploy_echo, make_websocket_api, using


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "1005 (no code given)"),
        (b"\x03\xe8", "1000 (normal end)"),
        (b"\x03\xf1too long", "1009 (message too big): too long"),
        (b"\x0f\xa1", "4001"),
    ],
)
def test_close_frames_are_put_into_words(data: bytes, text: str) -> None:
    """Code, meaning and reason."""
    assert build_frame(1, 0.0, 0, "in", CLOSE, data).text == text


def test_frames_are_bounded_and_text() -> None:
    """A long message is cut off but its size is told; what is no text is shown as digits."""
    long = build_frame(1, 0.0, 0, "in", TEXT, b"x" * 9_000)
    assert (len(long.text) < 4_100, long.size) == (True, 9_000)
    assert build_frame(1, 0.0, 0, "in", 2, b"\xff").text == "no text; it begins with ff"


def test_what_is_no_name_address_or_header_is_refused() -> None:
    """By name."""
    assert build_names(2, 8) == ("Client 1", "Client 2")
    for clients, message in ((0, "1 to 8"), (9, "1 to 8"), (("a", "a"), "name of its own")):
        with pytest.raises(LabError, match=message):
            build_names(clients, 8)
    with pytest.raises(LabError, match="begins with ws://"):
        build_url("http://127.0.0.1/", "")
    with pytest.raises(LabError, match="line 1 of the headers"):
        build_headers("none")
    assert build_url("ws://h/live", "?name=Ada B#") == "ws://h/live?name=Ada%20B%23"


def test_addresses_are_those_of_websocket_stages() -> None:
    """HTTP APIs, and APIs without a stage, have none."""
    kinds = (("w1", "WEBSOCKET"), ("w2", "WEBSOCKET"), ("h1", "HTTP"))
    apis = [
        {"ApiId": name, "Name": name, "ProtocolType": kind, "ApiEndpoint": f"ws://{name}"}
        for name, kind in kinds
    ]
    stages = {"w1": [{"StageName": "live"}], "h1": [{"StageName": "x"}]}
    assert build_addresses(apis, stages) == (("ws://w1/live", "w1, stage live"),)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with the WebSocket API chat."""
    with Lab() as running:
        make_websocket_api(running, deploy_echo(running, Path(tmp_path_factory.mktemp("echo"))))
        yield running


@pytest.fixture
def console(lab: Lab) -> Iterator[WebSocketConsole]:
    """A console with Ada and Ben."""
    made = WebSocketConsole(lab, ("Ada", "Ben"), query="name={client}")
    yield made
    made.close()


def test_frames_both_ways_in_order(console: WebSocketConsole) -> None:
    """Numbers count over both clients; a ping is answered; the goodbye is seen from both sides."""
    console.connect("Ada")
    console.connect("Ben")
    console.say("Ada", "<b>hello</b>")
    wait_for(lambda: len(console.frames("Ada")) == 3, "the answer")
    console.say(1, "hi")
    wait_for(lambda: len(console.frames("Ben")) == 3, "the answer")
    console.ping("Ada")
    wait_for(lambda: console.frames("Ada")[-1].kind == "pong", "the pong")
    console.disconnect("Ada")
    wait_for(lambda: console.states == ["closed", "open"], "the end")
    seen = [(frame.way, frame.kind) for frame in console.frames("Ada")]
    assert seen == [
        ("note", "note"), ("out", "text"), ("in", "text"), ("out", "ping"), ("in", "pong"),
        ("out", "close"), ("in", "close"), ("note", "note"),
    ]  # fmt: skip
    numbers = [frame.number for frame in console.frames()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert '"got": "<b>hello</b>"' in console.to_text()
    assert "<b>" not in console.to_html()
    console.connect("Ada", query="again=1")
    assert console.states == ["open", "open"]


def test_refused_handshake_is_shown(console: WebSocketConsole) -> None:
    """With AWS's status and words, in the view and by code; a client that is not connected can't speak."""
    with pytest.raises(LabError, match="refused: HTTP 403"):
        console.connect(0, query="refuse=1")
    assert console.states[0] == "refused"
    assert console.problem.startswith("Ada: the handshake was refused: HTTP 403")
    for act in (lambda: console.say(0, "x"), lambda: console.ping(0)):
        with pytest.raises(LabError, match="not connected"):
            act()
    with pytest.raises(LabError, match="no client 'Cleo'; there are Ada, Ben"):
        console.connect("Cleo")


def test_close_from_the_other_side_is_seen(console: WebSocketConsole, lab: Lab) -> None:
    """A message that is too long ends the connection with its code."""
    console.connect(0)
    console.say(0, "x" * 129 * 1024)
    wait_for(lambda: console.states[0] == "closed", "the end")
    assert "1009 (message too big)" in console.to_text()


def test_page_connects_speaks_and_gets_frames(console: WebSocketConsole) -> None:
    """By messages; other messages do nothing."""
    sent: list[dict[str, Any]] = []
    console.send = lambda content, buffers=None: sent.append(content)
    for message in (
        "x",
        {"type": "say"},
        {"type": "say", "client": 7, "text": "x"},
        {"type": "no", "client": 0},
    ):
        console._on_message(None, message, [])
    console._on_message(None, {"type": "connect", "client": 0, "query": "name=Eve", "headers": "X-A: 1"}, [])
    wait_for(lambda: console.states[0] == "open", "the connection")
    console._on_message(None, {"type": "say", "client": 0, "text": "hi"}, [])
    wait_for(lambda: sum(len(content["frames"]) for content in sent) == 3, "the frames on the page")
    console._on_message(None, {"ask": "all"}, [])
    assert [frame[3] for frame in sent[-1]["all"]] == ["note", "out", "in"]
    assert console.queries[0] == "name=Eve"


def test_close_ends_clients_and_threads(lab: Lab) -> None:
    """Nothing of a closed console runs on, and the gateway hears the goodbye."""
    made = WebSocketConsole(lab, 3)
    for index in range(3):
        made.connect(index)
    made.close()
    made.close()

    def left() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name.startswith("labhelpers-websocket")]

    wait_for(lambda: not left(), "the end of its threads")
    codes = [entry["detail"]["code"] for entry in lab.journal(kind="websocket.disconnected")[-3:]]
    assert codes == [1001] * 3


def test_thousand_frames_keep_within_bounds(console: WebSocketConsole) -> None:
    """Only the last ones are kept."""
    for number in range(1_000):
        console._take(0, "in", TEXT, str(number).encode())
    assert len(console.frames()) == KEPT_FRAMES
    assert console.frames()[-1].text == "999"


def test_one_address_needs_no_lab(lab: Lab) -> None:
    """An address alone is enough."""
    with using("apigatewayv2") as gateway:
        api = next(api for api in gateway.get_apis()["Items"] if api["Name"] == "chat")
    made = WebSocketConsole(f"{api['ApiEndpoint']}/live", 1)
    made.connect()
    assert made.states == ["open"]
    made.close()
