"""The poller of a queue: takes messages as they come, calls the function with batches, and deletes what succeeded.

Made by the mapping manager for each mapping of a queue; idle, it is a callback and costs nothing. Its rules:
- At first five batches at a time, as long as all are busy five more each second; never over MaximumConcurrency.
- What a filter does not let through is deleted. A batch has at most BatchSize messages and 6 MB.
- A batch that fails stays hidden until its visibility timeout; with ReportBatchItemFailures only what has failed does.
- A throttled batch is tried again until its visibility timeout, then its messages are back in the queue.
- What is refused as part of a loop is back, too, until the queue's redrive policy or retention takes it away; the
  function's own dead-letter queue is for asynchronous events (lambda/latest/dg/invocation-recursion.html).
AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html, services-sqs-errorhandling.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from labhelpers import limits
from labhelpers.events.sqs import SqsMessage, compile_filter, record
from labhelpers.functions.event_source_mappings import EventSourceMapping
from labhelpers.functions.event_source_rules import invalid
from labhelpers.model import FunctionVersion
from labhelpers.triggers.sqs_batch import Batch, Item, Queue, Shared, named

# AWS: up to 1,250 batches at a time. Here: fewer, because all functions share this machine.
BATCHES_AT_ONCE_MAX = 50
_NO_QUEUE = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
    "SQS Error Message: The specified queue does not exist."
)


@dataclass(frozen=True, slots=True)
class Surroundings(Shared):
    """What all pollers share, and what the mapping manager and the control plane need of queues."""

    def poller(self, mapping: EventSourceMapping) -> SqsPoller:
        """The factory for the mapping manager."""
        return SqsPoller(mapping, self)

    async def check(self, mapping: EventSourceMapping, version: FunctionVersion) -> None:
        """What AWS checks of a queue when a mapping is made or changed. AwsError 400."""
        for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
            if not self.mappings.authorize(version.role, action, mapping.source_arn):
                called = action.partition(":")[2]
                raise invalid(
                    f"The provided execution role does not have permissions to call {called} on SQS"
                )
        queue = self.queues.find(mapping.source_arn)
        if queue is None:
            raise invalid(_NO_QUEUE)
        if queue.visibility_s < version.timeout_s:
            raise invalid(
                f"Queue visibility timeout: {queue.visibility_s:.0f} seconds is less than "
                f"Function timeout: {version.timeout_s} seconds"
            )


class SqsPoller:
    """Reads one queue for one mapping; see `triggers.mappings` for its life."""

    def __init__(self, mapping: EventSourceMapping, around: Surroundings) -> None:
        self._around = around
        self._now = around.clock.now
        self._unwatch: Callable[[], None] | None = None
        self._stopped = asyncio.Event()
        self._batches: set[asyncio.Task[None]] = set()
        # By message id, so that one that shows again while it waits is in no batch twice.
        self._waiting: dict[str, Item] = {}
        self._window_ends = 0.0
        self._busy_since: float | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0.0
        self.change(mapping)

    # --- Its life ---

    def change(self, mapping: EventSourceMapping) -> None:
        """The mapping as it is from now on."""
        self._mapping = mapping
        self._arn = mapping.source_arn
        self._region = self._arn.split(":")[3]
        self._passes = compile_filter(mapping.filters)

    def start(self) -> None:
        """Read from now on."""
        if self._unwatch is None:
            self._stopped = asyncio.Event()
            self._unwatch = self._around.queues.watch(self._mapping.source_name, self._pump)
            asyncio.get_running_loop().call_soon(self._pump)

    async def stop(self) -> None:
        """Take nothing more; return when the batches that are under way are done."""
        self._halt()
        while self._batches:
            await asyncio.wait(self._batches)

    async def close(self) -> None:
        """End at once."""
        self._halt()
        batches = list(self._batches)
        for task in batches:
            task.cancel()
        await asyncio.gather(*batches, return_exceptions=True)

    def _halt(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self._stopped.set()
        self._busy_since = None
        self._set_alarm(None)
        if self._waiting and (queue := self._around.queues.find(self._arn)) is not None:
            queue.release([item.message.receipt_handle for item in self._waiting.values()])
        self._waiting.clear()

    # --- Taking messages ---

    def _pump(self) -> None:
        """Start as many batches as there are messages for, and may run; called whenever that may have changed."""
        if self._unwatch is None:
            return
        queue = self._around.queues.find(self._arn)
        if queue is None:
            self._around.mappings.fail(self._mapping.uuid, _NO_QUEUE)
            return
        while len(self._batches) < self._allowed():
            batch = self._next_batch(queue)
            if not batch:
                self._busy_since = None
                self._set_alarm(min(filter(None, (queue.next_due(), self._window_ends)), default=None))
                return
            task = asyncio.get_running_loop().create_task(self._run(queue, batch))
            self._batches.add(task)
            task.add_done_callback(self._done)
        self._busy_since = self._busy_since or self._now()
        self._set_alarm(self._now() + 1.0)

    def _allowed(self) -> int:
        """How many batches may run now."""
        busy_s = self._now() - self._busy_since if self._busy_since is not None else 0.0
        grown = limits.SQS_POLLS_AT_FIRST + int(busy_s * limits.SQS_POLLS_MORE_PER_S)
        return min(grown, BATCHES_AT_ONCE_MAX, self._mapping.max_concurrency or BATCHES_AT_ONCE_MAX)

    def _next_batch(self, queue: Queue) -> list[Item]:
        """A batch that is to run now; empty if there is none, or its window is still open."""
        mapping, waiting = self._mapping, self._waiting
        full = self._fill(queue)
        if mapping.window_s and not full:
            if not waiting:
                self._window_ends = 0.0
                return []
            self._window_ends = self._window_ends or self._now() + mapping.window_s
            if self._now() < self._window_ends:
                return []
        self._window_ends = 0.0
        batch: list[Item] = []
        size = 0
        for item in waiting.values():
            size += item.size
            if len(batch) == mapping.batch_size or (batch and size > limits.SYNC_PAYLOAD_BYTES_MAX):
                break
            batch.append(item)
        for item in batch:
            del waiting[item.message.id]
        return batch

    def _fill(self, queue: Queue) -> bool:
        """Take what the next batch has room for; whether it is full."""
        waiting, size = self._waiting, sum(item.size for item in self._waiting.values())
        while len(waiting) < self._mapping.batch_size and size < limits.SYNC_PAYLOAD_BYTES_MAX:
            # SQS gives at most ten messages at a time: API_ReceiveMessage.html.
            messages = queue.take(min(10, self._mapping.batch_size - len(waiting)))
            if not messages:
                return False
            until = self._now() + queue.visibility_s
            for item in self._filtered(queue, messages, until):
                waiting[item.message.id] = item
                size += item.size
        return True

    def _filtered(self, queue: Queue, messages: Sequence[SqsMessage], until: float) -> list[Item]:
        windowed = self._mapping.window_s > 0
        items = [
            Item(message, record(message, self._arn, self._region, windowed=windowed), message.size, until)
            for message in messages
        ]
        passing = [item for item in items if self._passes(item.record)]
        if len(passing) < len(items):
            kept = {item.message.id for item in passing}
            dropped = [item for item in items if item.message.id not in kept]
            queue.delete([item.message.receipt_handle for item in dropped])
            target = self._mapping.function_arn
            self._around.journal.append("sqs.filtered", self._arn, destination=target, **named(dropped))
        return passing

    def _set_alarm(self, moment: float | None) -> None:
        """Pump at lab time `moment`, or before: a pump too many harms nothing, and an alarm set anew costs more."""
        if self._alarm is not None and not self._alarm.done():
            if moment is not None and self._alarm_at <= moment:
                return
            self._alarm.cancel()
        self._alarm = None
        if moment is not None:
            self._alarm_at = moment
            self._alarm = asyncio.get_running_loop().create_task(self._ring(moment))

    async def _ring(self, moment: float) -> None:
        await self._around.clock.sleep_until(moment)
        self._alarm = None
        self._pump()

    def _run(self, queue: Queue, batch: Sequence[Item]) -> Coroutine[Any, Any, None]:
        return Batch(self._around, self._mapping, queue, batch, self._stopped).run()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._around.journal.failure(f"polling failed in the lab itself: {error!r}", self._arn)
        self._pump()
