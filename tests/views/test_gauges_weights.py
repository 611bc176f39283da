"""Where weighted calls go: by the environments that ran them, and by the canary's mark."""

from __future__ import annotations

from labhelpers.views.gauges_settings import Alias, Settings, Stage, alias
from labhelpers.views.gauges_weights import Routed, Share
from tests.views.gauges_lab import recorded

ALIAS_RUN, CANARY_RUN = recorded("alias"), recorded("canary")
LIVE = Alias(
    next(entry["resource"] for entry in ALIAS_RUN if entry["kind"] == "invoke.started"),
    "hey",
    "live",
    {"1": 0.8, "2": 0.2},
)


def routed(entries: list[dict[str, object]], settings: Settings) -> Routed:
    """What was counted of these entries."""
    made = Routed()
    made.know(settings)
    for entry in entries:
        made.add(entry)
    return made


def test_calls_of_an_alias_are_counted_by_version() -> None:
    """In a recorded run of 50 calls, as the environments say that ran them."""
    (found,) = routed(ALIAS_RUN, Settings(aliases=(LIVE,))).read()
    assert found.owner == "alias live of hey"
    assert found.shares == (Share("version 1", 0.8, 40), Share("version 2", 0.2, 10))
    assert found.calls == 50


def test_counts_begin_anew_when_the_weights_are_set() -> None:
    """Of this alias only; a call that still ends at the old version is shown with a weight of nothing."""
    made = routed(ALIAS_RUN, Settings(aliases=(LIVE,)))
    for call, calls in (("other/aliases/live", 50), ("hey/aliases/prod", 50), ("hey/aliases/live", 0)):
        detail = {"service": "lambda", "call": f"PUT /2015-03-31/functions/{call}", "status": 200}
        made.add({"kind": "api.call", "resource": "", "detail": detail})
        assert made.read()[0].calls == calls
    made.know(Settings(aliases=(Alias(LIVE.arn, "hey", "live", {"2": 1.0}),)))
    started = [entry for entry in ALIAS_RUN if entry["kind"] == "invoke.started"]
    made.add(started[0])
    assert made.read()[0].shares == (Share("version 2", 1.0, 0), Share("version 1", 0.0, 1))


def test_requests_of_a_stage_are_counted_by_canary() -> None:
    """In a recorded run, from the deployment on that made the canary."""
    api = CANARY_RUN[-1]["resource"].split(":")[5].split("/")[0]
    stage = Stage(api, "shop", "REST", "live", canary=0.3, deployments=("old", "new"))
    (found,) = routed(CANARY_RUN, Settings((stage,))).read()
    assert found.owner == "stage live of shop"
    assert found.shares == (Share("deployment old", 0.7, 26), Share("canary new", 0.3, 14))
    plain = Stage(api, "shop", "REST", "live")
    assert routed(CANARY_RUN, Settings((plain,))).read() == ()


def test_alias_without_weights_gives_all_to_its_version() -> None:
    """As list_aliases tells it."""
    found = {"AliasArn": "arn", "Name": "live", "FunctionVersion": "3"}
    assert alias("f", found).weights == {"3": 1.0}
    found["RoutingConfig"] = {"AdditionalVersionWeights": {"4": 0.25}}  # type: ignore[assignment]
    assert alias("f", found).weights == {"3": 0.75, "4": 0.25}
