"""Deployments and stages of REST APIs, canaries among them: API Gateway V1's operations of those names.

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
    check_patches,
    conflict,
    copied,
    is_true,
    not_found,
    seconds_now,
)
from labhelpers.errors import NotEmulated
from labhelpers.gateway.rest.store import Deployment, Record, RestApi, new_id

_NO_DEPLOYMENT = "Deployment id does not exist"
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]*")
_SIZES = ("0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237")
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


# --- Deployments ---


def create_deployment(call: RestCall) -> Record:
    """CreateDeployment: a snapshot; with a stage's name that stage is made, or serves it from now on."""
    api, body = call.api, call.body
    stage_name, canary = body.get("stageName"), body.get("canarySettings")
    _check_deployable(api)
    if canary is not None:
        _check_canary_target(api, stage_name)
    if stage_name and stage_name not in api.stages:
        _check_stage_name(stage_name)
    _check_variables(body.get("variables") or {})
    record: Record = {"id": new_id(6), "createdDate": seconds_now()}
    if body.get("description"):
        record["description"] = body["description"]
    api.deployments[record["id"]] = Deployment(record, api.snapshot())
    if stage_name:
        _deploy_to(api, str(stage_name), record["id"], body)
    call.changed()
    return record


def _check_deployable(api: RestApi) -> None:
    methods = [method for _, method in api.methods()]
    if not methods:
        raise bad_request("The REST API doesn't contain any methods")
    if not all(method.get("methodIntegration") for method in methods):
        raise bad_request("No integration defined for method")


def _check_canary_target(api: RestApi, stage_name: Any) -> None:
    begin = "Invalid deployment content specified."
    if not stage_name:
        shown = "null" if stage_name is None else stage_name
        raise bad_request(
            f"{begin}Non null and non empty stageName must be provided for canary deployment. "
            f"Provided value is {shown}"
        )
    if stage_name not in api.stages:
        raise bad_request(
            f"{begin}Stage {stage_name} must already be created before making a canary release deployment"
        )


def _deploy_to(api: RestApi, stage_name: str, deployment_id: str, body: Record) -> None:
    stage = api.stages.get(stage_name)
    canary = body.get("canarySettings")
    if stage is not None and canary is not None:
        stage["canarySettings"] = _canary({**canary, "deploymentId": deployment_id})
    elif stage is not None:
        stage["deploymentId"] = deployment_id
    else:
        stage = _new_stage(
            {**body, "deploymentId": deployment_id, "description": body.get("stageDescription")}
        )
        stage.pop("canarySettings", None)
        api.stages[stage_name] = stage
        return
    if body.get("variables") and canary is None:
        stage["variables"] = copied(body["variables"])
    if body.get("stageDescription"):
        stage["description"] = body["stageDescription"]
    stage["lastUpdatedDate"] = seconds_now()


def _canary(given: Record) -> Record:
    record: Record = {
        "deploymentId": given["deploymentId"],
        "percentTraffic": float(given.get("percentTraffic") or 0.0),
        "useStageCache": bool(given.get("useStageCache")),
    }
    if not 0 <= record["percentTraffic"] <= 100:
        raise bad_request("Percent traffic must be between 0 and 100")
    if given.get("stageVariableOverrides"):
        record["stageVariableOverrides"] = copied(given["stageVariableOverrides"])
    return record


def _deployment(call: RestCall) -> Deployment:
    found = call.api.deployments.get(call["deployment"])
    if found is None:
        raise not_found("Invalid Deployment identifier specified")
    return found


def get_deployment(call: RestCall) -> Record:
    """GetDeployment; `embed=apisummary` tells what is in it."""
    deployment = _deployment(call)
    if "apisummary" not in call.queries.get("embed", ()):
        return deployment.record
    summary = {
        resource["path"]: {
            name: {
                "authorizationType": method["authorizationType"],
                "apiKeyRequired": method["apiKeyRequired"],
            }
            for name, method in resource["resourceMethods"].items()
        }
        for resource in deployment.snapshot.resources.values()
        if resource.get("resourceMethods")
    }
    return {**deployment.record, "apiSummary": summary}


def get_deployments(call: RestCall) -> Record:
    """GetDeployments."""
    return call.page([each.record for each in call.api.deployments.values()])


def delete_deployment(call: RestCall) -> None:
    """DeleteDeployment. BadRequestException while a stage, or a stage's canary, points to it."""
    deployment, api = _deployment(call), call.api
    own = deployment.record["id"]
    for stage in api.stages.values():
        if own in (stage["deploymentId"], (stage.get("canarySettings") or {}).get("deploymentId")):
            raise bad_request("Active stages pointing to this deployment must be moved or deleted")
    del api.deployments[own]
    call.changed()


def update_deployment(call: RestCall) -> Record:
    """UpdateDeployment: its description."""
    deployment = _deployment(call)
    patches = call.patches("UpdateDeployment")
    check_patches(patches, ("/description",))
    for patch in patches:
        deployment.record["description"] = patch.value
    return deployment.record


# --- Stages ---


def create_stage(call: RestCall) -> Record:
    """CreateStage."""
    api, body = call.api, call.body
    name = body.get("stageName")
    _check_stage_name(name)
    if name in api.stages:
        raise conflict("Stage already exists")
    _check_deployment(api, body.get("deploymentId"))
    canary = body.get("canarySettings")
    if canary is not None:
        canary = {"deploymentId": body["deploymentId"], **canary}
        _check_deployment(api, canary["deploymentId"])
    version = body.get("documentationVersion")
    if version and version not in api.documentation_versions:
        raise not_found("Invalid Documentation version specified")
    _check_variables(body.get("variables") or {})
    stage = _new_stage({**body, "canarySettings": canary})
    api.stages[str(name)] = stage
    call.changed()
    return show_stage(stage)


def _check_stage_name(name: Any) -> None:
    if not isinstance(name, str) or not _STAGE_NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_-")


def _check_deployment(api: RestApi, deployment_id: Any) -> None:
    if deployment_id not in api.deployments:
        raise bad_request(_NO_DEPLOYMENT)


def _check_variables(variables: Record) -> None:
    for name, value in variables.items():
        if not _VARIABLE_NAME.fullmatch(name):
            raise bad_request(
                "Invalid stage variable name: "
                + name
                + ". Please use stage variable names with alphanumeric and "
                "underscore characters"
            )
        if not isinstance(value, str) or not _VARIABLE_VALUE.fullmatch(value):
            raise bad_request(
                f"Invalid stage variable value: {value}. Please use values with alphanumeric characters and the "
                "symbols ,-._~:/?#&="
            )


def _new_stage(body: Record) -> Record:
    enabled = bool(body.get("cacheClusterEnabled"))
    record: Record = {
        "stageName": body["stageName"],
        "deploymentId": body["deploymentId"],
        "cacheClusterEnabled": enabled,
        "cacheClusterStatus": "AVAILABLE" if enabled else "NOT_AVAILABLE",
        "methodSettings": {},
        "tracingEnabled": bool(body.get("tracingEnabled")),
        "createdDate": seconds_now(),
        "lastUpdatedDate": seconds_now(),
    }
    if enabled:
        record["cacheClusterSize"] = _size(body.get("cacheClusterSize") or "0.5")
    for member in ("description", "variables", "documentationVersion", "tags"):
        if body.get(member):
            record[member] = copied(body[member])
    if body.get("canarySettings"):
        record["canarySettings"] = _canary(body["canarySettings"])
    return record


def _size(value: Any) -> str:
    if str(value) not in _SIZES:
        raise bad_request(f"Invalid cache cluster size specified. Valid sizes are {', '.join(_SIZES)}")
    return str(value)


def show_stage(stage: Record) -> Record:
    """A stage as AWS answers it."""
    return {
        name: value for name, value in stage.items() if value not in (None, "") and (value or name in _ALWAYS)
    }


_ALWAYS = ("methodSettings", "cacheClusterEnabled", "tracingEnabled")


def _stage(call: RestCall) -> Record:
    found = call.api.stages.get(call["stage"])
    if found is None:
        raise not_found("Invalid stage identifier specified")
    return found


def get_stage(call: RestCall) -> Record:
    """GetStage."""
    return show_stage(_stage(call))


def get_stages(call: RestCall) -> Record:
    """GetStages; perhaps those of one deployment."""
    wanted = call.query.get("deploymentId")
    stages = call.api.stages.values()
    return {"item": [show_stage(each) for each in stages if not wanted or each["deploymentId"] == wanted]}


def delete_stage(call: RestCall) -> None:
    """DeleteStage: usage plans lose it."""
    stage, api = _stage(call), call.api
    name = stage["stageName"]
    del api.stages[name]
    for plan in call.store.plans.values():
        plan["apiStages"] = [e for e in plan["apiStages"] if (e["apiId"], e["stage"]) != (api.id, name)]
    call.changed()


def update_stage(call: RestCall) -> Record:
    """UpdateStage: all of its patches, or none."""
    api = call.api
    stage = copied(_stage(call))
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
        _check_variables({parts[1]: patch.value})
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
        _check_deployment(api, value)
    elif name == "clientCertificateId":
        raise NotEmulated("client certificates of API Gateway")
    elif name == "cacheClusterSize":
        value = _size(value)
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
        _check_deployment(api, patch.value)
        canary["deploymentId"] = patch.value
    elif parts[1:] == ["useStageCache"]:
        canary["useStageCache"] = is_true(patch.value)
    elif len(parts) == 3 and parts[1] == "stageVariableOverrides":
        _check_variables({parts[2]: patch.value})
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
