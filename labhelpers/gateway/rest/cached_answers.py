"""Integrations behind a stage's cache: what is kept is answered, what is not is kept.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html
"""

from __future__ import annotations

from labhelpers.gateway.exchange import GatewayAnswer
from labhelpers.gateway.identity import Identify, NotIdentified
from labhelpers.gateway.rest import cache
from labhelpers.gateway.rest.cache import AnswerCache
from labhelpers.gateway.rest.gateway_responses import GatewayError, Kind
from labhelpers.gateway.rest.integrations import Integrations
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Integration, MethodSettings

_WARNING = ("Warning", "199 Cache-control headers were ignored because the caller was unauthorized.")


class CachedAnswers:
    """Answers from the cache or from the integration. `run.cache_status` says which it was."""

    def __init__(self, kept: AnswerCache, integrations: Integrations, identify: Identify) -> None:
        self._kept = kept
        self._integrations = integrations
        self._identify = identify

    async def answer(self, run: Run, integration: Integration) -> GatewayAnswer:
        """The answer to a request of a stage that has a cache. GatewayError."""
        key, settings = cache.key_of(run), run.settings
        if key is None or settings is None:
            return await self._integrations.run(run, integration)
        fresh, more = self._wants_fresh(run, settings)
        found = None if fresh else self._kept.get(key)
        run.cache_status = "MISS" if found is None else "HIT"
        if found is None:
            found = await self._integrations.run(run, integration)
            if found.status < 300:
                self._kept.put(key, found, min(settings.cache_ttl_s, cache.TTL_S_MAX))
        return GatewayAnswer(found.status, (*found.headers, *more), found.body) if more else found

    def _wants_fresh(self, run: Run, settings: MethodSettings) -> tuple[bool, tuple[tuple[str, str], ...]]:
        """Whether the cache is passed over, and headers that say that it is not. GatewayError 403."""
        if not cache.wants_fresh(run):
            return False, ()
        if not settings.cache_needs_authorization or self._is_signed(run):
            return True, ()
        if settings.unauthorized_cache_control == "FAIL_WITH_403":
            raise GatewayError(Kind.ACCESS_DENIED, "Unauthorized")
        return False, (
            _WARNING,
        ) if settings.unauthorized_cache_control == "SUCCEED_WITH_RESPONSE_HEADER" else ()

    def _is_signed(self, run: Run) -> bool:
        """Whether the caller signed the request: in this lab every signer may do `execute-api:InvalidateCache`."""
        if run.identity:
            return True
        try:
            self._identify(run.request)
        except NotIdentified:
            return False
        return True
