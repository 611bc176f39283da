"""Deliveries to moto's own queues, topics, event buses and buckets, through the real bridge."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from labhelpers.clock import Clock
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.delivery import Delivery
from labhelpers.cloud.moto_bridge import MotoBridge
from labhelpers.cloud.sns_service import SnsService
from labhelpers.cloud.sns_signing import MessageSigner
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.destinations import Outgoing
from labhelpers.journal import Journal
from labhelpers.model import Account
from labhelpers.triggers.sns import SnsTrigger
from tests.cloud.bridge_calls import call
from tests.fakes import FakeRegistry

ACCOUNT = Account()
ATTRIBUTES = {"RequestID": ("String", "abc"), "ErrorCode": ("Number", "200")}


@pytest.fixture
async def bridge() -> AsyncIterator[MotoBridge]:
    """A bridge with fresh state."""
    bridge = MotoBridge(ACCOUNT, Keys(ACCOUNT), Journal())
    yield bridge
    await bridge.close()


@pytest.fixture
def delivery(bridge: MotoBridge) -> Delivery:
    """A delivery through that bridge."""
    return Delivery(bridge, ACCOUNT)


async def make_queue(bridge: MotoBridge, name: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    url = (await call(bridge, "sqs", "CreateQueue", QueueName=name))["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:{ACCOUNT.id}:{name}"


async def received(bridge: MotoBridge, url: str) -> Any:
    """The one message in a queue."""
    answer = await call(bridge, "sqs", "ReceiveMessage", QueueUrl=url, MessageAttributeNames=["All"])
    (message,) = answer["Messages"]
    return message


async def test_queue_gets_body_and_attributes(bridge: MotoBridge, delivery: Delivery) -> None:
    """A queue's message has the body as it is and the attributes with their types."""
    url, arn = await make_queue(bridge, "results")
    await delivery(Outgoing(arn, '{"é":"<&>"}', ATTRIBUTES))
    message = await received(bridge, url)
    assert message["Body"] == '{"é":"<&>"}'
    assert message["MessageAttributes"]["RequestID"] == {"DataType": "String", "StringValue": "abc"}
    assert message["MessageAttributes"]["ErrorCode"] == {"DataType": "Number", "StringValue": "200"}


async def test_topic_passes_message_and_subject_on(bridge: MotoBridge, delivery: Delivery) -> None:
    """A topic's subscribers see the body as Message, with subject and attributes."""
    url, queue = await make_queue(bridge, "subscriber")
    signer, clock = MessageSigner(lambda: "http://lab"), Clock()
    service = SnsService(bridge.sns, bridge.run, bridge.ask_moto, signer, clock, ACCOUNT)
    trigger = SnsTrigger(
        FakeRegistry(), lambda _: "", delivery.to_queue, signer, Journal(), clock, lambda: "http://lab"
    )
    bridge.on_sns, service.deliver = service.handle, trigger.deliver
    topic = (await call(bridge, "sns", "CreateTopic", Name="news"))["TopicArn"]
    await call(bridge, "sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue)
    await delivery(Outgoing(topic, '{"é":"<&>"}', ATTRIBUTES, subject="Amazon S3 Notification"))
    answer = await call(bridge, "sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=5)
    await trigger.close()
    notification = json.loads(answer["Messages"][0]["Body"])
    assert notification["Message"] == '{"é":"<&>"}'
    assert notification["Subject"] == "Amazon S3 Notification"
    assert notification["MessageAttributes"]["RequestID"] == {"Type": "String", "Value": "abc"}


async def test_event_bus_gives_the_event_to_its_rules(bridge: MotoBridge, delivery: Delivery) -> None:
    """A rule of the bus sees source, detail-type, resources and detail."""
    url, queue = await make_queue(bridge, "target")
    bus = (await call(bridge, "events", "CreateEventBus", Name="results"))["EventBusArn"]
    pattern = json.dumps({"source": ["lambda"]})
    await call(bridge, "events", "PutRule", Name="all", EventBusName="results", EventPattern=pattern)
    await call(
        bridge,
        "events",
        "PutTargets",
        Rule="all",
        EventBusName="results",
        Targets=[{"Id": "1", "Arn": queue}],
    )
    await delivery(
        Outgoing(
            bus,
            '{"a":1}',
            source="lambda",
            detail_type="Result",
            resources=(bus, "arn:f"),
            at=1_700_000_000.0,
        )
    )
    event = json.loads((await received(bridge, url))["Body"])
    assert (event["source"], event["detail-type"], event["detail"]) == ("lambda", "Result", {"a": 1})
    assert event["resources"] == [bus, "arn:f"]


async def test_bucket_gets_an_object(bridge: MotoBridge, delivery: Delivery) -> None:
    """A bucket gets the body under the message's key."""
    await call(bridge, "s3", "CreateBucket", Bucket="failures")
    await delivery(Outgoing("arn:aws:s3:::failures", '{"a":1}', key="aws/lambda/async/f/2026/x 1.json"))
    assert await bridge.object_bytes("failures", "aws/lambda/async/f/2026/x 1.json") == b'{"a":1}'


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("arn:aws:sqs:us-east-1:123456789012:nothing", "QueueDoesNotExist"),
        ("arn:aws:sns:us-east-1:123456789012:nothing", "NotFound"),
        ("arn:aws:events:us-east-1:123456789012:event-bus/nothing", "ResourceNotFoundException"),
        ("arn:aws:s3:::nothing", "NoSuchBucket"),
    ],
)
async def test_missing_target_is_the_services_own_error(delivery: Delivery, target: str, code: str) -> None:
    """What does not exist raises the error of the service that looked for it."""
    with pytest.raises(AwsError) as caught:
        await delivery(Outgoing(target, "{}", key="k", source="lambda", detail_type="d"))
    assert code in caught.value.code
    assert caught.value.message
    assert caught.value.status < 500


async def test_fifo_is_refused(delivery: Delivery) -> None:
    """FIFO queues and topics are no destinations."""
    with pytest.raises(AwsError, match="FIFO"):
        await delivery(Outgoing("arn:aws:sqs:us-east-1:123456789012:q.fifo", "{}"))


async def test_other_services_are_refused_by_name(delivery: Delivery) -> None:
    """A target of another service is not emulated, and the error names it."""
    with pytest.raises(NotEmulated, match="kinesis"):
        await delivery(Outgoing("arn:aws:kinesis:us-east-1:123456789012:stream/s", "{}"))
