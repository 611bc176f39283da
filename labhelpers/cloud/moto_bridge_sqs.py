"""SQS in moto: long polls that do not hold up everything else, and queue addresses that work here.

moto sleeps in ReceiveMessage, on the thread that all services share. Here each try returns at once, and the wait
happens on the event loop until a message arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlencode

from labhelpers.cloud.moto_bridge_thread import MotoThread
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.model import Account

MAX_WAIT_S = 20.0
Dispatch = Callable[[AwsRequest], AwsResponse]


class SqsState:
    """moto's queues of one account, and who waits for messages in them."""

    def __init__(self, account: Account, thread: MotoThread) -> None:
        self._account = account
        self._thread = thread
        self._backends: Any = None
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def load(self) -> None:
        """Have moto's queues tell of each message that arrives. On moto's thread."""
        if self._backends is not None:
            return
        models: Any = import_module("moto.sqs.models")
        add_message = inspect.unwrap(models.Queue.add_message)

        @functools.wraps(add_message)
        def add_and_tell(queue: Any, message: Any) -> None:
            add_message(queue, message)
            if self._waiting:
                self._thread.call_in_loop(self._wake, queue.name)

        models.Queue.add_message = add_and_tell
        self._backends = models.sqs_backends

    def _wake(self, queue: str) -> None:
        for arrival in self._waiting.get(queue, ()):
            arrival.set()

    async def receive(
        self, request: AwsRequest, run: Callable[..., Awaitable[Any]], dispatch: Dispatch
    ) -> AwsResponse:
        """ReceiveMessage: moto's answer as soon as it has messages, or an error, or the wait is over."""
        fields = _read_fields(request)
        queue = str(fields.get("QueueUrl", "")).rpartition("/")[2]
        once = _with_wait(request, fields, 0)
        wait_s = _wait_of(fields)
        if wait_s is not None and not 0 <= wait_s <= MAX_WAIT_S:
            answer: AwsResponse = await run(dispatch, request)
            return answer
        deadline = time.monotonic() + (MAX_WAIT_S if wait_s is None else wait_s)
        arrival = asyncio.Event()
        self._waiting.setdefault(queue, set()).add(arrival)
        try:
            while True:
                arrival.clear()
                answer, default_wait_s, next_s = await run(self._try, once, queue, dispatch)
                if wait_s is None:
                    wait_s, deadline = default_wait_s, deadline - MAX_WAIT_S + default_wait_s
                left_s = deadline - time.monotonic()
                if (
                    left_s <= 0
                    or answer.status != 200
                    or b"ReceiptHandle" in answer.body
                    or not request.alive()
                ):
                    return answer
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(arrival.wait(), min(left_s, max(next_s, 0.005)))
        finally:
            self._waiting[queue].discard(arrival)
            if not self._waiting[queue]:
                del self._waiting[queue]

    def _try(self, request: AwsRequest, queue: str, dispatch: Dispatch) -> tuple[AwsResponse, float, float]:
        """On moto's thread: the answer, the queue's own wait, and the seconds until a hidden message shows again."""
        answer = dispatch(request)
        found = self._backends[self._account.id][request.region].queues.get(queue)
        if found is None:
            return answer, 0.0, MAX_WAIT_S
        now_ms = time.time() * 1000
        hidden = [at for m in found._messages for at in (m.visible_at, m.delayed_until) if at > now_ms]
        next_s = (min(hidden) - now_ms) / 1000 if hidden else MAX_WAIT_S
        return answer, float(found.receive_message_wait_time_seconds or 0), next_s


def _read_fields(request: AwsRequest) -> dict[str, Any]:
    if request.body[:1] == b"{":
        try:
            fields = json.loads(request.body)
        except ValueError:
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
