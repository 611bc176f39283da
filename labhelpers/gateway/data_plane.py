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
_LAST_KINDS_MAX = 1024


class Visit:
    """A request on its way to an API: its id, the rest of the raw path (with the stage), and aiohttp's request.

    `domain` is the authority that leads back to the API. WebSocket APIs upgrade `web_request`; the others read it.
    """

    __slots__ = ("api_id", "domain", "path", "query", "web_request")

    def __init__(self, api_id: str, domain: str, path: str, query: str, web_request: web.BaseRequest) -> None:
        self.api_id = api_id
        self.domain = domain
        self.path = path
        self.query = query
        self.web_request = web_request

    def at_once(self, request_id: str) -> GatewayRequest | None:
        """The whole request under this id, if all of it is here; else `read` it. HeadersTooLarge."""
        whole = self.web_request
        return self._request(request_id, whole.pairs, whole.body) if isinstance(whole, WholeRequest) else None

    async def read(self, request_id: str) -> GatewayRequest:
        """The whole request under this id. HeadersTooLarge, BodyTooLarge, BodyTooSlow, BrokenBody."""
        headers = tuple(self.web_request.headers.items())
        self._measured(headers)
        return self._request(request_id, headers, await read_body(self.web_request))

    def _measured(self, headers: Pairs) -> str:
        """All values of the headers. HeadersTooLarge."""
        values = "".join([value for _, value in headers])
        if len(self.web_request.raw_path) + len(values) > limits.GATEWAY_HEADERS_BYTES_MAX:
            raise HeadersTooLarge
        return values

    def _request(self, request_id: str, headers: Pairs, body: bytes) -> GatewayRequest:
        if not self._measured(headers).isascii():
            headers = tuple((name, _as_utf8(value)) for name, value in headers)
        web_request = self.web_request
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


Handle = Callable[[Visit], Awaitable[web.StreamResponse]]


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
        self.unaddressed: Handle | None = None
        self._journal = journal
        self._last_kinds: dict[str, ApiKind] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request whose path or Host names an API."""
        visit = visit_of(request)
        if visit is not None:
            handle = self._handler(visit.api_id)
        elif (visit := url_visit_of(request)) is not None and self.function_urls is not None:
            handle = self.function_urls.handle
        else:
            path, _, query = request.raw_path.partition("?")
            visit = Visit("", request.headers.get("Host", ""), path, query, request)
            handle = self._handler("")
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

    def _handler(self, api_id: str) -> Handle:
        """What answers requests for an API."""
        last = self._last_kinds.get(api_id)
        if last is not None and last.owns(api_id):
            return last.handle
        for kind in self.kinds:
            if kind.owns(api_id):
                if len(self._last_kinds) >= _LAST_KINDS_MAX:
                    self._last_kinds.clear()
                self._last_kinds[api_id] = kind
                return kind.handle
        if not api_id:
            return self.unaddressed or _not_found
        return _forbidden


async def _not_found(visit: Visit) -> web.StreamResponse:
    return visit.answer(_NOT_FOUND)


async def _forbidden(visit: Visit) -> web.StreamResponse:
    """AWS: an API that does not exist (any more) is answered so for any name under execute-api."""
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
