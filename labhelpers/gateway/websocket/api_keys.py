"""API keys of WebSocket APIs: a route that needs one takes what the client brought to `$connect`.

Keys, usage plans and their quotas are REST APIs' (`rest.usage`); here is only what a WebSocket API asks of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from labhelpers.gateway.websocket.answers import FORBIDDEN, THROTTLED
from labhelpers.gateway.websocket.refused import Refused


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key that was accepted."""

    id: str
    value: str


class Usage(Protocol):
    """What knows keys and plans. A client, as it has it, is a key in a usage plan of the stage."""

    def find(self, key: str, api_id: str, stage: str) -> Any: ...
    def admits(self, client: Any, api_id: str, stage: str, method_path: str) -> bool: ...
    def take(self, client: Any) -> bool: ...


class ApiKeys:
    """Checks API keys. Without `usage` there are none."""

    def __init__(self, usage: Usage | None = None) -> None:
        self.usage = usage

    def check(self, key: str, api_id: str, stage: str, route_key: str) -> ApiKey:
        """The key, if it is in a plan of this stage that has something left. Refused 403 or 429."""
        client = self.usage.find(key, api_id, stage) if self.usage is not None and key else None
        if self.usage is None or client is None:
            reason = "The API key is missing, not enabled, or in no usage plan of the stage"
            raise Refused(403, FORBIDDEN, reason, "ForbiddenException")
        if not self.usage.admits(client, api_id, stage, route_key):
            raise Refused(429, THROTTLED, "The usage plan's rate is exceeded", "TooManyRequestsException")
        if not self.usage.take(client):
            raise Refused(429, _LIMIT, "The usage plan's quota is used up", "LimitExceededException")
        return ApiKey(str(client.key_id), key)


_LIMIT = "Limit Exceeded"
