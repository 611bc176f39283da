"""Coroutines that run at once, and have no task of their own until they wait for something of asyncio's.

Most requests wait for one thing only, a function's answer. Each would cost a task, a future and two turns of the event
loop; here it runs as soon as its bytes are there, and goes on the moment that the `Answer` is. Event loop only.
docs.python.org/3/library/asyncio-extending.html (what a task of one's own has to do)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_running: Eager | None = None


class Answer(Generic[T]):
    """What one coroutine waits for: like a Future, but whoever waits goes on within `set_result`, if it is eager.

    `when_there` is called instead, if nobody waits any more.
    """

    __slots__ = ("_abandoned", "_error", "_future", "_is_there", "_result", "_waiter", "when_there")

    def __init__(self) -> None:
        self._is_there = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._abandoned: BaseException | None = None
        self._waiter: Eager | None = None
        self._future: asyncio.Future[None] | None = None
        self.when_there: Callable[[], object] | None = None

    def done(self) -> bool:
        """Whether it is there."""
        return self._is_there

    def set_result(self, result: T) -> None:
        """It is this."""
        self._result = result
        waiter = self._waiter
        if waiter is None or self._is_there:
            self._arrive()
        else:  # As mostly, in fewer steps.
            self._is_there = True
            self._waiter = None
            waiter.step()

    def set_exception(self, error: BaseException) -> None:
        """There is none, and this is why."""
        self._error = error
        self._arrive()

    def abandon(self, error: BaseException) -> None:
        """Raise this where it is waited for; the answer itself may still come."""
        if not self._is_there:
            self._abandoned = error
            self._wake()

    def _arrive(self) -> None:
        if self._is_there:
            raise asyncio.InvalidStateError("an answer comes once")
        self._is_there = True
        if self.when_there is not None:
            self.when_there()
        else:
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.step()
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def __await__(self) -> Generator[Any, None, T]:
        if not self._is_there:
            if _running is not None:
                yield self
            else:
                self._future = asyncio.get_running_loop().create_future()
                yield from self._future
        if self._abandoned is not None:
            error, self._abandoned = self._abandoned, None
            raise error
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


class Eager:
    """One coroutine. It has begun, and perhaps ended, when this is made; `on_end` then hears of it, once.

    It stands for the current task until it gets one, so that `asyncio.timeout` and its like can cancel it.
    """

    __slots__ = (
        "_cancels",
        "_coroutine",
        "_is_to_end",
        "_loop",
        "_on_end",
        "_task",
        "_waits_for",
        "has_ended",
    )

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], on_end: Callable[[Eager], object] = lambda _: None
    ) -> None:
        self.has_ended = False
        self._coroutine = coroutine
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self._waits_for: Answer[Any] | None = None
        self._cancels = 0
        self._is_to_end = False  # Cancelled while it did not wait.
        self.step()

    def step(self, error: BaseException | None = None) -> None:
        """Run until it waits or ends."""
        global _running
        loop, coroutine = self._loop, self._coroutine
        try:
            asyncio.tasks._enter_task(loop, self)  # type: ignore[arg-type]
        except RuntimeError:  # Something else runs, within which the answer came.
            self._waits_for = None
            loop.call_soon(self.step, error)
            return
        _running, self._waits_for = self, None
        if self._is_to_end:
            error, self._is_to_end = asyncio.CancelledError(), False
        try:
            waits_for = coroutine.send(None) if error is None else coroutine.throw(error)
        except (StopIteration, asyncio.CancelledError):
            self._end()
            return
        except Exception as failure:  # noqa: BLE001 - as with a task that nobody waits for
            loop.call_exception_handler({"message": "a request's coroutine failed", "exception": failure})
            self._end()
            return
        finally:
            _running = None
            asyncio.tasks._leave_task(loop, self)  # type: ignore[arg-type]
        if type(waits_for) is Answer:
            self._waits_for = waits_for
            waits_for._waiter = self
            if self._is_to_end:
                self._interrupt()
        else:
            self._task = loop.create_task(_Rest(coroutine, waits_for))
            self._task.add_done_callback(self._end_of_task)
            if self._is_to_end:
                self._task.cancel()

    def _interrupt(self) -> None:
        waits_for, self._waits_for = self._waits_for, None
        if waits_for is not None:
            waits_for._waiter = None
            self._loop.call_soon(self.step, asyncio.CancelledError())

    def _end_of_task(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "a request's coroutine failed", "exception": error}
            self._loop.call_exception_handler(context)
        self._end()

    def _end(self) -> None:
        self.has_ended = True
        self._on_end(self)

    # --- What a task has ---

    def cancel(self, msg: object = None) -> bool:
        """Raise CancelledError where it waits; False if it has ended."""
        if self._task is not None:
            return self._task.cancel(msg)
        if self.has_ended:
            return False
        self._cancels += 1
        if self._waits_for is not None:
            self._interrupt()
        else:
            self._is_to_end = True
        return True

    def cancelling(self) -> int:
        """How often it was cancelled and nobody has taken it back."""
        return self._cancels if self._task is None else self._task.cancelling()

    def uncancel(self) -> int:
        """Take one back; how many are left."""
        if self._task is not None:
            return self._task.uncancel()
        self._cancels = max(0, self._cancels - 1)
        return self._cancels


class _Rest(Coroutine[Any, Any, None]):
    """The rest of a coroutine that waits for `waits_for` already; to its task it looks as if it had just begun to.

    A task that is cancelled before its first step throws into what it was made of: that must reach the coroutine.
    """

    __slots__ = ("_coroutine", "_has_begun", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._has_begun = False

    def send(self, value: Any) -> Any:
        if self._has_begun:
            return self._coroutine.send(value)
        self._has_begun = True
        return self._waits_for

    def throw(self, *error: Any) -> Any:
        if not self._has_begun:
            self._has_begun = True
            if isinstance(self._waits_for, asyncio.Future):
                self._waits_for.cancel()  # As Task.cancel does.
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise NotImplementedError("only a task runs it")
