"""The operations of SNS that this lab does itself: Publish, PublishBatch, and the checks of Subscribe.

Called by the bridge to moto, which keeps topics and subscriptions, before moto is; calls `triggers.sns`.
docs.aws.amazon.com/sns/latest/api/
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar
from xml.sax.saxutils import escape

from labhelpers.clock import Clock
from labhelpers.cloud import sns_query
from labhelpers.cloud.moto_bridge_sns import SnsState, Topic
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.cloud.sns_checks import (
    Message,
    check_batch,
    check_endpoint,
    check_fifo,
    check_subscription,
    check_topic_policy,
    read_message,
)
from labhelpers.cloud.sns_query import Fields
from labhelpers.cloud.sns_signing import MessageSigner
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.s3 import timestamp
from labhelpers.events.sns import Notification
from labhelpers.events.sns_attributes import MAX_MESSAGE_BYTES, invalid, size_of
from labhelpers.events.sns_filter import MESSAGE_ATTRIBUTES
from labhelpers.model import Account
from labhelpers.triggers.sns import Subscription

T = TypeVar("T")

_DELIVERED = ("sqs", "lambda")
_DEDUPLICATION_S = 300.0
# FIFO topics number their messages with twenty digits, growing.
_FIRST_SEQUENCE_NUMBER = 10_000_000_000_000_000_000


class Run(Protocol):
    """Runs a function on moto's thread."""

    def __call__(self, function: Callable[..., T], *args: Any) -> Awaitable[T]: ...


Deliver = Callable[[Notification, list[Subscription]], None]
Answer = Callable[[AwsRequest], Awaitable[AwsResponse]]


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
            await self._check_unsubscribe(sns_query.fields(request).get("SubscriptionArn", ""))
        if operation in ("CreateTopic", "SetTopicAttributes"):
            check_topic_policy(sns_query.fields(request))
        if operation == "SetSubscriptionAttributes":
            fields = sns_query.fields(request)
            await self._check_attribute(fields)
            if "AttributeValue" not in fields:  # moto would keep an object of its own.
                request = replace(request, body=request.body + b"&AttributeValue=")
        return await self._by_moto(request)

    # --- Publishing ---

    async def _publish(self, request: AwsRequest) -> AwsResponse:
        fields = sns_query.fields(request)
        if "PhoneNumber" in fields:
            raise NotEmulated("SNS text messages")
        arn = fields.get("TopicArn") or fields.get("TargetArn") or ""
        if ":endpoint/" in arn:
            raise NotEmulated("SNS mobile push")
        message = read_message(fields)
        if size_of(message.message, message.attributes) > MAX_MESSAGE_BYTES:
            raise invalid("Message too long")
        topic = await self._topic(arn)
        check_fifo(topic, [message])
        message_id, sequence = self._send(topic, message, request)
        return sns_query.answer("Publish", request, sns_query.published(message_id, sequence))

    async def _publish_batch(self, request: AwsRequest) -> AwsResponse:
        fields = sns_query.fields(request)
        entries = sns_query.numbered(fields, "PublishBatchRequestEntries.member")
        check_batch(entries)
        topic_arn = fields.get("TopicArn", "")
        messages = [
            read_message(entry, f"publishBatchRequestEntries.{number}.member.messageAttributes")
            for number, entry in enumerate(entries, 1)
        ]
        total = sum(size_of(message.message, message.attributes) for message in messages)
        if total > MAX_MESSAGE_BYTES:
            raise AwsError(
                "BatchRequestTooLong", "The length of all the messages put together is more than the limit."
            )
        topic = await self._topic(topic_arn)
        check_fifo(topic, messages)
        done = ""
        for entry, message in zip(entries, messages, strict=True):
            message_id, sequence = self._send(topic, message, request)
            done += (
                f"<member><Id>{escape(entry['Id'])}</Id>{sns_query.published(message_id, sequence)}</member>"
            )
        return sns_query.answer("PublishBatch", request, f"<Successful>{done}</Successful><Failed/>")

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

    def _send(self, topic: Topic, message: Message, request: AwsRequest) -> tuple[str, str]:
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
        fields = sns_query.fields(request)
        topic = await self._topic(fields.get("TopicArn", ""))
        protocol, endpoint = fields.get("Protocol", ""), fields.get("Endpoint", "")
        check_endpoint(topic, protocol, endpoint)
        attributes = sns_query.entries(fields, "Attributes.entry")
        scope = attributes.get("FilterPolicyScope") or MESSAGE_ATTRIBUTES
        for name, value in attributes.items():
            check_subscription(name, value, scope, topic, endpoint, "Attributes Reason: ")
        if protocol not in _DELIVERED:
            raise NotEmulated(f"SNS subscriptions of protocol {protocol!r} (sqs and lambda work)")
        before = await self._run(self._state.find, topic.arn, protocol, endpoint)
        if before is not None:
            # Never made twice, and not changed by the way either.
            if any(str(before.get(name, "")).lower() != value.lower() for name, value in attributes.items()):
                raise invalid("Attributes Reason: Subscription already exists with different attributes")
            arn = escape(str(before["SubscriptionArn"]))
            return sns_query.answer("Subscribe", request, f"<SubscriptionArn>{arn}</SubscriptionArn>")
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
        check_subscription(name, value, scope, topic, subscription["Endpoint"], "")
