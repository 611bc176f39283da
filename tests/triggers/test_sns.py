"""SNS topics: who gets a message, in which form, and what is seen of what could not be delivered."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SnsModel

from labhelpers.errors import AwsError
from labhelpers.events.sns import Attribute, Notification, QueueMessage, Seal
from labhelpers.journal import Entry, Journal
from labhelpers.model import InvokeRequest
from labhelpers.triggers.sns import SnsTrigger, Subscription
from tests.fakes import FakeClock, function_arn, settle

TOPIC = "arn:aws:sns:us-east-1:123456789012:news"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:inbox"
FUNCTION = function_arn("reader")
PUBLISHED = Notification(
    "m-1",
    TOPIC,
    "hello",
    "2026-01-02T03:04:05.678Z",
    attributes={"kind": Attribute("String", "news")},
    trace_id="Root=1-2-3",
    request_id="R",
)
TO_FUNCTION = Subscription(f"{TOPIC}:1", "lambda", FUNCTION)
TO_QUEUE = Subscription(f"{TOPIC}:2", "sqs", QUEUE)


class FakePolicies:
    """Lets topics call functions. `allowed` are (function, topic)."""

    def __init__(self) -> None:
        self.allowed = {(FUNCTION, TOPIC)}

    def allows(
        self, function: str, qualifier: str, *, principal: str, source_arn: str = "", source_account: str = ""
    ) -> bool:
        assert source_account == "123456789012"
        return principal == "sns.amazonaws.com" and (function, source_arn) in self.allowed


class FakeSigner:
    """Signs with what it is given."""

    def sign(self, text: bytes) -> Seal:
        return Seal(f"signed {text.decode()}", "http://lab/cert.pem")


@dataclass
class World:
    """An SnsTrigger with everything around it faked."""

    policies: FakePolicies = field(default_factory=FakePolicies)
    journal: Journal = field(default_factory=Journal)
    clock: FakeClock = field(default_factory=FakeClock)
    submitted: list[InvokeRequest] = field(default_factory=list)
    refusals: list[AwsError] = field(default_factory=list)
    sent: list[QueueMessage] = field(default_factory=list)
    faults: list[AwsError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trigger = SnsTrigger(
            self.policies,
            self.submit,
            self.send,
            FakeSigner(),
            self.journal,
            self.clock,
            lambda: "http://lab",
        )

    def submit(self, request: InvokeRequest) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        self.submitted.append(request)
        return "invocation-1"

    async def send(self, message: QueueMessage) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(message)

    async def publish(self, *subscriptions: Subscription, **changes: Any) -> None:
        self.trigger.deliver(replace(PUBLISHED, **changes), list(subscriptions))
        await settle()

    def entries(self, kind: str) -> list[Entry]:
        return self.journal.since(kind=kind)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A trigger that ends with the test."""
    world = World()
    yield world
    await world.trigger.close()


async def test_function_gets_awss_event(world: World) -> None:
    """One record with all members, signed; the trace goes on, and the journal tells of the delivery."""
    await world.publish(TO_FUNCTION, subject="Subject")
    [request] = world.submitted
    assert (request.function, request.source, request.source_arn) == (FUNCTION, "sns", TOPIC)
    assert request.trace_id == "Root=1-2-3"
    event = json.loads(request.payload)
    SnsModel.model_validate(event)
    assert event == {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{TOPIC}:1",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": "m-1",
                    "TopicArn": TOPIC,
                    "Subject": "Subject",
                    "Message": "hello",
                    "Timestamp": "2026-01-02T03:04:05.678Z",
                    "SignatureVersion": "1",
                    "Signature": "signed Message\nhello\nMessageId\nm-1\nSubject\nSubject\n"
                    f"Timestamp\n2026-01-02T03:04:05.678Z\nTopicArn\n{TOPIC}\nType\nNotification\n",
                    "SigningCertUrl": "http://lab/cert.pem",
                    "UnsubscribeUrl": f"http://lab/?Action=Unsubscribe&SubscriptionArn={TOPIC}:1",
                    "MessageAttributes": {"kind": {"Type": "String", "Value": "news"}},
                },
            }
        ]
    }
    [entry] = world.entries("sns.notification")
    assert (entry.resource, entry.detail["destination"], entry.detail["invocation"]) == (
        TOPIC,
        FUNCTION,
        "invocation-1",
    )


async def test_missing_subject_is_null_for_functions(world: World) -> None:
    """A function sees Subject null where a queue has no Subject at all."""
    await world.publish(TO_FUNCTION, TO_QUEUE)
    assert json.loads(world.submitted[0].payload)["Records"][0]["Sns"]["Subject"] is None
    assert "Subject" not in json.loads(world.sent[0].body)


async def test_all_subscriptions_get_the_message(world: World) -> None:
    """Fan-out: each subscription has its own delivery, by its own filter."""
    other = replace(TO_QUEUE, arn=f"{TOPIC}:3", filter_policy='{"kind": ["other"]}')
    await world.publish(TO_FUNCTION, TO_QUEUE, other)
    assert len(world.submitted) == len(world.sent) == 1


async def test_raw_delivery_copies_the_attributes(world: World) -> None:
    """A raw message is the text alone, with the publisher's attributes and trace."""
    await world.publish(replace(TO_QUEUE, raw=True))
    [message] = world.sent
    assert message == QueueMessage(QUEUE, "hello", PUBLISHED.attributes, trace_id="Root=1-2-3")


async def test_structured_message_has_a_text_for_each_protocol(world: World) -> None:
    """With MessageStructure json a protocol gets its own text, others the default."""
    texts = {"default": "for all", "lambda": "for functions"}
    await world.publish(TO_FUNCTION, TO_QUEUE, by_protocol=texts)
    assert json.loads(world.submitted[0].payload)["Records"][0]["Sns"]["Message"] == "for functions"
    assert json.loads(world.sent[0].body)["Message"] == "for all"


async def test_forbidden_function_goes_to_the_dead_letter_queue(world: World) -> None:
    """Without a permission nothing is tried twice: the message is kept, and the journal names the next step."""
    world.policies.allowed.clear()
    await world.publish(replace(TO_FUNCTION, dead_letter_arn=QUEUE))
    [failure] = world.entries("failure")
    assert "add_permission" in failure.detail["message"]
    assert f"SourceArn={TOPIC}" in failure.detail["message"]
    [message] = world.sent
    assert json.loads(message.body)["Message"] == "hello"
    assert world.entries("sns.dead_letter")[0].detail["destination"] == QUEUE


async def test_full_event_queue_is_tried_again(world: World) -> None:
    """Lambda's 429 is passing: the delivery comes later."""
    world.refusals.append(AwsError("TooManyRequestsException", "", 429))
    await world.publish(TO_FUNCTION)
    assert not world.submitted
    await world.clock.advance(1)
    assert len(world.submitted) == 1


async def test_queue_that_is_gone_is_told(world: World) -> None:
    """What a queue refuses goes to the dead-letter queue and into the journal."""
    world.faults.append(AwsError("AWS.SimpleQueueService.NonExistentQueue", "no queue"))
    dead = f"{QUEUE}-dead"
    await world.publish(replace(TO_QUEUE, dead_letter_arn=dead))
    assert [message.queue_arn for message in world.sent] == [dead]
    assert "no queue" in world.entries("failure")[0].detail["message"]


async def test_fifo_queue_gets_groups_and_order(world: World) -> None:
    """A FIFO queue gets group and deduplication id, one message after the other, also after a failure."""
    world.faults.append(AwsError("InternalFailure", "busy", 500))
    subscription = Subscription(f"{TOPIC}.fifo:1", "sqs", f"{QUEUE}.fifo")
    fifo: dict[str, Any] = {"group_id": "g", "sequence_number": "1", "topic_arn": f"{TOPIC}.fifo"}
    await world.publish(subscription, message="first", deduplication_id="a", **fifo)
    await world.publish(subscription, message="second", deduplication_id="b", **fifo)
    assert not world.sent
    await world.clock.advance(1)
    assert [json.loads(message.body)["Message"] for message in world.sent] == ["first", "second"]
    assert [(message.group_id, message.deduplication_id) for message in world.sent] == [
        ("g", "a"),
        ("g", "b"),
    ]
    assert "Signature" not in json.loads(world.sent[0].body)
