"""What became of asynchronous events, from journal entries."""

from typing import Any

from labhelpers.course.async_events import DROPPED, PENDING, REPORTED, SUCCEEDED, read_outcomes

ARN = "arn:aws:lambda:us-east-1:123456789012:function:copier"


def entry(kind: str, request_id: str = "one", **detail: Any) -> dict[str, Any]:
    """A journal entry."""
    return {"kind": f"invoke.{kind}", "resource": ARN, "request_id": request_id, "detail": detail}


def crashed(request_id: str = "one") -> list[dict[str, Any]]:
    """A try that ends in a crash."""
    return [
        entry("attempt", request_id, n=1),
        entry("ended", request_id, status="error", error_type="Runtime.ExitError"),
    ]


def test_event_is_pending_until_it_ends() -> None:
    """A crash with another try to come is no end."""
    (event,) = read_outcomes(
        [entry("queued"), *crashed(), entry("retry_in", seconds=60, reason="Runtime.ExitError")]
    )
    assert (event.function, event.outcome, event.tries, event.last_error) == (
        "copier",
        PENDING,
        1,
        "Runtime.ExitError",
    )


def test_event_succeeds_at_any_try() -> None:
    """The tries are counted, and the last one decides."""
    (event,) = read_outcomes(
        [entry("queued"), *crashed(), entry("attempt", n=2), entry("ended", status="success")]
    )
    assert (event.outcome, event.tries) == (SUCCEEDED, 2)


def test_event_given_up_is_reported_once_its_report_is_delivered() -> None:
    """Without a destination an event is dropped, with one it is reported."""
    lost = [entry("queued"), *crashed(), entry("dropped", condition="RetriesExhausted", attempts=3)]
    delivered = entry("delivered", condition="RetriesExhausted")
    assert [read_outcomes(entries)[0].outcome for entries in (lost, [*lost, delivered])] == [
        DROPPED,
        REPORTED,
    ]


def test_record_of_success_does_not_change_the_outcome() -> None:
    """A destination may hear of successes too."""
    (event,) = read_outcomes(
        [entry("queued"), entry("ended", status="success"), entry("delivered", condition="Success")]
    )
    assert event.outcome == SUCCEEDED


def test_synchronous_calls_are_left_out() -> None:
    """A call whose caller waits is no event of Lambda's queue."""
    assert not read_outcomes([entry("ended", "two", status="success")])


def test_events_stay_in_the_order_of_their_acceptance() -> None:
    """One line for each event, oldest first."""
    entries = [entry("queued", "b"), entry("queued", "a"), entry("ended", "a", status="success")]
    assert [(event.request_id, event.outcome) for event in read_outcomes(entries)] == [
        ("b", PENDING),
        ("a", SUCCEEDED),
    ]
