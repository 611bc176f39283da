"""The front door in this process, in front of services that fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from labhelpers.clock import Clock
from labhelpers.cloud.authentication import Authenticator
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.front_door import FrontDoor, NoDataPlane
from labhelpers.cloud.journal_stream import LabPages
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import AwsError, LabError
from labhelpers.journal import Journal
from labhelpers.model import Account


class DataPlane:
    """A gateway that says what came to it."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=f"{request.method} {request.raw_path} {(await request.read()).decode()}")


class Door:
    """A front door with services of a test's own."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.keys = Keys(Account())
        self.seen: list[AwsRequest] = []
        self.error: Exception | None = None
        authenticator = Authenticator(self.keys, "us-east-1")
        pages = LabPages(self.keys, authenticator, self.journal, Clock())
        handlers = {"lambda": self.serve}
        self.door = FrontDoor(
            authenticator,
            self.serve,
            handlers,
            pages,
            self.journal,
            region="us-east-1",
            data_plane=DataPlane(),
        )

    async def serve(self, request: AwsRequest) -> AwsResponse:
        self.seen.append(request)
        if self.error is not None:
            raise self.error
        return AwsResponse(200, {"Content-Type": "text/plain"}, b"fine")

    async def start(self) -> None:
        self.address = f"http://127.0.0.1:{await self.door.start()}"

    async def call(
        self, service: str, method: str = "POST", path: str = "/", body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """A signed call: status, headers and body of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, f"{self.address}{path}", named, body)
        keys = Credentials(self.keys.lab.access_key_id, self.keys.lab.secret_access_key)
        (S3SigV4Auth if service == "s3" else SigV4Auth)(keys, service, "us-east-1").add_auth(request)
        async with ClientSession() as session:
            url = URL(f"{self.address}{path}", encoded=True)
            answer = await session.request(method, url, data=body, headers=dict(request.headers.items()))
            return answer.status, {n.lower(): v for n, v in answer.headers.items()}, await answer.read()


@asynccontextmanager
async def running() -> AsyncIterator[Door]:
    """A front door that is closed at the end."""
    made = Door()
    await made.start()
    try:
        yield made
    finally:
        await made.door.close()


@pytest.mark.parametrize(
    ("service", "headers", "words"),
    [
        ("s3", {}, b"<Code>InternalError</Code>"),
        ("sts", {}, b"<Code>InternalFailure</Code>"),
        ("dynamodb", {"X_Amz_Target": "DynamoDB_20120810.GetItem"}, b'"__type": "InternalFailure"'),
        ("lambda", {}, b"The lab itself failed"),
    ],
)
async def test_unforeseen_failure_is_an_answer_and_a_journal_entry(
    service: str, headers: dict[str, str], words: bytes
) -> None:
    """In the service's own form, with the traceback where the learner's teacher finds it; the door stays open."""
    async with running() as door:
        door.error = RuntimeError("not foreseen")
        status, names, body = await door.call(service, path="/x/y", **headers)
        assert status == 500
        assert words in body and b"not foreseen" in body
        assert names.get("x-amzn-requestid") or names.get("x-amz-request-id")
        failure = door.journal.since(0, "failure")[0]
        assert "RuntimeError" in failure.detail["traceback"]
        door.error = None
        assert (await door.call(service, path="/x/y", **headers))[0] == 200


async def test_services_error_is_worded_for_the_caller() -> None:
    """With its status and its further members."""
    async with running() as door:
        door.error = AwsError("TooManyRequestsException", "Rate Exceeded.", 429, fields={"Reason": "Limit"})
        status, names, body = await door.call("lambda", path="/2015-03-31/functions/f/invocations")
        assert (status, names["x-amzn-errortype"]) == (429, "TooManyRequestsException")
        assert json.loads(body) == {"Reason": "Limit", "message": "Rate Exceeded."}


async def test_request_reaches_its_service_as_it_was_sent() -> None:
    """Path and query are raw, the body is whole, and it is known who called."""
    async with running() as door:
        await door.call(
            "lambda", "POST", "/2015-03-31/functions/a%3Ab/invocations?Qualifier=x%20y", b"payload"
        )
        request = door.seen[0]
        assert (request.path, request.query) == ("/2015-03-31/functions/a%3Ab/invocations", "Qualifier=x%20y")
        assert (request.body, request.service, request.region) == (b"payload", "lambda", "us-east-1")
        assert request.credentials == door.keys.lab
        assert request.source_ip == "127.0.0.1"


async def test_gateways_answer_their_own_addresses() -> None:
    """Public requests, and calls of the management API, are the data plane's with body and all."""
    async with running() as door:
        async with ClientSession() as session:
            url = URL(f"{door.address}/_aws/execute-api/abc/dev/x%20y?q=1", encoded=True)
            answer = await session.post(url, data=b"hello")
            assert await answer.text() == "POST /_aws/execute-api/abc/dev/x%20y?q=1 hello"
        _, _, body = await door.call("execute-api", path="/dev/@connections/x", body=b"message")
        assert body == b"POST /dev/@connections/x message"
        assert door.seen == []


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("/_aws/execute-api/abc123/dev/pets", ""),
        ("/_aws/lambda-url/abc123/", ""),
        ("/dev/pets", "abc123.execute-api.localhost"),
        ("/", "abc123.lambda-url.us-east-1.localhost"),
    ],
)
async def test_without_a_gateway_its_addresses_say_so(target: str, host: str) -> None:
    """They are public, and name what is missing."""
    async with running() as door, ClientSession() as session:
        door.door.data_plane = NoDataPlane()
        answer = await session.get(f"{door.address}{target}", headers={"Host": host} if host else {})
        assert answer.status == 501
        assert "data plane" in await answer.text()


async def test_caller_who_leaves_is_noticed() -> None:
    """A service that waits can see that nobody does so any more."""
    async with running() as door:
        waiting = asyncio.Event()
        left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        async def wait(request: AwsRequest) -> AwsResponse:
            waiting.set()
            while request.alive():  # noqa: ASYNC110 - a connection's end is no event
                await asyncio.sleep(0.01)
            left.set_result(True)
            return AwsResponse(200)

        door.door._handlers = {"lambda": wait}
        call = asyncio.create_task(door.call("lambda", path="/2015-03-31/functions/f/invocations"))
        await asyncio.wait_for(waiting.wait(), 5)
        call.cancel()
        assert await asyncio.wait_for(left, 5)


async def test_port_in_use_is_named() -> None:
    """With the way out."""
    async with running() as door:
        other = Door()
        with pytest.raises(LabError, match="choose another port"):
            await other.door.start(int(door.address.rpartition(":")[2]))
