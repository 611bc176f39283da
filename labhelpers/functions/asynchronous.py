"""Asynchronous invocation: Lambda's internal event queue, its retries, destinations and dead-letter queues.

Called by the Invoke API (InvocationType=Event) and by triggers; calls `invoke`, the one door to functions. Its rules:
- `submit` accepts an event and returns at once. From then on the event ends in exactly one of two ways: the function
  returned, or the event was dropped (`invoke.dropped`); `invoke.delivered` tells which destination has its record.
- Every try has the event's own request and trace id; `functions.retries` says when there is another (lab's clock).
- A function that is deleted meanwhile keeps the settings that it had; the missing function counts as a failed try.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from labhelpers.clock import Clock
from labhelpers.errors import REQUEST_TOO_LARGE, TOO_MANY_REQUESTS, AwsError
from labhelpers.events.destinations import (
    Condition,
    Outcome,
    Outgoing,
    Response,
    to_dead_letter_queue,
    to_destination,
)
from labhelpers.events.tracing import new_trace_id
from labhelpers.functions.destinations import Deliver, Sender, is_passing
from labhelpers.functions.event_queue import EventQueue, Tasks
from labhelpers.functions.function_metrics import FunctionMetrics
from labhelpers.functions.recursion import RECURSIVE_INVOCATION
from labhelpers.functions.retries import Again, GiveUp, RetrySettings, after_failure, after_refusal
from labhelpers.functions.timetable import Timetable
from labhelpers.journal import Journal
from labhelpers.limits import ASYNC_PAYLOAD_BYTES_MAX
from labhelpers.model import FunctionVersion, InvokeRequest, InvokeResult

# AWS: its queue has no documented size. Here: bounded, because it is in memory; a caller beyond it is throttled.
MAX_EVENTS = 100_000
MAX_QUEUED_BYTES = 256 * 1024 * 1024


class Resolved(Protocol):
    """What the registry finds under a name: the version to run, and the ARN as the caller qualified it."""

    @property
    def version(self) -> FunctionVersion: ...
    @property
    def invoked_arn(self) -> str: ...


class EventInvokeConfig(RetrySettings, Protocol):
    """A function's settings for asynchronous invocation; the three ARNs are empty where there is none."""

    @property
    def on_success(self) -> str: ...
    @property
    def on_failure(self) -> str: ...
    @property
    def dlq(self) -> str: ...


class Registry(Protocol):
    """Where functions and their settings are looked up; both raise AwsError 404 when the function is gone."""

    def resolve(self, function: str, qualifier: str = "") -> Resolved: ...
    def event_invoke_config(self, arn: str, qualifier: str) -> EventInvokeConfig: ...


class Invoking(Protocol):
    """The one door: runs a function now, or raises AwsError (429 when throttled)."""

    async def invoke(self, request: InvokeRequest) -> InvokeResult: ...


@dataclass(slots=True)
class _Event:
    """One accepted event. `config` is the last known one, for a function that is deleted meanwhile."""

    request: InvokeRequest
    config: EventInvokeConfig
    accepted_at: float
    attempts: int = 0
    refusals: int = 0
    response: Response | None = None

    @property
    def arn(self) -> str:
        return self.request.function

    @property
    def called(self) -> str:
        """The ARN with the qualifier that the caller gave."""
        return f"{self.arn}:{self.request.qualifier}" if self.request.qualifier else self.arn


class AsyncInvoker:
    """The event queues of all functions. Used from the cloud's event loop only.

    `deliver` sends records to queues, topics, event buses and buckets; records for functions are submitted here.
    `pollers` bounds how many events of one function are in flight (default: 4 per core, at least 8; more only thrash).
    """

    def __init__(
        self,
        invoker: Invoking,
        registry: Registry,
        journal: Journal,
        clock: Clock,
        deliver: Deliver,
        *,
        pollers: int = 0,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        metrics: FunctionMetrics | None = None,
    ) -> None:
        self._metrics = metrics or FunctionMetrics()
        self._invoker = invoker
        self._registry = registry
        self._journal = journal
        self._clock = clock
        self.may_send: Callable[[str, str], bool] = lambda function_arn, target: True
        self._deliver = deliver
        self._sender = Sender(self._deliver_record, journal, clock)
        self._pollers = pollers or max(8, 4 * (os.cpu_count() or 1))
        self._new_id = new_id
        self._queues: dict[str, EventQueue[_Event]] = {}
        self._waiting = Timetable(clock)
        self._tasks = Tasks(self._broken)
        self._events = 0
        self._bytes = 0
        self._closed = False

    @property
    def pending(self) -> int:
        """How many accepted events have not ended yet: queued, in flight or waiting for another try."""
        return self._events

    def submit(self, request: InvokeRequest) -> str:
        """Accept an event; its request id, made here unless the request has one. Never blocks.

        AwsError: 404 for an unknown function or qualifier, 413 for a payload over 1 MB, 429 when the queue is full.
        """
        self._check(request)
        resolved = self._registry.resolve(request.function, request.qualifier)
        arn, qualifier = _split(resolved.invoked_arn)
        request_id = request.request_id or self._new_id()
        config = self._registry.event_invoke_config(arn, qualifier)
        request = replace(
            request,
            function=arn,
            qualifier=qualifier,
            request_id=request_id,
            trace_id=request.trace_id or new_trace_id(),
            log_tail=False,
        )
        event = _Event(request, config, self._clock.now())
        self._metrics.event_received(resolved.invoked_arn)
        self._events += 1
        self._bytes += len(request.payload)
        self._journal.append(
            "invoke.queued",
            arn,
            request_id=request_id,
            trace_id=request.trace_id,
            source=request.source,
            source_arn=request.source_arn,
            principal=request.principal,
        )
        queue = self._queue(arn)
        queue.reserved = resolved.version.reserved_concurrency
        queue.put(event)
        return request_id

    def function_changed(self, arn: str) -> None:
        """Look at a function's queue again at once: its code or concurrency is new. For the registry's `on_change`."""
        if arn in self._queues:
            self._queues[arn].resume()

    async def close(self) -> None:
        """Stop at once. What has not ended is journalled as left, with its count."""
        self._closed = True
        for queue in self._queues.values():
            queue.close()
        await self._waiting.close()
        await self._tasks.close()
        if self._events:
            self._journal.append("invoke.left", count=self._events)

    def _check(self, request: InvokeRequest) -> None:
        size = len(request.payload)
        if size > ASYNC_PAYLOAD_BYTES_MAX:
            raise AwsError(
                REQUEST_TOO_LARGE,
                f"{size} byte payload is too large for the Event invocation type "
                f"(limit {ASYNC_PAYLOAD_BYTES_MAX} bytes)",
                413,
            )
        if self._closed or self._events >= MAX_EVENTS or self._bytes + size > MAX_QUEUED_BYTES:
            raise AwsError(
                TOO_MANY_REQUESTS, "Rate Exceeded.", 429, fields={"Reason": "CallerRateLimitExceeded"}
            )

    def _queue(self, arn: str) -> EventQueue[_Event]:
        if arn not in self._queues:
            self._queues[arn] = EventQueue(self._process, self._tasks, self._waiting, self._pollers)
        return self._queues[arn]

    # --- One try of one event ---

    async def _process(self, queue: EventQueue[_Event], event: _Event) -> None:
        try:
            verdict = await self._try(queue, event)
        except Exception as error:  # noqa: BLE001 - the machinery's own failure: seen in the journal, event kept
            self._fail(event, f"asynchronous invocation failed in the lab itself: {error!r}")
            verdict = self._refused(event, Response(500, message=repr(error)))
        if isinstance(verdict, Again):
            queue.put_after(verdict.seconds, event)
        else:
            self._end(event, verdict.condition)

    async def _try(self, queue: EventQueue[_Event], event: _Event) -> Again | GiveUp:
        """Run the function once, unless the event is too old or the function switched off."""
        self._refresh(queue, event)
        if queue.reserved == 0:
            # Without a single try: a note in dg/invocation-async-retain-records says so.
            return GiveUp(Condition.ZERO_RESERVED_CONCURRENCY)
        if self._age_s(event) >= event.config.max_age_s:
            return GiveUp(Condition.EVENT_AGE_EXCEEDED)
        self._note("invoke.attempt", event, n=event.attempts + 1)
        self._metrics.event_tried(event.called, self._age_s(event))
        try:
            result = await self._invoker.invoke(event.request)
        except AwsError as error:
            response = Response(error.status, message=error.message)
            if error.status == 429:
                queue.pause()
            if (
                error.code == RECURSIVE_INVOCATION
            ):  # AWS: dropped without another try; a page does not say as what.
                event.response = response
                return GiveUp(Condition.RETRIES_EXHAUSTED)
            if is_passing(error):
                return self._refused(event, response, error.code)
            return self._failed(event, response, error.code)
        queue.resume()
        if result.error is not None:
            response = Response(200, result.error.payload, result.version, result.error.handled)
            return self._failed(event, response, result.error.type)
        event.attempts += 1
        event.response = Response(200, result.payload, result.version)
        return GiveUp(Condition.SUCCESS)

    def _refresh(self, queue: EventQueue[_Event], event: _Event) -> None:
        """Take up the function's settings as they are now; a deleted function keeps the last ones."""
        try:
            queue.reserved = self._registry.resolve(
                event.arn, event.request.qualifier
            ).version.reserved_concurrency
            event.config = self._registry.event_invoke_config(event.arn, event.request.qualifier)
        except AwsError as error:
            if error.status != 404:
                raise
            queue.reserved = None

    def _failed(self, event: _Event, response: Response, reason: str) -> Again | GiveUp:
        event.attempts += 1
        event.refusals = 0
        event.response = response
        verdict = after_failure(event.attempts, self._age_s(event), event.config)
        self._note_retry(event, verdict, reason)
        return verdict

    def _refused(self, event: _Event, response: Response, reason: str = "ServiceException") -> Again | GiveUp:
        event.refusals += 1
        event.response = response
        verdict = after_refusal(event.refusals, self._age_s(event), event.config)
        self._note_retry(event, verdict, reason)
        return verdict

    def _age_s(self, event: _Event) -> float:
        return self._clock.now() - event.accepted_at

    # --- The end of an event ---

    def _end(self, event: _Event, condition: Condition) -> None:
        """Tell whom it concerns: destination, dead-letter queue, journal."""
        self._events -= 1
        self._bytes -= len(event.request.payload)
        config, success = event.config, condition is Condition.SUCCESS
        outcome = Outcome(
            condition,
            event.request.request_id,
            event.arn,
            event.request.qualifier,
            event.attempts,
            event.request.payload,
            self._clock.now(),
            event.response,
        )
        messages = []
        if target := config.on_success if success else config.on_failure:
            messages.append(to_destination(outcome, target, self._new_id()))
        if config.dlq and not success:
            messages.append(to_dead_letter_queue(outcome, config.dlq))
        for message in messages:
            self._tasks.start(self._send(event, message, condition))
        if success:
            return
        self._metrics.event_dropped(event.called)
        self._note("invoke.dropped", event, condition=condition.value, attempts=event.attempts)
        if not messages:
            self._fail(
                event,
                f"an event was dropped ({condition.value}, {event.attempts} attempts) and the function has neither "
                "an OnFailure destination nor a dead-letter queue to keep it",
            )

    async def _send(self, event: _Event, message: Outgoing, condition: Condition) -> None:
        if not self.may_send(event.arn, message.target):
            self._metrics.not_delivered(event.called, dead_letter=message.target == event.config.dlq)
            self._fail(
                event,
                "the record of an event was not delivered: the function's execution role may not send to "
                f"{message.target}",
            )
            return
        sent = await self._sender.send(
            message,
            kind="invoke.delivered",
            resource=event.arn,
            request_id=event.request.request_id,
            trace_id=event.request.trace_id,
            condition=condition.value,
        )
        if not sent:
            self._metrics.not_delivered(event.called, dead_letter=message.target == event.config.dlq)

    async def _deliver_record(self, message: Outgoing) -> None:
        if message.service != "lambda":
            await self._deliver(message)
            return
        # AWS: a function as destination is itself invoked asynchronously, with the record as its event.
        source_arn = message.resources[-1].rpartition(":")[0]
        self.submit(
            InvokeRequest(message.target, message.body.encode(), source="lambda", source_arn=source_arn)
        )

    # --- The journal ---

    def _note(self, kind: str, event: _Event, **detail: Any) -> None:
        request = event.request
        self._journal.append(
            kind, event.arn, request_id=request.request_id, trace_id=request.trace_id, **detail
        )

    def _note_retry(self, event: _Event, verdict: Again | GiveUp, reason: str) -> None:
        if isinstance(verdict, Again):
            self._note("invoke.retry_in", event, seconds=verdict.seconds, reason=reason)

    def _fail(self, event: _Event, what: str) -> None:
        request = event.request
        self._journal.failure(what, event.arn, request_id=request.request_id, trace_id=request.trace_id)

    def _broken(self, error: BaseException) -> None:
        self._journal.failure(f"an asynchronous event was lost in the lab itself: {error!r}")


def _split(arn: str) -> tuple[str, str]:
    """A function's ARN without its qualifier, and the qualifier or ""."""
    parts = arn.split(":")
    return ":".join(parts[:7]), parts[7] if len(parts) > 7 else ""
