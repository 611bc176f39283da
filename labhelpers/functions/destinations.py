"""Sends messages that nobody waits for: tries again when the receiver fails, and journals how it ended.

Called by `functions.asynchronous` and `triggers.s3`; calls what the cloud gives it to deliver with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from labhelpers.clock import Clock
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.destinations import Outgoing
from labhelpers.journal import Journal

Deliver = Callable[[Outgoing], Awaitable[None]]

WAITS_S = (1.0, 2.0)


def is_passing(error: AwsError) -> bool:
    """Whether the same call may well succeed later: throttled, busy, or the service's own failure."""
    return (error.status >= 500 or error.status in (409, 429)) and not isinstance(error, NotEmulated)


class Sender:
    """Delivers `Outgoing` messages. `deliver` raises AwsError when the receiver refuses or fails."""

    def __init__(self, deliver: Deliver, journal: Journal, clock: Clock) -> None:
        self._deliver = deliver
        self._journal = journal
        self._clock = clock

    async def send(
        self,
        message: Outgoing,
        *,
        kind: str,
        resource: str,
        request_id: str = "",
        trace_id: str = "",
        **detail: str,
    ) -> bool:
        """Deliver `message`; whether it arrived. The journal gets `kind` if so, else a failure, with `detail`.

        The message goes on in the trace `trace_id`.
        """
        detail["destination"] = message.target
        if trace_id and not message.trace_id:
            message = replace(message, trace_id=trace_id)
        try:
            await self._try(message)
        except Exception as error:  # noqa: BLE001 - nobody waits for this: whatever failed, the journal says so
            self._journal.failure(
                f"could not deliver to {message.target}: {error}",
                resource,
                request_id=request_id,
                trace_id=trace_id,
                error=type(error).__name__,
                **detail,
            )
            return False
        self._journal.append(kind, resource, request_id=request_id, trace_id=trace_id, **detail)
        return True

    async def _try(self, message: Outgoing) -> None:
        for wait_s in WAITS_S:
            try:
                return await self._deliver(message)
            except AwsError as error:
                if not is_passing(error):
                    raise
            await self._clock.sleep(wait_s)
        return await self._deliver(message)
