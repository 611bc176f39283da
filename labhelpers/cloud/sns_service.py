"""The operations of SNS that this lab does itself: Publish, PublishBatch, and the checks of Subscribe.

Called by the bridge to moto, which keeps topics and subscriptions, before moto is; calls `triggers.sns`.
docs.aws.amazon.com/sns/latest/api/
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from labhelpers.clock import Clock
from labhelpers.cloud.moto_bridge_sns import SnsState, Topic
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.cloud.sns_signing import MessageSigner
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.s3 import timestamp
from labhelpers.events.sns import Attribute, Notification
from labhelpers.events.sns_attributes import (
    MAX_MESSAGE_BYTES,
    check_subject,
    invalid,
    read_attributes,
    read_structure,
    size_of,
)
from labhelpers.events.sns_filter import MESSAGE_ATTRIBUTES, SCOPES, FilterFault, check_policy
from labhelpers.model import Account
from labhelpers.triggers.sns import Subscription

T = TypeVar("T")
Fields = Mapping[str, str]

_XMLNS = "http://sns.amazonaws.com/doc/2010-03-31/"
_PROTOCOLS = ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")
_DELIVERED = ("sqs", "lambda")
_ATTRIBUTES = (
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "SubscriptionRoleArn",
)
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]+")
_FUNCTION_ARN = re.compile(r"arn:aws[a-z-]*:lambda:[\w-]+:\d{12}:function:[\w-]+(:(\$LATEST|[\w-]+))?")
_BATCH_MAX = 10
_DEDUPLICATION_S = 300.0
# FIFO topics number their messages with twenty digits, growing.
_FIRST_SEQUENCE_NUMBER = 10_000_000_000_000_000_000


class Run(Protocol):
    """Runs a function on moto's thread."""

    def __call__(self, function: Callable[..., T], *args: Any) -> Awaitable[T]: ...


Deliver = Callable[[Notification, list[Subscription]], None]
Answer = Callable[[AwsRequest], Awaitable[AwsResponse]]


@dataclass(frozen=True, slots=True)
class _Message:
    """What a caller asks to be published."""

    message: str
    subject: str | None
    attributes: Mapping[str, Attribute]
    by_protocol: Mapping[str, str] | None
    group_id: str
    deduplication_id: str


class SnsService:
    """`handle` answers a call, through moto where moto is right. `run` and `by_moto` are the bridge's."""

    def __init__(
        self,
        state: SnsState,
        run: Run,
        by_moto: Answer,
        signer: MessageSigner,
        clock: Clock,
        account: Account,
    ) -> None:
        self.deliver: Deliver | None = None
        self._state = state
        self._run = run
        self._by_moto = by_moto
        self._signer = signer
        self._clock = clock
        self._account = account
        self._sent: dict[tuple[str, str], tuple[float, str, str]] = {}
        self._sequence = _FIRST_SEQUENCE_NUMBER

    async def handle(self, operation: str, request: AwsRequest) -> AwsResponse:
        """AWS's answer. AwsError as AWS refuses, NotEmulated for protocols that are not delivered to."""
        if operation == "Publish":
            return await self._publish(request)
        if operation == "PublishBatch":
            return await self._publish_batch(request)
        if operation == "Subscribe":
            return await self._subscribe(request)
        if operation == "Unsubscribe":
            await self._check_unsubscribe(_fields(request).get("SubscriptionArn", ""))
        if operation == "SetSubscriptionAttributes":
            fields = _fields(request)
            await self._check_attribute(fields)
            if "AttributeValue" not in fields:  # moto would keep an object of its own.
                request = replace(request, body=request.body + b"&AttributeValue=")
        return await self._by_moto(request)

    # --- Publishing ---

    async def _publish(self, request: AwsRequest) -> AwsResponse:
        fields = _fields(request)
        if "PhoneNumber" in fields:
            raise NotEmulated("SNS text messages")
        arn = fields.get("TopicArn") or fields.get("TargetArn") or ""
        if ":endpoint/" in arn:
            raise NotEmulated("SNS mobile push")
        message = _read_message(fields)
        if size_of(message.message, message.attributes) > MAX_MESSAGE_BYTES:
            raise invalid("Message too long")
        topic = await self._topic(arn)
        _check_fifo(topic, [message])
        message_id, sequence = self._send(topic, message, request)
        return _answer("Publish", request, _published(message_id, sequence))

    async def _publish_batch(self, request: AwsRequest) -> AwsResponse:
        fields = _fields(request)
        entries = _numbered(fields, "PublishBatchRequestEntries.member")
        _check_batch(entries)
        topic_arn = fields.get("TopicArn", "")
        messages = [
            _read_message(entry, f"publishBatchRequestEntries.{number}.member.messageAttributes")
            for number, entry in enumerate(entries, 1)
        ]
        total = sum(size_of(message.message, message.attributes) for message in messages)
        if total > MAX_MESSAGE_BYTES:
            raise AwsError(
                "BatchRequestTooLong", "The length of all the messages put together is more than the limit."
            )
        topic = await self._topic(topic_arn)
        _check_fifo(topic, messages)
        done = ""
        for entry, message in zip(entries, messages, strict=True):
            message_id, sequence = self._send(topic, message, request)
            done += f"<member><Id>{escape(entry['Id'])}</Id>{_published(message_id, sequence)}</member>"
        return _answer("PublishBatch", request, f"<Successful>{done}</Successful><Failed/>")

    async def _topic(self, arn: str) -> Topic:
        parts = arn.split(":")
        if len(parts) < 6:
            raise invalid(f"TopicArn Reason: An ARN must have at least 6 elements, not {len(parts)}")
        if parts[3] != self._account.region:
            raise invalid("TopicArn")
        topic = await self._run(self._state.topic, arn)
        if topic is None:
            raise AwsError("NotFound", "Topic does not exist", 404)
        if topic.subscriptions and not self._signer.is_ready:
            await asyncio.to_thread(self._signer.make_key)
        return topic

    def _send(self, topic: Topic, message: _Message, request: AwsRequest) -> tuple[str, str]:
        """The message's id and, of a FIFO topic, its number; delivered unless it is a duplicate."""
        message_id, sequence, deduplication = str(uuid.uuid4()), "", message.deduplication_id
        if topic.fifo:
            deduplication = deduplication or hashlib.sha256(message.message.encode()).hexdigest()
            if (before := self._duplicate(topic, deduplication)) is not None:
                return before
            self._sequence += 1
            sequence = str(self._sequence)
            self._sent[topic.arn, deduplication] = (self._clock.now(), message_id, sequence)
        notification = Notification(
            message_id,
            topic.arn,
            message.message,
            timestamp(self._clock.now()),
            message.subject,
            message.attributes,
            message.by_protocol,
            message.group_id,
            deduplication,
            sequence,
            request.headers.get("X-Amzn-Trace-Id", ""),
            request.request_id,
        )
        if topic.subscriptions and self.deliver is not None:
            self.deliver(notification, topic.subscriptions)
        return message_id, sequence

    def _duplicate(self, topic: Topic, deduplication: str) -> tuple[str, str] | None:
        """What was answered to the same message within the last five minutes."""
        oldest = self._clock.now() - _DEDUPLICATION_S
        while self._sent and next(iter(self._sent.values()))[0] < oldest:
            del self._sent[next(iter(self._sent))]
        before = self._sent.get((topic.arn, deduplication))
        return None if before is None else before[1:]

    # --- Subscribing ---

    async def _subscribe(self, request: AwsRequest) -> AwsResponse:
        fields = _fields(request)
        topic = await self._topic(fields.get("TopicArn", ""))
        protocol, endpoint = fields.get("Protocol", ""), fields.get("Endpoint", "")
        _check_endpoint(topic, protocol, endpoint)
        attributes = _entries(fields, "Attributes.entry")
        scope = attributes.get("FilterPolicyScope") or MESSAGE_ATTRIBUTES
        for name, value in attributes.items():
            _check_subscription(name, value, scope, topic, endpoint, "Attributes Reason: ")
        if protocol not in _DELIVERED:
            raise NotEmulated(f"SNS subscriptions of protocol {protocol!r} (sqs and lambda work)")
        before = await self._run(self._state.find, topic.arn, protocol, endpoint)
        if before is not None:
            # Never made twice, and not changed by the way either.
            if any(str(before.get(name, "")).lower() != value.lower() for name, value in attributes.items()):
                raise invalid("Attributes Reason: Subscription already exists with different attributes")
            arn = escape(str(before["SubscriptionArn"]))
            return _answer("Subscribe", request, f"<SubscriptionArn>{arn}</SubscriptionArn>")
        answer = await self._by_moto(request)
        found = re.search(rb"<SubscriptionArn>([^<]+)</SubscriptionArn>", answer.body)
        if found and request.credentials is not None:
            await self._run(self._state.set_principal, found[1].decode(), request.credentials.principal)
        return answer

    async def _check_unsubscribe(self, arn: str) -> None:
        """AwsError for what is no subscription's ARN; one that is gone already is no error."""
        parts = len(arn.split(":"))
        if parts < 6:
            raise invalid(f"SubscriptionArn Reason: An ARN must have at least 6 elements, not {parts}")
        if parts == 6 and await self._run(self._state.attributes, arn) is None:
            raise invalid("SubscriptionId")

    async def _check_attribute(self, fields: Fields) -> None:
        arn = fields.get("SubscriptionArn", "")
        subscription = await self._run(self._state.attributes, arn)
        if subscription is None:
            raise AwsError("NotFound", "Subscription does not exist", 404)
        topic = await self._topic(subscription["TopicArn"])
        scope = subscription.get("FilterPolicyScope") or MESSAGE_ATTRIBUTES
        name, value = fields.get("AttributeName", ""), fields.get("AttributeValue", "")
        _check_subscription(name, value, scope, topic, subscription["Endpoint"], "")


# --- Checks ---


def _check_endpoint(topic: Topic, protocol: str, endpoint: str) -> None:
    if protocol not in _PROTOCOLS:
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if not endpoint:
        raise AwsError("NotFound", "Endpoint not specified in subscription", 404)
    if protocol == "sqs" and not re.match(r"arn:aws[a-z-]*:sqs:[^:]*:[^:]*:.+", endpoint):
        raise invalid("SQS endpoint ARN")
    if protocol == "lambda":
        if topic.fifo:  # AWS's own words are not known.
            raise invalid(
                "Invalid parameter: Endpoint Reason: FIFO topics only have subscriptions of SQS queues"
            )
        if not _FUNCTION_ARN.fullmatch(endpoint):
            raise invalid("Lambda endpoint ARN")
    if protocol == "sqs" and endpoint.endswith(".fifo") and not topic.fifo:
        raise invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )
    if protocol in ("http", "https") and not endpoint.startswith(f"{protocol}://"):
        raise invalid("Endpoint must match the specified protocol")


def _check_subscription(name: str, value: str, scope: str, topic: Topic, endpoint: str, frame: str) -> None:
    """Refuse an attribute of a subscription; `frame` stands before what is wrong when it comes with Subscribe."""
    if name not in _ATTRIBUTES:
        raise invalid(f"{frame}AttributeName")
    if name == "FilterPolicy" and value:
        try:
            check_policy(value, scope)
        except FilterFault as fault:
            raise invalid(f"{frame}{fault}") from None
    elif name == "FilterPolicyScope" and value not in SCOPES:
        raise invalid(
            f"{frame}FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
        )
    elif name == "RawMessageDelivery" and value.lower() not in ("true", "false"):
        raise invalid(f"{frame}RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
    elif name == "RedrivePolicy" and value:
        _check_redrive(value, topic, endpoint, frame)
    elif name == "DeliveryPolicy" and value:
        raise NotEmulated("DeliveryPolicy of SNS subscriptions (it is for HTTP endpoints)")


def _check_redrive(value: str, topic: Topic, endpoint: str, frame: str) -> None:
    try:
        policy = json.loads(value)
    except ValueError:
        raise invalid(f"{frame}RedrivePolicy: failed to parse JSON.") from None
    target = str(policy.get("deadLetterTargetArn", "")) if isinstance(policy, dict) else ""
    if target.count(":") < 5 or not target.startswith("arn:"):
        raise invalid(f"{frame}RedrivePolicy: deadLetterTargetArn is an invalid arn")
    is_fifo_queue = target.endswith(".fifo") and target.split(":")[2] == "sqs"
    if topic.fifo and endpoint.endswith(".fifo") and not is_fifo_queue:
        raise invalid(
            f"{frame}RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
        )


def _check_batch(entries: list[dict[str, str]]) -> None:
    if not entries:
        raise AwsError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(entries) > _BATCH_MAX:
        raise AwsError(
            "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible."
        )
    ids = [entry.get("Id", "") for entry in entries]
    if len(set(ids)) != len(ids):
        raise AwsError(
            "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."
        )
    for each in ids:
        if len(each) > 80:
            raise AwsError(
                "InvalidBatchEntryId", f"The Id of a batch entry in the batch request is too long: {each}"
            )
        if not _BATCH_ID.fullmatch(each):
            raise AwsError(
                "InvalidBatchEntryId",
                f"The Id of a batch entry in the batch request contains an impermissible character: {each}",
            )


def _check_fifo(topic: Topic, messages: list[_Message]) -> None:
    if not topic.fifo:
        if any(message.deduplication_id for message in messages):
            raise invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not "
                "valid for this topic type"
            )
        return
    if not all(message.group_id for message in messages):
        raise invalid("The MessageGroupId parameter is required for FIFO topics")
    if not topic.by_content and not all(message.deduplication_id for message in messages):
        raise invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly"
        )


def _read_message(fields: Fields, at: str = "messageAttributes") -> _Message:
    subject = fields.get("Subject")
    check_subject(subject)
    text = fields.get("Message", "")
    if not text:
        raise invalid("Empty message")
    given = {
        each["Name"]: {name.removeprefix("Value."): value for name, value in each.items() if name != "Name"}
        for each in _numbered(fields, "MessageAttributes.entry")
        if "Name" in each
    }
    return _Message(
        text,
        subject,
        read_attributes(given, at),
        read_structure(fields.get("MessageStructure"), text),
        fields.get("MessageGroupId", ""),
        fields.get("MessageDeduplicationId", ""),
    )


# --- The query protocol ---


def _fields(request: AwsRequest) -> dict[str, str]:
    body = request.body.decode("utf-8", "replace") or request.query
    return dict(parse_qsl(body, keep_blank_values=True))


def _numbered(fields: Fields, prefix: str) -> list[dict[str, str]]:
    """The members of a list, `prefix.N.name`, in the order of N."""
    found: dict[int, dict[str, str]] = {}
    start = f"{prefix}."
    for name, value in fields.items():
        if name.startswith(start):
            number, _, rest = name[len(start) :].partition(".")
            if number.isdigit():
                found.setdefault(int(number), {})[rest] = value
    return [found[number] for number in sorted(found)]


def _entries(fields: Fields, prefix: str) -> dict[str, str]:
    """A map, `prefix.N.key` and `prefix.N.value`."""
    return {each["key"]: each.get("value", "") for each in _numbered(fields, prefix) if "key" in each}


def _published(message_id: str, sequence: str) -> str:
    number = f"<SequenceNumber>{sequence}</SequenceNumber>" if sequence else ""
    return f"<MessageId>{message_id}</MessageId>{number}"


def _answer(operation: str, request: AwsRequest, result: str) -> AwsResponse:
    body = (
        f'<{operation}Response xmlns="{_XMLNS}"><{operation}Result>{result}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{request.request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return AwsResponse(200, {"Content-Type": "text/xml"}, body.encode())
