"""One ordered line of stream records: gathers batches, hands them over one after the other, tries again what failed.

A shard has one lane, or as many as its mapping's ParallelizationFactor; a lane that cannot get on holds up what is
behind it, and nothing else. All waiting is on the lab's clock; a lane without records has no task.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html (batching)
     https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html (errors)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from labhelpers.clock import Clock
from labhelpers.events.stream_batches import (
    Batch,
    GivenUp,
    Window,
    first_failure,
    is_too_large,
    state_of,
    window_at,
)
from labhelpers.events.stream_log import StreamRecord
from labhelpers.functions.event_source_mappings import EventSourceMapping
from labhelpers.triggers.streams_delivery import Attempt, StreamDelivery
from labhelpers.triggers.streams_waiting import WaitingRecords

# AWS: backs off exponentially, and does not say from what. A quarter of a second and doubling is ours.
BACK_OFF_S, BACK_OFF_S_MAX = 0.25, 60.0

StartTask = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Lane:
    """`put` records, `start`, `await stop()`, start again. `done` is called when nothing is left in it."""

    def __init__(
        self,
        delivery: StreamDelivery,
        clock: Clock,
        retention_s: Callable[[], float],
        start_task: StartTask,
        done: Callable[[], None],
    ) -> None:
        self._delivery = delivery
        self._clock = clock
        self._retention_s = retention_s
        self._start_task = start_task
        self._done = done
        self._waiting = WaitingRecords()
        self._batches: deque[Batch] = deque()
        self._window: Window | None = None
        self._running = False
        self._stopped = asyncio.Event()
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def _mapping(self) -> EventSourceMapping:
        return self._delivery.mapping

    @property
    def is_empty(self) -> bool:
        """Whether all that was put is done with."""
        return not self._waiting and not self._batches and self._task is None

    # --- From outside ---

    def put(self, records: Iterable[StreamRecord]) -> None:
        """Records to follow those that are in it."""
        self._waiting.put(records, self._clock.now())
        self._more.set()
        self._wake()

    def start(self) -> None:
        """Work, from where it was left."""
        self._running = True
        self._stopped.clear()
        self._wake()

    async def stop(self) -> None:
        """Hand over nothing more; returns when the function has answered what it has."""
        self.abandon()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """End at once."""
        self._running = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def abandon(self) -> None:
        """Hand over nothing more, without waiting for what is under way."""
        self._running = False
        self._stopped.set()
        self._more.set()

    def change(self, delivery: StreamDelivery) -> None:
        """While stopped: the mapping has changed."""
        self._delivery = delivery

    def take_all(self) -> list[StreamRecord]:
        """While stopped: all that is in it, which it forgets."""
        records = [record for batch in self._batches for record in batch.records] + self._waiting.take_all()
        self._batches.clear()
        return records

    # --- The work ---

    def _wake(self) -> None:
        if self._running and self._task is None and (self._waiting or self._batches or self._window):
            self._task = self._start_task(self._work())

    async def _work(self) -> None:
        try:
            while self._running:
                batch = self._batches.popleft() if self._batches else await self._gather()
                if batch is None:
                    break
                await self._process(batch)
        finally:
            self._task = None
        if self._running:
            self._wake()  # What was put between the last look and now.
        if self.is_empty:
            self._done()

    async def _gather(self) -> Batch | None:
        """The next batch: when it is full, or its time is over. None: there is nothing, or it is to stop."""
        while self._running:
            now = self._clock.now()
            if self._window is not None and self._waiting.are_past(self._window, now):
                await self._end_window()
            elif not self._waiting:
                if self._window is None:
                    return None
                await self._wait_for_more(self._window.end - now)
            else:
                left_s = self._waiting.since + self._mapping.window_s - now
                if left_s <= 0 or self._waiting.fill(self._mapping.batch_size, self._window):
                    return self._take()
                await self._wait_for_more(left_s)
        return None

    def _take(self) -> Batch:
        mapping = self._mapping
        if mapping.tumbling_window_s and self._window is None:
            self._window = window_at(self._waiting.first.at, mapping.tumbling_window_s)
        fields = self._delivery.record_fields()
        return self._waiting.take(mapping.batch_size, fields, self._window, self._clock.now())

    async def _wait_for_more(self, seconds: float) -> None:
        self._more.clear()
        await self._wait(self._more, seconds)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        """Until `event`, at most for `seconds` of lab time."""
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(event.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # --- Trying, and trying again ---

    async def _process(self, batch: Batch) -> None:
        """Hand over a batch until it is done, split, or given up."""
        wait_s = BACK_OFF_S
        last: Attempt | None = None
        while True:
            batch = await self._drop_aged(batch, last)
            if not batch.records:
                return
            last = await self._delivery.attempt(batch, self._window)
            if last.refused:
                self._refused(batch, last)
            else:
                rest = await self._judge(batch, last)
                if rest is None:
                    return
                if len(rest.records) < len(batch.records):
                    wait_s = BACK_OFF_S
                batch = rest
            wait_s = await self._back_off(batch, last, wait_s)
            if not self._running:
                self._batches.appendleft(batch)
                return

    def _refused(self, batch: Batch, last: Attempt) -> None:
        """Lambda did not run the function: that is no try. Without a function there is nothing to wait for."""
        self._delivery.note(ok=False)
        if last.gone:
            self._delivery.tell("stopped", batch, last)
            self._running = False

    async def _judge(self, batch: Batch, last: Attempt) -> Batch | None:
        """What is to be tried again of a batch that the function has answered; None: nothing."""
        mapping = self._mapping
        failed = self._first_failure(batch, last)
        self._delivery.note(ok=failed is None)
        if self._window is not None and not last.failed and failed != 0:
            await self._keep_state(last)
        if failed is None:
            return None
        if failed:  # What came before it is done; AWS counts the tries of what is left anew.
            return batch.part(failed).anew()
        # AWS: with item failures too, it splits at the item that failed; here in the middle, when that is the first.
        if mapping.bisect_on_error and len(batch.records) > 1:
            self._batches.extendleft(reversed(batch.halves()))
            self._delivery.tell("bisect", batch, last)
            return None
        batch = batch.tried()
        if 0 <= mapping.max_retries < batch.attempts:
            await self._delivery.give_up(GivenUp.RETRIES, batch, last)
            return None
        return batch

    def _first_failure(self, batch: Batch, last: Attempt) -> int | None:
        if last.failed:
            return 0
        if self._window is not None and state_of(last.payload) is None:
            return 0
        if self._mapping.reports_item_failures:
            return first_failure(last.payload, batch.records)
        return None

    async def _drop_aged(self, batch: Batch, last: Attempt | None) -> Batch:
        """Without the records that are older than the mapping or the stream allows; those are given up."""
        most_s = self._retention_s()
        if self._mapping.max_record_age_s >= 0:
            most_s = min(most_s, self._mapping.max_record_age_s)
        aged = batch.older(self._clock.now() - most_s)
        if aged:
            await self._delivery.give_up(GivenUp.AGE, batch.part(0, aged), last)
        return batch.part(aged)

    async def _back_off(self, batch: Batch, last: Attempt, wait_s: float) -> float:
        """Wait, unless it is to stop; how long to wait the next time."""
        if self._running:
            self._delivery.tell("retry_in", batch, last, seconds=wait_s)
            await self._wait(self._stopped, wait_s)
        return min(wait_s * 2, BACK_OFF_S_MAX)

    # --- Tumbling windows ---

    async def _keep_state(self, last: Attempt) -> None:
        state = state_of(last.payload)
        if self._window is None or state is None:
            return
        if is_too_large(state):
            await self._end_window(early=True)
        else:
            self._window = replace(self._window, state=state)

    async def _end_window(self, *, early: bool = False) -> None:
        """The last call of a window, without records. Stopped meanwhile, the window stays open."""
        window, batch, wait_s = self._window, Batch((), ()), BACK_OFF_S
        assert window is not None
        while True:
            last = await self._delivery.attempt(batch, window, final=True, early=early)
            if last.refused:
                self._refused(batch, last)
            else:
                self._delivery.note(ok=not last.failed)
                batch = batch.tried()
                if not last.failed or 0 <= self._mapping.max_retries < batch.attempts:
                    break
            wait_s = await self._back_off(batch, last, wait_s)
            if not self._running:
                return
        if last.failed:
            self._delivery.tell("window_lost", batch, last, start=window.start)
        self._window = None
