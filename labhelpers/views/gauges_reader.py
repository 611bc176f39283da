"""Asks AWS's APIs for the settings that gauges show; a service that nobody has called yet is not asked.

`Gauges` makes one and reads from one thread. Called again, it asks only the services whose settings have changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from labhelpers.views.aws import Apis
from labhelpers.views.gauges_quotas import Items, period_of
from labhelpers.views.gauges_settings import (
    Alias,
    Plan,
    Settings,
    Stage,
    alias,
    http_stage,
    plan,
    rest_stage,
)

LAMBDA, REST, HTTP = "lambda", "apigateway", "apigatewayv2"
SERVICES = (LAMBDA, REST, HTTP)
# Calls that change what is shown, by service, as `api.call` names them: by method and path.
_CHANGING = {
    LAMBDA: re.compile(r"(POST|PUT|DELETE) /[\d-]+/functions(/[^/]+(/(aliases|configuration).*)?)?"),
    REST: re.compile(
        r"(POST|PUT|PATCH|DELETE) (/(usageplans|apikeys).*|/restapis/[^/]+(/(stages|deployments).*)?)"
    ),
    HTTP: re.compile(r"(POST|PUT|PATCH|DELETE) /v2/apis(/[^/]+(/(stages|deployments).*)?)?"),
}


def changed_service(entry: Mapping[str, Any]) -> str:
    """The service whose settings an entry of the journal says to have changed; "" for none."""
    if entry["kind"] != "api.call" or int(entry["detail"]["status"]) >= 300:
        return ""
    service = str(entry["detail"].get("service", ""))
    pattern = _CHANGING.get(service)
    return service if pattern and pattern.fullmatch(str(entry["detail"].get("call", ""))) else ""


class SettingsReader:
    """Reads the settings of `services`."""

    def __init__(self, make_client: Callable[[str], Any], services: Collection[str] = SERVICES) -> None:
        self._apis = Apis(make_client)
        self._services = frozenset(services)
        self._outdated: set[str] = set()
        self._stages: dict[str, tuple[Stage, ...]] = {}
        self._plans: tuple[Plan, ...] = ()
        self._aliases: tuple[Alias, ...] = ()
        self._dead_letters: frozenset[str] = frozenset()

    @property
    def is_outdated(self) -> bool:
        """Whether `read` has anything to ask."""
        return bool(self._outdated)

    def notice(self, service: str) -> None:
        """The settings of a service have changed."""
        self._outdated |= {service} & self._services

    def close(self) -> None:
        """Close the connections."""
        self._apis.close()

    def read(self) -> Settings:
        """The settings as they are now. Raises botocore's errors."""
        outdated = set(self._outdated)
        if LAMBDA in outdated:
            self._read_functions()
        if REST in outdated:
            self._stages[REST] = tuple(self._rest_stages())
            self._plans = tuple(self._usage_plans())
        if HTTP in outdated:
            self._stages[HTTP] = tuple(self._http_stages())
        self._outdated -= outdated
        stages = tuple(stage for found in self._stages.values() for stage in found)
        return Settings(stages, self._plans, self._aliases, self._dead_letters)

    def usage(self, plans: Iterable[Plan], lab_now: float) -> dict[str, Items]:
        """What was used of these plans in the period that the lab's clock is in: by plan, key and day."""
        found: dict[str, Items] = {}
        for each in plans:
            if each.quota is None:
                continue
            start, _ = period_of(lab_now, each.quota.period)
            today, _ = period_of(lab_now, "DAY")
            days = {"usagePlanId": each.id, "startDate": str(start), "endDate": str(today)}
            items: dict[str, Sequence[Sequence[int]]] = {}
            for page in self._apis.pages(REST, "get_usage", **days):
                items |= page.get("items") or {}
            found[each.id] = items
        return found

    # --- Each service; what was deleted since it was listed is left out ---

    def _read_functions(self) -> None:
        aliases, dead = [], set()
        for function in self._apis.all(LAMBDA, "list_functions", "Functions"):
            name = function["FunctionName"]
            dead.add((function.get("DeadLetterConfig") or {}).get("TargetArn", ""))
            found = self._apis.all(LAMBDA, "list_aliases", "Aliases", FunctionName=name)
            aliases += [alias(name, each) for each in found]
        self._aliases, self._dead_letters = tuple(aliases), frozenset(dead - {""})

    def _rest_stages(self) -> Iterator[Stage]:
        for api in self._apis.all(REST, "get_rest_apis", "items"):
            stages = list(self._apis.all(REST, "get_stages", "item", restApiId=api["id"]))
            resources = (
                list(self._apis.all(REST, "get_resources", "items", restApiId=api["id"], embed=["methods"]))
                if stages
                else []
            )
            yield from (rest_stage(api, stage, resources) for stage in stages)

    def _usage_plans(self) -> Iterator[Plan]:
        for found in self._apis.all(REST, "get_usage_plans", "items"):
            keys = self._apis.all(REST, "get_usage_plan_keys", "items", usagePlanId=found["id"])
            yield plan(found, list(keys))

    def _http_stages(self) -> Iterator[Stage]:
        for api in self._apis.all(HTTP, "get_apis", "Items"):
            stages = self._apis.all(HTTP, "get_stages", "Items", ApiId=api["ApiId"])
            yield from (http_stage(api, stage) for stage in stages)
