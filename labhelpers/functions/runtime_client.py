"""Stands in for the compiled module of AWS's Python runtime client: the same functions, in less time and everywhere.

It is copied into /var/runtime and imported by awslambdaric, so it uses the standard library only. Its rules:
- One kept connection, by a Unix socket where the lab has one; a result and the request for the next event leave in one
  piece, for nothing comes between them.
- A refusal of a result is raised as AWS's module does it: RuntimeError with the status, at the latest by `next`.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import os
from socket import AF_UNIX, IPPROTO_TCP, TCP_NODELAY, socket

_PREFIX = "/2018-06-01/runtime"
_PIPELINED_BYTES_MAX = (
    64 * 1024
)  # A larger result may be refused, and then nothing must have been asked after it.
_HEAD_END = b"\r\n\r\n"
_RECEIVE_BYTES = 256 * 1024

_connection: socket | None = None
_came = b""  # What was received beyond the answer before.
_asked = False  # Whether the connection owes the answers to a result and to a request for the next event.
_address = _near = ""
_tail = b""  # The headers of every request.
_next_request = b""


def initialize_client(user_agent: str) -> None:
    """Remember who asks; the address is AWS_LAMBDA_RUNTIME_API."""
    global _connection, _came, _asked, _address, _near, _tail, _next_request
    _connection, _came, _asked = None, b"", False
    _address = os.environ.get("AWS_LAMBDA_RUNTIME_API", "")
    _near = "\0labhelpers/" + os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
    _tail = f"Host: {_address}\r\nUser-Agent: {user_agent}\r\n".encode()
    _next_request = f"GET {_PREFIX}/invocation/next HTTP/1.1\r\n".encode() + _tail + b"\r\n"


def _send(*parts: bytes) -> None:
    global _connection, _came
    try:
        if _connection is None:
            _connection, _came = _connect(), b""
        _connection.sendall(b"".join(parts))
    except OSError:
        _drop()
        raise


def _connect() -> socket:
    near = socket(AF_UNIX)
    near.settimeout(None)  # The function may have set another default.
    try:
        near.connect(_near)
        return near
    except OSError:
        near.close()
    far = socket()  # create_connection would load more of the standard library.
    try:
        far.settimeout(None)
        far.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        host, _, port = _address.rpartition(":")
        far.connect((host, int(port)))
    except OSError:
        far.close()
        raise
    return far


def _drop() -> None:
    global _connection, _came, _asked
    if _connection is not None:
        _connection.close()
    _connection, _came, _asked = None, b"", False


def _more() -> bytes:
    assert _connection is not None
    data = _connection.recv(_RECEIVE_BYTES)
    if not data:
        raise ConnectionResetError("the Runtime API closed the connection")
    return data


def _receive() -> tuple[int, dict[bytes, bytes], bytes]:
    """The next answer: its status, its headers by their names in lower case, its body."""
    global _came
    try:
        data, _came = _came, b""
        while (end := data.find(_HEAD_END)) < 0:
            data += _more()
        start, *lines = data[:end].split(b"\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        begin = end + len(_HEAD_END)
        whole = begin + int(headers.get(b"content-length", b"0"))
        if len(data) < whole:
            chunks, size = [data], len(data)
            while size < whole:
                chunks.append(_more())
                size += len(chunks[-1])
            data = b"".join(chunks)
        _came = data[whole:]
        return int(start[9:12]), headers, data[begin:whole]
    except BaseException:
        _drop()
        raise


def _check_accepted(what: str) -> None:
    status, _, _ = _receive()
    if not 200 <= status < 300:
        _drop()
        raise RuntimeError(f"Failed to post invocation {what}, http response code: {status}")


def next() -> tuple[bytes, dict[str, str | int | None]]:  # noqa: A001 - the name that awslambdaric calls
    """Wait for the next event: its bytes and the Runtime API's headers. RuntimeError when the API refuses."""
    global _asked
    if _asked:
        _asked = False
        _check_accepted("response")
    else:
        _send(_next_request)
    status, headers, body = _receive()
    if status != 200:
        raise RuntimeError(f"Failed to get next, http response code: {status}")
    found: dict[str, str | int | None] = {}
    for name, key in _HEADERS:
        value = headers.get(key)
        found[name] = None if value is None else value.decode("utf-8", "surrogateescape")
    deadline = headers.get(b"lambda-runtime-deadline-ms")
    found["Lambda-Runtime-Deadline-Ms"] = int(deadline) if deadline else None
    return body, found


def post_invocation_result(
    invoke_id: str, data: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Send a handler's result. RuntimeError when the API refuses it: at once a large one, a small one by `next`."""
    global _asked
    head = (
        f"POST {_PREFIX}/invocation/{invoke_id}/response HTTP/1.1\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(data)}\r\n"
    ).encode()
    if len(data) <= _PIPELINED_BYTES_MAX:
        _send(head, _tail, b"\r\n", data, _next_request)
        _asked = True
    else:
        _send(head, _tail, b"\r\n", data)
        _check_accepted("response")


def post_error(invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
    """Send a handler's error. RuntimeError when the API refuses it."""
    body = error.encode()
    cause = xray_fault.replace("\r", " ").replace("\n", " ")
    more = f"Lambda-Runtime-Function-XRay-Error-Cause: {cause}\r\n" if cause else ""
    head = (
        f"POST {_PREFIX}/invocation/{invoke_id}/error HTTP/1.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Lambda-Runtime-Function-Error-Type: Unhandled\r\n{more}"
    ).encode()
    _send(head, _tail, b"\r\n", body)
    _check_accepted("error")


_HEADERS = (
    ("Lambda-Runtime-Aws-Request-Id", b"lambda-runtime-aws-request-id"),
    ("Lambda-Runtime-Trace-Id", b"lambda-runtime-trace-id"),
    ("Lambda-Runtime-Invoked-Function-Arn", b"lambda-runtime-invoked-function-arn"),
    ("Lambda-Runtime-Client-Context", b"lambda-runtime-client-context"),
    ("Lambda-Runtime-Cognito-Identity", b"lambda-runtime-cognito-identity"),
    ("Lambda-Runtime-Aws-Tenant-Id", b"lambda-runtime-aws-tenant-id"),
    ("Lambda-Runtime-Invocation-Id", b"lambda-runtime-invocation-id"),
    ("Content-Type", b"content-type"),
)
