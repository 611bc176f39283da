"""Answers of the query protocol as JSON, which services give to who accepts that: API Gateway does. Pure.

Seen on AWS wherever SQS or SNS stands behind a REST API: members in the order of their names, absent ones null,
`messages` in lower case.
docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from xml.etree import ElementTree

from botocore.utils import parse_timestamp

_ERROR = "ErrorResponse"
_RENAMED = {("ReceiveMessage", "Messages"): "messages"}


def as_json(service: str, xml: bytes) -> bytes | None:
    """The JSON of an answer of `service` (boto3's name for it); None for what is no answer of that protocol."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    name = _tag(root)
    if name == _ERROR:
        return json.dumps(_plain(root), separators=(",", ":")).encode()
    action = name.removesuffix("Response")
    model = _model(service)
    if action == name or action not in model.operation_names:
        return None
    found: dict[str, Any] = {}
    shape = model.operation_model(action).output_shape
    if shape is not None:
        result = next((each for each in root if _tag(each) == f"{action}Result"), ElementTree.Element(""))
        made = _structure(result, shape)
        found[f"{action}Result"] = {_RENAMED.get((action, key), key): value for key, value in made.items()}
    metadata = next((each for each in root if _tag(each) == "ResponseMetadata"), None)
    found["ResponseMetadata"] = _plain(metadata) if metadata is not None else None
    return json.dumps({name: dict(sorted(found.items()))}, separators=(",", ":")).encode()


@cache
def _model(service: str) -> Any:
    from botocore.session import get_session

    return get_session().get_service_model(service)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _plain(element: ElementTree.Element) -> Any:
    """An element of which no model tells: its text, or what is in it."""
    if not len(element):
        return element.text or ""
    return {_tag(each): _plain(each) for each in sorted(element, key=_tag)}


def _structure(element: ElementTree.Element, shape: Any) -> dict[str, Any]:
    return {name: _member(element, name, member) for name, member in sorted(shape.members.items())}


def _member(parent: ElementTree.Element, name: str, shape: Any) -> Any:
    if shape.type_name in ("list", "map") and shape.serialization.get("flattened"):
        # The JSON models of services that once spoke this protocol do not tell the tags any more.
        tags = {name, name.removesuffix("s"), shape.serialization.get("locationName")}
        if shape.type_name == "list":
            tags |= {shape.member.name, shape.member.serialization.get("name")}
        found = [each for each in parent if _tag(each) in tags]
        if shape.type_name == "map":
            return [_plain(each) for each in found] or None
        return [_value(each, shape.member) for each in found] or None
    tag = shape.serialization.get("name", name)
    child = next((each for each in parent if _tag(each) == tag), None)
    return None if child is None else _value(child, shape)


def _value(element: ElementTree.Element, shape: Any) -> Any:
    text = element.text or ""
    if shape.type_name == "structure":
        return _structure(element, shape)
    if shape.type_name == "list":
        return [_value(each, shape.member) for each in element]
    if shape.type_name == "map":
        return {(entry[0].text or ""): _value(entry[1], shape.value) for entry in element if len(entry) == 2}
    if shape.type_name in ("integer", "long"):
        return int(text or 0)
    if shape.type_name in ("float", "double"):
        return float(text or 0)
    if shape.type_name == "boolean":
        return text == "true"
    if shape.type_name == "timestamp":
        return parse_timestamp(text).timestamp()
    return text
