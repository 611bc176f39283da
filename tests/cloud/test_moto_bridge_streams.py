"""Streams in moto's services: which writes make which records, what the streams' own API answers, shards, trimming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.moto_bridge import MotoBridge
from labhelpers.errors import AwsError
from labhelpers.events.stream_log import RETENTION_S, StreamLog
from labhelpers.journal import Journal
from labhelpers.model import Account
from tests.cloud.bridge_calls import call
from tests.fakes import FakeClock, settle, until

HASH = {"AttributeName": "id", "KeyType": "HASH"}


class Streams:
    """A bridge on a clock that tests move, with short ways to call it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        account = Account()
        self.journal = Journal()
        self.bridge = MotoBridge(account, Keys(account), self.journal, self.clock)

    async def dynamodb(self, operation: str, **parameters: Any) -> Any:
        """A call for table `t12`."""
        return await call(self.bridge, "dynamodb", operation, TableName="t12", **parameters)

    async def streams(self, operation: str, **parameters: Any) -> Any:
        return await call(self.bridge, "dynamodbstreams", operation, **parameters)

    async def kinesis(self, operation: str, **parameters: Any) -> Any:
        return await call(self.bridge, "kinesis", operation, **parameters)

    async def table(self, view_type: str = "NEW_AND_OLD_IMAGES", sort: bool = False) -> StreamLog:
        """Table `t12` with a stream."""
        answer = await self.dynamodb(
            "CreateTable",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("id", "at")[: 1 + sort]
            ],
            KeySchema=[HASH, {"AttributeName": "at", "KeyType": "RANGE"}][: 1 + sort],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type},
        )
        return self.log(answer["TableDescription"]["LatestStreamArn"])

    async def put(self, **item: str) -> None:
        """Put an item whose attributes are these texts."""
        await self.dynamodb("PutItem", Item={name: {"S": text} for name, text in item.items()})

    async def stream(self, shards: int = 1) -> StreamLog:
        """Kinesis stream `s`."""
        await self.kinesis("CreateStream", StreamName="s", ShardCount=shards)
        return self.log("arn:aws:kinesis:us-east-1:123456789012:stream/s")

    async def put_record(self, data: str, key: str = "k") -> Any:
        return await self.kinesis("PutRecord", StreamName="s", Data=data.encode(), PartitionKey=key)

    async def read(self, shard: str, kind: str = "TRIM_HORIZON", **place: Any) -> Any:
        """GetRecords of a shard of stream `s`."""
        place = {"StreamName": "s", "ShardId": shard, "ShardIteratorType": kind, **place}
        iterator = (await self.kinesis("GetShardIterator", **place))["ShardIterator"]
        return await self.kinesis("GetRecords", ShardIterator=iterator)

    def log(self, arn: str) -> StreamLog:
        found = self.bridge.streams.find(arn)
        assert found is not None
        return found


@pytest.fixture
async def moto() -> AsyncIterator[Streams]:
    """A fresh bridge."""
    made = Streams()
    yield made
    assert not made.journal.since(kind="failure")
    await made.bridge.close()


def changes(log: StreamLog) -> list[tuple[str, str]]:
    """The name and the key of each record of a table's stream."""
    (shard,) = log.shards.values()
    events = [record.event for record in shard.read(0)]
    return [(event["eventName"], event["dynamodb"]["Keys"]["id"]["S"]) for event in events]


# --- Tables ---


async def test_each_kind_of_write_makes_its_record(moto: Streams) -> None:
    """Put, update, delete and batches; an update that creates an item makes one INSERT."""
    log = await moto.table()
    await moto.put(id="a")
    await moto.put(id="a", more="x")
    key = {"id": {"S": "b"}}
    update: dict[str, Any] = {
        "Key": key,
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n": {"N": "1"}},
    }
    await moto.dynamodb("UpdateItem", **update)
    await moto.dynamodb("DeleteItem", Key=key)
    await call(
        moto.bridge,
        "dynamodb",
        "BatchWriteItem",
        RequestItems={
            "t12": [
                {"PutRequest": {"Item": {"id": {"S": "c"}}}},
                {"DeleteRequest": {"Key": {"id": {"S": "a"}}}},
            ]
        },
    )
    assert changes(log) == [
        ("INSERT", "a"),
        ("MODIFY", "a"),
        ("INSERT", "b"),
        ("REMOVE", "b"),
        ("INSERT", "c"),
        ("REMOVE", "a"),
    ]
    (shard,) = log.shards.values()
    assert shard.read(2, 1)[0].event["dynamodb"]["NewImage"] == {"id": {"S": "b"}, "n": {"N": "1"}}


async def test_what_changes_nothing_makes_no_record(moto: Streams) -> None:
    """The same item again, the same value again, a deletion of nothing, a condition that fails."""
    log = await moto.table()
    await moto.put(id="a", n="1")
    await moto.put(id="a", n="1")
    same = {":n": {"S": "1"}}
    await moto.dynamodb(
        "UpdateItem",
        Key={"id": {"S": "a"}},
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues=same,
    )
    await moto.dynamodb("DeleteItem", Key={"id": {"S": "none"}})
    with pytest.raises(AwsError):
        await moto.dynamodb(
            "PutItem", Item={"id": {"S": "a"}}, ConditionExpression="attribute_not_exists(id)"
        )
    assert changes(log) == [("INSERT", "a")]


async def test_a_transaction_makes_all_its_records_or_none(moto: Streams) -> None:
    """A cancelled one leaves nothing in the stream, and the stream goes on."""
    log = await moto.table()
    await moto.put(id="there")

    def puts(*ids: str) -> list[dict[str, Any]]:
        new = {"TableName": "t12", "ConditionExpression": "attribute_not_exists(id)"}
        return [{"Put": {"Item": {"id": {"S": one}}, **new}} for one in ids]

    with pytest.raises(AwsError, match="cancel"):
        await call(moto.bridge, "dynamodb", "TransactWriteItems", TransactItems=puts("a", "there"))
    await call(moto.bridge, "dynamodb", "TransactWriteItems", TransactItems=puts("b", "c"))
    assert changes(log) == [("INSERT", "there"), ("INSERT", "b"), ("INSERT", "c")]


async def test_images_are_those_of_their_moment(moto: Streams) -> None:
    """Sets and lists that a later update grows do not grow in older records."""
    log = await moto.table()
    await moto.dynamodb("PutItem", Item={"id": {"S": "a"}, "tags": {"SS": ["x"]}})
    await moto.dynamodb(
        "UpdateItem",
        Key={"id": {"S": "a"}},
        UpdateExpression="ADD tags :more",
        ExpressionAttributeValues={":more": {"SS": ["y"]}},
    )
    (shard,) = log.shards.values()
    first, second = (record.event["dynamodb"] for record in shard.read(0))
    assert first["NewImage"]["tags"] == {"SS": ["x"]}
    assert second["OldImage"]["tags"] == {"SS": ["x"]}
    assert sorted(second["NewImage"]["tags"]["SS"]) == ["x", "y"]


async def test_sort_keys_are_keys(moto: Streams) -> None:
    """Both key attributes are in `Keys`."""
    log = await moto.table(sort=True)
    await moto.put(id="a", at="1", more="x")
    (shard,) = log.shards.values()
    assert shard.read(0)[0].event["dynamodb"]["Keys"] == {"id": {"S": "a"}, "at": {"S": "1"}}


async def test_a_disabled_stream_ends_and_another_begins(moto: Streams) -> None:
    """The old one is closed and can be read; the new one has its own records and label."""
    old = await moto.table()
    await moto.put(id="a")
    await moto.dynamodb("UpdateTable", StreamSpecification={"StreamEnabled": False})
    await moto.put(id="b")
    await moto.clock.advance(1)
    answer = await moto.dynamodb(
        "UpdateTable", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    )
    new = moto.log(answer["TableDescription"]["LatestStreamArn"])
    await moto.put(id="c")
    assert (changes(old), changes(new)) == ([("INSERT", "a")], [("INSERT", "c")])
    assert [shard.is_closed for log in (old, new) for shard in log.shards.values()] == [True, False]
    states = [
        (await moto.streams("DescribeStream", StreamArn=log.arn))["StreamDescription"]["StreamStatus"]
        for log in (old, new)
    ]
    assert states == ["DISABLED", "ENABLED"]
    with pytest.raises(AwsError, match="already has an enabled stream"):
        await moto.dynamodb(
            "UpdateTable", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
        )


async def test_the_streams_api_reads_page_by_page(moto: Streams) -> None:
    """From the oldest record, from the newest, and from a sequence number; binary values are bytes once."""
    log = await moto.table()
    for number in range(3):
        await moto.dynamodb("PutItem", Item={"id": {"S": str(number)}, "b": {"B": b"foobar"}})
    (listed,) = (await moto.streams("ListStreams", TableName="t12"))["Streams"]
    assert listed["StreamArn"] == log.arn
    described = (await moto.streams("DescribeStream", StreamArn=log.arn))["StreamDescription"]
    assert described["StreamLabel"] in log.arn
    (shard,) = described["Shards"]
    place = {"StreamArn": log.arn, "ShardId": shard["ShardId"]}

    async def read(kind: str, **more: Any) -> Any:
        iterator = await moto.streams("GetShardIterator", ShardIteratorType=kind, **place, **more)
        return await moto.streams("GetRecords", ShardIterator=iterator["ShardIterator"], Limit=2)

    page = await read("TRIM_HORIZON")
    first, second = page["Records"]
    assert first["dynamodb"]["NewImage"]["b"] == {"B": b"foobar"}
    assert first["dynamodb"]["SequenceNumber"] == shard["SequenceNumberRange"]["StartingSequenceNumber"]
    rest = await moto.streams("GetRecords", ShardIterator=page["NextShardIterator"])
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in rest["Records"]] == ["2"]
    assert (await read("LATEST"))["Records"] == []
    number = second["dynamodb"]["SequenceNumber"]
    at, after = await read("AT_SEQUENCE_NUMBER", SequenceNumber=number), None
    after = await read("AFTER_SEQUENCE_NUMBER", SequenceNumber=number)
    assert [len(page["Records"]) for page in (at, after)] == [2, 1]


async def test_what_is_not_there_is_named(moto: Streams) -> None:
    """A stream or a shard that does not exist."""
    log = await moto.table()
    with pytest.raises(AwsError, match=r"Requested resource not found: Stream: .*/2000 not found"):
        await moto.streams("DescribeStream", StreamArn=f"{log.arn.rpartition('/')[0]}/2000")
    with pytest.raises(AwsError, match="Requested resource not found: Shard: "):
        await moto.streams(
            "GetShardIterator",
            StreamArn=log.arn,
            ShardId="shardId-00000000000000000000-00000000",
            ShardIteratorType="LATEST",
        )


async def test_records_of_a_table_are_trimmed_after_a_day(moto: Streams) -> None:
    """On the lab's clock, with the next write."""
    log = await moto.table()
    await moto.put(id="a")
    await moto.clock.advance(RETENTION_S + 1)
    await moto.put(id="b")
    assert changes(log) == [("INSERT", "b")]


async def test_a_disabled_stream_is_forgotten_after_a_day(moto: Streams) -> None:
    """Until then it is listed and can be read."""
    old = await moto.table()
    off, on = {"StreamEnabled": False}, {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    await moto.dynamodb("UpdateTable", StreamSpecification=off)
    await moto.clock.advance(RETENTION_S - 1)
    await moto.dynamodb("UpdateTable", StreamSpecification=on)
    assert len((await moto.streams("ListStreams"))["Streams"]) == 2
    await moto.dynamodb("UpdateTable", StreamSpecification=off)
    await moto.clock.advance(2)
    await moto.dynamodb("UpdateTable", StreamSpecification=on)
    listed = (await moto.streams("ListStreams"))["Streams"]
    assert len(listed) == 2
    assert old.arn not in [stream["StreamArn"] for stream in listed]


async def test_expired_items_are_deleted_by_dynamodb_itself(moto: Streams) -> None:
    """Within a minute of their time, and their record says who it was; others stay."""
    log = await moto.table()
    now = int(moto.clock.now())
    for name, at in (("soon", now + 10), ("later", now + 10_000), ("long-ago", now - 6 * 365 * 86_400)):
        await moto.dynamodb("PutItem", Item={"id": {"S": name}, "ttl": {"N": str(at)}})
    await moto.put(id="text", ttl=str(now))
    await moto.dynamodb("UpdateTimeToLive", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    await settle()
    await moto.clock.advance(61)
    await until(lambda: ("REMOVE", "soon") in changes(log))
    (shard,) = log.shards.values()
    assert shard.read(4)[0].event["userIdentity"]["principalId"] == "dynamodb.amazonaws.com"
    assert len(changes(log)) == 5


async def test_listeners_hear_of_a_request_once(moto: Streams) -> None:
    """However many records it brought, after all of them are there."""
    log = await moto.table()
    heard: list[int] = []
    (shard,) = log.shards.values()
    log.listeners.add(lambda shard_id: heard.append(shard.end))
    puts = [{"PutRequest": {"Item": {"id": {"S": str(n)}}}} for n in range(20)]
    await call(moto.bridge, "dynamodb", "BatchWriteItem", RequestItems={"t12": puts})
    await asyncio.sleep(0)
    assert heard == [20]


# --- Kinesis ---


async def test_sequence_numbers_are_unique_in_a_stream(moto: Streams) -> None:
    """And grow, over all shards; a record is read back by its number."""
    await moto.stream(shards=2)
    answers = [await moto.put_record(str(n), f"key-{n}") for n in range(8)]
    numbers = [int(answer["SequenceNumber"]) for answer in answers]
    assert sorted(set(numbers)) == numbers
    assert {answer["ShardId"] for answer in answers} == {"shardId-000000000000", "shardId-000000000001"}
    last = answers[-1]
    page = await moto.read(
        last["ShardId"], "AT_SEQUENCE_NUMBER", StartingSequenceNumber=last["SequenceNumber"]
    )
    assert [record["Data"] for record in page["Records"]] == [b"7"]
    page = await moto.read(
        last["ShardId"], "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=last["SequenceNumber"]
    )
    assert page["Records"] == []


async def test_a_split_shard_keeps_its_records_and_takes_no_more(moto: Streams) -> None:
    """Its children get what follows; its end names them instead of a next iterator."""
    log = await moto.stream()
    await moto.put_record("before")
    await moto.kinesis(
        "SplitShard",
        StreamName="s",
        ShardToSplit="shardId-000000000000",
        NewStartingHashKey=str(2**127),
    )
    after = await moto.put_record("after")
    assert after["ShardId"] in ("shardId-000000000001", "shardId-000000000002")
    page = await moto.read("shardId-000000000000")
    assert [record["Data"] for record in page["Records"]] == [b"before"]
    assert "NextShardIterator" not in page
    assert [child["ShardId"] for child in page["ChildShards"]] == [
        "shardId-000000000001",
        "shardId-000000000002",
    ]
    assert log.shards["shardId-000000000000"].is_closed
    assert log.shards["shardId-000000000002"].parents == ("shardId-000000000000",)


async def test_merged_shards_have_one_child(moto: Streams) -> None:
    """Both parents are closed, and no record is moved."""
    log = await moto.stream(shards=2)
    for number in range(4):
        await moto.put_record("x", f"key-{number}")
    before = {shard_id: shard.end for shard_id, shard in log.shards.items()}
    await moto.kinesis(
        "MergeShards",
        StreamName="s",
        ShardToMerge="shardId-000000000001",
        AdjacentShardToMerge="shardId-000000000000",
    )
    child = log.shards["shardId-000000000002"]
    assert child.parents == ("shardId-000000000000", "shardId-000000000001")
    assert child.end == 0
    assert {name: log.shards[name].end for name in before} == before
    assert (await moto.put_record("y"))["ShardId"] == child.id


async def test_iterators_know_moments(moto: Streams) -> None:
    """AT_TIMESTAMP begins with the first record that came then or later, also by the stream's ARN."""
    log = await moto.stream()
    await moto.put_record("early")
    await moto.clock.advance(100)
    await moto.put_record("late")
    moment = moto.clock.now() - 50
    page = await moto.read("shardId-000000000000", "AT_TIMESTAMP", Timestamp=moment)
    assert [record["Data"] for record in page["Records"]] == [b"late"]
    place = {"StreamARN": log.arn, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = (await moto.kinesis("GetShardIterator", **place))["ShardIterator"]
    assert len((await moto.kinesis("GetRecords", ShardIterator=iterator, Limit=1))["Records"]) == 1


async def test_records_of_a_stream_stay_as_long_as_it_says(moto: Streams) -> None:
    """24 hours, or what IncreaseStreamRetentionPeriod made of it, on the lab's clock."""
    await moto.stream()
    await moto.kinesis("IncreaseStreamRetentionPeriod", StreamName="s", RetentionPeriodHours=48)
    await moto.put_record("a")
    await moto.clock.advance(47 * 3600)
    assert len((await moto.read("shardId-000000000000"))["Records"]) == 1
    await moto.clock.advance(2 * 3600)
    assert (await moto.read("shardId-000000000000"))["Records"] == []


async def test_the_last_hash_key_has_a_shard(moto: Streams) -> None:
    """The end of a range belongs to it."""
    await moto.stream(shards=2)
    answer = await moto.kinesis(
        "PutRecord", StreamName="s", Data=b"x", PartitionKey="k", ExplicitHashKey=str(2**128 - 1)
    )
    assert answer["ShardId"] == "shardId-000000000001"


async def test_a_deleted_stream_is_gone_for_its_readers(moto: Streams) -> None:
    """They are told, and nobody finds it again."""
    log = await moto.stream()
    heard: list[str] = []
    log.listeners.add(heard.append)
    await moto.kinesis("DeleteStream", StreamName="s")
    await asyncio.sleep(0)
    assert log.is_gone
    assert heard == ["shardId-000000000000"]
    assert moto.bridge.streams.find(log.arn) is None


async def test_a_consumer_reads_its_stream(moto: Streams) -> None:
    """A mapping may name a registered consumer."""
    log = await moto.stream()
    answer = await moto.kinesis("RegisterStreamConsumer", StreamARN=log.arn, ConsumerName="fast")
    arn = answer["Consumer"]["ConsumerARN"]
    assert arn == f"{log.arn}/consumer/fast:{int(moto.clock.now())}"
    assert moto.bridge.streams.find(arn) is log
    described = await moto.kinesis("DescribeStreamConsumer", ConsumerARN=arn)
    assert described["ConsumerDescription"]["ConsumerName"] == "fast"
