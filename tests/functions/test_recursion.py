"""Loops of functions: counted through the trace header, stopped after 16 rounds, seen and explained."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from labhelpers.errors import AwsError
from labhelpers.events.tracing import parse_trace_header
from labhelpers.functions.recursion import HOPS_MAX, RECURSIVE_INVOCATION, Tracing
from labhelpers.journal import Journal
from labhelpers.model import FunctionVersion, InvokeRequest
from tests.conftest import Cloud, wait_for
from tests.deployment_packages import FUNCTION_ARN, ROLE, make_zip

VERSION = FunctionVersion(
    f"{FUNCTION_ARN}:loop", "loop", "1", "r", "python3.13", "h.h", ROLE, Path("/"), 0, 3, 128
)  # fmt: skip
# Starts itself again with what AWS's SDK adds to each call, and nothing else.
ITSELF = """
import boto3
client = boto3.client("lambda")
def handler(event, context):
    client.invoke(FunctionName=context.function_name, InvocationType="Event", Payload=b"{}")
"""
COPIER = """
import boto3
s3 = boto3.client("s3")
def handler(event, context):
    record = event["Records"][0]["s3"]
    s3.put_object(Bucket=record["bucket"]["name"], Key="again", Body=b"x")
"""

PUBLISHER = """
import boto3
sns = boto3.client("sns")
def handler(event, context):
    sns.publish(TopicArn=event["Records"][0]["Sns"]["TopicArn"], Message="again")
"""
SENDER = """
import boto3
sqs = boto3.client("sqs")
def handler(event, context):
    name = event["Records"][0]["eventSourceARN"].rpartition(":")[2]
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody="again")
"""


def rounds(version: FunctionVersion, source: str) -> Iterator[str]:
    """One header after the other of a function that calls itself."""
    tracing, header = Tracing(Journal()), ""
    for _ in range(100):
        header = tracing.enter(InvokeRequest("loop", trace_id=header, source=source), version, "r")
        yield header


@pytest.mark.parametrize("source", ["boto3", "sqs", "sns", "s3", "lambda"])
def test_a_loop_runs_sixteen_times(source: str) -> None:
    """The seventeenth invocation in one chain is refused by name."""
    loop = rounds(VERSION, source)
    assert len(list(islice(loop, HOPS_MAX))) == HOPS_MAX
    with pytest.raises(AwsError) as refused:
        next(loop)
    assert refused.value.code == RECURSIVE_INVOCATION


@pytest.mark.parametrize("source", ["apigateway", "events", "dynamodb", "scheduler"])
def test_other_ways_are_not_counted(source: str) -> None:
    """AWS sees no loops through these services."""
    assert sum(1 for _ in rounds(VERSION, source)) == 100


def test_a_loop_that_is_meant_may_run() -> None:
    """RecursiveLoop=Allow takes the limit away."""
    assert sum(1 for _ in rounds(replace(VERSION, recursive_loop="Allow"), "sqs")) == 100


def test_two_functions_that_call_each_other_count_each() -> None:
    """A chain remembers every function in it: ping and pong each run sixteen times."""
    tracing, header = Tracing(Journal()), ""
    other = replace(VERSION, arn=f"{FUNCTION_ARN}:pong", name="pong")
    for _ in range(HOPS_MAX):
        header = tracing.enter(InvokeRequest("x", trace_id=header), VERSION, "r")
        header = tracing.enter(InvokeRequest("x", trace_id=header), other, "r")
    with pytest.raises(AwsError):
        tracing.enter(InvokeRequest("x", trace_id=header), VERSION, "r")


def test_a_retry_is_no_round() -> None:
    """The same event a second time stands where it stood."""
    tracing = Tracing(Journal())
    first = tracing.enter(InvokeRequest("loop"), VERSION, "r")
    again = [tracing.enter(InvokeRequest("loop", trace_id=first), VERSION, "r") for _ in range(20)]
    assert {parse_trace_header(header).lineage[0][1] for header in again} == {1}


def test_active_tracing_samples_and_passive_follows() -> None:
    """With Active tracing a trace that begins here is sampled; a decision made before is kept."""
    tracing, active = Tracing(Journal()), replace(VERSION, tracing="Active")
    assert parse_trace_header(tracing.enter(InvokeRequest("loop"), active, "r")).sampled == "1"
    assert parse_trace_header(tracing.enter(InvokeRequest("loop"), VERSION, "r")).sampled == "0"
    decided = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
    entered = tracing.enter(InvokeRequest("loop", trace_id=decided), active, "r")
    assert parse_trace_header(entered).sampled == "0"
    assert entered.startswith("Root=1-5759e988-bd862e3fe1be46a994272793;")


def make(cloud: Cloud, name: str, code: str, timeout_s: int = 30) -> str:
    """A function that is ready; its ARN."""
    client = cloud.client("lambda")
    arn: str = client.create_function(
        FunctionName=name, Runtime="python3.13", Role=f"arn:aws:iam::{cloud.account_id}:role/lab-function-role",
        Handler="index.handler", Code={"ZipFile": make_zip({"index.py": code})}, Timeout=timeout_s,
    )["FunctionArn"]  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return arn


def stopped(cloud: Cloud, arn: str) -> list[dict[str, Any]]:
    """The journal's words on a loop of this function that was stopped."""
    return [
        e for e in cloud.journal(kind="failure") if e["resource"] == arn and "loop" in e["detail"]["message"]
    ]


def all_runs(cloud: Cloud, arn: str) -> list[dict[str, Any]]:
    """The runs of a function, sixteen at least: the last one may end after its successor was refused."""

    def ended() -> list[dict[str, Any]]:
        found = [e for e in cloud.journal(kind="invoke.ended") if e["resource"] == arn]
        return found if len(found) >= HOPS_MAX else []

    runs: list[dict[str, Any]] = wait_for(ended, "sixteen runs")
    return runs


def test_a_function_that_starts_itself_is_stopped(cloud: Cloud) -> None:
    """Through AWS's own SDK in the function: sixteen runs, then the journal says how it is mended; Allow is kept."""
    arn = make(cloud, "starts-itself", ITSELF)
    client = cloud.client("lambda")
    client.invoke(FunctionName="starts-itself", InvocationType="Event")
    wait_for(lambda: stopped(cloud, arn), "the loop's end", 60)
    ended = all_runs(cloud, arn)
    assert len(ended) == HOPS_MAX
    data = cloud.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "dropped",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda",
                        "MetricName": "RecursiveInvocationsDropped",
                        "Dimensions": [{"Name": "FunctionName", "Value": "starts-itself"}],
                    },
                    "Period": 60,
                    "Stat": "Sum",
                },
            }
        ],
        StartTime=ended[0]["at"] - 600,
        EndTime=ended[0]["at"] + 600,
    )
    assert sum(data["MetricDataResults"][0]["Values"]) == 1
    assert client.get_function_recursion_config(FunctionName="starts-itself")["RecursiveLoop"] == "Terminate"
    client.put_function_recursion_config(FunctionName="starts-itself", RecursiveLoop="Allow")
    assert client.get_function_recursion_config(FunctionName="starts-itself")["RecursiveLoop"] == "Allow"


def test_a_function_that_writes_to_its_own_bucket_is_stopped(cloud: Cloud) -> None:
    """Trap 12: the object it writes starts it again; S3 carries the trace, so the loop ends."""
    arn = make(cloud, "own-bucket", COPIER)
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="own-bucket-loop")
    cloud.client("lambda").add_permission(
        FunctionName="own-bucket",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    s3.put_bucket_notification_configuration(
        Bucket="own-bucket-loop",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="own-bucket-loop", Key="first", Body=b"x")
    (entry,) = wait_for(lambda: stopped(cloud, arn), "the loop's end", 60)
    assert "arn:aws:s3:::own-bucket-loop" in entry["detail"]["message"]
    assert len(all_runs(cloud, arn)) == HOPS_MAX


def make_queue(cloud: Cloud, name: str, **attributes: str) -> tuple[str, str]:
    """A queue; its URL and its ARN."""
    url = cloud.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:{name}"


def received(cloud: Cloud, url: str) -> list[dict[str, Any]]:
    """What a queue gives now."""
    found: list[dict[str, Any]] = cloud.client("sqs").receive_message(QueueUrl=url).get("Messages", [])
    return found


def test_a_loop_through_a_topic_is_stopped(cloud: Cloud) -> None:
    """SNS carries the trace: sixteen runs, then the event goes to the function's OnFailure destination."""
    arn = make(cloud, "own-topic", PUBLISHER)
    sns, client = cloud.client("sns"), cloud.client("lambda")
    topic = sns.create_topic(Name="own-topic-loop")["TopicArn"]
    url, queue = make_queue(cloud, "own-topic-failed")
    client.put_function_event_invoke_config(
        FunctionName="own-topic", DestinationConfig={"OnFailure": {"Destination": queue}}
    )
    client.add_permission(
        FunctionName="own-topic", StatementId="sns", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com", SourceArn=topic,
    )  # fmt: skip
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="first")
    (entry,) = wait_for(lambda: stopped(cloud, arn), "the loop's end", 60)
    assert topic in entry["detail"]["message"]
    assert len(all_runs(cloud, arn)) == HOPS_MAX
    (kept,) = wait_for(lambda: received(cloud, url), "the event at its destination")
    record = json.loads(kept["Body"])
    assert record["requestPayload"]["Records"][0]["Sns"]["Message"] == "again"


def test_a_loop_through_a_queue_is_stopped(cloud: Cloud) -> None:
    """The mapping is refused each time that it tries, until the queue's own redrive takes the message away.

    AWS says so in its page's note on maxReceiveCount; the function's own DLQ is for asynchronous events only.
    """
    arn = make(cloud, "own-queue", SENDER, timeout_s=1)
    dead_url, dead = make_queue(cloud, "own-queue-dead")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    url, queue = make_queue(cloud, "own-queue-loop", VisibilityTimeout="1", RedrivePolicy=redrive)
    client = cloud.client("lambda")
    client.create_event_source_mapping(FunctionName=arn, EventSourceArn=queue, BatchSize=1)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="first")
    entries = wait_for(lambda: len(e := stopped(cloud, arn)) == 2 and e, "two refusals", 60)
    assert all(queue in entry["detail"]["message"] for entry in entries)
    assert "redrive policy" in entries[0]["detail"]["message"]
    (kept,) = wait_for(lambda: received(cloud, dead_url), "the message in the dead-letter queue")
    assert kept["Body"] == "again"
    assert len(all_runs(cloud, arn)) == HOPS_MAX
    assert len(stopped(cloud, arn)) == 2
