"""A Lambda service without a cloud: real boto3 on one side, fakes of the two invokers and of S3 on the other."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from labhelpers.cloud.lambda_service import LambdaService
from labhelpers.cloud.lambda_service_control import ControlPlane
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import AwsError
from labhelpers.functions.package import PackageStore
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.journal import Journal
from labhelpers.model import InvokeRequest, InvokeResult
from tests.deployment_packages import ROLE, make_zip

T = TypeVar("T")


@dataclass
class FakeInvoker:
    """Echoes, as version and payload, what it was asked; `result` answers instead where a test sets it."""

    registry: FunctionRegistry
    calls: list[InvokeRequest] = field(default_factory=list)
    result: InvokeResult | AwsError | None = None

    async def invoke(self, request: InvokeRequest) -> InvokeResult:
        self.calls.append(request)
        resolved = self.registry.resolve(request.function, request.qualifier)
        if isinstance(self.result, AwsError):
            raise self.result
        return self.result or InvokeResult(request.request_id, resolved.executed_version, request.payload)


@dataclass
class FakeQueue:
    """Takes asynchronous events and keeps them."""

    events: list[InvokeRequest] = field(default_factory=list)

    def submit(self, request: InvokeRequest) -> str:
        self.events.append(request)
        return request.request_id


class _Body(io.BytesIO):
    """A body as botocore reads it: whole, or as a stream."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


class InProcessLambda:
    """`client` is boto3's; each of its requests is handled by `service` on this object's own event loop."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.time = 1_700_000_000.0
        self.objects: dict[tuple[str, str], bytes] = {}
        self.journal = Journal()
        self.packages = PackageStore(folder / "packages", journal=self.journal)
        self.registry = FunctionRegistry(self.packages, now=lambda: self.time, journal=self.journal)
        self.invoker = FakeInvoker(self.registry)
        self.queue = FakeQueue()
        self.control = ControlPlane(self.registry, self.packages, self._object)
        self.service = LambdaService(self.control, self.invoker, self.queue)
        self.client = self._client()
        self.raw: list[AwsResponse] = []

    async def _object(self, bucket: str, key: str, version: str) -> bytes:
        if (bucket, key) not in self.objects:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        return self.objects[bucket, key]

    def _client(self) -> BaseClient:
        client = boto3.client(
            "lambda",
            region_name="us-east-1",
            endpoint_url="http://127.0.0.1:1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )
        client.meta.events.register("before-send.lambda", self._send)
        return client

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        headers = {name: _text(value) for name, value in request.headers.items()}
        response = self.send(request.method, request.url, request.body or b"", headers)
        return AWSResponse(request.url, response.status, response.headers, _Body(response.body))

    def send(
        self, method: str, url: str, body: bytes | str = b"", headers: dict[str, str] | None = None
    ) -> AwsResponse:
        """One request as the front door would hand it over."""
        parts = urlsplit(url)
        data = body.encode() if isinstance(body, str) else bytes(body)
        request = AwsRequest(
            method,
            parts.path,
            parts.query,
            headers or {},
            data,
            None,
            "lambda",
            "us-east-1",
            "127.0.0.1",
            f"request-{len(self.invoker.calls)}",
            "127.0.0.1:1",
        )
        response = self.run(self.service.handle(request))
        self.raw.append(response)
        return response

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def create(self, name: str = "echo", **changes: Any) -> dict[str, Any]:
        """A function with the least that it needs, and `changes`."""
        request = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Role": ROLE,
            "Handler": "index.handler",
            "Code": {"ZipFile": make_zip()},
        }
        answer: dict[str, Any] = self.client.create_function(**{**request, **changes})
        return answer

    def close(self) -> None:
        self.run(self.packages.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()


def refusal(work: Callable[..., Any], **request: Any) -> tuple[int, str, str]:
    """Status, code and message of the error that a boto3 call must end in."""
    with pytest.raises(ClientError) as caught:
        work(**request)
    response = caught.value.response
    return (
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Code"],
        response["Error"]["Message"],
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@contextmanager
def in_process_lambda(folder: Path) -> Iterator[InProcessLambda]:
    """An `InProcessLambda` that is closed in the end."""
    lab = InProcessLambda(folder)
    try:
        yield lab
    finally:
        lab.close()
