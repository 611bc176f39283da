"""Values of metrics, added up by the minute."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.metrics import MetricSums, Sums, bin_of, middle_of


def test_minutes_are_apart() -> None:
    """A datum for each minute, metric and set of dimensions; what was handed over is not handed over again."""
    got: list[tuple[str, list[dict[str, Any]]]] = []
    moment = [30.0]
    sums = MetricSums("Lab", lambda namespace, data: got.append((namespace, data)), lambda: moment[0])
    sums.add((("A", "1"),), "Count", 1)
    sums.add((("A", "1"),), "Count", 3)
    moment[0] = 61.0
    sums.add((("A", "1"),), "Count", 5)
    sums.flush()
    sums.flush()
    [(namespace, data)] = got
    assert namespace == "Lab"
    assert [(datum["Timestamp"], datum["StatisticValues"]["Sum"]) for datum in data] == [(0, 4), (60, 5)]
    assert "Bins" not in data[0]


def test_distribution_is_2_percent_fine() -> None:
    """A percentile is read off bins that are never further off than that; zero has a bin of its own."""
    for value in (0.001, 0.9, 1, 17.3, 900_000):
        assert middle_of(bin_of(value)) == pytest.approx(value, rel=0.011)
    assert middle_of(bin_of(0)) == 0


def test_merged_sums_are_those_of_all_values() -> None:
    """Also when one of the two has none."""
    one, other, empty = Sums(), Sums(), Sums()
    for value in (3, 1):
        one.add_to_distribution(value)
    other.add_to_distribution(7)
    one.merge(other)
    empty.merge(one)
    assert (empty.count, empty.total, empty.least, empty.most) == (3, 11, 1, 7)
    assert sum(empty.bins.values()) == 3
