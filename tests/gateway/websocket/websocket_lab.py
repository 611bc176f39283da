"""WebSocket APIs in a real cloud: APIs made with boto3, clients that are not ours, and what functions saw."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import websocket
from botocore.config import Config

from tests.conftest import wait_for
from tests.gateway.http_api.gateway import Gateway

PATIENCE_S = 15.0

# Keeps the events of a warm environment, newest last, and gives them to whoever asks by `{"action": "seen"}`.
SEEING = """
import json
def handler(event, context):
    print("EVENT " + json.dumps(event))
    query = event.get("queryStringParameters") or {}
    key = event["requestContext"]["routeKey"]
    if key == "$connect":
        if query.get("fail"):
            raise ValueError("no entry")
        answer = {"statusCode": int(query.get("status", 200))}
        offered = event["headers"].get("Sec-WebSocket-Protocol", "")
        if offered:
            answer["headers"] = {"Sec-WebSocket-Protocol": offered.split(",")[-1].strip()}
        return answer
    body = event.get("body") or ""
    if "explode" in body:
        raise ValueError("exploded")
    if "malformed" in body:
        return {"foo": "bar"}
    if "nothing" in body:
        return None
    if "refuse" in body:
        return {"statusCode": 500, "body": "refused"}
    return {"statusCode": 200, "body": key + ":" + body}
"""


@dataclass
class WebSocketApi:
    """One API with a stage `dev` that deploys by itself."""

    gateway: Gateway
    id: str
    endpoint: str
    integrations: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of the stage."""
        return f"{self.endpoint}/dev"

    @property
    def management_url(self) -> str:
        """The address of @connections."""
        return self.url.replace("ws://", "http://")

    def integration(self, kind: str = "AWS_PROXY", uri: str = "", **settings: Any) -> str:
        """The id of a new integration; a function's ARN becomes the URI of its invocation."""
        if uri.startswith("arn:aws:lambda:"):
            uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{uri}/invocations"
        given = {"IntegrationUri": uri} if uri else {}
        made = self.gateway.apis.create_integration(ApiId=self.id, IntegrationType=kind, **given, **settings)
        return str(made["IntegrationId"])

    def route(self, key: str, integration: str = "", *, replies: bool = False, **settings: Any) -> str:
        """The id of a new route; `replies` gives it a route response."""
        target = {"Target": f"integrations/{integration}"} if integration else {}
        if replies:
            settings["RouteResponseSelectionExpression"] = "$default"
        made = self.gateway.apis.create_route(ApiId=self.id, RouteKey=key, **target, **settings)
        if replies:
            self.gateway.apis.create_route_response(
                ApiId=self.id, RouteId=made["RouteId"], RouteResponseKey="$default"
            )
        return str(made["RouteId"])

    def authorizer(self, function: str, *sources: str) -> str:
        """The id of a new REQUEST authorizer."""
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
        made = self.gateway.apis.create_authorizer(
            ApiId=self.id,
            Name="authorizer",
            AuthorizerType="REQUEST",
            AuthorizerUri=uri,
            IdentitySource=list(sources),
        )
        return str(made["AuthorizerId"])

    def stage(self, name: str = "dev", **settings: Any) -> None:
        """A stage that deploys by itself unless told otherwise."""
        self.gateway.apis.create_stage(ApiId=self.id, StageName=name, **{"AutoDeploy": True, **settings})

    @contextlib.contextmanager
    def connected(self, query: str = "", **options: Any) -> Iterator[websocket.WebSocket]:
        """A client of the stage."""
        client = self.connect(query, **options)
        try:
            yield client
        finally:
            client.close(timeout=1)

    def connect(self, query: str = "", *, url: str = "", **options: Any) -> websocket.WebSocket:
        """A client of the stage; it is the caller's to close it."""
        return websocket.create_connection(
            (url or self.url) + (f"?{query}" if query else ""), timeout=PATIENCE_S, **options
        )

    def refusal(self, query: str = "", **options: Any) -> tuple[int, Any]:
        """Status and body of a handshake that fails."""
        try:
            self.connect(query, **options).close()
        except websocket.WebSocketBadStatusException as error:
            body = error.resp_body or b""
            try:
                return error.status_code, json.loads(body)
            except ValueError:
                return error.status_code, body
        raise AssertionError("the handshake was accepted")

    def management(self, url: str | None = None) -> Any:
        """A boto3 client for @connections; `url` "" is that of the cloud itself."""
        if url == "":
            return self.gateway.cloud.client("apigatewaymanagementapi")
        cloud = self.gateway.cloud
        return boto3.session.Session().client(
            "apigatewaymanagementapi",
            endpoint_url=url or self.management_url,
            region_name=cloud.region,
            config=Config(retries={"total_max_attempts": 1}),
            **cloud.keys,
        )

    def journal(self, kind: str = "websocket", since: int = 0) -> list[dict[str, Any]]:
        """What the journal has of this API."""
        entries = self.gateway.cloud.journal(since, kind)
        return [entry for entry in entries if f":{self.id}/" in entry["resource"]]

    def wait_for_journal(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """The entries of that kind, when there are so many."""
        found: list[dict[str, Any]] = wait_for(
            lambda: entries if len(entries := self.journal(kind)) >= count else None, f"{count} {kind}"
        )
        return found

    def connection_id(self) -> str:
        """The id of the client that connected last."""
        return str(self.wait_for_journal("websocket.connected")[-1]["detail"]["connection"])


def make_api(gateway: Gateway, **settings: Any) -> WebSocketApi:
    """A new WebSocket API without routes and stages."""
    expression = settings.pop("RouteSelectionExpression", "$request.body.action")
    made = gateway.apis.create_api(
        Name="test", ProtocolType="WEBSOCKET", RouteSelectionExpression=expression, **settings
    )
    return WebSocketApi(gateway, made["ApiId"], made["ApiEndpoint"])


def seeing_api(
    gateway: Gateway, function: str, *keys: str, replies: bool = True, **settings: Any
) -> WebSocketApi:
    """An API all of whose routes have that function behind them."""
    api = make_api(gateway, **settings)
    integration = api.integration(uri=function)
    for key in keys or ("$connect", "$disconnect", "$default", "join"):
        api.route(key, integration, replies=replies and key not in ("$connect", "$disconnect"))
    api.stage()
    return api


def events_of(gateway: Gateway, function: str, count: int) -> list[dict[str, Any]]:
    """The events that a function has printed, when there are so many."""
    group = f"/aws/lambda/{function.rpartition(':')[2]}"
    logs = gateway.cloud.client("logs")

    def read() -> list[dict[str, Any]] | None:
        try:
            events = logs.filter_log_events(logGroupName=group, filterPattern="EVENT")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        found = [json.loads(each["message"].partition("EVENT ")[2]) for each in events]
        return found if len(found) >= count else None

    found: list[dict[str, Any]] = wait_for(read, f"{count} events")
    return found
