"""A burst of calls for real: sends them at their times and reads from the journal what became of them.

A notebook imports `run_arrivals` from `labhelpers`, and compares it with `simulate_scaling`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from labhelpers.course.scaling import ScalingRun
from labhelpers.errors import LabError

if TYPE_CHECKING:
    from labhelpers.lab import Lab
from labhelpers.progress import Progress

CALLS_MAX = 2_000
THREADS_MAX = 400
_GRACE_S = 0.2


def run_arrivals(
    lab: Lab, function: str, arrivals: Iterable[float], payload: str = "{}", *, step_s: float = 0.01
) -> ScalingRun:
    """Call `function` at these times (seconds from now) and wait for all answers; throttled calls are not repeated.

    What comes back has the same form as the simulation's. LabError for more calls than one notebook can send, or when
    a call fails in another way than by a throttle.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    times = sorted(arrivals)
    if not times or times[0] < 0 or len(times) > CALLS_MAX:
        raise LabError(f"from 1 to {CALLS_MAX} arrivals, at 0 s or later; simulate_scaling takes millions")
    threads = min(len(times), THREADS_MAX)
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=threads, read_timeout=910)
    client = boto3.client("lambda", config=config)
    seen = lab.journal()
    since = seen[-1]["seq"] if seen else 0
    problems: list[Exception] = []
    start = time.time() + _GRACE_S

    def call(at: float) -> None:
        time.sleep(max(0.0, start + at - time.time()))
        try:
            client.invoke(FunctionName=function, Payload=payload)["Payload"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] != "TooManyRequestsException":
                problems.append(error)
        except Exception as error:  # noqa: BLE001 - a thread's; raised below
            problems.append(error)

    try:
        with (
            Progress(f"calling {function}", len(times)) as progress,
            ThreadPoolExecutor(threads, thread_name_prefix="labhelpers-burst") as pool,
        ):
            for _ in pool.map(call, times):
                progress.step()
    finally:
        client.close()
    if problems:
        raise LabError(f"{len(problems)} of {len(times)} calls failed, one of them with: {problems[0]}")
    return read_run(lab.journal(since=since), function, start, step_s)


def read_run(entries: Sequence[Mapping[str, Any]], function: str, start: float, step_s: float) -> ScalingRun:
    """The run that these entries of the journal tell of, from `start` (epoch seconds) on. Pure.

    A call that waits for an INIT counts from the INIT on, as it does at AWS.
    """
    import numpy as np

    wanted = [entry for entry in entries if _function_of(entry) == function]
    end = max((entry["at"] for entry in wanted), default=start)
    steps = max(1, math.ceil((end - start) / step_s) + 1)
    started, cold, throttled, changes, made = (np.zeros(steps, dtype=np.int64) for _ in range(5))
    environments: set[str] = set()
    inits: dict[str, float] = {}
    for entry in wanted:
        detail = entry["detail"]
        step = _step_of(entry["at"] - start, step_s)
        if entry["kind"] == "invoke.throttled":
            throttled[step] += 1
        elif entry["kind"] == "environment.state" and detail["state"] == "INIT":
            inits[detail["environment"]] = entry["at"]
        elif entry["kind"] == "invoke.started":
            if detail["cold"]:
                step = _step_of(inits.get(detail["environment"], entry["at"]) - start, step_s)
            started[step] += 1
            cold[step] += bool(detail["cold"])
            changes[step] += 1
            made[step] += detail["environment"] not in environments
            environments.add(detail["environment"])
        elif entry["kind"] == "invoke.ended":
            changes[step] -= 1
    return ScalingRun(step_s, started + throttled, cold, throttled, changes.cumsum(), made.cumsum())


def _step_of(second: float, step_s: float) -> int:
    return max(0, math.floor(second / step_s))


def _function_of(entry: Mapping[str, Any]) -> str:
    parts = str(entry["resource"]).split(":")
    told = entry["kind"].startswith("invoke.") or entry["kind"] == "environment.state"
    return parts[6] if told and len(parts) > 6 else ""
