"""Whether the payload of a call is JSON, and AWS's complaint when it is not. Pure; on the hot path of Invoke.

AWS parses with Jackson; its complaints begin as here. The part that points into the text follows Jackson's form.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

from labhelpers.errors import INVALID_REQUEST_CONTENT, AwsError

_VALUE = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_EXPECTED = {
    "Expecting value": f"expected a valid value {_VALUE}",
    "Expecting property name enclosed in double quotes": "was expecting double-quote to start field name",
    "Expecting ':' delimiter": "was expecting a colon to separate field name and value",
    "Expecting ',' delimiter": "was expecting comma to separate entries",
    "Extra data": "expected end of input",
}
_TOKEN = re.compile(r"[^\W\d][\w$]*")
_SOURCE_CHARACTERS = 500


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"Non-standard token '{name}'")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def check_payload(body: bytes) -> bytes:
    """The payload for the function, `{}` for an empty one. AwsError InvalidRequestContentException: it is not JSON."""
    if not body:
        return b"{}"
    try:
        _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        message = f"Could not parse payload into json: {_complaint(body, error)}"
        raise AwsError(
            INVALID_REQUEST_CONTENT, f"Could not parse request body into json: {message}"
        ) from error
    return body


def _complaint(body: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "Document nesting depth exceeds the maximum allowed"
    if isinstance(error, UnicodeDecodeError):
        kind = "start" if "start" in error.reason else "middle"
        return f"Invalid UTF-8 {kind} byte 0x{body[error.start]:x}"
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    what, position = _what(error)
    line = error.doc.count("\n", 0, position) + 1
    column = position - (error.doc.rfind("\n", 0, position) + 1) + 1
    source = error.doc[:_SOURCE_CHARACTERS]
    return f'{what}\n at [Source: (byte[])"{source}"; line: {line}, column: {column}]'


def _what(error: json.JSONDecodeError) -> tuple[str, int]:
    """What Jackson would say, and the position that it would name."""
    if error.pos >= len(error.doc) or error.msg.startswith("Unterminated string"):
        return "Unexpected end-of-input", len(error.doc)
    expected = _EXPECTED.get(error.msg)
    if expected is None:
        return error.msg, error.pos
    token = _TOKEN.match(error.doc, error.pos)
    if token and error.msg in ("Expecting value", "Extra data"):
        return f"Unrecognized token '{token[0]}': was expecting {_VALUE}", token.end()
    character = error.doc[error.pos]
    return f"Unexpected character ('{character}' (code {ord(character)})): {expected}", error.pos + 1
