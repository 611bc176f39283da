"""Hands batches of stream records to a function, and tells the failure destination of those that were given up.

Called by the lanes of `triggers.streams_lane`; each function call goes through the invoker's one door.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from labhelpers.clock import Clock
from labhelpers.errors import AwsError
from labhelpers.events.destinations import Response
from labhelpers.events.stream_batches import Batch, GivenUp, Loss, Window
from labhelpers.functions.destinations import Sender
from labhelpers.functions.event_source_mappings import OK, EventSourceMapping, EventSourceMappings
from labhelpers.functions.execution_roles import may_send
from labhelpers.journal import Journal
from labhelpers.model import InvokeRequest, InvokeResult

FAILED = "PROBLEM: Function call failed"

Invoke = Callable[[InvokeRequest], Awaitable[InvokeResult]]


@dataclass(frozen=True, slots=True)
class StreamSurroundings:
    """What all pollers of streams share.

    `role_of(function)` answers the ARN of its role, `records_read(function, age_ms)` hears how old the last record of
    a batch was.
    """

    invoke: Invoke
    sender: Sender
    mappings: EventSourceMappings
    journal: Journal
    clock: Clock
    role_of: Callable[[str], str]
    records_read: Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of handing over a batch. `refused`: Lambda did not run the function; `gone`: it does not exist.

    `error` is the type of the function's own error, "" if it returned.
    """

    request_id: str
    event: bytes
    payload: bytes = b""
    response: Response | None = None
    error: str = ""
    refused: str = ""
    gone: bool = False

    @property
    def failed(self) -> bool:
        """Whether the function has failed."""
        return bool(self.error)


class StreamDelivery:
    """For one mapping and one shard."""

    def __init__(self, surroundings: StreamSurroundings, mapping: EventSourceMapping, shard_id: str) -> None:
        self.mapping = mapping
        self._around = surroundings
        self.shard_id = shard_id

    def record_fields(self) -> bytes:
        """What this mapping adds to each record, as JSON without braces."""
        fields = {"eventSourceARN": self.mapping.source_arn}
        if self.mapping.service == "kinesis":
            fields["invokeIdentityArn"] = self._role()
        return orjson.dumps(fields)[1:-1]

    def _role(self) -> str:
        """The role of the function; "" if there is no function any more, which calling it will tell."""
        try:
            return self._around.role_of(self.mapping.function_arn)
        except AwsError:
            return ""

    async def attempt(
        self, batch: Batch, window: Window | None = None, *, final: bool = False, early: bool = False
    ) -> Attempt:
        """Invoke the function with a batch and wait for what comes of it. `final`: the last call of the window."""
        mapping, around = self.mapping, self._around
        more = window.fields(self.shard_id, mapping.source_arn, final=final, early=early) if window else None
        request = InvokeRequest(
            mapping.function_arn,
            batch.event(more),
            request_id=str(uuid.uuid4()),
            source=mapping.service,
            source_arn=mapping.source_arn,
        )
        around.journal.append(
            f"{mapping.service}.poll",
            mapping.source_arn,
            request_id=request.request_id,
            destination=mapping.function_arn,
            invocation=request.request_id,
            mapping=mapping.uuid,
            shard=self.shard_id,
            batch_size=len(batch.records),
            attempt=batch.attempts + 1,
            key=f"{len(batch.records)} records" if len(batch.records) != 1 else "1 record",
        )
        if batch.records:
            age_s = around.clock.now() - batch.records[-1].at
            around.records_read(mapping.function_arn, max(0.0, age_s * 1000))
        try:
            result = await around.invoke(request)
        except AwsError as error:
            return Attempt(
                request.request_id,
                request.payload,
                refused=f"{error.code}: {error.message}",
                gone=error.status == 404,
            )
        response = Response(
            200,
            executed_version=result.version,
            function_error=result.error.handled if result.error else "",
        )
        error_type = (result.error.type or result.error.handled) if result.error else ""
        return Attempt(request.request_id, request.payload, result.payload, response, error_type)

    def note(self, *, ok: bool) -> None:
        """The mapping's LastProcessingResult."""
        self._around.mappings.note_result(self.mapping.uuid, OK if ok else FAILED)

    def tell(self, what: str, batch: Batch, last: Attempt, **detail: Any) -> None:
        """An entry of the journal about a batch."""
        self._around.journal.append(
            f"{self.mapping.service}.{what}",
            self.mapping.source_arn,
            request_id=last.request_id,
            mapping=self.mapping.uuid,
            function=self.mapping.function_arn,
            shard=self.shard_id,
            batch_size=len(batch.records),
            attempt=batch.attempts,
            reason=last.refused or last.error or "what it answered",
            **detail,
        )

    async def give_up(self, condition: GivenUp, batch: Batch, last: Attempt | None) -> None:
        """The records will not be tried again: the journal has it, and the failure destination is told."""
        mapping, around = self.mapping, self._around
        request_id = last.request_id if last else str(uuid.uuid4())
        around.journal.failure(
            f"{len(batch.records)} records of {mapping.source_name} were given up: {condition.value}",
            mapping.source_arn,
            request_id=request_id,
            mapping=mapping.uuid,
            function=mapping.function_arn,
            shard=self.shard_id,
            condition=condition.value,
            start_sequence_number=batch.records[0].sequence_number,
            end_sequence_number=batch.records[-1].sequence_number,
            attempts=batch.attempts,
        )
        if not mapping.on_failure:
            return
        if not may_send(around.mappings.authorize, self._role(), mapping.on_failure):
            around.journal.failure(
                f"{mapping.on_failure} was not told: the function's role may not send to it",
                mapping.source_arn,
                request_id=request_id,
                mapping=mapping.uuid,
                destination=mapping.on_failure,
            )
            return
        loss = Loss(
            condition,
            batch,
            mapping.uuid,
            mapping.source_arn,
            self.shard_id,
            mapping.function_arn,
            request_id,
            around.clock.now(),
            # Recorded: AWS tells the function's answer only where the tries were used up.
            last.response if last and condition is GivenUp.RETRIES else None,
            batch.event().decode(),
        )
        await around.sender.send(
            loss.message(mapping.on_failure, str(uuid.uuid4())),
            kind=f"{mapping.service}.destination",
            resource=mapping.source_arn,
            request_id=request_id,
            mapping=mapping.uuid,
            condition=condition.value,
        )
