"""EventBridge's API: the lab's own matching and delivery, in front of the settings that moto keeps.

Called by the front door. PutEvents and TestEventPattern are answered here; what changes rules is checked here, kept by
moto, and then read back for `triggers.event_bus`; everything else is moto's.
AWS: https://docs.aws.amazon.com/eventbridge/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from labhelpers.clock import Clock
from labhelpers.cloud import moto_bridge_events
from labhelpers.cloud.moto_bridge_events import RuleSettings
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import RESOURCE_NOT_FOUND, AwsError, NotEmulated
from labhelpers.events.destinations import Outgoing
from labhelpers.events.eventbridge import (
    BusEvent,
    EntryRefused,
    check_entries,
    event_time,
    make_event,
    read_test_event,
)
from labhelpers.events.eventbridge_rules import Rule, check_targets, pattern_of, read_target
from labhelpers.events.pattern import EventPattern, compile_pattern
from labhelpers.iam.documents import read_policy
from labhelpers.model import Account
from labhelpers.triggers.event_bus import EventBus
from labhelpers.triggers.rule_schedules import check_rule_schedule

_CONTENT = {"Content-Type": "application/x-amz-json-1.1"}
# After these moto's rules are no longer what they were.
_CHANGING = frozenset(
    """
    PutRule DeleteRule EnableRule DisableRule PutTargets RemoveTargets CreateEventBus DeleteEventBus
    CreateArchive UpdateArchive DeleteArchive
    """.split()
)
_OF_A_RULE = {
    "DescribeRule": "Name",
    "EnableRule": "Name",
    "DisableRule": "Name",
    "ListTargetsByRule": "Rule",
    "PutTargets": "Rule",
    "RemoveTargets": "Rule",
}
_PATTERN_MAX = 4_096
Fields = Mapping[str, Any]


class Bridge(Protocol):
    """The part of the bridge to moto that this needs."""

    async def handle(self, request: AwsRequest) -> AwsResponse: ...
    async def run(self, function: Callable[..., Any], *args: Any) -> Any: ...


class EventsService:
    """`handle` answers a call; `put_by_aws` takes events that the lab's own services send."""

    def __init__(self, bridge: Bridge, bus: EventBus, account: Account, clock: Clock) -> None:
        self._bridge = bridge
        self._bus = bus
        self._account = account
        self._clock = clock
        self._own: Mapping[str, Callable[[AwsRequest, Fields], Any]] = {
            "PutEvents": self._put_events,
            "TestEventPattern": self._test_event_pattern,
        }
        self._checks: Mapping[str, Callable[[AwsRequest, Fields], None]] = {
            "PutRule": self._check_rule,
            "PutTargets": self._check_targets,
            "CreateArchive": self._check_archive,
            "UpdateArchive": self._check_archive,
            "PutPermission": _check_permission,
        }

    async def handle(self, request: AwsRequest) -> AwsResponse:
        """The answer to a call of EventBridge; AwsError as AWS words it."""
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        fields = _fields(request.body)
        if own := self._own.get(operation):
            return AwsResponse(200, _CONTENT, json.dumps(own(request, fields)).encode())
        if name := _OF_A_RULE.get(operation):
            self._find_rule(request, fields, str(fields.get(name, "")))
        if check := self._checks.get(operation):
            check(request, fields)
        response = await self._bridge.handle(request)
        if response.status < 300:
            if operation in _CHANGING:
                await self._read_rules(request.region)
            elif operation == "StartReplay":
                await self._replay(request, fields)
        return response

    async def _read_rules(self, region: str) -> None:
        found = await self._bridge.run(moto_bridge_events.read_rules, self._account.id, region)
        self._bus.set_rules(
            region, {bus: [_rule(rule, region) for rule in rules] for bus, rules in found.items()}
        )

    # --- Events ---

    def _put_events(self, request: AwsRequest, fields: Fields) -> dict[str, Any]:
        if fields.get("EndpointId"):
            raise NotEmulated("global endpoints of EventBridge")
        entries = fields.get("Entries") or []
        check_entries(entries)
        for entry in entries:
            given = str(entry.get("EventBusName") or "")
            if given.startswith("arn:") and given.split(":")[4:5] != [self._account.id]:
                raise NotEmulated(f"event buses of other accounts ({given})")
        answers = [self._put_entry(request, entry) for entry in entries]
        failed = sum(1 for answer in answers if "ErrorCode" in answer)
        return {"FailedEntryCount": failed, "Entries": answers}

    def _put_entry(self, request: AwsRequest, entry: Fields) -> dict[str, str]:
        try:
            event = self._event(entry, request.region, trace_id=request.headers.get("X-Amzn-Trace-Id", ""))
        except EntryRefused as refused:
            return {"ErrorCode": refused.code, "ErrorMessage": refused.message}
        self._bus.put(event, *_bus_of(entry, request.region))
        return {"EventId": event.id}

    def _event(self, entry: Fields, region: str, *, trace_id: str, by_aws: bool = False) -> BusEvent:
        given = {**entry, "TraceHeader": entry.get("TraceHeader") or trace_id}
        return make_event(
            given, str(uuid.uuid4()), self._account.id, region, self._clock.now(), by_aws=by_aws
        )

    def put_by_aws(self, message: Outgoing) -> None:
        """An event of S3, of Lambda's destinations or of Scheduler. AwsError: 400 for a missing bus or a bad entry."""
        entry = {
            "Source": message.source,
            "DetailType": message.detail_type,
            "Detail": message.body,
            "EventBusName": message.target,
            "Resources": list(message.resources),
            "Time": message.at or None,
        }
        bus, region = _bus_of(entry, self._account.region)
        if not self._bus.has_bus(bus, region):
            raise AwsError(RESOURCE_NOT_FOUND, f"Event bus {bus} does not exist.")
        try:
            event = self._event(entry, region, trace_id=message.trace_id, by_aws=True)
        except EntryRefused as refused:
            raise AwsError(refused.code, refused.message) from None
        self._bus.put(event, bus, region)

    async def archive(self, region: str, archive: str, event: Fields) -> None:
        """Keep an event in an archive of moto's."""
        await self._bridge.run(moto_bridge_events.archive_event, self._account.id, region, archive, event)

    async def _replay(self, request: AwsRequest, fields: Fields) -> None:
        """Send the archived events of a time once more, with the replay's name, to the rules that it is for."""
        archive = str(fields["EventSourceArn"]).rpartition("/")[2]
        found = await self._bridge.run(
            moto_bridge_events.archived_events, self._account.id, request.region, archive
        )
        first, last = (event_time(float(fields[name])) for name in ("EventStartTime", "EventEndTime"))
        destination = fields["Destination"]
        bus, region = _bus_of({"EventBusName": destination["Arn"]}, request.region)
        for event in found:
            if first <= event["time"] <= last:
                again = BusEvent({**event, "replay-name": fields["ReplayName"]}, self._clock.now())
                self._bus.put(again, bus, region, only=destination.get("FilterArns") or ())

    def _test_event_pattern(self, request: AwsRequest, fields: Fields) -> dict[str, Any]:
        pattern = _pattern(str(fields.get("EventPattern", "")))
        return {"Result": pattern.matches(read_test_event(str(fields.get("Event", ""))))}

    # --- Settings ---

    def _find_rule(self, request: AwsRequest, fields: Fields, name: str) -> Rule | None:
        """The rule that a call is about; None if moto is to say what is wrong. AwsError if there is none."""
        bus, region = _bus_of(fields, request.region)
        if not name or not self._bus.has_bus(bus, region):
            return None
        for rule in self._bus.rules(region):
            if (rule.name, rule.bus) == (name, bus):
                return rule
        raise AwsError(RESOURCE_NOT_FOUND, f"Rule {name} does not exist on EventBus {bus}.")

    def _check_rule(self, request: AwsRequest, fields: Fields) -> None:
        if pattern := fields.get("EventPattern"):
            _pattern(str(pattern))
        if expression := fields.get("ScheduleExpression"):
            check_rule_schedule(
                str(expression), str(fields.get("EventBusName") or "default").rpartition("/")[2]
            )
        if fields.get("State") == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
            raise NotEmulated("events of CloudTrail in EventBridge rules")

    def _check_targets(self, request: AwsRequest, fields: Fields) -> None:
        rule = self._find_rule(request, fields, str(fields.get("Rule", "")))
        check_targets(fields.get("Targets") or [], (target.id for target in rule.targets) if rule else ())

    def _check_archive(self, request: AwsRequest, fields: Fields) -> None:
        if pattern := fields.get("EventPattern"):
            _pattern(str(pattern))


def _rule(settings: RuleSettings, region: str) -> Rule:
    return Rule(
        settings.name,
        settings.arn,
        settings.bus,
        region,
        settings.enabled,
        pattern_of(settings.pattern) if settings.pattern else None,
        settings.schedule,
        tuple(read_target(target) for target in settings.targets),
    )


def _pattern(text: str) -> EventPattern:
    """A pattern that may be compiled: the bound is the API's (EventPattern of PutRule and TestEventPattern)."""
    if len(text) > _PATTERN_MAX:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{text[:100]}...' at 'eventPattern' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_PATTERN_MAX}",
        )
    return compile_pattern(text)


def _check_permission(request: AwsRequest, fields: Fields) -> None:
    """AwsError unless the policy of a bus, where one is given, is one."""
    given = fields.get("Policy")
    if not given:
        return
    try:
        statements = read_policy(str(given)).statements
    except ValueError as error:
        raise AwsError("ValidationException", f"Parameter Policy is not valid. Reason: {error}.") from None
    if not statements:
        raise AwsError("ValidationException", "Parameter Policy is not valid. Reason: it has no Statement.")


def _bus_of(fields: Fields, region: str) -> tuple[str, str]:
    """Name and region of the bus in EventBusName, which may be a name or an ARN."""
    given = str(fields.get("EventBusName") or "default")
    if not given.startswith("arn:"):
        return given, region
    return given.rpartition("event-bus/")[2], given.split(":")[3]


def _fields(body: bytes) -> Fields:
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise AwsError("SerializationException", "The body of this request is no JSON object")
    return fields
