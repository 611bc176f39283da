"""Integrations of WebSocket APIs: functions, HTTP backends, and none at all (MOCK), with templates where AWS has them.

`Integrations.run` always gives a `Ran`: what the client gets if the route replies, and what went wrong.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from labhelpers.gateway.exchange import is_safe_header, without_hop_by_hop
from labhelpers.gateway.http_backend import BackendFailure, Trouble
from labhelpers.gateway.lambda_call import CallFailure, Reason
from labhelpers.gateway.rest import proxy_answer
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.templates.mapping import TemplateError
from labhelpers.gateway.websocket.events import CONNECT_EVENT, compact, event
from labhelpers.gateway.websocket.mapping import (
    NoTemplate,
    Source,
    answer_variables,
    choose,
    error_message,
)
from labhelpers.gateway.websocket.settings import Integration, Kind, Response
from labhelpers.records import record

SERVER_ERROR = "Internal server error"
TIMED_OUT = "Endpoint request timed out"
_NETWORK_ERROR = "Network error communicating with endpoint"
_JSON = (("Content-Type", "application/json"),)
Headers = Sequence[tuple[str, str]]


@record
class Ran:
    """What came of an integration. `status` is its own, or that of the gateway's refusal.

    `refusal` is the gateway's message to the client when it failed, `error` what the log says of that. `latency_ms` is
    None when no backend was asked. `failed_by_backend`: the failure is the backend's own.
    """

    status: int
    body: bytes = b""
    headers: Headers = ()
    refusal: str = ""
    error: str = ""
    latency_ms: float | None = None
    failed_by_backend: bool = False

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def failed(
    status: int,
    refusal: str,
    error: str,
    latency_ms: float | None = None,
    *,
    by_backend: bool = False,
) -> Ran:
    """A failure: the client gets the gateway's message, the log the cause."""
    return Ran(status, refusal=refusal, error=error, latency_ms=latency_ms, failed_by_backend=by_backend)


class Integrations:
    """Runs integrations, for all WebSocket APIs."""

    def __init__(self, around: GatewaySurroundings) -> None:
        self._functions = around.functions
        self._backend = around.backend

    async def run(self, integration: Integration, source: Source, source_arn: str, *, replies: bool) -> Ran:
        """Run one for an occasion; `source_arn` is what a function's policy is asked about."""
        try:
            if integration.kind is Kind.LAMBDA_PROXY:
                return await self._run_lambda_proxy(integration, source, source_arn)
            if integration.kind is Kind.LAMBDA:
                ran = await self._run_lambda(integration, source, source_arn)
            elif integration.kind is Kind.MOCK:
                ran = _run_mock(integration, source)
            else:
                ran = await self._run_backend(integration, source)
            if replies and not ran.refusal and not integration.kind.is_proxy:
                return _reply(integration, source, ran)
        except NoTemplate:
            return failed(
                415, "Unsupported Media Type", "No template fits, and the message is not passed through"
            )
        except TemplateError as error:
            message = f"Execution failed due to configuration error: Unable to transform: {error}"
            return failed(500, SERVER_ERROR, message)
        return ran

    # --- Functions ---

    async def _call(self, integration: Integration, payload: bytes, source: Source, source_arn: str) -> Ran:
        if not integration.function:
            message = f"Execution failed due to configuration error: Invalid function in {integration.uri!r}"
            return failed(500, SERVER_ERROR, message)
        request = source.occasion.client.request
        is_connect = source.occasion.type == CONNECT_EVENT
        started = time.perf_counter()
        try:
            answered = await self._functions.call(
                integration.function,
                payload,
                source_arn=source_arn,
                timeout_s=integration.timeout_s,
                trace_id=request.trace_id if is_connect else "",
                by_role=integration.by_role,
            )
        except CallFailure as failure:
            latency_ms = (time.perf_counter() - started) * 1000
            if failure.reason is Reason.TIMED_OUT:
                return failed(504, TIMED_OUT, f"Execution failed: {failure.message}", latency_ms)
            return failed(500, SERVER_ERROR, f"Execution failed: {failure.message}", latency_ms)
        result = answered.result
        if result.error is not None:
            message = f"Lambda execution failed: {result.error.type}: {result.error.message}"
            return Ran(200, result.error.payload, _JSON, "", message, answered.latency_ms, True)
        return Ran(200, result.payload, _JSON, latency_ms=answered.latency_ms)

    async def _run_lambda_proxy(self, integration: Integration, source: Source, source_arn: str) -> Ran:
        text = source.message_event() if source.message_event is not None else compact(event(source.occasion))
        ran = await self._call(integration, text.encode(), source, source_arn)
        if ran.refusal:
            return ran
        if ran.failed_by_backend:
            return replace(ran, status=502, refusal=SERVER_ERROR)
        try:
            answer = _quick_answer(ran.body) or proxy_answer.read(ran.body)
        except proxy_answer.Malformed as malformed:
            message = (
                f"Execution failed due to configuration error: Malformed Lambda proxy response ({malformed})"
            )
            return failed(502, SERVER_ERROR, message, ran.latency_ms, by_backend=True)
        body = answer.body.encode("utf-8", "surrogatepass")
        return Ran(answer.status, body, answer.headers, latency_ms=ran.latency_ms)

    async def _run_lambda(self, integration: Integration, source: Source, source_arn: str) -> Ran:
        # AWS: a function's error arrives as 200, until an integration response maps it.
        body = source.request_body(integration.templates, integration.selection, integration.passthrough)
        return await self._call(integration, body.encode("utf-8", "replace") or b"{}", source, source_arn)

    # --- HTTP ---

    async def _run_backend(self, integration: Integration, source: Source) -> Ran:
        is_connect = source.occasion.type == CONNECT_EVENT
        if integration.kind is Kind.HTTP_PROXY:
            body = source.occasion.body or ""
        else:
            body = source.request_body(integration.templates, integration.selection, integration.passthrough)
        url, headers = _address(integration, source)
        if integration.kind is Kind.HTTP_PROXY and is_connect:
            given = {"host", *(name.lower() for name, _ in headers)}
            passed = without_hop_by_hop(source.headers)
            headers = [*headers, *(pair for pair in passed if pair[0].lower() not in given)]
        method = (
            integration.method if integration.method not in ("", "ANY") else "GET" if is_connect else "POST"
        )
        started = time.perf_counter()
        try:
            came = await self._backend.send(
                method, url, tuple(headers), body.encode(), timeout_s=integration.timeout_s
            )
        except BackendFailure as failure:
            latency_ms = (time.perf_counter() - started) * 1000
            status, refusal = {
                Trouble.TIMED_OUT: (504, TIMED_OUT),
                Trouble.UNREACHABLE: (504, _NETWORK_ERROR),
            }.get(failure.trouble, (500, SERVER_ERROR))
            return failed(status, refusal, f"Execution failed: {failure.message}", latency_ms)
        latency_ms = (time.perf_counter() - started) * 1000
        return Ran(came.status, came.body, came.headers, latency_ms=latency_ms)


def _quick_answer(payload: bytes) -> proxy_answer.ProxyAnswer | None:
    """The usual answer, a status and perhaps a text; None for every other one, which takes longer to read."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) and len(found) <= 2 and isinstance(status := found.get("statusCode"), int):
        body = found.get("body", "")
        if isinstance(body, str) and ("body" in found or len(found) == 1) and 200 <= status < 600:
            return proxy_answer.ProxyAnswer(status, [], body, encoded=False)
    return None


def _address(integration: Integration, source: Source) -> tuple[str, list[tuple[str, str]]]:
    """The backend's address and the headers for it, as the integration's parameters say."""
    url, query = integration.uri, []
    client = source.occasion.client
    headers = [
        ("Content-Type", "application/json"),
        ("User-Agent", f"AmazonAPIGateway_{client.api_id}"),
        ("X-Amzn-Apigateway-Api-Id", client.api_id),
        ("X-Amzn-Trace-Id", client.request.trace_id),
    ]
    for place, expression in integration.parameters:
        kind, _, name = place.partition(".")
        value = source.parameter(expression)
        if value is None:
            continue
        if kind == "header":
            if not is_safe_header(name, value):
                raise TemplateError(f"the header {name!r} cannot be sent")
            headers = [pair for pair in headers if pair[0].lower() != name.lower()] + [(name, value)]
        elif kind == "querystring":
            query.append(f"{quote(name, safe='')}={quote(value, safe='')}")
        else:
            url = url.replace(f"{{{name}}}", quote(value, safe=""))
    if query:
        url += ("&" if "?" in url else "?") + "&".join(query)
    return url, headers


# --- MOCK, and integration responses ---


def _run_mock(integration: Integration, source: Source) -> Ran:
    """AWS: the request template makes a JSON object, whose `statusCode` is the answer."""
    text = source.request_body(integration.templates, integration.selection, integration.passthrough)
    try:
        status = json.loads(text)["statusCode"]
    except (ValueError, TypeError, LookupError, RecursionError):
        status = None
    if isinstance(status, str) and status.isdigit():
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        message = "Execution failed due to configuration error: Unable to parse statusCode"
        return failed(500, SERVER_ERROR, message)
    # AWS: a reply is made from what came in, by the integration response's template.
    return Ran(status, (source.occasion.body or "").encode(), _JSON)


def _reply(integration: Integration, source: Source, ran: Ran) -> Ran:
    """What the client gets: the answer, through the integration response that fits it."""
    response = _response(integration, ran)
    if response is None:
        message = (
            "Execution failed due to configuration error: No match for output mapping and no default output"
        )
        return failed(500, SERVER_ERROR, message, ran.latency_ms)
    variables = answer_variables(source, ran.status, ran.headers)
    template = choose(response.templates, response.selection, variables, (str(ran.status),))
    if template is None:
        return ran
    made = source.render(template, ran.body.decode("utf-8", "replace"))
    return replace(ran, body=made.encode("utf-8", "replace"))


def _response(integration: Integration, ran: Ran) -> Response | None:
    """Of patterns the first that matches: a function's error message, else the status; at last `$default`."""
    subject = error_message(ran.body) if ran.failed_by_backend else str(ran.status)
    default = None
    for response in integration.responses:
        if response.pattern is None:
            default = response
        elif response.pattern.fullmatch(subject):
            return response
    return default
