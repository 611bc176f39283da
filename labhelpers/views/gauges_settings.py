"""The settings that gauges show beside what really happens: limits, quotas, weights; read from AWS's answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Answer = Mapping[str, Any]

REST, HTTP, WEBSOCKET = "REST", "HTTP", "WEBSOCKET"
# What an HTTP or WebSocket API takes for the half of a limit that was not given: the account's.
ACCOUNT_RATE, ACCOUNT_BURST = 10_000.0, 5_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate` tokens a second flow into a bucket of `burst` tokens."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of an API. `routes` have limits of their own: by `orders/GET` in a REST API, else by route key.

    `default` is every other route's. `methods` are those of each resource path of a REST API. `canary` is the share of
    the canary, from 0 to 1, None without one; `deployments` are the stage's and the canary's.
    """

    api_id: str
    api: str
    kind: str
    name: str
    default: Limit | None = None
    routes: Mapping[str, Limit | None] = field(default_factory=dict)
    methods: Mapping[str, frozenset[str]] = field(default_factory=dict)
    canary: float | None = None
    deployments: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class QuotaLimit:
    """So many requests a DAY, WEEK or MONTH."""

    limit: int
    period: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A usage plan of `stages` (API and name); `keys` are names by id.

    `methods` has limits of their own by API, stage and `/orders/GET`.
    """

    id: str
    name: str
    stages: frozenset[tuple[str, str]] = frozenset()
    limit: Limit | None = None
    methods: Mapping[tuple[str, str, str], Limit] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    quota: QuotaLimit | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias of a function; `weights` is the share of each version, from 0 to 1, the alias's own version first."""

    arn: str
    function: str
    name: str
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them. `dead_letters` are the ARNs that functions have as dead-letter queues or topics."""

    stages: tuple[Stage, ...] = ()
    plans: tuple[Plan, ...] = ()
    aliases: tuple[Alias, ...] = ()
    dead_letters: frozenset[str] = frozenset()


def rest_stage(api: Answer, stage: Answer, resources: Iterable[Answer]) -> Stage:
    """A stage of get_stages, and its API's resources of get_resources with their methods."""
    limits = {path: _limit(found) for path, found in (stage.get("methodSettings") or {}).items()}
    canary = stage.get("canarySettings")
    return Stage(
        str(api["id"]),
        str(api["name"]),
        REST,
        str(stage["stageName"]),
        limits.pop("*/*", None),
        limits,
        {str(each["path"]): frozenset(each.get("resourceMethods") or ()) for each in resources},
        float(canary.get("percentTraffic") or 0.0) / 100 if canary else None,
        (str(stage.get("deploymentId") or ""), str((canary or {}).get("deploymentId") or "")),
    )


def _limit(found: Answer) -> Limit | None:
    rate, burst = found.get("throttlingRateLimit"), found.get("throttlingBurstLimit")
    # AWS: tells -1 where a method has no limit of its own.
    if rate is None or burst is None or rate < 0 or burst < 0:
        return None
    return Limit(float(rate), int(burst))


def http_stage(api: Answer, stage: Answer) -> Stage:
    """A stage of an HTTP or a WebSocket API, of apigatewayv2's get_stages."""
    default = stage.get("DefaultRouteSettings") or {}
    routes = {
        key: _v2_limit({**default, **found}) for key, found in (stage.get("RouteSettings") or {}).items()
    }
    return Stage(
        str(api["ApiId"]),
        str(api["Name"]),
        WEBSOCKET if api["ProtocolType"] == WEBSOCKET else HTTP,
        str(stage["StageName"]),
        _v2_limit(default),
        routes,
    )


def _v2_limit(found: Answer) -> Limit | None:
    rate, burst = found.get("ThrottlingRateLimit"), found.get("ThrottlingBurstLimit")
    if rate is None and burst is None:
        return None
    return Limit(
        ACCOUNT_RATE if rate is None else float(rate), ACCOUNT_BURST if burst is None else int(burst)
    )


def plan(found: Answer, keys: Iterable[Answer]) -> Plan:
    """One of get_usage_plans, with its keys of get_usage_plan_keys."""
    quota = found.get("quota")
    methods = {
        (str(linked["apiId"]), str(linked["stage"]), path): limit
        for linked in found.get("apiStages") or ()
        for path, own in (linked.get("throttle") or {}).items()
        if (limit := _plan_limit(own)) is not None
    }
    return Plan(
        str(found["id"]),
        str(found["name"]),
        frozenset((str(linked["apiId"]), str(linked["stage"])) for linked in found.get("apiStages") or ()),
        _plan_limit(found.get("throttle")),
        methods,
        {str(key["id"]): str(key.get("name") or key["id"]) for key in keys},
        QuotaLimit(int(quota["limit"]), str(quota["period"])) if quota else None,
    )


def _plan_limit(found: Answer | None) -> Limit | None:
    return Limit(float(found.get("rateLimit", 0)), int(found.get("burstLimit", 0))) if found else None


def alias(function: str, found: Answer) -> Alias:
    """One of list_aliases."""
    more = (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    own = {str(found["FunctionVersion"]): 1.0 - sum(more.values())}
    return Alias(str(found["AliasArn"]), function, str(found["Name"]), {**own, **more})
