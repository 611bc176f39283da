"""Compiles a deployment's snapshot into what the data plane runs on, and a stage's record into its live settings.

Called once for each deployment and once for each change of a stage. What AWS's control plane let in is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labhelpers import limits
from labhelpers.gateway.authorizer import read_source
from labhelpers.gateway.lambda_call import function_of
from labhelpers.gateway.rest import schemas
from labhelpers.gateway.rest.parameters import read_mappings
from labhelpers.gateway.rest.policy import compile_policy
from labhelpers.gateway.rest.settings import (
    Authorizer,
    AuthorizerType,
    Canary,
    GatewayResponse,
    Integration,
    IntegrationResponse,
    IntegrationType,
    Live,
    Method,
    MethodSettings,
    Node,
    Program,
    Validator,
)
from labhelpers.gateway.rest.store import RestApi, Snapshot
from labhelpers.gateway.throttle import Throttle

_TEXTS: Mapping[str, str] = {}
# The order in which AWS names missing parameters (recorded).
_PARAMETER_PLACES = ("header", "path", "querystring")


def compile_program(snapshot: Snapshot, deployment_id: str) -> Program:
    """A snapshot as a program."""
    api = snapshot.api
    authorizers = {each["id"]: compile_authorizer(each) for each in snapshot.authorizers.values()}
    validators = {
        each["id"]: Validator(bool(each["validateRequestBody"]), bool(each["validateRequestParameters"]))
        for each in snapshot.validators.values()
    }
    check_of = schemas.make_checks(str(api["id"]), snapshot.models)
    root = Node()
    for resource in snapshot.resources.values():
        node = _node(root, str(resource["path"]))
        for name, method in resource.get("resourceMethods", {}).items():
            node.methods[name] = _method(resource, method, authorizers, validators, check_of)
    policy = api.get("policy")
    return Program(
        api_id=str(api["id"]),
        api_name=str(api["name"]),
        deployment_id=deployment_id,
        root=root,
        gateway_responses={
            name: GatewayResponse(
                int(each["statusCode"]) if each.get("statusCode") else None,
                read_mappings(each.get("responseParameters"), "gatewayresponse."),
                {kind: str(text) for kind, text in (each.get("responseTemplates") or {}).items()},
            )
            for name, each in snapshot.gateway_responses.items()
        },
        binary_media_types=tuple(api.get("binaryMediaTypes") or ()),
        api_key_source=str(api.get("apiKeySource") or "HEADER"),
        policy=compile_policy(policy, str(api["id"])) if policy else None,
        compress_from=api.get("minimumCompressionSize"),
        disabled=bool(api.get("disableExecuteApiEndpoint")),
    )


def compile_method(
    api: RestApi, resource: Mapping[str, Any], method: Mapping[str, Any]
) -> tuple[Program, Method]:
    """The present state of one method, not deployed: for test_invoke_method."""
    program = compile_program(api.snapshot(), "")
    node = _node(program.root, str(resource["path"]))
    return program, node.methods[str(method["httpMethod"])]


def _node(root: Node, path: str) -> Node:
    node = root
    for part in path.strip("/").split("/") if path != "/" else ():
        if part.startswith("{") and part.endswith("+}"):
            node.greedy = node.greedy or (part[1:-2], Node())
            node = node.greedy[1]
        elif part.startswith("{"):
            node.variable = node.variable or (part[1:-1], Node())
            node = node.variable[1]
        else:
            node = node.literals.setdefault(part, Node())
    return node


def _method(
    resource: Mapping[str, Any],
    record: Mapping[str, Any],
    authorizers: Mapping[str, Authorizer],
    validators: Mapping[str, Validator],
    check_of: Any,
) -> Method:
    integration = record.get("methodIntegration")
    return Method(
        name=str(record["httpMethod"]),
        resource_id=str(resource["id"]),
        resource_path=str(resource["path"]),
        authorization=str(record.get("authorizationType") or "NONE"),
        authorizer=authorizers.get(record.get("authorizerId") or ""),
        scopes=tuple(record.get("authorizationScopes") or ()),
        api_key_required=bool(record.get("apiKeyRequired")),
        validator=validators.get(record.get("requestValidatorId") or ""),
        required=_required(record.get("requestParameters") or {}),
        models={kind: check_of(name) for kind, name in (record.get("requestModels") or {}).items()},
        integration=compile_integration(integration) if integration else None,
        operation_name=str(record.get("operationName") or ""),
    )


def _required(parameters: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Place and name of each required parameter, in AWS's order."""
    found = []
    for place in _PARAMETER_PLACES:
        prefix = f"method.request.{place}."
        found += [
            (place, name.removeprefix(prefix))
            for name, required in parameters.items()
            if required and name.startswith(prefix)
        ]
    return tuple(found)


def compile_integration(record: Mapping[str, Any]) -> Integration:
    """An integration's record as the data plane uses it."""
    kind = IntegrationType(record["type"])
    uri = str(record.get("uri") or "")
    return Integration(
        type=kind,
        uri=uri,
        http_method=str(record.get("httpMethod") or ""),
        function=(function_of(uri) or "") if kind in (IntegrationType.AWS, IntegrationType.AWS_PROXY) else "",
        parameters=read_mappings(record.get("requestParameters"), "integration.request."),
        templates={k: v or "" for k, v in (record.get("requestTemplates") or _TEXTS).items()},
        passthrough=str(record.get("passthroughBehavior") or "WHEN_NO_MATCH"),
        content_handling=str(record.get("contentHandling") or ""),
        credentials=str(record.get("credentials") or ""),
        timeout_s=int(record.get("timeoutInMillis") or limits.REST_API_TIMEOUT_MS_MAX) / 1000,
        cache_keys=tuple(record.get("cacheKeyParameters") or ()),
        cache_namespace=str(record.get("cacheNamespace") or ""),
        responses=tuple(
            IntegrationResponse(
                status=int(each["statusCode"]),
                pattern=_pattern(each.get("selectionPattern")),
                parameters=read_mappings(each.get("responseParameters"), "method.response."),
                templates={k: v or "" for k, v in (each.get("responseTemplates") or _TEXTS).items()},
                content_handling=str(each.get("contentHandling") or ""),
            )
            for each in (record.get("integrationResponses") or {}).values()
        ),
    )


def _pattern(text: Any) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        return re.compile(str(text))
    except re.error:
        return re.compile(re.escape(str(text)))  # Java may know it; here it stands for itself.


def compile_authorizer(record: Mapping[str, Any]) -> Authorizer:
    """An authorizer's record as the data plane uses it."""
    expression = record.get("identityValidationExpression")
    texts = str(record.get("identitySource") or "").split(",")
    sources = [source for text in texts if (source := read_source(text)) is not None]
    ttl = record.get("authorizerResultTtlInSeconds")
    return Authorizer(
        id=str(record["id"]),
        name=str(record["name"]),
        type=AuthorizerType(record["type"]),
        function=function_of(str(record.get("authorizerUri") or "")) or "",
        credentials=str(record.get("authorizerCredentials") or ""),
        sources=tuple(sources),
        validation=_pattern(expression),
        ttl_s=float(limits.AUTHORIZER_TTL_S_DEFAULT if ttl is None else ttl),
        provider_arns=tuple(record.get("providerARNs") or ()),
    )


def compile_stage(stage: Mapping[str, Any], program: Program, canary_program: Program | None) -> Live:
    """A stage's record, with the programs of its deployment and of its canary's."""
    variables = dict(stage.get("variables") or {})
    canary = stage.get("canarySettings")
    log = stage.get("accessLogSettings") or {}
    return Live(
        name=str(stage["stageName"]),
        program=program,
        variables=variables,
        # AWS takes both `~1path/GET` and `path/GET`.
        method_settings={
            path.removeprefix("~1"): _method_settings(path, each)
            for path, each in (stage.get("methodSettings") or {}).items()
        },
        canary=Canary(
            canary_program,
            float(canary.get("percentTraffic") or 0.0),
            {**variables, **(canary.get("stageVariableOverrides") or {})},
            bool(canary.get("useStageCache")),
        )
        if canary and canary_program
        else None,
        cache_enabled=bool(stage.get("cacheClusterEnabled")),
        tracing=bool(stage.get("tracingEnabled")),
        access_log=(str(log["destinationArn"]), str(log.get("format") or ""))
        if log.get("destinationArn")
        else None,
    )


def _method_settings(path: str, record: Mapping[str, Any]) -> MethodSettings:
    rate, burst = record.get("throttlingRateLimit"), record.get("throttlingBurstLimit")
    return MethodSettings(
        throttle=Throttle(float(rate), int(burst)) if rate is not None and burst is not None else None,
        log_level=str(record.get("loggingLevel") or "OFF"),
        data_trace=bool(record.get("dataTraceEnabled")),
        detailed_metrics=bool(record.get("metricsEnabled")),
        caching=bool(record.get("cachingEnabled")),
        cache_ttl_s=float(record.get("cacheTtlInSeconds", 300)),
        cache_needs_authorization=bool(record.get("requireAuthorizationForCacheControl", True)),
        unauthorized_cache_control=str(
            record.get("unauthorizedCacheControlHeaderStrategy") or "SUCCEED_WITH_RESPONSE_HEADER"
        ),
        own=path != "*/*",
    )
