"""The two meters, live: the server's runs with the clock, the function's with the lab's journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

import traitlets

from labhelpers.views.feed import Batch, Journalled
from labhelpers.views.following import FollowingView
from labhelpers.views.meters_data import MetersData, Usage, meters_text, read_meters, server_meter
from labhelpers.views.view import script, style

LOOK_S = 0.5


class Server(Protocol):
    """What the server's meter needs of an always-on server: `AlwaysOnServer` has it."""

    @property
    def up_s(self) -> float: ...

    @property
    def is_running(self) -> bool: ...


class Meters(FollowingView):
    """Meters on a server and on functions (a name or several) of `lab`, from the moment that the server came up.

    `server` may be left out: then it counts as up since the meters were made, until `stop`. `instance_type` is the
    EC2 instance that it stands for. LabError for an instance type without a price.
    """

    _esm = script("meters")
    _css = style("meters")

    _subject = "The meters"

    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        lab: Journalled,
        functions: str | Sequence[str],
        server: Server | None = None,
        *,
        instance_type: str = "t3.micro",
        architecture: str = "x86_64",
    ) -> None:
        names = (functions,) if isinstance(functions, str) else tuple(functions)
        self._instance_type, self._architecture = instance_type, architecture
        self._server = server
        self._made = time.monotonic()
        self._stopped_at_s: float | None = None
        self._usage = Usage(names, time.time() - self._up()[0])
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.read()
        super().__init__()
        self._show()
        self.follow(lab)
        threading.Thread(target=self._watch, name="labhelpers-meters", daemon=True).start()

    def read(self) -> MetersData:
        """Both meters at this moment."""
        up_s, running = self._up()
        requests = getattr(self._server, "requests", None)
        return read_meters(
            server_meter(self._instance_type, up_s, running, requests), self._usage, self._architecture
        )

    def stop(self) -> None:
        """Stop both meters where they are."""
        self._stopped_at_s = self._up()[0]
        self._let_go()
        with self._lock:
            self._show()
        self.state = "stopped"

    def close(self) -> None:
        """Stop the meters, and take them from the page."""
        self._let_go()
        super().close()

    def to_text(self) -> str:
        """Both meters, the month that they make, and where the prices come from."""
        return meters_text(self.read(), stopped=self._stopped_at_s is not None)

    # --- The journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Count what was called."""
        with self._lock:
            if self._stopped_at_s is None and self._usage.add_all(entries):
                self._show()

    def on_end(self, why: str) -> None:
        """Say that nothing more will be counted."""
        if self.state != "stopped":
            super().on_end(why)

    # --- The server ---

    def _watch(self) -> None:
        """Look now and then whether the server is still up; its meter runs in the page without that."""
        shown: tuple[bool, Any] = (True, None)
        while not self._closed.wait(LOOK_S):
            with self.showing_errors("The server's meter could not be read"):
                seen = (self._up()[1], getattr(self._server, "requests", None))
                if seen != shown:
                    shown = seen
                    with self._lock:
                        self._show()

    def _up(self) -> tuple[float, bool]:
        if self._stopped_at_s is not None:
            return self._stopped_at_s, False
        if self._server is not None:
            return self._server.up_s, self._server.is_running
        return time.monotonic() - self._made, True

    def _show(self) -> None:
        self.data = self.read().as_json()

    def _let_go(self) -> None:
        self._closed.set()
        self.unfollow()
