"""How fast calls and environments may come: AWS's rates, and what this machine can start at once.

Rates are token buckets that the caller gives the time to. docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

from labhelpers import limits

# A start that takes longer waits more than it works: the next one may begin beside it.
_START_WORKS_S = 0.15


class Bucket:
    """Lets through `per_s` a second, and as many as `burst` at once. Times are seconds of any clock that only rises."""

    __slots__ = ("_at", "_left", "burst", "per_s")

    def __init__(self, per_s: float, burst: float, at: float) -> None:
        self.per_s = per_s
        self.burst = burst
        self._left = burst
        self._at = at

    def take(self, at: float) -> bool:
        """Whether one more may come now."""
        left = self._left + (at - self._at) * self.per_s
        self._at = at
        if left >= self.burst:
            left = self.burst
        self._left = left
        if left < 1:
            return False
        self._left = left - 1
        return True


class RequestRate:
    """Requests a second are limited to ten times the concurrency: the account's, or what a function has reserved."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, Bucket] = {}

    def allows(self, owner: str, concurrency: int) -> bool:
        """Whether a call may come now; `owner` is a function's ARN, or "" for all that have reserved nothing."""
        per_s = concurrency * limits.REQUESTS_PER_CONCURRENCY_S
        bucket = self._buckets.get(owner)
        if bucket is None or bucket.per_s != per_s:
            bucket = self._buckets[owner] = Bucket(per_s, per_s, self._now())
        return bucket.take(self._now())


class ScalingRate:
    """Each function may get 1,000 environments every ten seconds, besides those that it has."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, Bucket] = {}

    def allows(self, function_arn: str) -> bool:
        """Whether the function may get another environment now."""
        bucket = self._buckets.get(function_arn)
        if bucket is None:
            most, seconds = limits.SCALING_ENVIRONMENTS, limits.SCALING_PERIOD_S
            bucket = self._buckets[function_arn] = Bucket(most / seconds, most, self._now())
        return bucket.take(self._now())


class Starts:
    """So many environments start at once as the machine has use for; more would only make each other slow.

    Who finds none of `places` left waits with `waiter`, is woken when one is, and asks again.
    """

    def __init__(self, places: int = 0) -> None:
        self._left = places or 2 * (os.cpu_count() or 1)
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Whether one may start now; its place is taken."""
        if self._left <= 0:
            return False
        self._left -= 1
        return True

    def waiter(self) -> asyncio.Future[None]:
        """What is done when it is worth asking again; who holds it may also end it."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return waiter

    def holder(self) -> Callable[[], None]:
        """Gives a taken place back: when it is called, or by itself after a while. More calls do nothing."""
        held = True

        def end() -> None:
            nonlocal held
            if held:
                held = False
                timer.cancel()
                self.give_back()

        timer = asyncio.get_running_loop().call_later(_START_WORKS_S, end)
        return end

    def close(self) -> None:
        """Wake all who wait: they find that it is over."""
        self._left += len(self._waiting)
        while self._waiting:
            self.wake()

    def give_back(self) -> None:
        """A place that was taken is free again."""
        self._left += 1
        self.wake()

    def wake(self) -> None:
        """Wake who has waited longest, if there is a place."""
        while self._left > 0 and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
