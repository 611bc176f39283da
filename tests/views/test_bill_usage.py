"""What a lab has used, in the units that AWS charges for."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.views.bill_time import Held, Spans
from labhelpers.views.bill_usage import Usage
from tests.views.accounts import COPIER, RECORDS, Writer

VERSION = f"{COPIER}:1"


def used(*made: tuple[str, str, dict[str, Any]]) -> Usage:
    """The usage after these entries, one a second, on a clock that goes as real time does."""
    write = Writer()
    for kind, resource, detail in made:
        write(kind, resource, "r", **detail)
    usage = Usage(float)
    assert usage.add_all(write.entries)
    return usage


def ended(resource: str = COPIER, environment: str = "e1", **detail: Any) -> tuple[str, str, dict[str, Any]]:
    """A call's end: of 128 MB and 100 ms if not said otherwise."""
    return (
        "invoke.ended",
        resource,
        {"environment": environment, "memory_mb": 128, "billed_ms": 100, **detail},
    )


def api_call(service: str, call: str, status: int = 200) -> tuple[str, str, dict[str, Any]]:
    """A call of AWS's API."""
    return "api.call", "", {"service": service, "call": call, "status": status}


def test_calls_count_for_the_version_that_ran() -> None:
    """Also those by an alias; memory times billed time is added up."""
    state = ("environment.state", VERSION, {"environment": "e1", "state": "INIT", "provisioned": False})
    usage = used(state, ended(f"{COPIER}:live"), ended(f"{COPIER}:live", billed_ms=300))
    assert list(usage.calls) == [(VERSION, False)]
    assert usage.calls[VERSION, False].calls == 2
    assert usage.calls[VERSION, False].gb_seconds == pytest.approx(0.05)


def test_provisioned_environments_are_held_and_their_calls_are_apart() -> None:
    """From the first state to the end; what is kept of an environment goes with it."""
    detail = {"environment": "e1", "provisioned": True}
    usage = used(
        ("environment.state", VERSION, {**detail, "state": "INIT"}),
        ("environment.state", VERSION, {**detail, "state": "IDLE"}),
        ended(f"{COPIER}:live"),
    )
    assert list(usage.calls) == [(VERSION, True)]
    assert usage.is_running
    assert usage.held.seconds(1.7e9 + 701) == {VERSION: 900}
    usage.add_all(
        [
            {
                "seq": 4,
                "at": 1.7e9 + 4,
                "kind": "environment.state",
                "resource": VERSION,
                "detail": {**detail, "state": "ENDED"},
            }
        ]
    )
    assert not usage.is_running
    assert usage.held.seconds(1.7e9 + 9_999) == {VERSION: 300}


def test_requests_that_the_gateway_refuses_are_apart() -> None:
    """Those for keys, limits and permissions; a request that a validator refuses counts as all others."""
    rest = [("gateway.request", "", {"api": "REST", "response_type": kind}) for kind in ("THROTTLED", "")]
    invalid = ("gateway.request", "", {"api": "REST", "response_type": "BAD_REQUEST_BODY", "cache": "MISS"})
    http = [("gateway.request", "", {"api": "HTTP"} | more) for more in ({}, {"refused": "UNAUTHORIZED"})]
    usage = used(*rest, invalid, *http)
    counts = {"REST": 2, "REST refused": 1, "HTTP": 1, "HTTP refused": 1, "cache": 1}
    assert usage.counts == counts


def test_messages_are_metered_by_32_kb_and_connections_by_time() -> None:
    """Both ways; a connection that was refused has no time."""
    usage = used(
        ("websocket.connected", "", {"connection": "a", "status": 200}),
        ("websocket.connected", "", {"connection": "b", "status": 403}),
        ("websocket.message", "", {"connection": "a", "size": 33 * 1024}),
        ("websocket.sent", "", {"connection": "a", "size": 2}),
        ("websocket.disconnected", "", {"connection": "a"}),
        ("websocket.disconnected", "", {"connection": "a"}),
    )
    assert usage.counts["messages"] == 3
    assert usage.connections.seconds(2e9) == {"": 4}
    assert not usage.is_running


def test_database_is_charged_while_it_is_up_and_its_storage_also_when_it_is_stopped() -> None:
    """Ten minutes at least each time; nothing while it is made, and after it is gone."""
    states = ["creating", "available", "rebooting", "available", "stopping", "stopped"]
    usage = used(*[("database.state", RECORDS, {"state": state}) for state in states])
    assert usage.databases.seconds(1.7e9 + 5_000) == {RECORDS: 600}
    assert usage.storage.seconds(1.7e9 + 5_002) == {RECORDS: 5_000}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("PUT /bucket", "s3.put"),
        ("PUT /bucket/a/key", "s3.put"),
        ("POST /bucket/key", "s3.put"),
        ("GET /", "s3.put"),
        ("GET /bucket", "s3.put"),
        ("GET /bucket/key", "s3.get"),
        ("HEAD /bucket", "s3.get"),
        ("HEAD /bucket/key", "s3.get"),
        ("DELETE /bucket/key", ""),
    ],
)
def test_requests_to_s3_are_of_two_kinds(call: str, name: str) -> None:
    """Writing and listing is dearer than reading; deleting is free."""
    assert used(api_call("s3", call)).counts == ({name: 1} if name else {})


def test_errors_count_if_they_are_the_callers() -> None:
    """AWS: S3 charges for answers of 200 and 4XX, not of 5XX."""
    calls = [api_call("s3", "GET /bucket/key", status) for status in (200, 404, 503)]
    assert used(*calls).counts == {"s3.get": 2}


def test_queues_are_charged_for_what_the_poller_asks_too() -> None:
    """Receive for each batch, and delete where there was something to delete."""
    polled = [("sqs.poll", "q", {}), ("sqs.batch", "q", {"deleted": 2}), ("sqs.batch", "q", {"deleted": 0})]
    assert used(api_call("sqs", "SendMessage"), *polled).counts == {"sqs": 3}


def test_other_services_keep_their_calls() -> None:
    """Those that are free, such as changing a function, are not among them."""
    usage = used(
        api_call("dynamodb", "PutItem"), api_call("lambda", "POST /functions"), api_call("sns", "Publish")
    )
    assert (usage.others, usage.counts) == ({"dynamodb": 1}, {"sns": 1})


def test_events_of_services_are_apart() -> None:
    """Only those that a program sends cost for sure."""
    usage = used(*[("events.put", "bus", {"source": source}) for source in ("shop", "aws.s3", "shop")])
    assert usage.counts == {"custom events": 2, "service events": 1}


def test_what_the_journal_has_forgotten_is_told() -> None:
    """At its beginning and in between."""
    usage = Usage(float)
    entry = {"at": 1.0, "kind": "log", "resource": "", "detail": {"message": "ä"}}
    usage.add_all([{**entry, "seq": 5}, {**entry, "seq": 6}, {**entry, "seq": 9}])
    assert (usage.missed, usage.log_bytes) == (6, 6)
    assert not usage.add_all([{**entry, "seq": 10, "kind": "clock.step"}])


def test_many_calls_leave_no_more_than_few() -> None:
    """Sums, not entries: what is kept does not grow with the journal."""
    usage = Usage(float)
    for seq in range(1, 3001):
        detail = {"environment": f"e{seq // 3}", "state": "INIT", "memory_mb": 128, "billed_ms": 1}
        kind = ("environment.state", "invoke.ended", "environment.state")[seq % 3]
        detail["state"] = "INIT" if seq % 3 == 0 else "ENDED"
        usage.add_all([{"seq": seq, "at": float(seq), "kind": kind, "resource": VERSION, "detail": detail}])
    assert len(usage._environments) <= 1
    assert list(usage.calls) == [(VERSION, False)]


def test_span_is_as_long_as_its_least() -> None:
    """For each time that it was on."""
    spans = Spans(least_s=10)
    spans.on("a", 0, group="g")
    spans.on("a", 5, group="g")
    spans.off("a", 7)
    spans.on("b", 20, group="g")
    assert spans.seconds(50) == {"g": 40}


def test_period_of_environments_is_rounded_up_once() -> None:
    """By the most that were there; one that is replaced does not begin a period of its own."""
    held = Held(step_s=300)
    held.on("v", "a", 0)
    held.on("v", "b", 0)
    held.off("v", "a", 100)
    held.on("v", "c", 100)
    held.off("v", "unknown", 150)
    assert held.seconds(200) == {"v": 600}
    held.off("v", "b", 250)
    held.off("v", "c", 250)
    assert held.seconds(10_000) == {"v": 600}
