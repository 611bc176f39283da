"""How AWS words what became of a runtime: exit codes, signals, reported errors, failed INITs. Pure."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass

from labhelpers.errors import LabError
from labhelpers.model import FunctionError

EXIT_ERROR, OUT_OF_MEMORY = "Runtime.ExitError", "Runtime.OutOfMemory"
TIMED_OUT, LAB_FAILURE = "Sandbox.Timedout", "Sandbox.Failure"
INVALID_ENTRYPOINT = "Runtime.InvalidEntrypoint"
_NAMED_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")


@dataclass(frozen=True, slots=True)
class InitFailure:
    """Why an INIT failed. `message` says how the runtime ended; `reported` is the JSON body that it sent before."""

    kind: str
    message: str = ""
    reported: bytes = b""

    @property
    def status(self) -> str:
        """What INIT_REPORT says."""
        return "timeout" if self.kind == TIMED_OUT else "error"

    @property
    def error_type(self) -> str:
        """The type that INIT_REPORT names: none for a timeout."""
        return "" if self.kind == TIMED_OUT else self.kind

    def as_error(self, request_id: str) -> FunctionError:
        """What the caller gets: the runtime's own report as it is, or Lambda's words."""
        if self.reported:
            return runtime_error(self.reported, self.kind)
        return FunctionError.make(self.kind, f"RequestId: {request_id} Error: {self.message}")


class InvalidEntrypoint(LabError):
    """There is nothing to start in a function's package or layers; the message is AWS's."""


def start_failure(error: LabError) -> InitFailure:
    """Why a runtime could not be started."""
    kind = INVALID_ENTRYPOINT if isinstance(error, InvalidEntrypoint) else LAB_FAILURE
    return InitFailure(kind, str(error))


def told_failure(text: str) -> InitFailure:
    """The same, from what the process that should have become the runtime said: a name and a message."""
    name, _, message = text.partition(": ")
    if name == InvalidEntrypoint.__name__:
        return InitFailure(INVALID_ENTRYPOINT, message)
    return InitFailure(LAB_FAILURE, text)


def reported_init_failure(body: bytes, error_type: str) -> InitFailure:
    """What a runtime posted to init/error. Lambda names only types of its own form; others are unknown to it."""
    error = runtime_error(body, error_type)
    kind = error_type or error.type
    return InitFailure(kind if _NAMED_TYPE.match(kind) else "Runtime.Unknown", error.message, error.payload)


def reported_type(error: FunctionError | None) -> str:
    """AWS names an error in REPORT only if the platform or the runtime itself failed, not for a handler's exception."""
    return error.type if error is not None and error.type.startswith(("Runtime.", "Function.")) else ""


def runtime_error(body: bytes, error_type: str) -> FunctionError:
    """What a runtime reported: its JSON body goes to the caller as it is."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    kind = str(said.get("errorType") or error_type or "Runtime.Unknown")
    message = str(said.get("errorMessage") or "")
    return FunctionError(kind, message, body if said else FunctionError.make(kind, message).payload)


_SIGNALS = {
    signal.SIGABRT: "aborted",
    signal.SIGALRM: "alarm clock",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGHUP: "hangup",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGPIPE: "broken pipe",
    signal.SIGQUIT: "quit",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
    signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGXCPU: "CPU time limit exceeded",
}


def exit_message(code: int) -> str:
    """How AWS words the end of a runtime: with its exit status, its signal, or no reason."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    try:
        name = _SIGNALS.get(signal.Signals(-code), f"signal {-code}")
    except ValueError:
        name = f"signal {-code}"
    return f"Runtime exited with error: signal: {name}"


def timeout_message(timeout_s: float) -> str:
    """How AWS words that a function's time is over."""
    return f"Task timed out after {timeout_s:.2f} seconds"
