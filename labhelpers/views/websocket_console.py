"""Several WebSocket clients side by side, their frames in the order in which they came and went.

The clients run in the kernel. A notebook makes a console with `WebSocketConsole(lab)`, and may use it by code, too.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import traitlets

from labhelpers.errors import LabError
from labhelpers.views.api_console import changes_apis
from labhelpers.views.aws import client
from labhelpers.views.feed import BATCH_S, Batch, Journalled
from labhelpers.views.following import FollowingView, Rereader
from labhelpers.views.view import View, script, style
from labhelpers.views.websocket_client import WebSocketClient
from labhelpers.views.websocket_frames import (
    NOTE,
    Frame,
    build_addresses,
    build_frame,
    build_headers,
    build_names,
    build_url,
    transcript_text,
)

KEPT_FRAMES = 500  # Of all clients together.
MOST_CLIENTS = 8


class WebSocketConsole(FollowingView):
    """Clients of a WebSocket API. `lab_or_url` is a lab, whose APIs are listed, or one address.

    `clients` is how many, or their names; `query` is what each adds to the address, with `{client}` for its name.
    """

    _subject = "The console"
    _esm = script("websocket_console")
    _css = style("websocket_console")

    addresses: Any = traitlets.List().tag(sync=True)
    address = traitlets.Unicode("").tag(sync=True)
    names: Any = traitlets.List().tag(sync=True)
    queries: Any = traitlets.List().tag(sync=True)
    states: Any = traitlets.List().tag(sync=True)
    kept = traitlets.Int(KEPT_FRAMES).tag(sync=True)

    def __init__(
        self, lab_or_url: Journalled | str, clients: int | Sequence[str] = 2, *, query: str = ""
    ) -> None:
        names = build_names(clients, MOST_CLIENTS)
        if isinstance(lab_or_url, str):
            build_url(lab_or_url, "")
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._frames: deque[Frame] = deque(maxlen=KEPT_FRAMES)
        self._new: list[Frame] = []
        self._news, self._closed = threading.Event(), threading.Event()
        self._rereader = Rereader("websocket-apis", self._read)
        self._is_listed = not isinstance(lab_or_url, str)
        super().__init__()
        self.names = list(names)
        self.states = ["idle"] * len(names)
        self.queries = [query.replace("{client}", name) for name in names]
        self._clients = [self._client(index) for index in range(len(names))]
        if isinstance(lab_or_url, str):
            self.address, self.addresses = lab_or_url, [[lab_or_url, lab_or_url]]
        else:
            self.follow(lab_or_url)
            self._rereader.read_and_start()
        self.on_msg(self._on_message)
        threading.Thread(target=self._hand_out, name="labhelpers-websocket-console", daemon=True).start()

    def _client(self, index: int) -> WebSocketClient:
        return WebSocketClient(
            lambda way, opcode, data: self._take(index, way, opcode, data),
            lambda state: self._turn(index, state),
        )

    # --- By code ---

    def connect(self, client: int | str = 0, *, query: str | None = None, headers: str = "") -> None:
        """Connect a client, named by number from 0 or by name. LabError if it is refused."""
        index = self._index(client)
        if query is not None:
            self.queries = [query if n == index else kept for n, kept in enumerate(self.queries)]
        with self.showing_errors_of(index):
            if not self.address:
                raise LabError("there is no WebSocket API with a stage yet")
            self._clients[index].open(build_url(self.address, self.queries[index]), build_headers(headers))

    def say(self, client: int | str, text: str) -> None:
        """Send a text message. LabError when the client is not connected."""
        index = self._index(client)
        with self.showing_errors_of(index):
            self._clients[index].send(text)

    def ping(self, client: int | str) -> None:
        """Send a ping; the pong is among the frames. LabError when the client is not connected."""
        index = self._index(client)
        with self.showing_errors_of(index):
            self._clients[index].ping()

    def disconnect(self, client: int | str, code: int = 1000) -> None:
        """Say goodbye, with a code for the other side. Does nothing when the client is not connected."""
        index = self._index(client)
        with self.showing_errors_of(index):
            self._clients[index].close(code)

    def frames(self, client: int | str | None = None) -> list[Frame]:
        """The frames that are kept, the oldest first: of one client, or of all."""
        index = None if client is None else self._index(client)
        with self._lock:
            return [frame for frame in self._frames if index is None or frame.client == index]

    def to_text(self) -> str:
        """The clients and their frames."""
        return transcript_text(self.names, self.states, self.frames())

    def close(self) -> None:
        """Disconnect all clients, and take the view from the page."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._news.set()
        self._rereader.end()
        for each in self._clients:
            each.close(1001)
        super().close()

    def showing_errors_of(self, index: int) -> Any:
        """Show in the view what is raised inside, with the client's name, and raise it further."""
        return _Shown(self, self.names[index])

    def _index(self, client: int | str) -> int:
        if isinstance(client, str) and client in self.names:
            return int(self.names.index(client))
        if isinstance(client, int) and 0 <= client < len(self.names):
            return client
        raise LabError(f"there is no client {client!r}; there are {', '.join(self.names)}")

    # --- Called by the clients' threads ---

    def _take(self, index: int, way: str, opcode: int, data: bytes) -> None:
        with self._lock:
            number, at = next(self._numbers), time.time()
            if way == NOTE:
                frame = Frame(number, at, index, NOTE, NOTE, data.decode("utf-8", "replace"))
            else:
                frame = build_frame(number, at, index, way, opcode, data)
            self._frames.append(frame)
            self._new.append(frame)
            del self._new[:-KEPT_FRAMES]
        self._news.set()

    def _turn(self, index: int, state: str) -> None:
        with self._lock:
            self.states = [state if n == index else kept for n, kept in enumerate(self.states)]

    def _hand_out(self) -> None:
        """Bring new frames to the page, a batch every 50 ms at most."""
        while True:
            self._news.wait()
            if self._closed.is_set():
                return
            self._news.clear()
            with self._lock:
                new, self._new = self._new, []
                if new:
                    self.send({"frames": [frame.as_json() for frame in new]})
            if self._closed.wait(BATCH_S):
                return

    # --- Which APIs there are ---

    def _read(self) -> None:
        with self.showing_read_errors("The APIs could not be read"):
            with client("apigatewayv2") as gateway:
                apis = gateway.get_apis()["Items"]
                found = build_addresses(
                    apis,
                    {
                        api["ApiId"]: gateway.get_stages(ApiId=api["ApiId"])["Items"]
                        for api in apis
                        if api["ProtocolType"] == "WEBSOCKET"
                    },
                )
            with self._lock:
                self.addresses = [list(each) for each in found]
                known = [address for address, _ in found]
                if self.address not in known:
                    self.address = known[-1] if known else ""

    def on_entries(self, entries: Batch) -> None:
        """Notice changes of APIs."""
        if any(changes_apis(entry) for entry in entries):
            self._rereader.again()

    # --- The page ---

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, dict):
            return
        if content.get("ask") == "all":
            with self._lock:
                self._new.clear()
                self.send({"all": [frame.as_json() for frame in self._frames]})
            return
        index, text = content.get("client"), str(content.get("text", ""))
        if not isinstance(index, int):
            return
        work: dict[Any, Callable[[], None]] = {
            "connect": lambda: self.connect(
                index, query=str(content.get("query", "")), headers=str(content.get("headers", ""))
            ),
            "say": lambda: self.say(index, text),
            "ping": lambda: self.ping(index),
            "disconnect": lambda: self.disconnect(index),
        }
        if content.get("type") in ("say", "ping"):  # At once: what is sent keeps its order.
            try:
                work[content["type"]]()
            except Exception:  # noqa: BLE001 - shown by then
                return
        elif content.get("type") in work:
            self.in_background(work[content["type"]])


class _Shown:
    """Shows in a view what is raised inside, and lets it go on to the caller."""

    def __init__(self, view: View, name: str) -> None:
        self._view, self._name = view, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self._view.problem = ""
        else:
            self._view.show_problem(self._name, error)
