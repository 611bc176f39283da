"""Token buckets, as API Gateway throttles: a rate that fills a bucket, a burst that is its size. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from labhelpers import limits


@dataclass(frozen=True, slots=True)
class Throttle:
    """A limit: `rate` requests a second in the long run, `burst` at once. A rate or burst of 0 lets nothing through."""

    rate: float
    burst: int


ACCOUNT = Throttle(limits.GATEWAY_ACCOUNT_RATE, limits.GATEWAY_ACCOUNT_BURST)


class TokenBucket:
    """One bucket, full at first. `now` is any steadily growing time in seconds."""

    __slots__ = ("_at", "_tokens", "limit")

    def __init__(self, limit: Throttle, now: float) -> None:
        self.limit = limit
        self._tokens = float(limit.burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        limit = self.limit
        tokens = self._tokens + (now - self._at) * limit.rate
        self._at = now
        if tokens > limit.burst:
            tokens = float(limit.burst)
        if tokens < 1.0 or limit.rate <= 0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True


class Throttles:
    """Buckets by key: (api, stage), (api, stage, route), (plan, api key). A changed limit begins with a full bucket."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: dict[Hashable, TokenBucket] = {}

    def admits(self, key: Hashable, limit: Throttle) -> bool:
        """Whether a request may pass the limit of this key; it takes one of its tokens."""
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None or bucket.limit != limit:
            bucket = self._buckets[key] = TokenBucket(limit, now)
        return bucket.take(now)

    def forget(self, api_id: str) -> None:
        """Drop the buckets whose key begins with this API: it is gone."""
        for key in [k for k in self._buckets if isinstance(k, tuple) and k and k[0] == api_id]:
            del self._buckets[key]
