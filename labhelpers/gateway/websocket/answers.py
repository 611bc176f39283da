"""How the gateway words its own refusals to WebSocket clients: the same text as an HTTP body and as a message. Pure."""

from __future__ import annotations

import json

from labhelpers.gateway.exchange import GatewayAnswer, json_answer

FORBIDDEN = "Forbidden"
THROTTLED = "Too Many Requests"


def refusal_text(message: str, connection_id: str, request_id: str) -> bytes:
    """AWS (recorded, spaces too): `{"message": "Forbidden", "connectionId":"...", "requestId":"..."}`."""
    text = (
        f'{{"message": {json.dumps(message)}, "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    )
    return text.encode()


def refusal_answer(
    status: int, message: str, kind: str, connection_id: str, request_id: str
) -> GatewayAnswer:
    """The answer to an upgrade request that is refused. `kind` is AWS's name of the error."""
    headers = (("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", kind), ("x-amz-apigw-id", request_id))
    return json_answer(status, refusal_text(message, connection_id, request_id), headers)
