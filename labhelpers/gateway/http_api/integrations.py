"""Integrations of HTTP APIs: calls of functions and of HTTP backends, and what the client gets of them.

`Integrations.run` returns an answer, or raises `IntegrationFailure` with the answer that stands for it.
"""

from __future__ import annotations

import time
from urllib.parse import quote, urlsplit, urlunsplit

from labhelpers.gateway.exchange import (
    GatewayAnswer,
    GatewayRequest,
    Pairs,
    json_answer,
    message_answer,
    without_hop_by_hop,
)
from labhelpers.gateway.http_api.event import NOBODY, Authorized, Occasion, event_v1, event_v2
from labhelpers.gateway.http_api.reply import BadReply, read_reply
from labhelpers.gateway.http_api.settings import HttpProxy, LambdaProxy
from labhelpers.gateway.http_backend import BackendFailure, Trouble
from labhelpers.gateway.json_text import dumps
from labhelpers.gateway.lambda_call import CallFailure, Reason
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.records import record

_SERVER_ERROR = json_answer(500, b'{"message":"Internal Server Error"}')
_UNAVAILABLE = message_answer(503, "Service Unavailable")
_TOO_LARGE = message_answer(413, "Request Entity Too Large")

# Seen in AWS's access logs.
_NO_PERMISSION = (
    "The IAM role configured on the integration or API Gateway doesn't have permissions to call the integration. "
    "Check the permissions and try again."
)
_BAD_REPLY = "The response from the Lambda function doesn't match the format that API Gateway expects: "


@record
class Ran:
    """What came of an integration: the answer, how long the gateway waited, the status that the integration had.

    `error` is what the access log says of a failure (`$context.integrationErrorMessage`).
    """

    answer: GatewayAnswer
    latency_ms: float
    status: int
    error: str = ""


_FAILURES = {
    Reason.NOT_PERMITTED: (_SERVER_ERROR, 403),
    Reason.NOT_FOUND: (_SERVER_ERROR, 404),
    Reason.THROTTLED: (_UNAVAILABLE, 429),
    # AWS publishes no answer for an event over Lambda's 6 MB; this is what Lambda itself says.
    Reason.TOO_LARGE: (_TOO_LARGE, 413),
    Reason.TIMED_OUT: (_UNAVAILABLE, 504),
    Reason.FAILED: (_SERVER_ERROR, 500),
}


class Integrations:
    """Runs integrations, for all HTTP APIs."""

    def __init__(self, around: GatewaySurroundings) -> None:
        self._functions = around.functions
        self._backend = around.backend

    async def call_function(
        self,
        integration: LambdaProxy,
        occasion: Occasion,
        source_arn: str,
        authorized: Authorized = NOBODY,
    ) -> Ran:
        """Hand the request to the function and read its reply."""
        event = (event_v2 if integration.format == "2.0" else event_v1)(occasion, authorized)
        started = time.perf_counter()
        try:
            answered = await self._functions.call(
                integration.function,
                dumps(event),
                source_arn=source_arn,
                timeout_s=integration.timeout_s,
                trace_id=occasion.request.trace_id,
                by_role=integration.by_role,
            )
        except CallFailure as failure:
            answer, status = _FAILURES[failure.reason]
            message = failure.message
            if failure.reason is Reason.NOT_PERMITTED:
                message = f"{_NO_PERMISSION} ({failure.message})"
            return Ran(answer, (time.perf_counter() - started) * 1000, status, message)
        result = answered.result
        if result.error is not None:
            message = f"The Lambda function failed: {result.error.type}: {result.error.message}"
            return Ran(_SERVER_ERROR, answered.latency_ms, 200, message)
        try:
            answer = read_reply(result.payload, integration.format)
        except BadReply as bad:
            return Ran(_SERVER_ERROR, answered.latency_ms, 200, f"{_BAD_REPLY}{bad}")
        return Ran(answer, answered.latency_ms, answer.status)

    async def call_backend(
        self, integration: HttpProxy, occasion: Occasion, new_path: str | None = None
    ) -> Ran:
        """Pass the request on to the backend and its answer back. `new_path` replaces the path of its address."""
        request = occasion.request
        url = backend_url(integration.uri, occasion, new_path)
        started = time.perf_counter()
        try:
            came = await self._backend.send(
                integration.method or request.method,
                url,
                backend_headers(request),
                request.body,
                timeout_s=integration.timeout_s,
            )
        except BackendFailure as failure:
            answer = _SERVER_ERROR if failure.trouble is Trouble.BAD_ADDRESS else _UNAVAILABLE
            return Ran(answer, (time.perf_counter() - started) * 1000, 0, failure.message)
        headers = tuple(without_hop_by_hop(came.headers))
        latency_ms = (time.perf_counter() - started) * 1000
        return Ran(GatewayAnswer(came.status, headers, came.body), latency_ms, came.status)


def backend_url(uri: str, occasion: Occasion, new_path: str | None = None) -> str:
    """The address for this request: path variables filled in, the client's query added to the address's own."""
    for name, value in occasion.path_variables.items():
        uri = uri.replace(f"{{{name}}}", quote(value, safe="/:@!$&'()*+,;=~"))
    parts = urlsplit(uri)
    path = parts.path if new_path is None else quote(new_path, safe="/:@!$&'()*+,;=~%")
    query = "&".join(filter(None, (parts.query, occasion.request.query)))
    return urlunsplit((parts.scheme, parts.netloc, path or "/", query, ""))


def backend_headers(request: GatewayRequest) -> Pairs:
    """The client's headers, and those by which a gateway says that it stands between."""
    kept = [
        pair
        for pair in without_hop_by_hop(request.headers)
        if pair[0].lower() not in ("host", "content-length", "expect", "x-amzn-trace-id")
    ]
    host = request.header("host") or ""
    own = request.domain.partition("/")[0].partition(":")[0]
    forwarded = f"by={own};for={request.source_ip};host={host};proto={request.scheme}"
    return (
        *kept,
        ("Forwarded", forwarded),
        ("Via", "HTTP/1.1 AmazonAPIGateway"),
        ("X-Amzn-Trace-Id", request.trace_id),
    )
