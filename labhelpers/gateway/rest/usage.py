"""API keys, usage plans, and what is used of their quotas. Throttles are token buckets, quotas go by the lab's clock.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from labhelpers.gateway.rest.store import Record, RestStore
from labhelpers.gateway.throttle import Throttle, Throttles

DAY, WEEK, MONTH = "DAY", "WEEK", "MONTH"


@dataclass(frozen=True, slots=True)
class Client:
    """Whose request it is: an API key in a usage plan of the stage."""

    key_id: str
    key: str
    plan: Mapping[str, Any]


@dataclass(slots=True)
class _Used:
    """What one key has used of one plan. `extra` are requests granted or taken by UpdateUsage, by period."""

    by_day: dict[date, int] = field(default_factory=dict)
    remaining: dict[date, int] = field(default_factory=dict)
    extra: dict[date, int] = field(default_factory=dict)
    first_period: date | None = None


class Usage:
    """Admits requests with API keys. Keys and plans are read as they are now: a change needs no deployment."""

    def __init__(self, store: RestStore, throttles: Throttles, now: Callable[[], float]) -> None:
        self._store = store
        self._throttles = throttles
        self._now = now
        self._used: dict[tuple[str, str], _Used] = {}

    def find(self, key: str, api_id: str, stage: str) -> Client | None:
        """The client behind a key's value; None unless it is enabled and in a plan of this stage."""
        record = next((each for each in self._store.keys.values() if each["value"] == key), None)
        if record is None or not record.get("enabled"):
            return None
        for plan_id, keys in self._store.plan_keys.items():
            plan = self._store.plans.get(plan_id)
            if plan is None or record["id"] not in keys:
                continue
            if any(each["apiId"] == api_id and each["stage"] == stage for each in plan["apiStages"]):
                return Client(record["id"], key, plan)
        return None

    def admits(self, client: Client, api_id: str, stage: str, method_path: str) -> bool:
        """Whether the plan's throttles let a request through: that of the method if it has one, else the plan's."""
        plan = client.plan
        linked = next((e for e in plan["apiStages"] if e["apiId"] == api_id and e["stage"] == stage), None)
        own = ((linked or {}).get("throttle") or {}).get(method_path)
        settings = own or plan.get("throttle")
        if not settings:
            return True
        limit = Throttle(float(settings.get("rateLimit", 0)), int(settings.get("burstLimit", 0)))
        scope = (api_id, stage, method_path) if own else ()
        return self._throttles.admits(("usage", plan["id"], client.key_id, scope), limit)

    # --- Quotas ---

    def take(self, client: Client) -> bool:
        """Count a request; False when the plan's quota for this period is used up, and it does not count."""
        used = self._used_of(client.plan["id"], client.key_id)
        today = self._today()
        quota = client.plan.get("quota")
        if quota:
            left = self._left(used, quota, today)
            if left <= 0:
                return False
            used.remaining[today] = left - 1
        used.by_day[today] = used.by_day.get(today, 0) + 1
        return True

    def _used_of(self, plan_id: str, key_id: str) -> _Used:
        return self._used.setdefault((plan_id, key_id), _Used())

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    def _left(self, used: _Used, quota: Mapping[str, Any], day: date) -> int:
        """How many requests are left in the period of a day. `offset` is taken off the first period."""
        start = period_start(day, str(quota["period"]))
        if used.first_period is None:
            used.first_period = start
        spent = sum(count for each, count in used.by_day.items() if start <= each <= day)
        offset = int(quota.get("offset") or 0) if used.first_period == start else 0
        return int(quota["limit"]) - offset - spent + used.extra.get(start, 0)

    def report(self, plan: Record, key_id: str | None, start: date, end: date) -> dict[str, list[list[int]]]:
        """Of each key of a plan: for each day, how many requests it used and how many were left."""
        found: dict[str, list[list[int]]] = {}
        keys = [key_id] if key_id else list(self._store.plan_keys.get(plan["id"], {}))
        days = [start + timedelta(n) for n in range((end - start).days + 1)]
        for each in keys:
            used = self._used_of(plan["id"], each)
            found[each] = [[used.by_day.get(day, 0), self._remaining(used, plan, day)] for day in days]
        return found

    def _remaining(self, used: _Used, plan: Record, day: date) -> int:
        quota = plan.get("quota")
        if not quota:
            return 0
        if day == self._today() or day not in used.remaining:
            return max(0, self._left(used, quota, day))
        return used.remaining[day]

    def set_remaining(self, plan: Record, key_id: str, remaining: int) -> None:
        """UpdateUsage: from now on so many requests are left in the present period."""
        quota, today = plan["quota"], self._today()
        used = self._used_of(plan["id"], key_id)
        start = period_start(today, str(quota["period"]))
        used.extra[start] = used.extra.get(start, 0) + remaining - self._left(used, quota, today)

    def today(self) -> date:
        """The day on the lab's clock."""
        return self._today()

    def forget_plan(self, plan_id: str) -> None:
        """Drop what was used of a plan that is gone."""
        for key in [key for key in self._used if key[0] == plan_id]:
            del self._used[key]


def period_start(day: date, period: str) -> date:
    """The first day of the period of a day: itself, its Monday, or the first of its month."""
    if period == WEEK:
        return day - timedelta(day.weekday())
    return day.replace(day=1) if period == MONTH else day
