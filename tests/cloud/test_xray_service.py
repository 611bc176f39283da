"""Traces, read back through X-Ray's API: what functions did in them, and what their own code adds."""

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labhelpers.events.tracing import parse_trace_header
from tests.conftest import Cloud, wait_for
from tests.deployment_packages import make_zip
from tests.gateway.rest.gateway import RestGateway

TRACED = """
import json, os, socket, boto3
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
    header = dict(part.split("=") for part in os.environ["_X_AMZN_TRACE_ID"].split(";"))
    document = {"trace_id": header["Root"], "id": "00000000000000aa", "parent_id": header["Parent"], "name": "work",
                "start_time": 1.0, "end_time": 2.0, "type": "subsegment", "annotations": {"colour": "red"}}
    host, _, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].partition(":")
    line = json.dumps({"format": "json", "version": 1}) + "\\n" + json.dumps(document)
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(line.encode(), (host, int(port)))
    if event.get("next"):
        boto3.client("lambda").invoke(FunctionName=event["next"], Payload=json.dumps({}))
    return header["Root"]
"""


def make(cloud: Cloud, name: str, tracing: str) -> None:
    """A function with a mode of tracing, ready."""
    client = cloud.client("lambda")
    client.create_function(
        FunctionName=name, Runtime="python3.13", Role=f"arn:aws:iam::{cloud.account_id}:role/lab-function-role",
        Handler="index.handler", Code={"ZipFile": make_zip({"index.py": TRACED})}, TracingConfig={"Mode": tracing},
        Timeout=10,
    )  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName=name)


def call(cloud: Cloud, name: str, event: dict[str, Any]) -> Any:
    """The function's answer."""
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def segments(cloud: Cloud, trace_id: str) -> list[dict[str, Any]]:
    """The documents of one trace."""
    traces = cloud.client("xray").batch_get_traces(TraceIds=[trace_id])["Traces"]
    return [json.loads(segment["Document"]) for trace in traces for segment in trace["Segments"]]


def test_a_trace_follows_a_call_through_two_functions(cloud: Cloud) -> None:
    """A traced function calls another: both are in one trace, each below its caller, with what the code sent itself."""
    make(cloud, "traced-first", "Active")
    make(cloud, "traced-second", "PassThrough")
    trace_id = call(cloud, "traced-first", {"next": "traced-second"})
    found = wait_for(lambda: len(s := segments(cloud, trace_id)) == 5 and s, "five segments")
    by_name = {(d["name"], d.get("origin", "")): d for d in found}
    service, code = by_name["traced-first", "AWS::Lambda"], by_name["traced-first", "AWS::Lambda::Function"]
    assert "parent_id" not in service
    assert code["parent_id"] == service["id"]
    assert [part["name"] for part in code["subsegments"]] == ["Initialization", "Invocation", "Overhead"]
    second = by_name["traced-second", "AWS::Lambda"]
    assert second["parent_id"] == code["id"]
    assert by_name["work", ""]["annotations"] == {"colour": "red"}
    graph = cloud.client("xray").get_trace_graph(TraceIds=[trace_id])["Services"]
    edges = {
        (node["Name"], other["Name"])
        for node in graph
        for edge in node["Edges"]
        for other in graph
        if other["ReferenceId"] == edge["ReferenceId"]
    }
    assert ("traced-first", "traced-second") in edges


def test_a_failed_try_is_a_fault_with_its_cause(cloud: Cloud) -> None:
    """Once it is over the summary says that something failed, the function's segment says what."""
    make(cloud, "traced-failing", "Active")
    start = time.time() - 1
    call(cloud, "traced-failing", {"fail": True})

    def summaries() -> list[Any]:
        answer = cloud.client("xray").get_trace_summaries(StartTime=start, EndTime=time.time() + 1)
        mine = [s for s in answer["TraceSummaries"] if s["EntryPoint"]["Name"] == "traced-failing"]
        return [s for s in mine if not s["IsPartial"]]

    (summary,) = wait_for(summaries, "its summary")
    assert (summary["HasFault"], summary["HasError"]) == (True, False)
    code = next(d for d in segments(cloud, summary["Id"]) if d["origin"] == "AWS::Lambda::Function")
    assert code["cause"]["exceptions"][0]["type"] == "ValueError"


def test_what_is_not_traced_is_not_there(cloud: Cloud) -> None:
    """Without Active tracing, or a caller that samples, nothing is kept."""
    make(cloud, "untraced", "PassThrough")
    cloud.client("lambda").invoke(FunctionName="untraced", Payload=b'{"fail": true}')
    now = time.time()
    summaries = cloud.client("xray").get_trace_summaries(StartTime=now - 60, EndTime=now + 1)[
        "TraceSummaries"
    ]
    assert not [s for s in summaries if s["EntryPoint"]["Name"] == "untraced"]


def test_segments_may_be_put_and_bad_ones_are_named(cloud: Cloud) -> None:
    """PutTraceSegments keeps what is whole, and says of the rest what it needs."""
    trace_id = f"1-5759e988-{uuid.uuid4().hex[:24]}"  # No other test sends to it.
    good = {"trace_id": trace_id, "id": "53995c3f42cd8ad8", "name": "mine", "start_time": 1, "end_time": 2}
    answer = cloud.client("xray").put_trace_segments(TraceSegmentDocuments=[json.dumps(good), "{}"])
    assert [refused["ErrorCode"] for refused in answer["UnprocessedTraceSegments"]] == ["InvalidSegment"]
    assert segments(cloud, trace_id) == [good]


def test_what_is_left_out_is_refused(cloud: Cloud) -> None:
    """Filter expressions and groups are refused by name; a time range has to be one."""
    xray, now = cloud.client("xray"), time.time()
    with pytest.raises(ClientError, match="filter expressions"):
        xray.get_trace_summaries(StartTime=now - 1, EndTime=now, FilterExpression="fault")
    with pytest.raises(ClientError, match="NotEmulatedByThisLab"):
        xray.get_groups()
    with pytest.raises(ClientError, match="InvalidRequestException"):
        xray.get_trace_summaries(StartTime=now, EndTime=now - 1)


def test_a_traced_stage_is_where_the_trace_begins(cloud: Cloud) -> None:
    """A REST API's stage with tracing samples, and the function is below it; a caller that says no is not traced."""
    api = RestGateway(cloud).rest_echo("/traced")
    api.patch_stage({"op": "replace", "path": "/tracingEnabled", "value": "true"})
    event = api.ask("/traced").json
    trace_id = parse_trace_header(event["headers"]["X-Amzn-Trace-Id"]).root
    found = wait_for(lambda: len(s := segments(cloud, trace_id)) == 3 and s, "three segments")
    stage, service = (
        next(d for d in found if d["origin"] == o) for o in ("AWS::ApiGateway::Stage", "AWS::Lambda")
    )
    assert stage["http"]["response"]["status"] == 200
    assert service["parent_id"] == stage["id"]
    decided = "Root=1-5759e988-bd862e3fe1be46a994272794;Sampled=0"
    api.ask("/traced", headers={"X-Amzn-Trace-Id": decided})
    assert segments(cloud, "1-5759e988-bd862e3fe1be46a994272794") == []
