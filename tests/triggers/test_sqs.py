"""The poller of a queue: batches, windows, filters, failures, throttles, how many at a time, and its end."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from labhelpers.errors import RESOURCE_NOT_FOUND, TOO_MANY_REQUESTS, AwsError
from labhelpers.events.sqs import SqsMessage
from labhelpers.functions.event_source_mappings import EventSourceMapping, EventSourceMappings, State
from labhelpers.journal import Journal
from labhelpers.model import Account, FunctionError, InvokeRequest
from labhelpers.triggers.sqs import SqsPoller, Surroundings
from labhelpers.triggers.sqs_messages import MessageStore
from tests.fakes import FakeClock, FakeInvoker, function_arn, function_version, settle

ARN = "arn:aws:sqs:us-east-1:123456789012:q"
FUNCTION = function_arn("work")


class FakeQueue:
    """A queue of our messages without SQS around it."""

    def __init__(self, clock: FakeClock, changed: Callable[[], None], *, fifo: bool) -> None:
        self.visibility_s = 30.0
        self.store: MessageStore[str] = MessageStore(ARN, clock.now, fifo=fifo, changed=changed)
        self._now = clock.now

    def send(self, *bodies: str, group: str = "") -> None:
        for body in bodies:
            self.store.put(body, body[:20], sent=self._now(), group=group)

    def take(self, count: int) -> list[SqsMessage]:
        taken, _ = self.store.take(count, self.visibility_s)
        return [self._message(one.item, one.handle) for one in taken]

    @staticmethod
    def _message(body: str, handle: str) -> SqsMessage:
        """Its id is how its body begins."""
        return SqsMessage(body[:20], handle, body, "", {"AWSTraceHeader": f"Root={body[:20]}"}, {})

    def delete(self, handles: Sequence[str]) -> None:
        for handle in handles:
            self.store.delete(handle)

    def release(self, handles: Sequence[str]) -> None:
        for handle in handles:
            self.store.release(handle)

    def next_due(self) -> float | None:
        return self.store.next_due()

    @property
    def left(self) -> tuple[int, int]:
        """How many messages can be had, and how many are hidden."""
        counts = self.store.counts()
        return counts.visible, counts.taken


@dataclass
class World:
    """One queue, one function, one mapping; `settings` are those of the mapping."""

    clock: FakeClock = field(default_factory=FakeClock)
    journal: Journal = field(default_factory=Journal)
    invoker: FakeInvoker = field(default_factory=FakeInvoker)
    callbacks: set[Callable[[], None]] = field(default_factory=set)
    fifo: bool = False
    poller: SqsPoller | None = None

    def __post_init__(self) -> None:
        self.queue: FakeQueue | None = FakeQueue(self.clock, self._changed, fifo=self.fifo)
        self.mappings = EventSourceMappings(Account(), self.journal, self.clock.now)

    def _changed(self) -> None:
        for callback in list(self.callbacks):
            asyncio.get_running_loop().call_soon(callback)

    def find(self, arn: str) -> FakeQueue | None:
        assert arn == ARN
        return self.queue

    def watch(self, queue: str, callback: Callable[[], None]) -> Callable[[], None]:
        assert queue == "q"
        self.callbacks.add(callback)
        return lambda: self.callbacks.discard(callback)

    async def start(self, **settings: Any) -> FakeQueue:
        """Make the mapping and poll."""
        assert self.queue is not None
        mapping = EventSourceMapping("u", ARN, FUNCTION, State.ENABLED, True, 0.0, 10)
        mapping = replace(mapping, **settings)
        self.mappings.add(mapping)
        around = Surroundings(self, self.invoker.invoke, self.mappings, self.journal, self.clock)
        self.poller = SqsPoller(mapping, around)
        self.poller.start()
        await settle()
        return self.queue

    def batches(self) -> list[list[str]]:
        """The bodies that the function got, call by call."""
        return [
            [one["body"] for one in json.loads(request.payload)["Records"]]
            for request in self.invoker.requests
        ]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A queue and a function."""
    made = World()
    yield made
    if made.poller is not None:
        await made.poller.close()


async def test_batch_is_delivered_and_deleted(world: World) -> None:
    """The function gets what is there, up to BatchSize; a return deletes it."""
    assert world.queue is not None
    world.queue.send(*"abcde")
    queue = await world.start(batch_size=2)
    assert world.batches() == [["a", "b"], ["c", "d"], ["e"]]
    assert queue.left == (0, 0)
    queue.send("f")
    await settle()
    assert world.batches()[-1] == ["f"]


async def test_call_names_queue_and_trace(world: World) -> None:
    """Source, ARN and the first message's trace header go with it; the journal ties the call to the queue."""
    queue = await world.start()
    queue.send("a")
    await settle()
    (request,) = world.invoker.requests
    assert (request.function, request.source, request.source_arn, request.trace_id) == (
        FUNCTION,
        "sqs",
        ARN,
        "Root=a",
    )
    (entry,) = world.journal.since(kind="sqs.poll")
    assert (entry.resource, entry.detail["destination"]) == (ARN, FUNCTION)
    assert entry.detail["invocation"] == request.request_id
    assert (entry.detail["batch_size"], entry.detail["messages"]) == (1, ["a"])


async def test_failed_batch_comes_again_after_its_visibility_timeout(world: World) -> None:
    """All of it, and not before; the journal says what comes back, and when."""
    world.invoker.function = lambda _: FunctionError.make("ValueError", "no")
    began = world.clock.now()
    queue = await world.start()
    queue.send("a", "b")
    await settle()
    calls = len(world.invoker.requests)
    assert queue.left == (0, 2)
    await world.clock.advance(29)
    assert len(world.invoker.requests) == calls
    world.invoker.function = lambda _: b"null"
    await world.clock.advance(2)
    assert queue.left == (0, 0)
    (first, *_) = world.journal.since(kind="sqs.batch")
    assert first.detail["reason"] == "ValueError"
    assert first.detail["returned_messages"] == ["a", "b"]
    assert first.detail["visible_at"] == began + 30


@pytest.mark.parametrize(
    ("answer", "hidden"),
    [
        (b'{"batchItemFailures": [{"itemIdentifier": "b"}]}', 1),
        (b'{"batchItemFailures": []}', 0),
        (b"null", 0),
        (b'{"batchItemFailures": [{"itemIdentifier": "z"}]}', 3),
        (b'"oops"', 3),
    ],
)
async def test_partial_answer_keeps_what_has_failed(world: World, answer: bytes, hidden: int) -> None:
    """With ReportBatchItemFailures only what is named comes back, or everything if the answer makes no sense."""
    world.invoker.function = lambda _: answer
    assert world.queue is not None
    world.queue.send(*"abc")
    queue = await world.start(response_types=("ReportBatchItemFailures",))
    assert queue.left == (0, hidden)


async def test_answer_means_nothing_without_the_flag(world: World) -> None:
    """A list of failures is a return value like any other."""
    world.invoker.function = lambda _: b'{"batchItemFailures": [{"itemIdentifier": "a"}]}'
    queue = await world.start()
    queue.send("a")
    await settle()
    assert queue.left == (0, 0)


async def test_window_gathers_until_it_ends_or_the_batch_is_full(world: World) -> None:
    """The window opens with its first message and runs on the lab's clock."""
    queue = await world.start(window_s=10, batch_size=3)
    queue.send("a")
    await world.clock.advance(6)
    queue.send("b")
    await world.clock.advance(3)
    assert world.batches() == []
    await world.clock.advance(1)
    assert world.batches() == [["a", "b"]]
    queue.send("c", "d", "e", "f")
    await settle()
    assert world.batches()[1:] == [["c", "d", "e"]]
    await world.clock.advance(10)
    assert world.batches()[2:] == [["f"]]


async def test_window_longer_than_the_visibility_timeout_gives_each_message_once(world: World) -> None:
    """What shows again while it is gathered is received again, and deleted by its newest handle."""
    queue = await world.start(window_s=100)
    queue.send("a", "b")
    await world.clock.advance(101)
    assert world.batches() == [["a", "b"]]
    assert queue.left == (0, 0)


async def test_filtered_messages_are_deleted_without_a_call(world: World) -> None:
    """And told of in the journal."""
    queue = await world.start(filters=('{"body": {"kind": ["cat"]}}',))
    queue.send('{"kind": "dog"}')
    await settle()
    assert (world.batches(), queue.left) == ([], (0, 0))
    queue.send('{"kind": "cat"}')
    await settle()
    assert world.batches() == [['{"kind": "cat"}']]
    assert len(world.journal.since(kind="sqs.filtered")) == 1


async def test_batch_is_cut_at_six_megabytes(world: World) -> None:
    """A function's payload limit holds for batches too, and nothing is lost by it."""
    assert world.queue is not None
    world.queue.send(*(f"{number:03}" + "x" * 250_000 for number in range(40)))
    queue = await world.start(batch_size=100, window_s=1)
    await world.clock.advance(5)
    sizes = [len(request.payload) for request in world.invoker.requests]
    assert max(sizes) <= 6_291_456
    assert 2 <= len(sizes) <= 3
    assert sum(map(len, world.batches())) == 40
    assert queue.left == (0, 0)


async def test_at_first_five_batches_run_and_more_while_all_are_busy(world: World) -> None:
    """Five more each second, as long as there is work for them."""
    world.invoker.hold = asyncio.Event()
    assert world.queue is not None
    world.queue.send(*(str(number) for number in range(40)))
    await world.start(batch_size=1)
    assert world.invoker.busy == 5
    await world.clock.advance(1)
    assert world.invoker.busy == 10
    world.invoker.hold.set()
    await settle(400)
    assert world.queue.left == (0, 0)


async def test_maximum_concurrency_holds(world: World) -> None:
    """However long the queue and the wait."""
    world.invoker.hold = asyncio.Event()
    assert world.queue is not None
    world.queue.send(*(str(number) for number in range(40)))
    await world.start(batch_size=1, max_concurrency=2)
    await world.clock.advance(25)
    assert world.invoker.busy == 2
    world.invoker.hold.set()
    await settle(400)
    assert (world.invoker.most_busy, world.queue.left) == (2, (0, 0))


async def test_fifo_group_is_never_in_two_batches_at_once() -> None:
    """Groups run beside each other, each in its order."""
    world = World(fifo=True)
    world.invoker.hold = asyncio.Event()
    queue = await world.start(batch_size=2)
    queue.send("a1", "a2", "a3", group="a")
    queue.send("b1", group="b")
    await settle()
    assert world.batches() == [["a1", "a2"], ["b1"]]
    world.invoker.hold.set()
    await settle()
    assert world.batches()[2:] == [["a3"]]
    assert world.poller is not None
    await world.poller.close()


async def test_every_message_is_done_once_in_its_order_whatever_fails() -> None:
    """A FIFO queue and a function that fails at random: no group overtakes itself, and nothing is lost or left."""
    dice = random.Random(4)
    world = World(fifo=True)
    done: list[str] = []

    def work(request: InvokeRequest) -> bytes | FunctionError:
        bodies = [one["body"] for one in json.loads(request.payload)["Records"]]
        if dice.random() < 0.3:
            return FunctionError.make("ValueError", "bad luck")
        if dice.random() < 0.1:
            raise AwsError(TOO_MANY_REQUESTS, "Rate Exceeded.", 429)
        done.extend(bodies)
        return b"null"

    world.invoker.function = work
    queue = await world.start(batch_size=3)
    for number in range(60):
        queue.send(f"{number:03}", group=f"g{number % 4}")
    while sum(queue.left):
        await world.clock.advance(31)
    assert sorted(done) == [f"{number:03}" for number in range(60)]
    for group in range(4):
        of_group = [body for body in done if int(body) % 4 == group]
        assert of_group == sorted(of_group)
    assert world.poller is not None
    await world.poller.close()


def throttled(_: InvokeRequest) -> bytes:
    """What the door says when a function's concurrency is used up."""
    raise AwsError(TOO_MANY_REQUESTS, "Rate Exceeded.", 429)


async def test_throttled_batch_is_tried_again_then_returned(world: World) -> None:
    """Until the visibility timeout; after that its messages are in the queue and come anew."""
    world.invoker.function = throttled
    queue = await world.start()
    queue.send("a")
    await world.clock.advance(20)
    tries = len(world.invoker.requests)
    assert tries > 3
    assert len({request.request_id for request in world.invoker.requests}) == 1
    world.invoker.function = lambda _: b"null"
    await world.clock.advance(15)
    assert queue.left == (0, 0)


async def test_throttled_batch_does_not_hold_up_the_end(world: World) -> None:
    """A poller that stops tries no longer."""
    world.invoker.function = throttled
    queue = await world.start()
    queue.send("a")
    await settle()
    assert world.poller is not None
    await world.poller.stop()
    assert queue.left == (0, 1)


async def test_stopped_poller_finishes_what_runs_and_takes_nothing_new(world: World) -> None:
    """What is under way is deleted when it succeeds; a window's messages are back in the queue at once."""
    world.invoker.hold = asyncio.Event()
    queue = await world.start(batch_size=1)
    queue.send("a")
    await settle()
    assert world.poller is not None
    stopping = asyncio.create_task(world.poller.stop())
    await settle()
    queue.send("b")
    await settle()
    assert (stopping.done(), world.batches()) == (False, [["a"]])
    world.invoker.hold.set()
    await stopping
    assert queue.left == (1, 0)
    world.poller.start()
    await settle()
    assert world.batches() == [["a"], ["b"]]


async def test_gathered_messages_go_back_when_the_poller_stops(world: World) -> None:
    """Others need not wait for their visibility timeout."""
    queue = await world.start(window_s=60)
    queue.send("a")
    await settle()
    assert queue.left == (0, 1)
    assert world.poller is not None
    await world.poller.stop()
    assert queue.left == (1, 0)


async def test_mapping_of_a_deleted_function_is_disabled(world: World) -> None:
    """It says why, and polls no more."""

    def gone(_: InvokeRequest) -> bytes:
        raise AwsError(RESOURCE_NOT_FOUND, f"Function not found: {FUNCTION}", 404)

    world.invoker.function = gone
    queue = await world.start()
    queue.send("a")
    await settle()
    mapping = world.mappings.get("u")
    assert (mapping.state, mapping.enabled) == (State.DISABLED, False)
    assert mapping.last_result == f"PROBLEM: Function not found: {FUNCTION}"
    assert world.journal.since(kind="failure")


async def test_mapping_of_a_deleted_queue_is_disabled(world: World) -> None:
    """As soon as the queue is gone."""
    await world.start()
    world.queue = None
    for callback in list(world.callbacks):
        callback()
    assert world.mappings.get("u").last_result.startswith("PROBLEM: Error occurred while ReceiveMessage.")


async def test_idle_poller_has_no_task(world: World) -> None:
    """It costs nothing until a message comes."""
    await world.start()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("gone", "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue"),
        ("slow", "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds"),
        ("forbidden", "The provided execution role does not have permissions to call ReceiveMessage on SQS"),
    ],
)
async def test_queue_is_checked_when_a_mapping_is_made(world: World, change: str, message: str) -> None:
    """It must exist, wait longer than the function may run, and the function's role must be allowed to read it."""
    queue = await world.start()
    if change == "gone":
        world.queue = None
    elif change == "slow":
        queue.visibility_s = 2.0
    else:
        world.mappings.authorize = lambda role, action, resource: False
    around = Surroundings(world, world.invoker.invoke, world.mappings, world.journal, world.clock)
    with pytest.raises(AwsError, match="InvalidParameterValueException") as refused:
        await around.check(world.mappings.get("u"), function_version("work"))
    assert message in refused.value.message
