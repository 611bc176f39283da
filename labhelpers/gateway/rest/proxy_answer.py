"""Reads what a function of a proxy integration answers: status, headers, body, and nothing else. Pure.

AWS (recorded): every member may be missing, any other one makes the answer malformed; simple values become texts, as
its JSON library does it.
docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from labhelpers.gateway.exchange import is_safe_header
from labhelpers.gateway.json_text import loads
from labhelpers.records import record

_MEMBERS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})


class Malformed(Exception):
    """The answer is not of the form that a proxy integration needs: 502."""


class NotBase64(Exception):
    """The body is not what isBase64Encoded says: 500 (recorded)."""


@record
class ProxyAnswer:
    """A function's answer. `encoded`: the body is Base64."""

    status: int
    headers: list[tuple[str, str]]
    body: str
    encoded: bool


def read(payload: bytes) -> ProxyAnswer:
    """The answer in a payload. Malformed."""
    try:
        found = loads(payload)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error
    if not isinstance(found, dict) or not found.keys() <= _MEMBERS:
        raise Malformed("unknown members")
    encoded = found.get("isBase64Encoded")
    if encoded not in (None, True, False, "true", "false"):
        raise Malformed("isBase64Encoded")
    body = found.get("body")
    return ProxyAnswer(
        _status(found.get("statusCode")),
        _headers(found.get("headers"), found.get("multiValueHeaders")),
        "" if body is None else _simple(body),
        encoded in (True, "true"),
    )


def body_bytes(answer: ProxyAnswer, *, binary: bool) -> bytes:
    """The body as it is sent: decoded when it is Base64 and the client asks for something binary. NotBase64."""
    if answer.encoded and binary:
        try:
            return base64.b64decode(answer.body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotBase64(str(error)) from error
    return answer.body.encode("utf-8", "replace")


def _status(value: Any) -> int:
    if value is None:
        return 200
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 5:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value
    raise Malformed("statusCode")


def _simple(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json.dumps(value)
    raise Malformed("a value is no text")


def _headers(single: Any, multiple: Any) -> list[tuple[str, str]]:
    """Both kinds together; of a name in both, the values of `multiValueHeaders` count."""
    if single is None and multiple is None:
        return []
    single, multiple = ({} if given is None else given for given in (single, multiple))
    if not isinstance(single, dict) or not isinstance(multiple, dict):
        raise Malformed("headers")
    many: list[tuple[str, str]] = []
    for name, values in multiple.items():
        if not isinstance(values, list | None):
            raise Malformed(f"the values of {name!r} are no list")
        many += [(name, _simple(value)) for value in values or () if value is not None]
    taken = {name.lower() for name, _ in many}
    found = [
        (name, _simple(value))
        for name, value in single.items()
        if value is not None and name.lower() not in taken
    ]
    found += many
    for name, value in found:
        if not is_safe_header(name, value):
            raise Malformed(f"the header {name!r} cannot be sent")
    return found
