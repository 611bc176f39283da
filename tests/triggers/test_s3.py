"""S3 notifications: who may be told, who is told, and what is seen when somebody could not be."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from aws_lambda_powertools.utilities.parser.models import S3Model

from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.s3 import S3ObjectEvent
from labhelpers.events.s3_notifications import NotificationConfiguration, NotificationRule
from labhelpers.journal import Entry, Journal
from labhelpers.model import Account, InvokeRequest
from labhelpers.triggers.s3 import S3Trigger
from tests.fakes import FakeClock, FakeDelivery, FakeRegistry, function_arn, settle

FUNCTION = function_arn("shrink")
QUEUE = "arn:aws:sqs:us-east-1:123456789012:uploads"
TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
PUT = S3ObjectEvent(
    name="ObjectCreated:Put",
    bucket="in",
    key="red flower.jpg",
    size=3,
    etag="abc",
    sequencer="01",
    at=1_700_000_000.0,
    bucket_owner="OWNER",
    principal="AWS:AIDA",
    request_id="R",
    host_id="H",
)


def rule(destination: str = "CloudFunction", arn: str = FUNCTION, prefix: str = "") -> NotificationRule:
    """A rule for every object that is made below `prefix`."""
    return NotificationRule(f"{destination}-rule", destination, arn, ("s3:ObjectCreated:*",), prefix)


@dataclass
class World:
    """An S3Trigger with everything around it faked; `shrink` is a function that bucket `in` may call."""

    registry: FakeRegistry = field(default_factory=lambda: FakeRegistry("shrink"))
    journal: Journal = field(default_factory=Journal)
    clock: FakeClock = field(default_factory=FakeClock)
    delivery: FakeDelivery = field(default_factory=FakeDelivery)
    submitted: list[InvokeRequest] = field(default_factory=list)
    refusals: list[AwsError] = field(default_factory=list)
    configuration: NotificationConfiguration = field(
        default_factory=lambda: NotificationConfiguration((rule(),))
    )
    delivers: bool = True

    def __post_init__(self) -> None:
        self.registry.allowed.add((FUNCTION, "arn:aws:s3:::in"))
        self.trigger = S3Trigger(
            self.registry,
            self.submit,
            lambda bucket: self.configuration if bucket == "in" else NotificationConfiguration(),
            self.journal,
            self.clock,
            Account(),
            deliver=self.delivery if self.delivers else None,
        )

    def submit(self, request: InvokeRequest) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        self.submitted.append(request)
        return "invocation-1"

    def entries(self, kind: str) -> list[Entry]:
        return self.journal.since(kind=kind)

    async def refusal(self, *rules: NotificationRule, bucket: str = "in") -> AwsError:
        with pytest.raises(AwsError) as caught:
            await self.trigger.validate_notifications(bucket, NotificationConfiguration(rules))
        return caught.value


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A fresh world; at its end nothing is left running."""
    world = World()
    yield world
    await world.trigger.close()


# --- Configuring ---


async def test_function_that_lets_the_bucket_in_is_accepted(world: World) -> None:
    """With the resource policy in place the configuration is valid; functions get no test event."""
    await world.trigger.validate_notifications("in", NotificationConfiguration((rule(),)))
    assert not world.submitted
    assert not world.delivery.sent


@pytest.mark.parametrize(
    ("arn", "bucket"),
    [
        (FUNCTION, "other"),
        (function_arn("nobody"), "in"),
        ("arn:aws:lambda:us-east-1:999999999999:function:x", "in"),
    ],
)
async def test_function_that_does_not_is_refused_word_for_word(world: World, arn: str, bucket: str) -> None:
    """Missing permission and missing function read the same (recorded on AWS)."""
    error = await world.refusal(rule(arn=arn), bucket=bucket)
    assert (error.code, error.status) == ("InvalidArgument", 400)
    assert error.message == "Unable to validate the following destination configurations"
    assert error.fields == {
        "ArgumentName1": f"{arn}, null",
        "ArgumentValue1": f"Not authorized to invoke function [{arn}]",
    }


async def test_all_destinations_at_fault_are_named(world: World) -> None:
    """The error lists every destination that does not work, in order (recorded on AWS)."""
    world.delivery.errors = [AwsError("QueueDoesNotExist", "no", 400)]
    error = await world.refusal(rule("Queue", QUEUE), rule(arn=function_arn("nobody")))
    assert error.fields["ArgumentName1"] == QUEUE
    assert error.fields["ArgumentValue1"] == "The destination queue does not exist"
    assert error.fields["ArgumentName2"] == f"{function_arn('nobody')}, null"


async def test_topic_that_is_gone_is_named(world: World) -> None:
    """SNS's NotFound means that there is no such topic."""
    world.delivery.errors = [AwsError("NotFound", "Topic does not exist", 404)]
    error = await world.refusal(rule("Topic", TOPIC))
    assert error.fields["ArgumentValue1"] == "The destination topic does not exist"


async def test_queues_and_topics_get_a_test_event(world: World) -> None:
    """A new destination that is no function receives s3:TestEvent before the configuration holds."""
    rules = (rule("Queue", QUEUE), rule("Topic", TOPIC))
    await world.trigger.validate_notifications(
        "in", NotificationConfiguration(rules), request_id="R", host_id="H"
    )
    assert [m.target for m in world.delivery.sent] == [QUEUE, TOPIC]
    assert json.loads(world.delivery.sent[0].body) == {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2023-11-14T22:13:20.000Z",
        "Bucket": "in",
        "RequestId": "R",
        "HostId": "H",
    }


async def test_validation_can_be_skipped(world: World) -> None:
    """x-amz-skip-destination-validation accepts destinations that do not exist."""
    configuration = NotificationConfiguration((rule(arn=function_arn("nobody")), rule("Queue", QUEUE)))
    await world.trigger.validate_notifications("in", configuration, skip_destinations=True)
    assert not world.delivery.sent


@pytest.mark.parametrize(
    ("configuration", "name"),
    [
        (NotificationConfiguration((rule("Queue", QUEUE),)), QUEUE),
        (NotificationConfiguration((rule("Topic", TOPIC),)), TOPIC),
        (NotificationConfiguration((), event_bridge=True), "EventBridge"),
    ],
)
async def test_what_cannot_be_delivered_is_refused_by_name(
    configuration: NotificationConfiguration, name: str
) -> None:
    """Without a way to send, other destinations than functions are refused when they are configured."""
    world = World(delivers=False)
    with pytest.raises(NotEmulated, match=name):
        await world.trigger.validate_notifications("in", configuration, skip_destinations=True)


# --- Delivering ---


async def test_function_gets_the_record_asynchronously(world: World) -> None:
    """The function is invoked with one full record, in the bucket's name; the journal ties both together."""
    world.trigger.on_object_event(PUT)
    (request,) = world.submitted
    assert (request.function, request.source, request.source_arn) == (FUNCTION, "s3", "arn:aws:s3:::in")
    model = S3Model.model_validate_json(request.payload)
    assert model.Records[0].s3.configurationId == "CloudFunction-rule"
    assert model.Records[0].s3.object is not None
    assert model.Records[0].s3.object.key == "red+flower.jpg"
    (entry,) = world.entries("s3.notification")
    assert (entry.resource, entry.request_id) == ("arn:aws:s3:::in", "R")
    assert entry.detail == {
        "event": "ObjectCreated:Put",
        "key": "red flower.jpg",
        "rule": "CloudFunction-rule",
        "destination": FUNCTION,
        "invocation": "invocation-1",
    }


async def test_unwanted_event_is_not_sent(world: World) -> None:
    """Other events, other keys and other buckets start nothing."""
    world.configuration = NotificationConfiguration((rule(prefix="red"),))
    world.trigger.on_object_event(replace(PUT, name="ObjectRemoved:Delete"))
    world.trigger.on_object_event(replace(PUT, key="blue.jpg"))
    world.trigger.on_object_event(replace(PUT, bucket="other"))
    assert not world.submitted
    assert len(world.journal.since()) == 0


async def test_permission_is_asked_at_each_delivery(world: World) -> None:
    """A permission removed after the configuration stops deliveries, and the journal says why."""
    world.registry.allowed.clear()
    world.trigger.on_object_event(PUT)
    assert not world.submitted
    (failure,) = world.entries("failure")
    assert "resource policy" in failure.detail["message"]
    assert failure.detail["key"] == "red flower.jpg"


async def test_deleted_function_is_a_journal_failure(world: World) -> None:
    """An event for a function that is gone is dropped visibly."""
    world.registry.delete("shrink")
    world.trigger.on_object_event(PUT)
    assert len(world.entries("failure")) == 1


async def test_full_event_queue_is_tried_again(world: World) -> None:
    """When Lambda's queue takes nothing more at this moment S3 asks again."""
    world.refusals = [AwsError("TooManyRequestsException", "Rate Exceeded.", 429)] * 2
    world.trigger.on_object_event(PUT)
    assert not world.submitted
    await world.clock.advance(10)
    assert len(world.submitted) == 1
    assert len(world.entries("s3.notification")) == 1
    assert not world.entries("failure")


async def test_other_refusal_is_a_journal_failure(world: World) -> None:
    """What trying again does not mend is seen at once."""
    world.refusals = [AwsError("RequestTooLargeException", "too large", 413)]
    world.trigger.on_object_event(PUT)
    (failure,) = world.entries("failure")
    assert "too large" in failure.detail["message"]


async def test_queue_and_topic_get_the_same_record(world: World) -> None:
    """Queues and topics receive the record as a message; a topic's has S3's subject."""
    world.configuration = NotificationConfiguration((rule("Queue", QUEUE), rule("Topic", TOPIC)))
    world.trigger.on_object_event(PUT)
    await settle()
    queue, topic = world.delivery.sent
    assert S3Model.model_validate_json(queue.body).Records[0].eventName == "ObjectCreated:Put"
    assert (topic.target, topic.subject) == (TOPIC, "Amazon S3 Notification")
    assert [e.detail["destination"] for e in world.entries("s3.notification")] == [QUEUE, TOPIC]


async def test_event_bridge_gets_every_event(world: World) -> None:
    """With EventBridge switched on each event goes to the default bus, whatever the rules say."""
    world.configuration = NotificationConfiguration((rule(prefix="none/"),), event_bridge=True)
    world.trigger.on_object_event(PUT)
    world.trigger.on_object_event(replace(PUT, name="ReducedRedundancyLostObject"))
    await settle()
    (message,) = world.delivery.sent
    assert message.target == "arn:aws:events:us-east-1:123456789012:event-bus/default"
    assert (message.source, message.detail_type) == ("aws.s3", "Object Created")
    assert message.resources == ("arn:aws:s3:::in",)
    assert json.loads(message.body)["requester"] == "123456789012"
    assert message.at == PUT.at


async def test_trace_goes_on_with_every_message(world: World) -> None:
    """What S3 sends belongs to the trace of the call that made the event."""
    world.configuration = NotificationConfiguration((rule("Queue", QUEUE),), event_bridge=True)
    world.trigger.on_object_event(replace(PUT, trace_id="Root=1-2-3"))
    await settle()
    assert [message.trace_id for message in world.delivery.sent] == ["Root=1-2-3", "Root=1-2-3"]
    assert {entry.trace_id for entry in world.entries("s3.notification")} == {"Root=1-2-3"}


async def test_message_that_cannot_be_sent_is_a_journal_failure(world: World) -> None:
    """A queue deleted after the configuration is named in the journal."""
    world.configuration = NotificationConfiguration((rule("Queue", QUEUE),))
    world.delivery.errors = [AwsError("AWS.SimpleQueueService.NonExistentQueue", "gone", 400)]
    world.trigger.on_object_event(PUT)
    await settle()
    (failure,) = world.entries("failure")
    assert failure.detail["destination"] == QUEUE


async def test_broken_lookup_never_reaches_the_caller(world: World) -> None:
    """S3's own call succeeds even if the lab fails to notify; the journal has the failure."""
    world.configuration = None  # type: ignore[assignment]
    world.trigger.on_object_event(PUT)
    (failure,) = world.entries("failure")
    assert "in the lab itself" in failure.detail["message"]


async def test_nothing_is_sent_after_close(world: World) -> None:
    """Deliveries that wait for another try end with the lab."""
    world.configuration = NotificationConfiguration((rule("Queue", QUEUE),))
    world.delivery.errors = [AwsError("InternalFailure", "oops", 500)]
    world.trigger.on_object_event(PUT)
    await settle()
    await world.trigger.close()
    await world.clock.advance(100)
    assert not world.delivery.sent
