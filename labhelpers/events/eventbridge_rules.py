"""Rules of event buses and their targets, read from AWS's settings and checked as PutTargets does. Pure.

Called by `cloud.events_service`; `triggers.event_bus` works with what comes out.
AWS: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from labhelpers.errors import VALIDATION, AwsError, NotEmulated
from labhelpers.events import input_transformer
from labhelpers.events.input_transformer import Render
from labhelpers.events.pattern import EventPattern, compile_pattern

MAX_TARGETS = 5
MAX_ATTEMPTS, MAX_AGE_S, MIN_AGE_S = 185, 86_400, 60
SERVICES = ("lambda", "sqs", "sns", "events", "logs", "kinesis")
_ARN = re.compile(r"arn:aws[\w-]*:(?P<service>[\w-]+):[\w-]*:(\d{12})?:.*")
_ID = re.compile(r"[.\-_A-Za-z0-9]+")
_ARCHIVE = re.compile(r"arn:aws[\w-]*:events:[\w-]*:::")
# What belongs to targets that this lab does not have.
_FOREIGN = (
    "RunCommandParameters",
    "EcsParameters",
    "BatchParameters",
    "HttpParameters",
    "RedshiftDataParameters",
    "SageMakerPipelineParameters",
    "AppSyncParameters",
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rule sends events. `arn` is "" for the archive `archive` of the bus.

    `group` is the message group of a FIFO queue, `partition_path` the path to a stream's partition key.
    """

    id: str
    arn: str
    render: Render
    dead_letter_arn: str = ""
    max_attempts: int = MAX_ATTEMPTS
    max_age_s: int = MAX_AGE_S
    group: str = ""
    partition: Render | None = None
    archive: str = ""

    @property
    def service(self) -> str:
        return self.arn.split(":")[2] if self.arn else ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the bus `bus` (a name). `pattern` is None for a rule on a schedule (`schedule`, an expression)."""

    name: str
    arn: str
    bus: str
    region: str
    enabled: bool
    pattern: EventPattern | None
    schedule: str
    targets: tuple[Target, ...]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether the rule is on and its pattern is for `event`."""
        return self.enabled and self.pattern is not None and self.pattern.matches(event)


@lru_cache(maxsize=2048)
def pattern_of(text: str) -> EventPattern:
    """The compiled pattern, kept. AwsError InvalidEventPatternException."""
    return compile_pattern(text)


def read_target(settings: Mapping[str, Any]) -> Target:
    """The target in its settings. AwsError ValidationException, or NotEmulated for a service that is not here."""
    target_id, arn = str(settings.get("Id", "")), str(settings.get("Arn", ""))
    if _ARCHIVE.fullmatch(arn):
        name = target_id.removeprefix("Events-Archive-")
        return Target(target_id, "", input_transformer.whole, archive=name)
    _check_service(arn)
    foreign = next((name for name in _FOREIGN if settings.get(name)), "")
    if foreign:
        raise NotEmulated(f"{foreign} of EventBridge targets")
    policy = settings.get("RetryPolicy") or {}
    return Target(
        target_id,
        arn,
        _render(settings, target_id),
        dead_letter_arn=str((settings.get("DeadLetterConfig") or {}).get("Arn") or ""),
        max_attempts=_within(policy, "MaximumRetryAttempts", 0, MAX_ATTEMPTS),
        max_age_s=_within(policy, "MaximumEventAgeInSeconds", MIN_AGE_S, MAX_AGE_S),
        group=str((settings.get("SqsParameters") or {}).get("MessageGroupId") or ""),
        partition=_partition(settings, target_id),
    )


def _check_service(arn: str) -> None:
    found = _ARN.fullmatch(arn)
    if found is None:
        raise AwsError(
            VALIDATION, f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        )
    if found["service"] not in SERVICES or (
        found["service"] == "events" and not re.match(r"event-bus/", arn.split(":", 5)[5])
    ):
        known = "functions, queues, topics, event buses, log groups and streams work"
        raise NotEmulated(f"EventBridge targets of the service {found['service']!r} ({arn}; {known})")


def _render(settings: Mapping[str, Any], target_id: str) -> Render:
    given = [name for name in ("Input", "InputPath", "InputTransformer") if settings.get(name) is not None]
    if len(given) > 1:
        raise AwsError(
            VALIDATION,
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target_id}.",
        )
    if not given:
        return input_transformer.whole
    if given == ["Input"]:
        return input_transformer.constant(str(settings["Input"]), target_id)
    if given == ["InputPath"]:
        return input_transformer.part(str(settings["InputPath"]), target_id)
    return input_transformer.transformer(settings["InputTransformer"], target_id)


def _partition(settings: Mapping[str, Any], target_id: str) -> Render | None:
    path = (settings.get("KinesisParameters") or {}).get("PartitionKeyPath")
    return input_transformer.part(str(path), target_id) if path else None


def _within(policy: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = policy.get(name)
    if value is None:
        return most
    if not isinstance(value, int) or not least <= value <= most:
        bound, side = (least, "greater") if isinstance(value, int) and value < least else (most, "less")
        raise AwsError(
            VALIDATION,
            f"1 validation error detected: Value '{value}' at 'retryPolicy.{name[0].lower()}{name[1:]}' failed to "
            f"satisfy constraint: Member must have value {side} than or equal to {bound}",
        )
    return value


def check_targets(targets: Sequence[Mapping[str, Any]], there: Iterable[str]) -> None:
    """Refuse what PutTargets refuses, for a rule that has targets with the ids `there`. AwsError or NotEmulated."""
    for number, settings in enumerate(targets, 1):
        target_id = str(settings.get("Id", ""))
        where = f"1 validation error detected: Value '{target_id}' at 'targets.{number}.member.id' failed to satisfy"
        if len(target_id) > 64:
            raise AwsError(
                VALIDATION, f"{where} constraint: Member must have length less than or equal to 64"
            )
        if not _ID.fullmatch(target_id):
            form = r"[\.\-_A-Za-z0-9]+"
            raise AwsError(
                VALIDATION, f"{where} constraint: Member must satisfy regular expression pattern: {form}"
            )
        target = read_target(settings)
        if target.dead_letter_arn and (
            target.dead_letter_arn.endswith(".fifo") or ":sqs:" not in target.dead_letter_arn
        ):
            raise AwsError(
                VALIDATION,
                f"Parameter DeadLetterConfig.Arn is not valid. Reason: {target.dead_letter_arn} is no standard queue.",
            )
        if target.arn.endswith(".fifo") and not target.group:
            raise AwsError(
                VALIDATION, f"Parameter(s) SqsParameters must be specified for target: {target_id}."
            )
        if target.service == "kinesis" and not settings.get("RoleArn"):
            raise AwsError(VALIDATION, f"RoleArn is required for target {target.arn}.")
    if len({*there, *(str(settings.get("Id", "")) for settings in targets)}) > MAX_TARGETS:
        raise AwsError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
