"""EventBridge Scheduler's settings: groups and schedules, frozen, and the store that keeps them.

Called by the cloud's Scheduler service; `triggers.scheduler` runs what is kept here.
AWS: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from labhelpers.errors import RESOURCE_NOT_FOUND, VALIDATION, AwsError, NotEmulated
from labhelpers.events.schedules import Schedule, parse_schedule
from labhelpers.model import Account

DEFAULT_GROUP = "default"
MAX_ATTEMPTS, MAX_AGE_S = 185, 86_400
_EARLY_S = 300
_ARN = re.compile(r"arn:aws[a-z-]*:(?P<service>[a-z0-9-]+):[a-z0-9-]*:(\d{12})?:.+")
_QUEUE = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[a-zA-Z0-9_-]+")
_TARGETS = ("lambda", "sqs", "sns", "events", "kinesis")
_MEMBERS_OF = {"EventBridgeParameters": "events", "SqsParameters": "sqs", "KinesisParameters": "kinesis"}


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """One schedule as its creator set it. Times are epoch seconds; `target` is AWS's structure with defaults filled in.

    `window_s` is the flexible window, 0 for none.
    """

    arn: str
    name: str
    group: str
    expression: str
    zone: str
    state: str
    target: Mapping[str, Any]
    window_s: int
    description: str | None
    start: float | None
    end: float | None
    after_completion: str
    kms_key_arn: str | None
    created: float
    modified: float

    @property
    def schedule(self) -> Schedule:
        """The expression, read."""
        return parse_schedule(self.expression, ZoneInfo(self.zone))


@dataclass(slots=True)
class Group:
    """A schedule group; `created` is epoch seconds."""

    arn: str
    name: str
    created: float
    modified: float
    schedules: dict[str, ScheduleSettings] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class ScheduleStore:
    """All groups and schedules of an account. `on_change` hears of a schedule's new settings, None when it is gone."""

    def __init__(self, account: Account, now: Callable[[], float]) -> None:
        self._account = account
        self._now = now
        self.groups: dict[str, Group] = {}
        self.on_change: Callable[[str, ScheduleSettings | None], None] = lambda arn, settings: None
        self.create_group(DEFAULT_GROUP, {})

    # --- Groups ---

    def create_group(self, name: str, tags: dict[str, str]) -> Group:
        """A new group. AwsError ConflictException if there is one of that name."""
        if name in self.groups:
            raise AwsError("ConflictException", f"Schedule group {name} already exists.", 409)
        now = self._now()
        group = Group(self._arn("schedule-group", name), name, now, now, tags=tags)
        self.groups[name] = group
        return group

    def group(self, name: str) -> Group:
        """A group by its name. AwsError ResourceNotFoundException."""
        try:
            return self.groups[name or DEFAULT_GROUP]
        except KeyError:
            raise AwsError(RESOURCE_NOT_FOUND, f"Schedule group {name} does not exist.", 404) from None

    def delete_group(self, name: str) -> None:
        """Remove a group with all its schedules; the default group stays."""
        group = self.group(name)
        if name == DEFAULT_GROUP:
            raise AwsError(VALIDATION, "Deleting default schedule group is not allowed.")
        del self.groups[name]
        for schedule in group.schedules.values():
            self.on_change(schedule.arn, None)

    def tagged(self, arn: str) -> Group:
        """The group of that ARN, the one thing that carries tags. AwsError ResourceNotFoundException."""
        for group in self.groups.values():
            if group.arn == arn:
                return group
        raise AwsError(RESOURCE_NOT_FOUND, f"Schedule group {arn.rpartition('/')[2]} does not exist.", 404)

    # --- Schedules ---

    def schedule(self, group: str, name: str) -> ScheduleSettings:
        """A schedule. AwsError ResourceNotFoundException."""
        try:
            return self.group(group).schedules[name]
        except KeyError:
            raise AwsError(RESOURCE_NOT_FOUND, f"Schedule {name} does not exist.", 404) from None

    def create(self, name: str, request: Mapping[str, Any]) -> ScheduleSettings:
        """A new schedule from a checked CreateSchedule request. AwsError for what AWS refuses."""
        group = self.group(request.get("GroupName") or DEFAULT_GROUP)
        if name in group.schedules:
            raise AwsError("ConflictException", f"Schedule {name} already exists.", 409)
        return self._keep(group, name, request, self._now())

    def update(self, name: str, request: Mapping[str, Any]) -> ScheduleSettings:
        """Replace a schedule whole: what the request leaves out gets its default. AwsError as `create`."""
        group = self.group(request.get("GroupName") or DEFAULT_GROUP)
        return self._keep(group, name, request, self.schedule(group.name, name).created)

    def delete(self, group: str, name: str) -> None:
        """Remove a schedule. AwsError ResourceNotFoundException."""
        settings = self.schedule(group, name)
        del self.group(group).schedules[name]
        self.on_change(settings.arn, None)

    def _keep(self, group: Group, name: str, request: Mapping[str, Any], created: float) -> ScheduleSettings:
        now = self._now()
        settings = ScheduleSettings(
            arn=self._arn("schedule", f"{group.name}/{name}"),
            name=name,
            group=group.name,
            expression=request["ScheduleExpression"],
            zone=request.get("ScheduleExpressionTimezone") or "UTC",
            state=request.get("State") or "ENABLED",
            target=_target(request["Target"]),
            window_s=_window_s(request["FlexibleTimeWindow"]),
            description=request.get("Description"),
            start=_seconds(request.get("StartDate")),
            end=_seconds(request.get("EndDate")),
            after_completion=request.get("ActionAfterCompletion") or "NONE",
            kms_key_arn=request.get("KmsKeyArn"),
            created=created,
            modified=now,
        )
        _check(settings, now)
        group.schedules[name] = settings
        self.on_change(settings.arn, settings)
        return settings

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:scheduler:{self._account.region}:{self._account.id}:{kind}/{name}"


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)


def _window_s(window: Mapping[str, Any]) -> int:
    minutes = window.get("MaximumWindowInMinutes")
    flexible = window["Mode"] == "FLEXIBLE"
    if flexible != (minutes is not None):
        # Its exact words are not confirmed.
        rule = "must be set when Mode is FLEXIBLE" if flexible else "cannot be set when Mode is OFF"
        raise AwsError(VALIDATION, f"MaximumWindowInMinutes {rule}.")
    return int(minutes or 0) * 60


def _check(settings: ScheduleSettings, now: float) -> None:
    try:
        ZoneInfo(settings.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise AwsError(VALIDATION, f"Invalid Schedule Expression Timezone {settings.zone}.") from None
    try:
        parse_schedule(settings.expression, ZoneInfo(settings.zone))
    except ValueError:
        raise AwsError(VALIDATION, f"Invalid Schedule Expression {settings.expression}.") from None
    recurs = not settings.expression.startswith("at(")
    if recurs and settings.start is not None and settings.start < now - _EARLY_S:
        raise AwsError(VALIDATION, "The StartDate you specify cannot be earlier than 5 minutes ago.")
    if recurs and settings.end is not None and settings.end < max(now, settings.start or now):
        raise AwsError(VALIDATION, "The EndDate you specify cannot be earlier than the StartDate or now.")


def _target(target: Mapping[str, Any]) -> dict[str, Any]:
    """AWS's Target structure, checked, with its retry policy filled in."""
    found = _ARN.fullmatch(target["Arn"])
    if found is None:
        raise AwsError(VALIDATION, f"Provided Arn is not in correct format. Arn: {target['Arn']}")
    service = found["service"]
    if service == "scheduler":
        raise NotEmulated("universal targets of EventBridge Scheduler (arn:aws:scheduler:::aws-sdk:...)")
    if service not in _TARGETS:
        raise NotEmulated(
            f"EventBridge Scheduler targets of the service {service!r} ({', '.join(_TARGETS)} work)"
        )
    for member, wanted in _MEMBERS_OF.items():
        if member in target and service != wanted:
            raise AwsError(VALIDATION, f"{member} is not supported for target {target['Arn']}.")
    if service == "events" and "EventBridgeParameters" not in target:
        raise AwsError(VALIDATION, "EventBridgeParameters must be set for an EventBridge target.")
    if service == "kinesis" and "KinesisParameters" not in target:
        raise AwsError(VALIDATION, "KinesisParameters must be set for a Kinesis target.")
    if service == "sqs" and target["Arn"].endswith(".fifo") != (
        "MessageGroupId" in target.get("SqsParameters", {})
    ):
        raise AwsError(
            VALIDATION, "A FIFO queue needs a MessageGroupId in SqsParameters, another takes none."
        )
    dlq = target.get("DeadLetterConfig", {}).get("Arn")
    if dlq is not None and not _QUEUE.fullmatch(dlq):
        raise AwsError(VALIDATION, f"The dead-letter queue must be a standard SQS queue, not {dlq}.")
    if service in ("lambda", "events") and target.get("Input") is not None:
        _check_json(target["Input"])
    retry = {"MaximumEventAgeInSeconds": MAX_AGE_S, "MaximumRetryAttempts": MAX_ATTEMPTS}
    return {**target, "RetryPolicy": {**retry, **target.get("RetryPolicy", {})}}


def _check_json(text: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AwsError(VALIDATION, f"The Input of this target must be JSON: {error}") from None
