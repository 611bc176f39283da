"""What the journal says of a call: the operation's name, and what a message, event or item is handed to; pure.

`front_door` asks it for each call. Bodies are not read in whole: a name near their beginning is enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_plus

_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
_SHORT_BYTES = 4096

_MEMBERS = {
    ("sqs", "SendMessage"): b"QueueUrl",
    ("sqs", "SendMessageBatch"): b"QueueUrl",
    ("events", "PutEvents"): b"EventBusName",
    ("dynamodb", "PutItem"): b"TableName",
    ("dynamodb", "UpdateItem"): b"TableName",
    ("dynamodb", "DeleteItem"): b"TableName",
    ("kinesis", "PutRecord"): b"StreamName",
    ("kinesis", "PutRecords"): b"StreamName",
}
# The services whose calls write to something that has an ARN of its own.
WRITTEN_TO = frozenset({"sns", *(service for service, _ in _MEMBERS)})
_COUNTED = {
    "SendMessageBatch": rb'"MessageBody"\s*:',
    "PublishBatch": rb"(?:^|&)PublishBatchRequestEntries\.member\.\d+\.Id=",
    "PutEvents": rb'"DetailType"\s*:',
    "PutRecords": rb'"PartitionKey"\s*:',
}
_ARN_OF: dict[str, Callable[[str], str]] = {
    "sqs": lambda name: name.rpartition("/")[2],
    "events": lambda name: f"event-bus/{name}",
    "dynamodb": lambda name: f"table/{name}",
    "kinesis": lambda name: f"stream/{name}",
}


def query_action(body: bytes) -> str:
    """The operation of a call in the query protocol, "" if it names none."""
    found = _ACTION.search(body[:_SHORT_BYTES]) or _ACTION.search(body)
    return found[1].decode() if found else ""


def entries(operation: str, body: bytes) -> int:
    """How many messages, events or records a call hands over; what they hold is not mistaken for one."""
    counted = _COUNTED.get(operation)
    return len(re.findall(counted, body)) if counted else 1


def destination(service: str, operation: str, body: bytes, region: str, account: str) -> str:
    """The ARN of the topic, queue, event bus, table or stream that a call writes to, "" for all other calls."""
    if service == "sns" and operation in ("Publish", "PublishBatch"):
        found = re.search(rb"(?:^|&)(?:TopicArn|TargetArn)=([^&]+)", body)
        return unquote_plus(found[1].decode("utf-8", "replace")) if found else ""
    member = _MEMBERS.get((service, operation))
    if member is None:
        return ""
    named = re.search(rb'"%s"\s*:\s*"([^"\\]+)"' % member, body)
    name = named[1].decode("utf-8", "replace") if named else "default" if service == "events" else ""
    if not name or name.startswith("arn:"):
        return name
    return f"arn:aws:{service}:{region}:{account}:{_ARN_OF[service](name)}"
