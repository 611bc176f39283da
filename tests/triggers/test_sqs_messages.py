"""The messages of a queue: hidden and shown again, in groups, counted, dead."""

from __future__ import annotations

import random
import weakref

import pytest

from labhelpers.triggers.sqs_held import Counts, InvalidHandleError, NotInFlightError
from labhelpers.triggers.sqs_messages import MessageStore

ARN = "arn:aws:sqs:us-east-1:123456789012:q"


class Message:
    """Something that can be seen to be gone."""


class Queue:
    """A store with a clock that a test moves; `told` counts how often waiting consumers were told."""

    def __init__(self, *, fifo: bool = False) -> None:
        self.now = 1_000.0
        self.told = 0
        self.store: MessageStore[str] = MessageStore(ARN, lambda: self.now, fifo=fifo, changed=self._tell)

    def _tell(self) -> None:
        self.told += 1

    def send(self, *names: str, group: str = "", delay_s: float = 0.0) -> None:
        for name in names:
            self.store.put(name, name, sent=self.now, group=group, delay_s=delay_s)

    def take(self, count: int = 10, visibility_s: float = 30.0, **limits: float) -> dict[str, str]:
        """Names of the messages taken, with their handles."""
        taken, _ = self.store.take(count, visibility_s, **limits)  # type: ignore[arg-type]
        return {one.item: one.handle for one in taken}


def test_taken_message_is_hidden_until_its_visibility_timeout() -> None:
    """Then it can be had again, counted once more, by another handle."""
    queue = Queue()
    queue.send("a")
    (first,), _ = queue.store.take(1, 30)
    assert queue.take() == {}
    assert queue.store.next_due() == queue.now + 30
    queue.now += 30
    (second,), _ = queue.store.take(1, 30)
    assert (first.receives, second.receives) == (1, 2)
    assert first.handle != second.handle
    assert second.first_received == first.first_received == 1_000.0


def test_deleted_message_never_comes_back() -> None:
    """Also when it was hidden, and deleting it again is fine."""
    queue = Queue()
    queue.send("a", "b")
    handles = queue.take()
    queue.store.delete(handles["a"])
    queue.store.delete(handles["a"])
    queue.now += 60
    assert set(queue.take()) == {"b"}


def test_old_handle_deletes_nothing() -> None:
    """Who was too late must not delete what another consumer works on."""
    queue = Queue()
    queue.send("a")
    old = queue.take()["a"]
    queue.now += 30
    new = queue.take()["a"]
    queue.store.delete(old)
    assert queue.store.counts().taken == 1
    queue.store.delete(new)
    assert queue.store.counts() == Counts()


@pytest.mark.parametrize("handle", ["", "nonsense", "AQEB!!", "AQEBYXJuOmF3czpzcXM6eCBh"])
def test_foreign_handle_is_refused(handle: str) -> None:
    """A text that this queue never gave is no handle."""
    with pytest.raises(InvalidHandleError):
        Queue().store.delete(handle)


def test_visibility_can_be_changed_while_taken() -> None:
    """Longer, and to nothing."""
    queue = Queue()
    queue.send("a")
    handle = queue.take(visibility_s=10)["a"]
    queue.store.change_visibility(handle, 100)
    queue.now += 50
    assert queue.take() == {}
    told = queue.told
    queue.store.change_visibility(handle, 0)
    assert queue.told > told
    assert set(queue.take()) == {"a"}


def test_newest_handle_hides_a_message_that_is_shown_again() -> None:
    """For as long as it says, once; after the next receive that handle is too old."""
    queue = Queue()
    queue.send("a")
    handle = queue.take(visibility_s=10)["a"]
    queue.now += 11
    assert queue.store.counts() == Counts(visible=1)
    queue.store.change_visibility(handle, 0)
    queue.store.change_visibility(handle, 10)
    assert queue.store.counts() == Counts(taken=1)
    assert queue.take() == {}
    queue.now += 11
    assert set(queue.take(count=2, visibility_s=0)) == {"a"}
    with pytest.raises(NotInFlightError):
        queue.store.change_visibility(handle, 10)


def test_fifo_handle_is_good_only_while_the_message_is_taken() -> None:
    """Another consumer may have the group by then."""
    queue = Queue(fifo=True)
    queue.send("a", group="g")
    handle = queue.take(visibility_s=10)["a"]
    queue.now += 11
    with pytest.raises(NotInFlightError):
        queue.store.change_visibility(handle, 10)


def test_delayed_message_comes_later() -> None:
    """It is counted as delayed until then."""
    queue = Queue()
    queue.send("a", delay_s=5)
    assert queue.store.counts() == Counts(delayed=1)
    assert queue.take() == {}
    queue.now += 5
    assert set(queue.take()) == {"a"}


def test_message_received_too_often_is_handed_out_as_dead() -> None:
    """After `max_receives` times it is out of the queue."""
    queue = Queue()
    queue.send("a")
    for _ in range(2):
        assert set(queue.take(visibility_s=1, max_receives=2)) == {"a"}
        queue.now += 1
    taken, dead = queue.store.take(10, 1, max_receives=2)
    assert (taken, [held.item for held in dead], dead[0].receives) == ([], ["a"], 2)
    assert queue.store.counts() == Counts()


def test_message_older_than_the_retention_period_is_gone() -> None:
    """Nobody gets it."""
    queue = Queue()
    queue.send("a")
    queue.now += 61
    assert queue.take(retention_s=60) == {}
    assert queue.store.counts() == Counts()


def test_receive_without_visibility_timeout_gives_each_message_once() -> None:
    """They can all be had again at once, but not twice in one answer."""
    queue = Queue()
    queue.send("a", "b")
    assert set(queue.take(visibility_s=0)) == set(queue.take(visibility_s=0)) == {"a", "b"}


def test_fifo_group_is_closed_while_one_of_its_messages_is_taken() -> None:
    """Other groups go on; when the last taken one is done, the group opens and consumers are told."""
    queue = Queue(fifo=True)
    queue.send("a1", "a2", "a3", group="a")
    queue.send("b1", group="b")
    handles = queue.take(2)
    assert list(handles) == ["a1", "a2"]
    assert list(queue.take()) == ["b1"]
    queue.store.delete(handles["a1"])
    assert queue.take() == {}
    told = queue.told
    queue.store.delete(handles["a2"])
    assert queue.told == told + 1
    assert list(queue.take()) == ["a3"]


def test_fifo_message_that_failed_comes_before_those_behind_it() -> None:
    """The order of sending holds whatever happens to one of them."""
    queue = Queue(fifo=True)
    queue.send("1", "2", "3", group="g")
    handles = queue.take(2, visibility_s=10)
    queue.store.delete(handles["1"])
    queue.now += 10
    assert list(queue.take()) == ["2", "3"]


def test_deduplication_key_is_remembered_for_five_minutes() -> None:
    """A second message of the key is the first one; after that time it is another."""
    queue = Queue(fifo=True)
    assert queue.store.sent_before("k", "m1", "1") is None
    queue.now += 299
    assert queue.store.sent_before("k", "m2", "2") == ("m1", "1")
    queue.now += 1
    assert queue.store.sent_before("k", "m3", "3") is None


def test_deleted_messages_are_not_kept_until_they_would_have_shown_again() -> None:
    """However long the visibility timeout is."""
    queue = Queue()
    gone: list[weakref.ref[Message]] = []
    for number in range(3_000):
        message = Message()
        gone.append(weakref.ref(message))
        queue.store.put(message, str(number), sent=queue.now)  # type: ignore[arg-type]
        del message
        (taken,), _ = queue.store.take(1, 43_200)
        queue.store.delete(taken.handle)
        del taken
    assert sum(one() is not None for one in gone) <= 1_100


def test_purge_forgets_everything() -> None:
    """Taken, delayed and visible ones."""
    queue = Queue(fifo=True)
    queue.send("a", "b", group="g")
    queue.take(1)
    queue.send("c", delay_s=9)
    queue.store.purge()
    queue.now += 60
    assert (queue.take(), queue.store.counts()) == ({}, Counts())


@pytest.mark.parametrize("fifo", [False, True])
def test_no_message_is_lost_or_given_to_two_at_once(fifo: bool) -> None:
    """Whatever consumers do, in any order: counts agree with a model, and in the end all were deleted."""
    dice = random.Random(1)
    queue = Queue(fifo=fifo)
    alive: set[str] = set()
    taken: dict[str, tuple[str, float]] = {}
    delivered: dict[str, list[int]] = {}
    for step in range(4_000):
        action = dice.random()
        if action < 0.3 and step < 2_500:
            name, group = f"m{step}", f"g{dice.randrange(6)}"
            queue.send(name, group=group)
            alive.add(name)
        elif action < 0.6:
            visibility_s = dice.choice([1.0, 5.0])
            for name, handle in queue.take(dice.randrange(1, 5), visibility_s).items():
                assert name in alive
                assert name not in taken or taken[name][1] <= queue.now
                taken[name] = (handle, queue.now + visibility_s)
        elif action < 0.9 and taken:
            name = dice.choice(sorted(taken))
            handle, until = taken.pop(name)
            if until > queue.now:
                queue.store.delete(handle)
                alive.discard(name)
                delivered.setdefault("all", []).append(int(name[1:]))
        else:
            queue.now += dice.choice([0.5, 2.0])
        counts = queue.store.counts()
        assert counts.visible + counts.taken == len(alive)
    while alive:
        queue.now += 10
        for name, handle in queue.take().items():
            queue.store.delete(handle)
            alive.remove(name)
    assert queue.store.counts() == Counts()
