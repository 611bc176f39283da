"""The one thread on which moto runs: jobs go in from the event loop, results come back to it, in order.

moto's state is plain objects without locks that hold, so nothing else may touch it while a job runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Callable[..., Any], tuple[Any, ...], "asyncio.Future[Any] | None"]


class MotoThread:
    """A daemon thread with a queue of jobs. `close` lets the jobs that are in finish."""

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._work, name="moto", daemon=True)
        self._thread.start()

    def run(self, function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run `function` after all jobs before it; the future gets its result or its exception."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((function, args, future))
        return future

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Run `function` after all jobs before it; nobody waits, a failure goes to `on_failure`."""
        self._jobs.put((function, args, None))

    def call_in_loop(self, function: Callable[..., object], *args: Any) -> None:
        """From a job: have `function` called on the event loop."""
        with contextlib.suppress(RuntimeError):  # The loop is closed: the lab has ended.
            self._loop.call_soon_threadsafe(function, *args)

    async def close(self) -> None:
        """End the thread when its jobs are done; a long one does not hold up the end of the lab, which ends it too."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, 0.2)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._do(*job)
            del job  # It may hold an object of any size, and the next one may be long in coming.

    def _do(
        self, function: Callable[..., Any], args: tuple[Any, ...], future: asyncio.Future[Any] | None
    ) -> None:
        try:
            result = function(*args)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, or to the journal
            if future is None:
                self.call_in_loop(self._on_failure, error)
            else:
                self.call_in_loop(_fail, future, error)
        else:
            if future is not None:
                self.call_in_loop(_settle, future, result)


def _settle(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        # A StopIteration cannot travel in a future.
        future.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)
