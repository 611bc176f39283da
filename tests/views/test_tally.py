"""Counting what a journal tells."""

from typing import Any

import pytest

from labhelpers.views.tally import Tally
from labhelpers.views.tally_counts import Move
from labhelpers.views.things import CLIENT, FUNCTION
from tests.views.accounts import ARCHIVE, COPIER, INBOX, RECORDS, WRITER, Writer, one_upload, pipeline


@pytest.fixture
def tally() -> Tally:
    """A tally that knows the pipeline."""
    made = Tally()
    made.know(pipeline().named(FUNCTION), pipeline().links)
    return made


@pytest.fixture
def write() -> Writer:
    """A journal to write into."""
    return Writer()


def test_upload_moves_through_the_pipeline(tally: Tally) -> None:
    """From the client to the first bucket, by events to the functions, by the first function's call between them."""
    assert tally.add_all(one_upload()) == [
        Move(CLIENT, INBOX, "report.csv"),
        Move(INBOX, COPIER, "report.csv"),
        Move(COPIER, ARCHIVE, "report.csv"),
        Move(ARCHIVE, WRITER, "report.csv"),
    ]
    assert (tally.of(INBOX).arrived, tally.of(COPIER).done, tally.of(WRITER).failed) == (1, 1, 1)


def test_last_failure_says_what_the_function_said(tally: Tally) -> None:
    """The runtime client's first line, not the traceback."""
    tally.add_all(one_upload())
    assert tally.failure is not None
    assert (tally.failure.where, tally.failure.text) == (WRITER, "KeyError: 'DATABASE_URL'")


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        ({"status": "timeout", "duration_ms": 3000.0}, "timed out after 3.00 seconds"),
        ({"status": "error", "error_type": "Runtime.OutOfMemory"}, "Runtime.OutOfMemory"),
        ({"status": "error", "error_type": "ValueError", "error_message": "no"}, "ValueError: no"),
        ({"status": "error", "error_type": ""}, "the function reported an error"),
    ],
)
def test_failure_is_worded_from_the_entry(
    tally: Tally, write: Writer, detail: dict[str, Any], text: str
) -> None:
    """When no line of the log explains it."""
    write("invoke.started", COPIER, "r1", environment="e", cold=False)
    write("invoke.ended", COPIER, "r1", **detail)
    tally.add_all(write.entries)
    assert tally.failure is not None
    assert tally.failure.text == text


def test_logged_error_of_another_request_is_not_mixed_in(tally: Tally, write: Writer) -> None:
    """Each failure goes with the lines of its own request."""
    write("log", COPIER, "r1", message="[ERROR]\t2026-11-23T04:00:00.000Z\tr1\ta logged complaint\n")
    write.run(COPIER, "r2", "error", error_type="Runtime.ExitError")
    tally.add_all(write.entries)
    assert tally.failure is not None
    assert tally.failure.text == "Runtime.ExitError"


def test_running_and_waiting_come_and_go(tally: Tally, write: Writer) -> None:
    """Queued is waiting, started is running, ended is neither; a retry waits again, a dropped event does not."""
    write("invoke.queued", COPIER, "r1", source="s3")
    tally.add_all(write.entries)
    assert (tally.total().waiting, tally.total().running) == ({"r1"}, set())
    tally.add(write("invoke.started", f"{COPIER}:live", "r1", environment="e", cold=True))
    assert (tally.total().waiting, tally.total().running) == (set(), {"r1"})
    tally.add(write("invoke.ended", COPIER, "r1", status="error", error_type=""))
    tally.add(write("invoke.retry_in", COPIER, "r1", seconds=60, reason="FunctionError"))
    assert (tally.total().waiting, tally.total().running) == ({"r1"}, set())
    tally.add(write("invoke.dropped", COPIER, "r1", condition="RetriesExhausted", attempts=3))
    assert not tally.total().waiting


def test_call_from_the_notebook_moves_from_the_client(tally: Tally, write: Writer) -> None:
    """An asynchronous one when it is taken in, a synchronous one when it starts; one of a function's from there."""
    learner, writer = "arn:aws:iam::1:user/learner", "arn:aws:sts::1:assumed-role/r/writer"
    write("invoke.queued", COPIER, "r1", source="boto3", principal=learner)
    write("invoke.started", COPIER, "r1", source="boto3", principal=learner)
    write("invoke.started", COPIER, "r2", source="boto3", principal=learner)
    write("invoke.started", COPIER, "r3", source="boto3", principal=writer)
    write("invoke.queued", COPIER, "r4", source="boto3", principal=writer)
    write("invoke.started", COPIER, "r5", source="lambda-url", source_arn=COPIER, principal="")
    write("invoke.started", COPIER, "r6", source="sqs", principal="")  # The poller has told of it.
    assert tally.add_all(write.entries) == [
        Move(CLIENT, COPIER),
        Move(CLIENT, COPIER),
        Move(WRITER, COPIER),
        Move(WRITER, COPIER),
        Move(CLIENT, COPIER),
    ]


def test_removed_object_moves_nothing(tally: Tally, write: Writer) -> None:
    """It is remembered among what happened lately."""
    write("s3.event", INBOX, event="ObjectRemoved:Delete", key="a.csv", principal="")
    assert tally.add_all(write.entries) == []
    assert list(tally.of(INBOX).recent) == ["ObjectRemoved:Delete a.csv"]
    assert tally.of(INBOX).arrived == 0


def test_connection_comes_from_the_function_that_is_set_up_for_it(tally: Tally, write: Writer) -> None:
    """If that one is running; otherwise it was the client."""
    write("database.connection", RECORDS, user="course", database="course")
    write("invoke.started", WRITER, "r1")
    write("database.connection", RECORDS, user="course", database="course")
    moves = tally.add_all(write.entries)
    assert [(move.source, move.target) for move in moves] == [(CLIENT, RECORDS), (WRITER, RECORDS)]
    assert tally.of(RECORDS).arrived == 2


def test_environments_are_counted_while_they_live(tally: Tally, write: Writer) -> None:
    """From INIT to ENDED."""
    write("environment.state", COPIER, environment="e1", state="INIT")
    write("environment.state", COPIER, environment="e1", state="IDLE")
    write("environment.state", COPIER, environment="e2", state="INIT")
    write("environment.state", COPIER, environment="e1", state="ENDED")
    tally.add_all(write.entries)
    assert tally.of(COPIER).environments == {"e2"}


def test_failure_that_nobody_waits_for_is_the_last_failure(tally: Tally, write: Writer) -> None:
    """A notification that could not be delivered, for example."""
    write("failure", INBOX, message="S3 could not notify")
    tally.add_all(write.entries)
    assert tally.failure is not None
    assert (tally.failure.where, tally.failure.text) == (INBOX, "S3 could not notify")


def test_texts_can_be_sent_to_a_page(tally: Tally, write: Writer) -> None:
    """Half a character, as JSON can bring it, would keep the whole map from being shown."""
    write.run(COPIER, "r1", "error", error_type="E", error_message="no \ud83d")
    tally.add_all(write.entries)
    assert tally.of(COPIER).last_failure == "E: no \\ud83d"


def test_memory_is_bounded(tally: Tally, write: Writer) -> None:
    """A thousand runs with long lines leave a few, none of them endless."""
    for number in range(1000):
        write("log", COPIER, f"r{number}", message="x" * 10_000)
        write.run(COPIER, f"r{number}")
    tally.add_all(write.entries)
    count = tally.of(COPIER)
    assert count.done == 1000 and len(count.recent) <= 8 and not count.running
    assert max(map(len, count.recent)) <= 2_000
    assert not tally._error_lines and not tally._queued


def test_unknown_kinds_are_passed_over(tally: Tally, write: Writer) -> None:
    """A newer lab writes more than this view draws."""
    assert tally.add(write("something.new", "arn:x")) == []
    assert tally.last_seq == 1


def test_records_that_are_read_move_to_their_function(tally: Tally, write: Writer) -> None:
    """Once for each call; tries of the same batch are counted apart, and not as more records."""
    stream = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks"
    poll = {"destination": f"{COPIER}:live", "batch_size": 3}
    write("kinesis.poll", stream, "r1", **poll, attempt=1)
    write("kinesis.retry_in", stream, "r1", reason="ValueError")
    write("kinesis.poll", stream, "r2", **poll, attempt=2)
    write("kinesis.bisect", stream, "r2", reason="ValueError")
    assert tally.add_all(write.entries) == [Move(stream, COPIER, "3 records")] * 2
    assert (tally.of(stream).arrived, tally.of(stream).again) == (3, 2)
    assert tally.total().done == 0


def test_messages_that_come_back_are_tried_again(tally: Tally, write: Writer) -> None:
    """A batch whose messages were all deleted is not."""
    queue = "arn:aws:sqs:us-east-1:123456789012:jobs"
    write("sqs.poll", queue, "r1", destination=COPIER, messages=["a", "b"])
    write("sqs.batch", queue, "r1", deleted=2, returned=0, reason="")
    write("sqs.batch", queue, "r2", deleted=0, returned=1, reason="ValueError")
    assert tally.add_all(write.entries) == [Move(queue, COPIER, "2 messages")]
    assert (tally.of(queue).gone, tally.of(queue).again) == (2, 1)


def test_function_with_a_name_of_one_letter_is_known(tally: Tally, write: Writer) -> None:
    """Its role's session has a longer one."""
    tally.know({"f": WRITER}, ())
    caller = "arn:aws:sts::1:assumed-role/r/f@lambda_function"
    write("invoke.started", COPIER, "r1", source="boto3", principal=caller)
    assert tally.add_all(write.entries) == [Move(WRITER, COPIER)]
