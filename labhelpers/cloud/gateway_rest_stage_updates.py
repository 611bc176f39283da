"""UpdateStage: settings of a stage and of its methods, its canary and the canary's promotion.

Answers and refusals as recorded from AWS (LocalStack's test_apigateway_common and test_apigateway_canary).
"""

from __future__ import annotations

import math
import re
from typing import Any

from labhelpers.cloud.gateway_rest_call import (
    Patch,
    RestCall,
    bad_request,
    copied,
    is_true,
    not_found,
    seconds_now,
)
from labhelpers.cloud.gateway_rest_stages import (
    check_deployment,
    check_size,
    check_variables,
    find_stage,
    show_stage,
)
from labhelpers.errors import NotEmulated
from labhelpers.gateway.rest.store import Record, RestApi

_PATHS = (
    "/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, "
    "/accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, "
    "/{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, "
    "/{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit"
    "/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, "
    "/{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, "
    "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, "
    "/*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit "
    "/*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, "
    "/*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, "
    "/variables/{variable_name}, /tracingEnabled"
)
_DEFAULT_SETTINGS: Record = {
    "metricsEnabled": False,
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}
_STRATEGIES = ("FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER")
_SETTINGS = {
    "metrics/enabled": "metricsEnabled",
    "logging/loglevel": "loggingLevel",
    "logging/dataTrace": "dataTraceEnabled",
    "throttling/burstLimit": "throttlingBurstLimit",
    "throttling/rateLimit": "throttlingRateLimit",
    "caching/enabled": "cachingEnabled",
    "caching/ttlInSeconds": "cacheTtlInSeconds",
    "caching/dataEncrypted": "cacheDataEncrypted",
    "caching/requireAuthorizationForCacheControl": "requireAuthorizationForCacheControl",
    "caching/unauthorizedCacheControlHeaderStrategy": "unauthorizedCacheControlHeaderStrategy",
}


def update_stage(call: RestCall) -> Record:
    """UpdateStage: all of its patches, or none."""
    api = call.api
    stage = copied(find_stage(call))
    for patch in call.patches("UpdateStage"):
        _PATCHERS[patch.op](api, stage, patch)
    stage["lastUpdatedDate"] = seconds_now()
    api.stages[stage["stageName"]] = stage
    call.changed()
    return show_stage(stage)


def _wrong_setting(patch: Patch) -> Exception:
    return bad_request(f"Invalid method setting path: {patch.path}. Must be one of: [{_PATHS}]")


def _add(api: RestApi, stage: Record, patch: Patch) -> None:
    raise bad_request(f"Invalid add operation with path: {patch.path}")


def _copy(api: RestApi, stage: Record, patch: Patch) -> None:
    """Promotion of a canary: its deployment, or its variables, become the stage's."""
    canary = stage.get("canarySettings")
    good = {
        ("/deploymentId", "/canarySettings/deploymentId"),
        ("/variables", "/canarySettings/stageVariableOverrides"),
    }
    if (patch.path, patch.source) not in good:
        raise bad_request(
            f"Invalid copy operation with path: {patch.path} and from {patch.source}. Valid copy:path are "
            "[/deploymentId, /variables] and valid copy:from are [/canarySettings/deploymentId, "
            "/canarySettings/stageVariableOverrides]"
        )
    if canary is None:
        raise bad_request("Promotion not available. Canary does not exist.")
    if patch.path == "/deploymentId":
        stage["deploymentId"] = canary["deploymentId"]
    elif overrides := canary.get("stageVariableOverrides"):
        stage["variables"] = {**(stage.get("variables") or {}), **overrides}


def _remove(api: RestApi, stage: Record, patch: Patch) -> None:
    parts = patch.parts
    if parts in (["canarySettings"], ["accessLogSettings"], ["description"], ["clientCertificateId"]):
        stage.pop(parts[0], None)
    elif len(parts) == 2 and parts[0] == "variables":
        (stage.get("variables") or {}).pop(parts[1], None)
    elif len(parts) == 3 and parts[:2] == ["canarySettings", "stageVariableOverrides"]:
        overrides = (stage.get("canarySettings") or {}).get("stageVariableOverrides") or {}
        overrides.pop(parts[2], None)
    else:
        key = "/".join((patch.path or "").split("/")[1:3])
        if stage["methodSettings"].pop(key, None) is None:
            raise bad_request(
                f"Cannot remove method setting {key} because there is no method setting for this method "
            )


def _replace(api: RestApi, stage: Record, patch: Patch) -> None:
    parts = patch.parts if patch.path else []
    name = parts[0] if parts else ""
    if name == "canarySettings":
        _replace_canary(api, stage, patch, parts)
    elif name == "variables" and len(parts) == 2:
        check_variables({parts[1]: patch.value})
        stage["variables"] = {**(stage.get("variables") or {}), parts[1]: patch.value}
    elif name == "accessLogSettings" and len(parts) == 2:
        _replace_access_log(stage, parts[1], patch)
    elif len(parts) == 1 and name in _PLAIN:
        _replace_plain(api, stage, name, patch.value)
    else:
        _replace_method_setting(stage, patch)


_PLAIN = (
    "deploymentId description cacheClusterEnabled cacheClusterSize clientCertificateId tracingEnabled "
    "documentationVersion"
).split()


def _replace_plain(api: RestApi, stage: Record, name: str, value: Any) -> None:
    if name == "deploymentId":
        check_deployment(api, value)
    elif name == "clientCertificateId":
        raise NotEmulated("client certificates of API Gateway")
    elif name == "cacheClusterSize":
        value = check_size(value)
    elif name in ("cacheClusterEnabled", "tracingEnabled"):
        value = is_true(value)
    elif name == "documentationVersion" and value not in api.documentation_versions:
        raise not_found("Invalid Documentation version specified")
    stage[name] = value
    if name == "cacheClusterEnabled":
        stage["cacheClusterStatus"] = "AVAILABLE" if value else "NOT_AVAILABLE"
        if value:
            stage.setdefault("cacheClusterSize", "0.5")
        else:
            stage.pop("cacheClusterSize", None)


def _replace_access_log(stage: Record, member: str, patch: Patch) -> None:
    if member not in ("destinationArn", "format"):
        raise _wrong_setting(patch)
    value = str(patch.value or "")
    if member == "destinationArn":
        if not re.match(r"arn:aws[\w-]*:(?:logs:[\w-]+:\d{12}:log-group:.+|firehose:.+)", value):
            raise bad_request("Invalid ARN specified in the request. ARNs must start with 'arn:aws'")
        if ":firehose:" in value:
            raise NotEmulated("access logs to Firehose")
    elif "$context.requestId" not in value and "$context.extendedRequestId" not in value:
        raise bad_request("Log format must contain $context.requestId or $context.extendedRequestId")
    stage["accessLogSettings"] = {**(stage.get("accessLogSettings") or {}), member: value}


def _replace_canary(api: RestApi, stage: Record, patch: Patch, parts: list[str]) -> None:
    canary = copied(stage.get("canarySettings")) or {
        "deploymentId": stage["deploymentId"],
        "percentTraffic": 0.0,
        "useStageCache": False,
    }
    if parts[1:] == ["percentTraffic"]:
        try:
            percent = float(patch.value)
        except (TypeError, ValueError):
            percent = -1.0
        if not 0 <= percent <= 100:
            raise bad_request("Percent traffic must be between 0 and 100")
        canary["percentTraffic"] = percent
    elif parts[1:] == ["deploymentId"]:
        check_deployment(api, patch.value)
        canary["deploymentId"] = patch.value
    elif parts[1:] == ["useStageCache"]:
        canary["useStageCache"] = is_true(patch.value)
    elif len(parts) == 3 and parts[1] == "stageVariableOverrides":
        check_variables({parts[2]: patch.value})
        canary["stageVariableOverrides"] = {
            **(canary.get("stageVariableOverrides") or {}),
            parts[2]: patch.value,
        }
    else:
        raise _wrong_setting(patch)
    stage["canarySettings"] = canary


def _replace_method_setting(stage: Record, patch: Patch) -> None:
    raw = (patch.path or "").split("/")[1:]
    name = _SETTINGS.get("/".join(raw[2:]))
    if len(raw) != 4 or name is None:
        raise _wrong_setting(patch)
    key = "/".join(raw[:2])
    settings = stage["methodSettings"]
    if key not in settings:
        # AWS: new settings begin as those of all methods are at that moment.
        settings[key] = copied(settings.get("*/*") or _DEFAULT_SETTINGS)
    settings[key][name] = _setting(name, str(patch.value))


def _setting(name: str, value: str) -> Any:
    try:
        if name == "throttlingRateLimit":
            if not math.isfinite(rate := float(value)):
                raise ValueError
            return rate
        if name in ("throttlingBurstLimit", "cacheTtlInSeconds"):
            number = int(value)
            if name == "cacheTtlInSeconds" and not 0 <= number <= 3600:
                raise bad_request("Invalid cache TTL: it must be between 0 and 3600 seconds")
            return number
    except ValueError:
        raise bad_request(f"Invalid value {value!r} for {name}") from None
    if name == "loggingLevel":
        if value not in ("OFF", "ERROR", "INFO"):
            raise bad_request("Invalid logging level specified. Valid values are OFF, ERROR, INFO")
        return value
    if name == "unauthorizedCacheControlHeaderStrategy":
        if value not in _STRATEGIES:
            raise bad_request(f"Invalid strategy specified. Valid values are {', '.join(_STRATEGIES)}")
        return value
    return is_true(value)


def _unsupported(api: RestApi, stage: Record, patch: Patch) -> None:
    raise bad_request(f"Invalid {patch.op} operation with path: {patch.path}")


_PATCHERS = {
    "add": _add,
    "copy": _copy,
    "remove": _remove,
    "replace": _replace,
    "move": _unsupported,
    "test": _unsupported,
}
