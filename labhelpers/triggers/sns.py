"""SNS topics: hands each message to the subscriptions that want it, and keeps what cannot be delivered.

Called by the cloud's SNS service for each published message. Its rules:
- A function is invoked asynchronously, if its resource policy lets SNS; then Lambda retries, and SNS has delivered.
- What SNS cannot deliver goes to the subscription's dead-letter queue, and in any case into the journal.
- A FIFO queue gets the messages of its subscription one after the other.
AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-lambda-as-subscriber.html
     https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from labhelpers.clock import Clock
from labhelpers.errors import AwsError
from labhelpers.events.sns import (
    Notification,
    QueueMessage,
    Seal,
    envelope,
    lambda_event,
    string_to_sign,
    unsubscribe_url,
)
from labhelpers.events.sns_filter import MESSAGE_ATTRIBUTES, accepts
from labhelpers.functions.destinations import WAITS_S, is_passing
from labhelpers.functions.event_queue import Tasks
from labhelpers.journal import Journal
from labhelpers.model import InvokeRequest

PRINCIPAL = "sns.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as deliveries need it. `endpoint` and `dead_letter_arn` ("" for none) are ARNs."""

    arn: str
    protocol: str
    endpoint: str
    raw: bool = False
    filter_policy: str = ""
    filter_scope: str = MESSAGE_ATTRIBUTES
    dead_letter_arn: str = ""


class Policies(Protocol):
    """The registry's part that knows whom a function's resource policy lets in; AwsError 404 for no such function."""

    def allows(
        self, function: str, qualifier: str, *, principal: str, source_arn: str = "", source_account: str = ""
    ) -> bool: ...


class Signer(Protocol):
    """Signs messages."""

    def sign(self, text: bytes) -> Seal: ...


Submit = Callable[[InvokeRequest], str]
SendToQueue = Callable[[QueueMessage], Awaitable[None]]


class SnsTrigger:
    """Used from the cloud's event loop only. `send_to_queue` raises AwsError as SQS answers."""

    def __init__(
        self,
        policies: Policies,
        submit: Submit,
        send_to_queue: SendToQueue,
        signer: Signer,
        journal: Journal,
        clock: Clock,
        endpoint_url: Callable[[], str],
    ) -> None:
        self._policies = policies
        self._submit = submit
        self._send_to_queue = send_to_queue
        self._signer = signer
        self._journal = journal
        self._clock = clock
        self._endpoint_url = endpoint_url
        self._tasks = Tasks(self._broken)
        self._in_order: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Stop at once; what has not been delivered is dropped."""
        await self._tasks.close()

    def deliver(self, notification: Notification, subscriptions: list[Subscription]) -> None:
        """Hand a message to all subscriptions whose filter policy accepts it. Never raises, never waits."""
        seals: dict[str, Seal] = {}
        for subscription in subscriptions:
            try:
                if not accepts(subscription.filter_policy, subscription.filter_scope, notification):
                    continue
                text = notification.text_for(subscription.protocol)
                if text not in seals:
                    seals[text] = self._signer.sign(string_to_sign(notification, text))
                self._deliver(notification, subscription, seals[text])
            except Exception as error:  # noqa: BLE001 - the publisher must not see it, so the journal does
                self._fail(notification, subscription, f"the lab itself failed: {error!r}")

    def _deliver(self, notification: Notification, subscription: Subscription, seal: Seal) -> None:
        if subscription.protocol == "lambda":
            self._invoke(notification, subscription, seal)
        else:
            self._tasks.start(self._send(notification, subscription, seal))

    # --- Functions ---

    def _invoke(self, notification: Notification, subscription: Subscription, seal: Seal) -> None:
        # AWS: asks the function's policy at each delivery, and does not try again when it is not allowed.
        if not self._allowed(subscription.endpoint, notification.topic_arn):
            why = (
                "the function does not exist, or its resource policy does not let SNS call it; add_permission with "
                f"Principal={PRINCIPAL} and SourceArn={notification.topic_arn} would"
            )
            self._undelivered(notification, subscription, seal, why)
            return
        try:
            invocation = self._try(notification, subscription, seal)
        except AwsError as error:
            if is_passing(error):
                self._tasks.start(self._invoke_later(notification, subscription, seal))
            else:
                self._undelivered(notification, subscription, seal, f"{error.code}: {error.message}")
        else:
            self._note(notification, subscription, invocation)

    def _try(self, notification: Notification, subscription: Subscription, seal: Seal) -> str:
        event = lambda_event(notification, subscription.arn, seal, self._endpoint_url())
        return self._submit(
            InvokeRequest(
                subscription.endpoint,
                json.dumps(event, separators=(",", ":")).encode(),
                trace_id=notification.trace_id,
                source="sns",
                source_arn=notification.topic_arn,
            )
        )

    async def _invoke_later(self, notification: Notification, subscription: Subscription, seal: Seal) -> None:
        why = ""
        for wait_s in WAITS_S:
            await self._clock.sleep(wait_s)
            try:
                invocation = self._try(notification, subscription, seal)
            except AwsError as error:
                why = f"{error.code}: {error.message}"
            else:
                self._note(notification, subscription, invocation)
                return
        self._undelivered(notification, subscription, seal, why)

    def _allowed(self, function_arn: str, topic_arn: str) -> bool:
        try:
            return self._policies.allows(
                function_arn,
                "",
                principal=PRINCIPAL,
                source_arn=topic_arn,
                source_account=topic_arn.split(":")[4],
            )
        except AwsError as error:
            if error.status in (403, 404):  # Another account's function, or none.
                return False
            raise

    # --- Queues ---

    async def _send(self, notification: Notification, subscription: Subscription, seal: Seal) -> None:
        message = self._queue_message(notification, subscription, seal)
        if not subscription.endpoint.endswith(".fifo"):
            await self._send_one(notification, subscription, seal, message)
            return
        async with self._in_order.setdefault(subscription.arn, asyncio.Lock()):
            await self._send_one(notification, subscription, seal, message)

    async def _send_one(
        self, notification: Notification, subscription: Subscription, seal: Seal, message: QueueMessage
    ) -> None:
        why = ""
        for wait_s in (0.0, *WAITS_S):
            if wait_s:
                await self._clock.sleep(wait_s)
            try:
                await self._send_to_queue(message)
            except AwsError as error:
                why = f"{error.code}: {error.message}"
                if not is_passing(error):
                    break
            else:
                self._note(notification, subscription)
                return
        self._undelivered(notification, subscription, seal, why)

    def _queue_message(
        self, notification: Notification, subscription: Subscription, seal: Seal
    ) -> QueueMessage:
        fifo = subscription.endpoint.endswith(".fifo")
        group = notification.group_id if fifo else ""
        deduplication = notification.deduplication_id if fifo else ""
        if subscription.raw:
            text = notification.text_for(subscription.protocol)
            return QueueMessage(
                subscription.endpoint,
                text,
                notification.attributes,
                group,
                deduplication,
                notification.trace_id,
            )
        body = self._envelope(notification, subscription, seal)
        return QueueMessage(
            subscription.endpoint,
            body,
            group_id=group,
            deduplication_id=deduplication,
            trace_id=notification.trace_id,
        )

    def _envelope(self, notification: Notification, subscription: Subscription, seal: Seal) -> str:
        leave = unsubscribe_url(self._endpoint_url(), subscription.arn)
        return envelope(notification, subscription.protocol, seal, leave)

    # --- What could not be delivered ---

    def _undelivered(
        self, notification: Notification, subscription: Subscription, seal: Seal, why: str
    ) -> None:
        self._fail(notification, subscription, why)
        if subscription.dead_letter_arn:
            self._tasks.start(self._keep(notification, subscription, seal))

    async def _keep(self, notification: Notification, subscription: Subscription, seal: Seal) -> None:
        """Send a message that could not be delivered to the subscription's dead-letter queue."""
        target = subscription.dead_letter_arn
        fifo = target.endswith(".fifo")
        raw = subscription.raw and subscription.protocol == "sqs"
        body = (
            notification.text_for(subscription.protocol)
            if raw
            else self._envelope(notification, subscription, seal)
        )
        message = QueueMessage(
            target,
            body,
            notification.attributes if raw else {},
            group_id=notification.group_id if fifo else "",
            deduplication_id=notification.deduplication_id if fifo else "",
            trace_id=notification.trace_id,
        )
        try:
            await self._send_to_queue(message)
        except AwsError as error:
            self._fail(
                notification,
                subscription,
                f"its dead-letter queue {target} does not take the message: {error.code}: {error.message}",
            )
        else:
            self._journal.append(
                "sns.dead_letter",
                notification.topic_arn,
                request_id=notification.request_id,
                trace_id=notification.trace_id,
                subscription=subscription.arn,
                message_id=notification.message_id,
                destination=target,
            )

    # --- The journal ---

    def _note(self, notification: Notification, subscription: Subscription, invocation: str = "") -> None:
        detail = {"invocation": invocation} if invocation else {}
        self._journal.append(
            "sns.notification",
            notification.topic_arn,
            request_id=notification.request_id,
            trace_id=notification.trace_id,
            subscription=subscription.arn,
            message_id=notification.message_id,
            destination=subscription.endpoint,
            **detail,
        )

    def _fail(self, notification: Notification, subscription: Subscription, why: str) -> None:
        self._journal.failure(
            f"SNS could not deliver {notification.message_id} to {subscription.endpoint}: {why}",
            notification.topic_arn,
            request_id=notification.request_id,
            trace_id=notification.trace_id,
            subscription=subscription.arn,
            destination=subscription.endpoint,
        )

    def _broken(self, error: BaseException) -> None:
        self._journal.failure(f"an SNS notification failed in the lab itself: {error!r}")
