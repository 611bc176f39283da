"""EventBridge Scheduler, through boto3 and with a stepped clock: when targets are called, with what, and what fails."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud, wait_for
from tests.deployment_packages import make_zip

ECHO = (
    'def handler(event, context):\n    print("EVENT " + __import__("json").dumps(event))\n    return event\n'
)
NO_WINDOW = {"Mode": "OFF"}


@pytest.fixture
def lab(start_cloud: Callable[..., Cloud]) -> Cloud:
    """A cloud of its own, whose clock may be stepped."""
    return start_cloud()


def role_of(lab: Cloud) -> str:
    """The role that every lab has for functions."""
    return f"arn:aws:iam::{lab.account_id}:role/lab-function-role"


def step(lab: Cloud, seconds: float) -> None:
    """Let lab time pass."""
    body = json.dumps({"step": seconds}).encode()
    status, _, answer = lab.ask(
        "PUT", "/_lab/clock", body, lab.signed_headers("PUT", "/_lab/clock", body=body)
    )
    assert status == 200, answer


def queue(lab: Cloud, name: str, **attributes: str) -> tuple[str, str]:
    """A queue's address and ARN."""
    url = lab.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:{lab.region}:{lab.account_id}:{name}"


def messages(lab: Cloud, url: str, count: int) -> list[dict[str, Any]]:
    """The first `count` messages of a queue, taken out of it."""
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        answer = lab.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=1
        )
        for message in answer.get("Messages", []):
            found.append(message)
            # A step of the clock is longer than its visibility timeout: it would come again.
            lab.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(found) >= count

    wait_for(enough, f"{count} messages in {url}")
    return found


def test_one_time_schedule_calls_a_function_once_and_deletes_itself(lab: Cloud) -> None:
    """`at` is due at its local time, context attributes are filled in, and ActionAfterCompletion removes it."""
    function = lab.client("lambda").create_function(
        FunctionName="alarm", Runtime="python3.13", Role=role_of(lab), Handler="index.handler",
        Code={"ZipFile": make_zip({"index.py": ECHO})},
    )["FunctionArn"]  # fmt: skip
    moment = (datetime.now(UTC) + timedelta(hours=1, seconds=5)).replace(microsecond=0)
    local = moment + timedelta(hours=9)
    lab.client("scheduler").create_schedule(
        Name="wake-up",
        ScheduleExpression=f"at({local:%Y-%m-%dT%H:%M:%S})",
        ScheduleExpressionTimezone="Asia/Tokyo",
        FlexibleTimeWindow=NO_WINDOW,
        ActionAfterCompletion="DELETE",
        Target={
            "Arn": function,
            "RoleArn": role_of(lab),
            "Input": '{"due": "<aws.scheduler.scheduled-time>", "by": "<aws.scheduler.schedule-arn>"}',
        },
    )
    assert not lab.journal(kind="scheduler.notification")
    step(lab, 3600)
    step(lab, 10)
    (entry,) = wait_for(lambda: lab.journal(kind="scheduler.notification"), "the schedule")
    assert entry["detail"]["destination"] == function
    wait_for(
        lambda: lab.journal(kind="invoke.end") or lab.journal(kind="invoke.report"), "the function's end"
    )
    arn = f"arn:aws:scheduler:{lab.region}:{lab.account_id}:schedule/default/wake-up"
    expected = {"due": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "by": arn}
    logs = lab.client("logs")

    def logged() -> list[Any]:
        found = logs.filter_log_events(logGroupName="/aws/lambda/alarm", filterPattern="EVENT")["events"]
        return [json.loads(event["message"].removeprefix("EVENT ")) for event in found]

    assert wait_for(logged, "its log") == [expected]
    with pytest.raises(ClientError) as refused:
        lab.client("scheduler").get_schedule(Name="wake-up")
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    step(lab, 86_400)
    assert len(lab.journal(kind="scheduler.notification")) == 1


def test_rate_begins_at_once_and_makes_up_for_a_step(lab: Cloud) -> None:
    """A rate without a start date is due now, then at each interval; disabling it takes effect at once."""
    url, arn = queue(lab, "ticks")
    scheduler = lab.client("scheduler")
    settings = {
        "Name": "tick",
        "ScheduleExpression": "rate(10 minutes)",
        "FlexibleTimeWindow": NO_WINDOW,
        "Target": {"Arn": arn, "RoleArn": role_of(lab)},
    }
    scheduler.create_schedule(**settings)
    (first,) = messages(lab, url, 1)
    body = json.loads(first["Body"])
    assert (body["source"], body["detail-type"], body["detail"]) == ("aws.scheduler", "Scheduled Event", "{}")
    step(lab, 1800)
    assert len(messages(lab, url, 3)) == 3
    scheduler.update_schedule(**settings, State="DISABLED")
    step(lab, 1800)
    assert len(lab.journal(kind="scheduler.notification")) == 4


def test_what_cannot_be_delivered_reaches_the_dead_letter_queue(lab: Cloud) -> None:
    """A target that does not exist ends in the dead-letter queue, with the reason in the message's attributes."""
    url, dead = queue(lab, "dead")
    missing = f"arn:aws:lambda:{lab.region}:{lab.account_id}:function:missing"
    lab.client("scheduler").create_schedule(
        Name="lost",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow=NO_WINDOW,
        Target={"Arn": missing, "RoleArn": role_of(lab), "Input": "{}", "DeadLetterConfig": {"Arn": dead}},
    )
    (message,) = messages(lab, url, 1)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert message["Body"] == "{}"
    assert attributes["TARGET_ARN"] == missing
    assert attributes["ERROR_CODE"] == "ResourceNotFoundException"
    assert attributes["RETRY_ATTEMPTS"] == "0"


def test_what_is_lost_is_in_the_journal(lab: Cloud) -> None:
    """Without a dead-letter queue the journal names the schedule and the reason."""
    missing = f"arn:aws:sqs:{lab.region}:{lab.account_id}:missing"
    lab.client("scheduler").create_schedule(
        Name="nowhere",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow=NO_WINDOW,
        Target={"Arn": missing, "RoleArn": role_of(lab)},
    )
    (entry,) = wait_for(lambda: lab.journal(kind="failure"), "a failure")
    assert "the schedule nowhere could not call" in entry["detail"]["message"]


def test_settings_come_back_as_aws_gives_them(cloud: Cloud) -> None:
    """GetSchedule has the defaults filled in; lists are by group, state and prefix, in pages."""
    scheduler = cloud.client("scheduler")
    group = scheduler.create_schedule_group(Name="nightly", Tags=[{"Key": "a", "Value": "b"}])[
        "ScheduleGroupArn"
    ]
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "a", "Value": "b"}]
    scheduler.untag_resource(ResourceArn=group, TagKeys=["a"])
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == []
    target = {"Arn": f"arn:aws:sqs:us-east-1:{cloud.account_id}:q", "RoleArn": role_of(cloud)}
    for name in ("one", "two", "other"):
        scheduler.create_schedule(
            Name=name, GroupName="nightly", ScheduleExpression="cron(0 3 * * ? *)", Target=target,
            FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, State="DISABLED",
        )  # fmt: skip
    found = scheduler.get_schedule(Name="one", GroupName="nightly")
    assert found["Arn"].endswith(":schedule/nightly/one")
    assert found["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert found["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert (found["ScheduleExpressionTimezone"], found["ActionAfterCompletion"]) == ("UTC", "NONE")
    pages = scheduler.get_paginator("list_schedules").paginate(
        GroupName="nightly", State="DISABLED", NamePrefix="o", PaginationConfig={"PageSize": 1}
    )
    assert [item["Name"] for page in pages for item in page["Schedules"]] == ["one", "other"]
    scheduler.delete_schedule_group(Name="nightly")
    with pytest.raises(ClientError, match="Schedule group nightly does not exist"):
        scheduler.list_schedules(GroupName="nightly")


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        ({"ScheduleExpression": "rate(10 seconds)"}, "ValidationException", "Invalid Schedule Expression rate(10 seco"),
        ({"ScheduleExpressionTimezone": "Mars/Base"}, "ValidationException", "Mars/Base"),
        ({"Name": "a b"}, "ValidationException", "regular expression pattern"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "ValidationException", "MaximumWindowInMinutes"),
        ({"Role": "arn:aws:iam::123456789012:role/none"}, "ValidationException", "must allow AWS EventBridge"),
        ({"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"}, "NotEmulatedByThisLab", "universal targets"),
        ({"Arn": "arn:aws:ecs:us-east-1:123456789012:cluster/c"}, "NotEmulatedByThisLab", "'ecs'"),
        ({"Arn": "nothing"}, "ValidationException", "not in correct format"),
        ({"StartDate": datetime(2020, 1, 1, tzinfo=UTC)}, "ValidationException", "earlier than 5 minutes ago"),
        ({"Arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "Input": "{"}, "ValidationException", "be JSON"),
        ({"GroupName": "none"}, "ResourceNotFoundException", "Schedule group none does not exist."),
    ],
)  # fmt: skip
def test_what_aws_refuses_is_refused(cloud: Cloud, changed: dict[str, Any], code: str, text: str) -> None:
    """A schedule that AWS would not take, or that this lab cannot run, is not created."""
    of_target = {"Arn", "Input", "Role"}
    request: dict[str, Any] = {
        "Name": "refused",
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": NO_WINDOW,
        **{name: value for name, value in changed.items() if name not in of_target},
        "Target": {
            "Arn": changed.get("Arn", "arn:aws:sqs:us-east-1:123456789012:q"),
            "RoleArn": changed.get("Role", role_of(cloud)),
            **({"Input": changed["Input"]} if "Input" in changed else {}),
        },
    }
    with pytest.raises(ClientError) as refused:
        cloud.client("scheduler").create_schedule(**request)
    assert refused.value.response["Error"]["Code"] == code
    assert text in refused.value.response["Error"]["Message"]


def test_a_name_is_taken_once(cloud: Cloud) -> None:
    """A second schedule of one name is a conflict."""
    target = {"Arn": f"arn:aws:sqs:us-east-1:{cloud.account_id}:q", "RoleArn": role_of(cloud)}
    request: dict[str, Any] = {
        "Name": "twice", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": NO_WINDOW,
        "Target": target, "State": "DISABLED",
    }  # fmt: skip
    scheduler = cloud.client("scheduler")
    scheduler.create_schedule(**request)
    with pytest.raises(ClientError, match="Schedule twice already exists") as refused:
        scheduler.create_schedule(**request)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    scheduler.delete_schedule(Name="twice")
