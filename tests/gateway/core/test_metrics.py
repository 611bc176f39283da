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


def test_meter_counts_requests_under_each_of_its_names() -> None:
    """Errors of both kinds as averages of 0 and 1; integrations only where there was one."""
    given: list[list[dict[str, Any]]] = []
    metrics = Metrics(lambda namespace, data: given.append(data), lambda: 60.0)
    api = DIMENSIONS[:1]
    meter = metrics.meter(api, DIMENSIONS, client_errors="4xx", server_errors="5xx")
    meter.count(200, 5.0, 4.0, 10)
    meter.count(404, 1.0, None, 20)
    metrics.flush()
    (data,) = given
    found = {(len(d["Dimensions"]), d["MetricName"]): d["StatisticValues"] for d in data}
    assert len(found) == 12
    for size in (1, 2):
        assert found[size, "Count"] == {"SampleCount": 2, "Sum": 2.0, "Minimum": 1.0, "Maximum": 1.0}
        assert found[size, "4xx"] == {"SampleCount": 2, "Sum": 1.0, "Minimum": 0.0, "Maximum": 1.0}
        assert found[size, "5xx"] == {"SampleCount": 2, "Sum": 0.0, "Minimum": 0.0, "Maximum": 0.0}
        assert found[size, "Latency"] == {"SampleCount": 2, "Sum": 6.0, "Minimum": 1.0, "Maximum": 5.0}
        assert found[size, "IntegrationLatency"]["SampleCount"] == 1
        assert found[size, "DataProcessed"]["Sum"] == 30.0


def test_meter_keeps_minutes_apart() -> None:
    """What was counted in a minute stands under its time, also when it is handed over later."""
    given: list[list[dict[str, Any]]] = []
    now = 60.0
    metrics = Metrics(lambda namespace, data: given.append(data), lambda: now)
    meter = metrics.meter(DIMENSIONS, client_errors="4XXError", server_errors="5XXError")
    meter.count(200, 1.0, None, 0)
    now = 120.0
    meter.count(500, 1.0, None, 0)
    metrics.flush()
    (data,) = given
    assert {d["Timestamp"] for d in data} == {60, 120}
    errors = [d["StatisticValues"]["Sum"] for d in data if d["MetricName"] == "5XXError"]
    assert errors == [0.0, 1.0]
