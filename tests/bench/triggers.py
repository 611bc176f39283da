"""What triggers cost here: from the call that makes an event until a warm handler runs, by the same machine's clock.

Each trigger is a function that takes a lab and returns its rows; `run` measures all in one lab.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import statistics
import time
from collections.abc import Callable, Iterator

import boto3
from botocore.config import Config

from labhelpers import Lab
from tests.bench.table import Row, milliseconds, package

EVENTS = 200
WARM_UPS = 10
# Tells when it began, by a datagram: nothing that is measured goes over it.
HANDLER = """
import socket, time
to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def handler(event, context):
    to.sendto(str(time.time()).encode(), ("127.0.0.1", {port}))
"""


@contextlib.contextmanager
def handler_starts() -> Iterator[tuple[str, Callable[[], float]]]:
    """The source of a handler, and a function that waits for it to run and tells when it began (epoch seconds)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        source = HANDLER.replace("{port}", str(listener.getsockname()[1]))
        yield source, lambda: float(listener.recv(64))


def delays(send: Callable[[], object], started: Callable[[], float]) -> list[float]:
    """Seconds from before each event until the handler runs, one event after the other."""
    found = []
    for number in range(WARM_UPS + EVENTS):
        before = time.time()
        send()
        delay = started() - before
        if number >= WARM_UPS:
            found.append(delay)
    return found


def function_for(lab: Lab, name: str, source: str, principal: str) -> str:
    """The ARN of a new function that a service may call."""
    functions = boto3.client("lambda")
    arn: str = functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=lab.role_arn,
        Handler="index.handler",
        Code={"ZipFile": package(source)},
        MemorySize=512,
    )["FunctionArn"]
    functions.add_permission(
        FunctionName=name, StatementId="bench", Action="lambda:InvokeFunction", Principal=principal
    )
    return arn


def sns(lab: Lab) -> list[Row]:
    """`publish` called until the handler runs."""
    topics = boto3.client("sns", config=Config(retries={"total_max_attempts": 1}))
    topic = topics.create_topic(Name="bench")["TopicArn"]
    with handler_starts() as (source, started):
        arn = function_for(lab, "on-publish", source, "sns.amazonaws.com")
        topics.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
        found = delays(lambda: topics.publish(TopicArn=topic, Message="news"), started)
    return [
        Row("SNS publish called to handler started", milliseconds(statistics.median(found)), "", "", "< 3 ms")
    ]


def mapped(lab: Lab, name: str, source: str, arn: str) -> None:
    """A new function that reads a stream from now on."""
    function_for(lab, name, source, "kinesis.amazonaws.com")
    boto3.client("lambda").create_event_source_mapping(
        EventSourceArn=arn, FunctionName=name, StartingPosition="LATEST"
    )


def dynamodb_stream(lab: Lab) -> list[Row]:
    """`put_item` called until the handler runs."""
    tables = boto3.client("dynamodb")
    arn = tables.create_table(
        TableName="bench",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]["LatestStreamArn"]
    numbers = itertools.count()
    with handler_starts() as (source, started):
        mapped(lab, "on-item", source, arn)
        found = delays(
            lambda: tables.put_item(TableName="bench", Item={"id": {"S": str(next(numbers))}}), started
        )
    return [
        Row(
            "DynamoDB stream record to handler, warm",
            milliseconds(statistics.median(found)),
            "",
            "3-4 ms, ministack",
            "< 4 ms",
        )
    ]


def kinesis_stream(lab: Lab) -> list[Row]:
    """`put_record` called until the handler runs."""
    streams = boto3.client("kinesis")
    streams.create_stream(StreamName="bench", ShardCount=1)
    arn = streams.describe_stream(StreamName="bench")["StreamDescription"]["StreamARN"]
    with handler_starts() as (source, started):
        mapped(lab, "on-record", source, arn)
        found = delays(
            lambda: streams.put_record(StreamName="bench", Data=b"news", PartitionKey="k"), started
        )
    return [Row("Kinesis record to handler, warm", milliseconds(statistics.median(found)), "", "", "< 4 ms")]


MEASUREMENTS: tuple[Callable[[Lab], list[Row]], ...] = (sns, dynamodb_stream, kinesis_stream)


def run() -> list[Row]:
    """All measurements in one lab."""
    rows: list[Row] = []
    with Lab() as lab:
        for measure in MEASUREMENTS:
            rows += measure(lab)
    return rows
