"""The event queue: what is tried again, when, with which id, and where an event ends."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from labhelpers.errors import AwsError, NotEmulated
from labhelpers.functions import asynchronous
from labhelpers.functions.asynchronous import AsyncInvoker
from labhelpers.functions.function_metrics import FunctionMetrics
from labhelpers.journal import Entry, Journal
from labhelpers.model import FunctionError, InvokeRequest
from tests.fakes import FakeClock, FakeDelivery, FakeInvoker, FakeRegistry, function_arn, settle

QUEUE = "arn:aws:sqs:us-east-1:123456789012:results"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
CRASH = FunctionError.make("ValueError", "intended")


def throttled() -> AwsError:
    """Lambda's answer to a call beyond a function's concurrency."""
    return AwsError("TooManyRequestsException", "Rate Exceeded.", 429)


@dataclass
class World:
    """An AsyncInvoker with everything around it faked; `f` and `g` are functions."""

    clock: FakeClock = field(default_factory=FakeClock)
    journal: Journal = field(default_factory=Journal)
    registry: FakeRegistry = field(default_factory=lambda: FakeRegistry("f", "g"))
    invoker: FakeInvoker = field(default_factory=FakeInvoker)
    delivery: FakeDelivery = field(default_factory=FakeDelivery)
    pollers: int = 4

    def __post_init__(self) -> None:
        self.queue = AsyncInvoker(
            self.invoker, self.registry, self.journal, self.clock, self.delivery, pollers=self.pollers
        )

    def answers(self, *answers: bytes | FunctionError | AwsError | Exception) -> None:
        """What the function does on its first, second ... call; the last one for ever."""
        left = list(answers)

        def function(_: InvokeRequest) -> bytes | FunctionError:
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.invoker.function = function

    def entries(self, kind: str) -> list[Entry]:
        return self.journal.since(kind=kind)

    def record(self) -> Any:
        (message,) = self.delivery.sent
        return json.loads(message.body)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A fresh world; at its end nothing is left running."""
    world = World()
    yield world
    await world.queue.close()


# --- Accepting ---


async def test_submit_returns_an_id_before_anything_runs(world: World) -> None:
    """The caller has its request id at once; the function gets the event with that id."""
    request_id = world.queue.submit(InvokeRequest("f", b'{"a":1}', source="s3", source_arn="arn:aws:s3:::in"))
    assert not world.invoker.requests
    assert world.entries("invoke.queued")[0].request_id == request_id
    await settle()
    (request,) = world.invoker.requests
    assert (request.request_id, request.payload, request.function) == (
        request_id,
        b'{"a":1}',
        function_arn("f"),
    )
    assert (request.source, request.source_arn) == ("s3", "arn:aws:s3:::in")
    assert world.queue.pending == 0


async def test_given_request_id_is_kept(world: World) -> None:
    """A caller that has an id already, as the Invoke API does, keeps it."""
    assert world.queue.submit(InvokeRequest("f", request_id="mine")) == "mine"


async def test_qualifier_reaches_the_function(world: World) -> None:
    """An event for an alias is run through that alias, however the caller wrote it."""
    world.queue.submit(InvokeRequest("f", qualifier="live"))
    world.queue.submit(InvokeRequest(function_arn("f") + ":live"))
    await settle()
    assert [(r.function, r.qualifier) for r in world.invoker.requests] == [(function_arn("f"), "live")] * 2


async def test_unknown_function_is_refused_at_once(world: World) -> None:
    """The caller, not the journal, learns that there is no such function."""
    with pytest.raises(AwsError) as caught:
        world.queue.submit(InvokeRequest("nobody"))
    assert caught.value.status == 404


async def test_payload_over_a_megabyte_is_refused(world: World) -> None:
    """An event has at most 1 MB, and the error says both sizes."""
    world.queue.submit(InvokeRequest("f", b" " * 1_048_576))
    with pytest.raises(AwsError) as caught:
        world.queue.submit(InvokeRequest("f", b" " * 1_048_577))
    assert caught.value.status == 413
    assert caught.value.message == (
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    )


async def test_full_queue_throttles_the_caller(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue's memory is bounded; what does not fit is refused with 429, not lost."""
    monkeypatch.setattr(asynchronous, "MAX_QUEUED_BYTES", 100)
    world.invoker.hold = asyncio.Event()
    world.queue.submit(InvokeRequest("f", b" " * 60))
    with pytest.raises(AwsError) as caught:
        world.queue.submit(InvokeRequest("f", b" " * 60))
    assert caught.value.status == 429
    world.invoker.hold.set()
    await settle()
    world.queue.submit(InvokeRequest("f", b" " * 60))


async def test_submitting_is_quick(world: World) -> None:
    """From submit to the call of `invoke` an idle queue takes less than 0.2 ms (median)."""
    seen: list[float] = []
    world.invoker.function = lambda _: (seen.append(time.perf_counter()), b"null")[1]  # type: ignore[func-returns-value]
    took = []
    for _ in range(200):
        start = time.perf_counter()
        world.queue.submit(InvokeRequest("f"))
        await settle(3)
        took.append(seen[-1] - start)
    assert sorted(took)[100] < 0.0002


# --- The function's own errors ---


async def test_failing_function_is_tried_three_times_with_one_id(world: World) -> None:
    """Two more tries follow, after one minute and then two, all with the request id of the first."""
    world.answers(CRASH)
    request_id = world.queue.submit(InvokeRequest("f"))
    await settle()
    counts = []
    for seconds in (59.9, 0.2, 119.8, 0.2, 10_000):
        counts.append(len(world.invoker.requests))
        await world.clock.advance(seconds)
    assert counts == [1, 1, 2, 2, 3]
    assert {r.request_id for r in world.invoker.requests} == {request_id}
    assert len({r.trace_id for r in world.invoker.requests}) == 1
    assert [e.detail["n"] for e in world.entries("invoke.attempt")] == [1, 2, 3]
    assert [e.detail["seconds"] for e in world.entries("invoke.retry_in")] == [60, 120]
    (dropped,) = world.entries("invoke.dropped")
    assert dropped.detail == {"condition": "RetriesExhausted", "attempts": 3}
    assert dropped.request_id == request_id


async def test_recovered_function_is_not_tried_again(world: World) -> None:
    """A success ends the event."""
    world.answers(CRASH, b'"fine"')
    world.queue.submit(InvokeRequest("f"))
    await world.clock.advance(1000)
    assert len(world.invoker.requests) == 2
    assert not world.entries("invoke.dropped")
    assert not world.entries("failure")


async def test_retry_settings_are_read_anew_for_each_try(world: World) -> None:
    """MaximumRetryAttempts set to 0 while an event waits applies to it."""
    world.answers(CRASH)
    world.queue.submit(InvokeRequest("f"))
    await settle()
    world.registry.configs["f"].max_retries = 0
    await world.clock.advance(1000)
    assert len(world.invoker.requests) == 2


async def test_maximum_age_shortens_the_retries(world: World) -> None:
    """With an age of 60 s there is no time for another try: dropped at once as EventAgeExceeded (recorded on AWS)."""
    config = world.registry.configs["f"]
    config.max_age_s, config.on_failure = 60, QUEUE
    world.answers(CRASH)
    world.queue.submit(InvokeRequest("f"))
    await settle()
    context = world.record()["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


async def test_event_that_waited_too_long_is_not_run(world: World) -> None:
    """An event whose age is over when its turn comes is dropped without a try."""
    config = world.registry.configs["f"]
    config.max_age_s, config.on_failure = 60, QUEUE
    world.registry.reserve("f", 1)
    world.invoker.hold = asyncio.Event()
    world.queue.submit(InvokeRequest("f", b"1"))
    world.queue.submit(InvokeRequest("f", b"2"))
    await world.clock.advance(61)
    world.invoker.hold.set()
    await settle()
    assert len(world.invoker.requests) == 1
    record = world.record()
    assert record["requestPayload"] == 2
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert "responseContext" not in record


async def test_deleted_function_ends_its_events_visibly(world: World) -> None:
    """The missing function counts as failed tries; then the event is dropped and the journal says so."""
    world.answers(CRASH, AwsError("ResourceNotFoundException", "Function not found: f", 404))
    world.queue.submit(InvokeRequest("f"))
    await settle()
    world.registry.delete("f")
    await world.clock.advance(1000)
    assert len(world.invoker.requests) == 3
    assert len(world.entries("invoke.dropped")) == 1
    (failure,) = world.entries("failure")
    assert "neither an OnFailure destination nor a dead-letter queue" in failure.detail["message"]


# --- Throttles and system errors ---


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_refusals_back_off_without_costing_a_try(world: World, status: int) -> None:
    """Throttles and system errors are repeated after 1, 2, 4 ... s; the function still has all its tries."""
    refused = AwsError("SomeException", "no", status)
    world.answers(refused, refused, refused, CRASH)
    world.registry.configs["f"].on_failure = QUEUE
    world.queue.submit(InvokeRequest("f"))
    await world.clock.advance(1000)
    assert [e.detail["seconds"] for e in world.entries("invoke.retry_in")] == [1, 2, 4, 60, 120]
    assert world.record()["requestContext"] | {"requestId": ""} == {
        "requestId": "",
        "functionArn": function_arn("f") + ":$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }


async def test_throttled_event_is_kept_six_hours(world: World) -> None:
    """A function that is full for ever gets its event for almost six hours; then it is dropped as too old."""
    world.answers(throttled())
    world.registry.configs["f"].on_failure = QUEUE
    world.registry.configs["f"].dlq = DEAD
    world.queue.submit(InvokeRequest("f"))
    await world.clock.advance(5.5 * 3600)
    assert not world.delivery.sent
    assert max(e.detail["seconds"] for e in world.entries("invoke.retry_in")) == 300
    await world.clock.advance(3600)
    record, dead = world.delivery.sent
    told = json.loads(record.body)
    assert told["requestContext"]["condition"] == "EventAgeExceeded"
    assert told["requestContext"]["approximateInvokeCount"] == 0
    assert told["responseContext"] == {"statusCode": 429}
    assert dead.attributes["ErrorCode"] == ("Number", "429")
    assert dead.attributes["ErrorMessage"] == ("String", "Rate Exceeded.")


async def test_full_function_is_asked_once_a_second(world: World) -> None:
    """With a thousand events waiting a throttle pauses them all, so a full function is not stormed."""
    world.answers(throttled())
    for _ in range(1000):
        world.queue.submit(InvokeRequest("f"))
    await world.clock.advance(10)
    assert len(world.invoker.requests) <= 11 * world.pollers
    world.answers(b"null")
    while world.queue.pending:
        await world.clock.advance(1)
    assert len({r.request_id for r in world.invoker.requests}) == 1000


async def test_changed_function_is_asked_at_once(world: World) -> None:
    """When a function's concurrency is raised its waiting events need not wait out the pause."""
    world.answers(throttled(), b"null")
    world.registry.reserve("f", 1)
    for _ in range(2):
        world.queue.submit(InvokeRequest("f"))
    await settle()
    assert len(world.invoker.requests) == 1
    world.queue.function_changed(function_arn("f"))
    world.queue.function_changed(function_arn("unknown"))
    await settle()
    assert len(world.invoker.requests) == 2


async def test_broken_machinery_is_seen_and_loses_nothing(world: World) -> None:
    """An exception in the lab itself is a journal failure, and the event is tried again like after a system error."""
    world.answers(RuntimeError("bug"), b"null")
    request_id = world.queue.submit(InvokeRequest("f"))
    await settle()
    (failure,) = world.entries("failure")
    assert "bug" in failure.detail["message"]
    assert failure.request_id == request_id
    await world.clock.advance(1)
    assert world.queue.pending == 0
    assert len(world.invoker.requests) == 2


async def test_what_the_lab_does_not_do_is_no_system_error(world: World) -> None:
    """NotEmulated is not repeated for six hours."""
    world.answers(NotEmulated("that"))
    world.queue.submit(InvokeRequest("f"))
    await world.clock.advance(1000)
    assert len(world.entries("invoke.dropped")) == 1


# --- Concurrency and order ---


async def test_events_start_in_their_order(world: World) -> None:
    """The queue is first in, first out."""
    ids = [world.queue.submit(InvokeRequest("f")) for _ in range(50)]
    await settle()
    assert [r.request_id for r in world.invoker.requests] == ids


async def test_burst_does_not_run_all_at_once(world: World) -> None:
    """Ten thousand events are in flight a few at a time, and all of them run."""
    for _ in range(10_000):
        world.queue.submit(InvokeRequest("f"))
    while world.queue.pending:
        await settle()
    assert len(world.invoker.requests) == 10_000
    assert world.invoker.most_busy <= world.pollers


@pytest.mark.parametrize(("reserved", "busy"), [(1, 1), (2, 2), (100, 4), (None, 4)])
async def test_reserved_concurrency_bounds_what_is_in_flight(reserved: int | None, busy: int) -> None:
    """No more events of a function are in flight than its reserved concurrency lets run."""
    world = World()
    world.registry.reserve("f", reserved)
    world.invoker.hold = asyncio.Event()
    for _ in range(10):
        world.queue.submit(InvokeRequest("f"))
    await settle()
    assert world.invoker.busy == busy
    world.invoker.hold.set()
    await settle()
    assert world.queue.pending == 0


async def test_functions_do_not_wait_for_each_other(world: World) -> None:
    """A function whose calls hang does not keep another's events waiting."""
    world.invoker.hold = asyncio.Event()
    for _ in range(10):
        world.queue.submit(InvokeRequest("f"))
    world.queue.submit(InvokeRequest("g"))
    await settle()
    assert [r.function for r in world.invoker.requests].count(function_arn("g")) == 1


async def test_switched_off_function_hands_its_events_on_at_once(world: World) -> None:
    """With reserved concurrency 0 events go to the failure destination without a try."""
    world.registry.reserve("f", 0)
    world.registry.configs["f"].on_failure = QUEUE
    world.queue.submit(InvokeRequest("f", b'{"a":1}'))
    await settle()
    assert not world.invoker.requests
    record = world.record()
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["requestPayload"] == {"a": 1}


# --- Where events end ---


async def test_success_goes_to_its_destination(world: World) -> None:
    """OnSuccess receives the record with what the handler returned; OnFailure and the dead-letter queue nothing."""
    config = world.registry.configs["f"]
    config.on_success, config.on_failure, config.dlq = QUEUE, DEAD, DEAD
    world.answers(b'{"got":1}')
    request_id = world.queue.submit(InvokeRequest("f", b'{"k":1}', qualifier="live"))
    await settle()
    (message,) = world.delivery.sent
    assert message.target == QUEUE
    record = world.record()
    del record["timestamp"]
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn("f") + ":live",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"k": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"got": 1},
    }
    (delivered,) = world.entries("invoke.delivered")
    assert delivered.detail == {"destination": QUEUE, "condition": "Success"}
    assert delivered.request_id == request_id


async def test_failure_goes_to_destination_and_dead_letter_queue(world: World) -> None:
    """Both receive the dropped event if both are there, and nothing counts as lost."""
    config = world.registry.configs["f"]
    config.max_retries, config.on_failure, config.dlq = 0, QUEUE, DEAD
    world.answers(CRASH)
    world.queue.submit(InvokeRequest("f", b'{"k":1}'))
    await settle()
    record, dead = world.delivery.sent
    assert json.loads(record.body)["responsePayload"]["errorMessage"] == "intended"
    assert (dead.target, dead.body) == (DEAD, '{"k":1}')
    assert not world.entries("failure")


async def test_function_as_destination_is_invoked_with_the_record(world: World) -> None:
    """A destination function receives the record as an asynchronous event of its own."""
    world.registry.configs["f"].on_success = function_arn("g")
    world.answers(b'"done"')
    first = world.queue.submit(InvokeRequest("f", b'{"a":1}'))
    await settle()
    _, request = world.invoker.requests
    assert request.function == function_arn("g")
    assert request.request_id != first
    assert (request.source, request.source_arn) == ("lambda", function_arn("f"))
    assert json.loads(request.payload)["responsePayload"] == "done"


async def test_undeliverable_record_is_a_journal_failure(world: World) -> None:
    """A destination that does not exist is seen in the journal with the reason."""
    world.registry.configs["f"].on_success = QUEUE
    world.delivery.errors = [AwsError("AWS.SimpleQueueService.NonExistentQueue", "no such queue", 400)]
    world.queue.submit(InvokeRequest("f"))
    await settle()
    (failure,) = world.entries("failure")
    assert "no such queue" in failure.detail["message"]
    assert failure.detail["destination"] == QUEUE


async def test_busy_destination_is_tried_again(world: World) -> None:
    """A destination that is throttled or fails for a moment receives the record a little later."""
    world.registry.configs["f"].on_success = QUEUE
    world.delivery.errors = [throttled(), AwsError("InternalFailure", "oops", 500)]
    world.queue.submit(InvokeRequest("f"))
    await world.clock.advance(10)
    assert len(world.delivery.sent) == 1
    assert not world.entries("failure")


async def test_delivery_that_breaks_is_seen(world: World) -> None:
    """An exception in the delivery itself is a journal failure, not a lost task."""
    world.registry.configs["f"].on_success = QUEUE
    world.delivery.errors = [RuntimeError("bug")]
    world.queue.submit(InvokeRequest("f"))
    await settle()
    (failure,) = world.entries("failure")
    assert "bug" in failure.detail["message"]


# --- The end of the lab ---


async def test_close_stops_at_once_and_counts_what_is_left() -> None:
    """Events in flight, queued and waiting are counted; nothing runs any more, and new ones are refused."""
    world = World()
    world.answers(CRASH)
    world.queue.submit(InvokeRequest("g"))
    await settle()
    world.invoker.hold = asyncio.Event()
    for _ in range(10):
        world.queue.submit(InvokeRequest("f"))
    await settle()
    await world.queue.close()
    (left,) = world.entries("invoke.left")
    assert left.detail == {"count": 11}
    calls = len(world.invoker.requests)
    world.invoker.hold.set()
    await world.clock.advance(1000)
    assert len(world.invoker.requests) == calls
    with pytest.raises(AwsError):
        world.queue.submit(InvokeRequest("f"))


async def test_closing_an_idle_queue_says_nothing(world: World) -> None:
    """Nothing left, nothing journalled."""
    await world.queue.close()
    assert not world.entries("invoke.left")


# --- All of it together ---


async def test_thousand_events_with_a_fifth_crashing_are_all_accounted_for(world: World) -> None:
    """Every event is processed or reported, none twice and none lost, while calls crash, throttle and break."""
    config = world.registry.configs["f"]
    config.on_failure = QUEUE
    done: list[int] = []
    calls: dict[int, int] = {}

    def function(request: InvokeRequest) -> bytes | FunctionError:
        n = json.loads(request.payload)["n"]
        calls[n] = calls.get(n, 0) + 1
        if n % 5 == 0:
            return CRASH  # This fifth never succeeds.
        if n % 7 == 1 and calls[n] == 1:
            raise throttled()
        if n % 11 == 1 and calls[n] == 1:
            raise RuntimeError("bug")
        if n % 13 == 1 and calls[n] <= 2:
            return CRASH
        done.append(n)
        return b"null"

    world.invoker.function = function
    for n in range(1000):
        world.queue.submit(InvokeRequest("f", json.dumps({"n": n}).encode()))
    while world.queue.pending:
        await world.clock.advance(30)
    reported = [json.loads(m.body)["requestPayload"]["n"] for m in world.delivery.sent]
    assert sorted(done + reported) == list(range(1000))
    assert sorted(reported) == list(range(0, 1000, 5))
    assert all(
        json.loads(m.body)["requestContext"]["approximateInvokeCount"] == 3 for m in world.delivery.sent
    )


# --- Metrics ---


async def test_events_are_measured() -> None:
    """Received, their age at each try, dropped, and what could not be sent, under the name that was called."""
    told: list[tuple[str, ...]] = []

    class Told(FunctionMetrics):
        def event_received(self, arn: str) -> None:
            told.append(("received", arn))

        def event_tried(self, arn: str, age_s: float) -> None:
            told.append((f"tried after {age_s:g} s", arn))

        def event_dropped(self, arn: str) -> None:
            told.append(("dropped", arn))

        def not_delivered(self, arn: str, *, dead_letter: bool) -> None:
            told.append(("no dead letter" if dead_letter else "no destination", arn))

    world = World()
    world.queue._metrics = Told()
    config = world.registry.configs["f"]
    config.max_retries, config.on_failure, config.dlq = 1, QUEUE, DEAD
    world.delivery.errors = [AwsError("AccessDenied", "no", 403)] * 2
    world.answers(CRASH)
    world.queue.submit(InvokeRequest("f", qualifier="live"))
    await world.clock.advance(60)
    await world.queue.close()
    assert {arn for _, arn in told} == {f"{function_arn('f')}:live"}
    assert [what for what, _ in told] == [
        "received",
        "tried after 0 s",
        "tried after 60 s",
        "dropped",
        "no destination",
        "no dead letter",
    ]
