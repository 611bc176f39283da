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
import psutil
from botocore.config import Config

from labhelpers import Lab
from tests.bench.table import Row, milliseconds, package

EVENTS = 200
WARM_UPS = 10
MESSAGES = 5_000
MAPPINGS = 20
IDLE_S = 5.0
MINISTACK_SQS = "4 ms, ministack"  # As measured when the target was set; ministack itself is not run here.
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


def queue(name: str) -> tuple[str, str]:
    """The URL and the ARN of a new queue."""
    queues = boto3.client("sqs")
    url = queues.create_queue(QueueName=name)["QueueUrl"]
    answer = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, answer["Attributes"]["QueueArn"]


def sqs(lab: Lab) -> list[Row]:
    """`send_message` called until the handler runs; the queue is empty before."""
    queues, (url, arn) = boto3.client("sqs"), queue("bench")
    with handler_starts() as (source, started):
        function_for(lab, "on-message", source, "sqs.amazonaws.com")
        boto3.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName="on-message")
        found = delays(lambda: queues.send_message(QueueUrl=url, MessageBody="news"), started)
    return [
        Row(
            "SQS message to handler, warm",
            milliseconds(statistics.median(found)),
            "",
            MINISTACK_SQS,
            "< 4 ms",
        )
    ]


def sqs_drain(lab: Lab) -> list[Row]:
    """A full queue, from enabling its mapping until no message is left, hidden or not: everything acknowledged."""
    functions, queues, (url, arn) = boto3.client("lambda"), boto3.client("sqs"), queue("bench-full")
    function_for(lab, "on-many", "def handler(event, context):\n    pass\n", "sqs.amazonaws.com")
    mapping = functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName="on-many", BatchSize=10, Enabled=False
    )["UUID"]

    def settle() -> None:
        while functions.get_event_source_mapping(UUID=mapping)["State"] not in ("Enabled", "Disabled"):
            time.sleep(0.02)

    def left() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = queues.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(map(int, answer.values()))

    rates = []
    for _ in range(3):
        for _ in range(MESSAGES // 10):
            entries = [{"Id": str(number), "MessageBody": f'{{"number": {number}}}'} for number in range(10)]
            queues.send_message_batch(QueueUrl=url, Entries=entries)
        start = time.perf_counter()
        functions.update_event_source_mapping(UUID=mapping, Enabled=True)
        while left():
            time.sleep(0.01)
        rates.append(MESSAGES / (time.perf_counter() - start))
        settle()
        functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        settle()
    name = f"{MESSAGES:,} SQS messages in batches of 10"
    return [Row(name, f"{statistics.median(rates):,.0f}/s", "", "", ">= 3,000/s")]


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


def idle_mappings(lab: Lab) -> list[Row]:
    """The cloud's processor time while mappings have nothing to read; whatever came before in this lab is idle too."""
    function_for(lab, "on-nothing", "def handler(event, context):\n    pass\n", "sqs.amazonaws.com")
    for number in range(MAPPINGS):
        _, arn = queue(f"bench-idle-{number}")
        boto3.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName="on-nothing")
    time.sleep(1.0)
    process = psutil.Process(lab.pid)
    before = process.cpu_times()
    time.sleep(IDLE_S)
    after = process.cpu_times()
    share = (after.user + after.system - before.user - before.system) / IDLE_S
    return [Row(f"{MAPPINGS} idle mappings, share of a core", f"{share:.2%}", "", "", "< 1%")]


MEASUREMENTS: tuple[Callable[[Lab], list[Row]], ...] = (
    sns,
    sqs,
    sqs_drain,
    dynamodb_stream,
    kinesis_stream,
    idle_mappings,
)


def run() -> list[Row]:
    """All measurements in one lab."""
    rows: list[Row] = []
    with Lab() as lab:
        for measure in MEASUREMENTS:
            rows += measure(lab)
    return rows
