"""The messages of one queue: which are to be had, which are hidden and until when. Safe to call from several threads.

Kept by the bridge to moto for each of its queues; read by pollers on the event loop and by moto's thread. Its rules:
- A message that was taken is hidden until its visibility timeout; then it can be had again, with another handle.
- In a FIFO queue a group is closed while one of its messages is taken, and its messages come in the order of sending.
- A message taken `max_receives` times is not given again: it goes to the dead-letter queue.
- A deduplication id is remembered for five minutes. All times are the lab's, in epoch seconds.
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html,
.../FIFO-queues-understanding-logic.html
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import heapq
import itertools
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic

from labhelpers.triggers.sqs_held import (
    Counts,
    Group,
    Held,
    InvalidHandleError,
    Item,
    NotInFlightError,
    Taken,
)

DEDUPLICATION_S = 300.0
# FIFO queues number their messages with twenty digits, growing: the first is of the size that AWS's have.
FIRST_SEQUENCE_NUMBER = 18_849_496_460_467_696_128
_PREFIX = "AQEB"


class MessageStore(Generic[Item]):
    """The messages of one queue. `now` is the lab's time; `changed` is called, unlocked, when more can be had."""

    def __init__(
        self,
        arn: str,
        now: Callable[[], float],
        *,
        fifo: bool = False,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._arn = arn
        self._now = now
        self._fifo = fifo
        self._changed = changed
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._held: dict[str, Held[Item]] = {}
        self._by_handle: dict[str, Held[Item]] = {}
        self._ready: deque[Held[Item]] = deque()
        self._groups: dict[str, Group[Item]] = {}
        self._open: OrderedDict[str, None] = OrderedDict()
        self._hidden: list[tuple[float, int, Held[Item]]] = []
        self._ticket = itertools.count()
        self._seen: OrderedDict[str, tuple[float, str, str]] = OrderedDict()
        self._counts = Counts()

    # --- Sending ---

    def put(
        self,
        item: Item,
        message_id: str,
        *,
        sent: float,
        delay_s: float = 0.0,
        group: str = "",
        receives: int = 0,
    ) -> int:
        """Add a message; its place in the order of sending. `group` counts in FIFO queues only."""
        with self._lock:
            now = self._now()
            group = group if self._fifo else ""
            held = Held(item, message_id, next(self._order), sent, now + delay_s, group, receives)
            self._held[message_id] = held
            if delay_s > 0:
                self._counts.delayed += 1
                self._hide(held)
            else:
                self._show(held)
        self._changed()
        return held.order

    def sent_before(self, key: str, message_id: str, sequence_number: str) -> tuple[str, str] | None:
        """The id and number of the message that had this deduplication key; None: remember that this one has it."""
        with self._lock:
            now = self._now()
            while self._seen:
                oldest, (until, _, _) = next(iter(self._seen.items()))
                if until > now:
                    break
                del self._seen[oldest]
            if (found := self._seen.get(key)) is not None:
                return found[1], found[2]
            self._seen[key] = (now + DEDUPLICATION_S, message_id, sequence_number)
            return None

    # --- Receiving ---

    def take(
        self,
        count: int,
        visibility_s: float,
        *,
        retention_s: float = float("inf"),
        max_receives: int | None = None,
    ) -> tuple[list[Taken[Item]], list[Held[Item]]]:
        """Up to `count` messages, hidden for `visibility_s`; and those received too often, which are gone now."""
        taken: list[Taken[Item]] = []
        dead: list[Held[Item]] = []
        with self._lock:
            now = self._now()
            self._wake(now)
            while len(taken) < count and (held := self._next()) is not None:
                if held.sent + retention_s <= now:
                    self._drop(held)
                elif max_receives is not None and held.receives >= max_receives:
                    self._drop(held)
                    dead.append(held)
                else:
                    taken.append(self._take(held, now, visibility_s))
            for one in taken:
                held = self._by_handle[one.handle]
                if not held.taken:  # Received with a visibility timeout of 0.
                    self._show(held)
                elif self._fifo:
                    self._open.pop(held.group, None)
        return taken, dead

    def _next(self) -> Held[Item] | None:
        """The next message to be had, out of its place."""
        if not self._fifo:
            while self._ready:
                held = self._ready.popleft()
                if not held.gone and not held.taken:
                    return held
            return None
        while self._open:
            name = next(iter(self._open))
            group = self._groups[name]
            while group.ready:
                _, held = heapq.heappop(group.ready)
                if not held.gone:
                    return held
            del self._open[name]
            self._forget_group(name)
        return None

    def _take(self, held: Held[Item], now: float, visibility_s: float) -> Taken[Item]:
        self._by_handle.pop(held.handle, None)
        held.receives += 1
        held.first_received = held.first_received or now
        held.handle = self._new_handle(held)
        self._by_handle[held.handle] = held
        self._counts.visible -= 1
        if visibility_s > 0:
            held.taken = True
            self._counts.taken += 1
            if self._fifo:
                self._groups[held.group].taken += 1
            held.due = now + visibility_s
            self._hide(held)
        return Taken(held.item, held.handle, held.receives, held.first_received)

    def _new_handle(self, held: Held[Item]) -> str:
        text = f"{self._arn} {held.id} {held.receives} ".encode() + os.urandom(36)
        return _PREFIX + base64.b64encode(text).decode()

    # --- What a consumer does with a message ---

    def delete(self, handle: str) -> None:
        """The message is done with; one that is gone already is fine. InvalidHandleError."""
        with self._lock:
            self._wake(self._now())
            held = self._find(handle)
            if held is None:
                return
            opened = self._drop(held)
        if opened:
            self._changed()

    def change_visibility(self, handle: str, seconds: float) -> None:
        """Hide a message for `seconds` from now, or not at all. InvalidHandleError, NotInFlightError.

        Outside FIFO queues its newest handle is good even when the time to handle it is over, as on AWS.
        """
        with self._lock:
            now = self._now()
            self._wake(now)
            held = self._find(handle)
            if held is None or (self._fifo and not held.taken):
                raise NotInFlightError(handle)
            if not held.taken:
                if seconds > 0:
                    self._take_again(held, now + seconds)
                return
            held.due = now + seconds
            if seconds > 0:
                self._hide(held)
                return
            self._return(held)
        self._changed()

    def _take_again(self, held: Held[Item], due: float) -> None:
        """A message of a standard queue that could be had is taken once more, by who had it last."""
        self._ready.remove(held)
        self._counts.visible -= 1
        self._counts.taken += 1
        held.taken = True
        held.due = due
        self._hide(held)

    def knows(self, handle: str) -> bool:
        """Whether this is a handle that the queue gave, however long ago."""
        with self._lock:
            try:
                self._find(handle)
            except InvalidHandleError:
                return False
            return True

    def release(self, handle: str) -> None:
        """The message can be had at once, if it is still this consumer's."""
        with contextlib.suppress(NotInFlightError, InvalidHandleError):
            self.change_visibility(handle, 0)

    def _find(self, handle: str) -> Held[Item] | None:
        """The message whose newest handle this is; None if it is gone, or was received again since."""
        if (held := self._by_handle.get(handle)) is not None:
            return held
        try:
            text = base64.b64decode(handle.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidHandleError(handle) from None
        if not handle.startswith(_PREFIX) or not text.startswith(f"{self._arn} ".encode()):
            raise InvalidHandleError(handle)
        return None

    # --- Everything else ---

    def purge(self) -> None:
        """Forget all messages."""
        with self._lock:
            for held in list(self._held.values()):
                self._drop(held)

    def counts(self) -> Counts:
        """How many messages there are now."""
        with self._lock:
            self._wake(self._now())
            return Counts(self._counts.visible, self._counts.taken, self._counts.delayed)

    def next_due(self) -> float | None:
        """When the next hidden message can be had; None if none is hidden."""
        with self._lock:
            while self._hidden and self._is_stale(self._hidden[0]):
                heapq.heappop(self._hidden)
            return self._hidden[0][0] if self._hidden else None

    # --- Within, under the lock ---

    def _wake(self, now: float) -> None:
        """Show the hidden messages that are due."""
        while self._hidden and self._hidden[0][0] <= now:
            entry = heapq.heappop(self._hidden)
            if self._is_stale(entry):
                continue
            held = entry[2]
            if held.taken:
                self._return(held)
            else:
                self._counts.delayed -= 1
                self._show(held)

    @staticmethod
    def _is_stale(entry: tuple[float, int, Held[Item]]) -> bool:
        due, _, held = entry
        return held.gone or held.due != due

    def _hide(self, held: Held[Item]) -> None:
        if len(self._hidden) > 1_000 + 4 * (self._counts.taken + self._counts.delayed):
            # Messages that were deleted need not stay in memory until their visibility timeout.
            self._hidden = [entry for entry in self._hidden if not self._is_stale(entry)]
            heapq.heapify(self._hidden)
        heapq.heappush(self._hidden, (held.due, next(self._ticket), held))

    def _return(self, held: Held[Item]) -> None:
        """A taken message can be had again."""
        self._counts.taken -= 1
        held.taken = False
        held.due = 0.0
        if self._fifo:
            self._groups[held.group].taken -= 1
        self._show(held)

    def _show(self, held: Held[Item]) -> None:
        held.due = 0.0
        self._counts.visible += 1
        if not self._fifo:
            self._ready.append(held)
            return
        group = self._groups.setdefault(held.group, Group())
        heapq.heappush(group.ready, (held.order, held))
        if not group.taken:
            self._open.setdefault(held.group)

    def _drop(self, held: Held[Item]) -> bool:
        """Out of the queue; whether that opens its group."""
        if held.gone:
            return False
        held.gone = True
        self._held.pop(held.id, None)
        self._by_handle.pop(held.handle, None)
        if held.taken:
            self._counts.taken -= 1
        elif held.due:
            self._counts.delayed -= 1
        else:
            self._counts.visible -= 1
        if not self._fifo or not held.taken:
            return False
        group = self._groups[held.group]
        group.taken -= 1
        if group.taken:
            return False
        if not group.ready:
            self._forget_group(held.group)
            return False
        self._open.setdefault(held.group)
        return True

    def _forget_group(self, name: str) -> None:
        group = self._groups.get(name)
        if group is not None and not group.ready and not group.taken:
            del self._groups[name]
