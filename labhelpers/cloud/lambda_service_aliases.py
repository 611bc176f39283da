"""Operations on aliases, permissions and the settings of asynchronous invocation: what is kept by qualifier."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labhelpers.cloud import lambda_service_requests as shapes
from labhelpers.cloud.lambda_service_answers import alias, answer, event_invoke, page
from labhelpers.cloud.lambda_service_control import Call, ControlPlane
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.errors import INVALID_PARAMETER, AwsError, NotEmulated
from labhelpers.functions import aliases, permissions
from labhelpers.functions import event_invoke as configs
from labhelpers.functions.aliases import Alias
from labhelpers.functions.execution_roles import check_target
from labhelpers.functions.names import FunctionReference
from labhelpers.functions.policy import conditions
from labhelpers.functions.settings import EventInvokeSettings
from labhelpers.model import LATEST


def create_alias(lab: ControlPlane, call: Call) -> AwsResponse:
    """CreateAlias."""
    members = _versions_only(call.read(shapes.CREATE_ALIAS))
    made = aliases.create(
        lab.registry,
        lab.reference(members).name,
        members["Name"],
        members["FunctionVersion"],
        description=members.get("Description") or "",
        weights=_weights(members) or {},
    )
    return answer(alias(made), 201)


def update_alias(lab: ControlPlane, call: Call) -> AwsResponse:
    """UpdateAlias."""
    members = _versions_only(call.read(shapes.UPDATE_ALIAS))
    changed = aliases.update(
        lab.registry,
        lab.reference(members).name,
        members["Name"],
        version=members.get("FunctionVersion"),
        description=members.get("Description"),
        weights=_weights(members),
        revision_id=members.get("RevisionId"),
    )
    return answer(alias(changed))


def _versions_only(members: dict[str, Any]) -> dict[str, Any]:
    if members.get("FunctionVersion") == "$LATEST.PUBLISHED":
        raise NotEmulated("the version $LATEST.PUBLISHED")
    return members


def _weights(members: Mapping[str, Any]) -> dict[str, float] | None:
    routing = members.get("RoutingConfig")
    return None if routing is None else routing.get("AdditionalVersionWeights") or {}


def get_alias(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetAlias."""
    members = call.read(shapes.ONE_ALIAS)
    return answer(alias(aliases.get(lab.registry, lab.reference(members).name, members["Name"])))


def delete_alias(lab: ControlPlane, call: Call) -> AwsResponse:
    """DeleteAlias."""
    members = call.read(shapes.ONE_ALIAS)
    aliases.delete(lab.registry, lab.reference(members).name, members["Name"])
    return answer(status=204)


def list_aliases(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListAliases, by name; with FunctionVersion those that send calls to it."""
    members = call.read(shapes.LIST_ALIASES)
    function = lab.registry.get(lab.reference(members).name)
    wanted = members.get("FunctionVersion")
    found = [
        found
        for _, found in sorted(function.aliases.items())
        if not wanted or wanted == found.version or wanted in found.weights
    ]
    shown, more = page(found, _name, alias, members.get("Marker"), members.get("MaxItems"))
    return answer({"Aliases": shown, **more})


def _name(found: Alias) -> str:
    return found.name


def add_permission(lab: ControlPlane, call: Call) -> AwsResponse:
    """AddPermission."""
    members = call.read(shapes.ADD_PERMISSION)
    if members.get("FunctionUrlAuthType") and members["Action"] != "lambda:InvokeFunctionUrl":
        raise AwsError(
            INVALID_PARAMETER,
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
        )
    statement = permissions.add(
        lab.registry,
        lab.reference(members),
        sid=members["StatementId"],
        principal=members["Principal"],
        action=members["Action"],
        conditions=conditions(
            source_arn=members.get("SourceArn") or "",
            source_account=members.get("SourceAccount") or "",
            event_source_token=members.get("EventSourceToken") or "",
            url_auth_type=members.get("FunctionUrlAuthType") or "",
            organisation=members.get("PrincipalOrgID") or "",
            via_url=members.get("InvokedViaFunctionUrl"),
        ),
        revision_id=members.get("RevisionId"),
    )
    return answer({"Statement": statement.as_json()}, 201)


def remove_permission(lab: ControlPlane, call: Call) -> AwsResponse:
    """RemovePermission."""
    members = call.read(shapes.REMOVE_PERMISSION)
    permissions.remove(
        lab.registry, lab.reference(members), members["StatementId"], members.get("RevisionId")
    )
    return answer(status=204)


def get_policy(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetPolicy."""
    policy = permissions.get(lab.registry, lab.reference(call.read(shapes.QUALIFIED_FUNCTION)))
    return answer({"Policy": policy.as_json(), "RevisionId": policy.revision})


def put_function_event_invoke_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """PutFunctionEventInvokeConfig."""
    members = call.read(shapes.EVENT_INVOKE_CONFIG)
    reference = lab.reference(members)
    _check_something(lab, reference, members)
    settings = _event_settings(lab, members)
    _check_destinations(lab, reference, settings)
    kept = configs.put(lab.registry, reference, settings)
    return answer(event_invoke(_event_arn(lab, reference), kept))


def update_function_event_invoke_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """UpdateFunctionEventInvokeConfig."""
    members = call.read(shapes.EVENT_INVOKE_CONFIG)
    reference = lab.reference(members)
    _check_something(lab, reference, members)
    change = _event_settings(lab, members)
    _check_destinations(lab, reference, change)
    destinations = members.get("DestinationConfig") is not None
    kept = configs.update(lab.registry, reference, change, destinations=destinations)
    return answer(event_invoke(_event_arn(lab, reference), kept))


def _check_something(lab: ControlPlane, reference: FunctionReference, members: Mapping[str, Any]) -> None:
    function = lab.registry.find(reference.name)
    if function is None or function.target(reference.qualifier) is None:
        raise configs.doesnt_exist()
    names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    if all(members.get(name) is None for name in names):
        message = "You must specify at least one of error handling or destination setting."
        raise AwsError(INVALID_PARAMETER, message)


def _check_destinations(
    lab: ControlPlane, reference: FunctionReference, settings: EventInvokeSettings
) -> None:
    """The execution role must be allowed to send to them."""
    role = lab.registry.get(reference.name).latest.settings.role
    for target in (settings.on_success, settings.on_failure):
        if target:
            check_target(lab.allows, role, target)


def _event_settings(lab: ControlPlane, members: Mapping[str, Any]) -> EventInvokeSettings:
    destinations = members.get("DestinationConfig") or {}
    success, failure = destinations.get("OnSuccess") or {}, destinations.get("OnFailure") or {}
    return EventInvokeSettings(
        lab.registry.now(),
        members.get("MaximumEventAgeInSeconds"),
        members.get("MaximumRetryAttempts"),
        success.get("Destination") or "",
        failure.get("Destination") or "",
    )


def _event_arn(lab: ControlPlane, reference: FunctionReference) -> str:
    return lab.registry.arn(reference.name, reference.qualifier or LATEST)


def get_function_event_invoke_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetFunctionEventInvokeConfig."""
    reference = lab.reference(call.read(shapes.QUALIFIED_FUNCTION))
    return answer(event_invoke(_event_arn(lab, reference), configs.get(lab.registry, reference)))


def delete_function_event_invoke_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """DeleteFunctionEventInvokeConfig."""
    configs.delete(lab.registry, lab.reference(call.read(shapes.QUALIFIED_FUNCTION)))
    return answer(status=204)


def list_function_event_invoke_configs(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListFunctionEventInvokeConfigs: $LATEST first, then versions, then aliases."""
    members = call.read(shapes.LIST_EVENT_INVOKE_CONFIGS)
    function = lab.registry.find(lab.reference(members).name)
    if function is None:
        raise configs.doesnt_exist()
    name, kept = function.name, function.event_invoke

    def show(qualifier: str) -> dict[str, Any]:
        return event_invoke(lab.registry.arn(name, qualifier), kept[qualifier])

    qualifiers = sorted(kept, key=_qualifier_order)
    shown, more = page(qualifiers, str, show, members.get("Marker"), members.get("MaxItems"))
    return answer({"FunctionEventInvokeConfigs": shown, **more})


def _qualifier_order(qualifier: str) -> tuple[int, int, str]:
    if qualifier == LATEST:
        return (0, 0, "")
    return (1, int(qualifier), "") if re.fullmatch("[0-9]+", qualifier) else (2, 0, qualifier)
