"""Quotas of WebSocket APIs: time, number and memory of connections."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import aiohttp
import psutil
import pytest

from labhelpers.gateway.throttle import Throttle, Throttles
from tests.conftest import Cloud, wait_for
from tests.gateway.http_api.gateway import Gateway
from tests.gateway.websocket.raw_client import frame_bytes, shaken_hands
from tests.gateway.websocket.websocket_lab import WebSocketApi, make_api, seeing_api

MOCK_ECHO = {"RequestTemplates": {"$default": '{"statusCode": 200}'}}


def mock_echo(gateway: Gateway) -> WebSocketApi:
    """An API that sends messages back without any function."""
    api = make_api(gateway)
    integration = api.integration("MOCK", **MOCK_ECHO)
    gateway.apis.create_integration_response(
        ApiId=api.id, IntegrationId=integration, IntegrationResponseKey="$default"
    )
    api.route("$default", integration, replies=True)
    api.stage()
    return api


def test_times_run_on_the_labs_clock(start_cloud: Callable[..., Cloud]) -> None:
    """At 600 times the speed, ten minutes of silence are a second, and two hours are twelve."""
    gateway = Gateway(start_cloud("--speed", "600"))
    api = mock_echo(gateway)
    with shaken_hands(api.url) as idle, shaken_hands(api.url) as busy:
        started, ends = time.monotonic(), {}
        busy.socket.settimeout(0.2)
        idle.socket.settimeout(5)
        while "busy" not in ends:
            assert time.monotonic() - started < 20
            busy.send(frame_bytes(9))
            frame = busy.receive()
            assert frame is not None
            if frame.opcode == 8:
                ends["busy"] = time.monotonic() - started
                assert (frame.close_code, frame.payload[2:]) == (1001, b"Going away")
            time.sleep(0.1)
        closing = idle.receive()
        assert closing is not None and closing.close_code == 1001
    ended = [each["detail"] for each in api.wait_for_journal("websocket.disconnected", 2)]
    assert [(each["code"], each["reason"]) for each in ended] == [(1001, "Going away")] * 2
    at = [each["at"] for each in api.journal("websocket")]
    assert 10.5 < ends["busy"] < 14 and 0.8 < at[2] - at[0] < 8


async def test_a_thousand_connections_are_held(gateway: Gateway) -> None:
    """All of them answer, and each costs the cloud little."""
    api = mock_echo(gateway)
    cloud = psutil.Process(gateway.cloud.process.pid)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        warm = await session.ws_connect(api.url)
        before = cloud.memory_info().rss
        sockets = []
        for _ in range(20):  # 500 new ones a second are the quota.
            started = time.monotonic()
            sockets += await asyncio.gather(*(session.ws_connect(api.url) for _ in range(50)))
            await asyncio.sleep(max(0.0, 0.11 - (time.monotonic() - started)))
        for socket in sockets:
            await socket.send_str("here")
        answers = [await socket.receive_str(timeout=10) for socket in sockets]
        grown = (cloud.memory_info().rss - before) / len(sockets)
        await asyncio.gather(*(socket.close() for socket in sockets))
        await warm.close()
    assert answers == ["here"] * 1000
    assert grown < 20_000, f"{grown:.0f} bytes a connection"


def test_new_connections_are_limited_to_500_a_second() -> None:
    """A burst of 500, and then as time allows."""
    now = [0.0]
    throttles = Throttles(lambda: now[0])
    limit = Throttle(500.0, 500)
    assert sum(throttles.admits("new", limit) for _ in range(600)) == 500
    now[0] = 0.1
    assert sum(throttles.admits("new", limit) for _ in range(600)) == 50


@pytest.mark.slow
async def test_clients_over_the_rate_are_turned_away(start_cloud: Callable[..., Cloud]) -> None:
    """429, and not the lab's end."""
    api = mock_echo(Gateway(start_cloud()))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:

        async def connect() -> int:
            try:
                async with session.ws_connect(api.url):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

        statuses = await asyncio.gather(*(connect() for _ in range(2500)))
    assert set(statuses) <= {101, 429} and statuses.count(101) >= 500


def test_two_hundred_clients_connect_through_their_function(gateway: Gateway, seeing: str) -> None:
    """`$connect` runs for each, and each may talk."""
    api = seeing_api(gateway, seeing, "$connect", "$default")

    async def talk() -> list[str]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            sockets = []
            for _ in range(10):
                sockets += await asyncio.gather(*(session.ws_connect(api.url) for _ in range(20)))
            await asyncio.gather(*(socket.send_str("x") for socket in sockets[:20]))
            return [await socket.receive_str(timeout=15) for socket in sockets[:20]]

    assert asyncio.run(talk()) == ["$default:x"] * 20
    assert len(wait_for(lambda: api.journal("websocket.connected"))) == 200


def test_deep_json_is_a_message_like_others(gateway: Gateway) -> None:
    """It selects nothing, and breaks nothing."""
    api = mock_echo(gateway)
    deep = "[" * 20_000 + "]" * 10_000
    with api.connected() as client:
        client.send(deep)
        assert client.recv() == deep
        client.send(json.dumps({"action": "x" * 10_000}))
        assert len(client.recv()) > 10_000
