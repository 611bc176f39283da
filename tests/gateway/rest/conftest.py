"""Fixtures of the REST APIs' end-to-end tests."""

from collections.abc import Iterator

import pytest

from tests.conftest import Cloud
from tests.gateway.http_api.gateway import Backend, running_backend
from tests.gateway.rest.gateway import RestGateway


@pytest.fixture(scope="session")
def gateway(cloud: Cloud) -> RestGateway:
    """API Gateway of the cloud that all tests share."""
    return RestGateway(cloud)


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """An HTTP server outside the cloud."""
    with running_backend() as running:
        yield running
