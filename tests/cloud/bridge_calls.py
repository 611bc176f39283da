"""Calls of the bridge to moto in boto3's words, by botocore's own models, without a front door."""

from typing import Any, Protocol
from urllib.parse import urlencode

import botocore.session
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from multidict import CIMultiDict

from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import AwsError
from labhelpers.model import Credentials

ROOT = Credentials("internal", "", "arn:aws:iam::123456789012:root")


class Answering(Protocol):
    """The bridge, or a service in front of it."""

    async def handle(self, request: AwsRequest) -> AwsResponse: ...


async def call(bridge: Answering, service: str, operation: str, **parameters: Any) -> Any:
    """`await call(bridge, "sqs", "CreateQueue", QueueName="q")`: the parsed answer, or AwsError."""
    model = botocore.session.get_session().get_service_model(service)
    wanted = model.operation_model(operation)
    made = create_serializer(model.resolved_protocol).serialize_to_request(parameters, wanted)
    body = urlencode(made["body"]) if isinstance(made["body"], dict) else made["body"]
    path, _, fixed = made["url_path"].partition("?")  # S3 has the name of the operation in a fixed query.
    query = made["query_string"]
    query = urlencode(query, doseq=True) if isinstance(query, dict) else query
    host = f"{service}.us-east-1.amazonaws.com"
    request = AwsRequest(
        method=made["method"],
        path=path,
        query="&".join(filter(None, (fixed, query))),
        headers=CIMultiDict({**made["headers"], "Host": host}),
        body=body.encode() if isinstance(body, str) else bytes(body),
        credentials=ROOT,
        service=model.signing_name,
        region="us-east-1",
        source_ip="127.0.0.1",
        request_id="00000000-0000-4000-8000-000000000000",
        host=host,
    )
    response = await bridge.handle(request)
    answer = create_parser(model.resolved_protocol).parse(
        {"headers": response.headers, "status_code": response.status, "body": response.body},
        wanted.output_shape,
    )
    if response.status >= 300:
        error = answer.get("Error", {})
        raise AwsError(error.get("Code", ""), error.get("Message", ""), response.status)
    return answer
