"""What every operation of Lambda's control plane is given: the call, and the parts of the lab that it may use."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from labhelpers import limits
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import INVALID_PARAMETER, AwsError, NotEmulated
from labhelpers.functions import runtime_ids
from labhelpers.functions.constraints import SERIALIZATION, Number, Structure, check
from labhelpers.functions.event_source_mappings import EventSourceMappings
from labhelpers.functions.execution_roles import Allows, everything_allowed
from labhelpers.functions.names import FunctionReference
from labhelpers.functions.package import Package, PackageStore
from labhelpers.functions.provisioned import Progress
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.functions.versions import Function

REQUEST_ENTITY_TOO_LARGE = "RequestEntityTooLargeException"
# AWS's links to code are good for ten minutes: API_FunctionCodeLocation.html.
DOWNLOAD_S = 600.0

FetchObject = Callable[[str, str, str], Awaitable[bytes]]


@dataclass(slots=True)
class Call:
    """One call of an operation. `operation` is its name at AWS; `names` are the variables of its path, decoded."""

    operation: str
    request: AwsRequest
    names: Mapping[str, str]

    def read(self, shape: Structure) -> dict[str, Any]:
        """All members by name, checked against `shape`. AwsError: ValidationException, SerializationException."""
        query = self._query(shape)
        members = {**self._body(), **query, **self._path(shape)}
        check(shape, members)
        return members

    def _body(self) -> dict[str, Any]:
        if not self.request.body:
            return {}
        if len(self.request.body) > limits.PACKAGE_REQUEST_BYTES_MAX:
            where = f" for the {self.operation} operation"
            raise _too_large("Request", limits.PACKAGE_REQUEST_BYTES_MAX, where)
        try:
            body = json.loads(self.request.body)
        except (ValueError, RecursionError) as error:
            raise AwsError(SERIALIZATION, f"Could not parse request body into json: {error}") from error
        if not isinstance(body, dict):
            raise AwsError(SERIALIZATION, "Start of structure or map found where not expected.")
        return body

    def _query(self, shape: Structure) -> dict[str, Any]:
        if not self.request.query:
            return {}
        pairs = parse_qsl(self.request.query, keep_blank_values=True)
        query: dict[str, Any] = {name: _typed(shape, name, value) for name, value in pairs}
        if query.pop("tagKeys", None) is not None:
            query["TagKeys"] = [value for name, value in pairs if name == "tagKeys"]
        return query

    def _path(self, shape: Structure) -> dict[str, Any]:
        return {name: _typed(shape, name, value) for name, value in self.names.items()}


def _typed(shape: Structure, name: str, value: str) -> str | int:
    """A member from a path or a query: a number where its shape wants one and it is one."""
    if isinstance(shape.members.get(name), Number):
        try:
            return int(value)
        except ValueError:
            return value
    return value


@dataclass(slots=True)
class ControlPlane:
    """The parts of the lab that operations use. `fetch_object` reads code from S3: bucket, key, version ("" for none).

    `runnable` and `check_role` refuse a runtime with its handler, or a role, with an AwsError; `runtime_arn` names the
    version in use; `progress` says how far provisioned concurrency has come.
    """

    registry: FunctionRegistry
    packages: PackageStore
    fetch_object: FetchObject
    runnable: Callable[[str, str], None] = runtime_ids.only_python
    check_role: Callable[[str], None] = lambda _: None
    allows: Allows = everything_allowed
    runtime_arn: Callable[[str], str] | None = None
    mappings: EventSourceMappings | None = None
    progress: Callable[[Function, str], Progress] = lambda function, qualifier: Progress(0, "IN_PROGRESS")
    downloads: dict[str, tuple[float, Path]] = field(default_factory=dict)

    def name_runtime(self, runtime: str) -> str:
        """The ARN of the runtime version that functions of `runtime` use."""
        if self.runtime_arn is not None:
            return self.runtime_arn(runtime)
        return runtime_ids.runtime_version_arn(self.registry.account.region, runtime)

    def reference(self, members: Mapping[str, Any]) -> FunctionReference:
        """The function that a request's FunctionName and Qualifier name."""
        return self.registry.reference(members["FunctionName"], members.get("Qualifier") or "")

    async def package(self, call: Call, code: Mapping[str, Any]) -> Package:
        """The package that a request gives or names in S3, with a reference for the caller. AwsError as AWS."""
        if code.get("S3ObjectStorageMode") == "REFERENCE":
            raise NotEmulated("code that stays in S3 (S3ObjectStorageMode)")
        archive, bucket, key = code.get("ZipFile"), code.get("S3Bucket"), code.get("S3Key")
        if archive is not None:
            if bucket or key:
                message = "Please do not provide other FunctionCode parameters when providing a ZipFile."
                raise AwsError(INVALID_PARAMETER, message)
            return await self.packages.unpack(_decoded(archive))
        if not (bucket and key):
            raise AwsError(INVALID_PARAMETER, "Please provide a source for function code.")
        return await self.packages.unpack(await self._from_s3(bucket, key, code.get("S3ObjectVersion") or ""))

    async def _from_s3(self, bucket: str, key: str, version: str) -> bytes:
        try:
            return await self.fetch_object(bucket, key, version)
        except NotEmulated:
            raise
        except AwsError as error:
            message = f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
            raise AwsError(INVALID_PARAMETER, message) from error

    def location(self, call: Call, package: Package) -> str:
        """An address from which the archive can be had for ten minutes, without a signature."""
        now = self.registry.now()
        for token, (until, _) in list(self.downloads.items()):
            if until < now:
                del self.downloads[token]
        token = secrets.token_urlsafe(32)
        self.downloads[token] = (now + DOWNLOAD_S, self.packages.archive(package))
        return f"http://{call.request.host}/_lab/lambda-code/{token}"


Operation = Callable[[ControlPlane, Call], AwsResponse | Awaitable[AwsResponse]]


def _decoded(archive: str) -> bytes:
    try:
        data = base64.b64decode(archive, validate=True)
    except binascii.Error as error:
        raise AwsError(SERIALIZATION, "ZipFile is not valid Base64.") from error
    if not data:
        raise AwsError(INVALID_PARAMETER, "Uploaded file must be a non-empty zip")
    if len(data) > limits.ZIPPED_BYTES_MAX:
        raise _too_large("Zipped size", limits.ZIPPED_BYTES_MAX)
    return data


def _too_large(what: str, most: int, where: str = "") -> AwsError:
    return AwsError(REQUEST_ENTITY_TOO_LARGE, f"{what} must be smaller than {most} bytes{where}", 413)
