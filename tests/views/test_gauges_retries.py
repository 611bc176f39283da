"""What waits for its next try, read from recorded runs; and how each ends."""

from __future__ import annotations

import time
from typing import Any

import pytest

from labhelpers.views.gauges_clock import LabClock, Reading
from labhelpers.views.gauges_retries import Retries, name_of
from labhelpers.views.gauges_retry_list import ENDED_KEPT, WAITING_KEPT, Retry, State
from tests.fakes import settle
from tests.triggers.test_event_bus import BUSY, DEAD, QUEUE, Buses, rule
from tests.views.gauges_lab import recorded

DEAD_LETTERS = "arn:aws:sqs:us-east-1:123456789012:dead-letters"


class Run:
    """A recorded run, entry by entry."""

    def __init__(self, entries: list[dict[str, Any]], ahead_s: float = 0.0) -> None:
        self.entries = entries
        began = entries[0]["at"]
        self.clock = LabClock(Reading(began, began + ahead_s))
        self.retries = Retries(self.clock)

    def until(self, kind: str, times: int = 1) -> dict[str, Any]:
        """Take entries up to the one of that kind, the `times`-th from here; it is the answer."""
        while True:
            entry = self.entries.pop(0)
            self.clock.add(entry)
            self.retries.add(entry)
            times -= entry["kind"] == kind
            if not times:
                return entry

    def all(self) -> Retries:
        """Take all that is left."""
        for entry in self.entries:
            self.clock.add(entry)
            self.retries.add(entry)
        return self.retries


def test_event_waits_for_its_second_and_third_try_on_the_lab_s_clock() -> None:
    """One minute after the first failure, two after the second, counted from what the clock read then."""
    run = Run(recorded("events"))
    failed = run.until("invoke.retry_in")
    (waits,) = run.retries.waiting
    assert (waits.source, waits.target, waits.tries) == ("asynchronous event", "mail", 1)
    assert (waits.state, waits.reason) == (State.WAITING, "RuntimeError")
    assert waits.due == pytest.approx(failed["at"] + 60)
    run.until("clock.step")
    run.until("invoke.attempt")
    assert (run.retries.waiting[-1].state, run.retries.waiting[-1].tries) == (State.RUNNING, 2)
    again = run.until("invoke.retry_in")
    waits = next(retry for retry in run.retries.waiting if retry.id == again["request_id"])
    assert waits.due == pytest.approx(again["at"] + 61 + 120, abs=0.1)


def test_event_that_is_dropped_ends_in_the_dead_letter_queue() -> None:
    """Where the function has none by that ARN, it is a destination's record."""
    run = Run(recorded("events"))
    run.retries.dead_letters = {DEAD_LETTERS}
    run.until("invoke.dropped")
    (ended,) = run.retries.ended
    assert (ended.state, ended.end) == (State.DROPPED, "dropped after 3 tries (RetriesExhausted)")
    run.until("invoke.delivered")
    assert run.retries.ended[0].state is State.DEAD_LETTER
    assert run.retries.ended[0].end.endswith("; the event is in dead-letter queue dead-letters")
    other = Run(recorded("events"))
    other.until("invoke.delivered")
    assert other.retries.ended[0].state is State.DESTINATION


def test_event_that_succeeds_after_all_says_at_which_try() -> None:
    """And events that succeed at once are never listed."""
    retries = Run(recorded("events")).all()
    assert not retries.waiting
    assert [(retry.state, retry.end) for retry in retries.ended][:1] == [
        (State.SUCCEEDED, "succeeded at try 2")
    ]
    assert len(retries.ended) == 3
    once = Retries(LabClock(Reading(0.0, 0.0)))
    for kind, detail in (("invoke.attempt", {"n": 1}), ("invoke.ended", {"status": "success"})):
        once.add({"at": 0.0, "kind": kind, "resource": "f", "request_id": "r", "detail": detail})
    assert (once.waiting, once.ended) == ((), ())


def test_messages_that_go_back_wait_for_their_visibility_timeout() -> None:
    """Of a batch of three two fail; then one of these succeeds, the other goes to the dead-letter queue."""
    run = Run(recorded("messages"))
    back = run.until("sqs.batch")
    first, second = run.retries.waiting
    assert {first.due, second.due} == {back["detail"]["visible_at"]}
    assert (first.source, first.target, first.tries) == ("message", "orders", 1)
    assert first.what.endswith(" in queue orders") and first.reason == "batchItemFailures"
    run.until("sqs.poll")
    assert {(retry.state, retry.tries) for retry in run.retries.waiting} == {(State.RUNNING, 2)}
    run.until("sqs.batch")
    assert [retry.state for retry in run.retries.waiting] == [State.WAITING]
    assert [retry.end for retry in run.retries.ended] == ["succeeded at try 2"]
    retries = run.all()
    assert not retries.waiting
    assert (retries.ended[0].state, retries.ended[0].end) == (
        State.DEAD_LETTER,
        "moved to dead-letter queue dead-letters after 2 tries",
    )


def test_batch_of_a_stream_is_split_tried_again_given_up_or_succeeds() -> None:
    """Each half is a batch by itself; the one that is given up tells its destination."""
    run = Run(recorded("batches"))
    run.until("kinesis.bisect")
    assert [retry.state for retry in run.retries.ended] == [State.SPLIT]
    failed = run.until("kinesis.retry_in")
    (waits,) = run.retries.waiting
    assert (waits.what, waits.target, waits.tries) == ("of 1 record from clicks", "clicks", 1)
    assert waits.due == pytest.approx(failed["at"] + 0.25)
    run.until("kinesis.retry_in")
    assert (run.retries.waiting[0].tries, len(run.retries.waiting)) == (2, 1)
    run.until("kinesis.destination")
    assert run.retries.ended[0].end == (
        "given up after 3 tries (RetryAttemptsExhausted); the record is at destination dead-letters"
    )
    retries = run.all()
    assert not retries.waiting
    assert (retries.ended[0].state, retries.ended[0].end) == (State.SUCCEEDED, "succeeded at try 3")


def test_batch_whose_items_fail_waits_though_the_function_returned() -> None:
    """Whichever comes first in the journal: the end of the call, or the word that there is another try."""
    entries = [
        entry for entry in recorded("batches") if entry["kind"] in ("kinesis.poll", "kinesis.retry_in")
    ]
    waits = next(entry for entry in entries if entry["kind"] == "kinesis.retry_in")
    ended = {**waits, "kind": "invoke.ended", "detail": {"status": "success"}}
    retries = Retries(LabClock(Reading(0.0, 0.0)))
    for entry in (waits, ended):
        retries.add(entry)
    assert [retry.state for retry in retries.waiting] == [State.WAITING]
    poll = {**waits, "kind": "kinesis.poll", "request_id": "next"}
    for entry in (poll, {**ended, "request_id": "next"}, {**waits, "request_id": "next"}):
        retries.add(entry)
    assert [(retry.state, retry.tries) for retry in retries.waiting] == [(State.WAITING, 2)]
    assert not retries.ended


@pytest.mark.parametrize(
    ("name", "kind", "end"),
    [
        ("messages", "sqs.batch", "left in the queue after 1 try: the mapping was deleted"),
        ("batches", "kinesis.retry_in", "given up after 1 try: the mapping was deleted"),
    ],
)
def test_nothing_waits_for_a_mapping_that_was_deleted(name: str, kind: str, end: str) -> None:
    """Of this mapping only."""
    run = Run(recorded(name))
    last = run.until(kind)
    detail = last["detail"]
    gone = {"uuid": "another", "destination": detail.get("destination", "") + "-2"}
    run.retries.add({**last, "kind": "mapping.deleted", "detail": gone})
    assert len(run.retries.waiting) == (2 if name == "messages" else 1)
    gone = {
        "uuid": detail.get("mapping", "u"),
        "destination": detail.get("destination", detail.get("function")),
    }
    run.retries.add({**last, "kind": "mapping.deleted", "detail": gone})
    assert not run.retries.waiting
    assert run.retries.ended[0].end == end


@pytest.mark.parametrize(("dead_letters", "state"), [(True, State.DEAD_LETTER), (False, State.DROPPED)])
async def test_delivery_of_a_rule_is_tried_until_its_policy_ends(dead_letters: bool, state: State) -> None:
    """From a real event bus whose target is busy: after 1 and 2 seconds, then the dead-letter queue or nothing."""
    buses = Buses()
    target: dict[str, Any] = {"Arn": QUEUE, "RetryPolicy": {"MaximumRetryAttempts": 2}}
    if dead_letters:
        target["DeadLetterConfig"] = {"Arn": DEAD}
    buses.rules(rule(target))
    buses.delivery.errors = [BUSY] * 3
    await buses.put()
    retries = Retries(LabClock(Reading(time.time(), buses.clock.now())))
    seen = 0

    def follow() -> None:
        nonlocal seen
        for entry in buses.journal.since(seen):
            retries.add(entry.as_dict())
            seen = entry.seq

    follow()
    (waits,) = retries.waiting
    assert (waits.source, waits.what, waits.target) == ("event", "e-1 by rule r", "q")
    assert waits.due == pytest.approx(buses.clock.now() + 1, abs=0.5)
    await buses.clock.advance(1)
    follow()
    assert retries.waiting[0].tries == 2
    await buses.clock.advance(2)
    await settle()
    follow()
    assert not retries.waiting
    assert (retries.ended[0].state, retries.ended[0].tries) == (state, 3)
    assert retries.ended[0].end.endswith("after 3 tries")
    await buses.bus.close()


def test_run_of_a_schedule_is_tried_again() -> None:
    """It has the execution's id, and succeeds when it is delivered."""
    detail = {
        "destination": "arn:aws:sqs:us-east-1:1:q",
        "execution": "x-1",
        "seconds": 4.0,
        "reason": "Busy",
    }
    arn = "arn:aws:scheduler:us-east-1:1:schedule/default/nightly"
    entry = {"at": 10.0, "resource": arn, "request_id": "", "detail": detail}
    retries = Retries(LabClock(Reading(0.0, 100.0)))
    retries.add({**entry, "kind": "scheduler.notification", "detail": {**detail, "execution": "other"}})
    retries.add({**entry, "kind": "scheduler.retry_in"})
    (waits,) = retries.waiting
    assert (waits.what, waits.due) == ("x-1 of schedule nightly", 114.0)
    retries.add({**entry, "kind": "scheduler.notification"})
    assert (retries.waiting, retries.ended[0].end) == ((), "succeeded at try 2")


def test_too_many_are_counted() -> None:
    """Waiting and ended ones are bounded; those left out are told of."""
    retries = Retries(LabClock(Reading(0.0, 0.0)))
    for number in range(WAITING_KEPT + 7):
        retries.put(Retry(str(number), "event", "", "", 1, due=float(number)))
    assert (len(retries.waiting), retries.forgotten) == (WAITING_KEPT, 7)
    for number in range(WAITING_KEPT):
        retries.change(str(number + 7), State.DROPPED)
    assert (len(retries.ended), len(retries.waiting)) == (ENDED_KEPT, 0)


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:lambda:us-east-1:1:function:f:live", "f:live"),
        ("arn:aws:sqs:us-east-1:1:orders", "orders"),
        ("arn:aws:kinesis:us-east-1:1:stream/clicks", "clicks"),
        ("arn:aws:dynamodb:us-east-1:1:table/t/stream/2026", "t"),
        ("arn:aws:events:us-east-1:1:event-bus/shop", "shop"),
        ("arn:aws:s3:::inbox", "inbox"),
    ],
)
def test_things_are_called_by_their_names(arn: str, name: str) -> None:
    """Not by their ARNs."""
    assert name_of(arn) == name
