"""What API Gateway costs here: HTTP and REST APIs by wrk, WebSocket APIs by one asyncio client.

The floor is a bare aiohttp server that answers the same bytes; the peer runs the same handler.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import boto3
import psutil

from labhelpers import Lab
from tests.bench.table import Row, milliseconds, package

CONNECTIONS = 32
RECEIVERS = 200
OPEN = 1000
ROUNDS, CROWDS = 5, 3
WRK_SECONDS = 3
MESSAGES = 200
HANDLER = """
import json, os, time
import boto3

managers = {}

def handler(event, context):
    context_of_request = event.get("requestContext", {})
    if "connectionId" not in context_of_request:
        return {"statusCode": 200, "body": "ok"}
    if context_of_request.get("eventType") != "MESSAGE":
        return {"statusCode": 200}
    message = json.loads(event["body"])
    if message.get("sleep"):
        time.sleep(message["sleep"])
    if message.get("to"):
        address = os.environ.get("MANAGEMENT") or f"https://{context_of_request['domainName']}/{context_of_request['stage']}"
        if address not in managers:
            managers[address] = boto3.client("apigatewaymanagementapi", endpoint_url=address)
        for connection in message["to"]:
            managers[address].post_to_connection(ConnectionId=connection, Data=b"news")
    if message.get("who"):
        return {"statusCode": 200, "body": context_of_request["connectionId"]}
    return {"statusCode": 200, "body": "reply"}
"""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where one side answers: a route of an HTTP API, of a REST API, and a WebSocket API."""

    http: str
    rest: str
    websocket: str


def addresses_of(lab: Lab) -> Addresses:
    """Make the three APIs in a lab, all in front of one function."""
    functions, v1, v2 = (boto3.client(name) for name in ("lambda", "apigateway", "apigatewayv2"))
    arn = functions.create_function(
        FunctionName="api",
        Runtime="python3.13",
        Role=lab.role_arn,
        Handler="index.handler",
        Code={"ZipFile": package(HANDLER)},
        Timeout=20,
        MemorySize=1769,  # A whole core: the peer gives its functions no less.
    )["FunctionArn"]
    functions.add_permission(
        FunctionName="api",
        StatementId="gateway",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    uri = f"arn:aws:apigateway:{lab.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
    return Addresses(_http_api(v2, arn), _rest_api(v1, lab, uri), _websocket_api(v2, uri))


def _http_api(client: Any, arn: str) -> str:
    api = client.create_api(Name="bench", ProtocolType="HTTP")
    integration = client.create_integration(
        ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    client.create_route(ApiId=api["ApiId"], RouteKey="GET /one", Target=f"integrations/{integration}")
    client.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    return f"{api['ApiEndpoint']}/one"


def _rest_api(client: Any, lab: Lab, uri: str) -> str:
    api = client.create_rest_api(name="bench")["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    resource = client.create_resource(restApiId=api, parentId=root, pathPart="one")["id"]
    method = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
    client.put_method(**method, authorizationType="NONE")
    client.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    client.create_deployment(restApiId=api, stageName="dev")
    return f"{lab.endpoint_url}/_aws/execute-api/{api}/dev/one"


def _websocket_api(client: Any, uri: str) -> str:
    api = client.create_api(
        Name="bench-ws", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    integration = client.create_integration(
        ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=uri, IntegrationMethod="POST"
    )["IntegrationId"]
    for key in ("$connect", "$disconnect", "$default"):
        more = {"RouteResponseSelectionExpression": "$default"} if key == "$default" else {}
        route = client.create_route(
            ApiId=api["ApiId"], RouteKey=key, Target=f"integrations/{integration}", **more
        )
        if more:
            client.create_route_response(
                ApiId=api["ApiId"], RouteId=route["RouteId"], RouteResponseKey="$default"
            )
    client.create_stage(ApiId=api["ApiId"], StageName="dev", AutoDeploy=True)
    return f"{api['ApiEndpoint']}/dev"


async def median_of_requests(url: str, count: int = 300) -> float:
    """Seconds of a request on one kept connection."""
    async with aiohttp.ClientSession() as session:
        found = []
        for number in range(count + 50):
            start = time.perf_counter()
            async with session.get(url) as answer:
                await answer.read()
                assert answer.status == 200, (url, answer.status, await answer.text())
            if number >= 50:
                found.append(time.perf_counter() - start)
        return statistics.median(found)


def requests_per_second(url: str) -> float:
    """By wrk, with 32 connections; 0 where wrk is missing."""
    if not shutil.which("wrk"):
        return 0.0
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", url]
    subprocess.run([*command[:3], "-d1s", url], capture_output=True, check=True)  # Warm up.
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx.*?(\d+)", said)
    assert failed is None, f"{url}: {failed[1] if failed else ''} answers were no 200"
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]


async def route_response(url: str) -> float:
    """Seconds from a message to its route response, median."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        found = []
        for number in range(MESSAGES + 20):
            start = time.perf_counter()
            await socket.send_str("{}")
            await socket.receive_str(timeout=10)
            if number >= 20:
                found.append(time.perf_counter() - start)
        return statistics.median(found)


async def open_many(
    session: aiohttp.ClientSession, url: str, count: int
) -> list[aiohttp.ClientWebSocketResponse]:
    """So many connections, 32 handshakes at a time."""
    gate = asyncio.Semaphore(CONNECTIONS)

    async def one() -> aiohttp.ClientWebSocketResponse:
        async with gate:
            return await session.ws_connect(url)

    return await asyncio.gather(*(one() for _ in range(count)))


async def crowd(url: str) -> tuple[float, float, float]:
    """Seconds: to open 200 connections, to reach 200 receivers, and for four 1 s handlers at once."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        start = time.perf_counter()
        sockets = await open_many(session, url, RECEIVERS)
        opened = time.perf_counter() - start
        names = []
        for socket in sockets:
            await socket.send_str(json.dumps({"who": True}))
            names.append(await socket.receive_str(timeout=10))
        reached = []
        for _ in range(3):
            start = time.perf_counter()
            await sockets[0].send_str(json.dumps({"to": names[1:]}))
            await asyncio.gather(*(socket.receive_str(timeout=20) for socket in sockets[1:]))
            reached.append(time.perf_counter() - start)
            await sockets[0].receive_str(timeout=20)
        start = time.perf_counter()
        for socket in sockets[1:5]:
            await socket.send_str(json.dumps({"sleep": 1}))
        await asyncio.gather(*(socket.receive_str(timeout=20) for socket in sockets[1:5]))
        at_once = time.perf_counter() - start
        await asyncio.gather(*(socket.close() for socket in sockets))
        return opened, statistics.median(reached[1:]), at_once


async def memory_a_connection(lab: Lab, url: str) -> float:
    """Bytes of the cloud's memory that each of 1,000 open connections takes."""
    process = psutil.Process(lab.pid)
    before = process.memory_full_info().uss
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        sockets: list[aiohttp.ClientWebSocketResponse] = []
        while len(sockets) < OPEN:
            sockets += await open_many(session, url, OPEN // 5)
            await asyncio.sleep(0.5)  # AWS: 500 new connections a second.
        held = (process.memory_full_info().uss - before) / OPEN
        assert not [socket for socket in sockets if socket.closed]
        await asyncio.gather(*(socket.close() for socket in sockets))
    return held


def in_turns(action: Callable[[str], float], urls: Sequence[str]) -> list[float]:
    """The median of each address over some rounds, so that the machine's moods hit all alike."""
    rounds = [[action(url) for url in urls] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def measure(own: Addresses, peer: Addresses | None, floor_url: str) -> list[Row]:
    """All lines of the table but the memory."""
    rows = []

    def add(
        name: str, action: Callable[[str], float], show: Callable[[float], str], what: str, target: str
    ) -> None:
        sides = [getattr(side, what) for side in (own, peer) if side]
        floors = [] if what == "websocket" else [floor_url]
        found = [show(value) for value in in_turns(action, [*sides, *floors])]
        other = found[1] if peer else "not measured"
        rows.append(Row(name, found[0], found[-1] if floors else "", other, target))

    def count(value: float) -> str:
        return f"{value:.0f}/s" if value else "no wrk here"

    def median(url: str) -> float:
        return asyncio.run(median_of_requests(url))

    for name, what in (("HTTP API", "http"), ("REST API", "rest")):
        add(f"{name} to a function, kept connection", median, milliseconds, what, "<= peer")
        add(f"{name}, {CONNECTIONS} connections", requests_per_second, count, what, ">= peer")
    add(
        "WebSocket route response",
        lambda url: asyncio.run(route_response(url)),
        milliseconds,
        "websocket",
        "<= peer",
    )
    crowds = [[asyncio.run(crowd(side.websocket)) for side in (own, peer) if side] for _ in range(CROWDS)]
    names = (
        (f"{RECEIVERS} connections opened, $connect each", "< 1.3 s"),
        (f"message to {RECEIVERS - 1} receivers by @connections", "<= peer"),
        ("four 1 s handlers at once", "<= peer"),
    )
    for number, (name, target) in enumerate(names):
        found = [
            milliseconds(statistics.median(times[number] for times in side))
            for side in zip(*crowds, strict=True)
        ]
        rows.append(Row(name, found[0], "", found[1] if peer else "not measured", target))
    return rows


def floor_server() -> tuple[subprocess.Popen[str], str]:
    """A bare aiohttp server in a process of its own, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.bare_aiohttp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{process.stdout.readline().strip()}/one"


def run(peer: Addresses | None) -> list[Row]:
    """The gateways' part of `make bench`."""
    process, floor_url = floor_server()
    try:
        with Lab() as lab:
            own = addresses_of(lab)
            rows = measure(own, peer, floor_url)
            held = asyncio.run(memory_a_connection(lab, own.websocket))
        rows.append(
            Row(f"{OPEN} open connections held, memory of each", f"{held / 1024:.0f} KiB", "", "", "reported")
        )
        return rows
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(5)
