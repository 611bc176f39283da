"""The data plane of REST APIs: takes a request through AWS's steps, and tells log, metrics and journal what came of it.

Steps: stage, method, authorizer, resource policy, API key, throttles, quota, validation, cache, integration. The hot
path looks nothing up twice: a stage's settings and its compiled deployment are kept until the control plane changes
them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from random import getrandbits

from aiohttp import web

from labhelpers import limits
from labhelpers.gateway import identifiers
from labhelpers.gateway.access_log import AccessLog
from labhelpers.gateway.data_plane import Visit
from labhelpers.gateway.exchange import BodyTooLarge, GatewayAnswer, GatewayRequest, message_answer
from labhelpers.gateway.rest import compression, gateway_responses, routing, tracing, validation
from labhelpers.gateway.rest.admission import Admission
from labhelpers.gateway.rest.authorizers import Authorizers
from labhelpers.gateway.rest.cache import AnswerCache
from labhelpers.gateway.rest.cached_answers import CachedAnswers
from labhelpers.gateway.rest.cognito import CognitoTokens
from labhelpers.gateway.rest.compiling import compile_program, compile_stage
from labhelpers.gateway.rest.execution_log import ExecutionLog
from labhelpers.gateway.rest.gateway_responses import GatewayError, Kind
from labhelpers.gateway.rest.integrations import CallService, Integrations
from labhelpers.gateway.rest.reporting import Reporter
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Integration, IntegrationType, Live, Method, Program
from labhelpers.gateway.rest.store import RestStore
from labhelpers.gateway.rest.usage import Usage
from labhelpers.gateway.surroundings import GatewaySurroundings

_TRACED = frozenset({IntegrationType.AWS, IntegrationType.AWS_PROXY, IntegrationType.HTTP})
_NOT_IN_TESTS = frozenset({"content-type", "x-amzn-requestid", "x-amz-apigw-id"})


class RestApis:
    """Answers requests to REST APIs. `chance` decides who is a canary's (0 to 1)."""

    def __init__(
        self,
        store: RestStore,
        surroundings: GatewaySurroundings,
        call_service: CallService,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._apis = store.apis
        self._around = surroundings
        self._chance = chance
        self._live: dict[tuple[str, str], Live | None] = {}
        self._programs: dict[tuple[str, str], Program] = {}
        self._access_logs: dict[tuple[str, str], AccessLog] = {}
        self._report = Reporter(surroundings)
        now = surroundings.clock.now
        self.usage = Usage(store, surroundings.throttles, now)
        self.cache = AnswerCache(now)
        self.authorizers = Authorizers(
            surroundings.functions,
            CognitoTokens(surroundings.backend, surroundings.endpoint_url),
            surroundings.identify,
            surroundings.journal,
            now,
        )
        self._admission = Admission(surroundings, self.authorizers, self.usage)
        self.integrations = Integrations(surroundings.functions, surroundings.backend, call_service)
        self._cached = CachedAnswers(self.cache, self.integrations, surroundings.identify)
        store.on_change.append(self._changed)

    def owns(self, api_id: str) -> bool:
        return api_id in self._apis

    def _changed(self, api_id: str) -> None:
        for key in [key for key in self._live if key[0] == api_id]:
            del self._live[key]
            self._access_logs.pop(key, None)
        if api_id not in self._apis:
            for key in [key for key in self._programs if key[0] == api_id]:
                del self._programs[key]
            self.authorizers.flush(api_id)
            self.cache.flush(api_id)
            self._around.throttles.forget(api_id)

    # --- Settings ---

    def _find_live(self, api_id: str, stage_name: str) -> Live | None:
        key = (api_id, stage_name)
        if key in self._live:
            return self._live[key]
        stage = self._apis[api_id].stages.get(stage_name)
        live: Live | None = None
        if stage is not None:
            canary = stage.get("canarySettings")
            live = compile_stage(
                stage,
                self._program(api_id, stage["deploymentId"]),
                self._program(api_id, canary["deploymentId"]) if canary else None,
            )
            self._live[key] = live
        return live

    def _program(self, api_id: str, deployment_id: str) -> Program:
        key = (api_id, deployment_id)
        program = self._programs.get(key)
        if program is None:
            deployment = self._apis[api_id].deployments[deployment_id]
            program = self._programs[key] = compile_program(deployment.snapshot, deployment_id)
        return program

    # --- Requests ---

    async def handle(self, visit: Visit) -> web.StreamResponse:
        """The answer to a request for one of the store's APIs."""
        stage, path = routing.split_stage(visit.path)
        live = self._find_live(visit.api_id, stage)
        request_id = identifiers.request_id()
        if live is None:
            return visit.answer(_missing(request_id))
        try:
            request = visit.at_once(request_id) or await visit.read(request_id)
        except BodyTooLarge:
            return visit.answer(self._too_large(visit, live, request_id, path))
        return visit.answer(await self._answer(request, live, path, visit.after))

    async def _answer(
        self, request: GatewayRequest, live: Live, path: str, after: Callable[[Callable[[], object]], None]
    ) -> GatewayAnswer:
        """The answer to a request that is read; `path` is without its stage. `after` is given what can wait."""
        parent = ""
        if live.tracing:
            request, parent = tracing.begin(request)
        run = Run(self._around.account, request, live, path)
        canary = live.canary
        if canary is not None and self._chance() * 100 < canary.percent:
            run.program, run.variables, run.is_canary = canary.program, canary.variables, True
        try:
            answer = await self._steps(run)
        except GatewayError as error:
            answer = self._refusal(run, error)
        if run.program.compress_from is not None:
            answer = compression.compress(answer, run.program.compress_from, run.first("accept-encoding"))
        run.latency_ms = (time.perf_counter() - run.started) * 1000
        if live.tracing:
            tracing.end(self._around.journal, run, parent, answer.status, self._around.account.region)
        after(partial(self._finish, run, answer))
        return answer

    async def _steps(self, run: Run) -> GatewayAnswer:
        found = routing.find(run.program.root, run.request.method, run.path)
        if found is None:
            raise GatewayError(Kind.MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token")
        method, run.path_variables = found
        run.method = method
        settings = run.settings = run.live.settings(method)
        if settings.log_level != "OFF":
            run.log = ExecutionLog(run.request.request_id, settings.log_level, data_trace=settings.data_trace)
        if run.program.disabled:
            raise GatewayError(Kind.DEFAULT_4XX, "Forbidden", status=403, error_type="ForbiddenException")
        if run.program.compress_from is not None:
            run.request = compression.decompress(run.request)
        if self._admission.asks_who(run, method):
            await self._admission.identify(run, method)
        self._admission.check_limits(run, method)
        _log_start(run)
        if method.validator is not None:
            validation.validate(run, method)
        integration = method.integration
        if integration is None:
            raise gateway_responses.configuration_error("No integration defined for method")
        if run.live.cache_enabled:
            answer = await self._cached.answer(run, integration)
        else:
            answer = await self.integrations.run(run, integration)
        traced = integration.type in _TRACED and run.cache_status != "HIT"
        return self._with_ids(run, answer, _trace_of(run, integration) if traced else "")

    def _with_ids(self, run: Run, answer: GatewayAnswer, trace: str) -> GatewayAnswer:
        request = run.request
        own: tuple[tuple[str, str], ...] = (
            ("x-amzn-RequestId", request.request_id),
            ("x-amz-apigw-id", run.extended_id),
        )
        if trace:
            own = (*own, ("X-Amzn-Trace-Id", trace))
        return GatewayAnswer(answer.status, (*answer.headers, *own), answer.body)

    # --- Tests of methods ---

    async def test(
        self, request: GatewayRequest, live: Live, method: Method, path: str, variables: Mapping[str, str]
    ) -> tuple[GatewayAnswer, str]:
        """The answer of a method that is not deployed, and the log of it; neither keys nor authorizers are asked."""
        run = self._test_run(request, live, method, path)
        run.path_variables = variables
        _log_start(run)
        try:
            validation.validate(run, method)
            if method.integration is None:
                raise gateway_responses.configuration_error("No integration defined for method")
            answer = await self.integrations.run(run, method.integration)
            if method.integration.type in _TRACED:
                trace = ("X-Amzn-Trace-Id", _trace_of(run, method.integration))
                answer = GatewayAnswer(answer.status, (trace, *answer.headers), answer.body)
        except GatewayError as error:
            answer = self._refusal(run, error)
            kept = [pair for pair in answer.headers if pair[0].lower() not in _NOT_IN_TESTS]
            answer = GatewayAnswer(answer.status, tuple(kept), answer.body)
        _log_end(run, answer)
        return answer, run.log.as_text() if run.log else ""

    async def test_authorizer(
        self, request: GatewayRequest, live: Live, method: Method, path: str
    ) -> tuple[Run, GatewayAnswer | None, str]:
        """What an authorizer says of a request: the run, the refusal if there is one, and the log of it."""
        run = self._test_run(request, live, method, path)
        refusal = None
        try:
            await self.authorizers.authorize(run, method)
        except GatewayError as error:
            refusal = self._refusal(run, error)
        return run, refusal, run.log.as_text() if run.log else ""

    def _test_run(self, request: GatewayRequest, live: Live, method: Method, path: str) -> Run:
        run = Run(self._around.account, request, live, path)
        run.method = method
        run.log = ExecutionLog(request.request_id, "INFO", data_trace=True)
        return run

    # --- Ends ---

    def _refusal(self, run: Run, error: GatewayError) -> GatewayAnswer:
        run.response_type = error.kind.name
        run.integration_error = run.integration_error or error.message or ""
        if run.log and error.log:
            run.log.failed(error.log)
        ids = (("x-amzn-RequestId", run.request.request_id), ("x-amz-apigw-id", run.extended_id))
        answer = gateway_responses.answer(
            error, run.program.gateway_responses, ids, run.values(), run.first("accept")
        )
        if run.live.access_log is not None:
            run.context()["error"] = gateway_responses.error_context(error)
        if run.settings is None and (settings := run.live.method_settings.get("*/*")) is not None:
            run.settings = settings
        return answer

    def _finish(self, run: Run, answer: GatewayAnswer) -> None:
        if run.log is not None:
            _log_end(run, answer)
            run.log.write(self._around.write_logs, run.api_id, run.stage)
        log = None
        if run.live.access_log is not None:
            key = (run.api_id, run.stage)
            log = self._access_logs.get(key)
            if log is None:
                destination, text = run.live.access_log
                log = AccessLog(destination, text, self._around.write_logs, f"{run.api_id}/{run.stage}")
                self._access_logs[key] = log
        self._report.tell(run, answer, run.latency_ms, log)

    def _too_large(self, visit: Visit, live: Live, request_id: str, path: str) -> GatewayAnswer:
        web_request = visit.web_request
        request = GatewayRequest(
            web_request.method,
            visit.path,
            visit.query,
            tuple(web_request.headers.items()),
            b"",
            web_request.remote or "127.0.0.1",
            visit.domain,
            request_id,
            identifiers.trace_root(),
        )
        run = Run(self._around.account, request, live, path)
        message = f"HTTP content length exceeded {limits.GATEWAY_PAYLOAD_BYTES_MAX} bytes."
        answer = self._refusal(run, GatewayError(Kind.REQUEST_TOO_LARGE, message))
        run.latency_ms = (time.perf_counter() - run.started) * 1000
        self._finish(run, answer)
        return GatewayAnswer(answer.status, (*answer.headers, ("Connection", "close")), answer.body)


def _missing(request_id: str) -> GatewayAnswer:
    """AWS: a stage that does not exist is answered as a path that does not."""
    return message_answer(
        403,
        "Missing Authentication Token",
        (
            ("x-amzn-RequestId", request_id),
            ("x-amzn-ErrorType", "MissingAuthenticationTokenException"),
            ("x-amz-apigw-id", identifiers.extended_request_id()),
        ),
    )


def _log_start(run: Run) -> None:
    if (log := run.log) is None:
        return
    request = run.request
    log.step(f"Starting execution for request: {request.request_id}")
    log.step(f"HTTP Method: {request.method}, Resource Path: {run.path}")
    log.data("Method request path", run.path_variables)
    log.data("Method request query string", run.query)
    log.data("Method request headers", run.headers)
    log.data("Method request body before transformations", request.body)


def _log_end(run: Run, answer: GatewayAnswer) -> None:
    if (log := run.log) is None:
        return
    if not run.response_type:
        log.data("Method response body after transformations", answer.body)
        log.data("Method response headers", answer.headers)
        log.step("Successfully completed execution")
    log.step(f"Method completed with status: {answer.status}")


def _trace_of(run: Run, integration: Integration) -> str:
    """The trace header of an answer. AWS (recorded): a function's has a parent, though the client sent none."""
    sent = run.request.trace_id
    return (
        sent if ";" in sent or not integration.function else f"{sent};Parent={getrandbits(64):016x};Sampled=0"
    )
