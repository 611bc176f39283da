"""The peer that runs without Docker and serves Lambda's own API: serverless-offline (npm package osls, no login)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import platformdirs

from tests.bench import gateways
from tests.bench.bare_runtime_api import HANDLER

FUNCTION = "bench-dev-one"
NODE_FUNCTION = "bench-dev-node"
_CONFIG = """
service: bench
frameworkVersion: '*'
provider:
  name: aws
  runtime: python3.{minor}
  websocketsApiRouteSelectionExpression: $request.body.action
plugins: [serverless-offline]
functions:
  one:
    handler: index.handler
  node:
    handler: node.handler
    runtime: nodejs20.x
  api:
    handler: api.handler
    timeout: 20
    environment:
      MANAGEMENT: http://localhost:{websocket}
      AWS_ACCESS_KEY_ID: peer
      AWS_SECRET_ACCESS_KEY: peer
      AWS_DEFAULT_REGION: us-east-1
    events:
      - httpApi: 'GET /one'
      - http: 'GET /rest'
      - websocket: {{route: $connect}}
      - websocket: {{route: $disconnect}}
      - websocket: {{route: $default, routeResponseSelectionExpression: $default}}
custom:
  serverless-offline:
    httpPort: {http}
    lambdaPort: {port}
    websocketPort: {websocket}
    noTimeout: true
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where the peer answers: its Lambda API, and the three kinds of API."""

    functions: str
    gateways: gateways.Addresses


def why_not() -> str:
    """Why the peer can't be measured here; empty if it can."""
    return "" if shutil.which("npm") else "npm is not on this machine"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serverless_offline() -> Iterator[Peer]:
    """The peer, running."""
    folder = platformdirs.user_cache_path("labhelpers") / "bench-peer"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "serverless-offline").exists():
        (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
        subprocess.run(
            ["npm", "install", "--silent", "osls", "serverless-offline"], cwd=folder, check=True, timeout=300
        )
    port, http, websocket = _free_port(), _free_port(), _free_port()
    (folder / "api.py").write_text(gateways.HANDLER, encoding="utf-8")
    (folder / "index.py").write_text(HANDLER, encoding="utf-8")
    (folder / "node.js").write_text("exports.handler = async (event) => event;\n", encoding="utf-8")
    (folder / "serverless.yml").write_text(
        _CONFIG.format(minor=sys.version_info.minor, http=http, port=port, websocket=websocket),
        encoding="utf-8",
    )
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [str(folder / "node_modules" / ".bin" / "osls"), "offline", "start"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield Peer(
            f"http://127.0.0.1:{port}",
            gateways.Addresses(
                f"http://127.0.0.1:{http}/one",
                f"http://127.0.0.1:{http}/dev/rest",
                f"ws://127.0.0.1:{websocket}",
            ),
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def client(endpoint: str) -> object:
    """A boto3 Lambda client for the peer."""
    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="peer",
        aws_secret_access_key="peer",
    )
