"""Stages of REST APIs: API Gateway V1's operations of that name, but for UpdateStage.

Answers and refusals as recorded from AWS (LocalStack's test_apigateway_common and test_apigateway_canary).
"""

from __future__ import annotations

import re
from typing import Any

from labhelpers.cloud.gateway_rest_call import (
    RestCall,
    bad_request,
    conflict,
    copied,
    not_found,
    seconds_now,
)
from labhelpers.gateway.rest.store import Record, RestApi

NO_DEPLOYMENT = "Deployment id does not exist"
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]*")
_SIZES = ("0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237")


def create_stage(call: RestCall) -> Record:
    """CreateStage."""
    api, body = call.api, call.body
    name = body.get("stageName")
    check_stage_name(name)
    if name in api.stages:
        raise conflict("Stage already exists")
    check_deployment(api, body.get("deploymentId"))
    canary = body.get("canarySettings")
    if canary is not None:
        canary = {"deploymentId": body["deploymentId"], **canary}
        check_deployment(api, canary["deploymentId"])
    version = body.get("documentationVersion")
    if version and version not in api.documentation_versions:
        raise not_found("Invalid Documentation version specified")
    check_variables(body.get("variables") or {})
    stage = new_stage({**body, "canarySettings": canary})
    api.stages[str(name)] = stage
    call.changed()
    return show_stage(stage)


def check_stage_name(name: Any) -> None:
    """BadRequestException unless it is a stage's name."""
    if not isinstance(name, str) or not _STAGE_NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_-")


def check_deployment(api: RestApi, deployment_id: Any) -> None:
    """BadRequestException unless the API has that deployment."""
    if deployment_id not in api.deployments:
        raise bad_request(NO_DEPLOYMENT)


def check_variables(variables: Record) -> None:
    """BadRequestException for a name or a value that stage variables cannot have."""
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


def new_stage(body: Record) -> Record:
    """A stage's record; what it refers to is checked already."""
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
        record["cacheClusterSize"] = check_size(body.get("cacheClusterSize") or "0.5")
    for member in ("description", "variables", "documentationVersion", "tags"):
        if body.get(member):
            record[member] = copied(body[member])
    if body.get("canarySettings"):
        record["canarySettings"] = new_canary(body["canarySettings"])
    return record


def check_size(value: Any) -> str:
    """The size of a cache, as text. BadRequestException."""
    if str(value) not in _SIZES:
        raise bad_request(f"Invalid cache cluster size specified. Valid sizes are {', '.join(_SIZES)}")
    return str(value)


def show_stage(stage: Record) -> Record:
    """A stage as AWS answers it."""
    return {
        name: value for name, value in stage.items() if value not in (None, "") and (value or name in _ALWAYS)
    }


_ALWAYS = ("methodSettings", "cacheClusterEnabled", "tracingEnabled")


def find_stage(call: RestCall) -> Record:
    """The stage. NotFoundException."""
    found = call.api.stages.get(call["stage"])
    if found is None:
        raise not_found("Invalid stage identifier specified")
    return found


def get_stage(call: RestCall) -> Record:
    """GetStage."""
    return show_stage(find_stage(call))


def get_stages(call: RestCall) -> Record:
    """GetStages; perhaps those of one deployment."""
    wanted = call.query.get("deploymentId")
    stages = call.api.stages.values()
    return {"item": [show_stage(each) for each in stages if not wanted or each["deploymentId"] == wanted]}


def delete_stage(call: RestCall) -> None:
    """DeleteStage: usage plans lose it."""
    stage, api = find_stage(call), call.api
    name = stage["stageName"]
    del api.stages[name]
    for plan in call.store.plans.values():
        plan["apiStages"] = [e for e in plan["apiStages"] if (e["apiId"], e["stage"]) != (api.id, name)]
    call.changed()


def new_canary(given: Record) -> Record:
    """A canary's settings as they are kept. BadRequestException."""
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
