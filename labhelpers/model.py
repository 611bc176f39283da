"""Frozen dataclasses that travel between the layers; AWS's raw dicts stop at the edge that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from labhelpers.records import record

LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose cloud this is. `id` is twelve digits."""

    id: str = "123456789012"
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer version as an execution environment needs it: its ARN and the folder of its unpacked files."""

    arn: str
    root: Path


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """All that an execution environment is made from: one version of a function, frozen.

    `arn` is unqualified; `code_root` is the unpacked, read-only package. `revision` differs whenever anything differs,
    so environments of an older revision are not given new work. `timeout_s` and `memory_mb` are AWS's settings.
    """

    arn: str
    name: str
    version: str
    revision: str
    runtime: str
    handler: str
    role: str
    code_root: Path
    code_size: int
    timeout_s: int
    memory_mb: int
    ephemeral_storage_mb: int = 512
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    layers: tuple[Layer, ...] = ()
    log_group: str = ""
    log_format: str = "Text"
    application_log_level: str = ""
    system_log_level: str = ""
    tracing: str = "PassThrough"
    architecture: str = "x86_64"
    reserved_concurrency: int | None = None
    recursive_loop: str = "Terminate"

    @property
    def qualified_arn(self) -> str:
        return f"{self.arn}:{self.version}"


class InvocationType(Enum):
    """How a caller asks: AWS's three values of X-Amz-Invocation-Type."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


Origin = tuple[str, str, str]  # The source, source ARN and principal of an InvokeRequest.


@record
class InvokeRequest:
    """One call of a function, whoever makes it: boto3, a gateway or a trigger.

    `function` is a name, partial ARN or ARN, perhaps qualified; `payload` is JSON text in bytes. `source` names the
    caller for the journal ("boto3", "s3", ...), `source_arn` the thing that it calls for, `principal` the ARN of who
    signed a call of boto3's.
    """

    function: str
    payload: bytes = b"{}"
    qualifier: str = ""
    log_tail: bool = False
    client_context: str = ""
    request_id: str = ""
    trace_id: str = ""
    source: str = "boto3"
    source_arn: str = ""
    principal: str = ""

    @property
    def origin(self) -> Origin:
        """Who calls, for the journal."""
        return self.source, self.source_arn, self.principal


@dataclass(frozen=True, slots=True)
class FunctionError:
    """A failure that belongs to the function, as AWS words it; `payload` is the JSON body sent back."""

    type: str
    message: str
    payload: bytes
    handled: str = "Unhandled"

    @classmethod
    def make(cls, type_: str, message: str) -> FunctionError:
        return cls(type_, message, json.dumps({"errorType": type_, "errorMessage": message}).encode())


@record
class InvokeResult:
    """What came of a call. `error` is None if the handler returned; `log_tail`, if asked, is the log's last 4 KB."""

    request_id: str
    version: str
    payload: bytes
    error: FunctionError | None = None
    log_tail: bytes | None = None
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys that sign requests. `principal` is the ARN that they stand for; `token` only for temporary ones."""

    access_key_id: str
    secret_access_key: str
    principal: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id}, {self.principal})"


@record
class LogEvent:
    """One event of a CloudWatch Logs stream; `at_ms` is epoch milliseconds."""

    at_ms: int
    message: str


class LaterLogEvents(Iterable[LogEvent]):
    """Log events that are made when somebody reads them, by `make(*facts)` of plain values: the same each time."""

    __slots__ = ("facts", "make")

    def __init__(self, make: Callable[..., list[LogEvent]], facts: tuple[Any, ...]) -> None:
        self.make = make
        self.facts = facts

    def __iter__(self) -> Iterator[LogEvent]:
        return iter(self.make(*self.facts))


JSONValue = Any
