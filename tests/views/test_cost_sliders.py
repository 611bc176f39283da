"""A month as a function and as a server: the bills, where they meet, and the sliders."""

from __future__ import annotations

import pytest

from labhelpers.errors import LabError
from labhelpers.pricing import function_dollars
from labhelpers.views.cost_data import DURATIONS_MS, MEMORIES_MB, REQUESTS, build_costs, verdict
from labhelpers.views.cost_sliders import CostSliders


@pytest.mark.parametrize(
    ("memory_mb", "billed_ms", "break_even"),
    [(128, 100, 18.6e6), (512, 200, 4.07e6), (1_024, 500, 0.89e6)],
)
def test_break_even_with_one_t3_micro(memory_mb: int, billed_ms: int, break_even: float) -> None:
    """The worked values; at that number of calls both bills are the same."""
    costs = build_costs(memory_mb, billed_ms, 1_000_000)
    assert costs.break_even == pytest.approx(break_even, rel=0.005)
    there = build_costs(memory_mb, billed_ms, round(costs.break_even))
    assert there.function_dollars == pytest.approx(there.server_dollars, rel=1e-4)
    assert verdict(there) == "Both cost about the same."


def test_bill_has_two_parts() -> None:
    """Requests, and memory times time; the server's is its hours."""
    costs = build_costs(1_024, 500, 2_000_000)
    assert costs.gb_seconds == 1_000_000
    assert costs.request_dollars == pytest.approx(0.40)
    assert costs.compute_dollars == pytest.approx(16.6667)
    assert costs.server_dollars == pytest.approx(7.592)
    assert verdict(costs) == "The server is cheaper: the other costs 2.2 times as much."


def test_free_tier_bends_the_line() -> None:
    """It is level until a million requests or 400,000 GB-seconds; the break-even point is where it meets the server."""
    costs = build_costs(1_024, 500, 700_000, free_tier=True)
    assert costs.function_dollars == 0
    assert "within the free tier" in verdict(costs)
    calls, dollars = zip(*costs.as_json()["line"], strict=True)
    assert calls[:3] == (0, 800_000, 1_000_000) and dollars[:2] == (0, 0)
    met = function_dollars(costs.break_even, costs.break_even * 0.5, free_tier=True)
    assert met == pytest.approx(costs.server_dollars)


def test_line_reaches_beyond_all_that_is_of_interest() -> None:
    """The break-even point and the calls that are chosen are on it."""
    for requests in (1_000, 1_000_000_000):
        costs = build_costs(128, 100, requests)
        assert costs.as_json()["line"][-1][0] > max(requests, costs.break_even)


def test_calls_at_once_say_whether_one_server_would_do() -> None:
    """A month has 2,628,000 seconds."""
    assert build_costs(128, 1_000, 2_628_000).at_once == pytest.approx(1)


def test_stops_are_within_lambda_s_limits() -> None:
    """The sliders offer nothing that AWS would refuse."""
    assert (MEMORIES_MB[0], MEMORIES_MB[-1]) == (128, 10_240)
    assert (DURATIONS_MS[0], DURATIONS_MS[-1]) == (1, 900_000)
    for stops in (MEMORIES_MB, DURATIONS_MS, REQUESTS):
        assert list(stops) == sorted(set(stops))


def test_sliders_follow_a_choice() -> None:
    """What the page chooses is priced; the text form says the same; a value between the stops is one of its own."""
    sliders = CostSliders(128, 123, 1_000_000)
    assert 123 in sliders.choices["billed_ms"]
    sliders.choice = {**sliders.choice, "memory_mb": 1_024, "billed_ms": 500}
    assert sliders.data["memory_mb"] == 1_024
    assert sliders.costs.compute_dollars == pytest.approx(8.3333, rel=1e-4)
    assert "function $8.53 a month (requests $0.20, 500,000 GB-seconds $8.33)" in sliders.to_text()
    assert "public price tables, seen 2024-2026" in sliders.to_text()
    sliders.close()


def test_what_has_no_price_is_refused() -> None:
    """When they are made, and shown in the view when the page asks for it."""
    with pytest.raises(LabError, match=r"no price for 'm5\.large'; there are t3\.nano"):
        CostSliders(instance_type="m5.large")
    with pytest.raises(LabError, match="above 0"):
        CostSliders(billed_ms=0)
    sliders = CostSliders()
    sliders.choice = {**sliders.choice, "instance_type": "m5.large"}
    assert "no price for 'm5.large'" in sliders.problem
    sliders.choice = {**sliders.choice, "instance_type": "t3.nano"}
    assert not sliders.problem
    sliders.close()
