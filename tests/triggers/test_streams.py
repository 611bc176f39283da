"""Pollers of streams: what they read from where, shards and lanes, and a mapping's life."""

import asyncio
import json
from typing import Any

import pytest

from labhelpers.errors import AwsError
from labhelpers.events.stream_log import ShardLog
from tests.fakes import function_version, settle
from tests.triggers.stream_world import FUNCTION, QUEUE, STREAM, World, poisoned_by

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


async def test_what_the_stream_has_forgotten_is_not_read(world: World) -> None:
    """Records that were over their retention before anybody read them are no loss of the mapping's."""
    world.put("a", tell=False)
    await world.clock.advance(world.log.retention_s + 1)
    world.put("b", tell=False)
    world.poller(on_failure=QUEUE)
    await settle()
    assert world.calls == [[2]]
    assert not world.delivery.sent


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
