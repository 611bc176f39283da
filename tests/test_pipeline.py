"""The whole: a file goes from bucket to function to bucket to function to a row; nothing is lost when runs crash."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
import pytest

from labhelpers import Lab
from labhelpers.course.pipeline import Pipeline, build_pipeline, connect_bucket, remove_pipeline, send_through

PATIENCE_S = 60.0
CRASHING = """
import json, os, boto3
from urllib.parse import unquote_plus
sqs = boto3.client("sqs")
def handler(event, context):
    key = unquote_plus(event["Records"][0]["s3"]["object"]["key"])
    number = int(key.removeprefix("upload "))
    if number % 10 == 3:
        raise RuntimeError(f"{key} fails")
    if number % 10 == 7:
        os._exit(1)
    sqs.send_message(QueueUrl=os.environ["DONE"], MessageBody=key)
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab whose clock runs 60 times as fast, so that a minute's wait for a retry is a second."""
    with Lab(clock_speed=60) as lab:
        yield lab


@pytest.fixture(scope="module")
def pipeline(lab: Lab) -> Iterator[Pipeline]:
    """The course's pipeline, standing."""
    pipeline = build_pipeline(lab.role_arn)
    yield pipeline
    remove_pipeline(pipeline)


def package(source: str) -> bytes:
    """A zip archive with `source` as index.py."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()


def wait_for(condition: Any, what: str) -> Any:
    """The first true value of `condition()`."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE_S:.0f} s in vain for {what}")


@pytest.mark.parametrize("key", ["plain.txt", "my summer/photo (1) ü+&.jpg", "emoji 🙂.txt"])
def test_upload_becomes_a_row(pipeline: Pipeline, key: str) -> None:
    """Any key arrives in the table as it was uploaded, with the size of the object."""
    row = send_through(pipeline, key, b"twelve bytes")
    assert (row["bucket"], row["object_key"], row["size_bytes"]) == (pipeline.archive, key, 12)
    assert row["event_name"] == "ObjectCreated:Copy"


def test_a_second_delivery_adds_no_second_row(lab: Lab, pipeline: Pipeline) -> None:
    """The same event delivered again is recognised by its sequencer."""
    send_through(pipeline, "once.txt", b"1")
    with psycopg.connect(pipeline.database_url) as connection:
        found = connection.execute("SELECT sequencer FROM uploads WHERE object_key = 'once.txt'").fetchone()
    assert found is not None
    record = {
        "eventName": "ObjectCreated:Copy",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "once.txt", "size": 1, "sequencer": found[0]}},
    }
    answer = boto3.client("lambda").invoke(
        FunctionName=pipeline.writer, Payload=json.dumps({"Records": [record]})
    )
    assert json.load(answer["Payload"]) == {"written": 0}


def test_journal_tells_the_way_of_an_upload(lab: Lab, pipeline: Pipeline) -> None:
    """The events that start both functions are in the journal, in order."""
    before = max((entry["seq"] for entry in lab.journal()), default=0)
    send_through(pipeline, "followed.txt", b"1")

    queued = lab.journal(since=before, kind="invoke.queued")
    names = [entry["resource"].split(":function:")[1] for entry in queued]
    assert names == [pipeline.copier, pipeline.writer]
    assert [entry["detail"]["source_arn"].split(":::")[1] for entry in queued] == [
        pipeline.inbox,
        pipeline.archive,
    ]


def test_database_killed_in_mid_flight_loses_no_upload(lab: Lab, pipeline: Pipeline) -> None:
    """The database restarts while uploads go on: function errors are tried again until each row is there."""
    keys = [f"while down {number}" for number in range(10)]
    for number, key in enumerate(keys):
        if number == 3:
            boto3.client("rds").reboot_db_instance(DBInstanceIdentifier=pipeline.database)
        boto3.client("s3").put_object(Bucket=pipeline.inbox, Key=key, Body=b"x")

    def all_there() -> bool:
        try:
            with psycopg.connect(pipeline.database_url, connect_timeout=2) as connection:
                query = "SELECT count(*) FROM uploads WHERE object_key LIKE 'while down %'"
                row = connection.execute(query).fetchone()
                return row is not None and row[0] == len(keys)
        except psycopg.OperationalError:
            return False

    wait_for(all_there, "ten rows")


@pytest.mark.slow
def test_no_upload_is_lost_when_a_fifth_of_the_runs_crash(lab: Lab) -> None:
    """Of 1,000 uploads each is processed or reported to the failure queue, after three tries with one request id."""
    count = 1000
    s3, functions, sqs = (boto3.client(name) for name in ("s3", "lambda", "sqs"))
    s3.create_bucket(Bucket="crashes")
    done, failed = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("done", "failed"))
    failed_arn = f"arn:aws:sqs:{lab.region}:{lab.account_id}:failed"
    arn = functions.create_function(
        FunctionName="crashing",
        Runtime="python3.13",
        Role=lab.role_arn,
        Handler="index.handler",
        Code={"ZipFile": package(CRASHING)},
        Environment={"Variables": {"DONE": done}},
        Timeout=10,
    )["FunctionArn"]
    functions.put_function_event_invoke_config(
        FunctionName="crashing", DestinationConfig={"OnFailure": {"Destination": failed_arn}}
    )
    connect_bucket("crashes", arn)
    for number in range(count):
        s3.put_object(Bucket="crashes", Key=f"upload {number}", Body=b"x")

    def depth(url: str) -> int:
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    wait_for(lambda: depth(done) + depth(failed) >= count, "every upload to be processed or reported")
    reports = []
    while messages := sqs.receive_message(QueueUrl=failed, MaxNumberOfMessages=10).get("Messages"):
        reports += [json.loads(message["Body"]) for message in messages]
    assert depth(done) == count * 8 // 10
    assert len(reports) == count * 2 // 10
    assert {report["requestContext"]["approximateInvokeCount"] for report in reports} == {3}
    tries = Counter(entry["request_id"] for entry in lab.journal(kind="invoke.ended"))
    assert {tries[report["requestContext"]["requestId"]] for report in reports} == {3}
