"""Subscription filters of log groups in moto: what is written goes through the filter's pattern to its destination.

moto would send all events whatever the pattern, and to functions of its own. Runs on moto's thread only.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from typing import Any

from labhelpers.cloud.log_pattern import Matcher, compile_pattern
from labhelpers.errors import AwsError
from labhelpers.events.log_subscription import LogDelivery, SubscribedEvent
from labhelpers.model import LogEvent

FILTERS_MAX = 2
_FUTURE_MS = 2 * 3_600_000
RESOURCE_NOT_FOUND = "ResourceNotFoundException"

Tell = Callable[[LogDelivery], None]

_compiled = lru_cache(maxsize=256)(compile_pattern)


class KeptEvent:
    """An event of a log stream, with what moto asks of its own. Times in epoch milliseconds."""

    __slots__ = ("event_id", "ingestion_time", "message", "timestamp")

    _ids = itertools.count()

    def __init__(self, ingested: int, at_ms: int, message: str) -> None:
        self.ingestion_time = ingested
        self.timestamp = at_ms
        self.message = message
        self.event_id = next(self._ids)

    def to_response_dict(self) -> dict[str, Any]:
        """As GetLogEvents has it."""
        return {"ingestionTime": self.ingestion_time, "message": self.message, "timestamp": self.timestamp}

    def to_filter_dict(self) -> dict[str, Any]:
        """As FilterLogEvents has it, but for the stream's name; the id grows with time and has AWS's 56 digits."""
        return {**self.to_response_dict(), "eventId": f"{self.timestamp:013d}{self.event_id:043d}"}


Append = Callable[[Any, Sequence[LogEvent], float], str]


def mend(models: Any, tell: Tell) -> Append:
    """Have moto's log streams hand what a function is subscribed to over to `tell`, and all else to moto's streams.

    Returns what appends events to a stream that came in at a time (epoch seconds), and gives the stream's token.
    """
    deliver = models.LogStream._send_log_events
    utilities: Any = import_module("moto.core.utils")

    def put_log_events(stream: Any, log_events: list[dict[str, Any]]) -> str:
        given = [LogEvent(int(each["timestamp"]), each["message"]) for each in log_events]
        return append(stream, given, utilities.unix_time(utilities.utcnow()))

    def append(stream: Any, given: Sequence[LogEvent], at: float) -> str:
        ingested = int(at * 1000)
        stream.last_ingestion_time = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
        stream.stored_bytes += sum([len(each.message) for each in given])
        events = [KeptEvent(ingested, each.at_ms, each.message) for each in given]
        stream.events += events
        stream.upload_sequence_token += 1
        for subscription in stream.log_group.subscription_filters.values():
            _pass_on(stream, subscription, events)
        return f"{stream.upload_sequence_token:056d}"

    def _pass_on(stream: Any, subscription: Any, events: list[KeptEvent]) -> None:
        found = _matching(_compiled(subscription.filter_pattern or ""), events)
        if not found:
            return
        arn = subscription.destination_arn
        service = arn.split(":")[2]
        if service == "lambda":
            tell(LogDelivery(stream.log_group.name, stream.log_stream_name, subscription.name, arn, found))
            return
        shown = [{"id": each.id, "timestamp": each.timestamp, "message": each.message} for each in found]
        deliver(stream, service=service, destination_arn=arn, filter_name=subscription.name, log_events=shown)

    models.LogStream.put_log_events = put_log_events
    models.LogsBackend.put_log_events = _put_in_backend
    models.LogGroup.put_subscription_filter = _put_in_group(models)
    to_json = models.SubscriptionFilter.to_json
    models.SubscriptionFilter.to_json = lambda each: {
        **{name: value for name, value in to_json(each).items() if value is not None},
        "applyOnTransformedLogs": False,
    }
    return append


def check(backend: Any, group: str, name: str, destination_arn: str, role_arn: str, pattern: str) -> None:
    """Refuse what AWS refuses of a subscription filter before its destination is looked at. AwsError 400."""
    if ":kinesis:" in destination_arn and not role_arn:
        raise AwsError(
            "InvalidParameterException", "destinationArn for vendor kinesis cannot be used without roleArn"
        )
    found = backend.groups.get(group)
    if found is None:
        raise AwsError(RESOURCE_NOT_FOUND, "The specified log group does not exist.")
    filters = found.subscription_filters
    if name not in filters and len(filters) >= FILTERS_MAX:
        raise AwsError("LimitExceededException", "Resource limit exceeded.")
    compile_pattern(pattern)


def functions_of(backend: Any) -> dict[str, list[str]]:
    """The functions that are subscribed to log groups, by the group's name."""
    return {
        name: [
            each.destination_arn
            for each in group.subscription_filters.values()
            if ":lambda:" in each.destination_arn
        ]
        for name, group in backend.groups.items()
        if group.subscription_filters
    }


def _put_in_group(models: Any) -> Callable[..., None]:
    def put(group: Any, filter_name: str, filter_pattern: str, destination_arn: str, role_arn: str) -> None:
        """Replaces moto's, which does not let a filter be changed once there are two."""
        known = group.subscription_filters.get(filter_name)
        if known is not None:
            known.update(filter_pattern, destination_arn, role_arn)
            return
        group.subscription_filters[filter_name] = models.SubscriptionFilter(
            name=filter_name,
            log_group_name=group.name,
            filter_pattern=filter_pattern,
            destination_arn=destination_arn,
            role_arn=role_arn,
        )

    return put


def _put_in_backend(
    backend: Any, log_group_name: str, log_stream_name: str, log_events: list[dict[str, Any]]
) -> tuple[str, dict[str, int]]:
    """Replaces moto's PutLogEvents: the stream's token, and which events were not taken.

    AWS: takes no events older than 14 days. Here: takes them, so that recorded logs can be played back.
    """
    group = backend.groups.get(log_group_name)
    if group is None:
        raise AwsError(RESOURCE_NOT_FOUND, "The specified log group does not exist.")
    times = [each["timestamp"] for each in log_events]
    if any(earlier > later for earlier, later in pairwise(times)):
        raise AwsError(
            "InvalidParameterException",
            "Log events in a single PutLogEvents request must be in chronological order.",
        )
    newest = time.time() * 1000 + _FUTURE_MS
    taken = [each for each in log_events if each["timestamp"] <= newest]
    token = group.put_log_events(log_stream_name, taken)
    return token, {"tooNewLogEventStartIndex": len(taken)} if len(taken) < len(log_events) else {}


def _matching(matches: Matcher, events: list[KeptEvent]) -> list[SubscribedEvent]:
    return [
        SubscribedEvent(each.to_filter_dict()["eventId"], each.timestamp, each.message)
        for each in events
        if matches(each.message)
    ]
