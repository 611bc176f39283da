"""What Lambda's control plane answers, made from the registry's records: the JSON of AWS's shapes.

docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html; which members come when is as recorded from AWS.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from labhelpers import limits
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.errors import INVALID_PARAMETER, AwsError
from labhelpers.functions.aliases import Alias
from labhelpers.functions.layers import LayerVersion
from labhelpers.functions.settings import EventInvokeSettings, FunctionSettings
from labhelpers.functions.versions import Function, Status, VersionRecord

T = TypeVar("T")

_BEING_MADE = "The function is being created."
_STATES = {
    Status.CREATING: {"State": "Pending", "StateReason": _BEING_MADE, "StateReasonCode": "Creating"},
    Status.UPDATING: {
        "State": "Active",
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReason": _BEING_MADE,
        "LastUpdateStatusReasonCode": "Creating",
    },
    Status.READY: {"State": "Active", "LastUpdateStatus": "Successful"},
}
JSON_HEADERS = {"Content-Type": "application/json"}


def answer(body: Any = None, status: int = 200) -> AwsResponse:
    """A JSON answer; without a body when it is None."""
    if body is None:
        return AwsResponse(status, {})
    return AwsResponse(status, JSON_HEADERS, json.dumps(body).encode())


def configuration(
    function: Function,
    record: VersionRecord,
    *,
    arn: str,
    status: Status | None = None,
    runtime_arn: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """A FunctionConfiguration; in lists AWS leaves out the state and the runtime's version."""
    settings = record.settings
    body = {
        "FunctionName": function.name,
        "FunctionArn": arn,
        "Runtime": settings.runtime,
        "Role": settings.role,
        "Handler": settings.handler,
        "CodeSize": record.package.code_size,
        "Description": settings.description,
        "Timeout": settings.timeout_s,
        "MemorySize": settings.memory_mb,
        "LastModified": record.last_modified,
        "CodeSha256": record.package.sha256,
        "Version": record.version,
        "TracingConfig": {"Mode": settings.tracing},
        "RevisionId": record.revision_id,
        "PackageType": "Zip",
        "Architectures": [settings.architecture],
        "EphemeralStorage": {"Size": settings.ephemeral_storage_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": _logging(settings),
        **_optional(settings),
    }
    if status is not None and runtime_arn is not None:
        body |= _STATES[status]
        body["RuntimeVersionConfig"] = {"RuntimeVersionArn": runtime_arn(settings.runtime)}
    return body


def _logging(settings: FunctionSettings) -> dict[str, str]:
    logging = settings.logging
    levels = {"ApplicationLogLevel": logging.application_level, "SystemLogLevel": logging.system_level}
    return {"LogFormat": logging.format, "LogGroup": logging.group, **{k: v for k, v in levels.items() if v}}


def _optional(settings: FunctionSettings) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if settings.variables is not None:
        body["Environment"] = {"Variables": dict(settings.variables)}
    if settings.layers:
        body["Layers"] = [
            {"Arn": layer.arn, "CodeSize": layer.package.code_size} for layer in settings.layers
        ]
    if settings.vpc is not None:
        body["VpcConfig"] = {
            "SubnetIds": list(settings.vpc.subnet_ids),
            "SecurityGroupIds": list(settings.vpc.security_group_ids),
            "VpcId": "",  # AWS: the VPC of the subnets. Here: unknown, because no function of this lab is in one.
            "Ipv6AllowedForDualStack": settings.vpc.dual_stack,
        }
    if settings.dead_letter_arn:
        body["DeadLetterConfig"] = {"TargetArn": settings.dead_letter_arn}
    if settings.kms_key_arn:
        body["KMSKeyArn"] = settings.kms_key_arn
    return body


def alias(found: Alias) -> dict[str, Any]:
    """An AliasConfiguration."""
    body: dict[str, Any] = {
        "AliasArn": found.arn,
        "Name": found.name,
        "FunctionVersion": found.version,
        "Description": found.description,
        "RevisionId": found.revision_id,
    }
    if found.weights:
        body["RoutingConfig"] = {"AdditionalVersionWeights": dict(found.weights)}
    return body


def event_invoke(arn: str, settings: EventInvokeSettings) -> dict[str, Any]:
    """A FunctionEventInvokeConfig: only what was set, and both destinations, empty or not."""
    numbers = {
        "MaximumRetryAttempts": settings.max_retries,
        "MaximumEventAgeInSeconds": settings.max_age_s,
    }
    targets = {"OnSuccess": settings.on_success, "OnFailure": settings.on_failure}
    return {
        "LastModified": round(settings.modified, 3),
        "FunctionArn": arn,
        **{name: value for name, value in numbers.items() if value is not None},
        "DestinationConfig": {kind: {"Destination": arn} if arn else {} for kind, arn in targets.items()},
    }


def layer_version(version: LayerVersion) -> dict[str, Any]:
    """A LayerVersionsListItem."""
    body: dict[str, Any] = {
        "LayerVersionArn": version.arn,
        "Version": version.version,
        "Description": version.description,
        "CreatedDate": version.created,
    }
    if version.runtimes is not None:
        body["CompatibleRuntimes"] = list(version.runtimes)
    if version.architectures is not None:
        body["CompatibleArchitectures"] = list(version.architectures)
    if version.license_info:
        body["LicenseInfo"] = version.license_info
    return body


def page(
    items: Sequence[T],
    key: Callable[[T], str],
    show: Callable[[T], Any],
    marker: str | None,
    most: int | None,
    *,
    largest: int = limits.PAGE_ITEMS_MAX,
) -> tuple[list[Any], dict[str, str]]:
    """Items after `marker`, shown, at most `largest` as on AWS; and a NextMarker if there are more.

    AwsError 400 for a bad marker.

    A marker is the last item's key, so that items which come and go in between do not disturb it.
    """
    start = 0
    if marker:
        last = _read_marker(marker)
        start = next((i + 1 for i, item in enumerate(items) if key(item) == last), len(items))
    size = min(most or largest, largest)
    shown = items[start : start + size]
    more = start + size < len(items)
    next_marker = base64.urlsafe_b64encode(key(shown[-1]).encode()).decode() if more else ""
    return [show(item) for item in shown], {"NextMarker": next_marker} if more else {}


def _read_marker(marker: str) -> str:
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise AwsError(INVALID_PARAMETER, "Invalid marker.") from error
