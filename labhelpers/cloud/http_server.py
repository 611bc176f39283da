"""aiohttp's server, with a short way for whole small requests, and this cloud's words for what is no HTTP.

Used by the front door. aiohttp itself would show the client its parser's text and log a traceback for each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from labhelpers.cloud.quick_request import STARTS, QuickRequest, Wire, answer_bytes, read_request
from labhelpers.eager import Eager

_BAD_REQUEST = b'{"message":"Bad Request"}'
_LONGEST_CALL_S = 1000.0  # A function runs for 900 s at most; that long a connection may say nothing.
_AT_ONCE = 10  # Fewer make more rounds of the event loop, more keep more environments busy: measured.
_MOMENT_S = 0.003  # What takes longer is not counted among them: it waits more than it works.
_QUICK_S = 0.0015  # Only what can be done in this time takes turns.
_FADES = 1.001  # How much of what was known of it each request takes away.
_PLACES_MAX = 1000

# What requests that take about the same time have in common: the first six parts of their path, for APIs three of
# their own.
_Place = tuple[str, ...]
_LATER_BYTES_MAX = 1024 * 1024


class _Connection(RequestHandler):
    """One client's connection."""

    __slots__ = ("_in_head", "_later", "_quick_server", "_serving", "_wire")

    def __init__(self, server: HttpServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._quick_server = server
        self._serving = False
        self._wire: Wire | None = None
        self._later = b""  # What came while a quick request was served.
        self._in_head = False  # aiohttp has a part of a request's head.

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; asyncio calls it."""
        if self._quick_server.is_closing:
            return
        if self._serving:
            self._later += data
            if len(self._later) > _LATER_BYTES_MAX and self.transport is not None:
                self.transport.pause_reading()
            return
        if data.startswith(STARTS) and self._is_between_requests():
            if self._wire is None:
                assert self.transport is not None
                self._wire = Wire(self.transport)
            request = read_request(data, self._wire)
            if request is not None:
                self._next_keepalive_close_time = self._loop.time() + _LONGEST_CALL_S
                self._serving = True
                self._quick_server.begin(self, request)
                return
        count = self._request_count
        super().data_received(data)
        self._in_head = self._request_count == count and self._current_request is None and not self._messages

    def _is_between_requests(self) -> bool:
        # aiohttp waits for the next one; not so while it reads what is left of one that is answered.
        is_waiting = self._waiter is not None or self._request_count == 0
        return is_waiting and not (
            self._in_head
            or self._current_request is not None
            or self._messages
            or self._payload_parser is not None
            or self._upgraded
            or self._force_close
            or self._close
        )

    async def serve(self, request: QuickRequest) -> None:
        try:
            response = await self._quick_server.request_handler(request)  # type: ignore[arg-type]
            if self.transport is not None:
                self.transport.write(answer_bytes(response, request))
                if response.keep_alive is False:
                    self._later = b""
                    self.transport.close()
        except Exception:
            if self.transport is not None:
                self.transport.close()  # Better no answer than one that never comes.
            raise
        finally:
            try:
                request.finish()
            except Exception as error:  # noqa: BLE001 - the client has its answer, and may send on
                context = {"message": "what follows an answer failed", "exception": error}
                self._loop.call_exception_handler(context)
            self._serving = False
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._later and self.transport is not None:
            later, self._later = self._later, b""
            self.transport.resume_reading()
            self.data_received(later)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has gone; asyncio calls it. A call that it made goes on, as on AWS."""
        super().connection_lost(exc)
        self._later = b""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The last answer on a connection: what came was no HTTP, or the front door itself failed."""
        if isinstance(exc, ConnectionError) and request.transport is None:
            return web.Response(status=400)  # The client has left in the middle: nobody reads this.
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        response = web.Response(status=400, body=_BAD_REQUEST, content_type="application/json")
        response.force_close()
        return response


class HttpServer(web.Server):
    """`web.Server` whose connections answer so. `options` are those of aiohttp's RequestHandler."""

    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(handler, **options)
        self._options = options
        self._served: dict[Eager, tuple[float, _Place]] = {}  # When they began (the loop's time).
        self._just_begun: dict[Eager, float] = {}  # Those of the last moment that take turns.
        self._shortest_s: dict[_Place, float] = {}
        self._waiting: deque[tuple[_Connection, QuickRequest, _Place]] = deque()
        self._is_going_on = False  # One of them has ended since the last look.
        self._turns: asyncio.Handle | None = None
        self._look: asyncio.TimerHandle | None = None
        self.is_closing = False
        self._all_served = asyncio.Event()

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._options)

    def begin(self, connection: _Connection, request: QuickRequest) -> None:
        """Serve a request: at once, or if it can be quick when one of those that have just begun has ended, or has not
        for a moment.

        So the environments that have just become free get the next calls. Without it thirty clients keep thirty
        processes busy that a few could do the work of, and each costs twice as much: its memory has left the caches.
        """
        place = tuple(request.raw_path.partition("?")[0].split("/", 7)[:7])
        takes_turns = self._shortest_s.get(place, 0.0) < _QUICK_S
        if not takes_turns or (not self._waiting and self._has_place()):
            self._run(connection.serve(request), place, takes_turns)
            return
        self._waiting.append((connection, request, place))
        if self._look is None:
            self._is_going_on = False
            self._look = self._loop.call_later(_MOMENT_S, self._look_around)

    def _has_place(self) -> bool:
        """Whether another request may begin now."""
        begun = self._just_begun
        if len(begun) >= _AT_ONCE:
            now = self._loop.time()
            while begun and now - begun[oldest := next(iter(begun))] > _MOMENT_S:
                del begun[oldest]
        return len(begun) < _AT_ONCE

    def _take_turns(self) -> None:
        """As many as there is place for begin; results that are there have gone out before."""
        self._turns = None
        while self._waiting and self._has_place():
            self._begin_next()

    def _look_around(self) -> None:
        """Who has waited for a moment does not wait for those that take their time."""
        self._look = None
        if self._is_going_on:
            self._take_turns()
        else:
            while self._waiting:
                self._begin_next()
        if self._waiting:
            self._is_going_on = False
            self._look = self._loop.call_later(_MOMENT_S, self._look_around)

    def _begin_next(self) -> None:
        connection, request, place = self._waiting.popleft()
        self._run(connection.serve(request), place, takes_turns=True)

    def _run(self, work: Coroutine[Any, Any, None], place: _Place, takes_turns: bool) -> None:
        """Run a coroutine, and remember it until it ends."""
        eager = Eager(work, self._forget)
        if not eager.has_ended:
            now = self._loop.time()
            self._served[eager] = now, place
            if takes_turns:
                self._just_begun[eager] = now

    def _forget(self, eager: Eager) -> None:
        found = self._served.pop(eager, None)
        if found is None:
            return  # It has ended as it began.
        began, place = found
        self._learn(place, self._loop.time() - began)
        if self._just_begun.pop(eager, None) is not None:
            self._is_going_on = True
            if self._waiting and self._turns is None:
                self._turns = self._loop.call_soon(self._take_turns)
        if self.is_closing and not self._served:
            self._all_served.set()

    def _learn(self, place: _Place, took_s: float) -> None:
        """Remember the shortest time; much that is under way makes all others longer."""
        known_s = self._shortest_s.get(place)
        if known_s is None and len(self._shortest_s) >= _PLACES_MAX:
            self._shortest_s.clear()
        self._shortest_s[place] = took_s if known_s is None else min(took_s, known_s * _FADES)

    async def shutdown(self, timeout: float | None = None) -> None:
        """End every connection, and what is still served."""
        self.is_closing = True
        self._waiting.clear()
        for eager in tuple(self._served):
            eager.cancel()
        if self._served:
            await self._all_served.wait()
        await super().shutdown(timeout)
