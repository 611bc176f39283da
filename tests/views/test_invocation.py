"""Reading the answer of an Invoke."""

import base64
import json

from labhelpers.views.invocation import LogLine, log_lines, read_invocation, shown_payload

REQUEST = "d1ea500f-966b-4110-a112-bb3a02e072a6"
TAIL = (
    f"START RequestId: {REQUEST} Version: $LATEST\n"
    "hello\n"
    "[ERROR] KeyError: 'name'\n"
    "Traceback (most recent call last):\n"
    '\xa0\xa0File "/var/task/greet.py", line 9, in handler\n'
    "\xa0\xa0\xa0\xa0return event['name']"
    f"END RequestId: {REQUEST}\n"
    f"REPORT RequestId: {REQUEST}\tDuration: 2.72 ms\tBilled Duration: 103 ms\tMemory Size: 128 MB\t"
    "Max Memory Used: 19 MB\tInit Duration: 99.80 ms\t\n"
)


def answer(**fields: object) -> dict[str, object]:
    """boto3's answer, without its payload."""
    tail = base64.b64encode(TAIL.encode()).decode()
    return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "LogResult": tail, **fields}


def test_value_that_the_handler_returned() -> None:
    """As JSON text, and as Python sees it."""
    made = read_invocation(answer(), b'{"greeting": "Hello"}')
    assert (made.value, made.function_error) == ({"greeting": "Hello"}, "")
    assert made.headline() == "HTTP 200 (the function returned)"
    assert made.to_text().splitlines()[1:4] == ["{", '  "greeting": "Hello"', "}"]


def test_error_of_the_function_is_no_error_of_the_call() -> None:
    """HTTP 200, with type, message and stack trace from the payload."""
    payload = {"errorType": "KeyError", "errorMessage": "'name'", "stackTrace": ["  File x\n", "    y\n"]}
    made = read_invocation(answer(FunctionError="Unhandled"), json.dumps(payload).encode())
    assert made.headline() == "HTTP 200, X-Amz-Function-Error: Unhandled (the function failed)"
    assert (made.error_type, made.error_message, len(made.stack_trace)) == ("KeyError", "'name'", 2)
    assert made.to_text().splitlines()[1:4] == ["KeyError: 'name'", "  File x", "    y"]


def test_figures_come_from_the_report_line() -> None:
    """In its own words and units."""
    assert read_invocation(answer(), b"null").figures == {
        "Duration": "2.72 ms",
        "Billed Duration": "103 ms",
        "Memory Size": "128 MB",
        "Max Memory Used": "19 MB",
        "Init Duration": "99.80 ms",
    }


def test_log_lines_know_their_kind() -> None:
    """The platform's own, errors with their tracebacks, and what the function printed."""
    assert [line.kind for line in log_lines(TAIL)] == ["START", "", *["ERROR"] * 4, "END", "REPORT"]
    assert log_lines("INIT_START Runtime Version: python:3.13.v68\n")[0].kind == "INIT"
    assert log_lines("XRAY TraceId: 1-5759e988\tSegmentId: 53995c3f\tSampled: true\t\n")[0].kind == "REPORT"
    assert log_lines(f"2026-11-23T04:00:00.000Z {REQUEST} Task timed out after 3.00 seconds\n\n") == (
        LogLine("ERROR", f"2026-11-23T04:00:00.000Z {REQUEST} Task timed out after 3.00 seconds"),
    )


def test_indented_line_of_a_handler_is_no_error() -> None:
    """Only what follows an error is part of it."""
    assert [line.kind for line in log_lines("[ERROR] X\n  at y\nprinted\n  indented\n")] == [
        "ERROR",
        "ERROR",
        "",
        "",
    ]


def test_payload_that_is_no_json_is_shown_as_it_is() -> None:
    """And a huge one is cut, with a word about what is missing."""
    assert shown_payload("{not json") == "{not json"
    assert shown_payload('"' + "x" * 30_000 + '"').endswith("\n… 10,002 more characters")


def test_answer_without_a_log_or_a_payload() -> None:
    """An asynchronous call has neither."""
    made = read_invocation({"StatusCode": 202}, b"")
    assert (made.value, made.log, made.figures) == (None, (), {})
    assert made.headline() == "HTTP 202"
