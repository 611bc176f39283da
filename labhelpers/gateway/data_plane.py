"""Where requests to APIs and function URLs arrive: finds which by path or by Host, and hands the request to its kind.

The front door calls `DataPlane.handle`. Each kind (HTTP, REST, WebSocket) registers an object that knows its own APIs;
`function_urls` answers for all function URLs.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from labhelpers import limits
from labhelpers.gateway import identifiers
from labhelpers.gateway.exchange import (
    BodyTooLarge,
    BodyTooSlow,
    BrokenBody,
    GatewayAnswer,
    GatewayRequest,
    HeadersTooLarge,
    Pairs,
    WholeRequest,
    message_answer,
    read_body,
    respond,
)
from labhelpers.gateway.function_url import address
from labhelpers.journal import Journal

PREFIX = "/_aws/execute-api/"
_NOT_FOUND = message_answer(404, "Not Found")
_BROKEN: dict[type[Exception], GatewayAnswer] = {
    HeadersTooLarge: message_answer(431, "Request Header Fields Too Large"),
    BodyTooLarge: message_answer(413, "Request Entity Too Large"),
    BodyTooSlow: message_answer(408, "Request Timeout"),
    BrokenBody: message_answer(400, "Bad Request"),
}
_FORBIDDEN = message_answer(403, "Forbidden", (("x-amzn-ErrorType", "ForbiddenException"),))


class Visit:
    """A request on its way to an API: its id, the rest of the raw path (with the stage), and aiohttp's request.

    `domain` is the authority that leads back to the API. WebSocket APIs upgrade `web_request`; the others `read` it.
    """

    __slots__ = ("api_id", "domain", "path", "query", "web_request")

    def __init__(self, api_id: str, domain: str, path: str, query: str, web_request: web.BaseRequest) -> None:
        self.api_id = api_id
        self.domain = domain
        self.path = path
        self.query = query
        self.web_request = web_request

    async def read(self, request_id: str) -> GatewayRequest:
        """The whole request under this id. HeadersTooLarge, BodyTooLarge, BodyTooSlow, BrokenBody."""
        web_request = self.web_request
        whole = web_request if isinstance(web_request, WholeRequest) else None
        headers = whole.pairs if whole is not None else tuple(web_request.headers.items())
        values = "".join([value for _, value in headers])
        if len(web_request.raw_path) + len(values) > limits.GATEWAY_HEADERS_BYTES_MAX:
            raise HeadersTooLarge
        body = whole.body if whole is not None else await read_body(web_request)
        if not values.isascii():
            headers = tuple((name, _as_utf8(value)) for name, value in headers)
        trace = web_request.headers.get("X-Amzn-Trace-Id")
        version = web_request.version
        return GatewayRequest(
            web_request.method,
            self.path,
            self.query,
            headers,
            body,
            web_request.remote or "127.0.0.1",
            self.domain,
            request_id,
            trace or identifiers.trace_root(),
            web_request.raw_path.partition("?")[0],
            protocol="HTTP/1.1" if version == (1, 1) else f"HTTP/{version.major}.{version.minor}",
            scheme="https" if web_request.secure else "http",
        )

    def after(self, work: Callable[[], object]) -> None:
        """Do what the client need not wait for: after its answer, where the server can tell when that is."""
        if isinstance(self.web_request, WholeRequest):
            self.web_request.after(work)
        else:
            work()

    def answer(self, answer: GatewayAnswer, more: Pairs = ()) -> web.StreamResponse:
        """The answer in the form that the front door sends, with `more` headers."""
        return respond(answer, more, head=self.web_request.method == "HEAD")


class Handler(Protocol):
    """What answers requests."""

    async def handle(self, visit: Visit) -> web.StreamResponse: ...


class ApiKind(Handler, Protocol):
    """The data plane of one kind of API. `owns` is asked for every request: a dictionary look-up, no more."""

    def owns(self, api_id: str) -> bool: ...


class DataPlane:
    """All APIs of a lab. `kinds` are asked in their order; `unaddressed` answers what is signed and names no API."""

    def __init__(self, journal: Journal) -> None:
        self.kinds: list[ApiKind] = []
        self.function_urls: Handler | None = None
        self.unaddressed: Callable[[Visit], Awaitable[web.StreamResponse]] | None = None
        self._journal = journal

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request whose path or Host names an API."""
        handle = self._dispatch
        visit = visit_of(request)
        if visit is None and (visit := url_visit_of(request)) is not None and self.function_urls is not None:
            handle = self.function_urls.handle
        if visit is None:
            path, _, query = request.raw_path.partition("?")
            visit = Visit("", request.headers.get("Host", ""), path, query, request)
        try:
            return await handle(visit)
        except (HeadersTooLarge, BodyTooLarge, BodyTooSlow, BrokenBody) as error:
            # What is left of this request is not read: the connection ends with the answer.
            response = visit.answer(_BROKEN[type(error)])
            response.force_close()
            return response
        except (ConnectionError, web.HTTPException):
            raise
        except Exception as error:  # noqa: BLE001 - the client gets a 500, the journal the traceback
            self._journal.failure(
                f"the gateway failed at {request.method} {request.raw_path[:2000]}: {error!r}",
                traceback="".join(traceback.format_exception(error)),
            )
            return visit.answer(message_answer(500, "Internal Server Error"))

    async def _dispatch(self, visit: Visit) -> web.StreamResponse:
        api_id = visit.api_id
        for kind in self.kinds:
            if kind.owns(api_id):
                return await kind.handle(visit)
        if not api_id:
            return await self.unaddressed(visit) if self.unaddressed else visit.answer(_NOT_FOUND)
        # AWS: an API that does not exist (any more) is answered so for any name under execute-api.
        return visit.answer(_FORBIDDEN)


def visit_of(request: web.BaseRequest) -> Visit | None:
    """Which API a request is for, by path (`/_aws/execute-api/{id}/...`) or Host (`{id}.execute-api.localhost`)."""
    path, _, query = request.raw_path.partition("?")
    host = request.headers.get("Host", "")
    if path.startswith(PREFIX):
        api_id, slash, rest = path[len(PREFIX) :].partition("/")
        domain = f"{_own_authority(request, host)}{PREFIX}{api_id}"
        return Visit(api_id, domain, slash + rest or "/", query, request)
    label, _, zone = host.partition(".")
    if zone.startswith("execute-api"):
        return Visit(label.lower(), host, path or "/", query, request)
    return None


def _own_authority(request: web.BaseRequest, host: str) -> str:
    """The Host header, unless it is that of a proxy: a handler must be able to call the address that it is told."""
    if isinstance(request, WholeRequest):
        name = request.address
    else:
        name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return host if name is None or host.endswith(f":{name[1]}") else f"127.0.0.1:{name[1]}"


def url_visit_of(request: web.BaseRequest) -> Visit | None:
    """Which function URL a request is for, by path or Host; its id stands in `api_id`."""
    path, _, query = request.raw_path.partition("?")
    host = request.headers.get("Host", "")
    if path.startswith(address.PREFIX):
        url_id, slash, rest = path[len(address.PREFIX) :].partition("/")
        domain = f"{_own_authority(request, host)}{address.PREFIX}{url_id}"
        return Visit(url_id, domain, slash + rest or "/", query, request)
    found = address.id_in_host(host)
    return Visit(found, host, path or "/", query, request) if found else None


def _as_utf8(value: str) -> str:
    """A header's value as text; bytes of it that are no UTF-8 become U+FFFD."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
