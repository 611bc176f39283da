"""One trace goes through all hops: what a trigger starts is in the trace of what made the trigger fire."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Cloud, wait_for
from tests.deployment_packages import make_zip

# What AWS's SDK adds to a call is all that leads from the first function to the second.
FIRST = """
import boto3
def handler(event, context):
    {}
"""
COPY = """record = event["Records"][0]["s3"]
    bucket, key = record["bucket"]["name"], record["object"]["key"]
    boto3.client("s3").copy_object(Bucket=bucket.replace("-1", "-2"), Key=key,
                                   CopySource={"Bucket": bucket, "Key": key})"""
SEND = """sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="traced-sqs")["QueueUrl"], MessageBody="on")"""
PUBLISH = """boto3.client("sns").publish(
        TopicArn=":".join(context.invoked_function_arn.replace(":lambda:", ":sns:").split(":")[:5]) + ":traced-sns",
        Message="on")"""
SECOND = "def handler(event, context):\n    return event\n"


def make(cloud: Cloud, name: str, code: str) -> str:
    """A function with Active tracing that S3 and SNS may call, ready; its ARN."""
    client = cloud.client("lambda")
    arn: str = client.create_function(
        FunctionName=name, Runtime="python3.13", Role=f"arn:aws:iam::{cloud.account_id}:role/lab-function-role",
        Handler="index.handler", Code={"ZipFile": make_zip({"index.py": code})}, Timeout=10,
        TracingConfig={"Mode": "Active"},
    )["FunctionArn"]  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    for service in ("s3", "sns"):
        client.add_permission(
            FunctionName=name,
            StatementId=service,
            Action="lambda:InvokeFunction",
            Principal=f"{service}.amazonaws.com",
        )
    return arn


def notify(cloud: Cloud, bucket: str, arn: str) -> None:
    """A bucket that starts a function with every new object."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    rule = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
    )


def through_s3(cloud: Cloud, first: str, second: str) -> None:
    """The pipeline of the course: upload, copy, second bucket, second function."""
    notify(cloud, "traced-s3-1", first)
    notify(cloud, "traced-s3-2", second)
    cloud.client("s3").put_object(Bucket="traced-s3-1", Key="photo.jpg", Body=b"x")


def through_sqs(cloud: Cloud, first: str, second: str) -> None:
    """The first function sends to a queue that a mapping of the second one reads."""
    url = cloud.client("sqs").create_queue(QueueName="traced-sqs")["QueueUrl"]
    queue = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    cloud.client("lambda").create_event_source_mapping(
        FunctionName=second, EventSourceArn=queue["Attributes"]["QueueArn"]
    )
    cloud.client("lambda").invoke(FunctionName=first, InvocationType="Event", Payload=b"{}")


def through_sns(cloud: Cloud, first: str, second: str) -> None:
    """The first function publishes to a topic that the second one subscribes to."""
    topic = cloud.client("sns").create_topic(Name="traced-sns")["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=second)
    cloud.client("lambda").invoke(FunctionName=first, InvocationType="Event", Payload=b"{}")


@pytest.mark.parametrize(
    ("way", "code", "begin"),
    [("s3", COPY, through_s3), ("sqs", SEND, through_sqs), ("sns", PUBLISH, through_sns)],
)
def test_a_pipeline_is_one_trace(
    cloud: Cloud, way: str, code: str, begin: Callable[[Cloud, str, str], None]
) -> None:
    """X-Ray's API gives one trace with both functions, the second below the first one's code, and the graph says so."""
    first, second = f"traced-{way}-first", f"traced-{way}-second"
    begin(cloud, make(cloud, first, FIRST.format(code)), make(cloud, second, SECOND))
    xray = cloud.client("xray")

    def summary() -> Any:
        now = cloud.journal()[-1]["at"]
        traces = xray.get_trace_summaries(StartTime=now - 300, EndTime=now + 1)["TraceSummaries"]
        whole = [t for t in traces if t.get("EntryPoint", {}).get("Name") == first and not t["IsPartial"]]
        return [t for t in whole if second in {s["Name"] for s in t["ServiceIds"]}]

    (found,) = wait_for(summary, "one trace of both functions")
    (trace,) = xray.batch_get_traces(TraceIds=[found["Id"]])["Traces"]
    documents = [json.loads(segment["Document"]) for segment in trace["Segments"]]
    assert {document["trace_id"] for document in documents} == {found["Id"]}
    by_name = {(document["name"], document["origin"]): document for document in documents}
    assert len(by_name) == len(documents) == 4
    service, own = by_name[second, "AWS::Lambda"], by_name[first, "AWS::Lambda::Function"]
    assert service["parent_id"] == own["id"]
    assert own["parent_id"] == by_name[first, "AWS::Lambda"]["id"]
    assert own["start_time"] <= service["start_time"]
    graph = xray.get_trace_graph(TraceIds=[found["Id"]])["Services"]
    names = {node["ReferenceId"]: node["Name"] for node in graph}
    edges = {(node["Name"], names[edge["ReferenceId"]]) for node in graph for edge in node["Edges"]}
    assert (first, second) in edges
