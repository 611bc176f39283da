"""Deliveries to moto's own queues, topics, event buses and buckets, through the real bridge."""

import json
import time
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
from labhelpers.events.sns import QueueMessage
from labhelpers.journal import Journal
from labhelpers.model import Account
from labhelpers.triggers.sns import SnsTrigger
from tests.cloud.bridge_calls import call
from tests.cloud.event_buses import connect_event_bus
from tests.fakes import FakeRegistry, until

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
    """A rule of the bus sees source, detail-type, resources, time and detail."""
    journal = Journal()
    bus, events = connect_event_bus(bridge, delivery, journal)
    url, queue = await make_queue(bridge, "target")
    arn = (await call(events, "events", "CreateEventBus", Name="results"))["EventBusArn"]
    pattern = json.dumps({"source": ["lambda"]})
    await call(events, "events", "PutRule", Name="all", EventBusName="results", EventPattern=pattern)
    targets = [{"Id": "1", "Arn": queue}]
    await call(events, "events", "PutTargets", Rule="all", EventBusName="results", Targets=targets)
    await delivery(
        Outgoing(
            arn,
            '{"a":1}',
            source="lambda",
            detail_type="Result",
            resources=(arn, "arn:f"),
            at=1_700_000_000.0,
        )
    )
    await until(lambda: journal.since(kind="events.notification"))
    event = json.loads((await received(bridge, url))["Body"])
    assert (event["source"], event["detail-type"], event["detail"]) == ("lambda", "Result", {"a": 1})
    assert (event["resources"], event["time"]) == ([arn, "arn:f"], "2023-11-14T22:13:20Z")
    await bus.close()


async def test_fifo_queue_gets_its_group(bridge: MotoBridge, delivery: Delivery) -> None:
    """With a message group a FIFO queue takes what is sent to it."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    made = await call(bridge, "sqs", "CreateQueue", QueueName="q.fifo", Attributes=attributes)
    await delivery(Outgoing(f"arn:aws:sqs:us-east-1:{ACCOUNT.id}:q.fifo", "{}", key="orders"))
    answer = await call(bridge, "sqs", "ReceiveMessage", QueueUrl=made["QueueUrl"], AttributeNames=["All"])
    assert answer["Messages"][0]["Attributes"]["MessageGroupId"] == "orders"


async def test_queue_gets_the_trace(bridge: MotoBridge, delivery: Delivery) -> None:
    """A trace goes into the attribute that AWS keeps it in."""
    url, arn = await make_queue(bridge, "traced")
    await delivery(Outgoing(arn, "{}", trace_id="Root=1-2-3"))
    answer = await call(bridge, "sqs", "ReceiveMessage", QueueUrl=url, AttributeNames=["All"])
    assert answer["Messages"][0]["Attributes"]["AWSTraceHeader"] == "Root=1-2-3"


async def test_stream_gets_a_record(bridge: MotoBridge, delivery: Delivery) -> None:
    """A stream's record has the body as its data, under the partition key."""
    await call(bridge, "kinesis", "CreateStream", StreamName="s", ShardCount=1)
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT.id}:stream/s"
    await delivery(Outgoing(arn, '{"é":1}', key="k"))
    (shard,) = (await call(bridge, "kinesis", "DescribeStream", StreamName="s"))["StreamDescription"][
        "Shards"
    ]
    iterator = await call(
        bridge,
        "kinesis",
        "GetShardIterator",
        StreamName="s",
        ShardId=shard["ShardId"],
        ShardIteratorType="TRIM_HORIZON",
    )
    (record,) = (await call(bridge, "kinesis", "GetRecords", ShardIterator=iterator["ShardIterator"]))[
        "Records"
    ]
    assert (record["Data"].decode(), record["PartitionKey"]) == ('{"é":1}', "k")


async def test_log_group_gets_a_line(bridge: MotoBridge, delivery: Delivery) -> None:
    """A log group has the body as a line; one that does not exist is not made."""
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT.id}:log-group:/aws/events/all:*"
    with pytest.raises(AwsError) as caught:
        await delivery(Outgoing(arn, "{}"))
    assert caught.value.code == "ResourceNotFoundException"
    await call(bridge, "logs", "CreateLogGroup", logGroupName="/aws/events/all")
    await delivery(Outgoing(arn, '{"a":1}', at=time.time()))
    found = await call(bridge, "logs", "FilterLogEvents", logGroupName="/aws/events/all")
    assert [event["message"] for event in found["events"]] == ['{"a":1}']


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
        ("arn:aws:kinesis:us-east-1:123456789012:stream/nothing", "ResourceNotFoundException"),
    ],
)
async def test_missing_target_is_the_services_own_error(
    bridge: MotoBridge, delivery: Delivery, target: str, code: str
) -> None:
    """What does not exist raises the error of the service that looked for it."""
    connect_event_bus(bridge, delivery, Journal())
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
    with pytest.raises(NotEmulated, match="firehose"):
        await delivery(Outgoing("arn:aws:firehose:us-east-1:123456789012:deliverystream/s", "{}"))


async def test_queue_of_another_account_is_not_there(bridge: MotoBridge, delivery: Delivery) -> None:
    """A topic's message for a stranger's queue does not land in one's own of that name."""
    await make_queue(bridge, "inbox")
    with pytest.raises(AwsError, match="does not exist"):
        await delivery.to_queue(QueueMessage("arn:aws:sqs:us-east-1:000000000000:inbox", "m"))
