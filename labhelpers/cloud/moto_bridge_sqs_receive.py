"""ReceiveMessage: waits on the event loop for messages, and not on the thread that all services share."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from labhelpers.cloud.moto_bridge_sqs_quick import QuickCalls
from labhelpers.cloud.protocol import AwsRequest, AwsResponse

if TYPE_CHECKING:
    from labhelpers.cloud.moto_bridge_sqs import SqsState

MAX_WAIT_S = 20.0
Dispatch = Callable[[AwsRequest], AwsResponse]
Run = Callable[..., Awaitable[Any]]


class Receiver:
    """Answers ReceiveMessage. `quick` knows what there is at once; moto answers what is unusual about a call."""

    def __init__(self, state: SqsState, quick: QuickCalls) -> None:
        self._state = state
        self._quick = quick

    async def receive(self, request: AwsRequest, run: Run, dispatch: Dispatch) -> AwsResponse:
        """moto's answer as soon as it has messages, or an error, or the wait (in real time) is over."""
        fields = read_fields(request)
        queue = str(fields.get("QueueUrl", "")).rpartition("/")[2]
        once = _with_wait(request, fields, 0)
        wait_s = _wait_of(fields)
        if wait_s is not None and not 0 <= wait_s <= MAX_WAIT_S:
            answer: AwsResponse = await run(dispatch, request)
            return answer
        deadline = time.monotonic() + (MAX_WAIT_S if wait_s is None else wait_s)
        arrival = asyncio.Event()
        unwatch = self._state.watch(queue, arrival.set)
        try:
            while True:
                arrival.clear()
                quick = self._quick.receive(fields, request.region) if once.body[:1] == b"{" else None
                if quick is not None:
                    answer, default_wait_s, due = quick, *self._waits(queue, request.region)
                else:
                    answer, default_wait_s, due = await run(self._try, once, queue, dispatch)
                if wait_s is None:
                    wait_s, deadline = default_wait_s, deadline - MAX_WAIT_S + default_wait_s
                left_s = deadline - time.monotonic()
                received = answer.status != 200 or b"ReceiptHandle" in answer.body
                if left_s <= 0 or received:
                    return answer
                await self._wait(arrival, left_s, due)
                if not request.alive():  # A message is for those who still wait.
                    return answer
        finally:
            unwatch()

    async def _wait(self, arrival: asyncio.Event, left_s: float, due: float | None) -> None:
        """Until a message arrives, a hidden one shows again at lab time `due`, or `left_s` are over."""
        waits = [asyncio.ensure_future(arrival.wait())]
        if due is not None:
            waits.append(asyncio.ensure_future(self._state.clock.sleep_until(due)))  # type: ignore[arg-type]
        try:
            await asyncio.wait(waits, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _try(
        self, request: AwsRequest, queue: str, dispatch: Dispatch
    ) -> tuple[AwsResponse, float, float | None]:
        """On moto's thread: the answer, the queue's own wait, and when a hidden message shows again."""
        return dispatch(request), *self._waits(queue, request.region)

    def _waits(self, name: str, region: str) -> tuple[float, float | None]:
        """A queue's own wait in seconds, and when a hidden message of it shows again."""
        found = self._state.named(name, region)
        if found is None:
            return 0.0, None
        return float(found.receive_message_wait_time_seconds or 0), self._state.store_of(found).next_due()


def read_fields(request: AwsRequest) -> dict[str, Any]:
    """The members of a call in either protocol; empty if they cannot be read."""
    if request.body[:1] == b"{":
        try:
            fields = json.loads(request.body)
        except (ValueError, RecursionError):
            return {}
        return fields if isinstance(fields, dict) else {}
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _wait_of(fields: dict[str, Any]) -> float | None:
    value = fields.get("WaitTimeSeconds")
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return -1.0


def _with_wait(request: AwsRequest, fields: dict[str, Any], wait_s: int) -> AwsRequest:
    changed = {**fields, "WaitTimeSeconds": wait_s}
    if request.body[:1] == b"{":
        return replace(request, body=json.dumps(changed).encode())
    return replace(request, body=urlencode(changed).encode())
