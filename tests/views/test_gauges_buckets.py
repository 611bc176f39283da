"""Token buckets: computed from limits and requests, and corrected by the gateway's answers."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from labhelpers.gateway.throttle import Throttle, TokenBucket
from labhelpers.views.gauges_buckets import Buckets, Level
from labhelpers.views.gauges_settings import Limit, Plan, Settings, Stage, http_stage, plan, rest_stage
from tests.views.gauges_lab import recorded

REQUESTS = recorded("requests")
REST_ENTRIES = [entry for entry in REQUESTS if entry["detail"]["api"] == "REST"]
API, STAGE = REST_ENTRIES[0]["resource"].split(":")[5].split("/")[:2]
KEY = REST_ENTRIES[0]["detail"]["api_key_id"]
FREE = Plan("p", "free", frozenset({(API, STAGE)}), Limit(5, 10), {}, {KEY: "ada"})
SHOP = Stage(API, "shop", "REST", STAGE, methods={"/orders": frozenset({"GET"}), "/any": frozenset({"ANY"})})


def asked(entries: list[dict[str, Any]], *stages: Stage, plans: tuple[Plan, ...] = ()) -> Buckets:
    """Buckets with these limits after these requests."""
    buckets = Buckets()
    buckets.know(Settings(stages, plans))
    for entry in entries:
        buckets.add(entry)
    return buckets


def test_level_is_the_gateway_s_own() -> None:
    """For any requests, in any order of their answers, as full as the gateway's bucket and with the same verdicts."""
    chance = random.Random(1)
    for rate, burst in ((5.0, 10), (0.5, 1), (100.0, 3)):
        real, level, at = TokenBucket(Throttle(rate, burst), 0.0), Level(Limit(rate, burst)), 0.0
        takes = []
        for _ in range(300):
            at += chance.expovariate(2 * rate)
            takes.append((at, real.take(at)))
        chance.shuffle(takes)
        for moment, allowed in takes:
            level.take(moment, allowed=allowed)
        assert level.at(at) == pytest.approx(real._tokens)
        assert (level.passed, level.throttled) == (
            sum(allowed for _, allowed in takes),
            sum(not allowed for _, allowed in takes),
        )


def test_answer_corrects_what_was_computed() -> None:
    """Who passed had a token, who was throttled had none, whatever the clocks say."""
    level = Level(Limit(1, 3))
    level.take(0.0, allowed=False)
    assert level.at(0.0) < 1
    level.take(0.0, allowed=True)
    assert level.at(0.0) == 0
    assert level.at(2.0) == 2
    assert level.at(9.0) == 3


def test_many_requests_are_not_kept() -> None:
    """Only the last thousands, which is what a late one may come between."""
    level = Level(Limit(10, 5))
    for number in range(20_000):
        level.take(number / 10, allowed=True)
    assert len(level._times) <= 4_000
    assert level.passed == 20_000


def test_plan_s_bucket_follows_a_recorded_run() -> None:
    """14 calls at once with a burst of 10, a second's rest, 8 more: full, empty, five tokens a second, empty."""
    first = REST_ENTRIES[:14]
    buckets = asked(first, SHOP, plans=(FREE,))
    at = first[-1]["at"]
    (bucket,) = buckets.read(at)
    assert (bucket.owner, bucket.scope, bucket.burst) == ("plan free, key ada", "", 10)
    assert (bucket.passed, bucket.throttled) == (11, 3)  # One token has flowed in meanwhile.
    assert bucket.level < 1
    (later,) = buckets.read(at + 1)
    assert later.level == pytest.approx(bucket.level + 5)
    for entry in REST_ENTRIES[14:22]:
        buckets.add(entry)
    (again,) = buckets.read(REST_ENTRIES[21]["at"])
    assert again.level < 1 and again.throttled == 5


def test_throttled_request_is_told_of_the_bucket_that_was_empty() -> None:
    """The plan's has tokens, the method's has none: the plan's token is gone all the same."""
    last = REST_ENTRIES[27:]
    assert [entry["detail"]["status"] for entry in last] == [200] * 2 + [429] * 13
    own = replace(SHOP, routes={"orders/GET": Limit(1, 3)})
    method_only = last[:5]
    before = asked([], own, plans=(FREE,))
    for entry in REST_ENTRIES[22:27] + method_only:
        before.add(entry)
    of_plan, of_method = before.read(last[4]["at"])
    assert (of_plan.throttled, of_method.throttled) == (0, 5)
    assert (of_method.owner, of_method.scope) == ("stage live of shop", "GET /orders")
    assert of_plan.passed == 10 and of_method.passed == 5


def test_every_route_has_a_bucket_of_its_own() -> None:
    """Under a stage's default limit too, from its first request on; a REST method may be ANY."""
    stage = replace(SHOP, default=Limit(100, 200))
    buckets = asked(recorded("canary"), stage)
    assert [bucket.scope for bucket in buckets.read(0.0)] == ["ANY /any"]
    assert asked([], stage).read(0.0) == ()


def test_routes_of_http_apis_follow_a_recorded_run() -> None:
    """Six requests at once, a burst of four."""
    entries = [entry for entry in REQUESTS if entry["detail"]["api"] == "HTTP"]
    api = {
        "ApiId": entries[0]["resource"].split(":")[5].split("/")[0],
        "Name": "quick",
        "ProtocolType": "HTTP",
    }
    settings = {"ThrottlingRateLimit": 2.0, "ThrottlingBurstLimit": 4}
    stage = http_stage(api, {"StageName": "$default", "DefaultRouteSettings": settings})
    (bucket,) = asked(entries, stage).read(entries[-1]["at"])
    assert (bucket.scope, bucket.passed, bucket.throttled) == ("$default", 4, 2)
    assert bucket.level < 1


@pytest.mark.parametrize(
    ("kind", "detail", "counts"),
    [
        ("websocket.message", {"status": 200, "integration_ms": 2.0}, (1, 0)),
        ("websocket.message", {"status": 429, "error": "The rate of say is exceeded"}, (0, 1)),
        ("websocket.message", {"status": 429, "error": "The account's rate is exceeded"}, None),
        ("websocket.message", {"status": 403, "error": "Forbidden"}, None),
        ("websocket.refused", {"status": 401}, None),
        ("websocket.refused", {"status": 500, "integration_ms": 2.0}, (1, 0)),
        ("websocket.connected", {"status": 200, "integration_ms": 2.0}, (1, 0)),
        ("websocket.connected", {"status": 200}, None),
    ],
)
def test_messages_ask_the_bucket_of_their_route(
    kind: str, detail: dict[str, Any], counts: tuple[int, int] | None
) -> None:
    """Unless they were refused before."""
    entry = {
        "at": 1.0,
        "kind": kind,
        "resource": "",
        "detail": {"api": "w", "stage": "s", "route": "say", **detail},
    }
    stage = Stage("w", "chat", "WEBSOCKET", "s", Limit(1, 5))
    found = [(bucket.passed, bucket.throttled) for bucket in asked([entry], stage).read(1.0)]
    assert found == ([counts] if counts else [])


@pytest.mark.parametrize("response", ["INVALID_API_KEY", "ACCESS_DENIED", "MISSING_AUTHENTICATION_TOKEN"])
def test_refused_before_the_throttles_takes_no_token(response: str) -> None:
    """A wrong key empties nobody's bucket."""
    entry = {**REST_ENTRIES[0], "detail": {"api": "REST", "route": "GET /orders", "response_type": response}}
    buckets = asked([], replace(SHOP, default=Limit(1, 1)), plans=(FREE,))
    assert not buckets.add(entry)


def test_changed_limit_begins_with_a_full_bucket_and_a_gone_one_is_forgotten() -> None:
    """As in the gateway."""
    buckets = asked(REST_ENTRIES[:14], SHOP, plans=(FREE,))
    buckets.know(Settings((SHOP,), (replace(FREE, limit=Limit(5, 20)),)))
    (bucket,) = buckets.read(REST_ENTRIES[13]["at"])
    assert (bucket.level, bucket.throttled) == (20, 0)
    buckets.know(Settings((SHOP,)))
    assert buckets.read(0.0) == ()


def test_rate_of_zero_lets_nothing_through() -> None:
    """Its bucket is shown empty."""
    assert Level(Limit(0, 5)).at(0.0) == 0


def test_limits_are_read_from_aws_s_answers() -> None:
    """Of stages and of plans; -1 and what is missing are none."""
    stage = rest_stage(
        {"id": "a", "name": "shop"},
        {
            "stageName": "live",
            "methodSettings": {
                "*/*": {"throttlingRateLimit": 5.0, "throttlingBurstLimit": 2},
                "a~1b/GET": {"throttlingRateLimit": -1.0, "throttlingBurstLimit": -1},
            },
            "canarySettings": {"percentTraffic": 30.0, "deploymentId": "new"},
            "deploymentId": "old",
        },
        [{"path": "/a/b", "resourceMethods": {"GET": {}}}],
    )
    assert (stage.default, stage.routes) == (Limit(5, 2), {"a~1b/GET": None})
    assert (stage.canary, stage.deployments) == (0.3, ("old", "new"))
    found = plan(
        {
            "id": "p",
            "name": "free",
            "throttle": {"rateLimit": 1.0, "burstLimit": 2},
            "apiStages": [
                {"apiId": "a", "stage": "live", "throttle": {"/x/GET": {"rateLimit": 3.0, "burstLimit": 4}}}
            ],
        },
        [{"id": "k", "name": "ada"}, {"id": "unnamed"}],
    )
    assert found.limit == Limit(1, 2) and found.methods == {("a", "live", "/x/GET"): Limit(3, 4)}
    assert found.keys == {"k": "ada", "unnamed": "unnamed"}
    api = {"ApiId": "h", "Name": "quick", "ProtocolType": "HTTP"}
    half = http_stage(api, {"StageName": "s", "RouteSettings": {"GET /x": {"ThrottlingRateLimit": 3.0}}})
    assert half.routes == {"GET /x": Limit(3, 5_000)} and half.default is None


def test_method_of_a_plan_has_a_bucket_beside_the_plan_s() -> None:
    """A request asks the one or the other."""
    both = replace(FREE, methods={(API, STAGE, "/orders/GET"): Limit(1, 20)})
    of_plan, of_method = asked(REST_ENTRIES[:10], SHOP, plans=(both,)).read(REST_ENTRIES[9]["at"])
    assert (of_plan.passed, of_method.passed, of_method.scope) == (0, 10, "/orders/GET")


def test_requests_of_before_a_limit_was_set_are_not_counted_in_replay() -> None:
    """Those of an older plan with the same key, or by an older throttle of the stage."""
    key_added = call_entry("POST /usageplans/p/keys")
    of_plan = [*REST_ENTRIES[:5], key_added, *REST_ENTRIES[5:8], key_added, *REST_ENTRIES[8:10]]
    assert replayed(of_plan) == {"": 5, "GET /orders": 10}
    assert replayed([*of_plan, call_entry("PATCH /usageplans/p"), *REST_ENTRIES[10:11]])[""] == 1
    of_stage = [*REST_ENTRIES[:5], call_entry(f"PATCH /restapis/{API}/stages/{STAGE}"), *REST_ENTRIES[5:8]]
    assert replayed(of_stage) == {"": 8, "GET /orders": 3}


def call_entry(call: str) -> dict[str, Any]:
    """A call that may set limits."""
    return {"kind": "api.call", "at": 0.0, "resource": "", "detail": {"call": call, "status": 200}}


def replayed(entries: list[dict[str, Any]]) -> dict[str, int]:
    """How many requests each bucket let through, by its scope."""
    buckets = asked([], replace(SHOP, default=Limit(100, 200)), plans=(FREE,))
    for entry in entries:
        buckets.replay(entry)
    return {bucket.scope: bucket.passed for bucket in buckets.read(0.0)}
