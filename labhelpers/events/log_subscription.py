"""What a function gets of a log group that it is subscribed to: log events as JSON, compressed, in base64. Pure.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# One delivery carries at most so many bytes of messages: compressed and in base64 they fit into an asynchronous event.
DELIVERY_BYTES_MAX = 700_000
_EVENT_BYTES = 100  # What an event takes beside its message.


@dataclass(frozen=True, slots=True)
class SubscribedEvent:
    """A log event with its id; `timestamp` is epoch milliseconds."""

    id: str
    timestamp: int
    message: str


@dataclass(frozen=True, slots=True)
class LogDelivery:
    """Events of one stream that one subscription filter lets through. `destination_arn` is a function's."""

    group: str
    stream: str
    filter_name: str
    destination_arn: str
    events: Sequence[SubscribedEvent]


def group_arn(region: str, account_id: str, group: str) -> str:
    """The ARN of a log group as permissions name it, with `:*` for its streams."""
    return f"arn:aws:logs:{region}:{account_id}:log-group:{group}:*"


def function_events(delivery: LogDelivery, owner: str) -> Iterator[bytes]:
    """The events, as JSON text, that a function gets of a delivery: one, unless it is very large."""
    for events in _portions(delivery.events):
        data = {
            "messageType": "DATA_MESSAGE",
            "owner": owner,
            "logGroup": delivery.group,
            "logStream": delivery.stream,
            "subscriptionFilters": [delivery.filter_name],
            "logEvents": [
                {"id": each.id, "timestamp": each.timestamp, "message": each.message} for each in events
            ],
        }
        packed = b64encode(gzip.compress(json.dumps(data).encode(), 6)).decode()
        yield json.dumps({"awslogs": {"data": packed}}).encode()


def _portions(events: Sequence[SubscribedEvent]) -> Iterator[list[SubscribedEvent]]:
    portion: list[SubscribedEvent] = []
    size = 0
    for event in events:
        own = len(event.message.encode("utf-8", "surrogatepass")) + _EVENT_BYTES
        if portion and size + own > DELIVERY_BYTES_MAX:
            yield portion
            portion, size = [], 0
        portion.append(event)
        size += own
    if portion:
        yield portion
