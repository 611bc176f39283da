"""RDS's query protocol: flat form fields in, XML out. Pure; called by the RDS service.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/Using_Query_API.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from labhelpers.cloud.protocol import AwsRequest, AwsResponse

_NAMESPACE = "http://rds.amazonaws.com/doc/2014-10-31/"


@dataclass(frozen=True, slots=True)
class Items:
    """A list in an answer: each of `values` becomes an element called `name`."""

    name: str
    values: Sequence[Any]


def parameters_of(request: AwsRequest) -> dict[str, str]:
    """The parameters of a call, from its form or, for a GET, its query; list members keep their dotted names."""
    text = request.body.decode("utf-8", "replace") if request.method == "POST" else request.query
    return dict(parse_qsl(text, keep_blank_values=True))


def values_of(parameters: Mapping[str, str], name: str) -> list[str]:
    """The members of a list of texts: `{name}.Anything.1` and so on, in their order."""
    pattern = re.compile(rf"{re.escape(name)}\.\w+\.(\d+)")
    found = [(int(match[1]), value) for key, value in parameters.items() if (match := pattern.fullmatch(key))]
    return [value for _, value in sorted(found)]


def filters_of(parameters: Mapping[str, str]) -> dict[str, list[str]]:
    """`Filters` of a Describe call: filter name -> accepted values."""
    found = {}
    for key, name in parameters.items():
        if match := re.fullmatch(r"(Filters\.\w+\.\d+)\.Name", key):
            found[name] = values_of(parameters, f"{match[1]}.Values")
    return found


def answer(action: str, result: Mapping[str, Any] | None, request_id: str) -> AwsResponse:
    """The answer to `action`: `result` as XML, members that are None left out; None for an action without a result."""
    inner = "" if result is None else f"<{action}Result>{_members(result)}</{action}Result>"
    body = (
        f'<{action}Response xmlns="{_NAMESPACE}">{inner}'
        f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata></{action}Response>"
    )
    return AwsResponse(200, {"Content-Type": "text/xml"}, body.encode())


def _members(structure: Mapping[str, Any]) -> str:
    return "".join(_element(name, value) for name, value in structure.items() if value is not None)


def _element(name: str, value: Any) -> str:
    return f"<{name}>{_content(value)}</{name}>"


def _content(value: Any) -> str:
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, Items):
        return "".join(_element(value.name, each) for each in value.values)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))
