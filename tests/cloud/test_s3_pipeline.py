"""From a call of S3 through the bridge, the trigger and the event queue to a function: all real but the function."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import S3Model

from labhelpers.clock import Clock
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.delivery import Delivery
from labhelpers.cloud.events_service import EventsService
from labhelpers.cloud.moto_bridge import MotoBridge
from labhelpers.errors import AwsError
from labhelpers.functions.asynchronous import AsyncInvoker
from labhelpers.journal import Journal
from labhelpers.model import Account
from labhelpers.triggers.s3 import S3Trigger
from tests.cloud.bridge_calls import call
from tests.cloud.event_buses import connect_event_bus
from tests.fakes import FakeInvoker, FakeRegistry, function_arn, settle, until

FUNCTION = function_arn("shrink")


@dataclass
class Cloud:
    """What a composition root would wire."""

    bridge: MotoBridge
    invoker: FakeInvoker
    journal: Journal
    events: EventsService

    async def s3(self, operation: str, **parameters: Any) -> Any:
        return await call(self.bridge, "s3", operation, Bucket="uploads", **parameters)

    async def notify(self, **configuration: Any) -> None:
        await self.s3("PutBucketNotificationConfiguration", NotificationConfiguration=configuration)

    async def records(self) -> list[Any]:
        """The records that the function has received."""
        await settle()
        return [record for r in self.invoker.requests for record in json.loads(r.payload)["Records"]]

    async def messages(self, url: str) -> list[Any]:
        """The bodies of all messages in a queue."""
        await settle()
        answer = await call(self.bridge, "sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    """A cloud with a bucket `uploads` that may call the function `shrink`."""
    account, journal, clock = Account(), Journal(), Clock()
    bridge = MotoBridge(account, Keys(account), journal)
    registry, invoker = FakeRegistry("shrink", "other"), FakeInvoker()
    registry.allowed.add((FUNCTION, "arn:aws:s3:::uploads"))
    delivery = Delivery(bridge, account)
    queue = AsyncInvoker(invoker, registry, journal, clock, delivery)
    trigger = S3Trigger(
        registry, queue.submit, bridge.s3_notifications, journal, clock, account, deliver=delivery
    )
    bridge.on_s3_event, bridge.validate_notifications = (
        trigger.on_object_event,
        trigger.validate_notifications,
    )
    bus, events = connect_event_bus(bridge, delivery, journal)
    cloud = Cloud(bridge, invoker, journal, events)
    await cloud.s3("CreateBucket")
    yield cloud
    assert not [failure for failure in journal.since(kind="failure") if failure.resource]
    await trigger.close()
    await bus.close()
    await queue.close()
    await bridge.close()


def to_function(*events: str, arn: str = FUNCTION, **rule: Any) -> dict[str, Any]:
    """A configuration with one rule for a function."""
    return {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": list(events), **rule}]}


async def test_put_reaches_the_function(cloud: Cloud) -> None:
    """An upload starts the function once, with a record that Powertools reads."""
    filters = {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}
    await cloud.notify(**to_function("s3:ObjectCreated:*", Id="pictures", Filter=filters))
    await cloud.s3("PutObject", Key="red flower.txt", Body=b"no")
    await cloud.s3("PutObject", Key="red flower.jpg", Body=b"yes")
    (record,) = await cloud.records()
    S3Model.model_validate({"Records": [record]})
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["configurationId"] == "pictures"
    assert record["s3"]["object"]["key"] == "red+flower.jpg"
    assert record["s3"]["object"]["size"] == 3
    assert record["s3"]["object"]["eTag"] == "a6105c0a611b41b08f1209506350279e"


async def test_each_operation_is_one_event(cloud: Cloud) -> None:
    """Copies, multipart uploads, tags and deletions each make their one event, in order, with rising sequencers."""
    events = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*")
    await cloud.notify(**to_function(*events))
    await cloud.s3("PutObject", Key="a", Body=b"1")
    await cloud.s3("CopyObject", Key="b", CopySource="uploads/a")
    upload = (await cloud.s3("CreateMultipartUpload", Key="c"))["UploadId"]
    part = await cloud.s3("UploadPart", Key="c", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    await cloud.s3("CompleteMultipartUpload", Key="c", UploadId=upload, MultipartUpload=parts)
    await cloud.s3("PutObjectTagging", Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    await cloud.s3("DeleteObject", Key="a")
    await cloud.s3("DeleteObjects", Delete={"Objects": [{"Key": "b"}, {"Key": "c"}]})
    records = await cloud.records()
    assert [(r["eventName"], r["s3"]["object"]["key"]) for r in records] == [
        ("ObjectCreated:Put", "a"),
        ("ObjectCreated:Copy", "b"),
        ("ObjectCreated:CompleteMultipartUpload", "c"),
        ("ObjectTagging:Put", "a"),
        ("ObjectRemoved:Delete", "a"),
        ("ObjectRemoved:Delete", "b"),
        ("ObjectRemoved:Delete", "c"),
    ]
    sequencers = [r["s3"]["object"]["sequencer"] for r in records if "Tagging" not in r["eventName"]]
    assert sequencers == sorted(set(sequencers))


async def test_empty_configuration_stops_the_trigger(cloud: Cloud) -> None:
    """After an empty configuration nothing is sent."""
    await cloud.notify(**to_function("s3:ObjectCreated:*"))
    await cloud.notify()
    await cloud.s3("PutObject", Key="a", Body=b"1")
    assert await cloud.records() == []


async def test_function_without_permission_is_refused_as_boto3_shows_it(cloud: Cloud) -> None:
    """PutBucketNotificationConfiguration fails, and the old configuration stays."""
    await cloud.notify(**to_function("s3:ObjectCreated:*"))
    with pytest.raises(AwsError) as caught:
        await cloud.notify(**to_function("s3:ObjectCreated:*", arn=function_arn("other")))
    assert caught.value.code == "InvalidArgument"
    assert caught.value.message == "Unable to validate the following destination configurations"
    kept = await cloud.s3("GetBucketNotificationConfiguration")
    assert [r["LambdaFunctionArn"] for r in kept["LambdaFunctionConfigurations"]] == [FUNCTION]


async def test_queue_gets_the_test_event_and_then_the_records(cloud: Cloud) -> None:
    """A queue receives s3:TestEvent when it is configured, then the record of each upload."""
    url = (await call(cloud.bridge, "sqs", "CreateQueue", QueueName="q"))["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:q"
    await cloud.notify(QueueConfigurations=[{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}])
    (test_event,) = await cloud.messages(url)
    assert test_event["Event"] == "s3:TestEvent"
    await cloud.s3("PutObject", Key="a", Body=b"1")
    await until(lambda: cloud.journal.since(kind="s3.notification"))
    (message,) = await cloud.messages(url)
    assert message["Records"][0]["s3"]["object"]["key"] == "a"


async def test_event_bus_gets_every_event(cloud: Cloud) -> None:
    """With EventBridge switched on a rule of the default bus sees the upload."""
    url = (await call(cloud.bridge, "sqs", "CreateQueue", QueueName="q"))["QueueUrl"]
    pattern = json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"]})
    await call(cloud.events, "events", "PutRule", Name="uploads", EventPattern=pattern)
    targets = [{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}]
    await call(cloud.events, "events", "PutTargets", Rule="uploads", Targets=targets)
    await cloud.notify(EventBridgeConfiguration={})
    await cloud.s3("PutObject", Key="red flower", Body=b"1")
    await until(lambda: cloud.journal.since(kind="events.notification"))
    (event,) = await cloud.messages(url)
    assert event["detail"]["object"]["key"] == "red flower"
    assert event["resources"] == ["arn:aws:s3:::uploads"]
