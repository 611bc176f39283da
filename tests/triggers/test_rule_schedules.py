"""Rules on a schedule, through boto3 and with a stepped clock."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud, wait_for


@pytest.fixture
def lab(start_cloud: Callable[..., Cloud]) -> Cloud:
    """A cloud of its own, whose clock may be stepped."""
    return start_cloud()


def step(lab: Cloud, seconds: float) -> None:
    """Let lab time pass."""
    body = json.dumps({"step": seconds}).encode()
    headers = lab.signed_headers("PUT", "/_lab/clock", body=body)
    status, _, answer = lab.ask("PUT", "/_lab/clock", body, headers)
    assert status == 200, answer


def received(lab: Cloud, url: str) -> list[dict[str, Any]]:
    """What a queue has."""
    answer = lab.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def sent(lab: Cloud) -> int:
    """How many events have reached their target."""
    return len(lab.journal(kind="events.notification"))


def test_a_rule_sends_its_event_at_each_time(lab: Cloud) -> None:
    """One interval after its creation, and for each that a step of the clock has passed; not when it is off."""
    url = lab.client("sqs").create_queue(QueueName="ticks")["QueueUrl"]
    events = lab.client("events")
    arn = events.put_rule(Name="tick", ScheduleExpression="rate(5 minutes)")["RuleArn"]
    target = {"Id": "q", "Arn": f"arn:aws:sqs:{lab.region}:{lab.account_id}:ticks"}
    events.put_targets(Rule="tick", Targets=[target])
    step(lab, 290)
    assert sent(lab) == 0
    step(lab, 20)
    wait_for(lambda: sent(lab) == 1, "the first event")
    (event,) = received(lab, url)
    assert event["source"] == "aws.events"
    assert event["detail-type"] == "Scheduled Event"
    assert (event["resources"], event["detail"]) == ([arn], {})
    step(lab, 600)
    wait_for(lambda: sent(lab) == 3, "two more")
    events.disable_rule(Name="tick")
    step(lab, 600)
    assert events.describe_rule(Name="tick")["State"] == "DISABLED"
    assert sent(lab) == 3
    events.enable_rule(Name="tick")
    step(lab, 301)
    wait_for(lambda: sent(lab) == 4, "the next")
    events.remove_targets(Rule="tick", Ids=["q"])
    events.delete_rule(Name="tick")
    step(lab, 3600)
    assert not events.list_rules()["Rules"]
    assert sent(lab) == 4


@pytest.mark.parametrize(
    "expression", ["rate(1 minutes)", "rate(0 minutes)", "cron(0 1 * * * *)", "at(2030-01-01T00:00:00)"]
)
def test_what_is_no_schedule_is_refused(cloud: Cloud, expression: str) -> None:
    """PutRule says so in AWS's words."""
    with pytest.raises(ClientError) as refused:
        cloud.client("events").put_rule(Name="never", ScheduleExpression=expression)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert refused.value.response["Error"]["Message"] == "Parameter ScheduleExpression is not valid."


def test_schedules_belong_to_the_default_bus(cloud: Cloud) -> None:
    """AWS takes them on no other."""
    events = cloud.client("events")
    events.create_event_bus(Name="not-default")
    with pytest.raises(ClientError, match="only on the default event bus"):
        events.put_rule(Name="never", ScheduleExpression="rate(1 hour)", EventBusName="not-default")
