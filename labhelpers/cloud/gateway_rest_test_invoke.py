"""TestInvokeMethod and TestInvokeAuthorizer: a method as it is now, run without deployment, and the log of it.

AWS asks for no signature, key or authorizer there; it logs everything, bodies too.
docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeMethod.html
"""

from __future__ import annotations

import json
import time
from typing import Any

from labhelpers.cloud.gateway_rest_call import RestCall, not_found
from labhelpers.gateway import identifiers
from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest
from labhelpers.gateway.rest.compiling import compile_authorizer, compile_method, compile_program
from labhelpers.gateway.rest.rest_apis import RestApis
from labhelpers.gateway.rest.routing import path_variables
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Live, Method
from labhelpers.gateway.rest.store import Record

TEST_STAGE = "test-invoke-stage"


class TestInvocations:
    """The two operations, on the data plane's own machinery."""

    def __init__(self, apis: RestApis) -> None:
        self._apis = apis

    async def method(self, call: RestCall) -> Record:
        """TestInvokeMethod."""
        resource, record = call.resource, call.method
        program, method = compile_method(call.api, resource, record)
        live = Live(TEST_STAGE, program, _variables(call), {})
        path, request = _request(call, str(resource["path"]), call["method"].upper())
        started = time.perf_counter()
        answer, log = await self._apis.test(
            request, live, method, path, path_variables(method.resource_path, path)
        )
        names: dict[str, list[str]] = {}
        for name, value in answer.headers:
            names.setdefault(name, []).append(value)
        return {
            "status": answer.status,
            "body": answer.body.decode("utf-8", "replace"),
            "headers": {name: values[-1] for name, values in names.items()},
            "multiValueHeaders": names,
            "log": log,
            "latency": round((time.perf_counter() - started) * 1000),
        }

    async def authorizer(self, call: RestCall) -> Record:
        """TestInvokeAuthorizer."""
        record = call.api.authorizers.get(call["authorizer"])
        if record is None:
            raise not_found("Invalid Authorizer identifier specified")
        program = compile_program(call.api.snapshot(), "")
        authorizer = compile_authorizer(record)
        method = Method("GET", call.api.root_id, "/", "CUSTOM", authorizer)
        live = Live(TEST_STAGE, program, _variables(call), {})
        path, request = _request(call, "/", "GET")
        started = time.perf_counter()
        run, answer, log = await self._apis.test_authorizer(request, live, method, path)
        return _authorizer_answer(run, answer, log, round((time.perf_counter() - started) * 1000))


def _authorizer_answer(run: Run, refusal: GatewayAnswer | None, log: str, latency_ms: int) -> Record:
    found: Record = {
        "clientStatus": 0 if refusal is None else refusal.status,
        "log": log,
        "latency": latency_ms,
    }
    known: dict[str, Any] = run.authorizer or {}
    if known.get("principalId"):
        found["principalId"] = known["principalId"]
    if run.policy is not None:
        found["policy"] = json.dumps(run.policy)
    if "claims" in known:
        found["claims"] = known["claims"]
    elif known:
        found["authorization"] = {
            name: [str(value)]
            for name, value in known.items()
            if name not in ("principalId", "integrationLatency")
        }
    return found


def _variables(call: RestCall) -> dict[str, str]:
    return {name: str(value) for name, value in (call.body.get("stageVariables") or {}).items()}


def _request(call: RestCall, default_path: str, method: str) -> tuple[str, GatewayRequest]:
    """The path without a stage, and the request that the call describes."""
    body = call.body
    path, _, query = _clean(body.get("pathWithQueryString") or default_path).partition("?")
    pairs = [(_clean(name), _clean(value)) for name, value in (body.get("headers") or {}).items()]
    many = body.get("multiValueHeaders") or {}
    taken = {_clean(name).lower() for name in many}
    pairs = [pair for pair in pairs if pair[0].lower() not in taken]
    pairs += [(_clean(name), _clean(value)) for name, values in many.items() for value in values]
    api_id = call["api"]
    request = GatewayRequest(
        method,
        path or "/",
        query,
        tuple(pairs),
        _clean(body.get("body") or "").encode(),
        "test-invoke-source-ip",
        f"{call.request.host}/_aws/execute-api/{api_id}",
        identifiers.request_id(),
        identifiers.trace_root(),
    )
    return path or "/", request


def _clean(value: Any) -> str:
    """A text that can be sent: JSON may hold halves of characters."""
    return str(value).encode("utf-8", "replace").decode()
