"""Statistics as CloudWatch defines them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from labhelpers.cloud.metric_statistics import Portion, datapoint, periods, statistic
from labhelpers.errors import NotEmulated
from labhelpers.metrics import bin_of

START = datetime(2026, 11, 1, 12, 3, tzinfo=UTC)


def of(*values: float, minute: int = 0, bins: bool = True) -> Portion:
    """The portion that some values of one minute come to."""
    counted = Counter(bin_of(value) for value in values) if bins else {}
    at = START + timedelta(minutes=minute)
    return Portion(at, len(values), sum(values), min(values), max(values), "Count", counted)


def test_periods_count_from_the_start_of_the_question() -> None:
    """Values outside of it are left out, and a period without values has no datapoint."""
    portions = [of(1, minute=-1), of(2, minute=0), of(3, minute=4), of(4, minute=11), of(5, minute=15)]
    found = periods(portions, START, START + timedelta(minutes=15), 300)
    assert [(at, [portion.total for portion in some]) for at, some in found] == [
        (START, [2, 3]),
        (START + timedelta(minutes=10), [4]),
    ]


def test_statistics_are_those_of_all_values() -> None:
    """An average is weighted by how many values each portion has."""
    portions = [of(1, 2, 3), of(10)]
    names = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
    assert [statistic(portions, name) for name in names] == [4, 16, 4, 1, 10]
    found = datapoint(START, portions, ["Sum", "p50"])
    assert (found.sum, found.average, found.unit) == (16, None, "Count")
    assert found.extended_statistics == {"p50": pytest.approx(2, rel=0.02)}


def test_percentiles() -> None:
    """The value below which so many lie, never outside of what there was; unknown where only sums are known."""
    many = [of(*range(1, 51)), of(*range(51, 101), minute=1)]
    assert statistic(many, "p90") == pytest.approx(90, rel=0.02)
    assert statistic(many, "p100") == 100
    assert statistic(many, "p0") == 1
    assert statistic([of(5), of(5, 5, bins=False)], "p99.9") == 5
    assert statistic([of(1, 2, bins=False)], "p50") is None


def test_other_statistics_are_refused_by_name() -> None:
    """CloudWatch has more of them."""
    with pytest.raises(NotEmulated, match="IQM"):
        statistic([of(1)], "IQM")
