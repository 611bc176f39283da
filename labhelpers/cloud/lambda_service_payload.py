"""Whether the payload of a call is JSON, and AWS's complaint when it is not. Pure; on the hot path of Invoke.

AWS parses with Jackson, and its complaints are in Jackson's words. They point at a line and a column, but show nothing
of the payload.
"""

from __future__ import annotations

import json
import re
import unicodedata
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
_UNRECOGNIZED = "Unrecognized token '"
_TOKEN = re.compile(r"[^\W\d][\w$]*")
_SOURCE = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"


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
        what, position = _what_of_bytes(body, error)
    elif isinstance(error, json.JSONDecodeError):
        what, position = _what(error)
        body, position = error.doc.encode(), len(error.doc[:position].encode())
    else:
        return str(error)
    line = body.count(b"\n", 0, position) + 1
    column = position - (body.rfind(b"\n", 0, position) + 1) + 1
    return f"{what}\n at [Source: {_SOURCE}; line: {line}, column: {column}]"


def _what_of_bytes(body: bytes, error: UnicodeDecodeError) -> tuple[str, int]:
    """What Jackson, which reads bytes, says of a text that is not UTF-8: it may have stopped before the wrong byte."""
    try:
        _DECODER.decode(body.decode("latin-1"))
    except json.JSONDecodeError as fault:
        what, position = _what(fault)
        names_a_token = what.startswith(_UNRECOGNIZED) and position >= error.start
        if fault.pos <= error.start and not names_a_token:
            return what, position
    except (ValueError, RecursionError):
        pass
    if "start" in error.reason:
        return f"Invalid UTF-8 start byte 0x{body[error.start]:x}", error.start + 1
    if error.end < len(body):
        return f"Invalid UTF-8 middle byte 0x{body[error.end]:x}", error.end + 1
    return "Unexpected end-of-input", len(body)


def _what(error: json.JSONDecodeError) -> tuple[str, int]:
    """What Jackson would say, and the position that it would name: a character's own, or the end of what it read."""
    if error.pos >= len(error.doc) or error.msg.startswith("Unterminated string"):
        return "Unexpected end-of-input", len(error.doc)
    expected = _EXPECTED.get(error.msg)
    if expected is None:
        return error.msg, error.pos
    token = _TOKEN.match(error.doc, error.pos)
    if token and error.msg in ("Expecting value", "Extra data"):
        return f"{_UNRECOGNIZED}{token[0]}': was expecting {_VALUE}", token.end()
    return f"Unexpected character ({_shown(error.doc[error.pos])}): {expected}", error.pos


def _shown(character: str) -> str:
    code = ord(character)
    return (
        f"(CTRL-CHAR, code {code})"
        if unicodedata.category(character) == "Cc"
        else f"'{character}' (code {code})"
    )
