"""What a stage of an HTTP API serves, frozen and ready for requests: made once from its deployment, dropped on change.

`compile_stage` reads AWS's records; everything after it reads these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers import limits
from labhelpers.errors import LabError
from labhelpers.gateway.authorizer import IdentitySource, read_source
from labhelpers.gateway.http_api.cors import Cors
from labhelpers.gateway.http_api.mapping import RequestMapping, ResponseMapping
from labhelpers.gateway.http_api.routes import ANY, RouteTable
from labhelpers.gateway.lambda_call import function_of, with_stage_variables
from labhelpers.gateway.throttle import Throttle
from labhelpers.gateway.v2.store import Live
from labhelpers.model import Account


@dataclass(frozen=True, slots=True)
class LambdaProxy:
    """An integration with a function. `format` is the payload's: 1.0 or 2.0. `by_role`: a role lets it call."""

    id: str
    function: str
    format: str
    timeout_s: float
    by_role: bool
    request_mapping: RequestMapping | None
    response_mapping: ResponseMapping | None


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """An integration with an HTTP backend. `method` is empty for ANY; `uri` has stage variables filled in already."""

    id: str
    method: str
    uri: str
    timeout_s: float
    request_mapping: RequestMapping | None
    response_mapping: ResponseMapping | None


Integration = LambdaProxy | HttpProxy


@dataclass(frozen=True, slots=True)
class IamAuthorizer:
    """The caller signs its requests."""


@dataclass(frozen=True, slots=True)
class JwtAuthorizer:
    """The caller brings a token of `issuer`, meant for one of `audience`; `scopes` are the route's."""

    source: IdentitySource
    issuer: str
    audience: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LambdaAuthorizer:
    """A function decides. `simple`: it answers `isAuthorized`, not a policy. `ttl_s` 0: it is asked every time."""

    id: str
    function: str
    format: str
    simple: bool
    sources: tuple[IdentitySource, ...]
    ttl_s: int
    by_role: bool


Authorizer = IamAuthorizer | JwtAuthorizer | LambdaAuthorizer


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `resource` is its path, or `$default`. `source_arn` is what functions' policies are asked about; for
    ANY it depends on the request's method, and is empty here.
    """

    key: str
    method: str
    resource: str
    integration: Integration | None
    authorizer: Authorizer | None
    throttle: Throttle | None
    detailed_metrics: bool
    source_arn: str
    operation: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage with its routes. `arn` is `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE`."""

    api_id: str
    name: str
    arn: str
    variables: Mapping[str, str]
    cors: Cors | None
    routes: RouteTable[Route]
    access_log_destination: str
    access_log_format: str
    disabled: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


def compile_stage(live: Live, record: Mapping[str, Any], account: Account) -> Stage:
    """The stage of an API (`record` is the API's own) as requests need it."""
    stage, snapshot = live.stage, live.snapshot
    name, api_id = str(stage["stageName"]), str(record["apiId"])
    variables: Mapping[str, str] = stage.get("stageVariables") or {}
    arn = f"arn:aws:execute-api:{account.region}:{account.id}:{api_id}/{name}"
    integrations = {key: _integration(each, variables) for key, each in snapshot.integrations.items()}
    log = stage.get("accessLogSettings") or {}
    table: RouteTable[Route] = RouteTable()
    for each in snapshot.routes.values():
        route = _route(each, stage, integrations, snapshot.authorizers, variables, arn)
        table.add(route.method, route.resource, route)
    return Stage(
        api_id,
        name,
        arn,
        variables,
        Cors.read(snapshot.cors) if snapshot.cors else None,
        table,
        str(log.get("destinationArn", "")),
        str(log.get("format", "")),
        bool(record.get("disableExecuteApiEndpoint")),
    )


def _route(
    record: Mapping[str, Any],
    stage: Mapping[str, Any],
    integrations: Mapping[str, Integration],
    authorizers: Mapping[str, Mapping[str, Any]],
    variables: Mapping[str, str],
    arn: str,
) -> Route:
    key = str(record["routeKey"])
    method, _, resource = key.partition(" ")
    if not resource:
        method, resource = "", key
    settings = {
        **(stage.get("defaultRouteSettings") or {}),
        **((stage.get("routeSettings") or {}).get(key) or {}),
    }
    target = str(record.get("target") or "").removeprefix("integrations/")
    return Route(
        key,
        method,
        resource,
        integrations.get(target),
        _authorizer(record, authorizers, variables),
        _throttle(settings),
        bool(settings.get("detailedMetricsEnabled")),
        f"{arn}/{resource}" if not method else f"{arn}/{method}{resource}" if method != ANY else "",
        str(record.get("operationName") or ""),
    )


def _throttle(settings: Mapping[str, Any]) -> Throttle | None:
    rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
    if rate is None and burst is None:
        return None
    return Throttle(
        float(limits.GATEWAY_ACCOUNT_RATE if rate is None else rate),
        int(limits.GATEWAY_ACCOUNT_BURST if burst is None else burst),
    )


def _integration(record: Mapping[str, Any], variables: Mapping[str, str]) -> Integration:
    uri = with_stage_variables(str(record.get("integrationUri") or ""), variables)
    timeout_s = record.get("timeoutInMillis", limits.HTTP_API_TIMEOUT_MS_MAX) / 1000
    request = RequestMapping.read(record.get("requestParameters"))
    response = ResponseMapping.read(record.get("responseParameters"))
    key = str(record["integrationId"])
    if record["integrationType"] == "AWS_PROXY":
        by_role = bool(record.get("credentialsArn"))
        version = str(record["payloadFormatVersion"])
        return LambdaProxy(key, function_of(uri) or uri, version, timeout_s, by_role, request, response)
    method = str(record.get("integrationMethod") or "")
    return HttpProxy(key, "" if method == "ANY" else method, uri, timeout_s, request, response)


def _authorizer(
    route: Mapping[str, Any], authorizers: Mapping[str, Mapping[str, Any]], variables: Mapping[str, str]
) -> Authorizer | None:
    kind = route.get("authorizationType", "NONE")
    if kind == "NONE":
        return None
    if kind == "AWS_IAM":
        return IamAuthorizer()
    record = authorizers[route["authorizerId"]]
    sources = tuple(filter(None, map(read_source, record.get("identitySource") or ())))
    if kind == "JWT":
        configuration = record["jwtConfiguration"]
        return JwtAuthorizer(
            sources[0],
            str(configuration["issuer"]),
            tuple(configuration["audience"]),
            tuple(route.get("authorizationScopes") or ()),
        )
    uri = with_stage_variables(str(record["authorizerUri"]), variables)
    if (function := function_of(uri)) is None:
        raise LabError(f"the authorizer {record['name']!r} has no function in its URI {uri}")
    return LambdaAuthorizer(
        str(record["authorizerId"]),
        function,
        str(record["authorizerPayloadFormatVersion"]),
        bool(record.get("enableSimpleResponses")),
        sources,
        int(record.get("authorizerResultTtlInSeconds", limits.AUTHORIZER_TTL_S_DEFAULT)) if sources else 0,
        bool(record.get("authorizerCredentialsArn")),
    )
