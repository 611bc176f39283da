"""EventBridge in moto: the settings of buses, rules, targets and archives, read for those who act on them.

Everything here runs on moto's thread only. moto's own way of delivering is never taken.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """A rule as AWS has it. `pattern` and `schedule` are "" where there is none; `targets` as ListTargetsByRule."""

    name: str
    arn: str
    bus: str
    enabled: bool
    pattern: str
    schedule: str
    targets: tuple[dict[str, Any], ...]


def mend() -> None:
    """Import moto's events, and have it send nothing by itself: `triggers.event_bus` does."""
    models: Any = import_module("moto.events.models")
    models.Rule.send_to_targets = lambda rule, event, transform_input=True: None


def read_rules(account: str, region: str) -> dict[str, list[RuleSettings]]:
    """All rules of a region, by the names of their buses; a bus without rules has none."""
    models: Any = import_module("moto.events.models")
    buses = models.events_backends[account][region].event_buses
    return {name: [_settings(rule, name) for rule in bus.rules.values()] for name, bus in buses.items()}


def _settings(rule: Any, bus: str) -> RuleSettings:
    return RuleSettings(
        rule.name,
        rule.arn,
        bus,
        rule.state.startswith("ENABLED"),
        rule.event_pattern.dump() or "",
        rule.scheduled_expression or "",
        tuple(copy.deepcopy(rule.targets)),
    )


def archive_event(account: str, region: str, archive: str, event: Mapping[str, Any]) -> None:
    """Keep an event in an archive, if it is still there."""
    models: Any = import_module("moto.events.models")
    found = models.events_backends[account][region].archives.get(archive)
    if found is not None:
        found.events.append(json.loads(json.dumps(event)))


def archived_events(account: str, region: str, archive: str) -> list[dict[str, Any]]:
    """The events in an archive, oldest first."""
    models: Any = import_module("moto.events.models")
    return list(models.events_backends[account][region].archives[archive].events)
