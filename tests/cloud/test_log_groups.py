"""Log groups and streams as boto3 sees them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud


@pytest.fixture(scope="session")
def logs(cloud: Cloud) -> Any:
    """CloudWatch Logs of the cloud that all tests share."""
    return cloud.client("logs")


@pytest.fixture
def group(logs: Any) -> str:
    """A log group with the streams `s` and `t`, in which three events each are mixed."""
    name = f"/test/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name)
    now = int(time.time() * 1000)
    for number, stream in enumerate("ts"):
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
        events = [{"timestamp": now + 2 * at - number, "message": f"{stream}{at}"} for at in range(3)]
        logs.put_log_events(logGroupName=name, logStreamName=stream, logEvents=events)
    return name


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and message of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def found(logs: Any, group: str, **parameters: Any) -> list[str]:
    """The messages that FilterLogEvents finds."""
    return [event["message"] for event in logs.filter_log_events(logGroupName=group, **parameters)["events"]]


def test_streams_are_named_in_what_is_refused(logs: Any, group: str) -> None:
    """A stream that is there already, one that is not, and a group that is not."""
    stream = {"logGroupName": group, "logStreamName": "s"}
    assert refused(logs.create_log_stream, **stream) == (
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    )
    no_stream = ("ResourceNotFoundException", "The specified log stream does not exist.")
    no_group = ("ResourceNotFoundException", "The specified log group does not exist.")
    for call in (logs.get_log_events, logs.delete_log_stream):
        assert refused(call, logGroupName=group, logStreamName="none") == no_stream
        assert refused(call, logGroupName=f"{group}/none", logStreamName="s") == no_group
    assert refused(logs.filter_log_events, logGroupName=group, logStreamNames=["s", "none"]) == no_stream
    assert len(logs.get_log_events(**stream)["events"]) == 3
    logs.delete_log_stream(**stream)
    assert refused(logs.get_log_events, **stream) == no_stream


def test_search_takes_the_streams_that_it_is_told(logs: Any, group: str) -> None:
    """All of them in the order of time, some by their names, or by how they begin."""
    assert found(logs, group) == ["s0", "t0", "s1", "t1", "s2", "t2"]
    assert found(logs, group, logStreamNames=["t"]) == ["t0", "t1", "t2"]
    assert found(logs, group, logStreamNamePrefix="s") == ["s0", "s1", "s2"]
    assert found(logs, group, logStreamNamePrefix="x") == []
    answer = logs.filter_log_events(logGroupIdentifier=group, limit=1)
    assert answer["searchedLogStreams"] == []
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"


def test_search_goes_on_where_its_token_says(logs: Any, group: str) -> None:
    """Page by page; a token that nobody gave is refused."""
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 4}
    )
    assert [[event["message"] for event in page["events"]] for page in pages] == [
        ["s0", "t0", "s1", "t1"],
        ["s2", "t2"],
    ]
    invalid = ("InvalidParameterException", "The specified nextToken is invalid.")
    assert refused(logs.filter_log_events, logGroupName=group, nextToken="none") == invalid


def test_groups_and_streams_are_described_as_on_aws(logs: Any, group: str) -> None:
    """Groups are found by how their names begin or by a part; streams do not tell their size."""
    [described] = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert (described["logGroupClass"], described["deletionProtectionEnabled"]) == ("STANDARD", False)
    [other] = logs.describe_log_groups(logGroupNamePattern=group[10:])["logGroups"]
    assert other["logGroupName"] == group
    assert logs.describe_log_groups(logGroupNamePrefix=group[1:])["logGroups"] == []
    for stream in logs.describe_log_streams(logGroupIdentifier=described["logGroupArn"])["logStreams"]:
        assert stream["storedBytes"] == 0
