"""Subscription filters as boto3 sees them: a real cloud, real functions and streams."""

import base64
import gzip
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud, wait_for
from tests.gateway.http_api.gateway import Gateway

# Keeps what it gets where a test finds it: in a queue.
READER = """
import json, os, boto3
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["URL"], MessageBody=event["awslogs"]["data"])
"""


class Logs:
    """Makes log groups, and functions that read them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.logs = cloud.client("logs")
        self.gateway = Gateway(cloud)
        self.sqs = cloud.client("sqs")

    def group(self) -> str:
        """The name of a new log group with a stream `s`."""
        name = f"/test/{uuid.uuid4().hex}"
        self.logs.create_log_group(logGroupName=name)
        self.logs.create_log_stream(logGroupName=name, logStreamName="s")
        return name

    def reader(self, principal: str = "logs.amazonaws.com", **conditions: str) -> tuple[str, str]:
        """The ARN of a function that logs may call, and the queue that it fills."""
        url = self.sqs.create_queue(QueueName=f"q{uuid.uuid4().hex}")["QueueUrl"]
        arn = self.gateway.function(
            READER, allow=False, Environment={"Variables": {"URL": url}}, Timeout=20, MemorySize=1024
        )
        self.gateway.functions.add_permission(
            FunctionName=arn,
            StatementId="logs",
            Action="lambda:InvokeFunction",
            Principal=principal,
            **conditions,
        )
        return arn, url

    def subscribe(self, group: str, arn: str, pattern: str = "", name: str = "f") -> None:
        """Subscribe a function to a group."""
        self.logs.put_subscription_filter(
            logGroupName=group, filterName=name, filterPattern=pattern, destinationArn=arn
        )

    def write(self, group: str, *messages: str) -> None:
        """Write events, now."""
        now = int(time.time() * 1000)
        events = [{"timestamp": now + n, "message": message} for n, message in enumerate(messages)]
        self.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)

    def received(self, url: str) -> Any:
        """The next data that a reader got."""
        answer = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        return json.loads(gzip.decompress(base64.b64decode(answer["Messages"][0]["Body"])))


@pytest.fixture(scope="session")
def logs(cloud: Cloud) -> Logs:
    """CloudWatch Logs of the cloud that all tests share."""
    return Logs(cloud)


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and message of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_function_gets_what_matches(logs: Logs) -> None:
    """Events that match the pattern reach the function, with their ids, and only those."""
    group = logs.group()
    arn, url = logs.reader(
        "logs.us-east-1.amazonaws.com",
        SourceArn=f"arn:aws:logs:us-east-1:{logs.cloud.account_id}:log-group:{group}:*",
        SourceAccount=logs.cloud.account_id,
    )
    logs.subscribe(group, arn, "ERROR")
    logs.write(group, "all is well", "ERROR one", "ERROR two")
    data = logs.received(url)
    assert (data["messageType"], data["owner"]) == ("DATA_MESSAGE", logs.cloud.account_id)
    assert (data["logGroup"], data["logStream"], data["subscriptionFilters"]) == (group, "s", ["f"])
    assert [each["message"] for each in data["logEvents"]] == ["ERROR one", "ERROR two"]
    assert all(each["id"].isdigit() and len(each["id"]) == 56 for each in data["logEvents"])
    found = logs.logs.filter_log_events(logGroupName=group, filterPattern="one")["events"]
    assert found[0]["eventId"] == data["logEvents"][0]["id"]
    [shown] = logs.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    del shown["creationTime"]
    assert shown == {
        "filterName": "f",
        "logGroupName": group,
        "filterPattern": "ERROR",
        "destinationArn": arn,
        "distribution": "ByLogStream",
        "applyOnTransformedLogs": False,
    }


def test_logs_of_functions_trigger_too(logs: Logs) -> None:
    """What a function prints reaches the function that is subscribed to its log group."""
    source = logs.gateway.function("def handler(event, context):\n    print('needle', event)\n", allow=False)
    group = f"/aws/lambda/{source.rpartition(':')[2]}"
    logs.gateway.functions.invoke(FunctionName=source, Payload='"first"')
    wait_for(lambda: logs.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"])
    arn, url = logs.reader()
    logs.subscribe(group, arn, "needle")
    logs.gateway.functions.invoke(FunctionName=source, Payload='"second"')
    [event] = logs.received(url)["logEvents"]
    assert event["message"].strip() == "needle second"


def test_own_logs_are_refused(logs: Logs) -> None:
    """A function cannot be subscribed to its own log group: it would never end."""
    arn, _ = logs.reader()
    group = f"/aws/lambda/{arn.rpartition(':')[2]}"
    logs.logs.create_log_group(logGroupName=group)
    code, message = refused(
        logs.logs.put_subscription_filter,
        logGroupName=group,
        filterName="f",
        filterPattern="",
        destinationArn=arn,
    )
    assert code == "NotEmulatedByThisLab"
    assert "their own logs" in message


def test_deleted_filter_delivers_nothing(logs: Logs) -> None:
    """A filter that is taken away counts for the next event."""
    group = logs.group()
    arn, url = logs.reader()
    logs.subscribe(group, arn)
    logs.logs.delete_subscription_filter(logGroupName=group, filterName="f")
    logs.write(group, "unheard")
    logs.subscribe(group, arn)
    logs.write(group, "heard")
    assert [each["message"] for each in logs.received(url)["logEvents"]] == ["heard"]


def test_filters_are_checked(logs: Logs) -> None:
    """Groups, permissions, the number of filters and other accounts, in AWS's words."""
    put = logs.logs.put_subscription_filter
    group = logs.group()
    arn, _ = logs.reader()
    stranger = logs.gateway.function(allow=False)
    given = {"logGroupName": group, "filterName": "f", "filterPattern": "", "destinationArn": arn}
    assert refused(put, **{**given, "logGroupName": "/nobody"}) == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
    assert refused(put, **{**given, "destinationArn": stranger}) == (
        "InvalidParameterException",
        (
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute "
            "your function."
        ),
    )
    foreign = arn.replace(logs.cloud.account_id, "000000000000")
    assert refused(put, **{**given, "destinationArn": foreign, "logGroupName": "/nobody"})[0] == (
        "AccessDeniedException"
    )
    stream = f"arn:aws:kinesis:us-east-1:{logs.cloud.account_id}:stream/s"
    assert refused(put, **{**given, "destinationArn": stream}) == (
        "InvalidParameterException",
        "destinationArn for vendor kinesis cannot be used without roleArn",
    )
    for name in ("f", "g", "f"):
        put(**{**given, "filterName": name})
    assert refused(put, **{**given, "filterName": "h"}) == (
        "LimitExceededException",
        "Resource limit exceeded.",
    )
    assert refused(logs.logs.delete_subscription_filter, logGroupName=group, filterName="x") == (
        "ResourceNotFoundException",
        "The specified subscription filter does not exist.",
    )


def test_streams_get_what_matches(logs: Logs) -> None:
    """A Kinesis stream gets the events that the pattern lets through, compressed."""
    kinesis = logs.cloud.client("kinesis")
    name = f"s{uuid.uuid4().hex}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    group = logs.group()
    role = f"arn:aws:iam::{logs.cloud.account_id}:role/lab-function-role"
    logs.logs.put_subscription_filter(
        logGroupName=group, filterName="f", filterPattern="yes", destinationArn=arn, roleArn=role
    )
    logs.write(group, "no", "yes")
    shard = kinesis.get_shard_iterator(
        StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    [record] = kinesis.get_records(ShardIterator=shard)["Records"]
    data = json.loads(gzip.decompress(record["Data"]))
    assert [each["message"] for each in data["logEvents"]] == ["yes"]


def test_events_are_in_order(logs: Logs) -> None:
    """Events of one call have to be in the order of time; old ones are kept here, those far ahead are not."""
    group = logs.group()
    put = logs.logs.put_log_events
    given = {"logGroupName": group, "logStreamName": "s"}
    code, message = refused(
        put, **given, logEvents=[{"timestamp": 2, "message": "b"}, {"timestamp": 1, "message": "a"}]
    )
    assert (code, "chronological order" in message) == ("InvalidParameterException", True)
    ahead = int(time.time() * 1000) + 3 * 3_600_000
    answer = put(
        **given,
        logEvents=[{"timestamp": 1_600_000_000_000, "message": "a"}, {"timestamp": ahead, "message": "b"}],
    )
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    [kept] = logs.logs.get_log_events(**given, startFromHead=True)["events"]
    assert kept["message"] == "a"
