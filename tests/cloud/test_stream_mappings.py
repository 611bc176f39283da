"""Functions that read streams, through boto3 and real functions: order, losses, filters, and a mapping's life."""

import io
import json
import textwrap
import time
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Cloud, wait_for

# Tells a queue what it got; fails where a record says so.
HANDLER = """
import base64, json, os
import boto3

sqs = boto3.client("sqs")

def value(record):
    if "kinesis" in record:
        return json.loads(base64.b64decode(record["kinesis"]["data"]))
    return record["dynamodb"]["Keys"]["id"]["S"]

def handler(event, context):
    values = [value(record) for record in event["Records"]]
    told = {"values": values, "state": event.get("state"), "final": event.get("isFinalInvokeForWindow")}
    sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(told))
    if os.environ.get("POISON") in values:
        raise ValueError("poison")
    return {"state": {"n": (event.get("state") or {}).get("n", 0) + len(values)}}
"""


class Reader:
    """A function with a queue that gets what each call had, and mappings of it that end with the test."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.name = f"reader-{uuid.uuid4().hex[:8]}"
        self.seen = self.queue("seen")
        self.mappings: list[str] = []

    def queue(self, purpose: str) -> str:
        """The URL of a new queue."""
        sqs = self.cloud.client("sqs")
        return str(sqs.create_queue(QueueName=f"{self.name}-{purpose}")["QueueUrl"])

    def queue_arn(self, url: str) -> str:
        return f"arn:aws:sqs:{self.cloud.region}:{self.cloud.account_id}:{url.rpartition('/')[2]}"

    def create(self, poison: str = "") -> None:
        """Deploy the function."""
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("reader.py", textwrap.dedent(HANDLER))
        functions = self.cloud.client("lambda")
        functions.create_function(
            FunctionName=self.name,
            Runtime="python3.13",
            Role=self.cloud.client("iam").list_roles()["Roles"][0]["Arn"],
            Handler="reader.handler",
            Code={"ZipFile": package.getvalue()},
            Environment={"Variables": {"SEEN": self.seen, "POISON": poison}},
            Timeout=10,
            MemorySize=1769,
        )
        functions.get_waiter("function_active_v2").wait(FunctionName=self.name)

    def read(self, source: str, **settings: Any) -> str:
        """Map a stream to the function; the mapping's UUID, when it is enabled."""
        made = self.cloud.client("lambda").create_event_source_mapping(
            FunctionName=self.name,
            EventSourceArn=source,
            **{"StartingPosition": "TRIM_HORIZON", **settings},
        )
        self.mappings.append(made["UUID"])
        self.wait_for_state(made["UUID"], "Enabled")
        return str(made["UUID"])

    def mapping(self, mapping: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cloud.client("lambda").get_event_source_mapping(UUID=mapping)
        return found

    def wait_for_state(self, mapping: str, state: str) -> None:
        wait_for(lambda: self.mapping(mapping)["State"] == state, f"{mapping} to be {state}")

    def calls(self, count: int) -> list[dict[str, Any]]:
        """What the first `count` calls had, or those since the last time."""
        sqs, found = self.cloud.client("sqs"), []

        def come() -> bool:
            for message in sqs.receive_message(QueueUrl=self.seen, MaxNumberOfMessages=10).get(
                "Messages", []
            ):
                sqs.delete_message(QueueUrl=self.seen, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
            return len(found) >= count

        wait_for(come, f"{count} calls; {len(found)} have come")
        return found

    def lost(self, url: str) -> dict[str, Any]:
        """The first record of a loss in a queue."""
        sqs = self.cloud.client("sqs")
        messages = wait_for(
            lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), "a loss"
        )
        body: dict[str, Any] = json.loads(messages[0]["Body"])
        return body

    def close(self) -> None:
        """Delete the mappings."""
        for mapping in self.mappings:
            self.cloud.client("lambda").delete_event_source_mapping(UUID=mapping)


@pytest.fixture
def reader(cloud: Cloud) -> Iterator[Reader]:
    """A reader without a function yet."""
    made = Reader(cloud)
    yield made
    made.close()


def table(cloud: Cloud, view_type: str = "NEW_AND_OLD_IMAGES") -> tuple[str, str]:
    """A new table's name and the ARN of its stream."""
    made = cloud.client("dynamodb").create_table(
        TableName=f"table-{uuid.uuid4().hex[:8]}",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type},
    )["TableDescription"]
    return made["TableName"], made["LatestStreamArn"]


def stream(cloud: Cloud, shards: int = 1) -> tuple[str, str]:
    """A new Kinesis stream's name and ARN."""
    kinesis, name = cloud.client("kinesis"), f"stream-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    return name, kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]


def put(cloud: Cloud, name: str, *values: str, key: str = "k") -> None:
    """Put records whose data are these values as JSON, in one request."""
    cloud.client("kinesis").put_records(
        StreamName=name, Records=[{"Data": json.dumps(value), "PartitionKey": key} for value in values]
    )


def write(cloud: Cloud, name: str, *ids: str) -> None:
    """Put items."""
    for one in ids:
        cloud.client("dynamodb").put_item(TableName=name, Item={"id": {"S": one}})


def test_bisecting_sends_only_the_poison_record_to_the_destination(cloud: Cloud, reader: Reader) -> None:
    """All others are processed, in order; the queue is told where the poison was."""
    reader.create(poison="c")
    name, arn = stream(cloud)
    put(cloud, name, *"abcd")
    lost = reader.queue("lost")
    reader.read(
        arn,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": reader.queue_arn(lost)}},
    )
    record = reader.lost(lost)
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["KinesisBatchInfo"]["batchSize"] == 1
    assert record["KinesisBatchInfo"]["streamArn"] == arn
    assert [call["values"] for call in reader.calls(6)] == [
        [*"abcd"],
        [*"ab"],
        [*"cd"],
        ["c"],
        ["c"],
        ["d"],
    ]
    wait_for(lambda: reader.mapping(reader.mappings[0])["LastProcessingResult"] == "OK")


def test_a_bucket_gets_the_lost_records_themselves(cloud: Cloud, reader: Reader) -> None:
    """Below a key that names the mapping, the shard and the moment."""
    reader.create(poison="a")
    name, arn = table(cloud)
    s3, bucket = cloud.client("s3"), f"lost-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    mapping = reader.read(
        arn,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    write(cloud, name, "a")
    (found,) = wait_for(lambda: s3.list_objects_v2(Bucket=bucket).get("Contents"))
    record = json.loads(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
    assert found["Key"].startswith(f"aws/lambda/{mapping}/{record['DDBStreamBatchInfo']['shardId']}/")
    (lost,) = json.loads(record["payload"])["Records"]
    assert lost["dynamodb"]["NewImage"] == {"id": {"S": "a"}}


def test_a_topic_is_told_of_a_loss(cloud: Cloud, reader: Reader) -> None:
    """And hands it to who listens."""
    reader.create(poison="a")
    name, arn = stream(cloud)
    topics, queue = cloud.client("sns"), reader.queue("listens")
    topic = topics.create_topic(Name=reader.name)["TopicArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=reader.queue_arn(queue))
    reader.read(arn, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": topic}})
    put(cloud, name, "a")
    record = json.loads(reader.lost(queue)["Message"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["KinesisBatchInfo"]["streamArn"] == arn


def test_a_poison_item_blocks_its_table_until_it_is_too_old(start_cloud: Any) -> None:
    """Nothing behind it is read before its minute is over; the minute passes at once when the clock is stepped."""
    cloud = start_cloud()
    reader = Reader(cloud)
    reader.create(poison="poison")
    name, arn = table(cloud)
    lost = reader.queue("lost")
    mapping = reader.read(
        arn,
        BatchSize=1,
        MaximumRecordAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": reader.queue_arn(lost)}},
    )
    write(cloud, name, "poison")
    wait_for(lambda: reader.mapping(mapping)["LastProcessingResult"] == "PROBLEM: Function call failed")
    write(cloud, name, "blocked")
    assert {call["values"][0] for call in reader.calls(2)} == {"poison"}
    step = json.dumps({"step": 61}).encode()
    cloud.ask("PUT", "/_lab/clock", step, cloud.signed_headers("PUT", "/_lab/clock", body=step))
    write(cloud, name, "later")
    seen: list[str] = []
    while "later" not in seen:
        seen += reader.calls(1)[0]["values"]
    assert "blocked" not in seen
    for _ in range(2):
        record = reader.lost(lost)
        assert record["requestContext"]["condition"] == "RecordAgeExceeded"
        assert record["DDBStreamBatchInfo"]["batchSize"] == 1


def test_filters_choose_what_a_function_sees(cloud: Cloud, reader: Reader) -> None:
    """By the event and by what is in the item."""
    reader.create()
    name, arn = table(cloud)
    pattern = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"id": {"S": [{"prefix": "yes"}]}}}}
    reader.read(arn, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    write(cloud, name, "no-1", "yes-1", "yes-2")
    seen = [value for call in reader.calls(1) for value in call["values"]]
    seen += [value for call in (reader.calls(1) if len(seen) < 2 else []) for value in call["values"]]
    assert seen == ["yes-1", "yes-2"]


def test_a_disabled_mapping_keeps_its_place(cloud: Cloud, reader: Reader) -> None:
    """What is written meanwhile is read once, when it is enabled again; a deleted mapping reads nothing."""
    reader.create()
    functions = cloud.client("lambda")
    name, arn = stream(cloud)
    mapping = reader.read(arn)
    put(cloud, name, "a")
    assert [call["values"] for call in reader.calls(1)] == [["a"]]
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    reader.wait_for_state(mapping, "Disabled")
    put(cloud, name, "b", "c")
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    assert [call["values"] for call in reader.calls(1)] == [["b", "c"]]
    reader.wait_for_state(mapping, "Enabled")
    functions.delete_event_source_mapping(UUID=mapping)
    reader.mappings.clear()
    before = len(cloud.journal(kind="kinesis.poll"))
    put(cloud, name, "d")
    wait_for(lambda: not functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"])
    put(cloud, name, "e")
    assert len(cloud.journal(kind="kinesis.poll")) == before


def test_a_batching_window_gathers_single_records(cloud: Cloud, reader: Reader) -> None:
    """Records of three requests within a second are one batch."""
    reader.create()
    name, arn = table(cloud)
    reader.read(arn, MaximumBatchingWindowInSeconds=1)
    write(cloud, name, "a", "b", "c")
    assert [call["values"] for call in reader.calls(1)] == [["a", "b", "c"]]


def test_a_split_stream_keeps_each_key_in_order(cloud: Cloud, reader: Reader) -> None:
    """What was put before the split is read before what came after it."""
    reader.create()
    kinesis = cloud.client("kinesis")
    name, arn = stream(cloud)
    put(cloud, name, "1", "2")
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    put(cloud, name, "3", key="k")
    put(cloud, name, "other", key="another")
    reader.read(arn)
    seen = [value for call in reader.calls(2) for value in call["values"]]
    while len(seen) < 4:
        seen += [value for call in reader.calls(1) for value in call["values"]]
    assert [value for value in seen if value != "other"] == ["1", "2", "3"]


def test_a_tumbling_window_aggregates(cloud: Cloud, reader: Reader) -> None:
    """The state goes from call to call, and to a last one when the window is over."""
    reader.create()
    name, arn = stream(cloud)
    reader.read(arn, TumblingWindowInSeconds=1)
    put(cloud, name, "a", "b")
    calls = reader.calls(2)
    assert calls[0] == {"values": ["a", "b"], "state": {}, "final": False}
    assert calls[-1] == {"values": [], "state": {"n": 2}, "final": True}


def test_a_deleted_stream_disables_its_mapping(cloud: Cloud, reader: Reader) -> None:
    """And the mapping says why."""
    reader.create()
    name, arn = stream(cloud)
    mapping = reader.read(arn)
    cloud.client("kinesis").delete_stream(StreamName=name)
    reader.wait_for_state(mapping, "Disabled")
    assert reader.mapping(mapping)["LastProcessingResult"] == f"PROBLEM: Stream not found: {arn}"


def test_the_age_of_records_is_a_metric(cloud: Cloud, reader: Reader) -> None:
    """IteratorAge, in milliseconds, by function."""
    reader.create()
    name, arn = stream(cloud)
    reader.read(arn)
    put(cloud, name, "a")
    reader.calls(1)
    found = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="IteratorAge",
        Dimensions=[{"Name": "FunctionName", "Value": reader.name}],
        StartTime=time.time() - 300,
        EndTime=time.time() + 300,
        Period=60,
        Statistics=["Maximum", "SampleCount"],
    )["Datapoints"]
    assert found[0]["SampleCount"] == 1
    assert 0 <= found[0]["Maximum"] < 5_000
