"""The data browser: what each kind of source shows, that looking changes nothing, and that markup is text."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from labhelpers import Lab
from labhelpers.views.aws import client
from labhelpers.views.data_browser import DataBrowser
from labhelpers.views.data_listing import (
    Source,
    build_items,
    build_messages,
    changes_data,
    read_source,
    show_bytes,
)
from labhelpers.views.following import READ_PAUSE_S
from tests.conftest import wait_for


def aws(service: str, operation: str, **parameters: Any) -> Any:
    """What a call of boto3 answers."""
    with contextlib.closing(boto3.client(service)) as client:
        return getattr(client, operation)(**parameters)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab with a bucket, a queue and a table."""
    with Lab() as running:
        aws("s3", "create_bucket", Bucket="photos")
        aws("sqs", "create_queue", QueueName="jobs")
        aws(
            "dynamodb", "create_table",
            TableName="cats", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        )  # fmt: skip
        yield running


def test_sources_are_found_and_objects_listed(lab: Lab) -> None:
    """The first source is chosen; an object that comes shows by itself, and opens as text."""
    view = DataBrowser(lab)
    assert [source["id"] for source in view.sources] == ["bucket photos", "queue jobs", "table cats"]
    assert view.selected == "bucket photos"
    aws("s3", "put_object", Bucket="photos", Key="a.txt", Body=b"<b>hello</b>")
    wait_for(lambda: [row[0] for row in view.listing["rows"]] == ["a.txt"], "the object")
    view._open(0)
    assert view.detail == "<b>hello</b>"
    assert "a.txt | 12 bytes" in view.to_text()
    assert "<b>" not in view.to_html()
    view.close()


def test_a_queue_is_only_received_from_when_asked(lab: Lab) -> None:
    """Choosing a queue shows its counts; the messages' receive count stays 0 until the button is pressed."""
    url = aws("sqs", "get_queue_url", QueueName="jobs")["QueueUrl"]
    aws("sqs", "send_message", QueueUrl=url, MessageBody="work")
    view = DataBrowser(lab)
    view.selected = "queue jobs"
    wait_for(lambda: view.listing.get("receives"), "the queue")
    assert view.listing["rows"] == []
    assert view.listing["note"].startswith("1 waiting, 0 in flight")
    view._look("looking", receive=True)
    assert view.listing["rows"][0][1:] == ["1", "work"]
    assert aws("sqs", "receive_message", QueueUrl=url)["Messages"], "it was put back at once"
    wait_for(lambda: view.listing["note"].startswith("0 waiting, 1 in flight"), "the other look")
    assert view.listing["rows"][0][1:] == ["1", "work"], "what was received stays in sight"
    aws("sqs", "purge_queue", QueueUrl=url)
    wait_for(lambda: not view.listing["rows"], "the end of the message")
    view.close()


def test_looking_is_no_change() -> None:
    """A view that took its own reading for a change would read for ever."""
    entry = {"kind": "api.call", "detail": {}}
    for call in (
        "GET /",
        "HEAD /photos",
        "ListQueues",
        "GetQueueAttributes",
        "DescribeTable",
        "Scan",
        "Query",
    ):
        assert not changes_data({**entry, "detail": {"call": call}})
    for call in ("PUT /photos/a.txt", "POST /photos?delete", "SendMessage", "ReceiveMessage", "PutItem"):
        assert changes_data({**entry, "detail": {"call": call}})
    assert changes_data({"kind": "invoke.ended", "detail": {}})
    assert not changes_data({"kind": "log", "detail": {}})


def test_a_view_at_rest_asks_nothing(lab: Lab) -> None:
    """Nothing happens, so nothing is read."""
    view = DataBrowser(lab)
    time.sleep(2 * READ_PAUSE_S)  # What was still on its way has been read.
    before = lab.journal()[-1]["seq"]
    time.sleep(2 * READ_PAUSE_S)
    assert lab.journal()[-1]["seq"] == before
    view.close()


def test_items_of_a_table_share_columns(lab: Lab) -> None:
    """Attributes that only some items have are empty in the others; a row opens as JSON."""
    aws("dynamodb", "put_item", TableName="cats", Item={"name": {"S": "Tom"}, "lives": {"N": "9"}})
    aws("dynamodb", "put_item", TableName="cats", Item={"name": {"S": "Kit"}, "tags": {"SS": ["small"]}})
    view = DataBrowser(lab, "table cats")  # What is chosen by the maker is there at once.
    assert len(view.listing["rows"]) == 2
    assert view.listing["columns"] == ["name", "lives", "tags"]
    view._open(0)
    assert "name" in json.loads(view.detail)
    view.close()


def test_a_source_that_is_gone_is_an_error_in_the_view(lab: Lab) -> None:
    """The view says what happened, and goes on."""
    view = DataBrowser(lab)
    with view.showing_errors("The data could not be read"):
        read_source(Source("bucket", "gone"), client)
    assert "NoSuchBucket" in view.problem
    view.close()


def test_listings_are_bounded_and_text() -> None:
    """Long values are cut, bytes that are no text are shown as digits."""
    listing = build_items({"Items": [{"a": {"S": "x" * 500}}, {"b": {"M": {"c": {"N": "1"}}}}]})
    assert all(len(cell) <= 80 for row in listing.rows for cell in row)
    assert show_bytes(b"\xff\x00") == "no text; it begins with ff 00"
    counts = dict.fromkeys(
        (
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ),
        "0",
    )
    assert "receive" in build_messages([], counts).note


def test_a_lab_that_ended_is_said(tmp_path: Path) -> None:
    """After the end the last rows stay."""

    class Quiet:
        def journal(self, since: int = 0) -> list[dict[str, Any]]:
            return []

        def follow(self, since: int = 0) -> Any:
            return iter(())

    view = DataBrowser(Quiet())
    wait_for(lambda: view.state == "ended", "the end")
    view.close()
