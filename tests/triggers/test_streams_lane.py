"""One lane of a stream: batches, tries, splits, losses and windows."""

import asyncio
import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from labhelpers.errors import TOO_MANY_REQUESTS, AwsError
from labhelpers.model import FunctionError, InvokeRequest
from tests.fakes import settle
from tests.triggers.stream_world import ERROR, QUEUE, STREAM, World, poisoned_by, values

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
