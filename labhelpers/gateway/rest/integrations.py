"""Runs a method's integration: a function (proxy or custom), an HTTP backend, an AWS service, or nothing (MOCK).

Each gives the client's answer without the gateway's own ids, or a GatewayError.
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-integration-types.html
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from labhelpers import limits
from labhelpers.gateway.exchange import GatewayAnswer, without_hop_by_hop
from labhelpers.gateway.http_backend import BackendAnswer, BackendFailure, HttpBackend
from labhelpers.gateway.lambda_call import CallFailure, LambdaCaller, with_stage_variables
from labhelpers.gateway.rest import headers as rest_headers
from labhelpers.gateway.rest import integration_request, integration_response, media, proxy_answer
from labhelpers.gateway.rest.event import proxy_event
from labhelpers.gateway.rest.gateway_responses import configuration_error
from labhelpers.gateway.rest.integration_errors import (
    backend_error,
    call_error,
    check_json,
    function_error,
    timeout_error,
    too_large_error,
)
from labhelpers.gateway.rest.integration_request import Asked, fill_uri, with_query
from labhelpers.gateway.rest.integration_response import Answered, mock_status
from labhelpers.gateway.rest.proxy_answer import Malformed, NotBase64
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Integration, IntegrationType
from labhelpers.model import InvokeResult

_JSON = "application/json"
_JSON_ALONE = (("Content-Type", _JSON),)
_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_HTTP_ADDRESS = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
_ACTION_URI = re.compile(
    r"arn:aws[\w-]*:apigateway:(?P<region>[\w-]+):(?P<service>[\w.-]+):(?P<how>path|action)/(?P<rest>.*)",
    re.DOTALL,
)


class CallService(Protocol):
    """Calls an AWS service of this cloud as a role, if one is given: status, headers and body of its answer."""

    async def __call__(
        self,
        service: str,
        region: str,
        method: str,
        path: str,
        query: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        action: str = "",
        role: str = "",
    ) -> tuple[int, Mapping[str, str], bytes]: ...


class Integrations:
    """What integrations call. `run` is the one way in."""

    def __init__(self, functions: LambdaCaller, backend: HttpBackend, call_service: CallService) -> None:
        self._functions = functions
        self._backend = backend
        self._call_service = call_service

    def run(self, run: Run, integration: Integration) -> Awaitable[GatewayAnswer]:
        """The answer of a method's integration. GatewayError."""
        return _RUNNERS[integration.type](self, run, integration)

    # --- Functions ---

    async def _lambda_proxy(self, run: Run, integration: Integration) -> GatewayAnswer:
        if integration.http_method != "POST":
            # AWS: Lambda's Invoke knows POST only (recorded).
            raise configuration_error("Unsupported integration HTTP method; functions are invoked by POST")
        if integration.parameters:
            integration_request.check_headers(
                integration_request.mapped_parameters(run, integration)[0], integration
            )
        event = proxy_event(run)
        _log_event(run, integration, event)
        result = await self._invoke(run, integration, event, malformed_status=500)
        if result.error is not None:
            raise function_error(run, result)
        try:
            answer = proxy_answer.read(result.payload)
            types = run.program.binary_media_types
            binary = bool(types) and media.is_binary(media.first_accepted(run.first("accept")), types)
            body = proxy_answer.body_bytes(answer, binary=binary)
        except Malformed:
            raise configuration_error("Malformed Lambda proxy response", status=502) from None
        except NotBase64 as error:
            raise configuration_error(f"Unable to base64 decode the body: {error}") from error
        if not answer.headers:
            return GatewayAnswer(answer.status, _JSON_ALONE, body)
        headers = rest_headers.to_client(answer.headers, integration.type)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.insert(0, _JSON_ALONE[0])
        return GatewayAnswer(answer.status, tuple(headers), body)

    async def _aws(self, run: Run, integration: Integration) -> GatewayAnswer:
        if integration.function:
            return await self._lambda_custom(run, integration)
        return await self._service(run, integration)

    async def _lambda_custom(self, run: Run, integration: Integration) -> GatewayAnswer:
        asked = integration_request.build(run, integration)
        payload = asked.body_bytes() or b"{}"
        _log_event(run, integration, payload)
        check_json(payload)
        if _header(asked.headers, "X-Amz-Invocation-Type") == "Event":
            answered = await self._invoke_later(run, integration, asked, payload)
        else:
            result = await self._invoke(run, integration, payload, malformed_status=500)
            answered = Answered(
                200,
                (("Content-Type", _JSON),),
                result.payload,
                integration_response.error_message(result.payload),
            )
        return integration_response.build(run, integration, asked, answered)

    async def _invoke(
        self, run: Run, integration: Integration, payload: bytes, *, malformed_status: int
    ) -> InvokeResult:
        function = with_stage_variables(integration.function, run.variables)
        if run.log:
            run.log.step(f"Sending request to {_invocation_uri(run, function)}")
        started = time.perf_counter()
        try:
            answered = await self._functions.call(
                function,
                payload,
                source_arn=run.source_arn,
                timeout_s=integration.timeout_s,
                trace_id=run.request.trace_id,
                by_role=bool(integration.credentials),
            )
        except CallFailure as failure:
            run.integration_ms = (time.perf_counter() - started) * 1000
            raise call_error(run, failure, malformed_status) from failure
        run.integration_ms = answered.latency_ms
        run.integration_status = 200
        if run.log:
            run.log.step(f"Received response. Status: 200, Integration latency: {run.integration_ms:.0f} ms")
            run.log.data("Endpoint response body before transformations", answered.result.payload)
        return answered.result

    async def _invoke_later(
        self, run: Run, integration: Integration, asked: Asked, payload: bytes
    ) -> Answered:
        """The header X-Amz-Invocation-Type `Event`: the function runs, nobody waits for what comes of it."""
        function = with_stage_variables(integration.function, run.variables)
        try:
            if not integration.credentials:
                self._functions.check_permission(function, run.source_arn)
        except CallFailure as failure:
            raise call_error(run, failure, 500) from failure
        status, headers, body = await self._timed(
            run,
            integration.timeout_s,
            self._call_service(
                "lambda",
                run.account.region,
                "POST",
                f"/2015-03-31/functions/{function}/invocations",
                "",
                [("X-Amz-Invocation-Type", "Event")],
                payload,
                role=integration.credentials,
            ),
        )
        run.integration_status = status
        return Answered(status, tuple(headers.items()), body, None if status < 300 else str(status))

    # --- Other AWS services ---

    async def _service(self, run: Run, integration: Integration) -> GatewayAnswer:
        asked = integration_request.build(run, integration)
        uri = fill_uri(integration.uri, asked.path, run.variables)
        found = _ACTION_URI.fullmatch(uri)
        if found is None:
            raise configuration_error(f"Invalid integration URI {uri!r}")
        headers = rest_headers.to_integration(
            asked.headers, integration.type, run.api_id, run.request.trace_id, _content_type(run)
        )
        path, _, query = found["rest"].partition("?" if found["how"] == "path" else "&")
        query = with_query("?" + query if query else "", asked.query).removeprefix("?")
        method = integration.http_method if integration.http_method not in ("", "ANY") else run.request.method
        if run.log:
            run.log.data("Endpoint request body after transformations", asked.body)
            run.log.step(f"Sending request to {uri}")
        status, answer_headers, body = await self._timed(
            run,
            integration.timeout_s,
            self._call_service(
                found["service"],
                found["region"],
                method,
                f"/{path}" if found["how"] == "path" else "/",
                query,
                headers,
                asked.body_bytes(),
                action=path if found["how"] == "action" else "",
                role=integration.credentials,
            ),
        )
        run.integration_status = status
        if len(body) > limits.GATEWAY_PAYLOAD_BYTES_MAX:
            raise too_large_error()
        answered = Answered(status, tuple(answer_headers.items()), body, str(status))
        if run.log:
            run.log.data("Endpoint response body before transformations", body)
        return integration_response.build(run, integration, asked, answered)

    async def _timed(
        self, run: Run, timeout_s: float, work: Awaitable[tuple[int, Mapping[str, str], bytes]]
    ) -> tuple[int, Mapping[str, str], bytes]:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                return await work
        except TimeoutError:
            raise timeout_error() from None
        finally:
            run.integration_ms = (time.perf_counter() - started) * 1000

    # --- HTTP backends ---

    async def _http(self, run: Run, integration: Integration) -> GatewayAnswer:
        asked = integration_request.build(run, integration)
        method = integration.http_method if integration.http_method not in ("", "ANY") else run.request.method
        uri = with_query(fill_uri(integration.uri, asked.path, run.variables), asked.query)
        headers = rest_headers.to_integration(
            asked.headers, integration.type, run.api_id, run.request.trace_id, _content_type(run)
        )
        body = b"" if method in _NO_BODY else asked.body_bytes()
        answer = await self._send(run, integration, method, uri, headers, body)
        answered = Answered(answer.status, answer.headers, answer.body, str(answer.status))
        return integration_response.build(run, integration, asked, answered)

    async def _http_proxy(self, run: Run, integration: Integration) -> GatewayAnswer:
        mapped, mapped_query, mapped_path = integration_request.mapped_parameters(run, integration)
        integration_request.check_headers(mapped, integration)
        kept = {n: v for n, v in run.headers.items() if n.lower() not in ("host", "content-encoding")}
        names = {name.lower() for name in mapped}
        headers = {**{n: v for n, v in kept.items() if n.lower() not in names}, **mapped}
        query = {name: list(values) for name, values in run.query.items()}
        for name, values in mapped_query.items():
            query[name] = [*query.get(name, []), *values]
        method = integration.http_method if integration.http_method not in ("", "ANY") else run.request.method
        path = {**run.path_variables, **mapped_path}
        uri = with_query(fill_uri(integration.uri, path, run.variables), query)
        sent = rest_headers.to_integration(
            headers, integration.type, run.api_id, run.request.trace_id, _content_type(run)
        )
        body = b"" if method in _NO_BODY else run.request.body
        answer = await self._send(run, integration, method, uri, sent, body)
        passed = rest_headers.to_client(without_hop_by_hop(answer.headers), integration.type)
        return GatewayAnswer(answer.status, tuple(passed), answer.body)

    async def _send(
        self,
        run: Run,
        integration: Integration,
        method: str,
        uri: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
    ) -> BackendAnswer:
        if not _HTTP_ADDRESS.match(uri):  # A stage variable without a value leaves no host.
            raise configuration_error("Invalid endpoint address")
        if run.log:
            run.log.step(f"Endpoint request URI: {uri}")
            run.log.data("Endpoint request headers", headers)
            run.log.data("Endpoint request body after transformations", body)
            run.log.step(f"Sending request to {uri}")
        started = time.perf_counter()
        try:
            answer = await self._backend.send(
                method, uri, tuple(headers), body, timeout_s=integration.timeout_s
            )
        except BackendFailure as failure:
            raise backend_error(failure) from failure
        finally:
            run.integration_ms = (time.perf_counter() - started) * 1000
        run.integration_status = answer.status
        if run.log:
            run.log.step(
                f"Received response. Status: {answer.status}, Integration latency: {run.integration_ms:.0f} ms"
            )
            run.log.data("Endpoint response headers", answer.headers)
            run.log.data("Endpoint response body before transformations", answer.body)
        return answer

    # --- Nothing ---

    async def _mock(self, run: Run, integration: Integration) -> GatewayAnswer:
        asked = integration_request.build(run, integration)
        status = mock_status(asked.body_bytes() or b"{}")
        if status is None:
            raise configuration_error(
                "Unable to parse statusCode. It should be an integer that is defined in the request template."
            )
        # AWS: a response template's `$input` has no body here, only the parameters.
        answered = Answered(status, (), b"", str(status))
        return integration_response.build(run, integration, asked, answered)


_RUNNERS: Mapping[IntegrationType, Callable[[Integrations, Run, Integration], Awaitable[GatewayAnswer]]] = {
    IntegrationType.AWS_PROXY: Integrations._lambda_proxy,
    IntegrationType.AWS: Integrations._aws,
    IntegrationType.HTTP: Integrations._http,
    IntegrationType.HTTP_PROXY: Integrations._http_proxy,
    IntegrationType.MOCK: Integrations._mock,
}


def _content_type(run: Run) -> str | None:
    return run.first("content-type") if run.request.method not in _NO_BODY else None


def _header(headers: Mapping[str, Sequence[str]], name: str) -> str:
    lower = name.lower()
    return next((values[0].strip("'") for key, values in headers.items() if key.lower() == lower), "")


def _log_event(run: Run, integration: Integration, event: bytes) -> None:
    """What a function is about to be sent, and where."""
    if run.log:
        function = with_stage_variables(integration.function, run.variables)
        run.log.step(f"Endpoint request URI: {_invocation_uri(run, function)}")
        run.log.data("Endpoint request body after transformations", event)


def _invocation_uri(run: Run, function: str) -> str:
    return f"https://lambda.{run.account.region}.amazonaws.com/2015-03-31/functions/{function}/invocations"
