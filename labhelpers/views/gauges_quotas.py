"""What is used and left of usage plans' quotas, and when they begin anew: get_usage and the lab's clock; pure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from labhelpers.views.gauges_settings import Plan

DAY, WEEK, MONTH = "DAY", "WEEK", "MONTH"

# Usage of a plan: for each key's id, for each day from the period's first on, how many were used and remain.
Items = Mapping[str, Sequence[Sequence[int]]]


@dataclass(frozen=True, slots=True)
class Quota:
    """The quota of one key: `used` and `left` of `limit` requests a `period`; it begins anew at `resets_at`.

    `left` may be more than limit - used, where update_usage has granted more. Times are epoch seconds of the lab.
    """

    id: str
    owner: str
    limit: int
    period: str
    used: int
    left: int
    resets_at: float


def period_of(lab_now: float, period: str) -> tuple[date, date]:
    """The first day of the period that the lab's clock is in, and the first of the next; days are UTC's."""
    today = datetime.fromtimestamp(lab_now, UTC).date()
    if period == WEEK:
        start = today - timedelta(today.weekday())
        return start, start + timedelta(7)
    if period == MONTH:
        start = today.replace(day=1)
        return start, (start + timedelta(31)).replace(day=1)
    return today, today + timedelta(1)


def build_quotas(plans: Iterable[Plan], usage: Mapping[str, Items], lab_now: float) -> tuple[Quota, ...]:
    """The quotas of all keys; `usage` are the items of get_usage by plan, from the period's first day to today."""
    found = []
    for plan in plans:
        if plan.quota is None:
            continue
        _, ends = period_of(lab_now, plan.quota.period)
        for key, name in plan.keys.items():
            days = usage.get(plan.id, {}).get(key) or [[0, plan.quota.limit]]
            found.append(
                Quota(
                    f"{plan.id} {key}",
                    f"plan {plan.name}, key {name}",
                    plan.quota.limit,
                    plan.quota.period,
                    sum(day[0] for day in days),
                    days[-1][1],
                    datetime(ends.year, ends.month, ends.day, tzinfo=UTC).timestamp(),
                )
            )
    return tuple(sorted(found, key=lambda quota: quota.owner))


def counts_against_a_quota(entry: Mapping[str, Any]) -> bool:
    """Whether this entry of the journal is a request with an API key."""
    return entry["kind"] == "gateway.request" and "api_key_id" in entry["detail"]
