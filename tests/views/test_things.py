"""Reading an account's things and links out of AWS's answers."""

from typing import Any

import pytest

from labhelpers.views.things import CALL, EVENT, Answers, Link, changes_things, describe
from tests.views.accounts import (
    ARCHIVE,
    COPIER,
    INBOX,
    PIPELINE,
    RECORDS,
    WRITER,
    function,
    function_arn,
    notifying,
    pipeline,
)


def links_of(*functions: dict[str, Any]) -> list[tuple[str, str]]:
    """Source and target names of the calls that these functions are set up for, in the pipeline's account."""
    found = describe(Answers(PIPELINE.buckets, {}, functions, PIPELINE.databases)).links
    return [(link.source.rpartition(":")[2], link.target.rpartition(":")[2]) for link in found]


def test_pipeline_is_read_from_its_settings() -> None:
    """Notifications make events; what a function's environment names, it is set up to call."""
    assert set(pipeline().links) == {
        Link(INBOX, COPIER, EVENT, "*.csv"),
        Link(ARCHIVE, WRITER, EVENT, ""),
        Link(COPIER, ARCHIVE, CALL),
        Link(WRITER, RECORDS, CALL),
    }
    assert [thing.kind for thing in pipeline().things] == [
        "bucket",
        "bucket",
        "function",
        "function",
        "database",
    ]


def test_no_secret_is_shown() -> None:
    """A database's password stands in an environment variable, and nowhere in what is drawn."""
    assert "pw@" not in repr(pipeline())


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"BUCKET": "inbox"}, [("f", "inbox")]),
        ({"BUCKET": "inbox-2"}, []),
        ({"URL": "s3://inbox/in/"}, [("f", "inbox")]),
        ({"DB": "records"}, [("f", "records")]),
        ({"HOST": "localhost", "PORT": "54321"}, [("f", "records")]),
        ({"HOST": "localhost"}, []),
        ({"HOST": "localhost", "PORT": "5432"}, []),
        ({}, []),
    ],
)
def test_environment_names_a_thing_by_a_whole_word(
    variables: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    """A bucket or an instance by its name, a database also by address and port."""
    assert links_of(function("f", **variables)) == expected


def test_filter_is_a_pattern() -> None:
    """Prefix and suffix, joined; several rules for one function are one link."""
    rules = {
        "LambdaFunctionConfigurations": [
            *notifying("f", Prefix="in/", Suffix=".csv")["LambdaFunctionConfigurations"],
            *notifying("f", Suffix=".txt")["LambdaFunctionConfigurations"],
        ]
    }
    (link,) = describe(Answers([{"Name": "inbox"}], {"inbox": rules}, [function("f")])).links
    assert link.label == "in/*.csv, *.txt"


def test_alias_counts_as_its_function() -> None:
    """A notification may name a version or an alias."""
    rules = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": f"{COPIER}:live", "Events": []}]}
    (link,) = describe(Answers([{"Name": "inbox"}], {"inbox": rules}, [function("copier")])).links
    assert link.target == COPIER


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        ("function.created", {}, True),
        ("mapping.state", {}, True),
        ("database.state", {"state": "available"}, True),
        ("api.call", {"service": "s3", "call": "PUT /inbox"}, True),
        ("api.call", {"service": "s3", "call": "PUT /inbox?notification"}, True),
        ("api.call", {"service": "s3", "call": "DELETE /inbox"}, True),
        ("api.call", {"service": "s3", "call": "PUT /inbox/report.csv"}, False),
        ("api.call", {"service": "s3", "call": "GET /inbox?notification"}, False),
        ("api.call", {"service": "lambda", "call": "GET /2015-03-31/functions"}, False),
        ("invoke.ended", {}, False),
    ],
)
def test_only_changes_make_the_map_read_again(kind: str, detail: dict[str, str], expected: bool) -> None:
    """Its own reading is a call too, and must not make it read for ever."""
    assert changes_things({"seq": 1, "kind": kind, "detail": detail}) is expected


def test_what_functions_read_is_drawn_with_its_way() -> None:
    """A queue, a stream and a table once each, however many functions read it; the label says how."""

    def mapping(arn: str, name: str, state: str = "Enabled") -> dict[str, Any]:
        return {
            "EventSourceArn": f"arn:aws:{arn}",
            "FunctionArn": f"{function_arn(name)}:live",
            "BatchSize": 10,
            "State": state,
        }

    found = describe(
        Answers(
            functions=[function("a"), function("b")],
            mappings=[
                mapping("sqs:us-east-1:123456789012:jobs", "a"),
                mapping("kinesis:us-east-1:123456789012:stream/clicks", "a", "Disabled"),
                mapping("dynamodb:us-east-1:123456789012:table/orders/stream/2026", "a"),
                mapping("dynamodb:us-east-1:123456789012:table/orders/stream/2026", "b"),
            ],
        )
    )
    assert [(thing.kind, thing.name) for thing in found.things[2:]] == [
        ("queue", "jobs"),
        ("stream", "clicks"),
        ("table", "orders"),
    ]
    assert [(link.target, link.label) for link in found.links] == [
        (function_arn("a"), "batch 10"),
        (function_arn("a"), "disabled"),
        (function_arn("a"), "batch 10"),
        (function_arn("b"), "batch 10"),
    ]
