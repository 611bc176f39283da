"""The one address of the cloud: HTTP on the loopback, every call checked and handed to the service that it names.

Built by `application`; calls `authentication` and then a service. Its rules:
- Only names of this machine as Host, so that a web page elsewhere cannot reach the lab through a DNS name of its own;
  but APIs are public, and a notebook server's proxy hands their requests on under the name that the browser knows.
- A signed call goes to the service in its signature; only what AWS leaves open goes on without one.
- Every error is worded as the service words its own; an unforeseen one is a 500 and a journal entry, no more.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from aiohttp import web

from labhelpers.cloud import services, signature
from labhelpers.cloud.authentication import Authenticator, Caller, Incoming, body_hash
from labhelpers.cloud.call_notes import WRITTEN_TO, destination, entries, query_action
from labhelpers.cloud.denials import QUERY_CODES, Denied
from labhelpers.cloud.http_server import HttpServer
from labhelpers.cloud.protocol import (
    S3_HOST_ID,
    AwsRequest,
    AwsResponse,
    Form,
    error_response,
    new_request_id,
    new_s3_request_id,
)
from labhelpers.cloud.quick_request import QuickRequest
from labhelpers.cloud.services import Service
from labhelpers.cloud.signature import Headers
from labhelpers.cloud.tls import Context, Doorstep
from labhelpers.errors import AwsError, LabError, NotEmulated
from labhelpers.gateway.raw_response import RawResponse
from labhelpers.journal import Journal

MAX_BODY_BYTES = 1024**3
_LARGE_BYTES = 1024**2
_SMALL_BYTES = 64 * 1024
ADDRESS = "127.0.0.1"

Handle = Callable[[AwsRequest], Awaitable[AwsResponse]]
# Hands a call on to its service, if the caller may make it.
Guard = Callable[[Service, AwsRequest, Handle], Awaitable[AwsResponse]]
_LOCAL_HOST = re.compile(
    r"(127(?:\.\d{1,3}){3}|\[::1\]|localhost|(?P<names>[\w.-]+)\.localhost)(:\d+)?", re.IGNORECASE
)
_DATA_HOST = re.compile(r"[\w-]+\.(execute-api|lambda-url)(\.[\w-]+)?", re.IGNORECASE)
_EXECUTE_API = "/execute-api/aws4_request"
_DATA_PATHS = ("/_aws/execute-api/", "/_aws/lambda-url/")


class WebHandler(Protocol):
    """What answers a part of the addresses by itself: the data plane of API Gateway, and the lab's own pages."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse: ...


class NoDataPlane:
    """Stands where API Gateway's and function URLs' requests arrive, until something answers them."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        error = NotEmulated("API Gateway's data plane yet")
        return _respond(error_response(error, Form.REST_JSON, ""), {"x-amzn-requestid": new_request_id()})


class FrontDoor:
    """`handlers` answer the services that are not moto's, by boto3's name; `bridge` all others of the table.

    `guard`, if there is one, decides each call before its service gets it.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        bridge: Handle,
        handlers: Mapping[str, Handle],
        lab_pages: WebHandler,
        journal: Journal,
        *,
        region: str,
        data_plane: WebHandler | None = None,
        guard: Guard | None = None,
        tls: Context | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.data_plane: WebHandler = data_plane or NoDataPlane()
        self._authenticator = authenticator
        self._bridge = bridge
        self._handlers = handlers
        self._guard = guard
        self._lab_pages = lab_pages
        self._journal = journal
        self._region = region
        self._now = now
        self._host = ""
        self._tls = tls
        self._doorstep: Doorstep | None = None
        self._web_server: web.Server | None = None
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listen on the loopback; returns the port. LabError if it is taken."""
        # Compressed bodies stay as they were signed; headers may be as long as AWS allows.
        self._web_server = HttpServer(
            self._handle,
            access_log=None,
            auto_decompress=False,
            max_line_size=65536,
            max_field_size=65536,
            lingering_time=1.0,
        )
        loop = asyncio.get_running_loop()
        try:
            self._doorstep = Doorstep(self._web_server, self._tls)
            self._server = await loop.create_server(self._doorstep, ADDRESS, port, backlog=1024)
        except OSError as error:
            raise LabError(
                f"cannot listen on {ADDRESS}:{port} ({error.strerror}); choose another port, or 0 for a free one"
            ) from error
        bound: int = self._server.sockets[0].getsockname()[1]
        self._host = f"{ADDRESS}:{bound}"
        return bound

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is None or self._web_server is None or self._doorstep is None:
            return
        self._server.close()
        self._doorstep.close()
        await self._web_server.shutdown(0.1)
        self._server = None

    # --- Where a request goes ---

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path.startswith(_DATA_PATHS):
            return await self.data_plane.handle(request)
        host = request.headers.get("Host", "")
        names = ""
        if host != self._host:
            found = _LOCAL_HOST.fullmatch(host)
            if found is None:
                return web.Response(status=403, text=f"{host!r} is no name of this machine\n")
            names = found["names"] or ""
        if path.startswith("/_lab/"):
            return await self._lab_pages.handle(request)
        if names and _DATA_HOST.fullmatch(names):
            return await self.data_plane.handle(request)
        return await self._handle_call(request, path, query, _bucket_in(names))

    async def _handle_call(
        self, request: web.BaseRequest, path: str, query: str, bucket: str
    ) -> web.StreamResponse:
        """A call of an AWS service, answered whatever happens."""
        started = time.perf_counter()
        if _EXECUTE_API in request.headers.get("Authorization", ""):
            # `apigatewaymanagementapi` without an address of its own.
            return await self.data_plane.handle(request)
        wording = _Wording(request.headers, path)
        try:
            answer = await self._answer(request, path, query, bucket, wording)
        except AwsError as error:
            answer = wording.refusal(error)
        except Denied as denied:
            answer = wording.denial(denied)
        except Exception as error:
            if isinstance(error, ConnectionError) and request.transport is None:
                raise  # The caller has left in the middle of the request.
            answer = self._internal_failure(error, wording, request)
        if not path.endswith("/invocations"):  # Invoke has entries of its own.
            self._note(request.method, path, wording, answer, started)
        return _respond(answer, wording.identifiers(), request.method)

    async def _answer(
        self, request: web.BaseRequest, path: str, query: str, bucket: str, wording: _Wording
    ) -> AwsResponse:
        """What the service says to a call, once it is known whose it is. Denied if it is nobody's."""
        headers = request.headers
        claim = signature.read_claim(headers, query)
        if "Expect" in headers and headers["Expect"].lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body, digest = await _read_body(request)
        if claim is not None:
            wording.assume(claim.service)
            service: Service | None = services.find(claim.service, wording.target, path)
        else:
            service = _open_service(request, path, query, wording.target, body)
        if service is not None:
            wording.settle(service)
        if claim is None and service is not None:
            caller = Caller(None, service.signing_name, self._region, headers, body)
        else:
            # Version 2 signs the bucket as a part of the path wherever the request has it.
            signed_path = f"/{bucket}{path}" if bucket and claim is None else path
            incoming = Incoming(request.method, signed_path, query, headers, body, digest)
            if len(body) < _LARGE_BYTES:
                caller = self._authenticator.identify(incoming, claim, self._now())
            else:  # Checksums of a large body take long; they let other threads go on meanwhile.
                caller = await asyncio.to_thread(self._authenticator.identify, incoming, claim, self._now())
            service = service or wording.settle(services.SERVICES["s3"])
        wording.note(caller, body)
        if wording.form is Form.CBOR:
            raise NotEmulated(f"the protocol smithy-rpc-v2-cbor of {service.name} (its JSON protocol works)")
        call = AwsRequest(
            request.method,
            f"/{bucket}{path}" if bucket and service.name == "s3" else path,
            query,
            caller.headers,
            caller.body,
            caller.credentials,
            service.signing_name,
            caller.region,
            request.remote or ADDRESS,
            wording.request_id,
            headers.get("Host", ""),
            lambda: request.transport is not None,
        )
        handle = self._handlers.get(service.name, self._bridge)
        return await (handle(call) if self._guard is None else self._guard(service, call, handle))

    # --- What comes of it ---

    def _internal_failure(self, error: Exception, wording: _Wording, request: web.BaseRequest) -> AwsResponse:
        self._journal.failure(
            f"the lab failed at {request.method} {request.raw_path}: {error!r}",
            request_id=wording.request_id,
            traceback="".join(traceback.format_exception(error)),
        )
        code = "InternalError" if wording.form is Form.S3 else "InternalFailure"
        message = f"The lab itself failed at this call ({error!r}); its journal has the details."
        return wording.refusal(AwsError(code, message, 500))

    def _note(self, method: str, path: str, wording: _Wording, answer: AwsResponse, started: float) -> None:
        self._journal.append(
            "api.call",
            request_id=wording.request_id,
            service=wording.service.name if wording.service else "",
            call=wording.operation or f"{method} {path}",
            status=answer.status,
            **(wording.handed if answer.status < 300 else {}),
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
        )


class _Wording:
    """How a call is to be answered: the form of its service, guessed until it is known, and the request's id."""

    __slots__ = ("form", "handed", "operation", "request_id", "service", "target")

    def __init__(self, headers: Headers, path: str) -> None:
        self.target = headers.get("X-Amz-Target", "")
        self.operation = self.target.rpartition(".")[2]
        self.handed: dict[str, Any] = {}
        self.request_id = new_request_id()
        self.service: Service | None = None
        self.form = services.guess_form(
            self.target, headers.get("Content-Type", ""), headers.get("smithy-protocol", ""), path
        )

    def assume(self, signing_name: str) -> None:
        """The call is signed for a service that may not be here at all."""
        if self.form is Form.S3 and signing_name != "s3":
            self.form = Form.EC2 if signing_name == "ec2" else Form.REST_JSON

    def settle(self, service: Service) -> Service:
        """The call is for `service`; returns it."""
        self.service = service
        if self.form is not Form.CBOR and not (service.query_compatible and self.form is Form.QUERY):
            # SQS and CloudWatch take calls in the query protocol too, and then answer in it.
            self.form = service.form
        if self.form is Form.S3:
            self.request_id = new_s3_request_id()
        return service

    def note(self, caller: Caller, body: bytes) -> None:
        """For the journal: the operation, and who hands something to which topic, queue, event bus, table or stream."""
        if self.form is Form.QUERY:
            self.operation = query_action(body)
        if self.service is not None and self.service.name in WRITTEN_TO and caller.credentials is not None:
            principal = caller.credentials.principal
            account = (*principal.split(":"), "", "", "", "", "")[4]
            arn = destination(self.service.name, self.operation, body, caller.region, account)
            if arn:
                self.handed = {"destination": arn, "principal": principal}
                self.handed["entries"] = entries(self.operation, body)

    def refusal(self, error: AwsError) -> AwsResponse:
        """The error as the service words it."""
        service = self.service
        answer = error_response(
            error, self.form, self.request_id, version=service.version if service else "1.0"
        )
        if service and service.query_compatible and self.form is Form.JSON:
            fault = "Sender" if error.status < 500 else "Receiver"
            code = f"{QUERY_CODES.get(error.code, error.code)};{fault}"
            return replace(answer, headers={**answer.headers, "x-amzn-query-error": code})
        return answer

    def denial(self, denied: Denied) -> AwsResponse:
        """Why the caller is turned away, as the service words it."""
        error = denied.as_error(self.form)
        self.service = self.service or services.by_target(self.target)
        if self.service and self.service.query_compatible:  # Its status is still that of the query protocol.
            error.status = 403
        return self.refusal(error)

    def identifiers(self) -> dict[str, str]:
        """The headers that carry the request's id."""
        if self.form is Form.S3:
            return {"x-amz-request-id": self.request_id, "x-amz-id-2": S3_HOST_ID}
        return {"x-amzn-RequestId": self.request_id}


def _open_service(
    request: web.BaseRequest, path: str, query: str, target: str, body: bytes
) -> Service | None:
    """The service of an unsigned call that AWS answers all the same."""
    if "Authorization" in request.headers:
        return None
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return services.SERVICES["s3"]
    return services.open_operation(request.method, path, target, body, query)


def _bucket_in(names: str) -> str:
    """The bucket of `bucket.s3.localhost` or `bucket.localhost`; "" for a host without one."""
    return re.sub(r"\.?\bs3(\.[\w-]+)?$", "", names) if names else ""


def _respond(answer: AwsResponse, identifiers: dict[str, str], method: str = "GET") -> web.StreamResponse:
    headers = {"Server": "labhelpers", **identifiers, **answer.headers}
    if len(answer.body) > _SMALL_BYTES or method == "HEAD":  # HEAD names a length that is not its own.
        return web.Response(status=answer.status, headers=headers, body=answer.body)
    return RawResponse(answer.status, tuple(headers.items()), answer.body)


async def _read_body(request: web.BaseRequest | QuickRequest) -> tuple[bytes, str]:
    """The whole body and its SHA-256 in hexadecimal; a large one is hashed as it comes in. AwsError if too large."""
    if isinstance(request, QuickRequest):
        return request.body, body_hash(request.body)
    content = request.content
    first = await content.readany()
    if content.at_eof():
        return first, body_hash(first)
    chunks, size, digest = [first], len(first), hashlib.sha256(first)
    while chunk := await content.readany():
        chunks.append(chunk)
        digest.update(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    whole = await asyncio.to_thread(b"".join, chunks) if size > _LARGE_BYTES else b"".join(chunks)
    return whole, digest.hexdigest()
