"""Amazon SNS's messages: what is published, and what a function or a queue gets of it. Pure.

docs.aws.amazon.com/lambda/latest/dg/with-sns.html, docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Attribute:
    """A message attribute: `data_type` may have a suffix (`Number.int`, `String.Array`); a binary `value` is base64."""

    data_type: str
    value: str

    @property
    def kind(self) -> str:
        """The type without its suffix."""
        return self.data_type.partition(".")[0]


NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Notification:
    """One published message. `by_protocol` has the texts of a message with MessageStructure json.

    `timestamp` is as AWS writes it; `group_id`, `deduplication_id` and `sequence_number` are those of FIFO topics;
    `trace_id` is the publisher's X-Amzn-Trace-Id. `request_id` is that of the call.
    """

    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    subject: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: NO_ATTRIBUTES)
    by_protocol: Mapping[str, str] | None = None
    group_id: str = ""
    deduplication_id: str = ""
    sequence_number: str = ""
    trace_id: str = ""
    request_id: str = ""

    def text_for(self, protocol: str) -> str:
        """What subscriptions of that protocol get."""
        if self.by_protocol is None:
            return self.message
        return self.by_protocol.get(protocol) or self.by_protocol["default"]


@dataclass(frozen=True, slots=True)
class Seal:
    """A signature, and the address of the certificate that it can be checked with."""

    signature: str
    certificate_url: str
    version: str = "1"


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """What is sent to a queue. `attributes` are name to data type and value (base64 for binary ones)."""

    queue_arn: str
    body: str
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: NO_ATTRIBUTES)
    group_id: str = ""
    deduplication_id: str = ""
    trace_id: str = ""


def string_to_sign(notification: Notification, text: str) -> bytes:
    """What a notification's signature stands for: names and values, each on a line.

    docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
    """
    parts = {"Message": text, "MessageId": notification.message_id}
    if notification.subject is not None:
        parts["Subject"] = notification.subject
    parts |= {"Timestamp": notification.timestamp, "TopicArn": notification.topic_arn, "Type": "Notification"}
    return "".join(f"{name}\n{value}\n" for name, value in parts.items()).encode("utf-8", "surrogatepass")


def unsubscribe_url(endpoint_url: str, subscription_arn: str) -> str:
    """The address that AWS offers for leaving a topic."""
    return f"{endpoint_url}/?Action=Unsubscribe&SubscriptionArn={quote(subscription_arn, safe=':')}"


def lambda_event(
    notification: Notification, subscription_arn: str, seal: Seal, endpoint_url: str
) -> dict[str, Any]:
    """The event of a function: always one record."""
    sns = {
        "Type": "Notification",
        "MessageId": notification.message_id,
        "TopicArn": notification.topic_arn,
        "Subject": notification.subject,
        "Message": notification.text_for("lambda"),
        "Timestamp": notification.timestamp,
        "SignatureVersion": seal.version,
        "Signature": seal.signature,
        "SigningCertUrl": seal.certificate_url,
        "UnsubscribeUrl": unsubscribe_url(endpoint_url, subscription_arn),
        "MessageAttributes": _shown(notification.attributes),
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "Sns": sns,
    }
    return {"Records": [record]}


def envelope(notification: Notification, protocol: str, seal: Seal, unsubscribe: str) -> str:
    """The JSON text that arrives in a queue, unless the subscription asks for raw messages."""
    body: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": notification.message_id,
    }
    if notification.sequence_number:
        body["SequenceNumber"] = notification.sequence_number
    body["TopicArn"] = notification.topic_arn
    if notification.subject is not None:
        body["Subject"] = notification.subject
    body["Message"] = notification.text_for(protocol)
    body["Timestamp"] = notification.timestamp
    if not notification.sequence_number:  # Messages of FIFO topics are not signed.
        body["SignatureVersion"] = seal.version
        body["Signature"] = seal.signature
        body["SigningCertURL"] = seal.certificate_url
    body["UnsubscribeURL"] = unsubscribe
    if notification.attributes:
        body["MessageAttributes"] = _shown(notification.attributes)
    return json.dumps(body, indent=2, separators=(",", " : "), ensure_ascii=False)


def _shown(attributes: Mapping[str, Attribute]) -> dict[str, dict[str, str]]:
    return {name: {"Type": each.data_type, "Value": each.value} for name, each in attributes.items()}
