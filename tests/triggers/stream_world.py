"""A stream and a poller of it, with everything around them faked, on a clock that tests move."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from labhelpers.events.kinesis import stream_record
from labhelpers.events.stream_log import ShardLog, StreamLog
from labhelpers.functions.destinations import Sender
from labhelpers.functions.event_source_mappings import EventSourceMapping, State
from labhelpers.journal import Journal
from labhelpers.model import FunctionError, InvokeRequest
from labhelpers.triggers.streams import StreamPoller, StreamPollers
from labhelpers.triggers.streams_delivery import StreamSurroundings
from tests.fakes import ACCOUNT, FakeClock, FakeDelivery, FakeInvoker, function_arn

FUNCTION = function_arn("reader")
STREAM = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:lost"
ERROR = FunctionError.make("ValueError", "poison")


def values(request: InvokeRequest) -> list[int]:
    """The numbers that a call's records carry, in order: they are their sequence numbers."""
    return [int(record["kinesis"]["sequenceNumber"]) for record in json.loads(request.payload)["Records"]]


@dataclass
class World:
    """A stream of one shard, `shard-0`, and a poller of it; `function` is what the mapping calls."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(1_700_000_040.0))  # A whole minute.
    journal: Journal = field(default_factory=Journal)
    invoker: FakeInvoker = field(default_factory=FakeInvoker)
    delivery: FakeDelivery = field(default_factory=FakeDelivery)
    log: StreamLog = field(default_factory=lambda: StreamLog(STREAM))
    results: list[str] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    role_of: Callable[[str], str] = lambda _: "role"
    count: int = 0

    def __post_init__(self) -> None:
        self.log.add(ShardLog("shard-0"))
        self.pollers = StreamPollers(
            lambda arn: self.log if arn == STREAM else None,
            StreamSurroundings(
                self.invoker.invoke,
                Sender(self.delivery, self.journal, self.clock),
                self,  # type: ignore[arg-type]
                self.journal,
                self.clock,
                role_of=self.find_role,
                records_read=lambda function, age_ms: self.ages.append(age_ms),
            ),
        )
        self.made: list[StreamPoller] = []

    # The part of `EventSourceMappings` that pollers call.

    def find_role(self, function: str) -> str:
        """Its role, as a test says at the time."""
        return self.role_of(function)

    def note_result(self, uuid: str, result: str) -> None:
        """A mapping's LastProcessingResult."""
        self.results.append(result)

    def fail(self, uuid: str, problem: str) -> None:
        """A mapping is to be disabled."""
        self.results.append(f"failed: {problem}")

    def authorize(self, role: str, action: str, resource: str) -> bool:
        """Whether a role may do something."""
        return action not in self.denied

    def mapping(self, **settings: Any) -> EventSourceMapping:
        """A mapping from the beginning of the stream."""
        base = EventSourceMapping(
            "uuid", STREAM, FUNCTION, State.ENABLED, True, 0.0, 10, starting_position="TRIM_HORIZON"
        )
        return replace(base, **settings)

    def poller(self, **settings: Any) -> StreamPoller:
        """A poller that runs."""
        made = self.pollers.make(self.mapping(**settings))
        self.made.append(made)
        made.start()
        return made

    def put(self, *keys: str, shard: str = "shard-0", data: str = "", tell: bool = True) -> None:
        """A record for each key, in one request."""
        for key in keys:
            self.count += 1
            record = stream_record(
                shard_id=shard,
                partition_key=key,
                number=str(self.count),
                data=data,
                at=self.clock.now(),
                region="us-east-1",
            )
            self.log.shards[shard].append(record)
        if tell:
            self.log.tell(shard)

    @property
    def calls(self) -> list[list[int]]:
        """What each call had."""
        return [values(request) for request in self.invoker.requests]

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        return [entry.detail for entry in self.journal.since(kind=kind)]


def poisoned_by(*poison: int) -> Any:
    """A function that fails when a batch has one of these records."""
    return lambda request: ERROR if set(poison) & set(values(request)) else b"null"
