"""Deployments of REST APIs, also as canaries: API Gateway V1's operations of that name.

Answers and refusals as recorded from AWS (LocalStack's test_apigateway_common and test_apigateway_canary).
"""

from __future__ import annotations

from typing import Any

from labhelpers.cloud.gateway_rest_call import (
    RestCall,
    bad_request,
    check_patches,
    copied,
    not_found,
    seconds_now,
)
from labhelpers.cloud.gateway_rest_stages import (
    check_stage_name,
    check_variables,
    new_canary,
    new_stage,
)
from labhelpers.gateway.rest.store import Deployment, Record, RestApi, new_id


def create_deployment(call: RestCall) -> Record:
    """CreateDeployment: a snapshot; with a stage's name that stage is made, or serves it from now on."""
    api, body = call.api, call.body
    stage_name, canary = body.get("stageName"), body.get("canarySettings")
    _check_deployable(api)
    if canary is not None:
        _check_canary_target(api, stage_name)
    if stage_name and stage_name not in api.stages:
        check_stage_name(stage_name)
    check_variables(body.get("variables") or {})
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
        stage["canarySettings"] = new_canary({**canary, "deploymentId": deployment_id})
    elif stage is not None:
        stage["deploymentId"] = deployment_id
    else:
        stage = new_stage(
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
