"""aiohttp's server, but with this cloud's words for what is no HTTP: a short 400, nothing on stderr.

Used by the front door. aiohttp itself would show the client its parser's text and log a traceback for each.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

_BAD_REQUEST = b'{"message":"Bad Request"}'


class _Connection(RequestHandler):
    """One client's connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The last answer on a connection: what came was no HTTP, or the front door itself failed."""
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

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._options)
