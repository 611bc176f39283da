"""ImportRestApi, PutRestApi and GetExport: REST APIs out of OpenAPI documents, and back."""

from __future__ import annotations

from labhelpers.cloud.gateway_rest_call import RestCall
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.gateway.rest.store import Record


def import_rest_api(call: RestCall) -> Record:
    """ImportRestApi."""
    raise NotImplementedError


def put_rest_api(call: RestCall) -> Record:
    """PutRestApi."""
    raise NotImplementedError


def get_export(call: RestCall) -> AwsResponse:
    """GetExport."""
    raise NotImplementedError
