"""The event of a function that is subscribed to a log group."""

import base64
import gzip
import json
import os
from typing import Any

from aws_lambda_powertools.utilities.parser.models import CloudWatchLogsModel

from labhelpers.events.log_subscription import LogDelivery, SubscribedEvent, function_events
from labhelpers.limits import ASYNC_PAYLOAD_BYTES_MAX


def unpacked(payload: bytes) -> Any:
    """What is in an event's data."""
    return json.loads(gzip.decompress(base64.b64decode(json.loads(payload)["awslogs"]["data"])))


def test_event_is_awss() -> None:
    """All members of AWS's data message are there, and Powertools reads them."""
    events = [SubscribedEvent("1", 1_760_000_000_000, "é"), SubscribedEvent("2", 1_760_000_000_001, "two")]
    [payload] = function_events(LogDelivery("/g", "s", "f", "arn", events), "123456789012")
    CloudWatchLogsModel.model_validate(json.loads(payload))
    assert unpacked(payload) == {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/g",
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": [
            {"id": "1", "timestamp": 1_760_000_000_000, "message": "é"},
            {"id": "2", "timestamp": 1_760_000_000_001, "message": "two"},
        ],
    }


def test_large_deliveries_are_split() -> None:
    """What would be larger than an asynchronous event may be comes in several, in order."""
    events = [SubscribedEvent(str(n), n, os.urandom(100_000).hex()) for n in range(8)]
    payloads = list(function_events(LogDelivery("/g", "s", "f", "arn", events), "123456789012"))
    assert len(payloads) > 1
    assert max(map(len, payloads)) < ASYNC_PAYLOAD_BYTES_MAX
    found = [event["id"] for payload in payloads for event in unpacked(payload)["logEvents"]]
    assert found == [event.id for event in events]
