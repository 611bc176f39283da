"""EventBridge rules on a schedule: sends each one's Scheduled Event to its targets when it is due.

Listens to the event bus for rules that have changed. AWS: eventbridge/latest/userguide/eb-create-rule-schedule.html
"""

from __future__ import annotations

import uuid

from labhelpers.clock import Clock
from labhelpers.errors import VALIDATION, AwsError
from labhelpers.events.eventbridge import BusEvent, event_time
from labhelpers.events.eventbridge_rules import Rule
from labhelpers.events.schedules import parse_rule_schedule
from labhelpers.journal import Journal
from labhelpers.model import Account
from labhelpers.triggers.event_bus import EventBus
from labhelpers.triggers.recurring import Recurring


def check_rule_schedule(expression: str, bus: str) -> None:
    """What AWS refuses of a PutRule with a schedule. AwsError ValidationException."""
    if bus != "default":
        raise AwsError(VALIDATION, "ScheduleExpression is supported only on the default event bus.")
    try:
        parse_rule_schedule(expression)
    except ValueError:
        raise AwsError(VALIDATION, "Parameter ScheduleExpression is not valid.") from None


class RuleSchedules:
    """Used from the cloud's event loop only."""

    def __init__(self, bus: EventBus, journal: Journal, clock: Clock, account: Account) -> None:
        self._bus = bus
        self._journal = journal
        self._account = account
        self._recurring = Recurring(clock, journal)
        self._running: dict[str, dict[str, str]] = {}
        bus.rules_changed.append(self.rules_changed)

    async def close(self) -> None:
        """Nothing is due any more."""
        await self._recurring.close()

    def rules_changed(self, region: str) -> None:
        """Run what is enabled now. A schedule whose expression stays the same goes on in its step."""
        wanted = {
            rule.arn: rule.schedule for rule in self._bus.rules(region) if rule.schedule and rule.enabled
        }
        running = self._running.setdefault(region, {})
        for arn in [arn for arn, expression in running.items() if wanted.get(arn) != expression]:
            del running[arn]
            self._recurring.remove(arn)
        for arn, expression in wanted.items():
            if arn not in running:
                running[arn] = expression
                self._start(region, arn, expression)

    def _start(self, region: str, arn: str, expression: str) -> None:
        self._recurring.put(arn, parse_rule_schedule(expression), lambda due: self._due(region, arn, due))

    def _due(self, region: str, arn: str, due: float) -> None:
        rule = next((rule for rule in self._bus.rules(region) if rule.arn == arn), None)
        if rule is None:
            return
        event = scheduled_event(rule, due, self._account)
        self._journal.append("events.scheduled", arn, event=event.id, due=event_time(due))
        self._bus.send_to_targets(rule, event)


def scheduled_event(rule: Rule, due: float, account: Account) -> BusEvent:
    """What the targets of a rule receive at a time of its schedule (epoch seconds)."""
    return BusEvent(
        {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": account.id,
            "time": event_time(due),
            "region": rule.region,
            "resources": [rule.arn],
            "detail": {},
        },
        due,
    )
