"""Requests to HTTP APIs, from their arrival to their answer: stage, route, throttle, authorizer, integration, logs.

Registered with `data_plane`; reads the settings from the V2 store, once for each change of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from labhelpers.gateway import identifiers
from labhelpers.gateway.access_log import AccessLog
from labhelpers.gateway.context import Context, base_context
from labhelpers.gateway.data_plane import Visit
from labhelpers.gateway.exchange import (
    BodyTooLarge,
    BodyTooSlow,
    BrokenBody,
    GatewayAnswer,
    GatewayRequest,
    HeadersTooLarge,
    message_answer,
)
from labhelpers.gateway.http_api.authorization import Gate, Refused
from labhelpers.gateway.http_api.event import NOBODY, Authorized, Occasion
from labhelpers.gateway.http_api.integrations import Integrations, Ran
from labhelpers.gateway.http_api.meters import Meters
from labhelpers.gateway.http_api.routes import Match
from labhelpers.gateway.http_api.settings import LambdaProxy, Route, Stage, compile_stage
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.throttle import ACCOUNT
from labhelpers.gateway.v2.store import DEFAULT_STAGE, HTTP, ApiStore
from labhelpers.journal import Entry

_NOT_FOUND = message_answer(404, "Not Found")
_FORBIDDEN = message_answer(403, "Forbidden")
_THROTTLED = message_answer(429, "Too Many Requests")
_NO_INTEGRATION = message_answer(500, "Internal Server Error")


class _Deployed:
    """A stage that is being served, with its log and its meters."""

    __slots__ = ("log", "meters", "prefix", "stage")

    def __init__(self, stage: Stage, around: GatewaySurroundings) -> None:
        self.stage = stage
        self.prefix = "" if stage.name == DEFAULT_STAGE else f"/{stage.name}"
        self.meters = Meters(around.metrics, stage.api_id, stage.name)
        self.log: AccessLog | None = None
        if stage.access_log_destination:
            self.log = AccessLog(
                stage.access_log_destination, stage.access_log_format, around.write_logs, stage.arn
            )


class _Passage:
    """What is found out about one request on its way; logs and mappings read it."""

    __slots__ = ("authorized", "deployed", "latency_ms", "match", "ran", "refused", "request", "started")

    def __init__(self, request: GatewayRequest, deployed: _Deployed, match: Match[Route] | None) -> None:
        self.request = request
        self.deployed = deployed
        self.match = match
        self.authorized: Authorized = NOBODY
        self.ran: Ran | None = None
        self.refused: Refused | None = None
        self.started = time.perf_counter()
        self.latency_ms = 0.0


class HttpApis:
    """The data plane of all HTTP APIs of a lab."""

    def __init__(self, store: ApiStore, around: GatewaySurroundings) -> None:
        self._store = store
        self._around = around
        self._gate = Gate(around)
        self._integrations = Integrations(around)
        self._deployed: dict[str, dict[str, _Deployed]] = {}
        store.on_change.append(self._forget)

    def owns(self, api_id: str) -> bool:
        """Whether this is an HTTP API."""
        return self._store.is_of(api_id, HTTP)

    def reset_cache(self, api_id: str, stage: str) -> None:
        """ResetAuthorizersCache."""
        self._gate.forget(api_id)

    def _forget(self, api_id: str) -> None:
        for deployed in self._deployed.pop(api_id, {}).values():
            deployed.meters.flush()
        self._gate.forget(api_id)
        if api_id not in self._store.apis:
            self._around.throttles.forget(api_id)

    # --- One request ---

    async def handle(self, visit: Visit) -> web.StreamResponse:
        """The answer to a request. What the client did wrong in HTTP itself raises, and `data_plane` answers it."""
        request_id = identifiers.extended_request_id()
        deployed, path = self._find_stage(visit.api_id, visit.path)
        try:
            request = visit.at_once(request_id) or await visit.read(request_id)
        except (HeadersTooLarge, BodyTooLarge, BodyTooSlow, BrokenBody):
            if deployed is not None:
                deployed.meters.count(400, 0.0, None, 0)
            raise
        if deployed is None:
            return visit.answer(_NOT_FOUND, (("Apigw-Requestid", request_id),))
        answer = await self._answer(request, deployed, path, visit.after)
        return visit.answer(answer, (("Apigw-Requestid", request_id),))

    def _find_stage(self, api_id: str, path: str) -> tuple[_Deployed | None, str]:
        """The stage that a path names, or `$default`, and the path without the stage."""
        stages = self._deployed.get(api_id)
        if stages is None:
            stages = self._deployed[api_id] = self._load(api_id)
        name, slash, rest = path[1:].partition("/")
        deployed = stages.get(name)
        if deployed is not None and name != DEFAULT_STAGE:
            return deployed, slash + rest or "/"
        return stages.get(DEFAULT_STAGE), path

    def _load(self, api_id: str) -> dict[str, _Deployed]:
        """All stages of an API to which something is deployed."""
        api = self._store.apis[api_id]
        lives = [self._store.live(api_id, name) for name in api.stages]
        stages = [compile_stage(live, api.record, self._around.account) for live in lives if live is not None]
        return {stage.name: _Deployed(stage, self._around) for stage in stages}

    async def _answer(
        self,
        request: GatewayRequest,
        deployed: _Deployed,
        path: str,
        after: Callable[[Callable[[], object]], None],
    ) -> GatewayAnswer:
        stage = deployed.stage
        match = stage.routes.match(request.method, path)
        passage = _Passage(request, deployed, match)
        if stage.cors is not None and stage.cors.is_preflight(request):
            answer = stage.cors.preflight(request)
        else:
            answer = await self._pass(passage, path)
            if stage.cors is not None:
                headers = stage.cors.apply(request, answer.headers)
                answer = GatewayAnswer(answer.status, headers, answer.body)
        passage.latency_ms = (time.perf_counter() - passage.started) * 1000
        after(partial(self._record, passage, answer))
        return answer

    async def _pass(self, passage: _Passage, path: str) -> GatewayAnswer:
        """Throttle, authorizer, integration; the first that refuses answers."""
        request, stage, match = passage.request, passage.deployed.stage, passage.match
        try:
            if stage.disabled:
                raise Refused(_FORBIDDEN, "ACCESS_DENIED", "the default execute-api endpoint is disabled")
            if match is None:
                raise Refused(_NOT_FOUND, "NOT_FOUND", "no route matches")
            route = match.target
            self._throttle(stage, route)
            occasion = Occasion(
                request,
                self._around.account.id,
                stage.api_id,
                stage.name,
                stage.variables,
                route.key,
                route.resource,
                match.variables,
            )
            if route.authorizer is not None:
                passage.authorized = await self._gate.check(
                    route.authorizer, occasion, stage.arn, lambda: _context(passage, self._around)
                )
        except Refused as refused:
            passage.refused = refused
            return refused.answer
        return await self._integrate(passage, route, occasion, path)

    def _throttle(self, stage: Stage, route: Route) -> None:
        admits = self._around.throttles.admits
        if not admits("account", ACCOUNT):
            raise Refused(_THROTTLED, "THROTTLED", "the account's rate is exceeded")
        if route.throttle is not None and not admits((stage.api_id, stage.name, route.key), route.throttle):
            raise Refused(_THROTTLED, "THROTTLED", f"the rate of {route.key} is exceeded")

    async def _integrate(
        self, passage: _Passage, route: Route, occasion: Occasion, path: str
    ) -> GatewayAnswer:
        integration, stage = route.integration, passage.deployed.stage
        if integration is None:
            passage.ran = Ran(_NO_INTEGRATION, 0.0, 0, f"The route {route.key} has no integration")
            return _NO_INTEGRATION
        new_path: str | None = None
        if integration.request_mapping is not None:
            context = _context(passage, self._around)
            changed, new_path = integration.request_mapping.apply(
                occasion.request, path, occasion.path_variables, context, stage.variables
            )
            occasion = occasion.of(changed)
        if isinstance(integration, LambdaProxy):
            if new_path is not None:
                occasion = occasion.at(f"{passage.deployed.prefix}{new_path}")
            source_arn = route.source_arn or f"{stage.arn}/{occasion.request.method}{route.resource}"
            ran = await self._integrations.call_function(
                integration, occasion, source_arn, passage.authorized
            )
        else:
            ran = await self._integrations.call_backend(integration, occasion, new_path)
        passage.ran = ran
        if integration.response_mapping is not None and not ran.error:
            context = _context(passage, self._around)
            return integration.response_mapping.apply(ran.answer, context, stage.variables)
        return ran.answer

    # --- What is recorded of it ---

    def _record(self, passage: _Passage, answer: GatewayAnswer) -> None:
        deployed, request, ran = passage.deployed, passage.request, passage.ran
        latency_ms = passage.latency_ms
        integration_ms = ran.latency_ms if ran is not None else None
        route = passage.match.target if passage.match is not None else None
        detailed = route if route is not None and route.detailed_metrics else None
        deployed.meters.count(answer.status, latency_ms, integration_ms, len(answer.body), detailed)
        failed: tuple[str, str] = ("", ran.error or "") if ran is not None else ("", "")
        if not failed[1] and passage.refused is not None:
            failed = passage.refused.kind, passage.refused.reason
        self._around.journal.note(
            1,
            _entries,
            deployed.stage.arn,
            request.request_id,
            request.trace_id,
            request.method,
            request.path,
            route.key if route is not None else "",
            answer.status,
            latency_ms,
            integration_ms,
            failed,
        )
        if deployed.log is not None:
            context = _context(passage, self._around)
            context.update(_outcome(passage, answer, latency_ms))
            deployed.log.write(context)


def _entries(
    seq: int,
    at: float,
    stage_arn: str,
    request_id: str,
    trace_id: str,
    method: str,
    path: str,
    route: str,
    status: int,
    latency_ms: float,
    integration_ms: float | None,
    failed: tuple[str, str],
) -> list[Entry]:
    detail: dict[str, Any] = {
        "api": "HTTP",
        "method": method,
        "path": path,
        "route": route,
        "status": status,
        "latency_ms": round(latency_ms, 3),
    }
    if integration_ms is not None:
        detail["integration_ms"] = round(integration_ms, 3)
    refused, error = failed
    if refused:
        detail["refused"] = refused
    if refused or error:
        detail["error"] = error
    return [Entry(seq, at, "gateway.request", stage_arn, request_id, trace_id, detail)]


def _context(passage: _Passage, around: GatewaySurroundings) -> Context:
    """`$context` as it is known now."""
    stage = passage.deployed.stage
    context = base_context(passage.request, around.account, stage.api_id, stage.name)
    context["extendedRequestId"] = passage.request.request_id
    if passage.match is not None:
        context["routeKey"] = passage.match.target.key
    authorized = passage.authorized
    if authorized.identity:
        context["identity"].update(authorized.identity)
    authorizer = dict(authorized.v2.get("lambda") or {})
    if claims := authorized.v1.get("claims"):
        authorizer["claims"] = claims
    if principal := authorized.v1.get("principalId"):
        authorizer["principalId"] = principal
    context["authorizer"] = authorizer
    return context


def _message_of(answer: GatewayAnswer) -> str:
    """The text of one of the gateway's own refusals: `{"message":"..."}`."""
    return answer.body.decode("utf-8", "replace").removeprefix('{"message":"').removesuffix('"}')


def _outcome(passage: _Passage, answer: GatewayAnswer, latency_ms: float) -> Mapping[str, Any]:
    """What only access logs know: how it ended."""
    ran, refused = passage.ran, passage.refused
    found: Context = {
        "status": str(answer.status),
        "responseLength": str(len(answer.body)),
        "responseLatency": str(round(latency_ms)),
        "dataProcessed": str(len(answer.body) + len(passage.request.body)),
    }
    if refused is not None:
        message = _message_of(answer)
        found["error"] = {"message": message, "messageString": f'"{message}"', "responseType": refused.kind}
        if refused.kind not in ("NOT_FOUND", "THROTTLED"):
            found["authorizer"] = {"error": refused.reason}
    if ran is not None:
        found["integrationStatus"] = str(ran.status) if ran.status else None
        found["integrationLatency"] = str(round(ran.latency_ms))
        found["integrationErrorMessage"] = ran.error or None
        found["integration"] = {
            "status": str(ran.status) if ran.status else None,
            "latency": str(round(ran.latency_ms)),
            "integrationStatus": str(ran.status) if ran.status else None,
            "error": ran.error or None,
        }
    return found
