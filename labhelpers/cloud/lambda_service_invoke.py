"""Invoke and InvokeAsync: from an HTTP request to the one door for calls, and back. The hottest path of the cloud.

docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from labhelpers import limits
from labhelpers.cloud.lambda_service_control import REQUEST_ENTITY_TOO_LARGE
from labhelpers.cloud.lambda_service_payload import check_payload
from labhelpers.cloud.lambda_service_requests import INVOCATION_TYPE, LOG_TYPE
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import INVALID_REQUEST_CONTENT, AwsError, NotEmulated
from labhelpers.events.tracing import new_trace_id
from labhelpers.functions.constraints import Structure, check
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.model import InvokeRequest, InvokeResult

_HEADERS = Structure({"InvocationType": INVOCATION_TYPE, "LogType": LOG_TYPE})
# Features that a header asks for.
_REFUSED_HEADERS = {
    "X-Amz-Durable-Execution-Name": "durable functions",
    "X-Amz-Tenant-Id": "tenant isolation",
}


class SynchronousInvoker(Protocol):
    """The one door: runs a function now, or raises AwsError."""

    async def invoke(self, request: InvokeRequest) -> InvokeResult: ...


class AsynchronousInvoker(Protocol):
    """Takes an event at once; what comes of it is in the journal."""

    def submit(self, request: InvokeRequest) -> str: ...


class Invocations:
    """Answers Invoke and InvokeAsync."""

    def __init__(
        self, registry: FunctionRegistry, invoker: SynchronousInvoker, asynchronous: AsynchronousInvoker
    ) -> None:
        self._registry = registry
        self._invoker = invoker
        self._asynchronous = asynchronous

    async def invoke(self, request: AwsRequest, function: str) -> AwsResponse:
        """Invoke; `function` is the path's part, still percent-encoded. AwsError as AWS."""
        headers = request.headers
        if "%" in function:
            function = unquote(function)
        qualifier = _qualifier(request.query) if request.query else ""
        kind = headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        log_type = headers.get("X-Amz-Log-Type") or "None"
        self._check(headers, kind, log_type)
        call = InvokeRequest(
            function,
            self._payload(request.body, kind, function, qualifier),
            qualifier,
            log_type == "Tail",
            _client_context(headers.get("X-Amz-Client-Context")),
            request.request_id,
            headers.get("X-Amzn-Trace-Id") or new_trace_id(),
            principal=_principal(request),
        )
        if kind == "RequestResponse":
            return _answer(await self._invoker.invoke(call), call.trace_id)
        self._registry.resolve(function, qualifier)
        if kind == "DryRun":
            return AwsResponse(204, {})
        self._asynchronous.submit(call)
        return AwsResponse(202, {"X-Amzn-Trace-Id": call.trace_id})

    def invoke_async(self, request: AwsRequest, function: str) -> AwsResponse:
        """InvokeAsync, which AWS replaced by Invoke: 202 with the status as its body."""
        payload = self._payload(request.body, "Event", function, "")
        self._registry.resolve(function)
        trace_id = request.headers.get("X-Amzn-Trace-Id") or new_trace_id()
        self._asynchronous.submit(
            InvokeRequest(
                function,
                payload,
                request_id=request.request_id,
                trace_id=trace_id,
                principal=_principal(request),
            )
        )
        return AwsResponse(202, {"Content-Type": "application/json"}, b'{"Status":202}')

    def _check(self, headers: Mapping[str, str], kind: str, log_type: str) -> None:
        if kind not in INVOCATION_TYPE.values or log_type not in LOG_TYPE.values:
            check(_HEADERS, {"InvocationType": kind, "LogType": log_type})
        for name, what in _REFUSED_HEADERS.items():
            if name in headers:
                raise NotEmulated(what)

    def _payload(self, body: bytes, kind: str, function: str, qualifier: str) -> bytes:
        size = len(body)
        if size > limits.SYNC_PAYLOAD_BYTES_MAX:
            most = limits.SYNC_PAYLOAD_BYTES_MAX
            message = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
            raise AwsError(REQUEST_ENTITY_TOO_LARGE, message, 413)
        if kind == "Event" and size > limits.ASYNC_PAYLOAD_BYTES_MAX:
            most = limits.ASYNC_PAYLOAD_BYTES_MAX
            message = f"{size} byte payload is too large for the Event invocation type (limit {most} bytes)"
            raise AwsError(REQUEST_ENTITY_TOO_LARGE, message, 413)
        try:
            return check_payload(body)
        except AwsError:
            self._registry.resolve(
                function, qualifier
            )  # A function that is not there is the first thing to say.
            raise


def _principal(request: AwsRequest) -> str:
    return request.credentials.principal if request.credentials is not None else ""


def _qualifier(query: str) -> str:
    return dict(parse_qsl(query, keep_blank_values=True)).get("Qualifier", "")


def _client_context(header: str | None) -> str:
    """The client context as JSON text. AwsError 400 unless it is Base64 of a JSON object."""
    if not header:
        return ""
    try:
        text = base64.b64decode(header, validate=True)
        if len(header) <= limits.CLIENT_CONTEXT_BYTES_MAX and check_payload(text).lstrip()[:1] == b"{":
            return text.decode()
    except (binascii.Error, AwsError):
        pass
    raise AwsError(INVALID_REQUEST_CONTENT, "Client context must be a valid Base64-encoded JSON object.")


def _answer(result: InvokeResult, trace_id: str) -> AwsResponse:
    headers: dict[str, Any] = {
        "Content-Type": result.content_type,
        "X-Amz-Executed-Version": result.version,
        "X-Amzn-Trace-Id": trace_id,
        "x-amzn-Remapped-Content-Length": "0",
    }
    if result.log_tail is not None:
        headers["X-Amz-Log-Result"] = base64.b64encode(result.log_tail).decode()
    if result.error is None:
        return AwsResponse(200, headers, result.payload)
    headers["X-Amz-Function-Error"] = result.error.handled
    return AwsResponse(200, headers, result.error.payload)
