"""What a function's payload means to a URL with the invoke mode RESPONSE_STREAM: it is the body itself. Pure.

Runtimes that stream may put status and headers before it, as JSON and eight zero bytes, under a content type of their
own. AWS: passes the parts on as they come. Here: all at once, when the function has ended.
docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
"""

from __future__ import annotations

from typing import Any

from labhelpers.gateway.exchange import GatewayAnswer
from labhelpers.gateway.http_api.reply import BadReply, read_reply
from labhelpers.gateway.json_text import dumps, loads

WITH_PRELUDE = "application/vnd.awslambda.http-integration-response"
_END = bytes(8)


def read_streamed(payload: bytes, content_type: str) -> GatewayAnswer:
    """The answer that a payload of this content type stands for. BadReply for a prelude that cannot be read.

    Recorded: the JSON of a handler that does not stream arrives as it is, `statusCode` and all.
    """
    if content_type != WITH_PRELUDE:
        return GatewayAnswer(200, (("Content-Type", content_type),), payload)
    head, end, body = payload.partition(_END)
    try:
        prelude: Any = loads(head)
    except ValueError as error:
        raise BadReply(f"its prelude is no JSON: {error}") from error
    if not end or not isinstance(prelude, dict):
        raise BadReply("its prelude does not end with eight zero bytes")
    told = {name: prelude[name] for name in ("headers", "cookies") if name in prelude}
    answer = read_reply(dumps({"statusCode": prelude.get("statusCode", 200), **told}), "2.0", _OCTETS)
    return GatewayAnswer(answer.status, answer.headers, body)


_OCTETS = "application/octet-stream"
