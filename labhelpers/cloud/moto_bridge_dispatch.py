"""One request into moto and its answer out, in this process, without Flask: runs on moto's thread only.

moto finds a handler by matching every URL pattern of every service; here each service has its own small table.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any
from urllib.parse import unquote_to_bytes

from labhelpers.cloud.moto_bridge_imports import light_imports
from labhelpers.cloud.protocol import AwsRequest, AwsResponse, Form
from labhelpers.cloud.services import Service, operation_of
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.model import Account

Handler = Callable[[Any, str, Any], Any]

# AWS's commercial regions, so that moto need not read botocore's table of 3 MB to learn them.
_REGION_NAMES = """
us-east-1 us-east-2 us-west-1 us-west-2 af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3
ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6
ap-southeast-7 ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2
eu-west-3 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1
"""
REGIONS = _REGION_NAMES.split()
# The front door writes these itself.
_DROPPED = frozenset({"status", "server", "date", "connection", "transfer-encoding", "content-length"})


class Dispatcher:
    """moto's response classes, loaded when a service is first called."""

    def __init__(self, account: Account) -> None:
        # moto derives the account from the caller's key unless told; all of this cloud is one account.
        os.environ["MOTO_ACCOUNT_ID"] = account.id
        os.environ.setdefault("MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS", "true")
        self._tables: dict[str, list[tuple[re.Pattern[str], Handler]]] = {}

    def load_core(self) -> None:
        """Import what every service of moto needs, and start from nothing."""
        base: Any = import_module("moto.core.base_backend")
        base.BackendDict.reset()  # Only tests have had another cloud in this process.
        base.AccountSpecificBackend._generate_regions = lambda backends, service_name: REGIONS
        # moto keeps all that it ever made, also what was deleted or replaced, for a page of its own server.
        models: Any = import_module("moto.core.common_models")
        models.BaseModel.__new__ = lambda cls, *args, **kwargs: object.__new__(cls)
        import_module("moto.core.responses")

    def load(self, service: Service) -> list[tuple[re.Pattern[str], Handler]]:
        """The path patterns of a service with their handlers."""
        table = self._tables.get(service.name)
        if table is None:
            if not self._tables:
                self.load_core()
            with light_imports(service.moto):
                paths: Mapping[str, Handler] = import_module(f"moto.{service.moto}.urls").url_paths
            table = [(re.compile(pattern.format("")), handler) for pattern, handler in paths.items()]
            self._tables[service.name] = table
        return table

    def dispatch(self, service: Service, request: AwsRequest) -> AwsResponse:
        """moto's answer. NotEmulated for an operation that moto does not have."""
        for pattern, handler in self.load(service):
            if pattern.match(request.path):
                return self._call(service, handler, request)
        raise NotEmulated(_name_of(service, request))

    def _call(self, service: Service, handler: Handler, request: AwsRequest) -> AwsResponse:
        from botocore.exceptions import ClientError
        from werkzeug.exceptions import HTTPException

        moto_request = _moto_request(service, request)
        try:
            status, headers, body = handler(moto_request, moto_request.raw_url, moto_request.headers)
        except HTTPException as error:
            status, headers, body = error.code, dict(error.get_headers()), error.get_body()
        except ClientError as error:
            details = error.response["Error"]
            raise AwsError(details.get("Code", "InternalFailure"), details.get("Message", ""), 400) from error
        except NotImplementedError as error:
            raise NotEmulated(_name_of(service, request)) from error
        answer = _answer(request, int(status), headers, body)
        if service.form is not Form.JSON or any(name.lower() == "content-type" for name in answer.headers):
            return answer
        kind = f"application/x-amz-json-{service.version}"
        return replace(answer, headers={**answer.headers, "Content-Type": kind})


def _name_of(service: Service, request: AwsRequest) -> str:
    operation = operation_of(service, request.headers.get("X-Amz-Target", ""), request.query, request.body)
    return f"{service.name} {operation or f'{request.method} {request.path}'}"


def _answer(request: AwsRequest, status: int, headers: Mapping[str, Any], body: Any) -> AwsResponse:
    kept = {str(name): str(value) for name, value in headers.items() if str(name).lower() not in _DROPPED}
    # moto makes up a request id of its own, also in the body of XML answers.
    moto_id = kept.pop("x-amzn-requestid", kept.pop("x-amzn-RequestId", ""))
    if request.method == "HEAD":  # The only answers whose length is not that of their body.
        length = next((str(v) for n, v in headers.items() if str(n).lower() == "content-length"), None)
        if length is not None:
            kept["Content-Length"] = length
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = b"".join(part if isinstance(part, bytes) else str(part).encode() for part in body or ())
    if moto_id and b"<RequestId>" in body:
        body = body.replace(moto_id.encode(), request.request_id.encode())
    return AwsResponse(status, kept, body)


def _moto_request(service: Service, request: AwsRequest) -> Any:
    """The request as moto's core takes it: werkzeug's, made from a WSGI environment without parsing anything twice."""
    from moto.core.request import (
        PRESERVED_HEADER_NAMES_ENVIRON_KEY,
        Request,
        environ_key_for_header,
        should_preserve_original_header_name,
    )

    host = service.address(request.region)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query,
        "RAW_URI": request.path,
        "SERVER_NAME": host,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.source_ip,
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
    }
    preserved = {}
    for name, value in request.headers.items():
        key = environ_key_for_header(name)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
        if should_preserve_original_header_name(name):
            preserved[key] = name
    if request.credentials is not None:
        key = request.credentials.access_key_id
        scope = f"{key}/20260101/{request.region}/{service.signing_name}/aws4_request"
        environ["HTTP_AUTHORIZATION"] = (
            f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=checked"
        )
    environ["HTTP_HOST"] = host
    environ["CONTENT_LENGTH"] = str(len(request.body))
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = preserved
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
    return Request(environ)
