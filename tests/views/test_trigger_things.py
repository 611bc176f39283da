"""What topics, queues, buses, rules, schedules and tables are on the map, and what they send where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from labhelpers.lab import Lab
from labhelpers.views.account_reader import AwsReader, changed_service
from labhelpers.views.aws import client, make_client
from labhelpers.views.map_data import build_map, drawn_links
from labhelpers.views.map_text import map_text
from labhelpers.views.tally import Tally
from labhelpers.views.tally_counts import Move
from labhelpers.views.things import CALL, CLIENT, EVENT, FUNCTION, Answers, Link, Resources, describe
from labhelpers.views.trigger_things import TriggerAnswers, describe_triggers, filter_text
from tests.views.accounts import ACCOUNT, COPIER, LEARNER, WRITER, Writer, function

HERE = f"us-east-1:{ACCOUNT}"
TOPIC, QUEUE, DEAD = f"arn:aws:sns:{HERE}:orders", f"arn:aws:sqs:{HERE}:jobs", f"arn:aws:sqs:{HERE}:dead"
BUS, RULE = f"arn:aws:events:{HERE}:event-bus/default", f"arn:aws:events:{HERE}:rule/big"
SCHEDULE = f"arn:aws:scheduler:{HERE}:schedule/default/nightly"
TABLE = f"arn:aws:dynamodb:{HERE}:table/seen"
STREAM = f"{TABLE}/stream/2026"


def all_of_it(*functions: dict[str, Any], mappings: tuple[dict[str, Any], ...] = ()) -> Resources:
    """An account that has one of each."""
    answers = TriggerAnswers(
        topics=[TOPIC],
        subscriptions=[
            {"TopicArn": TOPIC, "Endpoint": QUEUE, "FilterPolicy": '{"kind": ["refund"]}'},
            {"TopicArn": TOPIC, "Endpoint": f"{COPIER}:live"},
        ],
        queues=[
            {
                "QueueArn": QUEUE,
                "RedrivePolicy": json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": "3"}),
            },
            {"QueueArn": DEAD},
        ],
        tables=[{"TableArn": TABLE}],
        buses=[{"Name": "default", "Arn": BUS}],
        rules=[
            {"Name": "big", "Arn": RULE, "EventPattern": '{"source": ["shop"]}', "EventBusName": "default"}
        ],
        targets={RULE: [{"Arn": WRITER, "DeadLetterConfig": {"Arn": DEAD}}]},
        schedules=[
            {
                "Arn": SCHEDULE,
                "Name": "nightly",
                "ScheduleExpression": "rate(1 day)",
                "Target": {"Arn": QUEUE},
            }
        ],
        invoke_configs=[
            {"FunctionArn": f"{COPIER}:$LATEST", "DestinationConfig": {"OnFailure": {"Destination": DEAD}}}
        ],
    )
    listed = functions or (function("copier"), function("writer"))
    return describe_triggers(answers, listed, describe(Answers(functions=listed, mappings=mappings)))


def test_every_way_of_an_event_is_a_link() -> None:
    """Subscriptions with their filters, redrives, rules with their bus, schedules, destinations."""
    assert set(all_of_it().links) == {
        Link(TOPIC, QUEUE, EVENT, "kind: refund"),
        Link(TOPIC, COPIER, EVENT),
        Link(QUEUE, DEAD, EVENT, "after 3 tries"),
        Link(BUS, RULE, EVENT),
        Link(RULE, WRITER, EVENT),
        Link(RULE, DEAD, EVENT, "dead letters"),
        Link(SCHEDULE, QUEUE, EVENT),
        Link(COPIER, DEAD, EVENT, "on failure"),
    }
    kinds = [thing.kind for thing in all_of_it().things]
    assert kinds == ["function", "function", "topic", "queue", "queue", "table", "bus", "rule", "schedule"]


def test_function_means_to_call_what_its_environment_names() -> None:
    """A topic, a queue and a table by their names or addresses."""
    url = f"http://127.0.0.1:4566/{ACCOUNT}/jobs"
    links = all_of_it(function("f", TOPIC=TOPIC, QUEUE_URL=url, SEEN="seen")).links
    assert {link.target for link in links if link.kind == CALL} == {TOPIC, QUEUE, TABLE}


def test_table_that_is_read_is_drawn_once() -> None:
    """Under its own ARN, not that of its stream."""
    mapping = {"EventSourceArn": STREAM, "FunctionArn": COPIER, "BatchSize": 5, "State": "Enabled"}
    mapping |= {"DestinationConfig": {"OnFailure": {"Destination": DEAD}}}
    found = all_of_it(function("copier", SEEN="seen"), mappings=(mapping,))
    assert [thing.id for thing in found.things if thing.kind == "table"] == [TABLE]
    assert {Link(COPIER, TABLE, CALL), Link(TABLE, DEAD, EVENT, "on failure")} <= set(found.links)


def test_default_bus_is_drawn_if_rules_look_for_events_there() -> None:
    """A rule with nothing but a schedule has no need of it."""
    tick = {"Name": "tick", "Arn": RULE, "ScheduleExpression": "rate(5 minutes)", "EventBusName": "default"}
    answers = TriggerAnswers(buses=[{"Name": "default", "Arn": BUS}], rules=[tick])
    assert [thing.kind for thing in describe_triggers(answers, (), Resources()).things] == ["rule"]


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"kind": ["refund", "order"]}, "kind: refund, order"),
        ({"price": [{"numeric": [">", 100]}]}, 'price: {"numeric": [">", 100]}'),
        ({"a": ["x"], "b": [1]}, "a: x; b: 1"),
        (None, ""),
    ],
)
def test_filter_is_told_in_short(policy: Any, text: str) -> None:
    """Words as they are, everything else as JSON."""
    assert filter_text(policy) == text


def tally_of(resources: Resources) -> Tally:
    """A tally that knows them."""
    made = Tally()
    made.know(resources.named(FUNCTION), resources.links)
    return made


def test_message_is_fanned_out() -> None:
    """From whoever published it to the topic, then to the queue and the function, and at last to the dead letters."""
    write, tally = Writer(), tally_of(all_of_it())
    write("api.call", service="sns", call="Publish", destination=TOPIC, principal=LEARNER, entries=1)
    write("sns.notification", TOPIC, destination=QUEUE)
    write("sns.notification", TOPIC, destination=COPIER)
    write("sqs.dead_letter", QUEUE, destination=DEAD)
    moves = tally.add_all(write.entries)
    assert moves == [Move(CLIENT, TOPIC), Move(TOPIC, QUEUE), Move(TOPIC, COPIER), Move(QUEUE, DEAD)]
    assert [tally.of(thing).arrived for thing in (TOPIC, QUEUE, DEAD)] == [1, 1, 1]


def test_event_goes_through_the_rules_that_it_matches() -> None:
    """Bus, rule, target; a program's call brings it to the bus."""
    write, tally = Writer(), tally_of(all_of_it())
    principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/lab/copier"
    write("events.put", BUS, source="shop", detail_type="order", rules=["big"])
    write("events.notification", BUS, rule=RULE, destination=WRITER)
    write("api.call", service="events", call="PutEvents", destination=BUS, principal=principal)
    assert tally.add_all(write.entries) == [
        Move(BUS, RULE, "shop order"),
        Move(RULE, WRITER),
        Move(COPIER, BUS),
    ]
    assert (tally.of(BUS).arrived, tally.of(RULE).arrived) == (1, 1)


def test_rule_of_another_bus_is_found() -> None:
    """Its ARN has the bus in it."""
    write, tally = Writer(), Tally()
    write(
        "events.put",
        f"arn:aws:events:{HERE}:event-bus/shop",
        source="shop",
        detail_type="order",
        rules=["big"],
    )
    (move,) = tally.add_all(write.entries)
    assert move.target == f"arn:aws:events:{HERE}:rule/shop/big"


def test_schedules_send_when_they_are_due() -> None:
    """A rule's schedule and one of EventBridge Scheduler."""
    write, tally = Writer(), tally_of(all_of_it())
    write("events.scheduled", RULE, due="2026-11-25T00:00:00Z")
    write("events.notification", BUS, rule=RULE, destination=WRITER)
    write("scheduler.notification", SCHEDULE, destination=QUEUE, due="2026-11-25T00:00:00Z")
    assert tally.add_all(write.entries) == [Move(RULE, WRITER), Move(SCHEDULE, QUEUE)]
    assert (tally.of(RULE).arrived, tally.of(SCHEDULE).arrived) == (1, 1)


def test_table_and_its_stream_are_one_thing() -> None:
    """What is written comes in there, and what its stream brings or gives up leaves there."""
    mapping = {"EventSourceArn": STREAM, "FunctionArn": COPIER, "BatchSize": 5, "State": "Enabled"}
    write, tally = Writer(), tally_of(all_of_it(mappings=(mapping,)))
    write("api.call", service="dynamodb", call="PutItem", destination=TABLE, principal=LEARNER)
    write("dynamodb.poll", STREAM, "r1", destination=COPIER, batch_size=2, attempt=1)
    write("dynamodb.destination", STREAM, "r1", destination=DEAD, condition="RetryAttemptsExhausted")
    assert tally.add_all(write.entries) == [
        Move(CLIENT, TABLE),
        Move(TABLE, COPIER, "2 records"),
        Move(TABLE, DEAD),
    ]
    assert tally.of(TABLE).arrived == 2


def test_record_of_a_failed_event_moves_to_its_destination() -> None:
    """With why it was given up."""
    write, tally = Writer(), tally_of(all_of_it())
    write("invoke.delivered", f"{COPIER}:live", "r1", destination=DEAD, condition="RetriesExhausted")
    assert tally.add_all(write.entries) == [Move(COPIER, DEAD, "RetriesExhausted")]


def test_client_is_drawn_before_topics_but_not_before_schedules() -> None:
    """A schedule begins by itself."""
    sources = {link.target for link in drawn_links(all_of_it(), ()) if link.source == CLIENT}
    assert sources == {TOPIC, BUS}


def test_long_labels_have_room_between_things() -> None:
    """They do not run into the shapes at both ends."""
    picture = build_map(all_of_it(), []).picture
    nodes = {node.id: node for node in picture.nodes}
    (arrow,) = (arrow for arrow in picture.arrows if arrow.label == "after 3 tries")
    source, target = nodes[arrow.source], nodes[arrow.target]
    room = abs(target.x - source.x) - (source.width + target.width) / 2
    assert room >= 6.5 * len("after 3 tries")


def test_name_of_a_queue_keeps_clear_of_its_curved_end() -> None:
    """It is broken earlier than that of a function."""
    queue = {"QueueArn": f"arn:aws:sqs:{HERE}:failed-invoices"}
    found = describe_triggers(TriggerAnswers(queues=[queue]), (), Resources())
    assert build_map(found, []).picture.nodes[0].title == ("failed-", "invoices")


def test_text_form_names_all_kinds() -> None:
    """As readers without a picture have it."""
    write = Writer()
    write("api.call", service="sns", call="Publish", destination=TOPIC, principal=LEARNER)
    write("sns.notification", TOPIC, destination=QUEUE)
    write("sqs.batch", QUEUE, "r", deleted=4, returned=1, reason="")
    lines = map_text(build_map(all_of_it(), write.entries)).splitlines()
    assert "You -> topic orders (call): 1 so far" in lines
    assert "topic orders -> queue jobs (event for kind: refund): 1 so far" in lines
    assert "queue jobs: 1 came in, 4 done, 1 back" in lines
    assert "topic orders: 1 message, published" in lines


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        ("sns", "Subscribe", "sns"),
        ("sns", "ListTopics", ""),
        ("sqs", "CreateQueue", "sqs"),
        ("sqs", "SendMessage", ""),
        ("events", "PutTargets", "events"),
        ("events", "PutEvents", ""),
        ("dynamodb", "CreateTable", "dynamodb"),
        ("scheduler", "POST /schedules/nightly", "scheduler"),
        ("scheduler", "GET /schedules/nightly", ""),
        ("lambda", "PUT /2019-09-25/functions/copier/event-invoke-config", "destinations"),
        ("lambda", "GET /2019-09-25/functions/copier/event-invoke-config", ""),
        ("s3", "PUT /inbox", ""),
    ],
)
def test_only_changing_calls_make_the_map_read_again(service: str, call: str, expected: str) -> None:
    """What the map itself asks is a call, too."""
    assert changed_service({"kind": "api.call", "detail": {"service": service, "call": call}}) == expected


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab."""
    with Lab() as running:
        yield running


def test_account_is_read_and_followed(lab: Lab) -> None:
    """A real topic, queue, rule and schedule; what is published is in the journal with its caller."""
    with (
        client("sns") as sns,
        client("sqs") as sqs,
        client("events") as events,
        client("scheduler") as scheduler,
    ):
        topic = sns.create_topic(Name="orders")["TopicArn"]
        url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=QUEUE, Attributes={"FilterPolicy": '{"kind": ["a"]}'}
        )
        events.put_rule(Name="big", EventPattern='{"source": ["shop"]}')
        events.put_targets(Rule="big", Targets=[{"Id": "1", "Arn": QUEUE}])
        target = {"Arn": QUEUE, "RoleArn": lab.role_arn}
        scheduler.create_schedule(
            Name="nightly",
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=target,
        )
        sns.publish(TopicArn=topic, Message="hello")
        sqs.send_message(QueueUrl=url, MessageBody="hello")
        events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": "{}"}])
    reader = AwsReader(make_client)
    assert reader.notice(lab.journal())
    found = reader.read()
    reader.close()
    assert set(found.links) == {
        Link(TOPIC, QUEUE, EVENT, "kind: a"),
        Link(BUS, RULE, EVENT),
        Link(RULE, QUEUE, EVENT),
        Link(SCHEDULE, QUEUE, EVENT),
    }
    tally = Tally()
    calls = [move for move in tally.add_all(lab.journal()) if move.source == CLIENT]
    assert calls == [Move(CLIENT, TOPIC), Move(CLIENT, QUEUE), Move(CLIENT, BUS)]


def test_reading_again_is_no_change(lab: Lab) -> None:
    """Otherwise the map would read for ever."""
    reader = AwsReader(make_client)
    reader.notice(lab.journal())
    since = lab.journal()[-1]["seq"]
    reader.read()
    reader.close()
    assert not reader.notice(lab.journal(since=since))


def test_dead_letter_is_told(lab: Lab) -> None:
    """A message that was received too often moves to the dead-letter queue, and the journal says so."""
    with client("sqs") as sqs:
        sqs.create_queue(QueueName="dead")
        redrive = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": "1"})
        url = sqs.create_queue(QueueName="tired", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="hello")
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
        sqs.receive_message(QueueUrl=url)
    (entry,) = lab.journal(kind="sqs.dead_letter")
    assert (entry["resource"], entry["detail"]["destination"]) == (f"arn:aws:sqs:{HERE}:tired", DEAD)
