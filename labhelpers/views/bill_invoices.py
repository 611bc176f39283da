"""Invoices for the customers of usage plans: what get_usage has counted, at prices that their owner sets; pure.

API Gateway counts requests by key; it knows no prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labhelpers.errors import LabError

# Of a key, for each day: how many requests were used, and how many remain.
Days = Sequence[Sequence[int]]
Prices = float | Mapping[str, float | Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class PlanPrice:
    """Dollars: `fee` for the plan with `included` requests, and `per_call` for each one beyond."""

    per_call: float
    fee: float = 0.0
    included: int = 0


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """What was used of a plan with one key. `customer` is the key's customerId, else its name."""

    plan: str
    customer: str
    key: str
    used: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """One customer's use of one plan, in dollars. `total` is None for a plan without a price."""

    plan: str
    customer: str
    keys: tuple[str, ...]
    used: int
    price: PlanPrice | None

    @property
    def total(self) -> float | None:
        """The fee, and the requests beyond what it includes; in whole cents."""
        if self.price is None:
            return None
        beyond = max(0, self.used - self.price.included)
        return round(self.price.fee + beyond * self.price.per_call, 2)

    @property
    def terms(self) -> str:
        """The price in words."""
        if self.price is None:
            return "no price"
        beyond = f"${self.price.per_call:g} a request"
        if not (self.price.fee or self.price.included):
            return beyond
        return f"fee ${self.price.fee:,.2f} with {self.price.included:,} requests, then {beyond}"


def plan_price(prices: Prices, plan: str) -> PlanPrice | None:
    """The price of a plan by its name; LabError for one that says something else than fee, included and per_call."""
    found: Any = prices if isinstance(prices, int | float) else prices.get(plan)
    if found is None:
        return None
    if isinstance(found, int | float):
        return PlanPrice(float(found))
    known = {"fee", "included", "per_call"}
    if not isinstance(found, Mapping) or not known >= set(found) or "per_call" not in found:
        raise LabError(
            f"the price of the plan {plan!r} is a number, or a dict with per_call and, if you like, fee and included; "
            f"not {found!r}"
        )
    return PlanPrice(float(found["per_call"]), float(found.get("fee", 0.0)), int(found.get("included", 0)))


def build_invoices(usage: Iterable[KeyUsage], prices: Prices) -> tuple[Invoice, ...]:
    """An invoice for each customer and plan; several keys of one customer are on the same."""
    found: dict[tuple[str, str], list[KeyUsage]] = {}
    for each in usage:
        found.setdefault((each.customer, each.plan), []).append(each)
    return tuple(
        Invoice(
            plan,
            customer,
            tuple(sorted(each.key for each in keys)),
            sum(each.used for each in keys),
            plan_price(prices, plan),
        )
        for (customer, plan), keys in sorted(found.items())
    )


def used_in(days: Days) -> int:
    """What was used in all of these days."""
    return sum(int(day[0]) for day in days)
