"""Settings of asynchronous invocation, for a function, a version or an alias each: retries, age, destinations.

docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from labhelpers import limits
from labhelpers.errors import INVALID_PARAMETER, RESOURCE_NOT_FOUND, AwsError
from labhelpers.functions.names import FunctionReference, function_not_found
from labhelpers.functions.settings import EventInvokeConfig, EventInvokeSettings
from labhelpers.model import LATEST

if TYPE_CHECKING:
    from labhelpers.functions.registry import FunctionRegistry
    from labhelpers.functions.versions import Function

_LAMBDA = re.compile(r"(arn:[^:]*:lambda:[^:]*:\d*:function:([^:]+))(:.+)?")


def effective(registry: FunctionRegistry, reference: FunctionReference) -> EventInvokeConfig:
    """What holds for an event: the settings of its qualifier, AWS's defaults for the rest. AwsError 404."""
    function = registry.get(reference.name)
    record = function.target(reference.qualifier)
    if record is None:
        raise function_not_found(registry.arn(reference.name, reference.qualifier))
    kept = function.event_invoke.get(reference.qualifier or LATEST, EventInvokeSettings(0))
    return EventInvokeConfig(
        limits.EVENT_AGE_S_MAX if kept.max_age_s is None else kept.max_age_s,
        limits.EVENT_RETRIES_MAX if kept.max_retries is None else kept.max_retries,
        kept.on_success,
        kept.on_failure,
        record.settings.dead_letter_arn,
    )


def put(
    registry: FunctionRegistry, reference: FunctionReference, settings: EventInvokeSettings
) -> EventInvokeSettings:
    """Set all; what is not given goes back to its default. AwsError: 404, 400 for targets that AWS refuses."""
    function = _existing(registry, reference)
    _check_targets(registry, reference, settings)
    function.event_invoke[reference.qualifier or LATEST] = settings
    return settings


def update(
    registry: FunctionRegistry,
    reference: FunctionReference,
    change: EventInvokeSettings,
    *,
    destinations: bool,
) -> EventInvokeSettings:
    """Set what is given. `destinations`: the request names them, if only to clear them. AwsError as `put`."""
    _existing(registry, reference)
    old = get(registry, reference)
    new = replace(
        old,
        modified=change.modified,
        max_age_s=old.max_age_s if change.max_age_s is None else change.max_age_s,
        max_retries=old.max_retries if change.max_retries is None else change.max_retries,
        on_success=change.on_success if destinations else old.on_success,
        on_failure=change.on_failure if destinations else old.on_failure,
    )
    return put(registry, reference, new)


def get(registry: FunctionRegistry, reference: FunctionReference) -> EventInvokeSettings:
    """What was set; AwsError 404."""
    qualifier = reference.qualifier or LATEST
    function = registry.find(reference.name)
    if function is None or qualifier not in function.event_invoke:
        arn = registry.arn(reference.name, qualifier)
        raise AwsError(RESOURCE_NOT_FOUND, f"The function {arn} doesn't have an EventInvokeConfig", 404)
    return function.event_invoke[qualifier]


def delete(registry: FunctionRegistry, reference: FunctionReference) -> None:
    """Forget what was set; AwsError 404."""
    get(registry, reference)
    registry.get(reference.name).event_invoke.pop(reference.qualifier or LATEST)


def _existing(registry: FunctionRegistry, reference: FunctionReference) -> Function:
    function = registry.find(reference.name)
    if function is None or function.target(reference.qualifier) is None:
        raise doesnt_exist()
    return function


def doesnt_exist() -> AwsError:
    """AWS's 404 of these operations."""
    return AwsError(RESOURCE_NOT_FOUND, "The function doesn't exist.", 404)


def _check_targets(
    registry: FunctionRegistry, reference: FunctionReference, settings: EventInvokeSettings
) -> None:
    own = registry.arn(reference.name)
    for target in filter(None, (settings.on_success, settings.on_failure)):
        if (parts := _LAMBDA.fullmatch(target)) is None:
            continue
        if parts[1] == own:
            raise AwsError(INVALID_PARAMETER, "You can't specify the function as a destination for itself.")
        if registry.find(parts[2]) is None:
            raise AwsError(INVALID_PARAMETER, f"The destination ARN {target} is invalid.")
    success = _is_target(settings.on_success, ("lambda", "sqs", "sns", "events"))
    failure = _is_target(settings.on_failure, ("lambda", "sqs", "sns", "events", "s3"))
    if not (success and failure):
        config = f"DestinationConfig(onSuccess={_shown('OnSuccess', settings.on_success)}, "
        config += f"onFailure={_shown('OnFailure', settings.on_failure)})"
        raise AwsError(INVALID_PARAMETER, f"The provided destination config {config} is invalid.")


def _is_target(arn: str, services: tuple[str, ...]) -> bool:
    return not arn or arn.split(":")[2] in services


def _shown(kind: str, arn: str) -> str:
    return f"{kind}(destination={arn})" if arn else "null"
