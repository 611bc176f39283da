"""Event source mappings of queues through boto3, from the first message to the dead-letter queue: all of it real."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud, wait_for
from tests.deployment_packages import make_zip

# Prints what it gets, fails for bodies with a "raise", and names those with a "fail".
SOURCE = """
import json

def handler(event, context):
    bodies = [record["body"] for record in event["Records"]]
    # Handles are long, and what the journal keeps of a line is not.
    print("GOT " + json.dumps([{**record, "receiptHandle": ""} for record in event["Records"]]))
    if any("raise" in body for body in bodies):
        raise ValueError("asked to")
    failed = [r["messageId"] for r in event["Records"] if "fail" in r["body"]]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}
"""


class Lab:
    """A function and a queue of a test's own."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.awslambda, self.sqs = cloud.client("lambda"), cloud.client("sqs")
        self.name = f"esm-{uuid.uuid4().hex[:8]}"
        self.url, self.arn = self.queue()
        made = self.awslambda.create_function(
            FunctionName=self.name,
            Runtime="python3.13",
            Role=f"arn:aws:iam::{cloud.account_id}:role/lab-function-role",
            Handler="index.handler",
            Code={"ZipFile": make_zip({"index.py": SOURCE})},
        )
        self.function_arn: str = made["FunctionArn"]

    def queue(self, suffix: str = "", **attributes: str) -> tuple[str, str]:
        """A queue's URL and ARN."""
        name = f"{self.name}{suffix}"
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{self.cloud.region}:{self.cloud.account_id}:{name}"

    def map(self, **settings: Any) -> dict[str, Any]:
        """Create the mapping; the answer once it is enabled or disabled."""
        wanted = {"EventSourceArn": self.arn, "FunctionName": self.name, **settings}
        made = self.awslambda.create_event_source_mapping(**wanted)
        self.settled(made["UUID"])
        found: dict[str, Any] = made
        return found

    def settled(self, mapping: str) -> dict[str, Any]:
        """The mapping when no change of it is under way."""

        def look() -> Any:
            found = self.awslambda.get_event_source_mapping(UUID=mapping)
            return found if found["State"] in ("Enabled", "Disabled") else None

        found: dict[str, Any] = wait_for(look, "the mapping")
        return found

    def send(self, *bodies: str, url: str = "", **settings: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=url or self.url, MessageBody=body, **settings)

    def batches(self) -> list[list[dict[str, Any]]]:
        """The records of each call, as the handler printed them."""
        entries = [
            entry["detail"]["message"]
            for entry in self.cloud.journal(kind="log")
            if self.name in entry["resource"]
        ]
        return [json.loads(line[4:]) for line in entries if line.startswith("GOT ")]

    def bodies(self) -> list[str]:
        return [record["body"] for batch in self.batches() for record in batch]

    def left(self, url: str = "") -> int:
        """How many messages the queue holds, hidden or not."""
        answer = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=["All"])["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(answer[name]) for name in names)


@pytest.fixture
def lab(cloud: Cloud) -> Iterator[Lab]:
    """In the cloud that the tests share."""
    made = Lab(cloud)
    yield made
    made.awslambda.delete_function(FunctionName=made.name)


@pytest.fixture(scope="module")
def fast_cloud() -> Iterator[Cloud]:
    """A cloud whose clock runs sixty times as fast."""
    running = Cloud("--speed", "60")
    yield running
    running.end()


@pytest.fixture
def fast(fast_cloud: Cloud) -> Lab:
    """A function and a queue where a minute is a second."""
    return Lab(fast_cloud)


def test_answer_is_as_recorded(lab: Lab) -> None:
    """Creating first, Enabled soon; all members that AWS shows for a queue and no other."""
    made = lab.map(BatchSize=5)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    del made["ResponseMetadata"], made["LastModified"]
    mapping = made.pop("UUID")
    arn = f"arn:aws:lambda:{lab.cloud.region}:{lab.cloud.account_id}:event-source-mapping:{mapping}"
    assert made == {
        "BatchSize": 5,
        "MaximumBatchingWindowInSeconds": 0,
        "EventSourceArn": lab.arn,
        "EventSourceMappingArn": arn,
        "FunctionArn": lab.function_arn,
        "FunctionResponseTypes": [],
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
    }
    assert lab.settled(mapping)["State"] == "Enabled"


def test_message_reaches_the_function_with_all_that_aws_tells(lab: Lab) -> None:
    """And is deleted when the function returns."""
    lab.map()
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    lab.send(
        "hello",
        MessageAttributes={"Title": {"DataType": "String", "StringValue": "x"}},
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
    )
    ((record,),) = wait_for(lab.batches, "the message")
    assert record["messageAttributes"]["Title"]["stringValue"] == "x"
    assert record["attributes"]["AWSTraceHeader"] == header
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert (record["eventSourceARN"], record["awsRegion"]) == (lab.arn, lab.cloud.region)
    assert record["md5OfBody"] == "5d41402abc4b2a76b9719d911017c592"
    wait_for(lambda: lab.left() == 0, "its deletion")
    started = [e for e in lab.cloud.journal(kind="invoke.started") if lab.name in e["resource"]]
    assert started[0]["trace_id"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793")


def test_poison_message_ends_in_the_dead_letter_queue(fast: Lab) -> None:
    """After maxReceiveCount tries, each one visibility timeout after the one before; its good neighbours are done."""
    dead_url, dead_arn = fast.queue("-dead")
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 3})
    fast.sqs.set_queue_attributes(QueueUrl=fast.url, Attributes={"RedrivePolicy": policy})
    fast.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    fast.sqs.send_message_batch(
        QueueUrl=fast.url,
        Entries=[{"Id": str(n), "MessageBody": body} for n, body in enumerate(["good", "fail", "fine"])],
    )
    (message,) = fast.sqs.receive_message(QueueUrl=dead_url, WaitTimeSeconds=15, AttributeNames=["All"])[
        "Messages"
    ]
    assert message["Body"] == "fail"
    assert message["Attributes"]["ApproximateReceiveCount"] == "4"
    assert sorted(fast.bodies()) == ["fail", "fail", "fail", "fine", "good"]
    counts = [
        r["attributes"]["ApproximateReceiveCount"] for b in fast.batches() for r in b if r["body"] == "fail"
    ]
    assert counts == ["1", "2", "3"]
    assert fast.left() == 0


def test_fifo_queue_keeps_order_through_a_failure(fast: Lab) -> None:
    """What is behind a failed message waits for it; another group does not."""
    url, arn = fast.queue(".fifo", FifoQueue="true", ContentBasedDeduplication="true")
    fast.map(EventSourceArn=arn, BatchSize=1)
    fast.send("raise once", url=url, MessageGroupId="a")
    fast.send("after", url=url, MessageGroupId="a")
    fast.send("other", url=url, MessageGroupId="b")
    wait_for(lambda: fast.bodies().count("raise once") >= 2 and "other" in fast.bodies(), "another try")
    assert "after" not in fast.bodies()
    fast.sqs.purge_queue(QueueUrl=url)


def test_window_gathers_messages(fast: Lab) -> None:
    """One call for what comes within the window, of the lab's time."""
    fast.map(BatchSize=100, MaximumBatchingWindowInSeconds=60)
    fast.send("a")
    fast.send("b")
    (batch,) = wait_for(fast.batches, "the end of the window")
    assert [record["body"] for record in batch] == ["a", "b"]


def test_disable_enable_and_delete_take_effect_at_once(lab: Lab) -> None:
    """A disabled mapping leaves messages alone, an enabled one takes them, a deleted one is not there."""
    mapping = lab.map()["UUID"]
    answer = lab.awslambda.update_event_source_mapping(UUID=mapping, Enabled=False)
    assert answer["State"] == "Disabling"
    lab.send("a")
    assert lab.settled(mapping)["State"] == "Disabled"
    assert (lab.batches(), lab.left()) == ([], 1)
    answer = lab.awslambda.update_event_source_mapping(UUID=mapping, Enabled=True)
    assert answer["State"] == "Enabling"
    wait_for(lab.batches, "the message")
    lab.settled(mapping)
    assert lab.awslambda.delete_event_source_mapping(UUID=mapping)["State"] == "Deleting"
    lab.send("b")
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        wait_for(lambda: lab.awslambda.get_event_source_mapping(UUID=mapping) is None, "its end")
    assert (lab.bodies(), lab.left()) == (["a"], 1)


def test_update_moves_a_mapping_to_another_version(lab: Lab) -> None:
    """Qualified as the caller qualifies it."""
    lab.awslambda.publish_version(FunctionName=lab.name)
    lab.awslambda.create_alias(FunctionName=lab.name, Name="live", FunctionVersion="1")
    mapping = lab.map()["UUID"]
    answer = lab.awslambda.update_event_source_mapping(UUID=mapping, FunctionName=f"{lab.name}:live")
    assert (answer["State"], answer["FunctionArn"]) == ("Updating", f"{lab.function_arn}:live")
    lab.settled(mapping)
    lab.send("a")
    wait_for(lab.batches, "the message")
    started = [e for e in lab.cloud.journal(kind="invoke.started") if lab.name in e["resource"]]
    assert started[-1]["resource"].endswith((":live", ":1")) or started[-1]["detail"].get("version") == "1"


def test_change_while_another_is_under_way_is_refused(lab: Lab) -> None:
    """As on AWS, where it takes longer."""
    made = lab.awslambda.create_event_source_mapping(EventSourceArn=lab.arn, FunctionName=lab.name)
    with pytest.raises(ClientError, match="because it is in use") as refused:
        lab.awslambda.update_event_source_mapping(UUID=made["UUID"], BatchSize=1)
    assert refused.value.response["Error"]["Code"] == "ResourceInUseException"


def test_what_aws_refuses_is_refused_in_its_words(lab: Lab) -> None:
    """A function or a queue that is not there, a queue that is too quick, a second mapping of both."""

    def refusal(**settings: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as refused:
            lab.map(**settings)
        error = refused.value.response["Error"]
        return error["Code"], error["Message"]

    invalid = "InvalidParameterValueException"
    assert refusal(FunctionName="nobody") == (invalid, "Function does not exist")
    code, text = refusal(EventSourceArn=f"{lab.arn}-missing")
    assert (code, "AWS.SimpleQueueService.NonExistentQueue" in text) == (invalid, True)
    lab.sqs.set_queue_attributes(QueueUrl=lab.url, Attributes={"VisibilityTimeout": "1"})
    slow = "Queue visibility timeout: 1 seconds is less than Function timeout: 3 seconds"
    assert refusal() == (invalid, slow)
    lab.sqs.set_queue_attributes(QueueUrl=lab.url, Attributes={"VisibilityTimeout": "30"})
    first = lab.map()["UUID"]
    code, text = refusal()
    assert (code, text.endswith(f"the existing mapping with UUID {first}")) == (
        "ResourceConflictException",
        True,
    )


def test_mappings_are_listed_by_source_and_by_function(lab: Lab) -> None:
    """And page by page."""
    _, other = lab.queue("-2")
    first, second = lab.map()["UUID"], lab.map(EventSourceArn=other)["UUID"]

    def listed(**filters: Any) -> list[str]:
        pages = lab.awslambda.get_paginator("list_event_source_mappings").paginate(
            PaginationConfig={"PageSize": 1}, **filters
        )
        return [mapping["UUID"] for page in pages for mapping in page["EventSourceMappings"]]

    assert listed(FunctionName=lab.name) == [first, second]
    assert listed(EventSourceArn=other) == [second]
    assert listed(FunctionName=lab.name, EventSourceArn=lab.arn) == [first]


def test_mappings_have_tags(lab: Lab) -> None:
    """Given when they are made and changed by their ARN."""
    arn = lab.map(Tags={"a": "1"})["EventSourceMappingArn"]
    lab.awslambda.tag_resource(Resource=arn, Tags={"b": "2"})
    lab.awslambda.untag_resource(Resource=arn, TagKeys=["a"])
    assert lab.awslambda.list_tags(Resource=arn)["Tags"] == {"b": "2"}


def test_deleted_function_or_queue_stops_its_mapping(cloud: Cloud) -> None:
    """It becomes disabled and says what is missing."""
    lab = Lab(cloud)
    first = lab.map()["UUID"]
    lab.sqs.delete_queue(QueueUrl=lab.url)
    found = wait_for(
        lambda: (m := lab.awslambda.get_event_source_mapping(UUID=first))["State"] == "Disabled" and m, "it"
    )
    assert found["LastProcessingResult"].startswith("PROBLEM: Error occurred while ReceiveMessage.")
    _, arn = lab.queue("-2")
    second = lab.map(EventSourceArn=arn)["UUID"]
    lab.awslambda.delete_function(FunctionName=lab.name)
    found = lab.settled(second)
    assert (found["State"], found["LastProcessingResult"]) == (
        "Disabled",
        f"PROBLEM: Function not found: {lab.function_arn}",
    )


def test_throttled_messages_are_not_lost(fast: Lab) -> None:
    """With reserved concurrency 0 nothing runs; once it is lifted everything arrives."""
    fast.awslambda.put_function_concurrency(FunctionName=fast.name, ReservedConcurrentExecutions=0)
    fast.map()
    fast.send("a", "b")
    wait_for(lambda: fast.cloud.journal(kind="invoke.throttled"), "a throttle")
    assert fast.batches() == []
    fast.awslambda.delete_function_concurrency(FunctionName=fast.name)
    wait_for(lambda: sorted(fast.bodies()) == ["a", "b"], "the messages")
    wait_for(lambda: fast.left() == 0, "their deletion")
