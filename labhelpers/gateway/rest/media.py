"""Binary media types of REST APIs: which payloads are binary, and their conversion to text and back. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
"""

from __future__ import annotations

import base64
import binascii

TO_BINARY, TO_TEXT = "CONVERT_TO_BINARY", "CONVERT_TO_TEXT"


class NotBase64(Exception):
    """A text that should become binary is no Base64: 500."""


def media_type(value: str | None) -> str:
    """The media type of a Content-Type, without parameters, in lower case."""
    return (value or "").partition(";")[0].strip().lower()


def first_accepted(accept: str | None) -> str:
    """AWS looks only at the first media type of an Accept header."""
    return media_type((accept or "").partition(",")[0])


def accepted_types(accept: str | None) -> list[str]:
    """All media types of an Accept header, in its order."""
    return [media_type(each) for each in (accept or "").split(",")]


def is_binary(kind: str, binary_media_types: tuple[str, ...]) -> bool:
    """Whether a media type is one of those that are binary; `*/*` is all of them, `image/*` all images.

    AWS (recorded) knows no star on the left (`*/png`), and no media type without a slash.
    """
    if not binary_media_types:
        return False
    main, slash, _ = kind.partition("/")
    for each in binary_media_types:
        wanted = each.lower()
        if wanted == "*/*":
            return True
        if wanted.startswith("*/"):
            continue
        if wanted == kind or (wanted.endswith("/*") and wanted[:-2] == main and slash):
            return True
    return False


def request_body(body: bytes, *, binary: bool, handling: str) -> bytes | str:
    """A request's body as its integration gets it: bytes, or text for templates."""
    if binary:
        return base64.b64encode(body).decode() if handling == TO_TEXT else body
    return _decoded(body) if handling == TO_BINARY else body.decode("utf-8", "replace")


def response_body(body: bytes, *, binary: bool, accepts_binary: bool, handling: str) -> bytes | str:
    """An integration's answer as the client gets it: bytes, or text, to which templates apply. NotBase64."""
    if binary:
        to_text = handling == TO_TEXT or (not handling and not accepts_binary)
        return base64.b64encode(body).decode() if to_text else body
    to_text = handling == TO_TEXT or (not handling and not accepts_binary)
    return body.decode("utf-8", "replace") if to_text else _decoded(body)


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(body)
    except (binascii.Error, ValueError) as error:
        raise NotBase64(str(error)) from error
