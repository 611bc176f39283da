"""A stage's cache of answers, end to end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import wait_for
from tests.gateway.rest.gateway import RestApi, RestGateway, message

COUNTING = """
calls = 0
def handler(event, context):
    global calls
    calls += 1
    return {"statusCode": int((event.get("queryStringParameters") or {}).get("status", 200)), "body": str(calls)}
"""


def cached(gateway: RestGateway, path: str = "/", method: str = "GET", **settings: Any) -> RestApi:
    """An API that answers with the number of the call, its stage's cache on for all methods."""
    api = gateway.rest_api()
    parameters = {"method.request.querystring.k": False, "method.request.header.X-K": False}
    api.proxy(
        path,
        gateway.function(COUNTING),
        method,
        method_settings={"requestParameters": parameters},
        **settings,
    )
    api.deploy(cacheClusterEnabled=True, cacheClusterSize="0.5")
    api.set_stage(ALL__caching__enabled="true", ALL__caching__ttlInSeconds="300")
    return api


def test_answer_comes_from_the_cache(gateway: RestGateway) -> None:
    """Until the cache is flushed; metrics count hits and misses."""
    api = cached(gateway)
    assert [api.ask().body for _ in range(3)] == [b"1"] * 3
    api.client.flush_stage_cache(restApiId=api.id, stageName="prod")
    assert api.ask().body == b"2"
    name = api.client.get_rest_api(restApiId=api.id)["name"]
    watch, dimensions = gateway.cloud.client("cloudwatch"), [{"Name": "ApiName", "Value": name}]

    def names() -> set[str]:
        found = watch.list_metrics(Namespace="AWS/ApiGateway", Dimensions=dimensions)["Metrics"]
        return {each["MetricName"] for each in found}

    wait_for(lambda: names() >= {"CacheHitCount", "CacheMissCount"}, "metrics of the cache")


def test_method_may_be_left_out_of_the_cache(gateway: RestGateway) -> None:
    """Its own setting comes before that for all methods."""
    api = cached(gateway, "/fresh")
    api.patch_stage({"op": "replace", "path": "/~1fresh/GET/caching/enabled", "value": "false"})
    assert [api.ask("/fresh").body for _ in range(2)] == [b"1", b"2"]


def test_answer_is_kept_for_its_ttl(gateway: RestGateway) -> None:
    """On the lab's clock; 0 keeps nothing."""
    api = cached(gateway)
    api.set_stage(ALL__caching__ttlInSeconds="1")
    first = api.ask().body
    wait_for(lambda: api.ask().body != first, "the end of the answer's time")
    api.set_stage(ALL__caching__ttlInSeconds="0")
    one, two = api.ask().body, api.ask().body
    assert one != two


def test_without_keys_all_requests_share_one_answer(gateway: RestGateway) -> None:
    """With them each combination of their values has its own."""
    plain = cached(gateway)
    assert plain.ask("/?k=1").body == plain.ask("/?k=2").body
    keys = ["method.request.querystring.k", "method.request.header.X-K"]
    api = cached(gateway, cacheKeyParameters=keys)
    asked = [("/?k=1", {}), ("/?k=2", {}), ("/?k=1", {"X-K": "a"}), ("/?k=1", {}), ("/?k=1", {"x-k": "a"})]
    assert [api.ask(path, headers=headers).body for path, headers in asked] == [b"1", b"2", b"3", b"1", b"3"]


def test_only_get_is_cached_for_all_methods(gateway: RestGateway) -> None:
    """Other methods when caching is on for them by their name; errors never."""
    api = cached(gateway, method="POST")
    assert api.ask("/", "POST").body != api.ask("/", "POST").body
    api.set_stage(**{"~1__POST__caching__enabled": "true"})
    assert api.ask("/", "POST").body == api.ask("/", "POST").body
    failing = cached(gateway)
    assert failing.ask("/?status=500").body != failing.ask("/?status=500").body


def test_client_may_ask_for_a_fresh_answer(gateway: RestGateway) -> None:
    """Cache-Control: max-age=0 of a signed request; of others as the stage says."""
    api = cached(gateway)
    fresh = {"Cache-Control": "max-age=0"}
    assert api.ask().body == b"1"
    answer = api.ask(headers=fresh)
    assert answer.body == b"1" and answer.headers["warning"].startswith("199 ")
    assert api.ask(headers={**fresh, **api.signed("/")}).body == b"2"
    assert api.ask().body == b"2"
    api.set_stage(ALL__caching__unauthorizedCacheControlHeaderStrategy="FAIL_WITH_403")
    assert message(api.ask(headers=fresh))[0] == 403
    api.set_stage(ALL__caching__unauthorizedCacheControlHeaderStrategy="SUCCEED_WITHOUT_RESPONSE_HEADER")
    assert "warning" not in api.ask(headers=fresh).headers
    api.set_stage(ALL__caching__requireAuthorizationForCacheControl="false")
    assert api.ask(headers=fresh).body == b"3"


@pytest.mark.parametrize("enabled", ["false"])
def test_cache_can_be_switched_off(gateway: RestGateway, enabled: str) -> None:
    """For a method, or for all of the stage."""
    api = cached(gateway)
    assert api.ask().body == api.ask().body
    api.set_stage(**{"~1__GET__caching__enabled": enabled})
    assert api.ask().body != api.ask().body
    other = cached(gateway)
    assert other.ask().body == other.ask().body
    other.set_stage(cacheClusterEnabled=enabled)
    assert other.ask().body != other.ask().body
