"""API keys of WebSocket APIs: asked for at `$connect`, and by routes that need one."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.gateway.websocket.api_keys import ApiKey, ApiKeys
from labhelpers.gateway.websocket.refused import Refused
from tests.gateway.http_api.gateway import Gateway
from tests.gateway.websocket.websocket_lab import make_api


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
