"""The model of Lambda's scaling: against a request-by-request reference, and against the lab itself."""

import heapq
from typing import Any

import boto3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers import Lab, deploy_function, run_arrivals, simulate_scaling
from labhelpers.course.burst import read_run
from labhelpers.errors import LabError


def reference(
    arrivals: list[int], durations: list[int], init: int, limit: int, provisioned: int
) -> tuple[int, int, int]:
    """Warm, cold and throttled, one request after the other, in whole seconds; the rates never bind here."""
    running: list[int] = []
    environments, warm, cold, throttled = provisioned, 0, 0, 0
    for at, duration in sorted(zip(arrivals, durations, strict=True), key=lambda pair: pair[0]):
        while running and running[0] <= at:
            heapq.heappop(running)
        if len(running) >= limit:
            throttled += 1
        elif len(running) < environments:
            warm += 1
            heapq.heappush(running, at + duration)
        else:
            cold, environments = cold + 1, environments + 1
            heapq.heappush(running, at + duration + init)
    return warm, cold, throttled


def totals(run: Any) -> tuple[int, int, int]:
    """Warm, cold and throttled of a run."""
    cold, throttled = int(run.cold.sum()), int(run.throttled.sum())
    return int(run.requests.sum()) - cold - throttled, cold, throttled


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=60),
    st.integers(0, 3),
    st.integers(1, 12),
    st.data(),
)
def test_it_counts_as_one_by_one(
    pairs: list[tuple[int, int]], init: int, limit: int, data: st.DataObject
) -> None:
    """Warm, cold and throttled are those that a request-by-request account gives."""
    provisioned = data.draw(st.integers(0, limit))
    arrivals, durations = [at for at, _ in pairs], [duration for _, duration in pairs]
    run = simulate_scaling(
        arrivals, durations, init_s=init, concurrency=limit, provisioned=provisioned, step_s=1.0
    )
    order = np.argsort(arrivals, kind="stable")
    expected = reference(
        [arrivals[i] for i in order], [durations[i] for i in order], init, limit, provisioned
    )
    assert totals(run) == expected
    assert run.concurrency.max() <= limit
    assert (run.concurrency <= run.environments).all()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=80), st.integers(1, 5), st.integers(1, 20))
def test_alike_or_each_its_own_is_the_same(arrivals: list[int], duration: int, limit: int) -> None:
    """One duration for all gives what the same duration for each gives."""
    one = simulate_scaling(arrivals, duration, init_s=1, concurrency=limit, step_s=0.5)
    each = simulate_scaling(arrivals, [duration] * len(arrivals), init_s=1, concurrency=limit, step_s=0.5)
    assert totals(one) == totals(each)
    assert (one.concurrency == each.concurrency).all()


def test_concurrency_is_rate_times_duration() -> None:
    """Little's law: 200 requests a second of half a second each keep 100 environments busy."""
    run = simulate_scaling(np.arange(0, 60, 1 / 200), 0.5, init_s=0.1)
    assert run.frame(10).iloc[3]["concurrency"] == pytest.approx(100, abs=2)
    assert run.throttled.sum() == 0


def test_a_burst_gets_a_thousand_environments_each_ten_seconds() -> None:
    """Of 5,000 at once a function with room for them all starts 1,000; then 100 more each second."""
    arrivals = np.concatenate([np.zeros(5000), np.arange(1, 11)])
    run = simulate_scaling(arrivals, 60, concurrency=10_000)
    assert run.cold[0] == 1000
    assert run.throttled[0] == 4000
    slow = simulate_scaling(np.repeat(np.arange(10), 2000), 60, concurrency=10_000, step_s=1.0)
    assert slow.environments[9] == pytest.approx(1900, abs=1)


def test_requests_a_second_are_ten_times_the_concurrency() -> None:
    """Calls that take no time are limited by their rate."""
    run = simulate_scaling(np.arange(0, 10, 1 / 500), 0.001, init_s=0, concurrency=20, step_s=0.001)
    passed = run.requests.sum() - run.throttled.sum()
    assert passed == pytest.approx(200 + 10 * 200, abs=20)


def test_ten_million_requests_are_worked_out() -> None:
    """An hour of ten million requests, each with its own duration, is worked out, and no request is lost."""
    rng = np.random.default_rng(1)
    arrivals, durations = rng.uniform(0, 3600, 10_000_000), rng.exponential(0.2, 10_000_000)
    run = simulate_scaling(arrivals, durations)
    assert run.requests.sum() == 10_000_000
    assert "10,000,000 requests" in repr(run)


@pytest.mark.parametrize(
    "wrong",
    [
        {"arrivals": [-1.0]},
        {"arrivals": [float("nan")]},
        {"duration_s": [1.0, 2.0]},
        {"duration_s": -1.0},
        {"provisioned": 11},
        {"step_s": 0.0},
        {"arrivals": [1e9], "step_s": 0.001},
    ],
)
def test_figures_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    """A clear error, not a wrong curve."""
    given_ = {"arrivals": [0.0], "duration_s": 1.0, "concurrency": 10, **wrong}
    with pytest.raises(LabError):
        simulate_scaling(**given_)


def test_a_run_is_read_from_the_journal() -> None:
    """Started, ended and throttled calls of one function, and nothing of another."""
    arn, other = "arn:aws:lambda:us-east-1:1:function:f", "arn:aws:lambda:us-east-1:1:function:g"

    def entry(at: float, kind: str, resource: str = arn, **detail: Any) -> dict[str, Any]:
        return {"at": 100.0 + at, "kind": kind, "resource": resource, "detail": detail}

    run = read_run(
        [
            entry(0.0, "invoke.started", cold=True, environment="a"),
            entry(0.0, "invoke.started", other, cold=True, environment="z"),
            entry(0.5, "invoke.throttled"),
            entry(1.0, "invoke.ended"),
            entry(2.0, "invoke.started", cold=False, environment="a"),
            entry(3.0, "invoke.ended"),
        ],
        "f",
        100.0,
        0.5,
    )
    assert totals(run) == (1, 1, 1)
    assert run.concurrency.tolist() == [1, 1, 0, 0, 1, 1, 0, 0][: len(run.concurrency)]
    assert run.environments.max() == 1


def test_cold_call_counts_from_its_init() -> None:
    """At AWS, too, it takes a place while its environment starts."""
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"

    def entry(at: float, kind: str, **detail: Any) -> dict[str, Any]:
        return {"at": 100.0 + at, "kind": kind, "resource": arn, "detail": {"environment": "a", **detail}}

    run = read_run(
        [
            entry(0.5, "environment.state", state="INIT"),
            entry(1.5, "invoke.started", cold=True),
            entry(2.5, "invoke.ended"),
        ],
        "f",
        100.0,
        0.5,
    )
    assert run.concurrency.tolist()[:6] == [0, 1, 1, 1, 1, 0]
    assert run.cold.tolist()[:3] == [0, 1, 0]


def test_the_model_agrees_with_the_lab(tmp_path: Any) -> None:
    """Sixty calls of 0.3 s at 40 a second, with 10 environments reserved: the curves of model and lab lie together."""
    code = tmp_path / "sleeper.py"
    code.write_text("import time\ndef handler(event, context):\n    time.sleep(0.3)\n")
    arrivals = [i / 40 for i in range(60)]
    with Lab() as lab:
        functions = boto3.client("lambda")
        deploy_function("sleeper", code, lab.role_arn)
        functions.put_function_concurrency(FunctionName="sleeper", ReservedConcurrentExecutions=10)
        real = run_arrivals(lab, "sleeper", arrivals)
    model = simulate_scaling(arrivals, 0.3, init_s=0.03, concurrency=10)
    assert int(real.requests.sum()) == 60
    assert real.concurrency.max() == model.concurrency.max() == 10
    assert real.cold.sum() == pytest.approx(model.cold.sum(), abs=1)
    assert real.throttled.sum() == pytest.approx(model.throttled.sum(), abs=8)
