"""Events that functions get from HTTP APIs: payload formats 1.0 and 2.0, and their authorizers' requests. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labhelpers.gateway.context import request_time
from labhelpers.gateway.exchange import (
    GatewayRequest,
    decode,
    multi,
    multi_headers,
    query_pairs,
)
from labhelpers.records import record

# Bodies of these types travel as text, all others in base64: seen on AWS (also a missing type, and HTML forms).
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")


@dataclass(frozen=True, slots=True)
class Authorized:
    """What an authorizer found out: its part of payload 2.0's requestContext, and of 1.0's; `context` is for logs."""

    v2: Mapping[str, Any] = field(default_factory=dict)
    v1: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)


NOBODY = Authorized()


@record
class Occasion:
    """A request on its route: all that an event is made from."""

    request: GatewayRequest
    account_id: str
    api_id: str
    stage: str
    variables: Mapping[str, str]
    route_key: str
    resource: str
    path_variables: Mapping[str, str]

    def of(self, request: GatewayRequest) -> Occasion:
        """The same with another request."""
        return replace(self, request=request)

    def at(self, path: str) -> Occasion:
        """The same with another path."""
        return replace(self, request=replace(self.request, path=path))


def event_path(request: GatewayRequest) -> str:
    """The path as events have it, the stage included.

    AWS: HTTP APIs decode it, and lose what follows a decoded `?` (seen on AWS; REST APIs and function URLs do neither).
    """
    path = request.path
    return decode(path).partition("?")[0]


def event_v2(occasion: Occasion, authorized: Authorized = NOBODY) -> dict[str, Any]:
    """The event of payload format 2.0."""
    request = occasion.request
    event = _frame_v2(occasion)
    if authorized.v2:
        event["requestContext"]["authorizer"] = authorized.v2
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request)
    else:
        event["isBase64Encoded"] = False
    return event


def authorizer_event_v2(occasion: Occasion, arn: str, identity_source: list[str]) -> dict[str, Any]:
    """What an authorizer of format 2.0 gets."""
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": arn,
        "identitySource": identity_source or None,
        **_frame_v2(occasion),
    }


def _frame_v2(occasion: Occasion) -> dict[str, Any]:
    request = occasion.request
    path = event_path(request)
    headers = _joined(request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": occasion.route_key,
        "rawPath": path,
        "rawQueryString": request.query,
    }
    cookies = headers.pop("cookie", None)
    if cookies is not None:
        event["cookies"] = [part.strip() for part in cookies.split(";") if part.strip()]
    event["headers"] = headers
    if request.query:
        values = multi(query_pairs(request.query))
        event["queryStringParameters"] = {name: ",".join(each) for name, each in values.items()}
    event["requestContext"] = {
        "accountId": occasion.account_id,
        "apiId": occasion.api_id,
        "domainName": request.domain,
        "domainPrefix": occasion.api_id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request.request_id,
        "routeKey": occasion.route_key,
        "stage": occasion.stage,
        "time": request_time(request.received_at),
        "timeEpoch": int(request.received_at * 1000),
    }
    if occasion.path_variables:
        event["pathParameters"] = occasion.path_variables
    if occasion.variables:
        event["stageVariables"] = occasion.variables
    return event


def event_v1(occasion: Occasion, authorized: Authorized = NOBODY) -> dict[str, Any]:
    """The event of payload format 1.0."""
    request = occasion.request
    body, encoded = _body(request) if request.body else (None, False)
    headers = multi_headers(_forwarded(request))
    query = multi(query_pairs(request.query))
    context = _context_v1(occasion)
    context["authorizer"] = {"claims": None, "scopes": None, **authorized.v1}
    context["identity"].update(authorized.identity)
    return {
        "version": "1.0",
        "resource": occasion.resource,
        "path": event_path(request),
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        # AWS's own example has the last value of a header, but the first of a parameter.
        "queryStringParameters": {name: values[0] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": context,
        "pathParameters": occasion.path_variables or None,
        "stageVariables": occasion.variables or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def authorizer_event_v1(occasion: Occasion, arn: str, identity_source: list[str]) -> dict[str, Any]:
    """What an authorizer of format 1.0 gets."""
    request = occasion.request
    sources = ",".join(identity_source)
    headers = multi_headers(_forwarded(request))
    query = multi(query_pairs(request.query))
    return {
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": arn,
        "identitySource": sources,
        "authorizationToken": sources,
        "resource": occasion.resource,
        "path": event_path(request),
        "httpMethod": request.method,
        "headers": {name: ",".join(values) for name, values in headers.items()},
        "queryStringParameters": {name: ",".join(values) for name, values in query.items()},
        "pathParameters": dict(occasion.path_variables),
        "stageVariables": dict(occasion.variables),
        "requestContext": _context_v1(occasion),
    }


def _context_v1(occasion: Occasion) -> dict[str, Any]:
    request = occasion.request
    return {
        "accountId": occasion.account_id,
        "apiId": occasion.api_id,
        "domainName": request.domain,
        "domainPrefix": occasion.api_id,
        "extendedRequestId": request.request_id,
        "httpMethod": request.method,
        "identity": {
            "accessKey": None,
            "accountId": None,
            "caller": None,
            "cognitoAmr": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": request.source_ip,
            "user": None,
            "userAgent": request.header("user-agent") or "",
            "userArn": None,
        },
        "path": event_path(request),
        "protocol": request.protocol,
        "requestId": request.request_id,
        "requestTime": request_time(request.received_at),
        "requestTimeEpoch": int(request.received_at * 1000),
        # AWS's page has null here; the events of 2021 to 2024 that people published have the route's key.
        "resourceId": occasion.route_key,
        "resourcePath": occasion.resource,
        "stage": occasion.stage,
    }


def _joined(request: GatewayRequest) -> dict[str, str]:
    """`_forwarded` in one pass, and as format 2.0 has it: lower case, repeated headers joined."""
    found: dict[str, str] = {}
    before = ""
    for name, value in request.headers:
        key = name.lower()
        if key in found:
            found[key] = f"{found[key]}{';' if key == 'cookie' else ','}{value}"
        elif key not in _REPLACED:
            found[key] = value
        elif key == "x-forwarded-for":
            before = f"{before}{value}, "
    if "content-length" not in found:
        found["content-length"] = str(len(request.body))
    found["x-amzn-trace-id"] = request.trace_id
    found["x-forwarded-for"] = before + request.source_ip
    found["x-forwarded-port"] = _port(request)
    found["x-forwarded-proto"] = request.scheme
    return found


def _port(request: GatewayRequest) -> str:
    port = request.domain.partition("/")[0].rpartition(":")[2]
    return port if port.isdigit() else "80" if request.scheme == "http" else "443"


def _forwarded(request: GatewayRequest) -> tuple[tuple[str, str], ...]:
    """The headers that a function sees: the client's, and those that the gateway adds.

    AWS: port 443 and https. Here: what the client really used.
    """
    names = {name.lower(): value for name, value in request.headers}
    before = names.get("x-forwarded-for")
    address = request.source_ip if before is None else f"{before}, {request.source_ip}"
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in _REPLACED)
    added = (
        ("X-Amzn-Trace-Id", request.trace_id),
        ("X-Forwarded-For", address),
        ("X-Forwarded-Port", _port(request)),
        ("X-Forwarded-Proto", request.scheme),
    )
    if "content-length" not in names:
        return (("Content-Length", str(len(request.body))), *kept, *added)
    return (*kept, *added)


_REPLACED = frozenset(
    {
        "x-amzn-trace-id",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
        "connection",
        "keep-alive",
    }
    | {"transfer-encoding", "expect", "te", "trailer", "upgrade", "proxy-connection"}
)


def _body(request: GatewayRequest) -> tuple[str, bool]:
    """The body as events have it, and whether it is in base64."""
    kind = (request.header("content-type") or "").lower()
    if kind.startswith(_TEXT_TYPES) and request.header("content-encoding") is None:
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass  # AWS does not say what it does with such text; base64 loses nothing.
    return b64encode(request.body).decode(), True
