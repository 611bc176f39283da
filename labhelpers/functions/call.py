"""What an execution environment is given: a call to answer, and the surroundings that all environments share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from labhelpers import limits
from labhelpers.deadlines import Deadlines
from labhelpers.eager import Answer
from labhelpers.functions.execution_roles import Allows, everything_allowed
from labhelpers.functions.function_metrics import FunctionMetrics
from labhelpers.functions.languages import RuntimeFolders
from labhelpers.functions.log_stream import KEPT_BYTES, Sink
from labhelpers.journal import Journal
from labhelpers.model import Credentials, FunctionVersion, InvokeResult, Origin
from labhelpers.processes.spawner import Spawner


class RoleCredentials(Protocol):
    """Mints and forgets the temporary keys of a function's role."""

    def mint_role_credentials(self, role_arn: str, session_name: str) -> Credentials: ...
    def forget(self, access_key_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every environment of a lab shares."""

    spawner: Spawner
    journal: Journal
    log_sink: Sink
    credentials: RoleCredentials
    endpoint_url: Callable[[], str]
    region: str
    folders: RuntimeFolders
    opt_folder: Callable[[FunctionVersion], Path]
    allows: Allows = everything_allowed
    log_group_exists: Callable[[str], bool] = lambda _: True
    xray_daemon: Callable[[], str] = lambda: ""
    init_limit_s: float = limits.INIT_S_MAX
    log_kept_bytes: int = KEPT_BYTES
    deadlines: Deadlines = field(default_factory=Deadlines)
    metrics: FunctionMetrics = field(default_factory=FunctionMetrics)


class Call:
    """One event on its way through an environment. `answer` resolves once, to the result."""

    __slots__ = (
        "answer",
        "arn",
        "client_context",
        "log_tail",
        "origin",
        "payload",
        "request_id",
        "trace_id",
    )

    def __init__(
        self,
        request_id: str,
        payload: bytes,
        arn: str,
        *,
        trace_id: str,
        client_context: str,
        log_tail: bool,
        origin: Origin,
    ) -> None:
        self.request_id = request_id
        self.payload = payload
        self.arn = arn
        self.trace_id = trace_id
        self.client_context = client_context
        self.log_tail = log_tail
        self.origin = origin
        self.answer: Answer[InvokeResult] = Answer()

    def event_headers(self, deadline: float) -> bytes:
        """The Runtime API's headers for this event; `deadline` in epoch seconds."""
        headers = (
            f"Lambda-Runtime-Aws-Request-Id: {self.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {int(deadline * 1000)}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {self.arn}\r\n"
            f"Lambda-Runtime-Trace-Id: {self.trace_id}\r\n"
        )
        if self.client_context:  # JSON text: a line break in it is only white space.
            context = self.client_context.replace("\r", " ").replace("\n", " ")
            headers += f"Lambda-Runtime-Client-Context: {context}\r\n"
        return headers.encode("utf-8", "surrogateescape")
