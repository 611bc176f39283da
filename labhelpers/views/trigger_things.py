"""Topics, queues, tables, event buses, rules and schedules, and where they send what; pure.

`describe_triggers` reads AWS's answers, which `account_reader` asks for; the map sees only `Thing` and `Link`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labhelpers.views.things import (
    BUS,
    CALL,
    EVENT,
    QUEUE,
    RULE,
    SCHEDULE,
    TABLE,
    TOPIC,
    Link,
    Resources,
    Thing,
    function_id,
    mentions,
    target_id,
    without_doubles,
)

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TriggerAnswers:
    """AWS's answers, as boto3 gives them.

    `topics` are ARNs, `queues` their attributes, `tables` and `schedules` are described one by one. `subscriptions` are
    attributes of each, `targets` a list for each rule's ARN, `invoke_configs` the functions' destinations.
    """

    topics: Sequence[str] = ()
    subscriptions: Sequence[Answer] = ()
    queues: Sequence[Answer] = ()
    tables: Sequence[Answer] = ()
    buses: Sequence[Answer] = ()
    rules: Sequence[Answer] = ()
    targets: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    schedules: Sequence[Answer] = ()
    invoke_configs: Sequence[Answer] = ()


def describe_triggers(answers: TriggerAnswers, functions: Sequence[Answer], known: Resources) -> Resources:
    """`known` with the things and links in these answers; `functions` as list_functions has them."""
    have = {thing.id: thing for thing in known.things}
    tables = [str(table["TableArn"]) for table in answers.tables]
    named = [*answers.topics, *(str(queue["QueueArn"]) for queue in answers.queues), *tables]
    found = [
        *(Thing(arn, TOPIC, _last(arn), "SNS topic") for arn in answers.topics),
        *(
            Thing(str(queue["QueueArn"]), QUEUE, _last(queue["QueueArn"]), "SQS queue")
            for queue in answers.queues
        ),
        *(Thing(arn, TABLE, arn.rpartition("/")[2], "DynamoDB table") for arn in tables),
        *(_bus(bus) for bus in answers.buses if bus["Name"] != "default" or _takes_patterns(answers.rules)),
        *(_rule(rule) for rule in answers.rules),
        *(_schedule(schedule) for schedule in answers.schedules),
    ]
    links = [
        *known.links,
        *(link for each in answers.subscriptions for link in _subscribed(each)),
        *(link for queue in answers.queues for link in _redriven(queue)),
        *(link for rule in answers.rules for link in _ruled(rule, answers)),
        *(link for schedule in answers.schedules for link in _scheduled(schedule)),
        *(link for config in answers.invoke_configs for link in _told(config)),
        *(link for function in functions for link in _called(function, named)),
    ]
    new = {thing.id: thing for thing in found if thing.id not in have}
    return Resources((*known.things, *new.values()), without_doubles(links))


def filter_text(policy: Any) -> str:
    """A filter policy in short: `kind: refund`; values that are conditions stay JSON."""
    if not isinstance(policy, Mapping):
        return ""
    parts = []
    for name, allowed in policy.items():
        values = allowed if isinstance(allowed, list) else [allowed]
        shown = [value if isinstance(value, str) else json.dumps(value) for value in values]
        parts.append(f"{name}: {', '.join(shown)}")
    return "; ".join(parts)


def _last(arn: Any) -> str:
    return str(arn).rpartition(":")[2]


def _takes_patterns(rules: Sequence[Answer]) -> bool:
    return any(rule.get("EventPattern") and rule.get("EventBusName") == "default" for rule in rules)


def _bus(bus: Answer) -> Thing:
    return Thing(str(bus["Arn"]), BUS, str(bus["Name"]), "EventBridge event bus")


def _rule(rule: Answer) -> Thing:
    facts = [("State", str(rule.get("State", "")))]
    facts += [(name, str(rule[key])) for name, key in _RULE_FACTS if rule.get(key)]
    return Thing(str(rule["Arn"]), RULE, str(rule["Name"]), "EventBridge rule", tuple(facts))


_RULE_FACTS = (("Pattern", "EventPattern"), ("Schedule", "ScheduleExpression"))


def _schedule(schedule: Answer) -> Thing:
    facts = (("Expression", str(schedule["ScheduleExpression"])), ("State", str(schedule.get("State", ""))))
    return Thing(str(schedule["Arn"]), SCHEDULE, str(schedule["Name"]), "EventBridge schedule", facts)


def _subscribed(subscription: Answer) -> Iterator[Link]:
    topic = str(subscription["TopicArn"])
    label = filter_text(json.loads(subscription.get("FilterPolicy") or "null"))
    yield Link(topic, target_id(str(subscription["Endpoint"])), EVENT, label)
    if redrive := json.loads(subscription.get("RedrivePolicy") or "null"):
        yield Link(topic, str(redrive["deadLetterTargetArn"]), EVENT, "dead letters")


def _redriven(queue: Answer) -> Iterator[Link]:
    if redrive := json.loads(queue.get("RedrivePolicy") or "null"):
        label = f"after {redrive.get('maxReceiveCount', '?')} tries"
        yield Link(str(queue["QueueArn"]), str(redrive["deadLetterTargetArn"]), EVENT, label)


def _ruled(rule: Answer, answers: TriggerAnswers) -> Iterator[Link]:
    arn, bus = str(rule["Arn"]), str(rule.get("EventBusName", "default"))
    if rule.get("EventPattern"):
        yield from (Link(str(found["Arn"]), arn, EVENT) for found in answers.buses if found["Name"] == bus)
    for target in answers.targets.get(arn, ()):
        yield from _sent(arn, target)


def _scheduled(schedule: Answer) -> Iterator[Link]:
    yield from _sent(str(schedule["Arn"]), schedule["Target"])


def _sent(source: str, target: Answer) -> Iterator[Link]:
    yield Link(source, target_id(str(target["Arn"])), EVENT)
    if dead := target.get("DeadLetterConfig", {}).get("Arn"):
        yield Link(source, str(dead), EVENT, "dead letters")


def _told(config: Answer) -> Iterator[Link]:
    """What a function's asynchronous events end with."""
    for when, label in (("OnSuccess", "on success"), ("OnFailure", "on failure")):
        if arn := config.get("DestinationConfig", {}).get(when, {}).get("Destination"):
            yield Link(function_id(str(config["FunctionArn"])), target_id(str(arn)), EVENT, label)


def _called(function: Answer, named: Sequence[str]) -> Iterator[Link]:
    """What a function's environment names, it means to call; and its dead-letter queue or topic."""
    source = function_id(str(function["FunctionArn"]))
    values = [str(value) for value in function.get("Environment", {}).get("Variables", {}).values()]
    for arn in named:
        if mentions(values, arn.rpartition("/")[2] if "/" in arn else _last(arn)):
            yield Link(source, arn, CALL)
    if dead := function.get("DeadLetterConfig", {}).get("TargetArn"):
        yield Link(source, str(dead), EVENT, "dead letters")
