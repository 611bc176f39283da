"""Invoke: what reaches the function, what comes back, and how AWS refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from labhelpers.cloud.lambda_service_payload import check_payload
from labhelpers.errors import TOO_MANY_REQUESTS, AwsError
from labhelpers.functions import aliases
from labhelpers.functions.package import remove_tree
from labhelpers.model import FunctionError, InvokeResult
from tests.deployment_packages import FUNCTION_ARN
from tests.in_process_lambda import InProcessLambda, in_process_lambda, refusal

ARN = f"{FUNCTION_ARN}:echo"
PATH = "http://x/2015-03-31/functions/echo/invocations"
TOO_LARGE = "RequestEntityTooLargeException"
REDACTED = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"
VALUE = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InProcessLambda]:
    """A Lambda with one function, version 1 of it, and the alias `live` for that."""
    with in_process_lambda(tmp_path) as lab:
        lab.create(Publish=True)
        aliases.create(lab.registry, "echo", "live", "1")
        yield lab
    remove_tree(tmp_path / "packages")


def test_synchronous_call_answers_with_payload_and_version(lab: InProcessLambda) -> None:
    """The headers are AWS's; no error, no log unless asked."""
    answer = lab.client.invoke(FunctionName="echo", Payload=b'{"a": 1}')
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert answer["Payload"].read() == b'{"a": 1}'
    assert not {"FunctionError", "LogResult"} & answer.keys()
    headers = lab.raw[-1].headers
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Amzn-Trace-Id"].startswith("Root=1-")
    call = lab.invoker.calls[-1]
    assert (call.request_id, call.trace_id) == ("request-0", headers["X-Amzn-Trace-Id"])


@pytest.mark.parametrize(
    ("function", "qualifier", "version"),
    [
        ("echo", None, "$LATEST"),
        ("echo:1", None, "1"),
        (f"{ARN}:live", None, "1"),
        (ARN, "live", "1"),
        ("123456789012:function:echo", "$LATEST", "$LATEST"),
    ],
)
def test_function_may_be_named_in_any_form(
    lab: InProcessLambda, function: str, qualifier: str | None, version: str
) -> None:
    """As boto3 encodes it into the path and the query."""
    options = {"Qualifier": qualifier} if qualifier else {}
    assert lab.client.invoke(FunctionName=function, **options)["ExecutedVersion"] == version
    encoded = quote(function, safe="")
    query = f"?Qualifier={quote(qualifier, safe='')}" if qualifier else ""
    response = lab.send("POST", f"http://x/2015-03-31/functions/{encoded}/invocations{query}")
    assert response.headers["X-Amz-Executed-Version"] == version


def test_empty_payload_is_an_empty_object(lab: InProcessLambda) -> None:
    """A call without a body gives the handler `{}`."""
    lab.client.invoke(FunctionName="echo")
    assert lab.invoker.calls[-1].payload == b"{}"


def test_function_error_is_an_answer(lab: InProcessLambda) -> None:
    """HTTP 200, the error's payload, and the header that tells."""
    error = FunctionError.make("KeyError", "'x'")
    lab.invoker.result = InvokeResult("r", "$LATEST", b"", error)
    answer = lab.client.invoke(FunctionName="echo")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read()) == {"errorType": "KeyError", "errorMessage": "'x'"}


def test_log_tail_comes_in_base64(lab: InProcessLambda) -> None:
    """Only when it is asked for."""
    lab.invoker.result = InvokeResult("r", "$LATEST", b"null", log_tail=b"START\nEND\n")
    answer = lab.client.invoke(FunctionName="echo", LogType="Tail")
    assert lab.invoker.calls[-1].log_tail
    assert base64.b64decode(answer["LogResult"]) == b"START\nEND\n"


def test_client_context_reaches_the_function_as_json(lab: InProcessLambda) -> None:
    """Base64 of a JSON object, or it is refused."""
    context = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
    lab.client.invoke(FunctionName="echo", ClientContext=context)
    assert json.loads(lab.invoker.calls[-1].client_context) == {"custom": {"a": "b"}}
    for wrong in ("%%%", base64.b64encode(b"[1]").decode(), base64.b64encode(b"{").decode()):
        assert refusal(lab.client.invoke, FunctionName="echo", ClientContext=wrong) == (
            400,
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
        )


def test_trace_header_of_the_caller_is_passed_on(lab: InProcessLambda) -> None:
    """A call within a trace stays in it."""
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    response = lab.send("POST", PATH, headers={"X-Amzn-Trace-Id": trace})
    assert lab.invoker.calls[-1].trace_id == trace == response.headers["X-Amzn-Trace-Id"]


def test_event_is_queued(lab: InProcessLambda) -> None:
    """202, no body, no version; the queue has the event with its request id."""
    answer = lab.client.invoke(FunctionName="echo:live", InvocationType="Event", Payload=b'{"k": 1}')
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    assert "ExecutedVersion" not in answer
    event = lab.queue.events[-1]
    assert (event.function, event.payload, event.request_id) == ("echo:live", b'{"k": 1}', "request-0")
    assert lab.invoker.calls == []


def test_dry_run_runs_nothing(lab: InProcessLambda) -> None:
    """204 when the call would have been accepted."""
    assert lab.client.invoke(FunctionName="echo", InvocationType="DryRun")["StatusCode"] == 204
    assert (lab.invoker.calls, lab.queue.events) == ([], [])


def test_old_invoke_async_still_works(lab: InProcessLambda) -> None:
    """The operation of 2014, which tools still know."""
    answer = lab.client.invoke_async(FunctionName="echo", InvokeArgs=b'{"old": true}')
    assert answer["Status"] == 202
    assert lab.queue.events[-1].payload == b'{"old": true}'


@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("nope", f"Function not found: {FUNCTION_ARN}:nope:$LATEST"),
        ("echo:7", f"Function not found: {ARN}:7"),
        ("echo:gone", f"Function not found: {ARN}:gone"),
    ],
)
def test_function_that_is_not_there(lab: InProcessLambda, kind: str, function: str, expected: str) -> None:
    """404 before anything is queued, whatever the payload is."""
    for payload in (b"{}", b"no json"):
        found = refusal(lab.client.invoke, FunctionName=function, InvocationType=kind, Payload=payload)
        assert found == (404, "ResourceNotFoundException", expected)
    assert lab.queue.events == []


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (
            b"not json",
            f"Unrecognized token 'not': was expecting {VALUE}{REDACTED}; line: 1, column: 4]",
        ),
        (b'{"a":}', "Unexpected character ('}' (code 125)): expected a valid value"),
        (b"{a: 1}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name"),
        (
            b'{"a" 1}',
            "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
        ),
        (b"[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate entries"),
        (b'{"a":\n', f"Unexpected end-of-input{REDACTED}; line: 2, column: 1]"),
        (b'"open', "Unexpected end-of-input"),
        (b"{} {}", "Unexpected character ('{' (code 123)): expected end of input"),
        (b'{"a": NaN}', "Non-standard token 'NaN'"),
        (b"n\x87r\x9e", f"Invalid UTF-8 start byte 0x87{REDACTED}; line: 1, column: 3]"),
        (
            b"\x99\xeb,j\x07",
            f"Unexpected character ((CTRL-CHAR, code 153)): expected a valid value {VALUE}{REDACTED}; line: 1",
        ),
        (b"[\n \xa7]", "Unexpected character ('\xa7' (code 167)): expected a valid value"),
        (b'["\xff"]', f"Invalid UTF-8 start byte 0xff{REDACTED}; line: 1, column: 4]"),
        (b'["\xc3"]', "Invalid UTF-8 middle byte 0x22"),
        (b'["\xc3', "Unexpected end-of-input"),
        (
            b"[1 2] \xff",
            f"Unexpected character ('2' (code 50)): was expecting comma to separate entries{REDACTED}",
        ),
        (b"[" * 100_000, "Document nesting depth exceeds the maximum allowed"),
        (b"1" * 5000, "Exceeds the limit"),
    ],
)
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_payload_that_is_not_json_is_refused(
    lab: InProcessLambda, kind: str, payload: bytes, complaint: str
) -> None:
    """Neither kind of call takes it; AWS's sentence says why."""
    status, code, message = refusal(
        lab.client.invoke, FunctionName="echo", InvocationType=kind, Payload=payload
    )
    assert (status, code) == (400, "InvalidRequestContentException")
    start = "Could not parse request body into json: Could not parse payload into json: "
    assert message.startswith(start + complaint)
    assert json.loads(lab.raw[-1].body) == {"Type": "User", "message": message}


@pytest.mark.parametrize("payload", [b"true", b"null", b"1.5e3", b'"text"', b"[]", b' {"a": "\xc3\xa9"} '])
def test_any_json_value_is_a_payload(payload: bytes) -> None:
    """It reaches the function byte by byte."""
    assert check_payload(payload) is payload


def test_payload_limits_hold(lab: InProcessLambda) -> None:
    """Six MiB for a synchronous call, one for an event; the limit itself is allowed."""
    fits, event = b'"' + b"x" * (6_291_456 - 2) + b'"', b'"' + b"x" * (1_048_576 - 2) + b'"'
    lab.client.invoke(FunctionName="echo", Payload=fits)
    lab.client.invoke(FunctionName="echo", Payload=event, InvocationType="Event")
    expected = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    assert refusal(lab.client.invoke, FunctionName="echo", Payload=fits + b" ") == (413, TOO_LARGE, expected)
    expected = "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    found = refusal(lab.client.invoke, FunctionName="echo", Payload=event + b" ", InvocationType="Event")
    assert found == (413, TOO_LARGE, expected)
    assert len(lab.queue.events) == 1


def test_unknown_invocation_and_log_types_are_validation_errors(lab: InProcessLambda) -> None:
    """The set of values is named."""
    found = refusal(lab.client.invoke, FunctionName="echo", InvocationType="Later", LogType="All")
    assert found[1] == "ValidationException"
    assert found[2] == (
        "2 validation errors detected: Value 'Later' at 'invocationType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Event, RequestResponse, DryRun]; Value 'All' at 'logType' "
        "failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]"
    )


def test_throttling_has_its_reason(lab: InProcessLambda) -> None:
    """Whatever the invoker raises keeps its members."""
    lab.invoker.result = AwsError(
        TOO_MANY_REQUESTS,
        "Rate Exceeded.",
        429,
        fields={"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"},
    )
    assert refusal(lab.client.invoke, FunctionName="echo") == (429, TOO_MANY_REQUESTS, "Rate Exceeded.")
    assert json.loads(lab.raw[-1].body) == {
        "Type": "User",
        "message": "Rate Exceeded.",
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    }


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/2021-11-15/functions/echo/response-streaming-invocations", {}),
        ("/2015-03-31/functions/echo/invocations", {"X-Amz-Tenant-Id": "t"}),
        ("/2015-03-31/functions/echo/invocations", {"X-Amz-Durable-Execution-Name": "n"}),
    ],
)
def test_calls_of_a_kind_that_is_left_out_are_refused(
    lab: InProcessLambda, path: str, headers: dict[str, str]
) -> None:
    """By name, with 501."""
    response = lab.send("POST", f"http://x{path}", headers=headers)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (501, "NotEmulatedByThisLab")
