"""The query protocol as SNS speaks it: lists and maps in a form, answers in XML. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from labhelpers.cloud.protocol import AwsRequest, AwsResponse

Fields = Mapping[str, str]

_XMLNS = "http://sns.amazonaws.com/doc/2010-03-31/"


def fields(request: AwsRequest) -> dict[str, str]:
    """A call's parameters, from its body or its query."""
    body = request.body.decode("utf-8", "replace") or request.query
    return dict(parse_qsl(body, keep_blank_values=True))


def numbered(given: Fields, prefix: str) -> list[dict[str, str]]:
    """The members of a list, `prefix.N.name`, in the order of N."""
    found: dict[int, dict[str, str]] = {}
    start = f"{prefix}."
    for name, value in given.items():
        if name.startswith(start):
            number, _, rest = name[len(start) :].partition(".")
            if number.isdigit():
                found.setdefault(int(number), {})[rest] = value
    return [found[number] for number in sorted(found)]


def entries(given: Fields, prefix: str) -> dict[str, str]:
    """A map, `prefix.N.key` and `prefix.N.value`."""
    return {each["key"]: each.get("value", "") for each in numbered(given, prefix) if "key" in each}


def published(message_id: str, sequence: str) -> str:
    """What an answer says of a message; `sequence` is empty for standard topics."""
    number = f"<SequenceNumber>{sequence}</SequenceNumber>" if sequence else ""
    return f"<MessageId>{message_id}</MessageId>{number}"


def answer(operation: str, request: AwsRequest, result: str) -> AwsResponse:
    """An operation's answer with its result, which is XML already."""
    body = (
        f'<{operation}Response xmlns="{_XMLNS}"><{operation}Result>{result}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{request.request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return AwsResponse(200, {"Content-Type": "text/xml"}, body.encode())
