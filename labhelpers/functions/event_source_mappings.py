"""Event source mappings: which queue or stream is read for which function, and the rules that AWS sets for them.

Made and changed by the Lambda service (`cloud/lambda_service_event_sources.py`), read by the pollers of `triggers/`.
https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from labhelpers.errors import RESOURCE_NOT_FOUND, AwsError
from labhelpers.journal import Journal
from labhelpers.model import Account, FunctionVersion

USER_INITIATED = "USER_INITIATED"  # Of queues' mappings; streams' mappings say
USER_ACTION = "User action"
REPORT_BATCH_ITEM_FAILURES = "ReportBatchItemFailures"
OK = "OK"
NO_RECORDS = "No records processed"
PROBLEM = "PROBLEM"


class State(Enum):
    """The states of a mapping, in AWS's words."""

    CREATING = "Creating"
    ENABLING = "Enabling"
    ENABLED = "Enabled"
    DISABLING = "Disabling"
    DISABLED = "Disabled"
    UPDATING = "Updating"
    DELETING = "Deleting"


# Where a mapping may go from each state; a change while it is on its way is refused.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.CREATING: frozenset({State.ENABLED, State.DISABLED, State.DELETING}),
    State.ENABLING: frozenset({State.ENABLED, State.DELETING}),
    State.ENABLED: frozenset({State.DISABLING, State.UPDATING, State.DELETING}),
    State.DISABLING: frozenset({State.DISABLED, State.DELETING}),
    State.DISABLED: frozenset({State.ENABLING, State.UPDATING, State.DELETING}),
    State.UPDATING: frozenset({State.ENABLED, State.DISABLED, State.DELETING}),
    State.DELETING: frozenset(),
}
SETTLED = frozenset({State.ENABLED, State.DISABLED})


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One mapping, frozen; every change makes another of the same `uuid`.

    `function_arn` is qualified as its maker qualified it. Times end in `_s`; -1 for no limit, as on AWS.
    `starting_at` is epoch seconds, with AT_TIMESTAMP only. `filters` are the patterns as text; none: all records pass.
    `on_failure` is the ARN of streams' failure destination. `modified` is epoch seconds of the lab's clock.
    """

    uuid: str
    source_arn: str
    function_arn: str
    state: State
    enabled: bool
    modified: float
    batch_size: int
    window_s: int = 0
    state_reason: str = USER_INITIATED
    last_result: str = ""
    parallelization_factor: int = 1
    starting_position: str = ""
    starting_at: float | None = None
    max_record_age_s: int = -1
    max_retries: int = -1
    bisect_on_error: bool = False
    tumbling_window_s: int = 0
    on_failure: str = ""
    filters: tuple[str, ...] = ()
    response_types: tuple[str, ...] = ()
    max_concurrency: int | None = None
    metrics: tuple[str, ...] = ()
    kms_key_arn: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def service(self) -> str:
        """The service of its source: "sqs", "kinesis" or "dynamodb"."""
        return self.source_arn.split(":")[2]

    @property
    def source_name(self) -> str:
        """A queue's name, `stream/<name>` or `table/<name>/stream/<label>`."""
        return self.source_arn.split(":", 5)[5]

    @property
    def reports_item_failures(self) -> bool:
        """Whether the function's answer names the items that failed."""
        return REPORT_BATCH_ITEM_FAILURES in self.response_types

    @property
    def is_fifo(self) -> bool:
        """Whether its source is a FIFO queue."""
        return self.service == "sqs" and self.source_arn.endswith(".fifo")


SourceCheck = Callable[[EventSourceMapping, FunctionVersion], Awaitable[None]]


def not_found() -> AwsError:
    """AWS's answer for a UUID that no mapping has."""
    return AwsError(RESOURCE_NOT_FOUND, "The resource you requested does not exist.", 404)


class EventSourceMappings:
    """All mappings of an account, in the order of their making. Event loop only.

    `on_change` hears (mapping before or None, mapping after or None) of each making, change and deletion.
    `source_checks` has for each service what AWS checks when a mapping is made or changed: `await check(mapping,
    version)` raises AwsError InvalidParameterValueException, e.g. when the source does not exist. `authorize(role,
    action, resource)` says whether a function's role may do what polling needs; without IAM it always may.
    """

    def __init__(self, account: Account, journal: Journal, now: Callable[[], float]) -> None:
        self.account = account
        self.now = now
        self.on_change: list[Callable[[EventSourceMapping | None, EventSourceMapping | None], object]] = []
        self.source_checks: dict[str, SourceCheck] = {}
        self.authorize: Callable[[str, str, str], bool] = lambda role, action, resource: True
        self._journal = journal
        self._mappings: dict[str, EventSourceMapping] = {}

    def __iter__(self) -> Iterator[EventSourceMapping]:
        return iter(list(self._mappings.values()))

    def arn(self, uuid: str) -> str:
        """The ARN of a mapping."""
        return f"arn:aws:lambda:{self.account.region}:{self.account.id}:event-source-mapping:{uuid}"

    def get(self, uuid: str) -> EventSourceMapping:
        """AwsError 404 when there is none of that UUID."""
        if (found := self._mappings.get(uuid)) is None:
            raise not_found()
        return found

    def find(self, uuid: str) -> EventSourceMapping | None:
        return self._mappings.get(uuid)

    def add(self, mapping: EventSourceMapping) -> None:
        """A new mapping."""
        self._mappings[mapping.uuid] = mapping
        self._note("mapping.created", mapping)
        self._tell(None, mapping)

    def change(self, mapping: EventSourceMapping) -> EventSourceMapping:
        """What a caller changed, on its way to the state that it names; the mapping as it is from now on."""
        before = self.get(mapping.uuid)
        result = before.last_result
        if mapping.state is State.ENABLING and result.startswith(PROBLEM):
            result = "" if mapping.service == "sqs" else NO_RECORDS
        after = replace(mapping, modified=self.now(), last_result=result, tags=before.tags)
        self._mappings[mapping.uuid] = after
        self._note("mapping.updated", after)
        self._tell(before, after)
        return after

    def settle(self, uuid: str, state: State) -> None:
        """The change is done: another state, at which nobody needs to act."""
        if (found := self._mappings.get(uuid)) is not None and state in TRANSITIONS[found.state]:
            self._mappings[uuid] = settled = replace(found, state=state)
            self._note("mapping.state", settled)

    def note_result(self, uuid: str, result: str) -> None:
        """What came of the last batch: "OK", or "PROBLEM: ..."; shown as LastProcessingResult.

        A batch that was under way when its mapping was disabled for a problem does not hide that.
        """
        found = self._mappings.get(uuid)
        if found is None or (not found.enabled and found.last_result.startswith(PROBLEM)):
            return
        if found.last_result != result:
            self._mappings[uuid] = replace(found, last_result=result)

    def fail(self, uuid: str, problem: str) -> None:
        """The function or the source is gone: the mapping becomes disabled, and says why.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html (LambdaESMDisabled).
        """
        before = self._mappings.get(uuid)
        if before is None or not before.enabled or before.state is State.DELETING:
            return
        after = replace(
            before,
            state=State.DISABLED,
            enabled=False,
            last_result=f"{PROBLEM}: {problem}",
            modified=self.now(),
        )
        self._mappings[uuid] = after
        self._journal.failure(
            f"The event source mapping of {before.source_arn} to {before.function_arn} was disabled: {problem}. "
            f"Once that is there again, update_event_source_mapping(UUID='{uuid}', Enabled=True) goes on",
            before.source_arn,
            uuid=uuid,
            destination=before.function_arn,
        )
        self._tell(before, after)

    def set_tags(self, uuid: str, tags: Mapping[str, str]) -> None:
        """Other tags."""
        self._mappings[uuid] = replace(self.get(uuid), tags=MappingProxyType(dict(tags)))

    def remove(self, uuid: str) -> None:
        """A mapping has ended."""
        if (gone := self._mappings.pop(uuid, None)) is not None:
            self._note("mapping.deleted", gone)
            self._tell(gone, None)

    def _tell(self, before: EventSourceMapping | None, after: EventSourceMapping | None) -> None:
        for listener in self.on_change:
            listener(before, after)

    def _note(self, kind: str, mapping: EventSourceMapping) -> None:
        self._journal.append(
            kind,
            mapping.source_arn,
            uuid=mapping.uuid,
            destination=mapping.function_arn,
            state=mapping.state.value,
            batch_size=mapping.batch_size,
        )
