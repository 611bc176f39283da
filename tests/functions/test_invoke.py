"""The one door: who is let in, who is refused, and what a call carries with it."""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
import time
from types import SimpleNamespace

import pytest

from labhelpers.eager import Answer
from labhelpers.errors import AwsError
from labhelpers.functions.call import Call
from labhelpers.functions.environment import State
from labhelpers.functions.invocation import Invocation
from labhelpers.model import InvokeRequest
from labhelpers.packed import BLOCK_LENGTH
from tests.functions.function_lab import FunctionLab

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLEEPER = "import time\ndef handler(e, c):\n    time.sleep(e)\n    return 1\n"


async def test_result_names_request_and_version(isolated_lab: FunctionLab) -> None:
    """An id that the caller gives is kept; otherwise there is a new one for each call."""
    lab = isolated_lab
    name = lab.function("def handler(e, c): return c.aws_request_id\n", version="7")
    result = await lab.invoke(name, request_id="abc")
    assert [result.request_id, result.version, result.payload, result.content_type] == [
        "abc",
        "7",
        b'"abc"',
        "application/json",
    ]
    ids = {(await lab.invoke(name)).request_id for _ in range(3)}
    assert len(ids) == 3 and all(
        re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one) for one in ids
    )


async def test_journal_ties_a_call_together(isolated_lab: FunctionLab) -> None:
    """Started and ended, with the trace, the environment and the figures; the log lines between them."""
    lab = isolated_lab
    name = lab.function("def handler(e, c): print('hello')\n")
    result = await lab.invoke(name, trace_id="Root=1-1;Sampled=0")
    await lab.rested(name)
    entries = [entry for entry in lab.journal.since() if entry.request_id == result.request_id]
    kinds = [entry.kind for entry in entries]
    assert kinds == ["log", "invoke.started", "log", "log", "log", "invoke.ended"]
    started, ended = entries[1], entries[-1]
    assert started.trace_id == ended.trace_id
    assert re.fullmatch(r"Root=1-1;Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0", started.trace_id)
    assert started.detail["cold"] is True
    assert ended.detail["status"] == "success" and ended.detail["init_ms"] > 0
    assert ended.detail["environment"] == started.detail["environment"]
    assert [entry.detail["message"].split(" ")[0].strip() for entry in entries if entry.kind == "log"] == [
        "START",
        "hello",
        "END",
        "REPORT",
    ]


async def test_calls_leave_no_garbage(isolated_lab: FunctionLab) -> None:
    """What a call was made of is gone when it is over, without the collector, which has to look at all there is."""
    lab = isolated_lab
    name = lab.function()
    await lab.invoke(name)
    await lab.rested(name)
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            await lab.invoke(name)
        await lab.rested(name)
        left = [each for each in gc.get_objects() if isinstance(each, Call | Invocation | Answer)]
    finally:
        gc.enable()
    assert not left


async def test_what_calls_leave_is_packed(isolated_lab: FunctionLab) -> None:
    """Also of those that fail: a value among the facts that is not plain would spread all of them over the memory."""
    lab = isolated_lab
    name = lab.function("def handler(e, c): return 1 / e\n")
    for number in range(BLOCK_LENGTH):
        await lab.invoke(name, number % 2)
    *full, _ = lab.journal._blocks
    assert len(full) >= 2 and all(block.is_packed for block in full)


async def test_line_that_was_left_open_is_not_later_than_the_end(isolated_lab: FunctionLab) -> None:
    """Whoever reads the log sorts it by time: END must not have been dated before that line was taken in."""
    lab = isolated_lab
    name = lab.function("import os\ndef handler(e, c): os.write(1, b'open')\n")
    real, ticks = time.time, itertools.count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + next(ticks))  # Between two looks at it a second passes.
        for _ in range(2):
            await lab.invoke(name)
            await lab.rested(name)
    times = [event.at_ms for group, _, event in lab.events if group == f"/aws/lambda/{name}"]
    assert lab.log(name).count("open") == 2 and times == sorted(times)


async def test_runtime_that_was_killed_takes_no_call(isolated_lab: FunctionLab) -> None:
    """Though it asked for an event as it was killed: the next call would end in the timeout of the one before."""
    lab = isolated_lab
    name = lab.function(SLEEPER)
    call = asyncio.create_task(lab.invoke(name, 60))
    await lab.until(lambda: [each.state for each in lab.environments(name)] == [State.BUSY])
    [environment] = lab.environments(name)
    assert environment._invocation is not None
    environment._time_out(environment._invocation)
    environment.on_next(SimpleNamespace(close=lambda: None, is_open=True))  # type: ignore[arg-type]
    assert environment.state is State.BUSY
    assert (await call).error.type == "Sandbox.Timedout"
    assert await lab.value(name, 0) == 1


async def test_reserved_concurrency(isolated_lab: FunctionLab) -> None:
    """Beyond it calls are throttled with AWS's reason; 0 lets none in; when a call is over the next one may come."""
    lab = isolated_lab
    name = lab.function(SLEEPER, reserved_concurrency=2)
    results = await asyncio.gather(*(lab.invoke(name, 0.3) for _ in range(3)), return_exceptions=True)
    [refused] = [result for result in results if isinstance(result, AwsError)]
    assert [refused.code, refused.message, refused.status] == [
        "TooManyRequestsException",
        "Rate Exceeded.",
        429,
    ]
    assert refused.fields == {
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        "Type": "User",
    }
    assert await lab.value(name, 0) == 1
    lab.change(name, reserved_concurrency=0)
    with pytest.raises(AwsError):
        await lab.invoke(name, 0)
    assert lab.journal.since(kind="invoke.throttled")


async def test_requests_a_second_are_limited_too(isolated_lab: FunctionLab) -> None:
    """Ten times the reserved concurrency: the eleventh quick call in a row has a reason of its own."""
    lab = isolated_lab
    name = lab.function(reserved_concurrency=1)

    async def call_often() -> None:
        for _ in range(200):
            await lab.value(name)

    with pytest.raises(AwsError) as refused:
        await call_often()
    assert refused.value.fields["Reason"] == "ReservedFunctionInvocationRateLimitExceeded"
    assert not lab.invoker._running


async def test_small_account_is_full_soon(isolated_lab: FunctionLab) -> None:
    """Its limit is what counts, not AWS's default one."""
    lab = isolated_lab
    name = lab.function(SLEEPER)
    lab.registry.concurrency = lab.registry.unreserved_min = 2
    try:
        results = await asyncio.gather(*(lab.invoke(name, 0.3) for _ in range(3)), return_exceptions=True)
    finally:
        lab.registry.concurrency, lab.registry.unreserved_min = 1_000, 100
    [refused] = [result for result in results if isinstance(result, AwsError)]
    assert refused.fields["Reason"] == "ConcurrentInvocationLimitExceeded"


async def test_account_concurrency(isolated_lab: FunctionLab) -> None:
    """What others have reserved is not there for the rest."""
    lab = isolated_lab
    name, other = lab.function(SLEEPER), lab.function(SLEEPER, reserved_concurrency=900)
    calls = [asyncio.create_task(lab.invoker.invoke(InvokeRequest(name, b"2"))) for _ in range(101)]
    done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    [refused] = [task.exception() for task in done]
    assert isinstance(refused, AwsError)
    assert refused.fields["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert await lab.value(other, 0) == 1
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    lab.registry.versions.pop(other)
    await lab.until(lambda: not lab.invoker._running)
    lab.change(name)


async def test_call_counts_until_it_is_over(isolated_lab: FunctionLab) -> None:
    """A caller who leaves does not free the place: the function still runs."""
    lab = isolated_lab
    name = lab.function(SLEEPER, reserved_concurrency=1)
    leaving = asyncio.create_task(lab.invoke(name, 0.5))
    await lab.until(lambda: any(found.state is State.BUSY for found in lab.environments(name)))
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    with pytest.raises(AwsError):
        await lab.invoke(name, 0)
    await lab.rested(name)
    assert await lab.value(name, 0) == 1


async def test_patience_ends_the_waiting_and_not_the_function(isolated_lab: FunctionLab) -> None:
    """Its patience over, a caller gets TimeoutError, cold or warm; the function runs on, and counts until it ends."""
    lab = isolated_lab
    name = lab.function(SLEEPER, reserved_concurrency=1)
    for _ in ("cold", "warm"):
        with pytest.raises(TimeoutError):
            await lab.invoker.invoke(InvokeRequest(name, b"1.0"), 0.3)
        with pytest.raises(AwsError):
            await lab.invoke(name, 0)
        await lab.rested(name)
        assert await lab.value(name, 0) == 1
    assert not lab.invoker._running


async def test_running_call_holds_its_code(isolated_lab: FunctionLab) -> None:
    """From the moment it is let in until it is over, also if its caller leaves; layers count as well."""
    lab = isolated_lab
    name = lab.function(SLEEPER, layers={"layer": {"data": ""}})
    version = lab.registry.versions[name]
    roots, over = [version.code_root, version.layers[0].root], []
    lab.invoker.on_version_over = lambda: over.append(True)
    first, second = (asyncio.create_task(lab.invoke(name, seconds)) for seconds in (0.2, 0.5))
    await asyncio.sleep(0)
    assert all(lab.invoker.runs_from(root) for root in roots)
    await first
    second.cancel()
    assert all(lab.invoker.runs_from(root) for root in roots) and not over
    await lab.until(lambda: over)
    assert not any(lab.invoker.runs_from(root) for root in roots)
    lab.invoker.on_version_over = lambda: None


async def test_dry_run_checks_only(isolated_lab: FunctionLab) -> None:
    """A function that exists passes; nothing runs."""
    lab = isolated_lab
    name = lab.function()
    lab.invoker.check(InvokeRequest(name))
    assert not lab.environments(name)
