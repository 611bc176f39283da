"""Fixtures of the function URLs' end-to-end tests."""

import pytest

from tests.conftest import Cloud
from tests.gateway.http_api.gateway import Gateway


@pytest.fixture(scope="session")
def gateway(cloud: Cloud) -> Gateway:
    """Makes functions in the cloud that all tests share."""
    return Gateway(cloud)
