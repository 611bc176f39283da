"""What a stage of a WebSocket API serves, frozen and ready for messages: made from its deployment, dropped on change.

`compile_stage` reads AWS's records; everything after it reads these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from labhelpers import limits
from labhelpers.gateway.authorizer import IdentitySource, read_source
from labhelpers.gateway.lambda_call import function_of, with_stage_variables
from labhelpers.gateway.throttle import Throttle
from labhelpers.gateway.v2.store import Live
from labhelpers.gateway.v2.websocket_rules import response_pattern
from labhelpers.gateway.websocket.selection import Selection
from labhelpers.model import Account

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"


class Kind(Enum):
    """AWS's integration types."""

    LAMBDA_PROXY = "AWS_PROXY"
    LAMBDA = "AWS"
    HTTP = "HTTP"
    HTTP_PROXY = "HTTP_PROXY"
    MOCK = "MOCK"

    @property
    def is_proxy(self) -> bool:
        return self in (Kind.LAMBDA_PROXY, Kind.HTTP_PROXY)


@dataclass(frozen=True, slots=True)
class Response:
    """An integration response. `pattern` is None for `$default`; else the key's, to be matched whole."""

    pattern: re.Pattern[str] | None
    templates: Mapping[str, str]
    selection: Selection | None


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration of any type; `function` or `uri` is what it calls, stage variables filled in.

    `parameters` are pairs of a place (`header.X`, `querystring.X`, `path.X`) and an expression.
    """

    id: str
    kind: Kind
    function: str
    uri: str
    method: str
    timeout_s: float
    by_role: bool
    templates: Mapping[str, str]
    selection: Selection | None
    passthrough: str
    parameters: tuple[tuple[str, str], ...]
    responses: tuple[Response, ...]


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A function that decides about `$connect`."""

    id: str
    function: str
    sources: tuple[IdentitySource, ...]
    by_role: bool


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `replies`: what its integration gives is sent to the client. `iam`: `$connect` must be signed.

    `required` are the parameters that `$connect` must bring: `querystring.X`, `header.X`.
    """

    key: str
    integration: Integration | None
    replies: bool
    api_key_required: bool
    iam: bool
    authorizer: Authorizer | None
    required: tuple[str, ...]
    throttle: Throttle | None
    detailed_metrics: bool
    logging_level: str
    data_trace: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage with its routes by key. `arn` is `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE`."""

    api_id: str
    name: str
    arn: str
    variables: Mapping[str, str]
    routes: Mapping[str, Route]
    selection: Selection
    key_from_authorizer: bool
    access_log_destination: str
    access_log_format: str
    disabled: bool
    logging_level: str

    def route(self, key: str | None) -> Route | None:
        """The route of a message with this key: its own, or `$default`. None when there is neither."""
        # AWS: whatever a message says, it does not reach the routes of a connection's life.
        if key is not None and key not in (CONNECT, DISCONNECT) and (found := self.routes.get(key)):
            return found
        return self.routes.get(DEFAULT)


def compile_stage(live: Live, record: Mapping[str, Any], account: Account) -> Stage:
    """The stage of an API (`record` is the API's own) as connections need it."""
    stage, snapshot = live.stage, live.snapshot
    name, api_id = str(stage["stageName"]), str(record["apiId"])
    variables: Mapping[str, str] = stage.get("stageVariables") or {}
    log = stage.get("accessLogSettings") or {}
    integrations = {
        key: _integration(each, snapshot.integration_responses.get(key) or {}, variables)
        for key, each in snapshot.integrations.items()
    }
    authorizers = {key: _authorizer(each, variables) for key, each in snapshot.authorizers.items()}
    routes = {}
    for key, each in snapshot.routes.items():
        replies = bool(snapshot.route_responses.get(key))
        routes[str(each["routeKey"])] = _route(each, stage, integrations, authorizers, replies=replies)
    return Stage(
        api_id,
        name,
        f"arn:aws:execute-api:{account.region}:{account.id}:{api_id}/{name}",
        variables,
        routes,
        Selection(snapshot.route_selection_expression),
        snapshot.api_key_selection_expression == "$context.authorizer.usageIdentifierKey",
        str(log.get("destinationArn", "")),
        str(log.get("format", "")),
        bool(record.get("disableExecuteApiEndpoint")),
        str((stage.get("defaultRouteSettings") or {}).get("loggingLevel") or "OFF"),
    )


def _route(
    record: Mapping[str, Any],
    stage: Mapping[str, Any],
    integrations: Mapping[str, Integration],
    authorizers: Mapping[str, Authorizer],
    *,
    replies: bool,
) -> Route:
    key = str(record["routeKey"])
    settings = {
        **(stage.get("defaultRouteSettings") or {}),
        **((stage.get("routeSettings") or {}).get(key) or {}),
    }
    target = str(record.get("target") or "").removeprefix("integrations/")
    kind = record.get("authorizationType", "NONE")
    return Route(
        key,
        integrations.get(target),
        # AWS: the route response alone makes a route two-way; its selection expression can only be `$default`.
        replies,
        bool(record.get("apiKeyRequired")),
        kind == "AWS_IAM",
        authorizers.get(str(record.get("authorizerId"))) if kind == "CUSTOM" else None,
        tuple(
            name.removeprefix("route.request.")
            for name, constraints in (record.get("requestParameters") or {}).items()
            if constraints.get("required")
        ),
        _throttle(settings),
        bool(settings.get("detailedMetricsEnabled")),
        str(settings.get("loggingLevel") or "OFF"),
        bool(settings.get("dataTraceEnabled")),
    )


def _throttle(settings: Mapping[str, Any]) -> Throttle | None:
    rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
    if rate is None and burst is None:
        return None
    return Throttle(
        float(limits.GATEWAY_ACCOUNT_RATE if rate is None else rate),
        int(limits.GATEWAY_ACCOUNT_BURST if burst is None else burst),
    )


def _integration(
    record: Mapping[str, Any], responses: Mapping[str, Mapping[str, Any]], variables: Mapping[str, str]
) -> Integration:
    uri = with_stage_variables(str(record.get("integrationUri") or ""), variables)
    prefix = "integration.request."
    parameters = tuple(
        (key.removeprefix(prefix), value) for key, value in (record.get("requestParameters") or {}).items()
    )
    return Integration(
        str(record["integrationId"]),
        Kind(record["integrationType"]),
        function_of(uri) or "",
        uri,
        str(record.get("integrationMethod") or ""),
        record.get("timeoutInMillis", limits.WEBSOCKET_TIMEOUT_MS_MAX) / 1000,
        bool(record.get("credentialsArn")),
        record.get("requestTemplates") or {},
        _selection(record),
        str(record.get("passthroughBehavior") or "WHEN_NO_MATCH"),
        parameters,
        tuple(_response(each) for each in responses.values()),
    )


def _selection(record: Mapping[str, Any]) -> Selection | None:
    text = record.get("templateSelectionExpression")
    return Selection(str(text)) if text else None


def _response(record: Mapping[str, Any]) -> Response:
    key = str(record["integrationResponseKey"])
    pattern = None if key == DEFAULT else re.compile(response_pattern(key))
    return Response(pattern, record.get("responseTemplates") or {}, _selection(record))


def _authorizer(record: Mapping[str, Any], variables: Mapping[str, str]) -> Authorizer:
    uri = with_stage_variables(str(record.get("authorizerUri") or ""), variables)
    return Authorizer(
        str(record["authorizerId"]),
        function_of(uri) or uri,
        tuple(filter(None, map(read_source, record.get("identitySource") or ()))),
        bool(record.get("authorizerCredentialsArn")),
    )
