"""Execution metrics, before CloudWatch has them."""

from typing import Any

from labhelpers.gateway.metrics import NAMESPACE, Metrics

DIMENSIONS = (("ApiId", "a"), ("Stage", "s"))


def test_values_of_a_minute_are_one_datum() -> None:
    """Count, sum, least and most; the next minute is another."""
    given: list[tuple[str, list[dict[str, Any]]]] = []
    now = 120.0
    metrics = Metrics(lambda namespace, data: given.append((namespace, data)), lambda: now)
    for value in (3.0, 1.0, 2.0):
        metrics.add(DIMENSIONS, "Latency", value, "Milliseconds")
    now = 180.0
    metrics.add(DIMENSIONS, "Latency", 9.0, "Milliseconds")
    metrics.flush()
    ((namespace, data),) = given
    assert namespace == NAMESPACE and [datum["Timestamp"] for datum in data] == [120, 180]
    assert data[0] == {
        "MetricName": "Latency",
        "Dimensions": [{"Name": "ApiId", "Value": "a"}, {"Name": "Stage", "Value": "s"}],
        "Timestamp": 120,
        "Unit": "Milliseconds",
        "StatisticValues": {"SampleCount": 3, "Sum": 6.0, "Minimum": 1.0, "Maximum": 3.0},
    }


def test_what_was_handed_over_is_not_handed_over_again() -> None:
    """A second flush has only what came since."""
    given: list[Any] = []
    metrics = Metrics(lambda namespace, data: given.append(data), lambda: 0.0)
    metrics.flush()
    metrics.add(DIMENSIONS, "Count", 1.0)
    metrics.flush()
    metrics.flush()
    assert len(given) == 1
