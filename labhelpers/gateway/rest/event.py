"""The events of REST APIs: of a proxy integration (payload 1.0), and of authorizers. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from labhelpers.gateway.json_text import dumps
from labhelpers.gateway.rest import event_frames
from labhelpers.gateway.rest import headers as rest_headers
from labhelpers.gateway.rest.event_frames import Particulars
from labhelpers.gateway.rest.media import is_binary, media_type
from labhelpers.gateway.rest.run import Run

_NO_IDENTITY: Mapping[str, Any] = {
    "cognitoIdentityPoolId": None,
    "accountId": None,
    "cognitoIdentityId": None,
    "caller": None,
    "sourceIp": None,
    "principalOrgId": None,
    "accessKey": None,
    "cognitoAuthenticationType": None,
    "cognitoAuthenticationProvider": None,
    "userArn": None,
    "userAgent": None,
    "user": None,
}


def proxy_event(run: Run) -> bytes:
    """What a function of a proxy integration gets, as JSON."""
    request = run.request
    if (
        not request.body
        and run.is_nobody
        and run.live.canary is None
        and event_frames.is_plain(request.trace_id)
    ):
        frames = run.live.frames
        if (frame := frames.find(request)) is not None:
            return frame.filled(request, run.extended_id)
        if frames.is_wanted(request):
            frames.keep(request, dumps(_event(run, event_frames.MARKS)))
    return dumps(_event(run, event_frames.particulars(request, run.extended_id)))


def _event(run: Run, own: Particulars) -> dict[str, Any]:
    request = run.request
    headers = event_headers(run, own.trace_id)
    body, encoded = event_body(run)
    query = run.query
    method = run.method
    return {
        "resource": method.resource_path if method else "",
        "path": run.path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {n: v[-1] for n, v in query.items()} if query else None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": run.path_variables or None,
        "stageVariables": run.variables or None,
        "requestContext": request_context(run, own),
        "body": body,
        "isBase64Encoded": encoded,
    }


def event_headers(run: Run, trace_id: str) -> dict[str, list[str]]:
    """The headers that functions see."""
    request = run.request
    port, scheme = request.domain.partition("/")[0].rpartition(":")[2], request.scheme
    if not port.isdigit():
        port = "443" if scheme == "https" else "80"
    return rest_headers.forwarded(run.headers, request.source_ip, port, scheme, trace_id)


def event_body(run: Run) -> tuple[str | None, bool]:
    """A request's body as events have it, and whether it is Base64."""
    body = run.request.body
    if not body:
        return None, False
    types = run.program.binary_media_types
    if types and is_binary(media_type(run.first("content-type")), types):
        return base64.b64encode(body).decode(), True
    return body.decode("utf-8", "replace"), False


def request_context(run: Run, own: Particulars) -> dict[str, Any]:
    """`requestContext`: of the request, and of who made it."""
    request, method = run.request, run.method
    identity = dict(_NO_IDENTITY)
    identity["sourceIp"] = request.source_ip
    identity["userAgent"] = run.first("user-agent")
    if run.identity:
        identity.update(run.identity)
    if run.api_key:
        identity.update(apiKey=run.api_key, apiKeyId=run.api_key_id)
    context: dict[str, Any] = {
        "resourceId": method.resource_id if method else "",
        "resourcePath": method.resource_path if method else "",
        "httpMethod": request.method,
        "extendedRequestId": own.extended_id,
        "requestTime": own.time,
        "path": request.path,
        "accountId": run.account.id,
        "protocol": request.protocol,
        "stage": run.stage,
        "domainPrefix": run.api_id,
        "requestTimeEpoch": own.epoch_ms,
        "requestId": own.request_id,
        "identity": identity,
        "domainName": request.domain,
        "deploymentId": run.program.deployment_id,
        "apiId": run.api_id,
    }
    if method is not None and method.operation_name:
        context["operationName"] = method.operation_name
    if run.authorizer is not None:
        context["authorizer"] = run.authorizer
    if run.is_canary or run.live.canary is not None:
        context["isCanaryRequest"] = run.is_canary
    return context


def token_event(token: str, method_arn: str) -> bytes:
    """What a TOKEN authorizer's function gets."""
    return dumps({"type": "TOKEN", "methodArn": method_arn, "authorizationToken": token})


def request_event(run: Run) -> bytes:
    """What a REQUEST authorizer's function gets: the request without its body; nothing is an empty object here."""
    own = event_frames.particulars(run.request, run.extended_id)
    headers = event_headers(run, own.trace_id)
    method = run.method
    return dumps(
        {
            "type": "REQUEST",
            "methodArn": run.method_arn,
            "resource": method.resource_path if method else "",
            "path": run.path,
            "httpMethod": run.request.method,
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": headers,
            "queryStringParameters": {n: v[-1] for n, v in run.query.items()},
            "multiValueQueryStringParameters": run.query,
            "pathParameters": dict(run.path_variables),
            "stageVariables": dict(run.variables),
            "requestContext": request_context(run, own),
        }
    )
