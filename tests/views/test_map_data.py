"""The map's data, and its forms as text and SVG."""

from xml.etree import ElementTree

import pytest

from labhelpers.views.map_data import build_map, build_picture
from labhelpers.views.map_shapes import shorten, title_lines
from labhelpers.views.map_svg import map_svg
from labhelpers.views.map_text import map_text
from labhelpers.views.things import CLIENT, Answers, Resources, describe, source_id
from tests.views.accounts import (
    ARCHIVE,
    COPIER,
    INBOX,
    RECORDS,
    WRITER,
    Writer,
    function,
    notifying,
    one_upload,
    pipeline,
)


def test_pipeline_reads_from_left_to_right() -> None:
    """The client, then bucket, function, bucket, function, database, all on one line."""
    picture = build_map(pipeline(), []).picture
    by_x = sorted(picture.nodes, key=lambda node: node.x)
    assert [node.id for node in by_x] == [CLIENT, INBOX, COPIER, ARCHIVE, WRITER, RECORDS]
    assert len({node.y for node in picture.nodes}) == 1
    assert [(arrow.kind, arrow.label) for arrow in picture.arrows] == [
        ("call", ""),
        ("event", "*.csv"),
        ("call", ""),
        ("event", ""),
        ("call", ""),
    ]


def test_counters_and_last_failure() -> None:
    """What the notebook's reader sees after one upload whose second function failed."""
    now = build_map(pipeline(), one_upload()).now
    assert (now.done, now.failed, now.running, now.waiting) == (1, 1, 0, 0)
    assert now.failure is not None
    assert (now.failed_thing, now.failure.text) == ("writer", "KeyError: 'DATABASE_URL'")
    assert now.statuses[COPIER].lines == ("1 done", "1 environment")
    assert (now.statuses[WRITER].lines[0], now.statuses[WRITER].tone) == ("0 done, 1 failed", "failed")
    assert now.statuses[INBOX].lines == ("1 object came in", "last: report.csv")
    assert now.statuses[RECORDS].lines == ("available", "")
    assert now.travelled[f"{INBOX}>{COPIER}"] == 1


def test_database_counts_connections_that_were_opened() -> None:
    """All of them so far, not those that are open."""
    write = Writer()
    for _ in range(14):
        write("database.connection", RECORDS, user="course", database="course")
    status = build_map(pipeline(), write.entries).now.statuses[RECORDS]
    assert status.lines == ("14 connections", "opened so far")


def test_running_function_says_so() -> None:
    """In words, and by its tone."""
    write = Writer()
    write("invoke.queued", COPIER, "r1", source="s3")
    write("invoke.queued", COPIER, "r2", source="s3")
    write("invoke.started", COPIER, "r1")
    status = build_map(pipeline(), write.entries).now.statuses[COPIER]
    assert (status.lines, status.tone) == (("0 done", "1 running, 1 waiting"), "busy")


def test_way_that_no_setting_tells_is_drawn_once_it_is_taken() -> None:
    """A function with the bucket's name in its code, not in its environment."""
    resources = describe(Answers([{"Name": "inbox"}, {"Name": "archive"}], {}, [function("copier")]))
    write = Writer()
    write.upload(ARCHIVE, "a", "AWS:AROAX:copier")
    before, after = build_map(resources, []), build_map(resources, write.entries)
    assert not before.picture.arrows
    assert [arrow.id for arrow in after.picture.arrows] == [f"{COPIER}>{ARCHIVE}"]


def test_loop_is_two_ways_through_one_gap() -> None:
    """A function that writes to its own bucket: the way back runs between the two, below the way there."""
    loop = describe(Answers([{"Name": "inbox"}], {"inbox": notifying("f")}, [function("f", B="inbox")]))
    picture = build_picture(loop)
    back = next(arrow for arrow in picture.arrows if arrow.target == INBOX and arrow.source != CLIENT)
    there = next(arrow for arrow in picture.arrows if arrow.id == f"{back.target}>{back.source}")
    bucket, f = (next(node for node in picture.nodes if node.id == end) for end in (back.target, back.source))
    assert bucket.x < back.label_x < f.x
    assert back.label_y > there.label_y


def test_entries_of_deleted_things_count_but_are_not_drawn() -> None:
    """The totals stay true after a function is gone."""
    data = build_map(Resources(), one_upload())
    assert (data.now.done, data.now.failed, data.picture.nodes) == (1, 1, ())


def test_text_names_every_link_thing_and_failure() -> None:
    """For readers who cannot see the map."""
    lines = map_text(build_map(pipeline(), one_upload())).splitlines()
    assert lines[:2] == [
        "You -> bucket inbox (call): 1 so far",
        "bucket inbox -> function copier (event for *.csv): 1 so far",
    ]
    assert "function writer: 0 done, 1 failed, no environment" in lines
    assert lines[-2] == "Invocations: 1 done, 1 failed, 0 running, 0 waiting."
    assert lines[-1].endswith("writer: KeyError: 'DATABASE_URL'")
    assert map_text(build_map(Resources(), [])) == "Nothing to draw yet."


def test_svg_is_well_formed_and_shows_text_as_text() -> None:
    """Also when a key or an error looks like markup."""
    write = Writer()
    write.upload(INBOX, "<b>&.csv")
    write("failure", INBOX, message='<img src="x" onerror="alert(1)">')
    root = ElementTree.fromstring(map_svg(build_map(pipeline(), write.entries)))
    texts = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "last: <b>&.csv" in texts
    assert any("onerror" in text for text in texts)
    assert not list(root.iter("{http://www.w3.org/2000/svg}img"))


def test_svg_of_an_empty_account_is_a_picture_too() -> None:
    """It says that there is nothing yet."""
    root = ElementTree.fromstring(map_svg(build_map(Resources(), [])))
    assert root.findtext("{http://www.w3.org/2000/svg}desc") == "Nothing to draw yet."


def test_long_names_break_where_they_can() -> None:
    """After a hyphen, dot or underscore; a very long one loses its middle, never its end."""
    assert title_lines("copier") == ("copier",)
    assert title_lines("course-uploads-3f9a2c") == ("course-", "uploads-3f9a2c")
    assert title_lines("abcdefghijklmnopqrstuvwx") == ("abcdefghijklmnop", "qrstuvwx")
    first, second = title_lines("a-very-long-bucket-name-with-many-words-3f9a2c")
    assert max(len(first), len(second)) <= 16 and second.endswith("3f9a2c")
    assert shorten("my summer photo.csv", 12) == "my sum…o.csv"


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        ("arn:aws:sqs:us-east-1:123456789012:jobs", ("0 came in", "")),
        ("arn:aws:kinesis:us-east-1:123456789012:stream/jobs", ("1 record read", "tried again: 1")),
        (
            "arn:aws:dynamodb:us-east-1:123456789012:table/jobs/stream/2026",
            ("1 record read", "tried again: 1"),
        ),
    ],
)
def test_what_is_read_says_how_much(arn: str, words: tuple[str, str]) -> None:
    """A queue, a stream and a table, each with a shape, and its name in the text form."""
    mapping = {"EventSourceArn": arn, "FunctionArn": COPIER, "BatchSize": 5, "State": "Enabled"}
    service = arn.split(":")[2]
    write = Writer()
    write(f"{service}.poll", arn, "r1", destination=COPIER, batch_size=1, attempt=1)
    write(f"{service}.retry_in", arn, "r1", reason="ValueError")
    data = build_map(describe(Answers(functions=[function("copier")], mappings=[mapping])), write.entries)
    assert data.now.statuses[source_id(arn)].lines == words
    assert " jobs -> function copier (event for batch 5): 1 so far" in map_text(data)
    assert all(node.outline for node in data.picture.nodes)
