"""Requests to function URLs, from their arrival to their answer: CORS, authorization, the function, its reply.

Registered with `data_plane`; calls `functions.invoke`, the one door to functions.
docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from labhelpers import limits
from labhelpers.errors import AwsError
from labhelpers.functions import function_urls, permissions
from labhelpers.functions.function_metrics import FunctionMetrics
from labhelpers.functions.function_urls import AWS_IAM, RESPONSE_STREAM, FunctionUrl
from labhelpers.functions.invoke import Invoker
from labhelpers.functions.names import FunctionReference
from labhelpers.functions.policy import Call
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.gateway.data_plane import Visit
from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest, json_answer
from labhelpers.gateway.function_url.cors import preflight, read_cors, with_cors
from labhelpers.gateway.function_url.event import url_event
from labhelpers.gateway.function_url.streamed import read_streamed
from labhelpers.gateway.http_api.reply import BadReply, read_reply
from labhelpers.gateway.identity import Identify, Identity, MayCall, NotIdentified, everybody_may
from labhelpers.gateway.json_text import dumps
from labhelpers.iam.documents import read_policy
from labhelpers.journal import Journal
from labhelpers.model import InvokeRequest, InvokeResult

# Recorded from AWS: an HTTP API would answer text/plain where the function names no type.
_JSON = "application/json"
_DENIED = (("x-amzn-ErrorType", "AccessDeniedException"),)
_HELP = "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
# Recorded from AWS: a URL that does not exist, one that was not asked in a signed request, one that may not be asked.
NO_SUCH_URL = json_answer(403, b'{"Message":null}', _DENIED)
_UNSIGNED = json_answer(403, b'{"Message":"Forbidden"}', _DENIED)
_FORBIDDEN = json_answer(
    403,
    f'{{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: {_HELP}"}}'.encode(),
    _DENIED,
)
_FAILED = json_answer(502, b"Internal Server Error")
_MISSING_SECOND = (
    "AWS would answer 403 here: since October 2025 it wants a second statement, of the action lambda:InvokeFunction "
    "with InvokedViaFunctionUrl=True"
)


@dataclass(slots=True)
class _Passage:
    """What is found out about one request on its way; the journal's entry says it."""

    url: FunctionUrl
    request: GatewayRequest
    started: float
    identity: Identity | None = None
    error: str = ""
    warning: str = ""


class FunctionUrls:
    """The data plane of all function URLs of a lab. `identify` checks signatures of the service `lambda`."""

    def __init__(
        self,
        registry: FunctionRegistry,
        invoker: Invoker,
        journal: Journal,
        identify: Identify,
        metrics: FunctionMetrics,
        may_call: MayCall = everybody_may,
    ) -> None:
        self._metrics = metrics
        self._may_call = may_call
        self._registry = registry
        self._invoker = invoker
        self._journal = journal
        self._identify = identify

    async def handle(self, visit: Visit) -> web.StreamResponse:
        """The answer to a request. What the client did wrong in HTTP itself raises, and `data_plane` answers it."""
        request_id = str(uuid.uuid4())
        ids = (("x-amzn-RequestId", request_id),)
        url = function_urls.find(self._registry, visit.api_id)
        if url is None:
            return visit.answer(NO_SUCH_URL, ids)
        request = await visit.read(request_id)
        passage = _Passage(url, request, time.perf_counter())
        answer = await self._answer(passage)
        self._record(passage, answer)
        return visit.answer(answer, (*ids, ("X-Amzn-Trace-Id", request.trace_id)))

    async def _answer(self, passage: _Passage) -> GatewayAnswer:
        url, request = passage.url, passage.request
        cors = read_cors(url.cors) if url.cors else None
        if cors is None:
            return await self._pass(passage)
        if cors.is_preflight(request):
            return preflight(cors, request)
        return with_cors(cors, request, await self._pass(passage))

    async def _pass(self, passage: _Passage) -> GatewayAnswer:
        """Authorization, then the function."""
        url, request = passage.url, passage.request
        if url.auth_type == AWS_IAM:
            try:
                passage.identity = self._identify(request)
            except NotIdentified as refused:
                passage.error = refused.message
                if refused.code == "MissingAuthenticationTokenException":
                    return _UNSIGNED
                return json_answer(
                    403, dumps({"message": refused.message}), (("x-amzn-ErrorType", refused.code),)
                )
        if not self._is_allowed(passage):
            return _FORBIDDEN
        payload = dumps(url_event(request, url.id, passage.identity))
        if len(payload) > limits.SYNC_PAYLOAD_BYTES_MAX:
            passage.error = f"the event of {len(payload)} bytes is larger than Lambda's 6 MB"
            return json_answer(413, b'{"Message":"Request Entity Too Large"}')
        return await self._call(passage, payload)

    async def _call(self, passage: _Passage, payload: bytes) -> GatewayAnswer:
        url, request = passage.url, passage.request
        try:
            result = await self._invoker.invoke(
                InvokeRequest(
                    url.function,
                    payload,
                    url.qualifier,
                    request_id=request.request_id,
                    trace_id=request.trace_id,
                    source="lambda-url",
                    source_arn=url.function_arn,
                )
            )
        except AwsError as error:
            passage.error = f"{error.code}: {error.message}"
            # AWS publishes no body for this: it is Invoke's own.
            body = {**error.fields, "message": error.message}
            return json_answer(error.status, dumps(body), (("x-amzn-ErrorType", error.code),))
        return self._read(passage, result)

    def _read(self, passage: _Passage, result: InvokeResult) -> GatewayAnswer:
        if result.error is not None:
            passage.error = f"the function failed: {result.error.type}: {result.error.message}"
            return _FAILED
        try:
            if passage.url.invoke_mode == RESPONSE_STREAM:
                return read_streamed(result.payload, result.content_type)
            return read_reply(result.payload, "2.0", _JSON)
        except BadReply as bad:
            passage.error = f"the function's reply is no answer: {bad}"
            return _FAILED

    def _is_allowed(self, passage: _Passage) -> bool:
        """Whether the caller may ask this URL.

        AWS: a caller of the function's own account needs no statement of the resource policy if an identity policy
        lets it; where IAM decides nothing, identity policies let everybody. NONE needs a statement for everybody (`*`).
        """
        url, identity = passage.url, passage.identity
        if identity is not None and identity.account_id == self._registry.account.id:
            passage.error = self._refusal(url, identity)
            return not passage.error
        principal = identity.user_arn if identity is not None else "*"
        reference = FunctionReference(url.function, url.qualifier)

        def allows(action: str) -> bool:
            call = Call(principal, action, url_auth_type=url.auth_type, via_url=True)
            return permissions.allows_call(self._registry, reference, call)

        if not allows("lambda:InvokeFunctionUrl"):
            passage.error = (
                f"the resource policy of {url.function_arn} lets {principal} not call its URL; add_permission of the "
                f"action lambda:InvokeFunctionUrl with FunctionUrlAuthType={url.auth_type} would"
            )
            return False
        if not allows("lambda:InvokeFunction"):
            # AWS: needs both for URLs since October 2025. Here: one, because most of what is written shows only that.
            passage.warning = _MISSING_SECOND
        return True

    def _refusal(self, url: FunctionUrl, identity: Identity) -> str:
        """Why IAM does not let a caller of this account ask the URL; "" if it does."""
        action = "lambda:InvokeFunctionUrl"
        function = self._registry.find(url.function)
        kept = function.policies.get(url.qualifier) if function else None
        policy = read_policy(kept.as_json()) if kept else None
        context = {"lambda:functionurlauthtype": [url.auth_type], "lambda:invokedviafunctionurl": ["true"]}
        why = self._may_call(identity, action, url.function_arn, policy, context)
        return (
            f"{identity.user_arn} is not authorized to perform {action} on {url.function_arn} {why}"
            if why
            else ""
        )

    def _record(self, passage: _Passage, answer: GatewayAnswer) -> None:
        url, request = passage.url, passage.request
        latency_ms = (time.perf_counter() - passage.started) * 1000
        self._metrics.url_asked(url.function_arn, answer.status, latency_ms)
        detail: dict[str, Any] = {
            "url": url.id,
            "method": request.method,
            "path": request.path,
            "status": answer.status,
            "latency_ms": round(latency_ms, 3),
        }
        if passage.error:
            detail["error"] = passage.error
        if passage.warning:
            detail["warning"] = passage.warning
        self._journal.append(
            "url.request",
            url.function_arn,
            request_id=request.request_id,
            trace_id=request.trace_id,
            **detail,
        )
