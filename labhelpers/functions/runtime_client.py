"""Stands in for the compiled module of AWS's Python runtime client where there is none (macOS): the same functions.

It is copied into /var/runtime and imported by awslambdaric, so it uses the standard library only.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import http.client
import os

_PREFIX = "/2018-06-01/runtime"
_connection: http.client.HTTPConnection | None = None
_user_agent = ""


def initialize_client(user_agent: str) -> None:
    """Remember who asks; the address is AWS_LAMBDA_RUNTIME_API."""
    global _connection, _user_agent
    _connection, _user_agent = None, user_agent


def _request(
    method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, bytes, http.client.HTTPMessage]:
    global _connection
    if _connection is None:
        _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        _connection.request(method, _PREFIX + path, body, {"User-Agent": _user_agent, **headers})
        response = _connection.getresponse()
        return response.status, response.read(), response.headers
    except (OSError, http.client.HTTPException):
        _connection = None
        raise


def next() -> tuple[bytes, dict[str, str | None]]:  # noqa: A001 - the name that awslambdaric calls
    """Wait for the next event: its bytes and the Runtime API's headers. RuntimeError when the API refuses."""
    status, body, headers = _request("GET", "/invocation/next", None, {})
    if status != 200:
        raise RuntimeError(f"Failed to get next, http response code: {status}")
    names = (
        "Aws-Request-Id",
        "Trace-Id",
        "Invoked-Function-Arn",
        "Deadline-Ms",
        "Client-Context",
        "Cognito-Identity",
    )
    found: dict[str, str | None] = {
        f"Lambda-Runtime-{name}": headers.get(f"Lambda-Runtime-{name}") for name in names
    }
    found["Lambda-Runtime-Aws-Tenant-Id"] = headers.get("Lambda-Runtime-Aws-Tenant-Id")
    found["Lambda-Runtime-Invocation-Id"] = headers.get("Lambda-Runtime-Invocation-Id")
    found["Content-Type"] = headers.get("Content-Type")
    deadline = headers.get("Lambda-Runtime-Deadline-Ms")
    return body, {**found, "Lambda-Runtime-Deadline-Ms": int(deadline) if deadline else None}  # type: ignore[dict-item]


def post_invocation_result(
    invoke_id: str, data: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Send a handler's result. RuntimeError when the API refuses it."""
    status, _, _ = _request("POST", f"/invocation/{invoke_id}/response", data, {"Content-Type": content_type})
    if status != 202:
        raise RuntimeError(f"Failed to post invocation response, http response code: {status}")


def post_error(invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
    """Send a handler's error. RuntimeError when the API refuses it."""
    headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": "Unhandled"}
    if xray_fault:
        headers["Lambda-Runtime-Function-XRay-Error-Cause"] = xray_fault.replace("\n", " ")
    status, _, _ = _request("POST", f"/invocation/{invoke_id}/error", error.encode(), headers)
    if status != 202:
        raise RuntimeError(f"Failed to post invocation error, http response code: {status}")
