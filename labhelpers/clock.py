"""The lab's clock: retries, schedules and idle limits run on it, so a learner can let minutes pass in seconds.

Function time is always real: durations, timeouts and bills never use this clock.
"""

from __future__ import annotations

import asyncio
import time

MIN_SPEED, MAX_SPEED = 1.0, 3600.0
MAX_STEP_S = 366 * 86_400.0


class Clock:
    """Lab time in epoch seconds; it runs `speed` times as fast as the wall's."""

    def __init__(self, speed: float = 1.0) -> None:
        self._real_start = time.time()
        self._lab_start = self._real_start
        self._speed = 1.0
        self._changed = asyncio.Event()
        self.set_speed(speed)

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> float:
        """Lab time now, in epoch seconds."""
        return self._lab_start + (time.time() - self._real_start) * self._speed

    @property
    def ahead_s(self) -> float:
        """How far lab time is ahead of real time, in seconds; 0 until the clock is stepped or runs faster."""
        return self._lab_start - self._real_start + (time.time() - self._real_start) * (self._speed - 1.0)

    def set_speed(self, speed: float) -> None:
        """Run `speed` times as fast from now on; sleepers notice at once. ValueError outside 1 to 3,600."""
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise ValueError(
                f"the clock's speed must be between {MIN_SPEED:g} and {MAX_SPEED:g}, not {speed!r}"
            )
        self._lab_start, self._real_start = self.now(), time.time()
        self._speed = float(speed)
        self._changed.set()
        self._changed = asyncio.Event()

    def step(self, seconds: float) -> None:
        """Let `seconds` of lab time pass at once; what was due meanwhile happens now. ValueError below 0."""
        if not 0 <= seconds <= MAX_STEP_S:
            raise ValueError(f"the clock steps by 0 to {MAX_STEP_S:g} seconds, not {seconds!r}")
        self._lab_start += seconds
        self._changed.set()
        self._changed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of lab time."""
        await self.sleep_until(self.now() + seconds)

    async def sleep_until(self, moment: float) -> None:
        """Sleep until lab time `moment` (epoch seconds)."""
        while (left := moment - self.now()) > 0:
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), left / self._speed)
            except TimeoutError:
                continue
