"""Operations on tags, and on what is done about loops of functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers import limits
from labhelpers.cloud import lambda_service_requests as shapes
from labhelpers.cloud.lambda_service_answers import answer
from labhelpers.cloud.lambda_service_control import Call, ControlPlane
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.errors import INVALID_PARAMETER, AwsError, NotEmulated
from labhelpers.functions.event_source_mappings import EventSourceMapping
from labhelpers.functions.versions import Function
from labhelpers.model import LATEST


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse more tags than a resource may have, and AWS's own names: InvalidParameterValueException (400)."""
    if len(tags) > limits.TAGS_MAX:
        raise AwsError(INVALID_PARAMETER, "Number of tags exceeds resource tag limit.")
    if any(key.lower().startswith("aws:") for key in tags):
        message = "System tags cannot be added/updated by requester. Tag keys must not start with 'aws:'."
        raise AwsError(INVALID_PARAMETER, message)


def tag_resource(lab: ControlPlane, call: Call) -> AwsResponse:
    """TagResource."""
    members = call.read(shapes.TAG_RESOURCE)
    if not members["Tags"]:
        raise AwsError(INVALID_PARAMETER, "An error occurred and the request cannot be processed.")
    tagged = _tagged(lab, members)
    tags = {**tagged.tags, **members["Tags"]}
    check_tags(tags)
    _set_tags(lab, tagged, tags)
    return answer(status=204)


def untag_resource(lab: ControlPlane, call: Call) -> AwsResponse:
    """UntagResource."""
    members = call.read(shapes.UNTAG_RESOURCE)
    tagged = _tagged(lab, members)
    left = {key: value for key, value in tagged.tags.items() if key not in members["TagKeys"]}
    _set_tags(lab, tagged, left)
    return answer(status=204)


def list_tags(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListTags."""
    return answer({"Tags": dict(_tagged(lab, call.read(shapes.LIST_TAGS)).tags)})


def _set_tags(lab: ControlPlane, tagged: Function | EventSourceMapping, tags: dict[str, str]) -> None:
    if isinstance(tagged, Function):
        tagged.tags = tags
    elif lab.mappings is not None:
        lab.mappings.set_tags(tagged.uuid, tags)


def _tagged(lab: ControlPlane, members: Mapping[str, Any]) -> Function | EventSourceMapping:
    arn = members["Resource"]
    if ":event-source-mapping:" in arn and lab.mappings is not None:
        return lab.mappings.get(arn.rpartition(":")[2])
    if ":function:" not in arn:
        raise NotEmulated(f"tags on {arn.split(':')[5]}s of Lambda")
    reference = lab.registry.reference(arn)
    if reference.qualifier:
        message = "Tags on function aliases and versions are not supported. Please specify a function ARN."
        raise AwsError(INVALID_PARAMETER, message)
    return lab.registry.get(reference.name)


def put_function_recursion_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """PutFunctionRecursionConfig."""
    members = call.read(shapes.PUT_RECURSION)
    lab.registry.set_recursive_loop(whole_function(lab, members), members["RecursiveLoop"])
    return answer({"RecursiveLoop": members["RecursiveLoop"]})


def get_function_recursion_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetFunctionRecursionConfig."""
    function = lab.registry.get(whole_function(lab, call.read(shapes.ONE_FUNCTION)))
    return answer({"RecursiveLoop": function.recursive_loop})


def whole_function(lab: ControlPlane, members: Mapping[str, Any]) -> str:
    """The name of a function, where a version or an alias will not do. AwsError 400."""
    reference = lab.reference(members)
    if reference.qualifier and reference.qualifier != LATEST:
        raise AwsError(
            INVALID_PARAMETER,
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
            "operation. Please specify either a function name or an unqualified function ARN.",
        )
    return reference.name
