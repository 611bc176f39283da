"""S3 notifications: checks a bucket's configuration against its destinations, and sends each object event to them.

The cloud calls `validate_notifications` before it stores a configuration and `on_object_event` for each event.
Functions are invoked asynchronously through `submit`; queues, topics and the event bus are reached through `deliver`.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-s3.html
     https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from labhelpers.clock import Clock
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.destinations import Outgoing
from labhelpers.events.s3 import S3ObjectEvent, bucket_arn, eventbridge_entry, s3_event, s3_test_event
from labhelpers.events.s3_notifications import (
    EVENT_BRIDGE,
    NotificationConfiguration,
    NotificationRule,
    destinations_refused,
)
from labhelpers.functions.destinations import Deliver, Sender
from labhelpers.functions.event_queue import Tasks
from labhelpers.journal import Journal
from labhelpers.model import Account, InvokeRequest

PRINCIPAL = "s3.amazonaws.com"
SUBJECT = "Amazon S3 Notification"
_NAMES = {"Queue": "queue", "Topic": "topic"}
_MISSING = ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NotFound")


class Policies(Protocol):
    """The registry's part that knows whom a function's resource policy lets in; AwsError 404 for no such function."""

    def allows(
        self, function: str, qualifier: str, *, principal: str, source_arn: str = "", source_account: str = ""
    ) -> bool: ...


Submit = Callable[[InvokeRequest], str]
Notifications = Callable[[str], NotificationConfiguration]


class S3Trigger:
    """Used from the cloud's event loop only.

    `notifications` answers the present configuration of a bucket. Without `deliver` only functions can be destinations;
    others are refused by name when they are configured.
    """

    def __init__(
        self,
        policies: Policies,
        submit: Submit,
        notifications: Notifications,
        journal: Journal,
        clock: Clock,
        account: Account,
        *,
        deliver: Deliver | None = None,
    ) -> None:
        self._policies = policies
        self._submit = submit
        self._notifications = notifications
        self._journal = journal
        self._account = account
        self._deliver = deliver
        self._sender = Sender(self._deliver_or_invoke, journal, clock)
        self._clock = clock
        self._tasks = Tasks(self._broken)

    async def close(self) -> None:
        """Stop at once; what has not been delivered is dropped."""
        await self._tasks.close()

    # --- Configuring ---

    async def validate_notifications(
        self,
        bucket: str,
        configuration: NotificationConfiguration,
        *,
        owner_account: str = "",
        skip_destinations: bool = False,
        request_id: str = "",
        host_id: str = "",
    ) -> None:
        """Refuse a configuration whose destinations S3 cannot reach, as PutBucketNotificationConfiguration does.

        Queues and topics receive an s3:TestEvent. `owner_account` is the bucket's (default: this account),
        `skip_destinations` x-amz-skip-destination-validation. AwsError InvalidArgument names all destinations at fault.
        """
        if self._deliver is None:
            self._refuse_undeliverable(configuration)
        if skip_destinations:
            return
        reasons = []
        for rule in configuration.rules:
            if rule.destination == "CloudFunction":
                if not self._allowed(rule.arn, bucket, owner_account):
                    # AWS: says the same of a function that does not exist.
                    reasons.append((f"{rule.arn}, null", f"Not authorized to invoke function [{rule.arn}]"))
            elif why := await self._test(rule, bucket, request_id, host_id):
                reasons.append((rule.arn, why))
        if reasons:
            raise destinations_refused(reasons)

    def _refuse_undeliverable(self, configuration: NotificationConfiguration) -> None:
        for rule in configuration.rules:
            if rule.destination != "CloudFunction":
                raise NotEmulated(f"S3 notifications to a {_NAMES[rule.destination]} ({rule.arn})")
        if configuration.event_bridge:
            raise NotEmulated(f"S3 notifications to {EVENT_BRIDGE}")

    def _allowed(self, arn: str, bucket: str, owner_account: str = "") -> bool:
        try:
            return self._policies.allows(
                arn,
                "",
                principal=PRINCIPAL,
                source_arn=bucket_arn(bucket),
                source_account=owner_account or self._account.id,
            )
        except AwsError as error:
            if error.status in (403, 404):  # Another account's function, or none.
                return False
            raise

    async def _test(self, rule: NotificationRule, bucket: str, request_id: str, host_id: str) -> str:
        """Send an s3:TestEvent; why it could not arrive, or nothing."""
        event = s3_test_event(bucket, self._clock.now(), request_id, host_id)
        try:
            await self._deliver_or_invoke(Outgoing(rule.arn, json.dumps(event), subject=SUBJECT))
        except AwsError as error:
            if isinstance(error, NotEmulated):
                raise
            if error.status == 404 or error.code in _MISSING:
                return f"The destination {_NAMES[rule.destination]} does not exist"
            return error.message
        return ""

    # --- Delivering ---

    def on_object_event(self, event: S3ObjectEvent) -> None:
        """Send `event` to every destination that the bucket's configuration names for it. Never raises, never waits."""
        try:
            configuration = self._notifications(event.bucket)
            for rule in configuration.matching(event.name, event.key):
                self._notify(event, rule)
            if configuration.event_bridge:
                self._notify_event_bridge(event)
        except Exception as error:  # noqa: BLE001 - S3's caller must not see it, so the journal does
            self._journal.failure(
                f"an S3 notification failed in the lab itself: {error!r}",
                event.bucket_arn,
                request_id=event.request_id,
                event=event.name,
                key=event.key,
            )

    def _notify(self, event: S3ObjectEvent, rule: NotificationRule) -> None:
        body = json.dumps(s3_event(event, rule.id), separators=(",", ":"), ensure_ascii=False)
        if rule.destination != "CloudFunction":
            self._start(event, rule.id, Outgoing(rule.arn, body, subject=SUBJECT))
            return
        # AWS: asks the function's policy at each delivery, and drops the event if S3 may no longer call it.
        if not self._allowed(rule.arn, event.bucket):
            self._failure(
                event, rule, "the function does not exist, or its resource policy does not let S3 call it"
            )
            return
        try:
            invocation = self._invoke(rule.arn, body, event.bucket_arn, event.trace_id)
        except AwsError as error:
            if error.status != 429:
                self._failure(event, rule, f"{error.code}: {error.message}")
                return
            self._start(
                event, rule.id, Outgoing(rule.arn, body, resources=(event.bucket_arn,))
            )  # Tries again.
        else:
            self._note(event, rule.id, rule.arn, invocation)

    def _invoke(self, arn: str, body: str, source_arn: str, trace_id: str = "") -> str:
        return self._submit(
            InvokeRequest(arn, body.encode(), trace_id=trace_id, source="s3", source_arn=source_arn)
        )

    def _notify_event_bridge(self, event: S3ObjectEvent) -> None:
        entry = eventbridge_entry(event, self._account.id)
        if entry is None:
            return
        bus = f"arn:aws:events:{event.region}:{self._account.id}:event-bus/default"
        message = Outgoing(
            bus,
            json.dumps(entry["Detail"], separators=(",", ":"), ensure_ascii=False),
            source=entry["Source"],
            detail_type=entry["DetailType"],
            resources=tuple(entry["Resources"]),
            at=entry["Time"],
        )
        self._start(event, EVENT_BRIDGE, message)

    def _start(self, event: S3ObjectEvent, rule: str, message: Outgoing) -> None:
        self._tasks.start(self._send(event, rule, message))

    async def _send(self, event: S3ObjectEvent, rule: str, message: Outgoing) -> None:
        await self._sender.send(
            message,
            kind="s3.notification",
            resource=event.bucket_arn,
            request_id=event.request_id,
            trace_id=event.trace_id,
            event=event.name,
            key=event.key,
            rule=rule,
        )

    async def _deliver_or_invoke(self, message: Outgoing) -> None:
        if message.service == "lambda":
            self._invoke(message.target, message.body, message.resources[0], message.trace_id)
        elif self._deliver is None:
            raise NotEmulated(f"S3 notifications to {message.target}")
        else:
            await self._deliver(message)

    # --- The journal ---

    def _note(self, event: S3ObjectEvent, rule: str, destination: str, invocation: str) -> None:
        self._journal.append(
            "s3.notification",
            event.bucket_arn,
            request_id=event.request_id,
            trace_id=event.trace_id,
            event=event.name,
            key=event.key,
            rule=rule,
            destination=destination,
            invocation=invocation,
        )

    def _failure(self, event: S3ObjectEvent, rule: NotificationRule, why: str) -> None:
        self._journal.failure(
            f"S3 could not notify {rule.arn} of {event.name} {event.key!r}: {why}",
            event.bucket_arn,
            request_id=event.request_id,
            event=event.name,
            key=event.key,
            rule=rule.id,
            destination=rule.arn,
        )

    def _broken(self, error: BaseException) -> None:
        self._journal.failure(f"an S3 notification failed in the lab itself: {error!r}")
