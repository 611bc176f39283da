"""What targets receive of an event: paths, constants and filled templates."""

import json
from typing import Any

import pytest

from labhelpers.errors import AwsError
from labhelpers.events import input_transformer
from labhelpers.events.input_transformer import InvalidInput, Occasion

OCCASION = Occasion("arn:aws:events:us-east-1:1:rule/bus/r", "r", "2026-11-23T04:00:00Z")
EVENT = {
    "version": "0",
    "id": "e-1",
    "detail-type": "paid",
    "source": "shop",
    "account": "123456789012",
    "time": "2026-11-23T03:59:59Z",
    "region": "us-east-1",
    "resources": ["arn:one", "arn:two"],
    "detail": {
        "name": 'Ann "A" Lee',
        "total": 12.5,
        "none": None,
        "payload": {"acc_id": "0a", "sf": [1]},
        "items": [{"sku": "x"}, {"sku": "y"}, {}],
    },
}


def filled(template: str, **paths: str) -> str:
    """A template filled from the event."""
    settings = {"InputTemplate": template, "InputPathsMap": paths}
    return input_transformer.transformer(settings, "t")(EVENT, OCCASION)


def refused(**settings: Any) -> str:
    """Why PutTargets refuses a transformer."""
    with pytest.raises(AwsError) as caught:
        input_transformer.transformer(settings, "t1")
    assert caught.value.code == "ValidationException"
    return caught.value.message


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.detail.payload", {"acc_id": "0a", "sf": [1]}),
        ("$.detail-type", "paid"),
        ("$.resources[1]", "arn:two"),
        ("$.detail.items[*].sku", ["x", "y"]),
        ("$.detail.items.*.sku", ["x", "y"]),
        ("$", EVENT),
        ("$.detail.nothing", None),
        ("$.resources[7]", None),
        ("$.detail.total.more", None),
    ],
)
def test_path_leads_to_a_part(path: str, expected: Any) -> None:
    """Dots, indices and wildcards lead through the event; where nothing is, the part is null."""
    assert json.loads(input_transformer.part(path, "t")(EVENT, OCCASION)) == expected


@pytest.mark.parametrize("path", ["detail", "$.a b", "$['a']", ""])
def test_path_of_another_form_is_refused(path: str) -> None:
    """Only dot notation from the root is a path."""
    with pytest.raises(AwsError, match="Invalid InputPath for target t"):
        input_transformer.part(path, "t")


def test_constant_must_be_json() -> None:
    """Input is sent as it is, and has to be JSON."""
    assert input_transformer.constant('{"a":  1}', "t")(EVENT, OCCASION) == '{"a":  1}'
    with pytest.raises(AwsError, match="JSON syntax error in input for target t"):
        input_transformer.constant("hello", "t")


def test_json_template_takes_values_as_json() -> None:
    """Outside quotes a value is JSON, within them it is the text; what is missing is the empty text."""
    text = filled(
        '{"who": <name>, "quoted": "<name>!", "sum": <total>, "none": <none>, "list": [<skus>, 9],'
        ' "gone": <gone>, "part": "x<gone>", "object": <payload>}',
        name="$.detail.name",
        total="$.detail.total",
        none="$.detail.none",
        skus="$.detail.items[*].sku",
        gone="$.detail.gone",
        payload="$.detail.payload",
    )
    assert json.loads(text) == {
        "who": 'Ann "A" Lee',
        "quoted": 'Ann "A" Lee!',
        "sum": 12.5,
        "none": None,
        "list": [["x", "y"], 9],
        "gone": "",
        "part": "x",
        "object": {"acc_id": "0a", "sf": [1]},
    }


def test_text_template_takes_objects_without_quotes() -> None:
    """As recorded: in a text an object is written without its quotes."""
    text = filled('"Payload of <p> for <id> and <id>"', p="$.detail.payload", id="$.detail.payload.acc_id")
    assert text == '"Payload of {acc_id:0a,sf:[1]} for 0a and 0a"'
    assert filled('"{[/ <s>, <gone>"', s="$.source", gone="$.gone") == '"{[/ shop, "'


def test_placeholder_alone_is_its_value() -> None:
    """A template of one variable is that value as JSON."""
    assert filled("<p>", p="$.detail.payload") == '{"acc_id":"0a","sf":[1]}'
    assert filled("<s>", s="$.source") == '"shop"'
    assert filled("<s> is <t>", s="$.source", t="$.detail-type") == "shop is paid"


def test_predefined_variables() -> None:
    """Rule, time of arrival and the event itself need no path."""
    text = filled('"<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>"')
    assert text == f'"{OCCASION.rule_arn} r 2026-11-23T04:00:00Z"'
    whole = json.loads(filled('{"brief": <aws.events.event>, "whole": <aws.events.event.json>}'))
    assert whole["whole"] == EVENT
    assert whole["brief"]["detailType"] == "paid"
    assert "detail" not in whole["brief"]


def test_object_within_quotes_makes_no_json() -> None:
    """AWS's own warning: an object's quotes end the text that it stands in, and nothing can be sent."""
    with pytest.raises(InvalidInput, match="no JSON"):
        filled('{"p": "<p>"}', p="$.detail.payload")


def test_what_put_targets_refuses() -> None:
    """Unknown variables, reserved names, too many of them, and templates that can never be JSON."""
    assert refused(InputTemplate='"<other>"', InputPathsMap={"a": "$.a"}) == (
        "InputTemplate for target t1 contains invalid placeholder other."
    )
    assert "reserved key AWS.x" in refused(InputTemplate='"a"', InputPathsMap={"AWS.x": "$.a"})
    many = {f"v{number}": "$.a" for number in range(101)}
    assert "over 100 variables" in refused(InputTemplate='"a"', InputPathsMap=many)
    assert refused(InputTemplate='{"a": }').startswith("Invalid InputTemplate for target t1")
