"""What happens to functions becomes metrics with CloudWatch's names, dimensions and minutes."""

from __future__ import annotations

from typing import Any

from labhelpers.functions.function_metrics import NAMESPACE, FunctionMetrics

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
BY_NAME = (("FunctionName", "f"),)


class Kept:
    """CloudWatch's place: what was handed over, by dimensions, name and minute."""

    def __init__(self) -> None:
        self.now = 0.0
        self.data: dict[tuple[tuple[tuple[str, str], ...], str, int], dict[str, Any]] = {}
        self.metrics = FunctionMetrics(self.put, lambda: self.now)

    def put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        assert namespace == NAMESPACE
        for datum in data:
            dimensions = tuple((one["Name"], one["Value"]) for one in datum["Dimensions"])
            key = dimensions, datum["MetricName"], datum["Timestamp"]
            assert key not in self.data, "handed over in one piece"
            self.data[key] = datum["StatisticValues"]

    def sum(self, name: str, minute: int = 0, dimensions: tuple[tuple[str, str], ...] = BY_NAME) -> float:
        return float(self.data[dimensions, name, minute * 60]["Sum"])

    def most(self, name: str, minute: int = 0, dimensions: tuple[tuple[str, str], ...] = BY_NAME) -> float:
        return float(self.data[dimensions, name, minute * 60]["Maximum"])


def test_invocation_counts_where_it_began() -> None:
    """Errors and throttles have a zero for each good call, so that their average is a rate."""
    kept = Kept()
    kept.now = 61.0
    kept.metrics.ended(ARN, "$LATEST", 2_000, False)
    kept.metrics.ended(ARN, "$LATEST", 500, True)
    kept.metrics.throttled(ARN, "$LATEST")
    kept.metrics.flush()
    assert kept.sum("Invocations") == 1 and kept.sum("Errors") == 0
    assert kept.sum("Duration", 1) == 500 and kept.sum("Errors", 1) == 1
    assert kept.data[BY_NAME, "Throttles", 60] == {"SampleCount": 2, "Sum": 1, "Minimum": 0, "Maximum": 1}


def test_dimensions_say_how_it_was_called() -> None:
    """Across all functions, by name, by resource; the version that ran only where an alias chose it."""
    kept = Kept()
    for arn, version in ((ARN, "$LATEST"), (f"{ARN}:3", "3"), (f"{ARN}:live", "3")):
        kept.metrics.ended(arn, version, 1, False)
    kept.metrics.flush()
    invocations = {key[0]: value["Sum"] for key, value in kept.data.items() if key[1] == "Invocations"}
    name = BY_NAME[0]
    assert invocations == {
        (): 3,
        (name,): 3,
        (name, ("Resource", "f")): 1,
        (name, ("Resource", "f:3")): 1,
        (name, ("Resource", "f:live")): 1,
        (name, ("Resource", "f:live"), ("ExecutedVersion", "3")): 1,
    }


def test_concurrency_is_the_most_of_each_minute() -> None:
    """Of each function, of all together, and of those without reserved concurrency."""
    kept = Kept()
    kept.metrics.set_apart = lambda: 100
    for calls in (1, 2, 3, 1):
        kept.metrics.running("f", calls, calls + 4, calls + 2)
    kept.now = 60.0
    kept.metrics.running("f", 1, 1, 0)
    kept.metrics.flush()
    assert [kept.most("ConcurrentExecutions", minute) for minute in (0, 1)] == [3, 1]
    assert kept.most("ConcurrentExecutions", dimensions=()) == 7
    assert kept.most("UnreservedConcurrentExecutions", dimensions=()) == 5
    assert kept.most("ClaimedAccountConcurrency", dimensions=()) == 105


def test_events_and_records() -> None:
    """What only some functions have."""
    kept = Kept()
    kept.metrics.event_received(ARN)
    kept.metrics.event_tried(ARN, 61.5)
    kept.metrics.event_dropped(ARN)
    kept.metrics.not_delivered(ARN, dead_letter=True)
    kept.metrics.not_delivered(ARN, dead_letter=False)
    kept.metrics.records_read(ARN, 17)
    kept.metrics.recursion_dropped(ARN)
    kept.metrics.provisioned(f"{ARN}:live", "1", used=True, busy=1, allocated=2)
    kept.metrics.provisioned(f"{ARN}:live", "1", used=False, busy=2, allocated=2)
    kept.metrics.flush()
    found = {key[1]: value["Sum"] for key, value in kept.data.items() if key[0] == BY_NAME}
    assert found == {
        "AsyncEventsReceived": 1,
        "AsyncEventAge": 61_500,
        "AsyncEventsDropped": 1,
        "DeadLetterErrors": 1,
        "DestinationDeliveryFailures": 1,
        "IteratorAge": 17,
        "RecursiveInvocationsDropped": 1,
        "ProvisionedConcurrencyInvocations": 1,
        "ProvisionedConcurrencySpilloverInvocations": 1,
        "ProvisionedConcurrentExecutions": 3,
        "ProvisionedConcurrencyUtilization": 1.5,
    }


def test_lab_in_which_nobody_looks_does_not_grow_with_each_call() -> None:
    """What is kept of a minute is its sums."""
    kept = Kept()
    for number in range(50_000):
        kept.metrics.ended(ARN, "$LATEST", 1 + number % 10, False)
    assert len(kept.metrics._durations) == 1
    kept.metrics.flush()
    assert kept.sum("Invocations") == 50_000
