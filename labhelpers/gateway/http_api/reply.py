"""What a function's reply means to an HTTP API: status, headers, cookies and body, or a reply that is no answer. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from labhelpers.gateway.exchange import GatewayAnswer
from labhelpers.gateway.json_text import loads

_JSON = (("Content-Type", "application/json"),)
# Seen on AWS where a function names no type.
_PLAIN = "text/plain;charset=UTF-8"


class BadReply(Exception):
    """The function's reply is no answer: 500 to the client. The message goes to the access log and the journal."""


def read_reply(payload: bytes, version: str, default_type: str = _PLAIN) -> GatewayAnswer:
    """The answer that a function's reply (JSON text) stands for in payload format `version`. BadReply if in none.

    `default_type` is the Content-Type of a reply that names none.
    """
    try:
        reply = loads(payload) if payload else None
    except ValueError as error:
        raise BadReply(f"it is no JSON: {error}") from error
    if isinstance(reply, dict) and "statusCode" in reply:
        return _explicit(reply, version, default_type)
    if version == "1.0":
        raise BadReply("it has no statusCode, which payload format 1.0 needs")
    # 2.0: what is no answer by itself becomes the body of one.
    if isinstance(reply, dict) and "errorMessage" in reply:
        raise BadReply("it looks like a function's error: it has an errorMessage and no statusCode")
    body = reply.encode("utf-8", "surrogatepass") if isinstance(reply, str) else payload or b"null"
    return GatewayAnswer(200, _JSON, body)


def _explicit(reply: dict[str, Any], version: str, default_type: str) -> GatewayAnswer:
    status = _status(reply["statusCode"])
    headers = _headers(reply.get("headers"), reply.get("multiValueHeaders") if version == "1.0" else None)
    if version == "2.0":
        headers += _cookies(reply.get("cookies"))
    if "content-type" not in [name.lower() for name, _ in headers]:
        headers.append(("Content-Type", default_type))
    return GatewayAnswer(status, tuple(headers), _body(reply))


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 100 <= value <= 599:
        raise BadReply(f"statusCode is {value!r}, not a status between 100 and 599")
    return value


def _headers(single: Any, many: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in _object(single, "headers").items():
        found.append((name, _header_text(name, value)))
    for name, values in _object(many, "multiValueHeaders").items():
        if not isinstance(values, list):
            raise BadReply(f"multiValueHeaders[{name!r}] is no list")
        found = [pair for pair in found if pair[0].lower() != name.lower()]
        found += [(name, _header_text(name, value)) for value in values]
    return found


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadReply(f"{name} is no object")
    return value


def _header_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise BadReply(f"the header {name!r} is no string")
    return json.dumps(value) if value is not None else ""


def _cookies(value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadReply("cookies is no list of strings")
    return [("Set-Cookie", each) for each in value]


def _body(reply: dict[str, Any]) -> bytes:
    body = reply.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadReply("body is no string (json.dumps makes one)")
    if reply.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "surrogatepass")
    try:
        return b64decode(body, validate=True)
    except ValueError as error:
        raise BadReply(f"body is no base64, though isBase64Encoded says so: {error}") from error
