"""What a learner sees of the lab's clock in logs and events: AWS's times, as if the minutes had passed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.conftest import Cloud, wait_for
from tests.deployment_packages import make_zip

FAILS = "def handler(event, context):\n    raise ValueError('no')\n"


def test_retries_stand_minutes_apart_in_the_log(start_cloud: Callable[..., Cloud]) -> None:
    """Three tries on a stepped clock: their START lines are one minute and then two minutes apart."""
    cloud = start_cloud()
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName="fails", Runtime="python3.13", Role=f"arn:aws:iam::{cloud.account_id}:role/lab-function-role",
        Handler="index.handler", Code={"ZipFile": make_zip({"index.py": FAILS})},
    )  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName="fails")
    functions.invoke(FunctionName="fails", InvocationType="Event")

    def step(seconds: float) -> None:
        body = json.dumps({"step": seconds}).encode()
        cloud.ask("PUT", "/_lab/clock", body, cloud.signed_headers("PUT", "/_lab/clock", body=body))

    for tries, seconds in ((1, 60), (2, 120), (3, 0)):
        wait_for(lambda tries=tries: len(cloud.journal(kind="invoke.ended")) == tries, f"try {tries}")
        wait_for(lambda tries=tries: len(cloud.journal(kind="invoke.retry_in")) == min(tries, 2), "the next")
        step(seconds)

    def starts() -> list[Any]:
        found = cloud.client("logs").filter_log_events(
            logGroupName="/aws/lambda/fails", filterPattern="START"
        )
        return [
            event["timestamp"] / 1000 for event in found["events"] if event["message"].startswith("START")
        ]

    first, second, third = wait_for(lambda: len(found := starts()) == 3 and found, "three lines")
    assert 59 < second - first < 75
    assert 119 < third - second < 135
    now = json.loads(cloud.ask("GET", "/_lab/clock", b"", cloud.signed_headers("GET", "/_lab/clock"))[2])[
        "now"
    ]
    assert now - datetime.now(UTC).timestamp() > 179
