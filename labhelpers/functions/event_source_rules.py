"""The rules that AWS sets for an event source mapping's settings, in its words; a request's members to a mapping. Pure.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html; texts without a note are recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from labhelpers.errors import INVALID_PARAMETER, RESOURCE_CONFLICT, AwsError, NotEmulated
from labhelpers.events.pattern import compile_pattern
from labhelpers.functions.event_source_mappings import (
    NO_RECORDS,
    USER_ACTION,
    USER_INITIATED,
    EventSourceMapping,
    State,
)
from labhelpers.limits import EVENT_FILTERS_MAX, RECORD_AGE_S_MIN

Members = Mapping[str, Any]

BATCH_SIZES = {"sqs": 10, "kinesis": 100, "dynamodb": 100}
_STREAMS = ("kinesis", "dynamodb")
# What this lab leaves out, by the member that asks for it; and the sources that it does not read.
LEFT_OUT_MEMBERS = {
    "SelfManagedEventSource": "Kafka as an event source",
    "AmazonManagedKafkaEventSourceConfig": "Kafka as an event source",
    "SelfManagedKafkaEventSourceConfig": "Kafka as an event source",
    "Topics": "Kafka as an event source",
    "Queues": "Amazon MQ as an event source",
    "SourceAccessConfigurations": "Kafka and Amazon MQ as event sources",
    "DocumentDBEventSourceConfig": "DocumentDB as an event source",
    "ProvisionedPollerConfig": "provisioned pollers of event source mappings",
    "MetricsConfig": "metrics of event source mappings",
    "LoggingConfig": "logs of event source mappings",
    "KMSKeyArn": "encrypted filters of event source mappings",
}
LEFT_OUT_SOURCES = {
    "kafka": "Kafka as an event source",
    "mq": "Amazon MQ as an event source",
    "rds": "DocumentDB as an event source",
}
_STREAM_MEMBERS = (
    "ParallelizationFactor",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "TumblingWindowInSeconds",
)


def invalid(message: str) -> AwsError:
    """InvalidParameterValueException (400)."""
    return AwsError(INVALID_PARAMETER, message)


def service_of(members: Members) -> str:
    """The service of the source that a request names: sqs, kinesis or dynamodb. AwsError, NotEmulated for others."""
    check_left_out(members)
    if not (arn := members.get("EventSourceArn")):
        raise invalid("Unrecognized event source.")
    service = str(arn).split(":")[2]
    if service in LEFT_OUT_SOURCES:
        raise NotEmulated(LEFT_OUT_SOURCES[service])
    if service not in BATCH_SIZES:
        raise invalid("Unrecognized event source.")
    return service


def check_left_out(members: Members) -> None:
    """NotEmulated for what is asked of a mapping and not done here."""
    for name, what in LEFT_OUT_MEMBERS.items():
        if members.get(name):
            raise NotEmulated(what)


def new_mapping(members: Members, uuid: str, function_arn: str, now: float) -> EventSourceMapping:
    """The mapping that CreateEventSourceMapping asks for. AwsError 400 as AWS."""
    service = service_of(members)
    arn = members["EventSourceArn"]
    _check_position(service, arn, members)
    enabled = members.get("Enabled") is not False
    mapping = EventSourceMapping(
        uuid,
        arn,
        function_arn,
        State.CREATING if enabled else State.DISABLED,  # Recorded: one made disabled is so at once.
        enabled,
        now,
        BATCH_SIZES[service],
        state_reason=USER_INITIATED if service == "sqs" else USER_ACTION,
        last_result="" if service == "sqs" else NO_RECORDS,
        starting_position=members.get("StartingPosition") or "",
        starting_at=members.get("StartingPositionTimestamp"),
        tags=MappingProxyType(dict(members.get("Tags") or {})),
    )
    return with_settings(mapping, members)


def with_settings(mapping: EventSourceMapping, members: Members) -> EventSourceMapping:
    """`mapping` with the settings that a create or an update names; what it does not name stays. AwsError 400."""
    _check_members(mapping.service, members)
    changes = {
        field: members[name]
        for name, field in (
            ("BatchSize", "batch_size"),
            ("MaximumBatchingWindowInSeconds", "window_s"),
            ("ParallelizationFactor", "parallelization_factor"),
            ("MaximumRecordAgeInSeconds", "max_record_age_s"),
            ("MaximumRetryAttempts", "max_retries"),
            ("BisectBatchOnFunctionError", "bisect_on_error"),
            ("TumblingWindowInSeconds", "tumbling_window_s"),
        )
        if members.get(name) is not None
    }
    if (types := members.get("FunctionResponseTypes")) is not None:
        changes["response_types"] = tuple(types)
    if (criteria := members.get("FilterCriteria")) is not None:
        changes["filters"] = _filters(criteria)
    if (scaling := members.get("ScalingConfig")) is not None:
        changes["max_concurrency"] = scaling.get("MaximumConcurrency")
    if (destinations := members.get("DestinationConfig")) is not None:
        changes["on_failure"] = _on_failure(destinations)
    changed = replace(mapping, **changes)
    _check_batch(changed)
    return changed


def _check_position(service: str, arn: str, members: Members) -> None:
    position, moment = members.get("StartingPosition"), members.get("StartingPositionTimestamp")
    if service == "sqs":
        if position or moment is not None:
            raise invalid("StartingPosition is not valid for SQS event sources.")
        return
    if not position:
        raise invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
            "Member must not be null."
        )
    if moment is not None and position != "AT_TIMESTAMP":
        raise invalid("Timestamp only valid with StartingPosition AT_TIMESTAMP")
    if position == "AT_TIMESTAMP":
        if service == "dynamodb":
            raise invalid(f"Unsupported starting position for arn type: {arn}")
        if moment is None:  # AWS's text is not known.
            raise invalid("StartingPosition AT_TIMESTAMP needs a StartingPositionTimestamp")
        if moment < 0:
            raise invalid(
                "Received Exception while reading from provided stream. class java.lang.Long can not be "
                "converted to a Timestamp"
            )


def _check_members(service: str, members: Members) -> None:
    unsupported = _STREAM_MEMBERS if service == "sqs" else ("ScalingConfig",)
    for name in unsupported:
        if members.get(name) is not None:
            raise invalid(f"Unsupported {name} parameter for given event source mapping type.")
    age = members.get("MaximumRecordAgeInSeconds")
    if age is not None and -1 < age < RECORD_AGE_S_MIN:  # AWS's text is not known.
        raise invalid(f"MaximumRecordAgeInSeconds must be -1 or at least {RECORD_AGE_S_MIN}")


def _on_failure(destinations: Members) -> str:
    if destinations.get("OnSuccess") is not None:
        raise invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
    return str((destinations.get("OnFailure") or {}).get("Destination") or "")


def _filters(criteria: Members) -> tuple[str, ...]:
    patterns = tuple(one.get("Pattern") or "" for one in criteria.get("Filters") or ())
    if len(patterns) > EVENT_FILTERS_MAX:  # AWS's text is not known.
        raise invalid(f"A mapping has at most {EVENT_FILTERS_MAX} filters")
    for pattern in patterns:
        try:
            compile_pattern(pattern)
        except AwsError as error:
            raise invalid("Invalid filter pattern definition.") from error
    return patterns


def _check_batch(mapping: EventSourceMapping) -> None:
    if mapping.service in _STREAMS:
        return
    if mapping.batch_size > 10 and not mapping.window_s:
        raise invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )
    if mapping.is_fifo and mapping.window_s:
        raise invalid("Batching window is not supported for FIFO queues")


def check_unique(mapping: EventSourceMapping, others: Iterable[EventSourceMapping], function: str) -> None:
    """AwsError 409 when another mapping leads from this source to this function, which is called `function`."""
    for other in others:
        same = (other.source_arn, other.function_arn) == (mapping.source_arn, mapping.function_arn)
        if same and other.uuid != mapping.uuid:
            after = f"already exists. Please update or delete the existing mapping with UUID {other.uuid}"
            text = (
                f'An event source mapping with SQS arn (" {mapping.source_arn} ") and function (" {function} ") {after}'
                if mapping.service == "sqs"
                else f'The event source arn (" {mapping.source_arn} ") and function (" {function} ") provided mapping '
                + after
            )
            raise AwsError(RESOURCE_CONFLICT, text, 409)


def updated_state(before: EventSourceMapping, enabled: bool) -> State:
    """On which way an update sends a mapping."""
    if enabled == before.enabled:
        return State.UPDATING
    return State.ENABLING if enabled else State.DISABLING
