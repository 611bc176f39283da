"""The lab's own pages: the journal as a stream and as a list, the clock, the health."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import ClientSession, test_utils, web

from labhelpers.clock import Clock
from labhelpers.cloud import journal_stream
from labhelpers.cloud.authentication import Authenticator
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.journal_stream import LabPages
from labhelpers.journal import Journal
from labhelpers.model import Account
from tests.conftest import PATIENCE_S, Cloud


@contextlib.contextmanager
def stream(
    cloud: Cloud, target: str, headers: dict[str, str] | None = None
) -> Iterator[Iterator[dict[str, Any]]]:
    """The entries of an open stream of server-sent events."""
    connection = http.client.HTTPConnection(cloud.netloc, timeout=PATIENCE_S)
    connection.request("GET", target, headers={**cloud.signed_headers("GET", target), **(headers or {})})
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream"

    def entries() -> Iterator[dict[str, Any]]:
        while line := response.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    yield entries()
    connection.close()


@contextlib.asynccontextmanager
async def stream_of(journal: Journal, target: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """The stream of a journal in this process, as it is written."""
    keys = Keys(Account())
    pages = LabPages(keys, Authenticator(keys, "us-east-1"), journal, Clock())

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await pages.handle(request)

    headers = {"Authorization": f"Bearer {keys.token}"}
    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    async with (
        test_utils.TestServer(application) as server,
        ClientSession() as client,
        client.get(server.make_url(target), headers=headers) as response,
    ):
        assert response.status == 200
        yield response.content.iter_any()


async def test_a_rain_of_entries_is_sent_in_few_writings(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, in order; each writing has what came while the stream paused after the one before."""
    monkeypatch.setattr(journal_stream, "PAUSE_PER_ENTRY_S", 0.01)
    journal, read, writings = Journal(), b"", 0
    async with stream_of(journal, "/_lab/events") as written:
        assert (await anext(written)).startswith(b": the lab's journal")
        for _ in range(100):
            journal.append("call.one")
            journal.append("call.two")
            await asyncio.sleep(0.002)
        while b"id: 200\n" not in read:
            read += await asyncio.wait_for(anext(written), PATIENCE_S)
            writings += 1
    seqs = [json.loads(line[6:])["seq"] for line in read.splitlines() if line.startswith(b"data: ")]
    assert seqs == list(range(1, 201))
    assert writings < 30


async def test_heartbeats_come_also_while_others_kinds_rain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of one kind would give up: it cannot tell a stream with nothing for it from a dead one."""
    monkeypatch.setattr(journal_stream, "HEARTBEAT_S", 0.1)
    journal = Journal()

    async def rain() -> None:
        while True:
            journal.append("other")
            await asyncio.sleep(0.01)

    async with stream_of(journal, "/_lab/events?kind=wanted") as written:
        await anext(written)
        raining = asyncio.create_task(rain())
        try:
            assert await asyncio.wait_for(anext(written), PATIENCE_S) == b": still here\n\n"
        finally:
            raining.cancel()


def test_stream_gives_the_past_and_then_what_happens(cloud: Cloud) -> None:
    """In order, without a gap and without doubles."""
    cloud.client("sts").get_caller_identity()
    with stream(cloud, "/_lab/events") as entries:
        first = next(entries)
        assert (first["seq"], first["kind"]) == (1, "lab.started")
        cloud.client("dynamodb").list_tables()
        last = first["seq"]
        for entry in entries:
            assert entry["seq"] == last + 1
            last = entry["seq"]
            if entry["detail"].get("call") == "ListTables":
                break


def test_stream_goes_on_after_an_entry(cloud: Cloud) -> None:
    """By a parameter, or as a browser asks when it connects again."""
    cloud.client("sts").get_caller_identity()
    last = cloud.journal()[-1]["seq"]
    for target, headers in (
        (f"/_lab/events?since={last - 1}", {}),
        ("/_lab/events", {"Last-Event-ID": str(last - 1)}),
    ):
        with stream(cloud, target, headers) as entries:
            assert next(entries)["seq"] == last


def test_kind_chooses_entries(cloud: Cloud) -> None:
    """A prefix of the dotted kind."""
    assert {entry["kind"] for entry in cloud.journal(kind="lab.")} == {"lab.started"}
    with stream(cloud, "/_lab/events?kind=api.&since=0") as entries:
        cloud.client("sts").get_caller_identity()
        assert next(entries)["kind"] == "api.call"


@pytest.mark.parametrize("target", ["/_lab/events", "/_lab/journal", "/_lab/clock", "/_lab/nothing"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}], ids=["unsigned", "wrong-token"])
def test_pages_are_for_the_lab_only(cloud: Cloud, target: str, headers: dict[str, str]) -> None:
    """Without its token or its keys nobody reads the journal."""
    assert cloud.ask("GET", target, headers=headers)[0] == 403
    assert cloud.ask("GET", f"{target}?token=wrong")[0] == 403


def test_keys_of_others_open_no_page(cloud: Cloud) -> None:
    """A function has keys of its own role, but the journal is the learner's."""
    made = cloud.client("sts").get_session_token()["Credentials"]
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("GET", f"{cloud.endpoint_url}/_lab/journal", {})
    keys = Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    SigV4Auth(keys, "execute-api", cloud.region).add_auth(request)
    assert cloud.ask("GET", "/_lab/journal", headers=dict(request.headers.items()))[0] == 403


def test_clock_is_read_and_set(cloud: Cloud) -> None:
    """A speed out of bounds is refused by name."""
    for body, status in (
        (b'{"speed": 60}', 200),
        (b'{"speed": 0}', 400),
        (b"[]", 400),
        (b'{"speed": 1}', 200),
    ):
        headers = cloud.signed_headers("PUT", "/_lab/clock", body=body)
        assert cloud.ask("PUT", "/_lab/clock", body, headers)[0] == status
    _, _, answer = cloud.ask("GET", "/_lab/clock", headers=cloud.signed_headers("GET", "/_lab/clock"))
    assert json.loads(answer)["speed"] == 1
    read = json.loads(answer)["now"]
    *_, last = (entry["detail"] for entry in cloud.journal(kind="clock.speed"))
    assert last["speed"] == 1 and read - 5 < last["now"] <= read  # Readers know the lab's time from these.


def test_health_and_unknown_pages(cloud: Cloud) -> None:
    """Anybody may ask whether the lab runs; a wrong link to code is none."""
    assert json.loads(cloud.ask("GET", "/_lab/health")[2]) == {"status": "running"}
    assert cloud.ask("GET", "/_lab/lambda-code/unknown")[0] == 403
    headers = cloud.signed_headers("GET", "/_lab/nothing")
    assert cloud.ask("GET", "/_lab/nothing", headers=headers)[0] == 404
