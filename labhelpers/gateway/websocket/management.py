"""@connections: what a backend sends to clients, asks about them, or ends. Lean, for it is called often.

docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from urllib.parse import unquote

from labhelpers import limits
from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest, json_answer
from labhelpers.gateway.identity import Identity, NotIdentified, masked
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.throttle import ACCOUNT
from labhelpers.gateway.websocket.connection import Connection, Gone, SlowClient
from labhelpers.gateway.websocket.connections import Connections
from labhelpers.gateway.websocket.frames import CloseCode
from labhelpers.gateway.websocket.stages import Stages
from labhelpers.gateway.websocket.states import State

PLACE = "@connections/"
_SENT = GatewayAnswer(200, (("Content-Type", "application/json"),))
_DELETED = GatewayAnswer(204)
# What the client and `$disconnect` are told when a backend ends the connection; AWS's page does not say.
_CLOSED_NORMALLY = "Connection Closed Normally"


_MANAGE = "execute-api:ManageConnections"


def error_answer(status: int, kind: str, message: str) -> GatewayAnswer:
    """An error as this API words it: its name in `x-amzn-ErrorType`."""
    body = json.dumps({"message": message}).encode()
    return json_answer(status, body, (("x-amzn-ErrorType", kind),))


_GONE = GatewayAnswer(410, (("Content-Type", "application/json"), ("x-amzn-ErrorType", "GoneException")))
_FORBIDDEN = error_answer(403, "ForbiddenException", "Forbidden")
_TOO_LARGE = error_answer(413, "PayloadTooLargeException", "Message too long")
_SLOW = error_answer(429, "LimitExceededException", "The client does not read what it is sent")
_THROTTLED = error_answer(429, "LimitExceededException", "Too Many Requests")
_NO_METHOD = error_answer(403, "MissingAuthenticationTokenException", "Missing Authentication Token")


def connection_id_in(path: str) -> str:
    """The connection that a path names (`@connections/{id}`, percent-encoded or not); "" for another path."""
    decoded = unquote(path)
    return decoded.removeprefix(PLACE) if decoded.startswith(PLACE) else ""


class Management:
    """Answers @connections, for all WebSocket APIs."""

    def __init__(self, around: GatewaySurroundings, stages: Stages, connections: Connections) -> None:
        self._around = around
        self._stages = stages
        self._connections = connections

    def answer(
        self, request: GatewayRequest, connection_id: str, api_id: str = "", stage: str = ""
    ) -> GatewayAnswer:
        """The answer to a call about a connection: one of that API and stage, or without them any of the lab's."""
        answer = self._answer(request, connection_id, api_id, stage)
        headers = (("x-amzn-RequestId", request.request_id), *answer.headers)
        return GatewayAnswer(answer.status, headers, answer.body)

    def _answer(self, request: GatewayRequest, connection_id: str, api_id: str, stage: str) -> GatewayAnswer:
        try:
            who = self._around.identify(request)
        except NotIdentified as no:
            return error_answer(403, no.code, no.message)
        if api_id and self._stages.find(api_id, stage) is None:
            return _FORBIDDEN
        if not self._around.throttles.admits("account", ACCOUNT):
            return _THROTTLED
        connection = self._connections.find(connection_id)
        if connection is None or connection.state is not State.OPEN:
            return _GONE
        client = connection.client
        if api_id and (client.api_id != api_id or client.stage != stage):
            return _GONE
        if refused := self._refusal(who, request.method, client.api_id, client.stage, connection_id):
            return refused
        if request.method == "POST":
            return self._post(connection, request, who)
        if request.method == "GET":
            return json_answer(200, json.dumps(_description(connection)).encode())
        if request.method == "DELETE":
            self._connections.remove(connection)
            connection.close(CloseCode.NORMAL, _CLOSED_NORMALLY)
            return _DELETED
        return _NO_METHOD

    def _refusal(
        self, who: Identity, method: str, api_id: str, stage: str, connection_id: str
    ) -> GatewayAnswer | None:
        """The answer to a caller whose policies do not let them; None if they do."""
        account = self._around.account
        start = f"arn:aws:execute-api:{account.region}:{account.id}:{api_id}/{stage}/{method}/@connections/"
        why = self._around.may_call(who, _MANAGE, start + connection_id, None, {})
        if not why:
            return None
        shown = masked(start, account.id) + "{connectionId}"
        message = f"User: {who.user_arn} is not authorized to perform: {_MANAGE} on resource: {shown} {why}"
        return error_answer(403, "AccessDeniedException", message)

    def _post(self, connection: Connection, request: GatewayRequest, who: Identity) -> GatewayAnswer:
        if len(request.body) > limits.WEBSOCKET_MESSAGE_BYTES_MAX:
            return _TOO_LARGE
        try:
            # AWS: what is posted goes out as text; bytes that are no text cannot.
            request.body.decode()
        except UnicodeDecodeError:
            return error_answer(400, "BadRequestException", "The message is not UTF-8")
        try:
            connection.send_soon(request.body)
        except Gone:
            return _GONE
        except SlowClient:
            return _SLOW
        client = connection.client
        served = self._stages.find(client.api_id, client.stage)
        if served is not None:
            served.telemetry.sent()
            size = len(request.body)
            served.telemetry.note_sent(
                request.request_id, connection.id, "", size, "@connections", who.user_arn
            )
        return _SENT


def _description(connection: Connection) -> dict[str, object]:
    identity = connection.client.identity
    return {
        "connectedAt": _date(connection.client.connected_at_ms / 1000),
        "identity": {name: identity[name] for name in ("sourceIp", "userAgent") if name in identity},
        "lastActiveAt": _date(min(connection.active_at, time.time())),
    }


def _date(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
