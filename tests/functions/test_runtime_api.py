"""The Runtime API as hand-written runtimes use it: rightly, wrongly, slowly, in pieces."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from labhelpers.functions.environment import State
from labhelpers.functions.runtime_api import BODY_LIMIT, Connection, Refusal, listen, read_result
from tests.functions.function_lab import FunctionLab

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
EVENT_HEADERS = b"Lambda-Runtime-Aws-Request-Id: id-1\r\n"


@dataclass
class Environment:
    """Stands in for an environment: notes what the runtime asks, gives events, refuses what it is told to."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    refusal: Refusal | None = None
    events: list[bytes] = field(default_factory=list)

    def _note(self, *what: Any) -> None:
        self.asked.append(what)
        if self.refusal is not None:
            raise self.refusal

    def on_next(self, connection: Connection) -> None:
        self._note("next")
        if self.events:
            connection.send_event(EVENT_HEADERS, self.events.pop(0))

    def on_response(self, request_id: str, body: bytes, content_type: str, too_large: bool) -> None:
        self._note("response", request_id, body if len(body) < 99 else len(body), content_type, too_large)

    def on_error(self, request_id: str, body: bytes, error_type: str, too_large: bool) -> None:
        self._note("error", request_id, body, error_type)

    def on_init_error(self, body: bytes, error_type: str) -> None:
        self._note("init", body, error_type)


@dataclass
class Client:
    """A runtime with a socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes, pieces: int = 0) -> tuple[int, dict[str, str], bytes]:
        """Send bytes, in pieces if asked, and read one answer: status, headers, body."""
        step = len(data) // pieces + 1 if pieces else len(data) + 1
        for at in range(0, len(data), step):
            self.writer.write(data[at : at + step])
            await self.writer.drain()
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, body

    async def is_closed(self) -> bool:
        """Whether the other side has closed the connection."""
        async with asyncio.timeout(10):
            return await self.reader.read(1) == b""


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Environment, Callable[[], Any]]]:
    """A Runtime API for a stand-in environment, and how to connect to it."""
    environment = Environment()
    server, address = await listen(environment)
    host, port = address.split(":")
    clients: list[Client] = []

    async def connect() -> Client:
        clients.append(Client(*await asyncio.open_connection(host, int(port))))
        return clients[-1]

    try:
        yield environment, connect
    finally:
        for client in clients:
            client.writer.close()
        server.close()


def post(path: str, body: bytes = b"", *headers: str) -> bytes:
    """A POST request of the Runtime API."""
    lines = [f"POST /2018-06-01/runtime/{path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_event_and_answer_on_one_connection() -> None:
    """A connection is kept: next, response, next; the event comes with its headers."""
    async with served() as (environment, connect):
        environment.events = [b'{"n": 1}', b"2"]
        client = await connect()
        status, headers, body = await client.send(NEXT)
        assert [status, body, headers["lambda-runtime-aws-request-id"]] == [200, b'{"n": 1}', "id-1"]
        assert headers["content-type"] == "application/json"
        status, _, body = await client.send(post("invocation/id-1/response", b"true"))
        assert [status, json.loads(body)] == [202, {"status": "OK"}]
        assert (await client.send(NEXT))[2] == b"2"
        assert environment.asked == [
            ("next",),
            ("response", "id-1", b"true", "application/json", False),
            ("next",),
        ]


async def test_error_reports_carry_their_type() -> None:
    """Both kinds of errors, with the header that names the type."""
    async with served() as (environment, connect):
        client = await connect()
        header = "Lambda-Runtime-Function-Error-Type: Runtime.Own"
        assert (await client.send(post("invocation/id/error", b"{}", header)))[0] == 202
        assert (await client.send(post("init/error", b"", header)))[0] == 202
        assert environment.asked == [("error", "id", b"{}", "Runtime.Own"), ("init", b"", "Runtime.Own")]


async def test_connection_close_is_done() -> None:
    """A runtime that opens a connection for each request gets its answer, and the end it asked for."""
    async with served() as (environment, connect):
        environment.events = [b"1"]
        for request in (NEXT, post("invocation/id/response", b"1")):
            client = await connect()
            status, _, _ = await client.send(
                request.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")
            )
            assert status in (200, 202)
            assert await client.is_closed()


async def test_http_1_0_is_closed_after_the_answer() -> None:
    """Without keep-alive the old protocol ends with the answer."""
    async with served() as (_, connect):
        client = await connect()
        assert (await client.send(post("init/error").replace(b"HTTP/1.1", b"HTTP/1.0")))[0] == 202
        assert await client.is_closed()


async def test_expect_continue_is_answered() -> None:
    """A client that asks before it sends a large body is told to go on."""
    async with served() as (environment, connect):
        client = await connect()
        head, body = post("invocation/id/response", b"x" * 50, "Expect: 100-continue").split(b"\r\n\r\n")
        client.writer.write(head + b"\r\n\r\n")
        async with asyncio.timeout(10):
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.send(body))[0] == 202
        assert environment.asked == [("response", "id", b"x" * 50, "application/json", False)]


async def test_slow_bytes_and_chunked_bodies() -> None:
    """However a request arrives, it is one request."""
    async with served() as (environment, connect):
        client = await connect()
        request = post("invocation/id/response", b"hello")
        assert (await client.send(request, pieces=len(request)))[0] == 202
        head = request.split(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
        assert (await client.send(head + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", pieces=9))[0] == 202
        assert [asked[2] for asked in environment.asked] == [b"hello", b"hello"]


async def test_requests_sent_together_are_answered_in_turn() -> None:
    """Two requests in one packet, two answers."""
    async with served() as (_, connect):
        client = await connect()
        assert (await client.send(post("init/error") * 2))[0] == 202
        assert (await client.send(b""))[0] == 202


def own_result(body: bytes = b"true") -> bytes:
    """A result as our client for Python sends it."""
    head = "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nHost: x\r\nUser-Agent: y\r\n\r\n".encode() + body


RESULTS = {"own": own_result(), "other": post("invocation/id-1/response", b"true")}


async def test_own_result_is_read_at_once_and_nothing_else() -> None:
    """Only what our client sends, whole and with `next` or nothing after it; all else is left to the parser."""
    whole = own_result()
    assert read_result(whole) == ("id-1", "application/json", b"true", False)
    assert read_result(whole + NEXT) == ("id-1", "application/json", b"true", True)
    assert read_result(own_result(b"a\r\n\r\nb") + NEXT) == ("id-1", "application/json", b"a\r\n\r\nb", True)
    for other in (
        RESULTS["other"],
        whole[:-1],
        whole + b"G",
        whole + NEXT[:-1],
        whole + NEXT + NEXT,
        whole + whole,
        whole.replace(b"/response", b"/error"),
        whole.replace(b"User-Agent", b"Connection"),
        whole.replace(b"Host: x", b"Transfer-Encoding: chunked"),
        whole.replace(b"Content-Length: 4", b"Content-Length: +4"),
        whole.replace(b"HTTP/1.1", b"HTTP/1.0"),
        NEXT,
        b"",
    ):
        assert read_result(other) is None, other


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS.keys())
async def test_result_and_next_in_one_piece(result: bytes) -> None:
    """The result is taken before the event is given; both answers come, and in their order."""
    async with served() as (environment, connect):
        environment.events = [b"2"]
        client = await connect()
        status, _, body = await client.send(result + NEXT)
        assert [status, json.loads(body)] == [202, {"status": "OK"}]
        assert (await client.send(b""))[2] == b"2"
        assert [asked[0] for asked in environment.asked] == ["response", "next"]


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS.keys())
async def test_result_alone_is_answered_and_the_next_one_read(result: bytes) -> None:
    """Each result gets its answer, whoever reads it; what comes after it in pieces is read as well."""
    async with served() as (environment, connect):
        client = await connect()
        for _ in range(2):
            assert (await client.send(result))[0] == 202
        assert (await client.send(result, pieces=9))[0] == 202
        assert [asked[:2] for asked in environment.asked] == [("response", "id-1")] * 3


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS.keys())
async def test_next_that_came_with_a_refused_result_is_not_heard(result: bytes) -> None:
    """A runtime whose result is refused ends: an event given to it would be lost."""
    async with served() as (environment, connect):
        environment.events = [b"2"]
        environment.refusal = Refusal(413, "RequestEntityTooLarge", "too large")
        client = await connect()
        assert (await client.send(result + NEXT))[0] == 413
        assert await client.is_closed()
        assert [asked[0] for asked in environment.asked] == ["response"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /2018-06-01/runtime/nothing HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"DELETE /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n",
        b"GET /2018-06-01/runtime/invocation/next/more HTTP/1.1\r\n\r\n",
        b"GET /2020-01-01/extension/register HTTP/1.1\r\n\r\n",
    ],
)
async def test_path_that_is_none(request_bytes: bytes) -> None:
    """404 that names the path; the connection stays."""
    async with served() as (environment, connect):
        client = await connect()
        status, _, body = await client.send(request_bytes)
        assert [status, json.loads(body)["errorType"]] == [404, "ResourceNotFound"]
        assert (await client.send(post("init/error")))[0] == 202
        assert environment.asked == [("init", b"", "")]


@pytest.mark.parametrize(
    "garbage", [b"garbage\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00" * 40, b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_garbage_is_refused(garbage: bytes) -> None:
    """What is no HTTP gets 400 and the end of its connection; others are served on."""
    async with served() as (_, connect):
        client = await connect()
        assert (await client.send(garbage))[0] == 400
        assert await client.is_closed()
        assert (await (await connect()).send(post("init/error")))[0] == 202


async def test_huge_headers() -> None:
    """The client's error causes come in a header of up to 1 MB; beyond some MB it is refused."""
    async with served() as (environment, connect):
        client = await connect()
        cause = "Lambda-Runtime-Function-XRay-Error-Cause: " + "x" * (1024 * 1024 - 1)
        assert (await client.send(post("invocation/id/error", b"{}", cause)))[0] == 202
        assert len(environment.asked) == 1
        try:
            status, _, _ = await client.send(post("invocation/id/error", b"{}", "X: " + "x" * 5_000_000))
            assert status in (400, 431)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        assert len(environment.asked) == 1


async def test_body_over_the_limit_is_not_kept() -> None:
    """Of a body that is too large only that is told; memory stays small."""
    async with served() as (environment, connect):
        client = await connect()
        environment.refusal = Refusal(413, "RequestEntityTooLarge", "too large")
        status, _, body = await client.send(post("invocation/id/response", b"x" * (BODY_LIMIT + 1_000_000)))
        assert [status, json.loads(body)] == [
            413,
            {"errorMessage": "too large", "errorType": "RequestEntityTooLarge"},
        ]
        [(_, _, size, _, too_large)] = environment.asked
        assert too_large and size <= BODY_LIMIT


# ------------------------------------------------------------------ whole environments with a runtime of their own

RUNTIME = """
import http.client, json, os, sys, time
conn = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
base = '/2018-06-01/runtime/'
def call(method, path, body=None, headers={}):
    conn.request(method, base + path, body, headers)
    r = conn.getresponse()
    return r.status, r.read(), r.headers
def next():
    status, event, headers = call('GET', 'invocation/next')
    return event, headers['Lambda-Runtime-Aws-Request-Id']
def answer(id, body):
    return call('POST', f'invocation/{id}/response', body)[0]
"""


def own_runtime(lab: FunctionLab, body: str, **settings: Any) -> str:
    """A function whose package brings its own runtime, started through a wrapper script."""
    root = "/var/task" if lab.isolated else "$LAMBDA_TASK_ROOT"
    files = {
        "wrapper": f'#!/bin/sh\nexec "$1" -S -s {root}/runtime.py\n',
        "runtime.py": RUNTIME + body,
    }
    name = lab.function(files, **settings)
    version = lab.registry.versions[name]
    wrapper = "/var/task/wrapper" if lab.isolated else str(version.code_root / "wrapper")
    lab.change(name, variables={"AWS_LAMBDA_EXEC_WRAPPER": wrapper})
    return name


async def test_own_runtime_works(lab: FunctionLab) -> None:
    """Any program that speaks the Runtime API is a runtime."""
    name = own_runtime(lab, "while True:\n    event, id = next()\n    answer(id, b'[' + event + b']')\n")
    assert [await lab.value(name, n) for n in (1, 2)] == [[1], [2]]


async def test_answer_twice_or_for_another_request(lab: FunctionLab) -> None:
    """The first answer counts; the second is refused, and so is one for a request that is not this one."""
    name = own_runtime(
        lab,
        "said = []\n"
        "while True:\n    event, id = next()\n"
        "    wrong = answer('00000000-0000-0000-0000-000000000000', b'no')\n"
        "    first = answer(id, json.dumps([event.decode(), said]))\n"
        "    said = [wrong, first, answer(id, b'no'), call('POST', f'invocation/{id}/error', '{}')[0]]\n",
    )
    assert await lab.value(name, 1) == ["1", []]
    assert await lab.value(name, 2) == ["2", [400, 202, 403, 403]]


async def test_next_before_the_answer(lab: FunctionLab) -> None:
    """The same event comes again, with the same id and deadline; it is answered once."""
    name = own_runtime(
        lab,
        "while True:\n    event, id = next()\n    status, again, headers = call('GET', 'invocation/next')\n"
        "    same = [again == event, headers['Lambda-Runtime-Aws-Request-Id'] == id]\n"
        "    answer(id, json.dumps([status, *same]))\n",
    )
    assert await lab.value(name, {"a": 1}) == [200, True, True]
    assert await lab.value(name, 2) == [200, True, True]


async def test_init_error_after_init(lab: FunctionLab) -> None:
    """Refused: INIT is over with the first next."""
    name = own_runtime(
        lab, "while True:\n    event, id = next()\n    answer(id, str(call('POST', 'init/error', '{}')[0]))\n"
    )
    assert await lab.value(name) == 403


@pytest.mark.parametrize(
    ("body", "error_type", "message"),
    [
        ('{"errorType": "My.Error", "errorMessage": "said"}', "My.Error", "said"),
        ("no JSON", "Runtime.Own", ""),
        ("[1]", "Runtime.Own", ""),
        ("", "Runtime.Own", ""),
    ],
)
async def test_own_error_reports(lab: FunctionLab, body: str, error_type: str, message: str) -> None:
    """JSON goes to the caller as it is; what is none is replaced by what the header says. The environment lives on."""
    name = own_runtime(
        lab,
        "while True:\n    event, id = next()\n"
        f"    call('POST', f'invocation/{{id}}/error', {body!r}, "
        "{'Lambda-Runtime-Function-Error-Type': 'Runtime.Own'})\n",
    )
    failure = await lab.failure(name)
    assert [failure["errorType"], failure["errorMessage"]] == [error_type, message]
    await lab.failure(name)
    assert [found.state for found in await lab.rested(name)] == [State.IDLE]


async def test_runtime_that_never_asks(lab: FunctionLab) -> None:
    """It exits without a word: both INITs fail; the caller hears of the exit."""
    name = own_runtime(lab, "sys.exit(7)\n")
    assert (await lab.failure(name))["errorMessage"].endswith("Runtime exited with error: exit status 7")


async def test_runtime_that_asks_again_on_another_connection(lab: FunctionLab) -> None:
    """One that gives up waiting is given no event meanwhile, and the next one on its new connection."""
    name = own_runtime(
        lab,
        "import signal\n"
        "signal.signal(signal.SIGUSR1, lambda *_: conn.close() or next_again())\n"
        "def next_again(): raise InterruptedError\n"
        "while True:\n"
        "    try: event, id = next()\n"
        "    except InterruptedError: continue\n"
        "    answer(id, event)\n",
    )
    assert await lab.value(name, 1) == 1
    [environment] = await lab.rested(name)
    connection = environment._connection
    assert environment._runtime is not None
    environment._runtime.thaw()
    os.kill(environment.pid, signal.SIGUSR1)
    await lab.until(lambda: environment._connection is not connection)
    assert await lab.value(name, 2) == 2
    assert lab.environments(name) == [environment]


async def test_response_that_is_no_json_passes_through(lab: FunctionLab) -> None:
    """Lambda does not look into a response; its content type is kept."""
    name = own_runtime(
        lab,
        "while True:\n    event, id = next()\n"
        "    call('POST', f'invocation/{id}/response', b'\\xff\\xfe', {'Content-Type': 'application/octet-stream'})\n",
    )
    result = await lab.invoke(name)
    assert [result.payload, result.content_type] == [b"\xff\xfe", "application/octet-stream"]
