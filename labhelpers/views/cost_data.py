"""What a month of calls costs as a function, beside a server that is up all month; pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from labhelpers.errors import LabError
from labhelpers.pricing import (
    FREE_GB_SECONDS,
    FREE_REQUESTS,
    HOURS_A_MONTH,
    break_even_requests,
    function_dollars,
    gb_seconds,
    instance_types,
    server_dollars_a_month,
)
from labhelpers.views.meters_data import price_sources

# What the sliders stop at.
MEMORIES_MB = (128, 192, 256, 384, 512, 768, 1_024, 1_536, 1_769, 2_048, 3_072, 4_096, 6_144, 8_192, 10_240)
DURATIONS_MS = (
    *(n * 10**power for power in range(5) for n in (1, 2, 5)),
    *(100_000, 200_000, 500_000, 900_000),
)
REQUESTS = (*(n * 10**power for power in range(3, 9) for n in (1, 2, 5)), 1_000_000_000)
_MONTH_S = HOURS_A_MONTH * 3_600


@dataclass(frozen=True, slots=True)
class Costs:
    """One month, in dollars. `break_even` is the number of such calls at which both cost the same.

    `at_once` is how many calls run at the same time on average: more than one server may be able to do.
    """

    memory_mb: int
    billed_ms: int
    requests: int
    instance_type: str
    free_tier: bool
    gb_seconds: float
    function_dollars: float
    request_dollars: float
    compute_dollars: float
    server_dollars: float
    break_even: float
    at_once: float

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        found = {"sources": price_sources(), "verdict": verdict(self), "line": function_line(self)}
        return {**asdict(self), **found}


def build_costs(
    memory_mb: int, billed_ms: int, requests: int, instance_type: str = "t3.micro", *, free_tier: bool = False
) -> Costs:
    """The two bills of a month; LabError for an instance type without a price, or a figure that is not above 0."""
    if min(memory_mb, billed_ms, requests) <= 0:
        raise LabError("memory, duration and requests must be above 0")
    if instance_type not in instance_types():
        raise LabError(f"no price for {instance_type!r}; there are {', '.join(instance_types())}")
    used = gb_seconds(memory_mb, billed_ms) * requests
    dollars = function_dollars(requests, used, free_tier=free_tier)
    request_dollars = function_dollars(requests, 0, free_tier=free_tier)
    return Costs(
        memory_mb,
        billed_ms,
        requests,
        instance_type,
        free_tier,
        used,
        dollars,
        request_dollars,
        dollars - request_dollars,
        server_dollars_a_month(instance_type),
        _break_even(memory_mb, billed_ms, instance_type, free_tier),
        requests * billed_ms / 1_000 / _MONTH_S,
    )


def _break_even(memory_mb: int, billed_ms: int, instance_type: str, free_tier: bool) -> float:
    """With the free tier there are two bends in the function's line, so the point is looked for."""
    if not free_tier:
        return break_even_requests(instance_type, memory_mb, billed_ms)
    wanted, each = server_dollars_a_month(instance_type), gb_seconds(memory_mb, billed_ms)
    low, high = 0.0, 1e13
    for _ in range(100):
        middle = (low + high) / 2
        if function_dollars(middle, each * middle, free_tier=True) < wanted:
            low = middle
        else:
            high = middle
    return high


def function_line(costs: Costs) -> list[tuple[float, float]]:
    """Calls a month and dollars, from no calls to beyond all that is of interest: the corners of a line."""
    each = gb_seconds(costs.memory_mb, costs.billed_ms)
    most = 1.25 * max(costs.requests, costs.break_even)
    bends = [FREE_REQUESTS, FREE_GB_SECONDS / each] if costs.free_tier else []
    corners = [0.0, *sorted(bend for bend in bends if bend < most), most]
    return [(calls, function_dollars(calls, each * calls, free_tier=costs.free_tier)) for calls in corners]


def verdict(costs: Costs) -> str:
    """Which of the two is cheaper, and by how much."""
    server, function = costs.server_dollars, costs.function_dollars
    if function == 0:
        return "The function costs nothing: all of it is within the free tier."
    times = max(server, function) / min(server, function)
    if times < 1.05:
        return "Both cost about the same."
    cheaper = "function" if function < server else "server"
    return f"The {cheaper} is cheaper: the other costs {times:,.1f} times as much."


def costs_text(costs: Costs) -> str:
    """Both bills as plain text."""
    free = ", after the free tier" if costs.free_tier else ""
    requests, compute = f"requests ${costs.request_dollars:,.2f}", f"${costs.compute_dollars:,.2f}"
    parts = f"({requests}, {costs.gb_seconds:,.0f} GB-seconds {compute})"
    return "\n".join(
        [
            f"{costs.requests:,} calls a month of {costs.billed_ms:,} ms with {costs.memory_mb:,} MB:",
            f"  function ${costs.function_dollars:,.2f} a month{free} {parts}",
            f"  one {costs.instance_type} ${costs.server_dollars:,.2f} a month, busy or not",
            f"  {verdict(costs)} Both cost the same at {costs.break_even:,.0f} calls a month.",
            f"  On average {costs.at_once:,.2f} calls run at the same time.",
            *price_sources(),
        ]
    )
