"""Event buses: which rules take an event, and how it gets to their targets or does not."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from labhelpers.errors import AwsError
from labhelpers.events.eventbridge import BusEvent, make_event
from labhelpers.events.eventbridge_rules import Rule, pattern_of, read_target
from labhelpers.journal import Journal
from labhelpers.metrics import MetricSums
from labhelpers.model import Account, InvokeRequest
from labhelpers.triggers.event_bus import EventBus
from tests.fakes import FakeClock, FakeDelivery, function_arn, settle

FUNCTION = function_arn("f")
QUEUE, DEAD = (f"arn:aws:sqs:us-east-1:123456789012:{name}" for name in ("q", "dead"))
BUS = "arn:aws:events:us-east-1:123456789012:event-bus"
BUSY = AwsError("ThrottlingException", "slow down", 429)


class Policies:
    """Functions by ARN, each with the rules that may call it."""

    def __init__(self) -> None:
        self.allowed: dict[str, set[str]] = {FUNCTION: set()}

    def resolve(self, function: str, qualifier: str = "") -> None:
        if function not in self.allowed:
            raise AwsError("ResourceNotFoundException", "Function not found", 404)

    def allows(
        self, function: str, qualifier: str, *, principal: str, source_arn: str = "", source_account: str = ""
    ) -> bool:
        assert (principal, source_account) == ("events.amazonaws.com", "123456789012")
        return source_arn in self.allowed[function]


@dataclass
class Buses:
    """An event bus with fakes around it."""

    clock: FakeClock = field(default_factory=FakeClock)
    journal: Journal = field(default_factory=Journal)
    delivery: FakeDelivery = field(default_factory=FakeDelivery)
    policies: Policies = field(default_factory=Policies)
    invoked: list[InvokeRequest] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = MetricSums("AWS/Events", lambda _, data: self.figures.extend(data), self.clock.now)
        self.bus = EventBus(
            self.policies,
            self._submit,
            self.delivery,
            self.journal,
            self.clock,
            Account(),
            self.metrics,
        )

    def _submit(self, request: InvokeRequest) -> str:
        self.invoked.append(request)
        return f"r-{len(self.invoked)}"

    def rules(self, *rules: Rule) -> None:
        """The rules of the default bus, and of those that they name."""
        buses: dict[str, list[Rule]] = {"default": []}
        for rule in rules:
            buses.setdefault(rule.bus, []).append(rule)
        self.bus.set_rules("us-east-1", buses)

    async def put(self, bus: str = "default", **detail: Any) -> BusEvent:
        """An event of the shop."""
        entry = {
            "Source": "shop",
            "DetailType": "paid",
            "Detail": json.dumps(detail),
            "TraceHeader": "Root=1",
        }
        event = make_event(entry, "e-1", "123456789012", "us-east-1", self.clock.now())
        self.bus.put(event, bus, "us-east-1")
        await settle()
        return event

    def failures(self) -> list[str]:
        return [entry.detail["message"] for entry in self.journal.since(kind="failure")]

    def counted(self) -> dict[str, float]:
        self.metrics.flush()
        return {one["MetricName"]: one["StatisticValues"]["Sum"] for one in self.figures}


def rule(
    *targets: dict[str, Any],
    name: str = "r",
    bus: str = "default",
    enabled: bool = True,
    pattern: str = '{"source": ["shop"]}',
) -> Rule:
    """A rule with these targets."""
    arn = f"arn:aws:events:us-east-1:123456789012:rule/{'' if bus == 'default' else f'{bus}/'}{name}"
    read = tuple(read_target({"Id": str(number), **target}) for number, target in enumerate(targets))
    return Rule(name, arn, bus, "us-east-1", enabled, pattern_of(pattern), "", read)


@pytest.fixture
async def buses() -> AsyncIterator[Buses]:
    """An event bus, closed at the end."""
    made = Buses()
    yield made
    await made.bus.close()


async def test_every_matching_rule_sends_to_every_target(buses: Buses) -> None:
    """Fan-out: each target of each matching rule gets the event, rules that are off or do not match send nothing."""
    first = rule({"Arn": FUNCTION}, {"Arn": QUEUE}, name="first")
    buses.policies.allowed[FUNCTION].add(first.arn)
    buses.rules(
        first,
        rule({"Arn": QUEUE, "InputPath": "$.detail"}, name="second", pattern='{"detail": {"n": [1]}}'),
        rule({"Arn": QUEUE}, name="off", enabled=False),
        rule({"Arn": QUEUE}, name="other", pattern='{"source": ["other"]}'),
    )
    event = await buses.put(n=1)
    (request,) = buses.invoked
    assert json.loads(request.payload) == event.body
    assert (request.function, request.source, request.source_arn) == (FUNCTION, "events", first.arn)
    assert request.trace_id == "Root=1"
    assert sorted(message.body for message in buses.delivery.sent) == sorted(
        ['{"n":1}', json.dumps(event.body, separators=(",", ":"))]
    )
    (put,) = buses.journal.since(kind="events.put")
    assert (put.resource, put.detail["rules"]) == (f"{BUS}/default", ["first", "second"])
    told = buses.journal.since(kind="events.notification")
    assert {entry.detail["destination"] for entry in told} == {FUNCTION, QUEUE}
    assert [entry.detail["invocation"] for entry in told if entry.detail["destination"] == FUNCTION] == [
        "r-1"
    ]
    assert buses.counted()["MatchedEvents"] == 1


async def test_function_without_permission_is_not_called(buses: Buses) -> None:
    """The event is lost to that target only, and the journal says the call that would help."""
    mine = rule({"Arn": FUNCTION}, {"Arn": QUEUE})
    buses.rules(mine)
    await buses.put()
    assert not buses.invoked
    assert len(buses.delivery.sent) == 1
    (message,) = buses.failures()
    assert "NO_PERMISSIONS" in message and "add_permission" in message and mine.arn in message
    assert buses.counted()["FailedInvocations"] == 1


async def test_lost_event_goes_to_the_dead_letter_queue(buses: Buses) -> None:
    """The queue gets the event as it came, and attributes that say why."""
    mine = rule({"Arn": function_arn("gone"), "DeadLetterConfig": {"Arn": DEAD}, "InputPath": "$.detail"})
    buses.rules(mine)
    event = await buses.put(n=1)
    (message,) = buses.delivery.sent
    assert message.target == DEAD
    assert json.loads(message.body) == event.body
    attributes = {name: value for name, (_, value) in message.attributes.items()}
    assert attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert attributes["RULE_ARN"] == mine.arn
    assert attributes["TARGET_ARN"] == function_arn("gone")
    assert attributes["RETRY_ATTEMPTS"] == "0"
    assert "EXHAUSTED_RETRY_CONDITION" not in attributes
    assert not buses.failures()
    assert buses.journal.since(kind="events.dead_letter")


async def test_dead_letter_queue_that_fails_is_told(buses: Buses) -> None:
    """When the event cannot even be kept, the journal names both reasons."""
    buses.rules(rule({"Arn": function_arn("gone"), "DeadLetterConfig": {"Arn": DEAD}}))
    buses.delivery.errors = [AwsError("QueueDoesNotExist", "no such queue")]
    await buses.put()
    (message,) = buses.failures()
    assert "NO_RESOURCE" in message and "no such queue" in message


async def test_busy_target_is_tried_again(buses: Buses) -> None:
    """A target that is throttled gets the event later, on the lab's clock."""
    buses.rules(rule({"Arn": QUEUE}))
    buses.delivery.errors = [BUSY, BUSY]
    await buses.put()
    assert not buses.delivery.sent
    await buses.clock.advance(3)
    assert len(buses.delivery.sent) == 1
    assert [entry.detail["seconds"] for entry in buses.journal.since(kind="events.retry_in")] == [1, 2]


@pytest.mark.parametrize(
    ("policy", "passes_s", "ended", "retries"),
    [
        ({"MaximumRetryAttempts": 2}, 3, "MaximumRetryAttempts", "2"),
        ({"MaximumRetryAttempts": 0}, 0, "MaximumRetryAttempts", "0"),
        ({"MaximumEventAgeInSeconds": 60}, 60, "MaximumEventAgeInSeconds", "5"),
    ],
)
async def test_retry_policy_ends_the_attempts(
    buses: Buses, policy: dict[str, int], passes_s: float, ended: str, retries: str
) -> None:
    """Attempts and age are the target's own; then its dead-letter queue has the event."""
    buses.rules(rule({"Arn": QUEUE, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": DEAD}}))
    buses.delivery.errors = [BUSY] * (int(retries) + 1)
    await buses.put()
    await buses.clock.advance(passes_s)
    (message,) = buses.delivery.sent
    assert message.target == DEAD
    assert message.attributes["EXHAUSTED_RETRY_CONDITION"] == ("String", ended)
    assert message.attributes["RETRY_ATTEMPTS"] == ("String", retries)
    assert message.attributes["ERROR_CODE"] == ("String", "THROTTLING")


async def test_what_will_never_work_is_not_tried_again(buses: Buses) -> None:
    """A missing queue is a failure at once."""
    buses.rules(rule({"Arn": QUEUE}))
    buses.delivery.errors = [AwsError("QueueDoesNotExist", "no such queue")]
    await buses.put()
    assert "NO_RESOURCE" in buses.failures()[0]
    await buses.clock.advance(86_400)
    assert not buses.delivery.sent


async def test_template_that_makes_no_json_is_told(buses: Buses) -> None:
    """An object within quotes: nothing is sent, and the journal says why."""
    template = {"InputPathsMap": {"d": "$.detail"}, "InputTemplate": '{"d": "<d>"}'}
    buses.rules(rule({"Arn": QUEUE, "InputTransformer": template}))
    await buses.put(a="b")
    assert not buses.delivery.sent
    assert "INVALID_JSON" in buses.failures()[0]


async def test_groups_and_partition_keys(buses: Buses) -> None:
    """A FIFO queue gets its group, a stream the key that a path leads to, else the event's id."""
    stream = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
    keyed = {"Arn": stream, "KinesisParameters": {"PartitionKeyPath": "$.detail.who"}}
    buses.rules(
        rule({"Arn": f"{QUEUE}.fifo", "SqsParameters": {"MessageGroupId": "g"}}, keyed, {"Arn": stream})
    )
    await buses.put(who="ann")
    assert {message.key for message in buses.delivery.sent} == {"g", "ann", "e-1"}


async def test_bus_sends_on_to_another_bus(buses: Buses) -> None:
    """The event keeps its id; a missing bus is told."""
    buses.rules(
        rule({"Arn": f"{BUS}/second"}, {"Arn": f"{BUS}/gone"}),
        rule({"Arn": QUEUE}, bus="second", name="s"),
    )
    event = await buses.put()
    (message,) = buses.delivery.sent
    assert json.loads(message.body)["id"] == event.id
    assert "NO_RESOURCE" in buses.failures()[0]


async def test_circle_of_buses_ends(buses: Buses) -> None:
    """Rules that send an event round and round are stopped, and the journal says so."""
    buses.rules(rule({"Arn": f"{BUS}/default"}))
    await buses.put()
    await settle(500)
    (message,) = buses.failures()
    assert "LOOP" in message


async def test_event_for_a_missing_bus_is_told(buses: Buses) -> None:
    """AWS forgets it silently; here the journal does not."""
    buses.rules(rule({"Arn": QUEUE}))
    await buses.put("nowhere")
    assert not buses.delivery.sent
    assert "does not exist" in buses.failures()[0]


async def test_rule_can_be_sent_an_event_of_its_own(buses: Buses) -> None:
    """Schedules give a rule's targets an event that no pattern has asked for."""
    scheduled = rule({"Arn": QUEUE}, pattern='{"source": ["never"]}')
    event = make_event(
        {"Source": "aws.events", "DetailType": "d", "Detail": "{}"}, "e", "1", "r", 0, by_aws=True
    )
    buses.bus.send_to_targets(scheduled, event)
    await settle()
    assert len(buses.delivery.sent) == 1
    assert buses.counted() == {"TriggeredRules": 1, "Invocations": 1}


async def test_those_who_watch_rules_hear_of_changes(buses: Buses) -> None:
    """After each change the region is told."""
    heard: list[str] = []
    buses.bus.rules_changed.append(heard.append)
    buses.rules(rule({"Arn": QUEUE}))
    assert heard == ["us-east-1"]
    assert [one.name for one in buses.bus.rules("us-east-1")] == ["r"]


async def test_archive_keeps_events(buses: Buses) -> None:
    """The rule of an archive hands it the whole event."""
    kept: list[Any] = []

    async def archive(region: str, name: str, event: Any) -> None:
        kept.append((region, name, event["id"]))

    buses.bus.archive = archive
    target = read_target({"Id": "Events-Archive-mine", "Arn": "arn:aws:events:us-east-1:::"})
    mine = rule()
    buses.rules(
        Rule(mine.name, mine.arn, mine.bus, mine.region, True, mine.pattern, "", (target,)),
    )
    await buses.put()
    assert kept == [("us-east-1", "mine", "e-1")]
