"""Token buckets as the gateway has them, computed from their limits and the journal's requests; pure.

AWS shows nobody the level of a bucket. Here: a request's token is taken when it was admitted, and the answer decides
where computing and the gateway differ: what passed had a token, what was throttled had none.
A request asks its usage plan's bucket first, then its method's or route's; the account's is not shown.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from labhelpers.views.gauges_settings import REST, Limit, Plan, Settings, Stage

_KEPT = 2_000  # Takes; one that comes late, after a long integration, is put in its place among them.
_EMPTY = 0.999
# REST requests that were refused before any bucket was asked.
_UNASKED = frozenset(
    (
        "ACCESS_DENIED",
        "AUTHORIZER_CONFIGURATION_ERROR",
        "AUTHORIZER_FAILURE",
        "EXPIRED_TOKEN",
        "INVALID_API_KEY",
        "INVALID_SIGNATURE",
        "MISSING_AUTHENTICATION_TOKEN",
        "REQUEST_TOO_LARGE",
        "RESOURCE_NOT_FOUND",
        "UNAUTHORIZED",
        "WAF_FILTERED",
    )
)
_STAGE_SET = re.compile(r"PATCH (?:/restapis|/v2/apis)/([^/]+)/stages/([^/]+)")
_PLAN_SET = re.compile(r"(?:PATCH|POST) /usageplans/([^/]+)(?:/keys)?")
_WEBSOCKET = frozenset(("websocket.message", "websocket.connected", "websocket.refused"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket at a moment: whose it is, its limit, how many tokens it holds, and how many asked it so far."""

    id: str
    owner: str
    scope: str
    rate: float
    burst: int
    level: float
    passed: int
    throttled: int


class Level:
    """How full a bucket is, full at first. Times are epoch seconds, real ones; takes may come in any order."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.passed = self.throttled = 0
        self._times: list[float] = []
        self._allowed: list[bool] = []
        self._after: list[float] = []
        self._known = 0  # So many of `_after` are right.

    def take(self, at: float, *, allowed: bool) -> None:
        """A request has asked for a token, and got one or not."""
        self.passed += allowed
        self.throttled += not allowed
        index = bisect.bisect_right(self._times, at)
        self._times.insert(index, at)
        self._allowed.insert(index, allowed)
        self._after.insert(index, 0.0)
        self._known = min(self._known, index)
        if len(self._times) > 2 * _KEPT:
            self._settle()
            for kept in (self._times, self._allowed, self._after):
                del kept[:_KEPT]
            self._known -= _KEPT

    def _settle(self) -> None:
        """Compute what the takes have left from the first one that is new."""
        for index in range(self._known, len(self._times)):
            self._after[index] = self._left(index)
        self._known = len(self._times)

    def _left(self, index: int) -> float:
        tokens = self._filled(index - 1, self._times[index])
        return max(tokens, 1.0) - 1.0 if self._allowed[index] else min(tokens, _EMPTY)

    def at(self, moment: float) -> float:
        """How many tokens are in it."""
        self._settle()
        return self._filled(bisect.bisect_right(self._times, moment) - 1, moment)

    def _filled(self, index: int, moment: float) -> float:
        """What take number `index` (-1: none) has left, and what has flowed in since."""
        if self.limit.rate <= 0:
            return 0.0  # AWS: a rate of 0 lets nothing through.
        if index < 0:
            return float(self.limit.burst)
        left = self._after[index] + (moment - self._times[index]) * self.limit.rate
        return min(float(self.limit.burst), left)


@dataclass(frozen=True, slots=True)
class _Place:
    """Whose bucket it is: a plan's key or a stage, and which route it is for ("" for all).

    `stage` and `route` are those of a route's bucket, as the settings name them; `plan` is the id of a plan's.
    """

    id: str
    owner: str
    scope: str = ""
    stage: tuple[str, str] | None = None
    route: str = ""
    plan: str = ""


class Buckets:
    """All of a lab. `know` tells the limits as they are from now on, `add` what was asked."""

    def __init__(self) -> None:
        self._stages: dict[tuple[str, str], Stage] = {}
        self._plans: dict[str, Plan] = {}
        self._levels: dict[_Place, Level] = {}
        self._replayed: set[str] = set()

    def know(self, settings: Settings) -> None:
        """Take up limits; a changed one begins with a full bucket, as in the gateway."""
        self._stages = {(stage.api_id, stage.name): stage for stage in settings.stages}
        self._plans = {plan.id: plan for plan in settings.plans}
        wanted = dict(self._wanted())
        self._levels = {
            place: level if level.limit == wanted[place] else Level(wanted[place])
            for place, level in self._levels.items()
            if place in wanted
        }
        for place, limit in wanted.items():
            self._levels.setdefault(place, Level(limit))

    def _wanted(self) -> Iterable[tuple[_Place, Limit]]:
        """The buckets that there must be: those with a limit by name, and those that were asked already."""
        for plan in self._plans.values():
            for key in plan.keys:
                if plan.limit is not None:
                    yield _of_plan(plan, key), plan.limit
                for method, limit in plan.methods.items():
                    yield _of_plan(plan, key, method), limit
        for stage in self._stages.values():
            for route, found in stage.routes.items():
                if found is not None:
                    yield _of_route(stage, route), found
            if stage.default is not None:
                known = (place for place in self._levels if place.stage == (stage.api_id, stage.name))
                yield from ((place, stage.default) for place in known if place.route not in stage.routes)

    def read(self, now: float) -> tuple[Bucket, ...]:
        """All buckets at a moment (real time); by owner and scope."""
        found = [
            Bucket(
                place.id,
                place.owner,
                place.scope,
                level.limit.rate,
                level.limit.burst,
                level.at(now),
                level.passed,
                level.throttled,
            )
            for place, level in self._levels.items()
        ]
        return tuple(sorted(found, key=lambda bucket: (bucket.owner, bucket.scope)))

    # --- Requests ---

    def replay(self, entry: Mapping[str, Any]) -> bool:
        """The same as `add` for an entry of before `know`: what was counted before its limits were set is forgotten."""
        done = entry["kind"] == "api.call" and int(entry["detail"]["status"]) < 300
        call = str(entry["detail"]["call"]) if done else ""
        if found := _STAGE_SET.fullmatch(call):
            stage = (found[1], unquote(found[2]))
            self._forget(lambda place: place.stage == stage)
        elif found := _PLAN_SET.fullmatch(call):
            plan = found[1]
            # A key that is added to a plan changes nothing for the others; before the first there was no bucket.
            if call.startswith("PATCH") or plan not in self._replayed:
                self._forget(lambda place: place.plan == plan)
            self._replayed.add(plan)
        return self.add(entry)

    def _forget(self, which: Callable[[_Place], bool]) -> None:
        for place, level in self._levels.items():
            if which(place):
                self._levels[place] = Level(level.limit)

    def add(self, entry: Mapping[str, Any]) -> bool:
        """Count a request, if this entry is one; whether a bucket was asked."""
        if entry["kind"] == "gateway.request":
            return self._rest(entry) if entry["detail"].get("api") == REST else self._http(entry)
        return entry["kind"] in _WEBSOCKET and self._websocket(entry)

    def _rest(self, entry: Mapping[str, Any]) -> bool:
        detail = entry["detail"]
        response = detail.get("response_type", "")
        stage = self._stages.get(_stage_of(entry))
        key = str(detail.get("api_key_id", ""))
        if response in _UNASKED or stage is None:
            return False
        method, _, path = detail["route"].partition(" ")
        asked = [*self._of_key(stage, key, f"{path}/{method}"), *self._of_method(stage, method, path)]
        # An integration begins when the request was admitted; without one, the answer follows at once.
        at = float(entry["at"]) - float(detail.get("integration_ms") or 0.0) / 1_000
        refused = self._refuser(asked, at) if response == "THROTTLED" else None
        for level in asked:
            level.take(at, allowed=level is not refused)
            if level is refused:
                break
        return bool(asked)

    def _of_key(self, stage: Stage, key: str, path: str) -> Iterable[Level]:
        """The bucket of an API key, in the plan of this stage that it is in: the method's, or else the plan's."""
        for plan in self._plans.values():
            if key and key in plan.keys and (stage.api_id, stage.name) in plan.stages:
                place = _of_plan(plan, key, (stage.api_id, stage.name, path))
                level = self._levels.get(place) or self._levels.get(_of_plan(plan, key))
                if level is not None:
                    yield level

    def _of_method(self, stage: Stage, method: str, path: str) -> Iterable[Level]:
        name = method if method in stage.methods.get(path, (method,)) else "ANY"
        # As AWS writes a method in its settings: `a~1b/GET`.
        yield from self._of(stage, f"{path.removeprefix('/').replace('/', '~1')}/{name}")

    def _of(self, stage: Stage, route: str) -> Iterable[Level]:
        limit = stage.routes.get(route, stage.default)
        if limit is not None:
            place = _of_route(stage, route)
            yield self._levels.setdefault(place, Level(limit))

    def _refuser(self, asked: list[Level], at: float) -> Level | None:
        """The bucket that had no token: the first that was empty, or else the emptiest."""
        if len(asked) == 1:
            return asked[0]
        empty = (level for level in asked if level.at(at) < 1.0)
        return next(empty, min(asked, key=lambda level: level.at(at), default=None))

    def _http(self, entry: Mapping[str, Any]) -> bool:
        detail, stage = entry["detail"], self._stages.get(_stage_of(entry))
        route, error = str(detail.get("route") or ""), str(detail.get("error") or "")
        if stage is None or not route:
            return False
        throttled = detail.get("refused") == "THROTTLED"
        if throttled and not error.startswith("the rate of "):
            return False  # The account's bucket was empty; this one was not asked.
        at = float(entry["at"]) - float(detail.get("latency_ms") or 0.0) / 1_000
        return self._took(stage, route, at, allowed=not throttled)

    def _websocket(self, entry: Mapping[str, Any]) -> bool:
        detail = entry["detail"]
        stage = self._stages.get((str(detail["api"]), str(detail["stage"])))
        route, error = str(detail.get("route") or ""), str(detail.get("error") or "")
        throttled = detail.get("status") == 429 and error == f"The rate of {route} is exceeded"
        # A client that connects asks a bucket only if there is a $connect: then its integration ran.
        asked = throttled or entry["kind"] == "websocket.message" or "integration_ms" in detail
        if stage is None or not asked or (detail.get("status") in (403, 429) and not throttled):
            return False
        at = float(entry["at"]) - float(detail.get("integration_ms") or 0.0) / 1_000
        return self._took(stage, route, at, allowed=not throttled)

    def _took(self, stage: Stage, route: str, at: float, *, allowed: bool) -> bool:
        asked = list(self._of(stage, route))
        for level in asked:
            level.take(at, allowed=allowed)
        return bool(asked)


def _stage_of(entry: Mapping[str, Any]) -> tuple[str, str]:
    """API and stage of `arn:aws:execute-api:region:account:api/stage/...`."""
    api, _, rest = str(entry["resource"]).split(":", 5)[-1].partition("/")
    return api, rest.partition("/")[0]


def _of_plan(plan: Plan, key: str, method: tuple[str, str, str] | None = None) -> _Place:
    owner = f"plan {plan.name}, key {plan.keys.get(key, key)}"
    where = " ".join(method or ())
    scope = method[2] if method else ""
    return _Place(f"plan {plan.id} {key} {where}".rstrip(), owner, scope, plan=plan.id)


def _of_route(stage: Stage, route: str) -> _Place:
    shown = route
    if stage.kind == REST:
        path, _, method = route.rpartition("/")
        shown = f"{method} /{path.replace('~1', '/')}"
    owner = f"stage {stage.name} of {stage.api}"
    where = (stage.api_id, stage.name)
    return _Place(f"route {stage.api_id} {stage.name} {route}", owner, shown, where, route)
