"""API keys of WebSocket APIs: asked for at `$connect`, and by routes that need one."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.gateway.websocket.api_keys import ApiKey, ApiKeys
from labhelpers.gateway.websocket.refused import Refused
from tests.gateway.http_api.gateway import Gateway
from tests.gateway.websocket.websocket_lab import events_of, make_api


class FakeUsage:
    """Knows one key of one stage; tells to whom it was asked."""

    def __init__(self) -> None:
        self.within_rate = self.within_quota = True
        self.asked: list[tuple[str, ...]] = []

    def find(self, key: str, api_id: str, stage: str) -> Any:
        self.asked.append((key, api_id, stage))
        return type("Client", (), {"key_id": "k1"})() if key == "right" else None

    def admits(self, client: Any, api_id: str, stage: str, method_path: str) -> bool:
        return self.within_rate

    def take(self, client: Any) -> bool:
        return self.within_quota


def test_right_key_is_accepted() -> None:
    """With its id."""
    usage = FakeUsage()
    assert ApiKeys(usage).check("right", "api", "dev", "$connect") == ApiKey("k1", "right")
    assert usage.asked == [("right", "api", "dev")]


@pytest.mark.parametrize("key", ["", "wrong"])
def test_other_keys_are_forbidden(key: str) -> None:
    """Missing ones too; and all of them where there are no plans."""
    for keys in (ApiKeys(FakeUsage()), ApiKeys()):
        with pytest.raises(Refused) as caught:
            keys.check(key, "api", "dev", "$connect")
        assert (caught.value.status, caught.value.message) == (403, "Forbidden")


@pytest.mark.parametrize(
    ("limit", "message"), [("within_rate", "Too Many Requests"), ("within_quota", "Limit Exceeded")]
)
def test_used_up_key_is_429(limit: str, message: str) -> None:
    """By rate, or by quota."""
    usage = FakeUsage()
    setattr(usage, limit, False)
    with pytest.raises(Refused) as caught:
        ApiKeys(usage).check("right", "api", "dev", "$connect")
    assert (caught.value.status, caught.value.message) == (429, message)


def test_connect_without_its_key_is_forbidden(gateway: Gateway, seeing: str) -> None:
    """403, before the function is asked."""
    api = make_api(gateway)
    api.route("$connect", api.integration(uri=seeing), ApiKeyRequired=True)
    api.stage()
    status, body = api.refusal(header={"x-api-key": "wrong"})
    assert (status, body["message"]) == (403, "Forbidden")
    refused = api.wait_for_journal("websocket.refused")[-1]["detail"]
    assert "API key" in refused["error"] and "integration_ms" not in refused


def test_key_of_a_usage_plan_lets_connect(gateway: Gateway, seeing: str) -> None:
    """The plan's quota counts connections; its id and value are in the events."""
    api = make_api(gateway)
    integration = api.integration(uri=seeing)
    api.route("$connect", integration, ApiKeyRequired=True)
    api.route("$default", integration, replies=True)
    api.stage()
    rest = gateway.cloud.client("apigateway")
    key = rest.create_api_key(name="k", enabled=True)
    plan = rest.create_usage_plan(
        name="p",
        apiStages=[{"apiId": api.id, "stage": "dev"}],
        quota={"limit": 2, "period": "DAY"},
    )
    rest.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    for _ in range(2):
        with api.connected(header={"x-api-key": key["value"]}) as client:
            client.send("x")
            assert client.recv() == "$default:x"
    status, body = api.refusal(header={"x-api-key": key["value"]})
    assert (status, body["message"]) == (429, "Limit Exceeded")
    identity = events_of(gateway, seeing, 1)[-1]["requestContext"]["identity"]
    assert (identity["apiKey"], identity["apiKeyId"]) == (key["value"], key["id"])


def test_route_may_need_the_clients_key(gateway: Gateway, seeing: str) -> None:
    """Each message then counts; a client without a key hears Forbidden."""
    api = make_api(gateway)
    api.route("$default", api.integration(uri=seeing), replies=True, ApiKeyRequired=True)
    api.stage()
    with api.connected() as client:
        client.send("x")
        assert '"Forbidden"' in client.recv()
