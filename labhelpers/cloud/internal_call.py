"""Calls from within the cloud in boto3's words: parameters to a request and an answer back, by botocore's models."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from labhelpers.cloud.protocol import AwsResponse
from labhelpers.errors import AwsError


@lru_cache(maxsize=16)
def _model(service: str) -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(
        Loader(
            include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH]
        ).load_service_model(service, "service-2"),
        service,
    )


def serialize(
    service: str, operation: str, parameters: dict[str, Any]
) -> tuple[str, str, str, dict[str, str], bytes]:
    """Method, path, query, headers and body of a call."""
    from botocore.serialize import create_serializer

    model = _model(service)
    made = create_serializer(model.resolved_protocol).serialize_to_request(
        parameters, model.operation_model(operation)
    )
    body = made["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    query = made["query_string"]
    if isinstance(query, dict):
        query = urlencode(query, doseq=True)
    headers = {name: str(value) for name, value in made["headers"].items()}
    return (
        made["method"],
        made["url_path"],
        query,
        headers,
        body.encode() if isinstance(body, str) else bytes(body),
    )


def parse(service: str, operation: str, response: AwsResponse) -> dict[str, Any]:
    """The answer as boto3 gives it. AwsError if it is an error."""
    from botocore.parsers import create_parser

    model = _model(service)
    parsed: dict[str, Any] = create_parser(model.resolved_protocol).parse(
        {"headers": response.headers, "status_code": response.status, "body": response.body},
        model.operation_model(operation).output_shape,
    )
    if response.status >= 300:
        error = parsed.get("Error", {})
        raise AwsError(error.get("Code", "InternalFailure"), error.get("Message", ""), response.status)
    parsed.pop("ResponseMetadata", None)
    return parsed
