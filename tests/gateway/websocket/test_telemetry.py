"""What is recorded of WebSocket APIs: access logs, execution logs, metrics, the journal."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import wait_for
from tests.gateway.http_api.gateway import Gateway
from tests.gateway.websocket.websocket_lab import WebSocketApi, make_api, seeing_api

FORMAT = json.dumps(
    {
        name: f"$context.{name}"
        for name in (
            "requestId eventType routeKey status connectionId apiId stage identity.sourceIp error.message "
            "integrationStatus integrationErrorMessage"
        ).split()
    }
)


def lines_of(gateway: Gateway, group: str, count: int) -> list[str]:
    """The lines of a log group, when there are so many."""
    logs = gateway.cloud.client("logs")

    def read() -> list[str] | None:
        try:
            events = logs.filter_log_events(logGroupName=group)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return [each["message"] for each in events] if len(events) >= count else None

    found: list[str] = wait_for(read, f"{count} lines in {group}")
    return found


def talk(api: WebSocketApi, *messages: str) -> None:
    """Connect, send messages, wait for their answers, and close."""
    with api.connected() as client:
        for message in messages:
            client.send(message)
            client.recv()
    api.wait_for_journal("websocket.disconnected")


# --- Access logs ---


def test_access_log_has_a_line_for_every_event(gateway: Gateway, seeing: str) -> None:
    """With what `$context` knows of it."""
    group = f"access-{int(time.time() * 1000)}"
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"
    api = seeing_api(gateway, seeing)
    gateway.apis.update_stage(
        ApiId=api.id, StageName="dev", AccessLogSettings={"DestinationArn": arn, "Format": FORMAT}
    )
    talk(api, "fine", "explode")
    found = [json.loads(line) for line in lines_of(gateway, group, 4)]
    assert [(each["eventType"], each["routeKey"], each["status"]) for each in found] == [
        ("CONNECT", "$connect", "200"),
        ("MESSAGE", "$default", "200"),
        ("MESSAGE", "$default", "502"),
        ("DISCONNECT", "$disconnect", "200"),
    ]
    assert {each["connectionId"] for each in found} == {api.connection_id()}
    assert {each["apiId"] for each in found} == {api.id} and found[0]["identity.sourceIp"] == "127.0.0.1"
    assert found[2]["error.message"] == "Internal server error"
    assert "ValueError" in found[2]["integrationErrorMessage"]
    assert found[1]["error.message"] == "-" and len({each["requestId"] for each in found}) == 4


# --- Execution logs ---


def test_execution_log_says_why_and_the_client_does_not_hear(gateway: Gateway) -> None:
    """A bad template's error is for whoever made it."""
    api = make_api(gateway)
    integration = api.integration("MOCK", RequestTemplates={"$default": "#set($secret = "})
    api.route("$default", integration, replies=True)
    api.stage(DefaultRouteSettings={"LoggingLevel": "ERROR"})
    with api.connected() as client:
        client.send("x")
        assert "set" not in client.recv()
    (line,) = lines_of(gateway, f"/aws/apigateway/{api.id}/dev", 1)
    assert "Execution failed due to configuration error" in line and line.startswith("(")


def test_execution_log_follows_its_level(gateway: Gateway, seeing: str) -> None:
    """INFO has every step, bodies only with data trace; OFF has nothing."""
    api = seeing_api(gateway, seeing)
    gateway.apis.update_stage(
        ApiId=api.id,
        StageName="dev",
        DefaultRouteSettings={"LoggingLevel": "INFO", "DataTraceEnabled": True},
    )
    talk(api, "look at me")
    text = "\n".join(lines_of(gateway, f"/aws/apigateway/{api.id}/dev", 8))
    assert "Selected route: $default" in text and "Request body: look at me" in text
    assert "Integration completed with status: 200" in text
    quiet = seeing_api(gateway, seeing)
    talk(quiet, "x")
    groups = gateway.cloud.client("logs").describe_log_groups(
        logGroupNamePrefix=f"/aws/apigateway/{quiet.id}"
    )
    assert groups["logGroups"] == []


def test_route_has_a_level_of_its_own(gateway: Gateway, seeing: str) -> None:
    """It comes before the stage's, and so does its data trace."""
    api = seeing_api(gateway, seeing, "$default", "join", "loud")
    gateway.apis.update_stage(
        ApiId=api.id,
        StageName="dev",
        DefaultRouteSettings={"LoggingLevel": "INFO"},
        RouteSettings={"join": {"LoggingLevel": "OFF"}, "loud": {"DataTraceEnabled": True}},
    )
    talk(api, '{"action": "join"}', "plain", '{"action": "loud"}')
    text = "\n".join(lines_of(gateway, f"/aws/apigateway/{api.id}/dev", 8))
    assert "Selected route: $default" in text and "Selected route: loud" in text
    assert "Selected route: join" not in text
    assert 'Request body: {"action": "loud"}' in text and "plain" not in text


def test_missing_permission_is_explained_in_the_execution_log(gateway: Gateway) -> None:
    """The client only hears that something is wrong."""
    api = make_api(gateway)
    api.route("$default", api.integration(uri=gateway.function(allow=False)))
    api.stage(DefaultRouteSettings={"LoggingLevel": "ERROR"})
    with api.connected() as client:
        client.send("x")
        assert json.loads(client.recv())["message"] == "Internal server error"
    assert "add_permission" in lines_of(gateway, f"/aws/apigateway/{api.id}/dev", 1)[0]


# --- Metrics ---


def sums(gateway: Gateway, name: str, **dimensions: str) -> float:
    """The sum of a metric over the last hour."""
    now = datetime.now(UTC)
    found = gateway.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApiGateway",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=5),
        Period=3600,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    return float(sum(each["Sum"] for each in found))


def test_metrics_count_what_happens(gateway: Gateway, seeing: str) -> None:
    """By API, by stage, and by route where that is asked for."""
    api = seeing_api(gateway, seeing, "$connect", "$disconnect", "join")
    detailed = {"$connect": {"DetailedMetricsEnabled": True}}
    gateway.apis.update_stage(ApiId=api.id, StageName="dev", RouteSettings=detailed)
    talk(api, '{"action": "join"}', '{"action": "join", "explode": 1}', "no route")
    assert sums(gateway, "ConnectCount", ApiId=api.id) == 1
    assert sums(gateway, "ConnectCount", ApiId=api.id, Stage="dev") == 1
    assert sums(gateway, "ConnectCount", ApiId=api.id, Stage="dev", Route="$connect") == 1
    # Two messages and `$disconnect` in, three answers out.
    assert sums(gateway, "MessageCount", ApiId=api.id) == 6
    assert sums(gateway, "IntegrationError", ApiId=api.id) == 1
    assert sums(gateway, "ClientError", ApiId=api.id) == 1
    assert sums(gateway, "ExecutionError", ApiId=api.id) == 0
    assert sums(gateway, "IntegrationLatency", ApiId=api.id) > 0


def test_integration_that_cannot_be_called_is_an_execution_error(gateway: Gateway) -> None:
    """It never ran."""
    api = make_api(gateway)
    api.route("$default", api.integration(uri=gateway.function(allow=False)))
    api.stage()
    with api.connected() as client:
        client.send("x")
        client.recv()
    api.wait_for_journal("websocket.message")
    assert sums(gateway, "ExecutionError", ApiId=api.id) == 1
    assert sums(gateway, "IntegrationError", ApiId=api.id) == 0


def test_posts_are_messages_too(gateway: Gateway, seeing: str) -> None:
    """What @connections sends counts."""
    api = seeing_api(gateway, seeing, "$default")
    with api.connected() as client:
        api.management().post_to_connection(ConnectionId=api.connection_id(), Data=b"x")
        client.recv()
    assert sums(gateway, "MessageCount", ApiId=api.id) == 1


# --- The journal ---


@pytest.fixture
def story(gateway: Gateway, seeing: str) -> list[dict[str, Any]]:
    """The journal's entries of one client that sent one message and got two."""
    api = seeing_api(gateway, seeing)
    with api.connected() as client:
        client.send("hello")
        client.recv()
        api.management().post_to_connection(ConnectionId=api.connection_id(), Data=b"hi")
        client.recv()
    api.wait_for_journal("websocket.disconnected")
    return api.journal("websocket")


def test_journal_tells_the_story_of_a_connection(story: list[dict[str, Any]]) -> None:
    """In order, each entry with its API, connection and route."""
    assert [entry["kind"] for entry in story] == [
        "websocket.connected",
        "websocket.sent",
        "websocket.message",
        "websocket.sent",
        "websocket.disconnected",
    ]
    details = [entry["detail"] for entry in story]
    assert len({detail["connection"] for detail in details}) == 1
    assert len({detail["api"] for detail in details}) == 1
    assert [detail["route"] for detail in details] == ["$connect", "$default", "$default", "", "$disconnect"]
    assert [detail.get("by") for detail in details] == [None, "route", None, "@connections", None]
    assert details[2]["size"] == 5 and details[2]["integration_ms"] > 0


def test_reply_and_message_share_their_request(story: list[dict[str, Any]]) -> None:
    """So a view can tie them together."""
    assert story[1]["request_id"] == story[2]["request_id"] != story[3]["request_id"]
