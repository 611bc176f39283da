"""Fixtures of the HTTP APIs' end-to-end tests."""

from collections.abc import Iterator

import pytest

from tests.conftest import Cloud
from tests.gateway.http_api.gateway import Backend, Gateway, running_backend


@pytest.fixture(scope="session")
def gateway(cloud: Cloud) -> Gateway:
    """API Gateway of the cloud that all tests share."""
    return Gateway(cloud)


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """An HTTP server outside the cloud."""
    with running_backend() as running:
        yield running
