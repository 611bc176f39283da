"""A stage's cache of answers: by method and cache keys, for a TTL on the lab's clock.

AWS caches GET methods when caching is on for the whole stage, and any method where it is on for that method itself.
Without cache keys all requests of a method share one answer, whatever their path variables and query.
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from labhelpers.gateway.exchange import GatewayAnswer
from labhelpers.gateway.rest.parameters import read_source, value_of
from labhelpers.gateway.rest.run import Run

TTL_S_MAX = 3_600
_ENTRIES_MAX = 10_000
_BYTES_MAX = 1_048_576  # AWS: an answer of over 1 MB is not cached.

Key = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    answer: GatewayAnswer


class AnswerCache:
    """The answers of all stages. Keys begin with API and stage."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[Key, _Kept] = {}

    def get(self, key: Key) -> GatewayAnswer | None:
        """The answer that is kept; None when there is none, or its time is over."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found.until <= self._now():
            del self._kept[key]
            return None
        return found.answer

    def put(self, key: Key, answer: GatewayAnswer, ttl_s: float) -> None:
        """Keep an answer. With a TTL of 0, and over 1 MB, nothing is kept."""
        if ttl_s <= 0 or len(answer.body) > _BYTES_MAX:
            return
        if len(self._kept) >= _ENTRIES_MAX:
            self._kept.clear()
        self._kept[key] = _Kept(self._now() + ttl_s, answer)

    def flush(self, api_id: str, stage: str | None = None) -> None:
        """Drop a stage's answers, or all of an API."""
        for key in [k for k in self._kept if k[0] == api_id and stage in (None, k[1])]:
            del self._kept[key]


def key_of(run: Run) -> Key | None:
    """The key of a request's answer; None if its method is not cached."""
    method, settings = run.method, run.settings
    if not run.live.cache_enabled or method is None or settings is None:
        return None
    if not settings.caching or settings.cache_ttl_s <= 0:
        return None
    if method.integration is None or not (settings.own or run.request.method == "GET"):
        return None
    integration = method.integration
    part = "" if run.live.canary is None or run.live.canary.uses_stage_cache else str(run.is_canary)
    parts: list[Hashable] = [run.api_id, run.stage, part, integration.cache_namespace, run.request.method]
    values = run.values() if integration.cache_keys else None
    for text in integration.cache_keys:
        source = read_source(text)
        found = value_of(source, values) if source is not None and values is not None else None
        parts.append(tuple(found) if isinstance(found, list) else found)
    return tuple(parts)


def wants_fresh(run: Run) -> bool:
    """Whether the client asks for an answer that does not come from the cache: `Cache-Control: max-age=0`."""
    control = run.first("cache-control") or ""
    return any(part.strip().lower() == "max-age=0" for part in control.split(","))
