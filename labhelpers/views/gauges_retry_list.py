"""A list of things that wait for their next try, and of the last ones that ended; pure. `gauges_retries` fills it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

WAITING_KEPT, ENDED_KEPT = 500, 20
_SEEN = 10_000

Value = TypeVar("Value")


class State(StrEnum):
    """Where something stands. A queue's message that is due waits for somebody to receive it."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD_LETTER = "dead-letter queue"
    DESTINATION = "destination"
    DROPPED = "dropped"
    SPLIT = "split"

    @property
    def is_end(self) -> bool:
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Retry:
    """One thing that was tried `tries` times. `due` is when it is tried again: epoch seconds of the lab's clock.

    `source` says what kind of thing it is, `what` which one, `target` who takes it. `reason` is the last failure's;
    `end` tells the end in words.
    """

    id: str
    source: str
    what: str
    target: str
    tries: int
    state: State = State.WAITING
    due: float | None = None
    reason: str = ""
    end: str = ""


class RetryList:
    """Bounded: the oldest of too many waiting things are counted and left out."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Retry] = OrderedDict()
        self._ended: OrderedDict[str, Retry] = OrderedDict()
        self._forgotten = 0

    @property
    def waiting(self) -> tuple[Retry, ...]:
        """What has not ended, the next one first; what has no time comes last."""
        return tuple(
            sorted(self._waiting.values(), key=lambda retry: (retry.due is None, retry.due or 0.0, retry.id))
        )

    @property
    def ended(self) -> tuple[Retry, ...]:
        """The last ones that ended, the newest first."""
        return tuple(reversed(self._ended.values()))

    @property
    def forgotten(self) -> int:
        """How many are not in `waiting` because there are too many."""
        return self._forgotten

    def find(self, id_: str) -> Retry | None:
        """What waits or has ended under that id."""
        return self._waiting.get(id_) or self._ended.get(id_)

    def put(self, retry: Retry) -> bool:
        """Take it up as it is now; True, for there is something new to see."""
        self._waiting.pop(retry.id, None)
        self._ended.pop(retry.id, None)
        if retry.state.is_end:
            self._ended[retry.id] = retry
            if len(self._ended) > ENDED_KEPT:
                self._ended.popitem(last=False)
        else:
            self._waiting[retry.id] = retry
            if len(self._waiting) > WAITING_KEPT:
                self._waiting.popitem(last=False)
                self._forgotten += 1
        return True

    def change(self, id_: str, state: State, **changes: Any) -> bool:
        """Change what is known under that id; whether anything is."""
        known = self.find(id_)
        return known is not None and self.put(replace(known, state=state, **changes))


class Recent(Generic[Value]):
    """The last ten thousand values by name."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Value] = OrderedDict()

    def put(self, name: str, value: Value) -> None:
        self._kept[name] = value
        if len(self._kept) > _SEEN:
            self._kept.popitem(last=False)

    def get(self, name: str, default: Value) -> Value:
        return self._kept.get(name, default)

    def pop(self, name: str, default: Value) -> Value:
        return self._kept.pop(name, default)
