"""How AWS words what became of a runtime: exit codes, signals, reported errors. Pure."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass

from labhelpers.model import FunctionError


@dataclass(slots=True)
class InitFailure:
    """Why an INIT failed: Lambda's error type and the JSON body for the caller."""

    error_type: str
    payload: bytes
    message: str


def init_status(failure: InitFailure) -> str:
    """What INIT_REPORT says of a failed INIT."""
    return "timeout" if failure.error_type == "Sandbox.Timedout" else "error"


def reported_type(error: FunctionError | None) -> str:
    """AWS names an error in REPORT only if the platform or the runtime itself failed, not for a handler's exception."""
    return error.type if error is not None and error.type.startswith(("Runtime.", "Function.")) else ""


def runtime_error(body: bytes, error_type: str) -> FunctionError:
    """What a runtime reported: its JSON body goes to the caller as it is."""
    try:
        said = json.loads(body)
    except ValueError:
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
