"""What functions get of WebSocket APIs: the events of `$connect`, messages and `$disconnect`, and of authorizers. Pure.

Keys, their order and their absence follow recorded events of AWS.
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integrations.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.gateway.context import request_time
from labhelpers.gateway.exchange import GatewayRequest, multi, multi_headers, query_pairs
from labhelpers.gateway.websocket.handshake import CONNECTION_HEADERS
from labhelpers.gateway.websocket.settings import DISCONNECT
from labhelpers.records import record

CONNECT_EVENT, MESSAGE_EVENT, DISCONNECT_EVENT = "CONNECT", "MESSAGE", "DISCONNECT"


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of a connection for as long as it lasts.

    `identity` is as events show it. `authorizer` is what the authorizer of `$connect` said, its values as texts.
    `request` is the upgrade request, `connected_at_ms` its time in epoch milliseconds.
    """

    connection_id: str
    api_id: str
    stage: str
    domain: str
    connected_at_ms: int
    request: GatewayRequest
    identity: Mapping[str, Any]
    authorizer: Mapping[str, Any] | None = None


@record
class Occasion:
    """One event of a client's: its type and route, its ids, when it was (epoch seconds), and what it brings."""

    client: Client
    type: str
    route_key: str
    request_id: str
    at: float
    stage_variables: Mapping[str, str]
    body: str | None = None
    message_id: str = ""
    disconnect_code: int = 0
    disconnect_reason: str = ""


def request_context(occasion: Occasion) -> dict[str, Any]:
    """`requestContext`, in the order that AWS has."""
    client = occasion.client
    found: dict[str, Any] = {"routeKey": occasion.route_key}
    if client.authorizer is not None:
        found["authorizer"] = client.authorizer
    if occasion.type == MESSAGE_EVENT:
        found["messageId"] = occasion.message_id
    elif occasion.type == DISCONNECT_EVENT:
        found["disconnectStatusCode"] = occasion.disconnect_code
    found["eventType"] = occasion.type
    found["extendedRequestId"] = occasion.request_id
    found["requestTime"] = request_time(occasion.at)
    found["messageDirection"] = "IN"
    if occasion.type == DISCONNECT_EVENT:
        found["disconnectReason"] = occasion.disconnect_reason
    found["stage"] = client.stage
    found["connectedAt"] = client.connected_at_ms
    found["requestTimeEpoch"] = int(occasion.at * 1000)
    found["identity"] = client.identity
    found["requestId"] = occasion.request_id
    found["domainName"] = client.domain
    found["connectionId"] = client.connection_id
    found["apiId"] = client.api_id
    return found


def event(occasion: Occasion) -> dict[str, Any]:
    """The event of a proxy integration."""
    found: dict[str, Any] = {}
    if occasion.type == CONNECT_EVENT:
        _add_request(found, occasion.client.request, leave_out=CONNECTION_HEADERS)
    elif occasion.route_key == DISCONNECT:
        # AWS: recorded so, though nothing of it is of use.
        headers = {"Host": occasion.client.domain, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
        found["headers"] = headers
        found["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    if occasion.stage_variables:
        found["stageVariables"] = occasion.stage_variables
    found["requestContext"] = request_context(occasion)
    if occasion.body is not None:
        found["body"] = occasion.body
    found["isBase64Encoded"] = False
    return found


class MessageEvents:
    """The events of one client's messages as JSON: what does not change is written once. Equal to `event`'s."""

    __slots__ = ("_after_epoch", "_after_time", "_authorizer", "_end")

    def __init__(self, client: Client) -> None:
        self._authorizer = ""
        if client.authorizer is not None:
            self._authorizer = f'"authorizer":{compact(client.authorizer)},'
        connected = client.connected_at_ms
        self._after_time = (
            f'"messageDirection":"IN","stage":{compact(client.stage)},"connectedAt":{connected}'
        )
        self._after_epoch = f'"identity":{compact(client.identity)}'
        ids = f'"connectionId":"{client.connection_id}","apiId":"{client.api_id}"'
        self._end = f'"domainName":{compact(client.domain)},{ids}'

    def write(self, occasion: Occasion) -> str:
        """The event of a message."""
        variables = (
            f'"stageVariables":{compact(occasion.stage_variables)},' if occasion.stage_variables else ""
        )
        request_id = occasion.request_id
        return (
            f'{{{variables}"requestContext":{{"routeKey":{compact(occasion.route_key)},{self._authorizer}'
            f'"messageId":"{occasion.message_id}","eventType":"MESSAGE","extendedRequestId":"{request_id}",'
            f'"requestTime":"{request_time(occasion.at)}",{self._after_time},'
            f'"requestTimeEpoch":{int(occasion.at * 1000)},{self._after_epoch},"requestId":"{request_id}",'
            f'{self._end}}},"body":{compact(occasion.body)},"isBase64Encoded":false}}'
        )


compact = json.JSONEncoder(separators=(",", ":")).encode


def authorizer_event(occasion: Occasion, method_arn: str) -> dict[str, Any]:
    """The event of a REQUEST authorizer of `$connect`; `method_arn` ends with `/$connect`."""
    found: dict[str, Any] = {"type": "REQUEST", "methodArn": method_arn}
    found["queryStringParameters"] = {}
    found["multiValueQueryStringParameters"] = {}
    _add_request(found, occasion.client.request, leave_out=frozenset())
    found["stageVariables"] = occasion.stage_variables
    found["requestContext"] = request_context(occasion)
    return found


def _add_request(found: dict[str, Any], request: GatewayRequest, *, leave_out: frozenset[str]) -> None:
    """Headers as the client sent them, with those of a proxy; the query only if there is one."""
    own = {"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
    kept = [pair for pair in request.headers if pair[0].lower() not in leave_out | own]
    forwarded = ", ".join((*request.header_values("x-forwarded-for"), request.source_ip))
    kept += (
        ("X-Amzn-Trace-Id", request.trace_id),
        ("X-Forwarded-For", forwarded),
        ("X-Forwarded-Port", port_of(request)),
        ("X-Forwarded-Proto", request.scheme),
    )
    headers = multi_headers(tuple(kept))
    found["headers"] = {name: values[-1] for name, values in headers.items()}
    found["multiValueHeaders"] = headers
    if query := multi(query_pairs(request.query)):
        found["queryStringParameters"] = {name: values[-1] for name, values in query.items()}
        found["multiValueQueryStringParameters"] = query


def port_of(request: GatewayRequest) -> str:
    """The port that the client asked for."""
    port = (request.header("host") or "").rpartition(":")[2]
    return port if port.isdigit() else "443" if request.scheme == "https" else "80"


def log_context(occasion: Occasion, account_id: str) -> dict[str, Any]:
    """`$context` of templates, mappings and logs: the event's request context, and what only they know."""
    found = request_context(occasion)
    found["accountId"] = account_id
    found["identity"] = dict(occasion.client.identity)
    return found
