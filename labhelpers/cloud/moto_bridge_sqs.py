"""SQS: moto reads the calls and keeps the queues' settings; the messages are ours, on the lab's clock.

moto looks through all messages at every call, knows nothing of closed FIFO groups, and sleeps in ReceiveMessage on the
thread that all services share. Here each queue has a `MessageStore`, which pollers also read, on the event loop.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from labhelpers.clock import Clock
from labhelpers.cloud import sqs_constraints
from labhelpers.cloud.moto_bridge_sqs_mending import mend, note_purge
from labhelpers.cloud.moto_bridge_sqs_quick import QuickCalls
from labhelpers.cloud.moto_bridge_sqs_receive import Dispatch, Receiver, Run, read_fields
from labhelpers.cloud.moto_bridge_thread import MotoThread
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.events.sqs import TRACE_HEADER, SqsMessage
from labhelpers.model import Account
from labhelpers.triggers.sqs_held import Taken
from labhelpers.triggers.sqs_messages import FIRST_SEQUENCE_NUMBER, MessageStore

SENDING = frozenset({"SendMessage", "SendMessageBatch"})
# AWS (recorded): the query protocol's MessageAttribute.N may be written MessageAttributes.N.
_PLURAL_ATTRIBUTES = re.compile(rb"(^|&)MessageAttributes\.(?=\d)")


class SqsState:
    """The queues of one account: what moto's calls do to their messages, and who waits for some."""

    def __init__(self, account: Account, thread: MotoThread, clock: Clock) -> None:
        self.clock = clock
        self.on_dead_letter: Callable[[str, str, str], object] | None = None  # Queue, target, message id.
        self.system_attributes: list[dict[str, Any]] = []  # Of a batch's messages that are still to come.
        self._account = account
        self._thread = thread
        self._models: Any = None
        self._backends: Any = None
        self._watchers: dict[str, set[Callable[[], None]]] = {}
        self._changed: set[str] | None = None  # During a call on moto's thread: the queues that it changes.
        self._sender_id = ""
        self._trace_header = ""
        self._moto_thread = 0
        self._quick = QuickCalls(self)
        self._receiver = Receiver(self, self._quick)

    def load(self) -> None:
        """Have moto's queues keep their messages here. On moto's thread."""
        if self._backends is None:
            self._moto_thread = threading.get_ident()
            self._models = mend(self)
            self._backends = self._models.sqs_backends

    # --- Calls ---

    async def handle(
        self, operation: str, request: AwsRequest, run: Run, dispatch: Dispatch, sender_id: str
    ) -> AwsResponse:
        """The answer to a call; ReceiveMessage waits here for messages. AwsError for what moto would take."""
        is_json = request.body[:1] == b"{"
        fields = read_fields(request) if is_json else {}
        if not is_json and b"MessageAttributes." in request.body:
            request = replace(request, body=_PLURAL_ATTRIBUTES.sub(rb"\1MessageAttribute.", request.body))
        sqs_constraints.check(operation, fields, lambda arn: self.find(arn) is not None)
        if operation == "PurgeQueue":
            queue = self.named(str(fields.get("QueueUrl", "")).rpartition("/")[2], request.region)
            if queue is not None:
                note_purge(queue, self.clock.now())
        if operation == "ReceiveMessage":
            return await self._receiver.receive(request, run, dispatch)
        if is_json:
            trace_header = request.headers.get("X-Amzn-Trace-Id", "")
            quick = self._quick.answer(operation, fields, request.region, sender_id, trace_header)
            if quick is not None:
                return quick
        answer: AwsResponse = await run(self._call, operation, request, dispatch, sender_id)
        return answer

    def _call(self, operation: str, request: AwsRequest, dispatch: Dispatch, sender_id: str) -> AwsResponse:
        """On moto's thread. Waiting consumers hear once of all that a call has sent."""
        self._changed = set()
        if operation in SENDING:
            # AWS: the trace header of the request becomes the message's, unless it has one.
            self._sender_id, self._trace_header = sender_id, request.headers.get("X-Amzn-Trace-Id", "")
        try:
            return dispatch(request)
        finally:
            self._sender_id = self._trace_header = ""
            changed, self._changed = self._changed, None
            for queue in changed:
                self._tell(queue)

    # --- Who waits ---

    def watch(self, queue: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called on the loop when `queue` may have messages, is made or is deleted; ends the watch."""
        self._watchers.setdefault(queue, set()).add(callback)

        def unwatch() -> None:
            watchers = self._watchers.get(queue, set())
            watchers.discard(callback)
            if not watchers:
                self._watchers.pop(queue, None)

        return unwatch

    def changed(self, queue: str) -> None:
        """A queue may have messages, or is another one now. From any thread."""
        if self._changed is not None and threading.get_ident() == self._moto_thread:
            self._changed.add(queue)
        else:
            self._tell(queue)

    def _tell(self, queue: str) -> None:
        if queue in self._watchers:
            self._thread.call_in_loop(self._call_watchers, queue)

    def _call_watchers(self, queue: str) -> None:
        for callback in list(self._watchers.get(queue, ())):
            callback()

    # --- Messages, for moto's queues ---

    def store_of(self, queue: Any) -> MessageStore[Any]:
        """The messages of one of moto's queues."""
        found: MessageStore[Any] | None = getattr(queue, "lab_messages", None)
        if found is None:
            found = queue.lab_messages = MessageStore(
                queue.queue_arn,
                self.clock.now,
                fifo=bool(queue.fifo_queue),
                changed=lambda: self.changed(queue.name),
            )
        return found

    def put(self, queue: Any, message: Any) -> None:
        """A message was sent. In FIFO queues a duplicate becomes the message that it repeats."""
        store = self.store_of(queue)
        if threading.get_ident() == self._moto_thread:
            self._complete(message)
        sent = message.sent_timestamp / 1000
        delay_s = max(0.0, message.delayed_until / 1000 - sent)
        group = str(message.group_id or "")
        if queue.fifo_queue:
            number = queue.lab_sent = getattr(queue, "lab_sent", 0) + 1
            message.sequence_number = str(FIRST_SEQUENCE_NUMBER + number * 256)
            by_group = str(queue.deduplication_scope) == "messageGroup"
            key = json.dumps([group if by_group else "", message.deduplication_id])
            if first := store.sent_before(key, message.id, message.sequence_number):
                message.id, message.sequence_number = first
                return
        store.put(message, message.id, sent=sent, delay_s=delay_s, group=group)

    def _complete(self, message: Any) -> None:
        """What moto does not know of a message that came by a call of its own."""
        if self._sender_id:
            message.sender_id = self._sender_id
        if self.system_attributes:
            message.system_attributes = self.system_attributes.pop(0)
        if self._trace_header and TRACE_HEADER not in message.system_attributes:
            header = {"DataType": "String", "StringValue": self._trace_header}
            message.system_attributes = {**message.system_attributes, TRACE_HEADER: header}

    def take(self, queue: Any, count: int, visibility_s: float) -> list[Taken[Any]]:
        """Messages for a consumer; those received too often go to the dead-letter queue."""
        target = queue.dead_letter_queue
        if target is not None and self._queues(queue.region).get(target.name) is not target:
            target = None  # AWS: without its dead-letter queue, a queue keeps its messages.
        taken, dead = self.store_of(queue).take(
            count,
            visibility_s,
            retention_s=queue.message_retention_period,
            max_receives=queue.redrive_policy["maxReceiveCount"] if target and queue.redrive_policy else None,
        )
        for held in dead:
            held.item.lab_source_arn = queue.queue_arn
            self.store_of(target).put(
                held.item, held.id, sent=held.sent, group=held.group, receives=held.receives
            )
            if self.on_dead_letter:
                self._thread.call_in_loop(self.on_dead_letter, queue.queue_arn, target.queue_arn, held.id)
        return taken

    def new_message(self, message_id: str, body: str, system_attributes: dict[str, Any]) -> Any:
        """A message as moto keeps it."""
        return self._models.Message(message_id, body, system_attributes)

    def md5_of(self, attributes: Mapping[str, Any]) -> str:
        """SQS's checksum of message attributes."""
        message = self.new_message("", "", {})
        message.message_attributes = dict(attributes)
        return str(message.attribute_md5)

    @staticmethod
    def received(taken: Taken[Any]) -> Any:
        """moto's message as this consumer gets it."""
        message = copy.copy(taken.item)
        message.receipt_handle = taken.handle
        message.approximate_receive_count = taken.receives
        message.approximate_first_receive_timestamp = int(taken.first_received * 1000)
        return message

    @staticmethod
    def as_received(queue: Any, taken: Taken[Any]) -> SqsMessage:
        """A message as our own consumers get it."""
        message = taken.item
        attributes = {"ApproximateReceiveCount": str(taken.receives)}
        if header := message.system_attributes.get(TRACE_HEADER):
            attributes[TRACE_HEADER] = header["StringValue"]
        attributes["SentTimestamp"] = str(message.sent_timestamp)
        if queue.fifo_queue:
            attributes["SequenceNumber"] = message.sequence_number
        if message.group_id is not None:
            attributes["MessageGroupId"] = message.group_id
        attributes["SenderId"] = message.sender_id
        if queue.fifo_queue:
            attributes["MessageDeduplicationId"] = message.deduplication_id
        attributes["ApproximateFirstReceiveTimestamp"] = str(int(taken.first_received * 1000))
        if source := getattr(message, "lab_source_arn", ""):
            attributes["DeadLetterQueueSourceArn"] = source
        return SqsMessage(
            message.id,
            taken.handle,
            message.body,
            message.body_md5,
            attributes,
            message.message_attributes,
            message.attribute_md5 if message.message_attributes else "",
        )

    # --- Queues ---

    def named(self, name: str, region: str) -> Any:
        """moto's queue of that name, None if there is none."""
        return self._queues(region).get(name)

    def _queues(self, region: str) -> dict[str, Any]:
        return self._backends[self._account.id][region].queues if self._backends is not None else {}

    def find(self, arn: str) -> QueueView | None:
        """The queue of that ARN, None if there is none. On the event loop, without waiting."""
        region, account, name = (*arn.split(":"), "", "", "")[3:6]
        queue = self._queues(region).get(name) if account == self._account.id else None
        return QueueView(self, queue) if queue is not None else None


class QueueView:
    """A queue as a poller uses it, on the event loop: nothing here waits."""

    def __init__(self, state: SqsState, queue: Any) -> None:
        self._state = state
        self._queue = queue
        self._store = state.store_of(queue)

    @property
    def visibility_s(self) -> float:
        """The queue's VisibilityTimeout."""
        return float(self._queue.visibility_timeout)

    def take(self, count: int) -> list[SqsMessage]:
        """Up to `count` messages, hidden for the visibility timeout."""
        taken = self._state.take(self._queue, count, self.visibility_s)
        return [self._state.as_received(self._queue, one) for one in taken]

    def delete(self, handles: Sequence[str]) -> None:
        """These are done with."""
        for handle in handles:
            self._store.delete(handle)

    def release(self, handles: Sequence[str]) -> None:
        """Others may have these at once."""
        for handle in handles:
            self._store.release(handle)

    def next_due(self) -> float | None:
        """When the next hidden message can be had, in lab time; None if none is hidden."""
        return self._store.next_due()
