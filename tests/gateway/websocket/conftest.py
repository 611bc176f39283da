"""Fixtures of the WebSocket APIs' end-to-end tests."""

from collections.abc import Iterator

import pytest

from tests.conftest import Cloud
from tests.gateway.http_api.gateway import Backend, Gateway, running_backend
from tests.gateway.websocket.websocket_lab import SEEING, WebSocketApi, seeing_api


@pytest.fixture(scope="session")
def gateway(cloud: Cloud) -> Gateway:
    """API Gateway of the cloud that all tests share."""
    return Gateway(cloud)


@pytest.fixture(scope="session")
def seeing(gateway: Gateway) -> str:
    """A function that prints its events; what a message says decides how it answers."""
    return gateway.function(SEEING)


@pytest.fixture(scope="session")
def seen(gateway: Gateway, seeing: str) -> WebSocketApi:
    """An API with that function behind every route, which all tests share that change nothing of it."""
    return seeing_api(gateway, seeing)


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """An HTTP server outside the cloud."""
    with running_backend() as running:
        yield running
