"""Lambda's scaling as a model: which of millions of requests are warm, cold or throttled, worked out in seconds.

A notebook imports `simulate_scaling`; the lab's own engine follows the same rules (`functions.scaling`).
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labhelpers import limits
from labhelpers.errors import LabError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

STEPS_MAX = 20_000_000


@dataclass(frozen=True)
class ScalingRun:
    """What became of the requests, step by step of `step_s` seconds; every member is an array with a value a step.

    `concurrency` and `environments` are how many run, and how many there are, at the end of each step.
    """

    step_s: float
    requests: NDArray[np.int64]
    cold: NDArray[np.int64]
    throttled: NDArray[np.int64]
    concurrency: NDArray[np.int64]
    environments: NDArray[np.int64]

    def frame(self, every_s: float = 1.0) -> pd.DataFrame:
        """A row for each `every_s` seconds: sums of requests, cold starts and throttles, the highest of the others."""
        import numpy as np
        import pandas as pd

        steps = max(1, round(every_s / self.step_s))
        starts = np.arange(0, len(self.requests), steps)
        return pd.DataFrame(
            {
                "second": starts * self.step_s,
                "requests": np.add.reduceat(self.requests, starts),
                "cold": np.add.reduceat(self.cold, starts),
                "throttled": np.add.reduceat(self.throttled, starts),
                "concurrency": np.maximum.reduceat(self.concurrency, starts),
                "environments": np.maximum.reduceat(self.environments, starts),
            }
        )

    def __repr__(self) -> str:
        requests, cold, throttled = (
            int(column.sum()) for column in (self.requests, self.cold, self.throttled)
        )
        return (
            f"{requests:,} requests: {requests - throttled - cold:,} warm, {cold:,} cold, {throttled:,} throttled; "
            f"up to {int(self.concurrency.max(initial=0)):,} at once"
        )


def simulate_scaling(
    arrivals: ArrayLike,
    duration_s: ArrayLike,
    *,
    init_s: float = 0.2,
    concurrency: int = limits.CONCURRENT_EXECUTIONS,
    provisioned: int = 0,
    step_s: float = 0.01,
) -> ScalingRun:
    """What happens to requests of one function that arrive at these times (seconds from the start, in any order).

    `duration_s` is one for all or one for each. `init_s` is what a cold start adds; `concurrency` what the function
    may use: the account's, or its reserved one; `provisioned` environments are there from the start. Times are
    rounded up to whole steps. LabError for figures that cannot be.
    """
    import numpy as np

    times = np.asarray(arrivals, dtype=float).ravel()
    order = np.argsort(times, kind="stable")
    times = times[order]
    durations = np.asarray(duration_s, dtype=float)
    if durations.ndim:
        if durations.shape != times.shape:
            raise LabError(
                f"{len(times)} arrivals need as many durations, not {durations.size}, or one for all"
            )
        durations = durations[order]
    _check(times, durations, init_s, concurrency, provisioned, step_s)
    warm_steps = np.maximum(1, np.ceil(durations / step_s - 1e-9)).astype(np.int64)
    cold_steps = np.maximum(1, np.ceil((durations + init_s) / step_s - 1e-9)).astype(np.int64)
    at = np.floor(times / step_s + 1e-9).astype(np.int64)
    steps = int(at[-1]) + int(cold_steps.max()) + 1 if len(times) else 1
    if steps > STEPS_MAX:
        raise LabError(
            f"that is {steps:,} steps of {step_s:g} s, more than {STEPS_MAX:,}: take a longer step_s"
        )
    counts = np.bincount(at, minlength=steps)
    engine = _Engine(steps, concurrency, provisioned, step_s)
    if durations.ndim:
        engine.run(counts.tolist(), warm_steps.tolist(), cold_steps.tolist())
    else:
        engine.run_alike(counts.tolist(), int(warm_steps), int(cold_steps))
    return ScalingRun(step_s, counts, *(np.asarray(column) for column in engine.columns()))


def _check(
    times: Any, durations: Any, init_s: float, concurrency: int, provisioned: int, step_s: float
) -> None:
    import numpy as np

    if not (np.isfinite(times).all() and np.isfinite(durations).all() and np.isfinite(init_s)):
        raise LabError("arrivals and durations are finite numbers of seconds")
    if (len(times) and times[0] < 0) or (durations < 0).any() or init_s < 0:
        raise LabError("arrivals and durations are seconds from 0 on")
    if step_s <= 0 or concurrency < 0 or not 0 <= provisioned <= concurrency:
        raise LabError("step_s is above 0, concurrency at least 0, provisioned no more than concurrency")


class _Engine:
    """The state from step to step. Everybody who arrives in a step is alike, but for the durations."""

    def __init__(self, steps: int, concurrency: int, provisioned: int, step_s: float) -> None:
        self._limit = concurrency
        self._rate_most = float(concurrency * limits.REQUESTS_PER_CONCURRENCY_S)
        self._rate_step = self._rate_most * step_s
        self._scale_step = limits.SCALING_ENVIRONMENTS / limits.SCALING_PERIOD_S * step_s
        self._rate, self._scale = self._rate_most, float(limits.SCALING_ENVIRONMENTS)
        self._running, self._environments = 0, provisioned
        self._ending = [0] * (steps + 1)
        self._cold: list[int] = []
        self._throttled: list[int] = []
        self._concurrency: list[int] = []
        self._all: list[int] = []

    def columns(self) -> tuple[list[int], ...]:
        """Cold starts, throttles, concurrency and environments of each step."""
        return self._cold, self._throttled, self._concurrency, self._all

    def run_alike(self, counts: list[int], warm_steps: int, cold_steps: int) -> None:
        """All requests take equally long."""
        ending = self._ending
        for step, count in enumerate(counts):
            warm, cold = self._admit(step, count)
            if warm:
                ending[step + warm_steps] += warm
            if cold:
                ending[step + cold_steps] += cold
            self._note(count, warm, cold)

    def run(self, counts: list[int], warm_steps: list[int], cold_steps: list[int]) -> None:
        """Each request takes its own time."""
        ending, first = self._ending, 0
        for step, count in enumerate(counts):
            warm, cold = self._admit(step, count)
            for offset in warm_steps[first : first + warm]:
                ending[step + offset] += 1
            for offset in cold_steps[first + warm : first + warm + cold]:
                ending[step + offset] += 1
            first += count
            self._note(count, warm, cold)

    def _admit(self, step: int, count: int) -> tuple[int, int]:
        """How many of those who arrive find an environment that waits, and how many get a new one."""
        self._running -= self._ending[step]
        self._rate = min(self._rate + self._rate_step, self._rate_most)
        self._scale = min(self._scale + self._scale_step, float(limits.SCALING_ENVIRONMENTS))
        if not count:
            return 0, 0
        allowed = min(count, int(self._rate + 1e-9))
        self._rate -= allowed
        allowed = min(allowed, self._limit - self._running)
        warm = min(allowed, self._environments - self._running)
        cold = min(allowed - warm, int(self._scale + 1e-9))
        self._scale -= cold
        self._environments += cold
        self._running += warm + cold
        return warm, cold

    def _note(self, count: int, warm: int, cold: int) -> None:
        self._cold.append(cold)
        self._throttled.append(count - warm - cold)
        self._concurrency.append(self._running)
        self._all.append(self._environments)
