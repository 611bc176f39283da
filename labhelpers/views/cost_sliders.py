"""Sliders for memory, duration and requests: a month's bill as a function, beside one as a server."""

from __future__ import annotations

from typing import Any

import traitlets

from labhelpers.pricing import instance_types
from labhelpers.views.cost_data import DURATIONS_MS, MEMORIES_MB, REQUESTS, Costs, build_costs, costs_text
from labhelpers.views.view import View, script, style


class CostSliders(View):
    """The two bills, and where they meet. `costs` holds what is chosen; the arguments are where the sliders begin.

    `instance_type` is an EC2 instance type that has a price. LabError for one without, or for figures below 1.
    """

    _esm = script("cost_sliders")
    _css = style("cost_sliders")

    choices: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    choice: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    data: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        memory_mb: int = 128,
        billed_ms: int = 100,
        requests: int = 1_000_000,
        instance_type: str = "t3.micro",
        *,
        free_tier: bool = False,
    ) -> None:
        self.costs: Costs = build_costs(memory_mb, billed_ms, requests, instance_type, free_tier=free_tier)
        choice = {
            "memory_mb": memory_mb,
            "billed_ms": billed_ms,
            "requests": requests,
            "instance_type": instance_type,
            "free_tier": free_tier,
        }
        choices = {
            "memory_mb": _with(MEMORIES_MB, memory_mb),
            "billed_ms": _with(DURATIONS_MS, billed_ms),
            "requests": _with(REQUESTS, requests),
            "instance_type": list(instance_types()),
        }
        super().__init__(choices=choices, choice=choice, data=self.costs.as_json())
        self.observe(self._on_choice, "choice")

    def to_text(self) -> str:
        """Both bills, the break-even point, and where the prices come from."""
        return costs_text(self.costs)

    def _on_choice(self, _: Any) -> None:
        with self.showing_errors("No bill"):
            self.costs = build_costs(**self.choice)
            self.data = self.costs.as_json()


def _with(stops: tuple[int, ...], value: int) -> list[int]:
    """The slider's stops, and the value that it begins with."""
    return sorted({*stops, value})
