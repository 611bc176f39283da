"""Requests and answers of AWS's HTTP protocols as services see them, and errors in the form that each expects.

The front door makes `AwsRequest`s; services answer with `AwsResponse` or raise `AwsError`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import Enum
from html import escape

from labhelpers.errors import AwsError
from labhelpers.model import Credentials
from labhelpers.records import record


@record
class AwsRequest:
    """One signed request. `path` and `query` are raw (undecoded, without `?`); `body` is whole, no longer chunked.

    `headers` finds names in any case. `service` is the signing name (`lambda`, `s3`, `monitoring`, ...).
    `host` is the Host header: answers that name an address of this cloud use it. `credentials` is None for the few
    operations that AWS lets anybody call. `alive` tells whether the caller still waits for the answer.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    credentials: Credentials | None
    service: str
    region: str
    source_ip: str
    request_id: str
    host: str = ""
    alive: Callable[[], bool] = field(default=lambda: True, repr=False, compare=False)


@record
class AwsResponse:
    """What a service answers. The front door adds the request id and the content length."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Form(Enum):
    """How a service words its bodies, and so its errors."""

    JSON = "json"
    REST_JSON = "rest-json"
    QUERY = "query"
    S3 = "rest-xml"
    EC2 = "ec2"
    CBOR = "smithy-rpc-v2-cbor"


def new_request_id() -> str:
    """A request id as most services write it: a random UUID."""
    text = secrets.token_hex(16)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def new_s3_request_id() -> str:
    """S3's own form of request ids: sixteen capital letters and digits."""
    return secrets.token_hex(8).upper()


def error_response(error: AwsError, form: Form, request_id: str, *, version: str = "1.0") -> AwsResponse:
    """The error as a service of that form words it; `version` is that of AWS's JSON protocol (1.0 or 1.1)."""
    return _WRITERS[form](error, request_id, version)


def _json_error(error: AwsError, request_id: str, version: str) -> AwsResponse:
    body = {"__type": error.code, "message": error.message, **error.fields}
    headers = {"Content-Type": f"application/x-amz-json-{version}"}
    return AwsResponse(error.status, headers, json.dumps(body).encode())


def _rest_json_error(error: AwsError, request_id: str, version: str) -> AwsResponse:
    body = dict(error.fields)
    if "Message" not in body:  # AWS: Lambda itself uses both spellings, so the thrower may choose.
        body.setdefault("message", error.message)
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return AwsResponse(error.status, headers, json.dumps(body).encode())


def _query_error(error: AwsError, request_id: str, version: str) -> AwsResponse:
    fault = "Sender" if error.status < 500 else "Receiver"
    body = (
        f"<ErrorResponse><Error><Type>{fault}</Type>{_elements(error)}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return AwsResponse(error.status, {"Content-Type": "text/xml"}, body.encode())


def _ec2_error(error: AwsError, request_id: str, version: str) -> AwsResponse:
    body = f"<Response><Errors><Error>{_elements(error)}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    return AwsResponse(error.status, {"Content-Type": "text/xml"}, body.encode())


def _s3_error(error: AwsError, request_id: str, version: str) -> AwsResponse:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_elements(error)}'
        f"<RequestId>{request_id}</RequestId><HostId>{S3_HOST_ID}</HostId></Error>"
    )
    return AwsResponse(error.status, {"Content-Type": "application/xml"}, body.encode())


_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _elements(error: AwsError) -> str:
    members = {"Code": error.code, "Message": error.message, **error.fields}
    return "".join(f"<{name}>{_xml_text(value)}</{name}>" for name, value in members.items())


def _xml_text(value: object) -> str:
    return escape(_NO_XML.sub("\ufffd", str(value)), quote=False)


def _cbor_error(error: AwsError, request_id: str, version: str) -> AwsResponse:
    members = {"__type": error.code, "message": error.message}
    body = bytes([0xA0 + len(members)]) + b"".join(
        _cbor_text(part) for item in members.items() for part in item
    )
    return AwsResponse(
        error.status, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, body
    )


def _cbor_text(text: str) -> bytes:
    """A CBOR text string (RFC 8949, major type 3) with a two-byte length."""
    data = text.encode()
    return b"\x79" + len(data).to_bytes(2, "big") + data


S3_HOST_ID = "bGFiaGVscGVycy1sb2NhbC1jbG91ZA=="
_WRITERS = {
    Form.JSON: _json_error,
    Form.REST_JSON: _rest_json_error,
    Form.QUERY: _query_error,
    Form.S3: _s3_error,
    Form.EC2: _ec2_error,
    Form.CBOR: _cbor_error,
}
