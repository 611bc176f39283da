"""One batch of a queue's messages on its way through a function, and what becomes of each message.

Made by the poller of `triggers.sqs`; calls functions through the one door.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from labhelpers.clock import Clock
from labhelpers.errors import RESOURCE_NOT_FOUND, TOO_MANY_REQUESTS, AwsError
from labhelpers.events.sqs import TRACE_HEADER, SqsMessage, event, failed_items
from labhelpers.functions.event_source_mappings import EventSourceMapping, EventSourceMappings
from labhelpers.journal import Journal
from labhelpers.model import InvokeRequest, InvokeResult

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 8.0
_NAMED_MAX = 10  # So many messages of a batch are named in the journal, where it may hold ten thousand.


class Queue(Protocol):
    """A queue as a poller uses it; nothing of it waits."""

    @property
    def visibility_s(self) -> float: ...

    def take(self, count: int) -> list[SqsMessage]: ...

    def delete(self, handles: Sequence[str]) -> None: ...

    def release(self, handles: Sequence[str]) -> None: ...

    def next_due(self) -> float | None: ...


class Queues(Protocol):
    """Finds queues by ARN, and tells when one may have messages, is made or is deleted."""

    def find(self, arn: str) -> Queue | None: ...

    def watch(self, queue: str, callback: Callable[[], None]) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """What all pollers of queues share. `invoke` is the one door to functions."""

    queues: Queues
    invoke: Callable[[InvokeRequest], Awaitable[InvokeResult]]
    mappings: EventSourceMappings
    journal: Journal
    clock: Clock


@dataclass(frozen=True, slots=True)
class Item:
    """A message on its way, with its record; `until` is when its visibility timeout ends, in lab time."""

    message: SqsMessage
    record: dict[str, Any]
    size: int
    until: float


def named(items: Sequence[Item]) -> dict[str, Any]:
    """What the journal says of messages: how many, and the ids of the first."""
    return {"batch_size": len(items), "messages": [item.message.id for item in items[:_NAMED_MAX]]}


class Batch:
    """Messages that one call of the function gets. `stopped` is set when the poller has no time for more tries."""

    def __init__(
        self,
        around: Shared,
        mapping: EventSourceMapping,
        queue: Queue,
        items: Sequence[Item],
        stopped: asyncio.Event,
    ) -> None:
        self._around = around
        self._mapping = mapping
        self._queue = queue
        self._items = items
        self._stopped = stopped

    async def run(self) -> None:
        """Call the function and delete what it has done; the rest shows again after its visibility timeout.

        The journal says which messages go back (the first of many), and when, on the lab's clock, they show again.
        """
        journal, mapping, items = self._around.journal, self._mapping, self._items
        request = InvokeRequest(
            mapping.function_arn,
            event([item.record for item in items]),
            request_id=str(uuid.uuid4()),
            trace_id=items[0].message.attributes.get(TRACE_HEADER, ""),
            source="sqs",
            source_arn=mapping.source_arn,
        )
        entry: dict[str, Any] = {
            "request_id": request.request_id,
            "trace_id": request.trace_id,
            "destination": mapping.function_arn,
            "invocation": request.request_id,
        }
        journal.append("sqs.poll", mapping.source_arn, **named(items), **entry)
        failed, why = await self._invoke(request)
        handles = [item.message.receipt_handle for item in items if item.message.id not in failed]
        self._queue.delete(handles)
        back = [item for item in items if item.message.id in failed]
        if back:
            entry["returned_messages"] = named(back)["messages"]
            entry["visible_at"] = min(item.until for item in back)
        journal.append(
            "sqs.batch", mapping.source_arn, deleted=len(handles), returned=len(back), reason=why, **entry
        )

    async def _invoke(self, request: InvokeRequest) -> tuple[set[str], str]:
        """Call the function; the ids of the messages that go back, and why."""
        identifiers = {item.message.id for item in self._items}
        try:
            result = await self._call(request, min(item.until for item in self._items))
        except AwsError as error:
            if error.code == RESOURCE_NOT_FOUND:
                self._around.mappings.fail(self._mapping.uuid, error.message)
            return identifiers, f"{error.code}: {error.message}"
        if result.error is not None:
            return identifiers, result.error.type
        if not self._mapping.reports_item_failures:
            return set(), ""
        failed = failed_items(result.payload, identifiers)
        if failed is None:
            return identifiers, "the function's answer is no valid list of batch item failures"
        return set(failed), "batchItemFailures" if failed else ""

    async def _call(self, request: InvokeRequest, until: float) -> InvokeResult:
        """Call, again after throttles until lab time `until`, or until the poller stops. AwsError."""
        wait_s = _FIRST_BACKOFF_S
        while True:
            try:
                return await self._around.invoke(request)
            except AwsError as error:
                if error.code != TOO_MANY_REQUESTS or self._around.clock.now() + wait_s >= until:
                    raise
                await self._pause(wait_s)
                if self._stopped.is_set():
                    raise
            wait_s = min(wait_s * 2, _LONGEST_BACKOFF_S)

    async def _pause(self, seconds: float) -> None:
        """Sleep for `seconds` of lab time, or until the poller stops."""
        stopped = asyncio.ensure_future(self._stopped.wait())
        rested = asyncio.ensure_future(self._around.clock.sleep(seconds))
        try:
            await asyncio.wait((stopped, rested), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            rested.cancel()
