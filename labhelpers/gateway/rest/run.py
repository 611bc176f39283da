"""One request on its way through a REST API: what is known of it so far, and `$context` when somebody asks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from labhelpers.gateway import identifiers
from labhelpers.gateway.context import base_context
from labhelpers.gateway.exchange import GatewayRequest, decode_query, multi
from labhelpers.gateway.rest import headers as rest_headers
from labhelpers.gateway.rest.execution_log import ExecutionLog
from labhelpers.gateway.rest.parameters import Values
from labhelpers.gateway.rest.settings import Live, Method, MethodSettings, Program
from labhelpers.model import Account

_NO_VARIABLES: Mapping[str, str] = {}


class Run:
    """A request, its stage and method, and what becomes of it. `path` is without the stage."""

    __slots__ = (
        "_context",
        "account",
        "api_key",
        "api_key_id",
        "authorizer",
        "cache_status",
        "extended_id",
        "headers",
        "identity",
        "integration_error",
        "integration_ms",
        "integration_status",
        "is_canary",
        "latency_ms",
        "live",
        "log",
        "method",
        "path",
        "path_variables",
        "policy",
        "program",
        "query",
        "request",
        "response_type",
        "settings",
        "stage",
        "started",
        "variables",
    )

    def __init__(self, account: Account, request: GatewayRequest, live: Live, path: str) -> None:
        self.account = account
        self.request = request
        self.live = live
        self.stage = live.name
        self.path = path
        self.program: Program = live.program
        self.variables: Mapping[str, str] = live.variables
        self.is_canary = False
        self.latency_ms = 0.0
        self.method: Method | None = None
        self.settings: MethodSettings | None = None
        self.path_variables: Mapping[str, str] = _NO_VARIABLES
        self.headers = rest_headers.seen(request.headers)
        self.query = read_query(request.query)
        self.extended_id = identifiers.extended_request_id()
        self.started = time.perf_counter()
        self.authorizer: dict[str, Any] | None = None
        self.identity: dict[str, Any] = {}
        self.policy: Mapping[str, Any] | None = None
        self.api_key = ""
        self.api_key_id = ""
        self.integration_ms: float | None = None
        self.integration_status: int | None = None
        self.integration_error = ""
        self.cache_status = ""
        self.response_type = ""
        self.log: ExecutionLog | None = None
        self._context: dict[str, Any] | None = None

    @property
    def api_id(self) -> str:
        return self.program.api_id

    @property
    def is_nobody(self) -> bool:
        """Whether nothing is known of who sent it: no identity, no API key, no authorizer's word."""
        return self.authorizer is None and not self.identity and not self.api_key

    @property
    def method_arn(self) -> str:
        """The execute-api ARN of what is asked for: `arn:aws:execute-api:region:account:api/stage/METHOD/path`."""
        return method_arn(self.account, self.api_id, self.stage, self.request.method, self.path)

    @property
    def source_arn(self) -> str:
        """The ARN that a function's resource policy is asked about: the method's resource, not the request's path."""
        account, method = self.account, self.method
        path = method.resource_path if method else self.path
        return (
            f"arn:aws:execute-api:{account.region}:{account.id}:{self.api_id}/{self.stage}/"
            f"{self.request.method}{path}"
        )

    def first(self, name: str) -> str | None:
        """The first value of a header that the API sees."""
        lower = name.lower()
        return next((values[0] for key, values in self.headers.items() if key.lower() == lower), None)

    def values(self) -> Values:
        """What parameter mappings read."""
        return Values(
            self.headers, self.query, self.path_variables, self.request.body, self.context, self.variables
        )

    def context(self) -> dict[str, Any]:
        """`$context` as far as it is known now."""
        if self._context is None:
            self._context = base_context(self.request, self.account, self.api_id, self.stage)
            self._context["extendedRequestId"] = self.extended_id
            self._context["deploymentId"] = self.program.deployment_id
            self._context["isCanaryRequest"] = "true" if self.is_canary else "false"
            self._context["xrayTraceId"] = self.request.trace_id
        context = self._context
        if self.method is not None and "resourceId" not in context:
            context["resourceId"] = self.method.resource_id
            context["resourcePath"] = self.method.resource_path
            if self.method.operation_name:
                context["operationName"] = self.method.operation_name
        if self.identity or self.api_key:
            context["identity"].update(self.identity)
            if self.api_key:
                context["identity"].update(apiKey=self.api_key, apiKeyId=self.api_key_id)
        if self.authorizer is not None:
            context["authorizer"] = self.authorizer
        return context


def method_arn(account: Account, api_id: str, stage: str, method: str, path: str) -> str:
    """The execute-api ARN of a request to a stage; `path` is without the stage."""
    return f"arn:aws:execute-api:{account.region}:{account.id}:{api_id}/{stage}/{method}{path.rstrip('/') or '/'}"


def read_query(query: str) -> dict[str, list[str]]:
    """Names and values of a raw query string, decoded; AWS does not pass on a name without `=`'s value as missing."""
    if not query:
        return {}
    parts = (part.partition("=") for part in query.split("&") if part)
    return multi((decode_query(name), decode_query(value)) for name, _, value in parts)
