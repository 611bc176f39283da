"""Operations on event source mappings.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html; members of answers as recorded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from labhelpers import limits
from labhelpers.cloud import lambda_service_requests as shapes
from labhelpers.cloud.lambda_service_answers import answer, page
from labhelpers.cloud.lambda_service_control import Call, ControlPlane
from labhelpers.cloud.lambda_service_tags import check_tags
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.errors import AwsError
from labhelpers.functions import event_source_rules as rules
from labhelpers.functions.event_source_mappings import (
    SETTLED,
    EventSourceMapping,
    EventSourceMappings,
    State,
)
from labhelpers.functions.execution_roles import check_source, check_target

RESOURCE_IN_USE = "ResourceInUseException"


async def create_event_source_mapping(lab: ControlPlane, call: Call) -> AwsResponse:
    """CreateEventSourceMapping."""
    members = call.read(shapes.CREATE_EVENT_SOURCE_MAPPING)
    rules.service_of(members)
    mappings = _mappings(lab)
    check_tags(members.get("Tags") or {})
    uuid = lab.registry.new_id()
    mapping = rules.new_mapping(members, uuid, _function_arn(lab, members), mappings.now())
    await _check(lab, mapping)
    mappings.add(mapping)
    return answer(_shown(mappings, mapping), 202)


async def update_event_source_mapping(lab: ControlPlane, call: Call) -> AwsResponse:
    """UpdateEventSourceMapping."""
    members = call.read(shapes.UPDATE_EVENT_SOURCE_MAPPING)
    mappings = _mappings(lab)
    before = mappings.get(members["UUID"])
    rules.check_left_out(members)
    _check_settled(before, "update")
    function_arn = _function_arn(lab, members) if members.get("FunctionName") else before.function_arn
    wanted = rules.with_settings(replace(before, function_arn=function_arn), members)
    enabled = before.enabled if members.get("Enabled") is None else members["Enabled"]
    wanted = replace(wanted, enabled=enabled)
    await _check(lab, wanted)
    _check_settled(mappings.get(before.uuid), "update")
    after = mappings.change(replace(wanted, state=rules.updated_state(before, enabled)))
    return answer(_shown(mappings, after), 202)


def get_event_source_mapping(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetEventSourceMapping."""
    mappings = _mappings(lab)
    return answer(_shown(mappings, mappings.get(call.read(shapes.ONE_EVENT_SOURCE_MAPPING)["UUID"])))


def delete_event_source_mapping(lab: ControlPlane, call: Call) -> AwsResponse:
    """DeleteEventSourceMapping: it is Deleting until what it has read is done."""
    mappings = _mappings(lab)
    before = mappings.get(call.read(shapes.ONE_EVENT_SOURCE_MAPPING)["UUID"])
    _check_settled(before, "delete")
    after = mappings.change(replace(before, state=State.DELETING))
    return answer(_shown(mappings, after), 202)


def list_event_source_mappings(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListEventSourceMappings, those of a source, of a function (as it is qualified), or all."""
    members = call.read(shapes.LIST_EVENT_SOURCE_MAPPINGS)
    mappings = _mappings(lab)
    source, function_arn = members.get("EventSourceArn"), ""
    if members.get("FunctionName"):
        reference = lab.reference(members)
        lab.registry.get(reference.name)
        function_arn = lab.registry.arn(reference.name, reference.qualifier)
    found = [
        mapping
        for mapping in mappings
        if (not source or mapping.source_arn == source)
        and (not function_arn or mapping.function_arn == function_arn)
    ]
    shown, more = page(
        found,
        lambda mapping: mapping.uuid,
        lambda mapping: _shown(mappings, mapping),
        members.get("Marker"),
        members.get("MaxItems"),
        largest=limits.MAPPINGS_PAGE_MAX,
    )
    return answer({"EventSourceMappings": shown, **more})


def _mappings(lab: ControlPlane) -> EventSourceMappings:
    assert lab.mappings is not None, "the composition root gives it"
    return lab.mappings


def _function_arn(lab: ControlPlane, members: dict[str, Any]) -> str:
    """The function that a mapping calls, qualified as the caller qualified it; it must exist."""
    reference = lab.reference(members)
    function = lab.registry.find(reference.name)
    if function is None or function.target(reference.qualifier) is None:
        raise rules.invalid("Function does not exist")
    return lab.registry.arn(reference.name, reference.qualifier)


async def _check(lab: ControlPlane, mapping: EventSourceMapping) -> None:
    """Its source and its function's settings fit, and it is the only one of both. AwsError as AWS."""
    mappings = _mappings(lab)
    check = mappings.source_checks.get(mapping.service)
    if check is None:
        raise rules.invalid("Unrecognized event source.")
    version = lab.registry.resolve(mapping.function_arn).version
    await check(mapping, version)
    check_source(lab.allows, version.role, mapping.source_arn)
    if mapping.on_failure:
        check_target(lab.allows, version.role, mapping.on_failure)
    rules.check_unique(mapping, mappings, lab.registry.reference(mapping.function_arn).name)


def _check_settled(mapping: EventSourceMapping, verb: str) -> None:
    if mapping.state not in SETTLED:
        raise AwsError(RESOURCE_IN_USE, f"Cannot {verb} the event source mapping because it is in use.", 400)


def _shown(mappings: EventSourceMappings, mapping: EventSourceMapping) -> dict[str, Any]:
    """An EventSourceMappingConfiguration."""
    body: dict[str, Any] = {
        "UUID": mapping.uuid,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_s,
        "EventSourceArn": mapping.source_arn,
        "EventSourceMappingArn": mappings.arn(mapping.uuid),
        "FunctionArn": mapping.function_arn,
        "FunctionResponseTypes": list(mapping.response_types),
        "LastModified": round(mapping.modified, 3),
        "State": mapping.state.value,
        "StateTransitionReason": mapping.state_reason,
    }
    if mapping.last_result:
        body["LastProcessingResult"] = mapping.last_result
    if mapping.filters:
        body["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in mapping.filters]}
    if mapping.max_concurrency is not None:
        body["ScalingConfig"] = {"MaximumConcurrency": mapping.max_concurrency}
    return body if mapping.service == "sqs" else {**body, **_of_stream(mapping)}


def _of_stream(mapping: EventSourceMapping) -> dict[str, Any]:
    body: dict[str, Any] = {
        "StartingPosition": mapping.starting_position,
        "ParallelizationFactor": mapping.parallelization_factor,
        "MaximumRecordAgeInSeconds": mapping.max_record_age_s,
        "MaximumRetryAttempts": mapping.max_retries,
        "BisectBatchOnFunctionError": mapping.bisect_on_error,
        "TumblingWindowInSeconds": mapping.tumbling_window_s,
        "DestinationConfig": {"OnFailure": {"Destination": mapping.on_failure} if mapping.on_failure else {}},
    }
    if mapping.starting_at is not None:
        body["StartingPositionTimestamp"] = mapping.starting_at
    return body
