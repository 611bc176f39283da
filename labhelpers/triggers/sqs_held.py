"""What a queue keeps of its messages and gives to consumers, and what it refuses. Used by `triggers.sqs_messages`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(eq=False, slots=True)
class Held(Generic[Item]):
    """A message in the queue. `due` is when it can be had (again), `receives` how often it was."""

    item: Item
    id: str
    order: int
    sent: float
    due: float
    group: str = ""
    receives: int = 0
    first_received: float = 0.0
    handle: str = ""
    taken: bool = False
    gone: bool = False


@dataclass(slots=True)
class Taken(Generic[Item]):
    """What a consumer gets of one message. `receives` and `first_received` are as of this time."""

    item: Item
    handle: str
    receives: int
    first_received: float


@dataclass(slots=True)
class Counts:
    """How many messages there are of each kind, as GetQueueAttributes says."""

    visible: int = 0
    taken: int = 0
    delayed: int = 0


@dataclass(slots=True)
class Group(Generic[Item]):
    """A FIFO group's messages that are not taken, by order."""

    ready: list[tuple[int, Held[Item]]] = field(default_factory=list)
    taken: int = 0


class InvalidHandleError(ValueError):
    """No receipt handle of this queue."""


class NotInFlightError(ValueError):
    """The message of this handle is not taken (any more)."""
