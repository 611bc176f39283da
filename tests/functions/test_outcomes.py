"""AWS's words for what became of a runtime."""

from __future__ import annotations

import json

import pytest

from labhelpers.functions.outcomes import (
    InitFailure,
    exit_message,
    reported_init_failure,
    reported_type,
    runtime_error,
)
from labhelpers.model import FunctionError


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (-9, "Runtime exited with error: signal: killed"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
        (-10, "Runtime exited with error: signal: signal 10"),
        (-99, "Runtime exited with error: signal: signal 99"),
    ],
)
def test_exit_is_told_as_lambda_tells_it(code: int, message: str) -> None:
    """A status, a signal by its name, or no reason."""
    assert exit_message(code) == message


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
        ("Function.Own", "Function.Own"),
        ("Exception", "Runtime.Unknown"),
        ("", "Runtime.Unknown"),
    ],
)
def test_init_errors_type_has_lambdas_form_or_is_unknown(header: str, kind: str) -> None:
    """The caller gets the report as it is; Lambda's own lines name only types of its form."""
    body = b'{"errorType": "Exception", "errorMessage": "no", "requestId": ""}'
    failure = reported_init_failure(body, header)
    assert [failure.kind, failure.status, failure.error_type] == [kind, "error", kind]
    assert failure.as_error("r").payload == body


def test_init_that_ended_otherwise() -> None:
    """Lambda's words, with the id of the request that waits."""
    error = InitFailure("Runtime.ExitError", exit_message(3)).as_error("r-1")
    assert json.loads(error.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: r-1 Error: Runtime exited with error: exit status 3",
    }
    timed_out = InitFailure("Sandbox.Timedout")
    assert [timed_out.status, timed_out.error_type] == ["timeout", ""]


def test_report_that_is_no_json_object() -> None:
    """The header's type stands in."""
    for body in (b"", b"\xff", b"[]", b"1"):
        error = runtime_error(body, "Runtime.Own")
        assert json.loads(error.payload) == {"errorType": "Runtime.Own", "errorMessage": ""}
    assert runtime_error(b"", "").type == "Runtime.Unknown"


def test_report_names_only_failures_of_the_platform() -> None:
    """A handler's own exception is no error of the runtime's."""
    assert reported_type(FunctionError.make("ValueError", "")) == ""
    assert (
        reported_type(FunctionError.make("Function.ResponseSizeTooLarge", ""))
        == "Function.ResponseSizeTooLarge"
    )
    assert reported_type(None) == ""
