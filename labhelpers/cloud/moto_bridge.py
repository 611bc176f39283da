"""The bridge to moto, which keeps the state of every service but Lambda: the only place that knows moto.

Called by the front door for signed calls, and by functions' logs, triggers and the database for what they need of it.
moto runs on one thread of its own; everything public here is called on the event loop.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from labhelpers.clock import Clock
from labhelpers.cloud import (
    logs_constraints,
    moto_bridge_events,
    moto_bridge_metrics,
    refusals,
    s3_constraints,
)
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.denials import Denial, Denied
from labhelpers.cloud.log_backlog import LogBacklog
from labhelpers.cloud.moto_bridge_dispatch import REGIONS, Dispatcher
from labhelpers.cloud.moto_bridge_dynamodb import DynamoDbState
from labhelpers.cloud.moto_bridge_dynamodbstreams import DynamoDbStreamsApi
from labhelpers.cloud.moto_bridge_identity import Identities
from labhelpers.cloud.moto_bridge_kinesis import KinesisState
from labhelpers.cloud.moto_bridge_logs import LogsState
from labhelpers.cloud.moto_bridge_policies import PolicyReader
from labhelpers.cloud.moto_bridge_s3 import S3State, s3_answer
from labhelpers.cloud.moto_bridge_sns import SnsState
from labhelpers.cloud.moto_bridge_sqs import SqsState
from labhelpers.cloud.moto_bridge_streams import StreamLogs
from labhelpers.cloud.moto_bridge_thread import MotoThread
from labhelpers.cloud.moto_bridge_time_to_live import TimeToLive
from labhelpers.cloud.protocol import S3_HOST_ID, AwsRequest, AwsResponse
from labhelpers.cloud.s3_operations import S3Call, read_call
from labhelpers.cloud.services import SERVICES, Service, find, operation_of
from labhelpers.errors import INVALID_PARAMETER, AwsError, NotEmulated
from labhelpers.events.log_subscription import LogDelivery
from labhelpers.events.s3 import S3ObjectEvent, bucket_arn
from labhelpers.events.s3_notifications import (
    NotificationConfiguration,
    configuration_xml,
    parse_configuration,
)
from labhelpers.journal import Journal
from labhelpers.model import Account, LogEvent
from labhelpers.packed import Block

T = TypeVar("T")

# Log lines are collected this long before moto's thread is woken for them; a `logs` call does not wait for it.
_LOG_DELAY_S = 0.05
# While calls rain, or the cloud is busy with anything else, logs are left for later, and then written bit by bit:
# nobody should wait for that.
_FEW_WRITINGS, _BIT = 20, 1000
_IDLE_SHARE = 0.1  # Of a core.
_LARGE_BYTES = 8 * 1024 * 1024
_SOON_S = 0.2
# What a signature adds to a presigned URL: moto gets the request as if it had been signed in its headers.
_SIGNING_FIELDS = re.compile(
    r"(?:^|(?<=&))(?:X-Amz-(?:Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Security-Token)"
    r"|AWSAccessKeyId|Signature|Expires|x-amz-security-token)=[^&]*&?",
)
_QUEUE_ADDRESS = re.compile(rb"https://(?:[\w-]+\.)?(?:queue|sqs)\.(?:[\w-]+\.)?amazonaws\.com/")
_QUEUE_ADDRESS_OPERATIONS = frozenset(
    {"CreateQueue", "GetQueueUrl", "ListQueues", "ListDeadLetterSourceQueues"}
)


CheckLogSubscription = Callable[[str, str, Mapping[str, Iterable[str]]], None]


class ValidateNotifications(Protocol):
    """Checks the destinations of a bucket's notifications; AwsError as S3 answers."""

    def __call__(
        self,
        bucket: str,
        configuration: NotificationConfiguration,
        *,
        skip_destinations: bool = False,
        request_id: str = "",
        host_id: str = "",
    ) -> Awaitable[None]: ...


class MotoBridge:
    """All services that moto keeps, for one account and with fresh state. Made and used on a running event loop.

    `on_s3_event` is told of each object event, before the request that made it is answered.
    `check_log_subscription` is asked before a function is subscribed to a log group (its name, the function's ARN, and
    the functions that groups have), `on_logs` is told of what was written for one.
    `on_sns` answers calls of SNS, with the help of `ask_moto`; without it moto does, and cannot deliver.
    `validate_notifications` is asked before a bucket's notification configuration is stored.
    `before_metrics` are called before CloudWatch is asked anything, to hand over what they have measured.
    """

    def __init__(self, account: Account, keys: Keys, journal: Journal, clock: Clock | None = None) -> None:
        self.on_s3_event: Callable[[S3ObjectEvent], None] | None = None
        self.check_log_subscription: CheckLogSubscription | None = None
        self.on_logs: Callable[[LogDelivery], None] | None = None
        self.on_sns: Callable[[str, AwsRequest], Awaitable[AwsResponse]] | None = None
        self.validate_notifications: ValidateNotifications | None = None
        self.before_metrics: list[Callable[[], None]] = []
        self._clock = clock = clock or Clock()
        self._account = account
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._thread = MotoThread(self._failed)
        self._dispatcher = Dispatcher(account)
        self._identities = Identities(account, keys)
        self._s3 = S3State(account, clock.now)
        self._logs = LogsState(account, lambda found: self._thread.call_in_loop(self._tell_of_logs, found))
        self.sns = SnsState(account)
        self.queues = SqsState(account, self._thread, clock)
        self.queues.on_dead_letter = self._tell_dead_letter
        # What mappings can read of Kinesis and of DynamoDB's tables.
        self.streams = StreamLogs(self._thread, clock.now)
        self._time_to_live = TimeToLive(lambda: self.run(self._dynamodb.expire), clock)
        self._dynamodb = DynamoDbState(
            account, self.streams, lambda: self._thread.call_in_loop(self._time_to_live.start)
        )
        self._dynamodb_streams = DynamoDbStreamsApi(self._dynamodb, self.streams)
        self._kinesis = KinesisState(self.streams)
        self._unwritten = LogBacklog()
        self._seen_unwritten = 0
        self._seen_at = self._seen_used = 0.0
        self._log_timer: asyncio.TimerHandle | None = None
        self._loaded: set[str] = set()
        keys.lookup = self._identities.find_key
        self._thread.post(self._load_core)

    async def close(self) -> None:
        """End moto's thread; nobody will look at logs that are still to be written."""
        await self._time_to_live.close()
        if self._log_timer is not None:
            self._log_timer.cancel()
        await self._thread.close()

    def _load_core(self) -> None:
        self._dispatcher.load(SERVICES["s3"])
        self._s3.load()
        self._identities.load()
        # All that is there now stays: the garbage collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 50)  # What a cloud keeps, the journal above all, is no garbage.

    def _failed(self, error: BaseException) -> None:
        self._journal.failure(
            f"work on moto's thread failed: {error!r}", traceback="".join(traceback.format_exception(error))
        )

    # --- Requests ---

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run `function` on moto's thread, after everything that was asked of it before."""
        return await self._thread.run(function, *args)

    async def handle(self, request: AwsRequest) -> AwsResponse:
        """moto's answer to a call of any service but Lambda. NotEmulated for what moto lacks or only pretends to do."""
        target = request.headers.get("X-Amz-Target", "")
        service = find(request.service, target, request.path)
        if service.name == "s3":
            return await self._handle_s3(request)
        if request.region not in REGIONS:
            raise Denied(Denial.MISMATCH, "Credential should be scoped to a valid region.")
        operation = operation_of(service, target, request.query, request.body)
        if target:
            refusals.check_json(request.body)
        refusals.check(service.name, operation, request.body)
        if service.name == "logs":
            request = replace(request, body=logs_constraints.prepared(operation, request.body))
            self._flush_logs()
        elif service.name == "cloudwatch":
            for flush in self.before_metrics:
                flush()
        if service.name == "logs" and operation == "PutSubscriptionFilter":
            fields = json.loads(request.body)
            if await self._put_subscription(fields):
                return AwsResponse(200, {"Content-Type": "application/x-amz-json-1.1"})
        if service.name == "sns" and self.on_sns is not None:
            return await self.on_sns(operation, request)
        if service.name == "sqs":
            response = await self.queues.handle(
                operation, request, self.run, self._dispatch, self._unique_id_of(request)
            )
        else:
            response = await self.run(self._answer, service, operation, request)
        if operation in _QUEUE_ADDRESS_OPERATIONS and service.name == "sqs":
            here = f"http://{request.host}/".encode()
            return replace(response, body=_QUEUE_ADDRESS.sub(here, response.body))
        return response

    async def ask_moto(self, request: AwsRequest) -> AwsResponse:
        """moto's own answer to a call, for whoever does a part of its service."""
        return await self.run(self._dispatch, request)

    def _answer(self, service: Service, operation: str, request: AwsRequest) -> AwsResponse:
        if service.name == "sts" and (made := self._identities.sts(operation, request)):
            return made
        if service.name == "iam" and (made := self._identities.iam(operation, request)):
            return made
        return self._dispatch(request)

    def _dispatch(self, request: AwsRequest) -> AwsResponse:
        """On moto's thread: the answer of the service that the request names."""
        service = find(request.service, request.headers.get("X-Amz-Target", ""), request.path)
        if service.name not in self._loaded:
            self._loaded.add(service.name)
            self._dispatcher.load(service)
            if service.name == "logs":
                self._logs.load()
            elif service.name == "sqs":
                self.queues.load()
            elif service.name == "sns":
                self.sns.load()
            elif service.name == "events":
                moto_bridge_events.mend()
            elif service.name == "cloudwatch":
                moto_bridge_metrics.mend()
            elif service.name == "kinesis":
                self._kinesis.load()
            elif service.name in ("dynamodb", "dynamodbstreams"):
                self._dynamodb.load()
                if service.name == "dynamodbstreams":
                    self._dynamodb_streams.load()
        with self.streams.request():
            done = False
            try:
                response = self._dispatcher.dispatch(service, request)
                done = response.status < 300
                return response
            finally:
                self._dynamodb.settle(done=done)

    # --- Identities ---

    async def ready_policies(self) -> PolicyReader:
        """IAM's policies, AWS's own among them, ready to be read."""
        await self.run(self._identities.load_managed_policies)
        return self._identities.policies

    def _unique_id_of(self, request: AwsRequest) -> str:
        """IAM's unique id of the caller, empty for nobody."""
        principal = request.credentials.principal if request.credentials else ""
        return self._identities.unique_id(principal) if principal else ""

    @property
    def function_role_arn(self) -> str:
        """The role for functions that is there from the start."""
        return self._identities.function_role_arn

    def unique_id(self, principal: str) -> str:
        """IAM's unique id of a principal's ARN: AIDA... for a user, AROA...:session for a session of a role."""
        return self._identities.unique_id(principal)

    def role_trusts(self, arn: str, service: str) -> bool:
        """Whether there is a role of that ARN which lets `service` ("scheduler.amazonaws.com") take it on."""
        return self._identities.trusts(arn, service)

    def check_function_role(self, arn: str) -> None:
        """AwsError InvalidParameterValueException unless Lambda may take on the role of that ARN."""
        if not self._identities.trusts(arn, "lambda.amazonaws.com"):
            raise AwsError(
                INVALID_PARAMETER, "The role defined for the function cannot be assumed by Lambda."
            )

    # --- S3 ---

    async def _handle_s3(self, request: AwsRequest) -> AwsResponse:
        call = read_call(request.method, request.path, request.query, request.headers)
        refusals.check("s3", call.operation, b"")
        s3_constraints.check(call, request.headers, request.body)
        if call.operation == "PutBucketNotificationConfiguration":
            return await self._put_notifications(call.bucket, request)
        if call.operation == "GetBucketNotificationConfiguration":
            await self.run(self._s3.bucket, call.bucket)
            body = configuration_xml(self.s3_notifications(call.bucket))
            return AwsResponse(200, {"Content-Type": "application/xml"}, body)
        if request.query:
            request = replace(request, query=_SIGNING_FIELDS.sub("", request.query).rstrip("&"))
        size = len(request.body)
        try:
            response, events = await self.run(self._answer_s3, call, request)
            size += len(response.body)
        finally:
            if size > _LARGE_BYTES:
                # moto's requests refer to themselves: without this a large body stays for long in memory, and what
                # was written of one that failed on a disk that may be full.
                self._loop.call_later(_SOON_S, self._thread.post, gc.collect)
        for event in events:
            self._tell(event)
        return response

    def _answer_s3(self, call: S3Call, request: AwsRequest) -> tuple[AwsResponse, list[S3ObjectEvent]]:
        if request.method == "OPTIONS":
            self._s3.check_preflight(call.bucket)
        existed = self._s3.before(call, request)
        response = s3_answer(call, self._dispatcher.dispatch(SERVICES["s3"], request))
        principal = self._unique_id_of(request)
        who = f"AWS:{principal}" if principal else "Anonymous"
        return response, self._s3.events(call, request, response, existed, who)

    def _tell(self, event: S3ObjectEvent) -> None:
        self._journal.append(
            "s3.event",
            bucket_arn(event.bucket),
            request_id=event.request_id,
            trace_id=event.trace_id,
            event=event.name,
            key=event.key,
            size=event.size,
            principal=event.principal,
        )
        if self.on_s3_event:
            self.on_s3_event(event)

    def _tell_dead_letter(self, queue: str, target: str, message_id: str) -> None:
        self._journal.append("sqs.dead_letter", queue, destination=target, message_id=message_id)

    async def _put_notifications(self, bucket: str, request: AwsRequest) -> AwsResponse:
        kept = await self.run(self._s3.bucket, bucket)
        configuration = parse_configuration(request.body, region=kept.region_name)
        if self.validate_notifications is None:
            if configuration.rules or configuration.event_bridge:
                raise NotEmulated("S3 notifications")
        else:
            await self.validate_notifications(
                bucket,
                configuration,
                skip_destinations=request.headers.get("x-amz-skip-destination-validation", "").lower()
                == "true",
                request_id=request.request_id,
                host_id=S3_HOST_ID,
            )
        await self.run(self._s3.set_notifications, bucket, configuration)
        return AwsResponse(200)

    def s3_notifications(self, bucket: str) -> NotificationConfiguration:
        """The notification configuration of a bucket, empty if it has none."""
        return self._s3.notifications(bucket)

    async def object_bytes(self, bucket: str, key: str, version_id: str = "") -> bytes:
        """An object's content. AwsError NoSuchBucket, NoSuchKey, NoSuchVersion (404)."""
        return await self.run(self._s3.object_bytes, bucket, key, version_id)

    # --- Logs ---

    def write_logs(self, group: str, stream: str, events: Iterable[LogEvent]) -> None:
        """Append to a log stream, in the order of the calls, without waiting. Group and stream are made if missing.

        The events' times are this machine's; in the stream they stand in the lab's time. They go to moto when somebody
        looks, or soon if somebody is subscribed or there is little else to do.
        """
        if ahead_ms := round(self._clock.ahead_s * 1000):
            events = [LogEvent(event.at_ms + ahead_ms, event.message) for event in events]
        self._unwritten.add(group, stream, events, time.time() + ahead_ms / 1000)
        if self._log_timer is None:
            self._log_timer = self._loop.call_later(_LOG_DELAY_S, self._look_at_logs)

    def log_group_exists(self, group: str) -> bool:
        """Whether there is a log group of that name. A plain read."""
        return group in self._unwritten.groups or self._logs.has_group(self._account.region, group)

    def _look_at_logs(self) -> None:
        self._log_timer = None
        if self._logs.has_filters(self._account.region):
            self._flush_logs()
            return
        now, used = time.monotonic(), time.process_time()
        is_idle = used - self._seen_used < _IDLE_SHARE * (now - self._seen_at)
        if is_idle and len(self._unwritten) - self._seen_unwritten <= _FEW_WRITINGS:
            self._write_logs(self._unwritten.take(_BIT))
            used = (
                -math.inf
            )  # The next look only begins to count again: what this costs is no reason to stop.
        self._seen_at, self._seen_used, self._seen_unwritten = now, used, len(self._unwritten)
        if self._unwritten:
            self._log_timer = self._loop.call_later(_LOG_DELAY_S, self._look_at_logs)

    def _flush_logs(self) -> None:
        """Hand all that was written to moto's thread; what is asked of it later sees it."""
        if self._log_timer is not None:
            self._log_timer.cancel()
            self._log_timer = None
        self._write_logs(self._unwritten.take())
        self._seen_unwritten = 0

    def _write_logs(self, batch: list[Block]) -> None:
        if batch:
            self._thread.post(self._logs.write, self._account.region, batch)

    async def _put_subscription(self, fields: Mapping[str, Any]) -> bool:
        """Check a subscription filter, and keep it if its destination is a function; whether that was done."""
        destination = str(fields.get("destinationArn") or "")
        to_function = ":lambda:" in destination
        if to_function and destination.split(":")[4:5] != [self._account.id] and self.check_log_subscription:
            self.check_log_subscription("", destination, {})  # AWS looks at the account before the log group.
        subscribed = await self.run(self._logs.check_filter, fields)
        if not to_function:
            return False
        if self.check_log_subscription is None:
            raise NotEmulated("log subscriptions to functions")
        self.check_log_subscription(str(fields.get("logGroupName")), destination, subscribed)
        await self.run(self._logs.put_filter, fields)
        return True

    def _tell_of_logs(self, delivery: LogDelivery) -> None:
        if self.on_logs:
            self.on_logs(delivery)

    # --- Metrics ---

    def put_metrics(self, namespace: str, data: list[dict[str, Any]]) -> None:
        """Metric data as PutMetricData has them (Timestamp in epoch seconds), added without waiting."""
        self._thread.post(moto_bridge_metrics.put, self._account, namespace, data)
