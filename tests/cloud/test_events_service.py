"""EventBridge through boto3, against a cloud as a learner starts it: real functions, queues and topics."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from botocore.exceptions import ClientError

from tests.conftest import PATIENCE_S, Cloud
from tests.deployment_packages import make_zip

_numbers = itertools.count()
# The handler tells the queue in its environment what it has received.
TELL = """
import json, os, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """One cloud for all tests here."""
    cloud = Cloud()
    yield cloud
    assert cloud.end() == ""


class Lesson:
    """What the tests do, each with names of its own."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.events: Any = cloud.client("events")
        self.sqs: Any = cloud.client("sqs")
        self.since = max((entry["seq"] for entry in cloud.journal()), default=0)
        self.source = self.name("shop")

    def name(self, stem: str) -> str:
        return f"{stem}-{next(_numbers)}"

    def queue(self) -> tuple[str, str]:
        """URL and ARN of a new queue."""
        url = self.sqs.create_queue(QueueName=self.name("queue"))["QueueUrl"]
        return url, f"arn:aws:sqs:{self.cloud.region}:{self.cloud.account_id}:{url.rpartition('/')[2]}"

    def rule(self, *targets: dict[str, Any], bus: str = "default", **settings: Any) -> tuple[str, str]:
        """Name and ARN of a new rule for this lesson's events."""
        name = self.name("rule")
        pattern = settings.pop("pattern", {"source": [self.source]})
        made = self.events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern), **settings)
        listed = [{"Id": str(number), **target} for number, target in enumerate(targets)]
        if listed:
            self.events.put_targets(Rule=name, EventBusName=bus, Targets=listed)
        return name, made["RuleArn"]

    def put(self, bus: str = "default", **detail: Any) -> str:
        """Send an event; its id."""
        entry = {
            "Source": self.source,
            "DetailType": "paid",
            "Detail": json.dumps(detail),
            "EventBusName": bus,
        }
        answer = self.events.put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0
        event_id: str = answer["Entries"][0]["EventId"]
        return event_id

    def receive(self, url: str) -> dict[str, Any]:
        """The next message of a queue, with its attributes."""
        answer = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, MessageAttributeNames=["All"])
        (message,) = answer.get("Messages", [])
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found: dict[str, Any] = message
        return found

    def body(self, url: str) -> Any:
        return json.loads(self.receive(url)["Body"])

    def entries(self, kind: str) -> list[dict[str, Any]]:
        return self.cloud.journal(self.since, kind)

    def wait(self, found: Callable[[], Any]) -> Any:
        """What `found` answers as soon as it answers something."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if answer := found():
                return answer
            time.sleep(0.02)
        raise AssertionError("waited in vain")


@pytest.fixture
def lesson(cloud: Cloud) -> Lesson:
    """A source of events that no other test has."""
    return Lesson(cloud)


def make_function(lesson: Lesson, url: str) -> str:
    """The ARN of a function that tells a queue what it receives."""
    arn: str = lesson.cloud.client("lambda").create_function(
        FunctionName=lesson.name("teller"),
        Runtime="python3.13",
        Role=f"arn:aws:iam::{lesson.cloud.account_id}:role/lab-function-role",
        Handler="index.handler",
        Timeout=30,
        Code={"ZipFile": make_zip({"index.py": TELL})},
        Environment={"Variables": {"QUEUE": url}},
    )["FunctionArn"]
    return arn


def allow(lesson: Lesson, function: str, rule: str) -> None:
    """Let EventBridge call a function for a rule."""
    lesson.cloud.client("lambda").add_permission(
        FunctionName=function,
        StatementId=lesson.name("rule"),
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )


def test_event_reaches_the_function_that_lets_it_in(lesson: Lesson) -> None:
    """Without a permission for its rule the event is lost and the journal says so; with it the function has it all."""
    url, _ = lesson.queue()
    function = make_function(lesson, url)
    _, rule = lesson.rule({"Arn": function})
    lesson.put(order=1)
    (failure,) = lesson.wait(lambda: lesson.entries("failure"))
    assert "NO_PERMISSIONS" in failure["detail"]["message"]
    assert rule in failure["detail"]["message"]
    allow(lesson, function, rule)
    event_id = lesson.put(order=2)
    event = lesson.body(url)
    EventBridgeModel.model_validate(event)
    assert list(event) == "version id detail-type source account time region resources detail".split()
    assert (event["id"], event["detail"], event["source"]) == (event_id, {"order": 2}, lesson.source)
    (told,) = lesson.entries("events.notification")
    assert told["detail"]["destination"] == function
    (queued,) = lesson.entries("invoke.queued")
    assert queued["request_id"] == told["detail"]["invocation"]
    assert queued["detail"]["source_arn"] == rule


def test_one_event_fans_out(lesson: Lesson) -> None:
    """A queue, a topic's queue and a FIFO queue receive the same event, each in its own form."""
    plain, plain_arn = lesson.queue()
    behind, behind_arn = lesson.queue()
    sns: Any = lesson.cloud.client("sns")
    topic = sns.create_topic(Name=lesson.name("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=behind_arn)
    fifo_name = f"{lesson.name('fifo')}.fifo"
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    fifo = lesson.sqs.create_queue(QueueName=fifo_name, Attributes=attributes)["QueueUrl"]
    fifo_arn = f"{plain_arn.rpartition(':')[0]}:{fifo_name}"
    lesson.rule(
        {"Arn": plain_arn, "InputPath": "$.detail"},
        {"Arn": topic},
        {"Arn": fifo_arn, "SqsParameters": {"MessageGroupId": "g"}, "Input": '{"fixed": true}'},
    )
    event_id = lesson.put(order=1)
    assert lesson.body(plain) == {"order": 1}
    assert json.loads(lesson.body(behind)["Message"])["id"] == event_id
    assert lesson.body(fifo) == {"fixed": True}


def test_transformer_shapes_what_arrives(lesson: Lesson) -> None:
    """A template is filled with parts of the event and with what EventBridge knows."""
    url, arn = lesson.queue()
    template = {
        "InputPathsMap": {"who": "$.detail.who", "missing": "$.detail.missing"},
        "InputTemplate": '{"who": <who>, "rule": "<aws.events.rule-name>", "missing": <missing>}',
    }
    rule, _ = lesson.rule({"Arn": arn, "InputTransformer": template})
    lesson.put(who="Ann")
    assert lesson.body(url) == {"who": "Ann", "rule": rule, "missing": ""}


def test_dead_letter_queue_keeps_what_could_not_be_sent(lesson: Lesson) -> None:
    """The event is in the queue, with the reason in its attributes."""
    dead, dead_arn = lesson.queue()
    missing = f"arn:aws:lambda:{lesson.cloud.region}:{lesson.cloud.account_id}:function:missing"
    _, rule = lesson.rule({"Arn": missing, "DeadLetterConfig": {"Arn": dead_arn}})
    event_id = lesson.put()
    message = lesson.receive(dead)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"])["id"] == event_id
    assert (attributes["RULE_ARN"], attributes["ERROR_CODE"]) == (rule, "NO_RESOURCE")


def test_changes_take_effect_at_once(lesson: Lesson) -> None:
    """Disabled, enabled, with other targets, with another pattern, removed: the next event follows."""
    url, arn = lesson.queue()
    rule, _ = lesson.rule({"Arn": arn})
    lesson.events.disable_rule(Name=rule)
    lesson.put(n=1)
    lesson.events.enable_rule(Name=rule)
    lesson.put(n=2)
    assert lesson.body(url)["detail"] == {"n": 2}
    lesson.events.put_rule(
        Name=rule, EventPattern=json.dumps({"source": [lesson.source], "detail": {"n": [4]}})
    )
    lesson.put(n=3)
    lesson.put(n=4)
    assert lesson.body(url)["detail"] == {"n": 4}
    lesson.events.remove_targets(Rule=rule, Ids=["0"])
    lesson.events.delete_rule(Name=rule)
    lesson.put(n=4)
    assert [entry["detail"]["rules"] for entry in lesson.entries("events.put")] == [
        [],
        [rule],
        [],
        [rule],
        [],
    ]


def test_bus_of_ones_own_sends_on(lesson: Lesson) -> None:
    """An event of a custom bus goes to the default one, and from there to a queue."""
    url, arn = lesson.queue()
    bus = lesson.name("bus")
    lesson.events.create_event_bus(Name=bus)
    default = lesson.events.describe_event_bus()["Arn"]
    lesson.rule({"Arn": default}, bus=bus)
    lesson.rule({"Arn": arn})
    event_id = lesson.put(bus)
    assert lesson.body(url)["id"] == event_id


def test_s3_sends_events_that_nobody_else_may(lesson: Lesson) -> None:
    """An upload is an event of aws.s3 on the default bus; a caller may not make one."""
    url, arn = lesson.queue()
    bucket = lesson.name("bucket")
    s3: Any = lesson.cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {
        "source": ["aws.s3"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"suffix": ".csv"}]}},
    }
    lesson.rule({"Arn": arn}, pattern=pattern)
    s3.put_object(Bucket=bucket, Key="a.txt", Body=b"1")
    s3.put_object(Bucket=bucket, Key="b.csv", Body=b"1")
    event = lesson.body(url)
    assert (event["detail-type"], event["detail"]["object"]["key"]) == ("Object Created", "b.csv")
    entry = {"Source": "aws.s3", "DetailType": "Object Created", "Detail": "{}"}
    (refused,) = lesson.events.put_events(Entries=[entry])["Entries"]
    assert refused["ErrorCode"] == "NotAuthorizedForSourceException"


def test_bad_entries_fail_by_themselves(lesson: Lesson) -> None:
    """Each entry is answered in its place."""
    good = {"Source": "s", "DetailType": "d", "Detail": "{}"}
    answer = lesson.events.put_events(
        Entries=[
            good,
            {**good, "Detail": "{"},
            {"Source": "s", "Detail": "{}"},
            {**good, "EventBusName": "none"},
        ]
    )
    assert answer["FailedEntryCount"] == 2
    assert [entry.get("ErrorCode", "") for entry in answer["Entries"]] == [
        "",
        "MalformedDetail",
        "InvalidArgument",
        "",
    ]
    assert "does not exist" in lesson.entries("failure")[0]["detail"]["message"]


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """Code and message of a call that fails."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_settings_are_refused_as_by_aws(lesson: Lesson) -> None:
    """Bad patterns, unknown rules, too many targets, and targets that this lab does not have."""
    events = lesson.events
    assert refusal(events.put_rule, Name="bad", EventPattern='{"a": []}')[0] == "InvalidEventPatternException"
    assert refusal(events.describe_rule, Name="none") == (
        "ResourceNotFoundException",
        "Rule none does not exist on EventBus default.",
    )
    _, arn = lesson.queue()
    rule, _ = lesson.rule()
    six = [{"Id": str(number), "Arn": arn} for number in range(6)]
    assert refusal(events.put_targets, Rule=rule, Targets=six)[0] == "LimitExceededException"
    elsewhere = f"arn:aws:events:{lesson.cloud.region}:999999999999:event-bus/default"
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": elsewhere}
    assert "other accounts" in refusal(events.put_events, Entries=[entry])[1]
    machine = f"arn:aws:states:{lesson.cloud.region}:{lesson.cloud.account_id}:stateMachine:m"
    code, message = refusal(events.put_targets, Rule=rule, Targets=[{"Id": "1", "Arn": machine}])
    assert (code, "'states'" in message) == ("NotEmulatedByThisLab", True)
    assert not events.list_targets_by_rule(Rule=rule)["Targets"]


def test_archive_is_replayed(lesson: Lesson) -> None:
    """An archive keeps what its pattern is for, and a replay sends it again, to the rules that it names only."""
    name, bus = lesson.name("archive"), lesson.events.describe_event_bus()["Arn"]
    pattern = json.dumps({"source": [lesson.source]})
    archive = lesson.events.create_archive(ArchiveName=name, EventSourceArn=bus, EventPattern=pattern)
    event_id = lesson.put(n=1)
    lesson.wait(lambda: lesson.events.describe_archive(ArchiveName=name)["EventCount"] == 1)
    (url, arn), (other_url, other_arn) = lesson.queue(), lesson.queue()
    _, rule = lesson.rule({"Arn": arn})
    lesson.rule({"Arn": other_arn})
    now = time.time()
    for start, end in ((now - 60, now + 60), (now + 60, now + 120)):
        lesson.events.start_replay(
            ReplayName=lesson.name("replay"),
            EventSourceArn=archive["ArchiveArn"],
            EventStartTime=start,
            EventEndTime=end,
            Destination={"Arn": bus, "FilterArns": [rule]},
        )
    again = lesson.body(url)
    assert (again["id"], again["replay-name"].partition("-")[0]) == (event_id, "replay")
    for drained in (url, other_url):
        assert "Messages" not in lesson.sqs.receive_message(QueueUrl=drained)
    assert lesson.events.describe_archive(ArchiveName=name)["EventCount"] == 1
    lesson.events.delete_archive(ArchiveName=name)


def test_trace_goes_on(lesson: Lesson) -> None:
    """The trace header of an entry reaches the queue."""
    url, arn = lesson.queue()
    lesson.rule({"Arn": arn})
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    entry = {"Source": lesson.source, "DetailType": "d", "Detail": "{}", "TraceHeader": trace}
    lesson.events.put_events(Entries=[entry])
    answer = lesson.sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=10, MessageSystemAttributeNames=["AWSTraceHeader"]
    )
    assert answer["Messages"][0]["Attributes"]["AWSTraceHeader"] == trace
    assert lesson.entries("events.put")[0]["trace_id"] == trace


def test_rules_have_metrics(lesson: Lesson) -> None:
    """CloudWatch counts what a rule has matched and sent."""
    url, arn = lesson.queue()
    rule, _ = lesson.rule({"Arn": arn})
    lesson.put()
    lesson.put()
    lesson.receive(url)
    cloudwatch: Any = lesson.cloud.client("cloudwatch")
    now = time.time()

    def total(metric: str) -> float:
        answer = cloudwatch.get_metric_statistics(
            Namespace="AWS/Events",
            MetricName=metric,
            Dimensions=[{"Name": "RuleName", "Value": rule}],
            StartTime=now - 600,
            EndTime=now + 600,
            Period=3600,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in answer["Datapoints"]))

    assert lesson.wait(lambda: total("Invocations") == 2)
    assert (total("MatchedEvents"), total("TriggeredRules"), total("FailedInvocations")) == (2, 2, 0)
