"""Concurrency as its owner sets it: what AWS refuses, what it answers, and what then really waits for calls."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from labhelpers.functions.package import remove_tree
from tests.conftest import Cloud, wait_for
from tests.deployment_packages import FUNCTION_ARN, make_zip
from tests.in_process_lambda import InProcessLambda, in_process_lambda, refusal

INVALID, NOT_FOUND = "InvalidParameterValueException", "ResourceNotFoundException"
UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
NOT_PUBLISHED = "The function resource provided must be an alias or a published version."


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InProcessLambda]:
    """A Lambda with one function, version 1 of it, and the alias `live` for that."""
    with in_process_lambda(tmp_path) as lab:
        lab.create(Publish=True)
        lab.client.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
        yield lab
    remove_tree(tmp_path / "packages")


def put(lab: InProcessLambda, qualifier: str, number: int, function: str = "echo") -> Any:
    """Ask for provisioned concurrency."""
    return lab.client.put_provisioned_concurrency_config(
        FunctionName=function, Qualifier=qualifier, ProvisionedConcurrentExecutions=number
    )


def test_provisioned_concurrency_is_accepted_and_then_takes_time(lab: InProcessLambda) -> None:
    """202 with nothing available yet; get and list say the same; delete takes it back, twice too."""
    answer = put(lab, "live", 3)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    expected = {
        "RequestedProvisionedConcurrentExecutions": 3,
        "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": "2023-11-14T22:13:20+0000",
    }
    assert {name: answer[name] for name in answer if name != "ResponseMetadata"} == expected
    where = {"FunctionName": "echo", "Qualifier": "live"}
    found = lab.client.get_provisioned_concurrency_config(**where)
    assert {name: found[name] for name in expected} == expected
    [listed] = lab.client.list_provisioned_concurrency_configs(FunctionName="echo")[
        "ProvisionedConcurrencyConfigs"
    ]
    assert listed == {"FunctionArn": f"{FUNCTION_ARN}:echo:live", **expected}
    for _ in range(2):
        lab.client.delete_provisioned_concurrency_config(**where)
        assert lab.raw[-1].status == 204
    assert refusal(lab.client.get_provisioned_concurrency_config, **where) == (
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    )


@pytest.mark.parametrize(
    ("function", "qualifier", "code", "words"),
    [
        ("echo", "$LATEST", INVALID, UNPUBLISHED),
        ("echo", "nobody", NOT_FOUND, f"Cannot find alias arn: {FUNCTION_ARN}:echo:nobody"),
        ("nobody", "live", NOT_FOUND, f"Cannot find alias arn: {FUNCTION_ARN}:nobody:live"),
        ("echo", "10", NOT_FOUND, f"Function not found: {FUNCTION_ARN}:echo:10"),
    ],
)
def test_provisioned_concurrency_needs_a_version_or_an_alias(
    lab: InProcessLambda, function: str, qualifier: str, code: str, words: str
) -> None:
    """Refused in AWS's words, which differ for $LATEST between setting and looking."""
    where = {"FunctionName": function, "Qualifier": qualifier}
    client = lab.client
    asked = refusal(client.put_provisioned_concurrency_config, **where, ProvisionedConcurrentExecutions=1)
    assert asked[1:] == (code, words)
    for look in (client.get_provisioned_concurrency_config, client.delete_provisioned_concurrency_config):
        found = refusal(look, **where)
        assert found[1:] == (code, NOT_PUBLISHED if qualifier == "$LATEST" else words)


def test_none_is_no_number_of_provisioned_environments(lab: InProcessLambda) -> None:
    """The least is one."""
    status, code, message = refusal(
        lab.client.put_provisioned_concurrency_config,
        FunctionName="echo",
        Qualifier="1",
        ProvisionedConcurrentExecutions=0,
    )
    assert (status, code) == (400, "ValidationException")
    assert message == (
        "1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1"
    )


def test_version_and_its_alias_are_not_both_provisioned(lab: InProcessLambda) -> None:
    """Whichever comes second is refused; a deleted alias takes its setting along."""
    put(lab, "1", 1)
    second = refusal(put, lab=lab, qualifier="live", number=1)
    assert second == (
        409,
        "ResourceConflictException",
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    )
    lab.client.delete_provisioned_concurrency_config(FunctionName="echo", Qualifier="1")
    put(lab, "live", 1)
    second = refusal(put, lab=lab, qualifier="1", number=1)
    assert second[2] == "Version is pointed by a Provisioned Concurrency alias"
    lab.client.delete_alias(FunctionName="echo", Name="live")
    listed = lab.client.list_provisioned_concurrency_configs(FunctionName="echo")
    assert not listed["ProvisionedConcurrencyConfigs"]
    put(lab, "1", 1)


def test_weighted_alias_is_not_provisioned(lab: InProcessLambda) -> None:
    """AWS says so when the weights are there first."""
    lab.client.update_function_configuration(FunctionName="echo", Timeout=9)
    lab.client.publish_version(FunctionName="echo")
    lab.client.update_alias(
        FunctionName="echo", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    second = refusal(put, lab=lab, qualifier="live", number=1)
    assert second[1:] == (INVALID, "Alias with weights can not be used with Provisioned Concurrency")


def test_provisioned_concurrency_is_part_of_the_account_s(lab: InProcessLambda) -> None:
    """Not more than all, and 100 must be left for the others; what is set already does not count against itself."""
    for number, words in (
        (
            1_001,
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].",
        ),
        (
            901,
            (
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
                "its minimum value of [100]."
            ),
        ),
    ):
        assert refusal(put, lab=lab, qualifier="1", number=number) == (400, INVALID, words)
        assert "Type" not in json.loads(lab.raw[-1].body)
    put(lab, "1", 900)
    put(lab, "1", 850)
    limit = lab.client.get_account_settings()["AccountLimit"]
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (1000, 150)
    lab.create("other")
    _, _, message = refusal(
        lab.client.put_function_concurrency, FunctionName="other", ReservedConcurrentExecutions=51
    )
    assert "minimum value of [100]" in message


def test_provisioned_concurrency_is_part_of_the_reserved(lab: InProcessLambda) -> None:
    """All versions together; and what is reserved cannot be taken below it."""
    lab.client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=5)
    put(lab, "1", 3)
    lab.client.update_function_configuration(FunctionName="echo", Timeout=9)
    lab.client.publish_version(FunctionName="echo")
    words = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    assert refusal(put, lab=lab, qualifier="2", number=3) == (400, INVALID, words)
    put(lab, "2", 2)
    _, code, message = refusal(
        lab.client.put_function_concurrency, FunctionName="echo", ReservedConcurrentExecutions=4
    )
    assert code == INVALID and "[5]" in message


def test_small_account_keeps_all_for_everybody(lab: InProcessLambda) -> None:
    """A new account of AWS has 10: nothing of it can be reserved but nothing."""
    lab.registry.concurrency = lab.registry.unreserved_min = 10
    _, _, message = refusal(
        lab.client.put_function_concurrency, FunctionName="echo", ReservedConcurrentExecutions=1
    )
    assert message.endswith("below its minimum value of [10].")
    lab.client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)
    assert lab.client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 10


# --- With a real cloud ---

HOW = """
import os, time
def handler(event, context):
    if event == "end":
        os._exit(1)
    time.sleep(event or 0)
    return [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], context.log_stream_name, context.function_version]
"""


class Function:
    """A function of a real cloud, with version 1 and the alias `live` for it."""

    def __init__(self, cloud: Cloud, name: str, code: str = HOW) -> None:
        self.cloud = cloud
        self.name = name
        self.client = cloud.client("lambda")
        self.client.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role=f"arn:aws:iam::{cloud.account_id}:role/lab-function-role",
            Handler="index.handler",
            Code={"ZipFile": make_zip({"index.py": code})},
            Publish=True,
            MemorySize=1_769,
        )
        self.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")

    def call(self, event: Any = None, qualifier: str = "live") -> tuple[Any, str]:
        """What it returns, and its log."""
        answer = self.client.invoke(
            FunctionName=self.name, Qualifier=qualifier, Payload=json.dumps(event), LogType="Tail"
        )
        return json.load(answer["Payload"]), base64.b64decode(answer["LogResult"]).decode()

    def provision(self, number: int, qualifier: str = "live") -> None:
        self.client.put_provisioned_concurrency_config(
            FunctionName=self.name, Qualifier=qualifier, ProvisionedConcurrentExecutions=number
        )

    def setting(self, qualifier: str = "live") -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_provisioned_concurrency_config(
            FunctionName=self.name, Qualifier=qualifier
        )
        return answer

    def ready(self) -> dict[str, Any]:
        """Wait until it is as it was asked for."""
        wait_for(lambda: self.setting()["Status"] == "READY", "READY")
        return self.setting()

    def sums(self, qualifier: str = "live") -> dict[str, float]:
        """The metrics of the last minutes, summed up."""
        cloudwatch = self.cloud.client("cloudwatch")
        dimensions = [
            {"Name": "FunctionName", "Value": self.name},
            {"Name": "Resource", "Value": f"{self.name}:{qualifier}"},
        ]
        now = datetime.now(UTC)
        metrics = cloudwatch.list_metrics(Namespace="AWS/Lambda", Dimensions=dimensions)["Metrics"]
        found = {}
        for metric in metrics:
            if len(metric["Dimensions"]) == 2:
                points = cloudwatch.get_metric_statistics(
                    Namespace="AWS/Lambda",
                    MetricName=metric["MetricName"],
                    Dimensions=dimensions,
                    StartTime=now - timedelta(minutes=5),
                    EndTime=now + timedelta(minutes=5),
                    Period=600,
                    Statistics=["Sum"],
                )["Datapoints"]
                found[metric["MetricName"]] = points[0]["Sum"]
        return found


def test_provisioned_environments_wait_for_calls(cloud: Cloud) -> None:
    """They are in their log before any call, have no INIT in a call's report, and the calls beyond them spill over."""
    function = Function(cloud, "provisioned-waits")
    function.provision(2)
    found = function.ready()
    assert found["AvailableProvisionedConcurrentExecutions"] == 2
    logs = cloud.client("logs")
    group = f"/aws/lambda/{function.name}"
    streams = wait_for(lambda: logs.describe_log_streams(logGroupName=group)["logStreams"], "log streams")
    assert len(streams) == 2
    with ThreadPoolExecutor(3) as callers:
        called = list(callers.map(function.call, [0.5] * 3))
    kinds = sorted(result[0] for result, _ in called)
    assert kinds == ["on-demand", "provisioned-concurrency", "provisioned-concurrency"]
    for (kind, _, _), log in called:
        assert ("Init Duration" in log) is (kind == "on-demand")
    assert function.call(0.0)[0][0] == "provisioned-concurrency", "goes before the one on demand"
    assert function.call(0.0, "1")[0][0] == "provisioned-concurrency", "as does a call of the version itself"
    sums = function.sums()
    assert sums["Invocations"] == 4
    assert sums["ProvisionedConcurrencyInvocations"] == 3
    assert sums["ProvisionedConcurrencySpilloverInvocations"] == 1
    assert sums["ProvisionedConcurrencyUtilization"] >= 2


def test_provisioned_environment_that_crashed_is_replaced(cloud: Cloud) -> None:
    """By another one with a stream of its own, before anybody calls again."""
    function = Function(cloud, "provisioned-crash")
    function.provision(1)
    function.ready()
    first = function.call(0)[0][1]
    function.call("end")
    wait_for(lambda: function.setting()["AvailableProvisionedConcurrentExecutions"] == 0, "its end")
    function.ready()
    kind, stream, _ = function.call(0)[0]
    assert kind == "provisioned-concurrency" and stream != first


def test_provisioned_concurrency_moves_with_its_alias(cloud: Cloud) -> None:
    """The new version is warmed, the old one runs on demand again; other changes leave the environments alone."""
    function = Function(cloud, "provisioned-moves")
    function.provision(1)
    function.ready()
    stream = function.call(0)[0][1]
    function.client.update_function_configuration(FunctionName=function.name, Timeout=10)
    function.client.publish_version(FunctionName=function.name)
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=5)
    assert function.call(0)[0][1] == stream, "a version never changes, nor do its environments"
    function.client.update_alias(FunctionName=function.name, Name="live", FunctionVersion="2")
    assert function.setting()["Status"] == "IN_PROGRESS"
    function.ready()
    kind, _, version = function.call(0)[0]
    assert (kind, version) == ("provisioned-concurrency", "2")
    assert function.call(0, "1")[0][0] == "on-demand"
    function.client.delete_provisioned_concurrency_config(FunctionName=function.name, Qualifier="live")
    assert function.call(0)[0][0] == "on-demand"


def test_init_that_fails_is_told_in_the_setting(cloud: Cloud) -> None:
    """FAILED, with AWS's reason, and it is not tried for ever."""
    function = Function(cloud, "provisioned-fails", "raise ValueError('no')\n")
    function.provision(2)
    wait_for(lambda: function.setting()["Status"] == "FAILED", "FAILED")
    found = function.setting()
    assert found["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert found["AvailableProvisionedConcurrentExecutions"] == 0
    arn = f"{FUNCTION_ARN}:{function.name}:1"
    entries = [entry for entry in cloud.journal(kind="failure") if entry["resource"] == arn]
    assert len(entries) == 1
    time.sleep(0.3)
    inits = [entry for entry in cloud.journal(kind="environment.state") if entry["resource"] == arn]
    assert sum(entry["detail"]["state"] == "INIT" for entry in inits) <= 2


def test_throttled_call_says_why(cloud: Cloud) -> None:
    """429 with the reason; the metric counts it, and calls that went well are zeros of it."""
    function = Function(cloud, "throttled")
    function.call(0)
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    with pytest.raises(function.client.exceptions.TooManyRequestsException) as caught:
        function.call(0)
    response = caught.value.response
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert response["Error"]["Message"] == "Rate Exceeded."
    assert "retryAfterSeconds" not in response
    sums = function.sums()
    assert (sums["Invocations"], sums["Throttles"], sums["Errors"]) == (1, 1, 0)


def test_duration_has_percentiles(cloud: Cloud) -> None:
    """By get_metric_statistics and get_metric_data, at once."""
    function = Function(cloud, "percentiles")
    for seconds in (0, 0, 0, 0.2):
        function.call(seconds)
    now = datetime.now(UTC)
    window = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}
    metric = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Duration",
        "Dimensions": [{"Name": "FunctionName", "Value": function.name}],
    }
    cloudwatch = cloud.client("cloudwatch")
    [point] = cloudwatch.get_metric_statistics(
        **metric, **window, Period=600, Statistics=["SampleCount"], ExtendedStatistics=["p50", "p100"]
    )["Datapoints"]
    assert point["SampleCount"] == 4
    assert point["ExtendedStatistics"]["p50"] < 100 < 200 <= point["ExtendedStatistics"]["p100"]
    [result] = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 600, "Stat": "p100"}}],
        **window,
    )["MetricDataResults"]
    assert result["Values"] == [pytest.approx(point["ExtendedStatistics"]["p100"])]
