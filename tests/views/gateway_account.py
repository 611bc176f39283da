"""APIs of a real lab for the tests of the consoles: the function echo behind one of each kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

from labhelpers import Lab, deploy_function

ECHO = """
import json

def handler(event, context):
    if event["requestContext"].get("routeKey") == "$connect" and "refuse" in (event.get("queryStringParameters") or {}):
        return {"statusCode": 403}
    return {"statusCode": 200, "headers": {"X-Shown": "<b>bold</b>"}, "body": json.dumps({"got": event.get("body")})}
"""


@contextlib.contextmanager
def using(service: str) -> Iterator[Any]:
    """A client of boto3 that is closed after use."""
    with contextlib.closing(boto3.client(service)) as client:
        yield client


def deploy_echo(lab: Lab, folder: Path) -> str:
    """The function that answers with what it was sent; any gateway may call it."""
    file = folder / "echo.py"
    file.write_text(ECHO, encoding="utf-8")
    arn = deploy_function("echo", file, lab.role_arn)
    with using("lambda") as functions:
        functions.add_permission(
            FunctionName="echo",
            StatementId="any",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
    return arn


def make_rest_api(lab: Lab, arn: str) -> str:
    """The REST API `desk`, stage dev with an execution log: POST /parcels/{id}, and GET /parcels/{id} with a key."""
    uri = f"arn:aws:apigateway:{lab.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
    with using("apigateway") as apis:
        api = apis.create_rest_api(name="desk")
        where = {"restApiId": api["id"]}
        parent = api["rootResourceId"]
        for part in ("parcels", "{id}"):
            parent = apis.create_resource(**where, parentId=parent, pathPart=part)["id"]
        for method in ("POST", "GET"):
            place = {**where, "resourceId": parent, "httpMethod": method}
            apis.put_method(**place, authorizationType="NONE", apiKeyRequired=method == "GET")
            apis.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        apis.create_deployment(**where, stageName="dev")
        log = {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}
        apis.update_stage(**where, stageName="dev", patchOperations=[log])
    return str(api["id"])


def make_http_api(arn: str) -> str:
    """The HTTP API `shop`, with nothing but $default."""
    with using("apigatewayv2") as gateway:
        return str(gateway.create_api(Name="shop", ProtocolType="HTTP", Target=arn)["ApiId"])


def make_websocket_api(lab: Lab, arn: str) -> str:
    """The WebSocket API `chat`, stage live, which answers each message; its address."""
    uri = f"arn:aws:apigateway:{lab.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
    with using("apigatewayv2") as gateway:
        api = gateway.create_api(
            Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )
        where = {"ApiId": api["ApiId"]}
        made = gateway.create_integration(**where, IntegrationType="AWS_PROXY", IntegrationUri=uri)
        target = {"Target": f"integrations/{made['IntegrationId']}"}
        gateway.create_route(**where, RouteKey="$connect", **target)
        route = gateway.create_route(
            **where, RouteKey="$default", RouteResponseSelectionExpression="$default", **target
        )
        gateway.create_route_response(**where, RouteId=route["RouteId"], RouteResponseKey="$default")
        gateway.create_stage(**where, StageName="live", AutoDeploy=True)
    return f"{api['ApiEndpoint']}/live"
