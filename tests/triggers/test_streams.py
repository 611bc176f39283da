"""Pollers of streams: order, batches, tries, splits, losses, windows, lanes and shards, on a clock that tests move."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labhelpers.errors import TOO_MANY_REQUESTS, AwsError
from labhelpers.events.kinesis import stream_record
from labhelpers.events.stream_log import ShardLog, StreamLog
from labhelpers.functions.destinations import Sender
from labhelpers.functions.event_source_mappings import EventSourceMapping, State
from labhelpers.journal import Journal
from labhelpers.model import FunctionError, InvokeRequest
from labhelpers.triggers.streams import StreamPoller, StreamPollers
from labhelpers.triggers.streams_delivery import StreamSurroundings
from tests.fakes import ACCOUNT, FakeClock, FakeDelivery, FakeInvoker, function_arn, function_version, settle

FUNCTION = function_arn("reader")
STREAM = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:lost"
ERROR = FunctionError.make("ValueError", "poison")


def values(request: InvokeRequest) -> list[int]:
    """The numbers that a call's records carry, in order: they are their sequence numbers."""
    return [int(record["kinesis"]["sequenceNumber"]) for record in json.loads(request.payload)["Records"]]


@dataclass
class World:
    """A stream of one shard, `shard-0`, and a poller of it; `function` is what the mapping calls."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(1_700_000_040.0))  # A whole minute.
    journal: Journal = field(default_factory=Journal)
    invoker: FakeInvoker = field(default_factory=FakeInvoker)
    delivery: FakeDelivery = field(default_factory=FakeDelivery)
    log: StreamLog = field(default_factory=lambda: StreamLog(STREAM))
    results: list[str] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    role_of: Callable[[str], str] = lambda _: "role"
    count: int = 0

    def __post_init__(self) -> None:
        self.log.add(ShardLog("shard-0"))
        self.pollers = StreamPollers(
            lambda arn: self.log if arn == STREAM else None,
            StreamSurroundings(
                self.invoker.invoke,
                Sender(self.delivery, self.journal, self.clock),
                self,  # type: ignore[arg-type]
                self.journal,
                self.clock,
                role_of=self.find_role,
                records_read=lambda function, age_ms: self.ages.append(age_ms),
            ),
        )
        self.made: list[StreamPoller] = []

    # The part of `EventSourceMappings` that pollers call.

    def find_role(self, function: str) -> str:
        """Its role, as a test says at the time."""
        return self.role_of(function)

    def note_result(self, uuid: str, result: str) -> None:
        """A mapping's LastProcessingResult."""
        self.results.append(result)

    def fail(self, uuid: str, problem: str) -> None:
        """A mapping is to be disabled."""
        self.results.append(f"failed: {problem}")

    def authorize(self, role: str, action: str, resource: str) -> bool:
        """Whether a role may do something."""
        return action not in self.denied

    def mapping(self, **settings: Any) -> EventSourceMapping:
        """A mapping from the beginning of the stream."""
        base = EventSourceMapping(
            "uuid", STREAM, FUNCTION, State.ENABLED, True, 0.0, 10, starting_position="TRIM_HORIZON"
        )
        return replace(base, **settings)

    def poller(self, **settings: Any) -> StreamPoller:
        """A poller that runs."""
        made = self.pollers.make(self.mapping(**settings))
        self.made.append(made)
        made.start()
        return made

    def put(self, *keys: str, shard: str = "shard-0", data: str = "", tell: bool = True) -> None:
        """A record for each key, in one request."""
        for key in keys:
            self.count += 1
            record = stream_record(
                shard_id=shard,
                partition_key=key,
                number=str(self.count),
                data=data,
                at=self.clock.now(),
                region="us-east-1",
            )
            self.log.shards[shard].append(record)
        if tell:
            self.log.tell(shard)

    @property
    def calls(self) -> list[list[int]]:
        """What each call had."""
        return [values(request) for request in self.invoker.requests]

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        return [entry.detail for entry in self.journal.since(kind=kind)]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world whose pollers are closed at the end, with nothing left running."""
    made = World()
    yield made
    for poller in made.made:
        await poller.close()
    await settle()
    assert not [task for task in asyncio.all_tasks() if "Lane" in repr(task)]


def poisoned_by(*poison: int) -> Any:
    """A function that fails when a batch has one of these records."""
    return lambda request: ERROR if set(poison) & set(values(request)) else b"null"


# --- Reading ---


async def test_a_record_reaches_the_function_with_what_the_mapping_adds(world: World) -> None:
    """The source's ARN and the function's role are in the record; the journal has the batch, metrics its age."""
    world.poller()
    world.put("a")
    await settle()
    (request,) = world.invoker.requests
    (record,) = json.loads(request.payload)["Records"]
    assert (record["eventSourceARN"], record["invokeIdentityArn"]) == (STREAM, "role")
    assert (request.source, request.source_arn, request.function) == ("kinesis", STREAM, FUNCTION)
    (poll,) = world.kinds("kinesis.poll")
    assert poll["destination"] == FUNCTION
    assert poll["invocation"] == request.request_id
    assert (poll["batch_size"], poll["attempt"], poll["shard"]) == (1, 1, "shard-0")
    assert world.results == ["OK"]
    assert world.ages == [0.0]


async def test_records_of_one_request_go_together_up_to_the_batch_size(world: World) -> None:
    """Ten together make batches of 4, 4 and 2, one after the other."""
    world.poller(batch_size=4)
    world.put(*"abcdefghij")
    await settle()
    assert world.calls == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert world.invoker.most_busy == 1


async def test_what_comes_meanwhile_makes_the_next_batch(world: World) -> None:
    """While the function works, records gather; a lane never runs twice at once."""
    world.invoker.hold = asyncio.Event()
    world.poller()
    for _ in range(3):
        world.put("a")
        await settle()
    world.invoker.hold.set()
    await settle()
    assert world.calls == [[1], [2, 3]]


async def test_batches_stay_below_the_payload_limit(world: World) -> None:
    """Seven records of a megabyte are two calls of less than 6 MB."""
    world.poller()
    world.put(*"abcdefg", data="x" * 1_000_000)
    await settle()
    assert world.calls == [[1, 2, 3, 4, 5, 6], [7]]
    assert all(len(request.payload) <= 6_291_456 for request in world.invoker.requests)


@pytest.mark.parametrize(
    ("position", "at", "expected"),
    [
        ("TRIM_HORIZON", None, [[1, 2, 3]]),
        ("LATEST", None, [[3]]),
        ("AT_TIMESTAMP", 1_700_000_045.0, [[2, 3]]),
    ],
)
async def test_a_mapping_begins_where_it_says(world: World, position: str, at: Any, expected: Any) -> None:
    """With all that is there, with what comes, or with what came from a moment on."""
    world.put("a", tell=False)
    await world.clock.advance(5)
    world.put("b", tell=False)
    world.poller(starting_position=position, starting_at=at)
    world.put("c", tell=False)
    world.log.tell("shard-0")
    await settle()
    assert world.calls == expected


async def test_a_window_gathers_records_until_it_is_over(world: World) -> None:
    """On the lab's clock, from the first record on."""
    world.poller(window_s=30)
    world.put("a")
    await world.clock.advance(20)
    world.put("b")
    await world.clock.advance(9)
    assert world.calls == []
    await world.clock.advance(1)
    assert world.calls == [[1, 2]]


async def test_a_full_batch_does_not_wait_for_its_window(world: World) -> None:
    """As soon as there are enough records, they go."""
    world.poller(window_s=30, batch_size=2)
    world.put("a")
    await settle()
    world.put("b")
    await settle()
    assert world.calls == [[1, 2]]


async def test_filtered_records_are_passed_over(world: World) -> None:
    """The function never sees them, and they hold up nothing."""
    world.poller(filters=('{"partitionKey": ["b"]}',))
    world.put("a", "b", "a")
    world.put("a")
    await settle()
    assert world.calls == [[2]]


# --- Errors ---


async def test_a_poison_record_blocks_what_is_behind_it(world: World) -> None:
    """The same batch again and again, until the function can; then all in order."""
    world.invoker.function = poisoned_by(1)
    world.poller(batch_size=1)
    world.put("a", "b")
    await world.clock.advance(3)
    assert len(world.calls) > 3
    assert set(map(tuple, world.calls)) == {(1,)}
    assert world.results[-1] == "PROBLEM: Function call failed"
    world.invoker.function = lambda request: b"null"
    await world.clock.advance(10)
    assert world.calls[-2:] == [[1], [2]]
    assert world.results[-1] == "OK"


async def test_tries_back_off_up_to_a_minute(world: World) -> None:
    """Each wait is twice the one before; the journal says how long."""
    world.invoker.function = poisoned_by(1)
    world.poller()
    world.put("a")
    await world.clock.advance(400)
    waits = [detail["seconds"] for detail in world.kinds("kinesis.retry_in")]
    assert waits[:9] == [0.25, 0.5, 1, 2, 4, 8, 16, 32, 60.0]
    assert max(waits) == 60.0
    assert {detail["reason"] for detail in world.kinds("kinesis.retry_in")} == {"ValueError"}


async def test_after_its_retries_a_batch_is_told_to_the_destination(world: World) -> None:
    """One try and two more; then the queue gets the record of the loss, the journal a failure, and the next goes on."""
    world.invoker.function = poisoned_by(1)
    world.poller(batch_size=1, max_retries=2, on_failure=QUEUE)
    world.put("a", "b")
    await world.clock.advance(10)
    assert world.calls == [[1], [1], [1], [2]]
    (message,) = world.delivery.sent
    record = json.loads(message.body)
    assert message.target == QUEUE
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["requestId"] == world.invoker.requests[2].request_id
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["KinesisBatchInfo"]["startSequenceNumber"] == "1"
    (failure,) = world.kinds("failure")
    assert failure["condition"] == "RetryAttemptsExhausted"


async def test_a_role_that_may_not_send_leaves_the_destination_untold(world: World) -> None:
    """Under IAM's decisions, asked when it happens; the journal has both failures."""
    world.denied.add("sqs:SendMessage")
    world.invoker.function = poisoned_by(1)
    world.poller(max_retries=0, on_failure=QUEUE)
    world.put("a")
    await settle()
    assert not world.delivery.sent
    assert "may not send" in world.kinds("failure")[1]["message"]


async def test_without_retries_the_first_error_is_the_last(world: World) -> None:
    """MaximumRetryAttempts 0."""
    world.invoker.function = poisoned_by(1)
    world.poller(max_retries=0)
    world.put("a")
    await world.clock.advance(100)
    assert world.calls == [[1]]


async def test_throttles_are_no_tries(world: World) -> None:
    """A refused call is made again however often, and then it is the first."""

    def throttled(request: InvokeRequest) -> bytes:
        if len(world.invoker.requests) < 6:
            raise AwsError(TOO_MANY_REQUESTS, "Rate Exceeded.", 429)
        return b"null"

    world.invoker.function = throttled
    world.poller(max_retries=1, on_failure=QUEUE)
    world.put("a")
    await world.clock.advance(60)
    assert world.calls == [[1]] * 6
    assert not world.delivery.sent
    assert world.kinds("kinesis.poll")[-1]["attempt"] == 1


async def test_bisecting_isolates_the_poison_record(world: World) -> None:
    """Halves of halves, in order, until it is alone; only that one is given up, after its own retries."""
    world.invoker.function = poisoned_by(3)
    world.poller(bisect_on_error=True, max_retries=1, on_failure=QUEUE)
    world.put(*"abcdefgh")
    await world.clock.advance(30)
    assert world.calls == [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [1, 2, 3, 4],
        [1, 2],
        [3, 4],
        [3],
        [3],
        [4],
        [5, 6, 7, 8],
    ]
    assert [json.loads(m.body)["KinesisBatchInfo"]["batchSize"] for m in world.delivery.sent] == [1]
    assert [detail["batch_size"] for detail in world.kinds("kinesis.bisect")] == [8, 4, 2]


async def test_reported_failures_begin_again_at_the_first(world: World) -> None:
    """What came before it is done; its own tries are counted from there, as recorded on AWS."""

    def reports(request: InvokeRequest) -> bytes:
        failed = [{"itemIdentifier": str(value)} for value in values(request) if value == 3]
        return json.dumps({"batchItemFailures": failed}).encode()

    world.invoker.function = reports
    world.poller(response_types=("ReportBatchItemFailures",), max_retries=3, on_failure=QUEUE)
    world.put(*"abc")
    await world.clock.advance(30)
    assert world.calls == [[1, 2, 3], [3], [3], [3], [3]]
    record = json.loads(world.delivery.sent[0].body)
    assert record["requestContext"]["approximateInvokeCount"] == 4
    assert record["responseContext"]["functionError"] is None


async def test_reports_mean_nothing_unless_asked_for(world: World) -> None:
    """Without ReportBatchItemFailures the answer is not looked at."""
    world.invoker.function = lambda request: b'{"batchItemFailures": [{"itemIdentifier": "1"}]}'
    world.poller()
    world.put("a")
    await world.clock.advance(30)
    assert world.calls == [[1]]


async def test_records_over_their_age_are_given_up(world: World) -> None:
    """The old ones of a batch, while the young ones are tried on."""
    world.invoker.function = poisoned_by(1)
    world.poller(max_record_age_s=60, on_failure=QUEUE)
    world.put("a")
    await world.clock.advance(1)
    world.put("b")
    await world.clock.advance(120)
    record = json.loads(world.delivery.sent[0].body)
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["KinesisBatchInfo"]["endSequenceNumber"] == "1"
    assert "responseContext" not in record


async def test_an_endless_poison_record_ends_with_the_stream(world: World) -> None:
    """AWS tries until the record expires: here after the stream's retention, on the lab's clock."""
    world.log.retention_s = 3600
    world.invoker.function = poisoned_by(1)
    world.poller(batch_size=1)
    world.put("a")
    await world.clock.advance(3500)
    world.put("b")
    await world.clock.advance(200)
    assert world.calls[-1] == [2]


# --- Its life ---


async def test_a_stopped_poller_goes_on_where_it_was(world: World) -> None:
    """Nothing is read meanwhile, nothing lost and nothing twice; what was under way is waited for."""
    poller = world.poller(batch_size=2)
    world.invoker.hold = asyncio.Event()
    world.put("a", "b", "c")
    await settle()
    stopping = asyncio.ensure_future(poller.stop())
    await settle()
    assert not stopping.done()
    world.invoker.hold.set()
    await stopping
    world.put("d")
    await settle()
    assert world.calls == [[1, 2]]
    poller.start()
    await settle()
    assert world.calls == [[1, 2], [3], [4]] or world.calls == [[1, 2], [3, 4]]


async def test_stopping_ends_a_wait_for_the_next_try(world: World) -> None:
    """The batch stays the first, with its tries."""
    world.invoker.function = poisoned_by(1)
    poller = world.poller(max_retries=1, on_failure=QUEUE)
    world.put("a")
    await settle()
    await asyncio.wait_for(poller.stop(), 1)
    await world.clock.advance(60)
    assert world.calls == [[1]]
    poller.start()
    await settle()
    assert world.calls == [[1], [1]]
    assert len(world.delivery.sent) == 1


async def test_changed_settings_hold_at_once(world: World) -> None:
    """Batch size and filters are those of the mapping as it is."""
    poller = world.poller(batch_size=1)
    await poller.stop()
    world.put("a", "b", "c")
    poller.change(world.mapping(batch_size=2, filters=('{"partitionKey": ["a", "c"]}',)))
    poller.start()
    await settle()
    assert world.calls == [[1, 3]]


async def test_more_lanes_keep_what_waits(world: World) -> None:
    """Records that were in one lane are spread over all, in order, with none lost."""
    world.invoker.function = poisoned_by(1, 2, 3)
    poller = world.poller()
    world.put("a", "b", "a")
    await settle()
    await poller.stop()
    world.invoker.function = lambda request: b"null"
    poller.change(world.mapping(parallelization_factor=10))
    poller.start()
    await settle()
    assert sorted(world.calls[1:]) == [[1, 3], [2]]


async def test_a_poller_waits_for_its_function(world: World) -> None:
    """Without one it stops by itself, and goes on from the same batch when it is started again."""

    def missing(_: object) -> Any:
        raise AwsError("ResourceNotFoundException", "Function not found", 404)

    world.invoker.function = world.role_of = missing
    poller = world.poller()
    world.put("a")
    await world.clock.advance(1000)
    assert world.calls == [[1]]
    assert world.kinds("kinesis.stopped")
    world.invoker.function = lambda request: b"null"
    await poller.stop()  # The manager disables the mapping; now somebody enables it.
    poller.start()
    await settle()
    assert world.calls == [[1], [1]]


async def test_a_deleted_stream_ends_its_reading(world: World) -> None:
    """What was not read is gone, and the mapping is told to be disabled."""
    world.poller()
    world.log.is_gone = True
    world.put("a")
    await settle()
    assert world.calls == []
    assert world.results == [f"failed: Stream not found: {STREAM}"]
    assert not world.log.listeners


async def test_what_aws_checks_of_a_stream(world: World) -> None:
    """It exists, and the function's role may read it."""
    version = function_version("reader")
    await world.pollers.check(world.mapping(), version)
    with pytest.raises(AwsError, match="Stream not found: arn:aws:kinesis:us-east-1:1:stream/none"):
        await world.pollers.check(
            world.mapping(source_arn="arn:aws:kinesis:us-east-1:1:stream/none"), version
        )
    world.denied.add("kinesis:GetRecords")
    with pytest.raises(AwsError, match="Please ensure the role can perform the GetRecords, GetShardIterator"):
        await world.pollers.check(world.mapping(), version)


# --- Lanes and shards ---


async def test_lanes_run_at_once_and_keep_each_key_in_order(world: World) -> None:
    """A poison record blocks its key's lane only."""
    world.invoker.function = poisoned_by(1)
    world.poller(parallelization_factor=10, batch_size=1)
    world.put("a", "b", "a", "b")
    await world.clock.advance(1)
    assert [call for call in world.calls if call != [1]] == [[2], [4]]


async def test_children_wait_for_their_parents(world: World) -> None:
    """A split shard is read to its end, retries and all, before those that came of it."""
    world.invoker.function = poisoned_by(1)
    world.poller(max_retries=1)
    world.put("a")
    world.log.shards["shard-0"].is_closed = True
    for child in ("shard-1", "shard-2"):
        world.log.add(ShardLog(child, ("shard-0",)))
    world.log.tell("shard-0")
    world.put("a", shard="shard-1")
    world.put("b", shard="shard-2")
    await settle()
    assert world.calls == [[1]]
    await world.clock.advance(1)
    assert world.calls == [[1], [1], [2], [3]]


async def test_a_merged_shard_waits_for_both_parents(world: World) -> None:
    """Also when only one of them has had records."""
    world.log.add(ShardLog("shard-1"))
    world.invoker.hold = asyncio.Event()
    world.poller()
    world.put("a", shard="shard-1")
    world.log.shards["shard-0"].is_closed = world.log.shards["shard-1"].is_closed = True
    world.log.add(ShardLog("shard-2", ("shard-0", "shard-1")))
    world.log.tell("shard-0")
    world.log.tell("shard-1")
    world.put("a", shard="shard-2")
    await settle()
    assert world.calls == [[1]]
    world.invoker.hold.set()
    await settle()
    assert world.calls == [[1], [2]]


async def test_shards_are_read_at_once(world: World) -> None:
    """One that is blocked holds up no other."""
    world.log.add(ShardLog("shard-1"))
    world.invoker.function = poisoned_by(1)
    world.poller()
    world.put("a")
    world.put("b", shard="shard-1")
    await settle()
    assert world.calls == [[1], [2]]


# --- Tumbling windows ---


def counting(request: InvokeRequest) -> bytes:
    """A function that counts the records of a window."""
    event = json.loads(request.payload)
    return json.dumps({"state": {"n": event["state"].get("n", 0) + len(event["Records"])}}).encode()


async def test_a_tumbling_window_carries_its_state_to_a_final_call(world: World) -> None:
    """Each batch gets the state of the one before; when the window is over, a call without records gets the last."""
    world.invoker.function = counting
    world.poller(tumbling_window_s=60)
    world.put("a", "b")
    await world.clock.advance(10)
    world.put("c")
    await world.clock.advance(49)
    assert world.calls == [[1, 2], [3]]
    await world.clock.advance(1)
    events = [json.loads(request.payload) for request in world.invoker.requests]
    assert [event["state"] for event in events] == [{}, {"n": 2}, {"n": 3}]
    assert [event["isFinalInvokeForWindow"] for event in events] == [False, False, True]
    assert events[2]["Records"] == []
    assert {event["shardId"] for event in events} == {"shard-0"}
    assert {event["eventSourceARN"] for event in events} == {STREAM}
    await world.clock.advance(600)
    assert len(world.invoker.requests) == 3


async def test_a_record_of_the_next_window_ends_this_one(world: World) -> None:
    """Records of two windows never share a batch, and each window starts from no state."""
    world.invoker.function = counting
    poller = world.poller(tumbling_window_s=60)
    await poller.stop()
    world.put("a", "b")
    await world.clock.advance(61)
    world.put("c")
    poller.start()
    await settle()
    events = [json.loads(request.payload) for request in world.invoker.requests]
    assert world.calls == [[1, 2], [], [3]]
    assert [event["state"] for event in events] == [{}, {"n": 2}, {}]


async def test_an_answer_without_state_is_a_failure(world: World) -> None:
    """As AWS says of tumbling windows; it is tried again like an error."""
    world.poller(tumbling_window_s=60, max_retries=1)
    world.put("a")
    await world.clock.advance(5)
    assert world.calls == [[1], [1]]
    assert world.kinds("failure")[0]["condition"] == "RetryAttemptsExhausted"


async def test_a_state_that_is_too_large_ends_the_window(world: World) -> None:
    """Early, and it says so; the next record begins without state."""
    world.invoker.function = lambda request: json.dumps({"state": {"a": "x" * 1_100_000}}).encode()
    world.poller(tumbling_window_s=60)
    world.put("a")
    await settle()
    final = json.loads(world.invoker.requests[1].payload)
    assert (final["isFinalInvokeForWindow"], final["isWindowTerminatedEarly"]) == (True, True)
    world.put("b")
    await settle()
    assert json.loads(world.invoker.requests[2].payload)["state"] == {}


# --- Whatever happens ---


@settings(max_examples=200, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcde"), min_size=1, max_size=25),
    fate=st.dictionaries(
        st.integers(1, 25), st.sampled_from(["raises", "reported", "throttled"]), max_size=6
    ),
    batch_size=st.integers(1, 10),
    lanes=st.integers(1, 4),
    bisect=st.booleans(),
    retries=st.integers(0, 3),
    heals=st.integers(1, 6),
)
def test_every_record_is_done_or_given_up_and_keys_keep_their_order(
    keys: list[str],
    fate: dict[int, str],
    batch_size: int,
    lanes: int,
    bisect: bool,
    retries: int,
    heals: int,
) -> None:
    """With any mixture of errors, reports and throttles: nothing is lost, and no key's records overtake each other."""

    async def run() -> None:
        world = World()
        tries: Counter[int] = Counter()
        done: list[int] = []

        def function(request: InvokeRequest) -> bytes | FunctionError:
            batch = values(request)
            tries.update(batch)
            sick = {value: fate[value] for value in batch if value in fate and tries[value] <= heals}
            if "throttled" in sick.values():
                raise AwsError(TOO_MANY_REQUESTS, "Rate Exceeded.", 429)
            if "raises" in sick.values():
                return ERROR
            done.extend(batch[: batch.index(min(sick))] if sick else batch)
            return json.dumps({"batchItemFailures": [{"itemIdentifier": str(v)} for v in sick]}).encode()

        world.invoker.function = function
        poller = world.poller(
            batch_size=batch_size,
            parallelization_factor=lanes,
            bisect_on_error=bisect,
            max_retries=retries,
            response_types=("ReportBatchItemFailures",),
            on_failure=QUEUE,
        )
        world.put(*keys)
        await world.clock.advance(2_000)
        lost = [json.loads(message.body)["KinesisBatchInfo"] for message in world.delivery.sent]
        assert len(done) + sum(info["batchSize"] for info in lost) == len(keys)
        assert len(set(done)) == len(done)
        for key in set(keys):
            mine = [value for value in done if keys[value - 1] == key]
            assert mine == sorted(mine)
        await poller.close()

    asyncio.run(run())
