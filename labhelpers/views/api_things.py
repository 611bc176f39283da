"""REST, HTTP and WebSocket APIs, and the functions that their settings name; pure.

`describe_apis` reads AWS's answers, which `api_reader` asks for; the map sees only `Thing` and `Link`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from labhelpers.views.things import (
    API,
    CALL,
    CLIENT,
    EVENT,
    Link,
    Resources,
    Thing,
    function_id,
    without_doubles,
)

WEBSOCKET = "WEBSOCKET"
NOTES = {"REST": "REST API", "HTTP": "HTTP API", WEBSOCKET: "WebSocket API"}

_API_IN_ARN = re.compile(r":execute-api:[^:]*:[^:]*:(\w+)|/(?:rest)?apis/(\w+)")
_FUNCTION_IN_URI = re.compile(r"/functions/(arn:[^/]+)/invocations$|^(arn:aws:lambda:.+)$")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}")


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """One API, from AWS's answers: `protocol` is REST, HTTP or WEBSOCKET.

    `uris` are pairs of a label (a route, `GET /orders`, or `authorizer`) and the URI behind it; `stages` give each
    stage's variables.
    """

    protocol: str
    id: str
    name: str
    endpoint: str = ""
    uris: Sequence[tuple[str, str]] = ()
    stages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def describe_apis(apis: Sequence[ApiAnswer], known: Resources) -> Resources:
    """`known` with these APIs, and what they call."""
    things = [_thing(api) for api in apis]
    links = [*known.links, *(link for api in apis for link in _links(api))]
    return Resources((*known.things, *things), without_doubles(links))


def api_thing(api_id: str) -> str:
    """The id of an API on the map. AWS has several ARNs for one, and none of them alone names it everywhere."""
    return f"execute-api:{api_id}"


def api_in(arn: str) -> str:
    """The id on the map of the API that an ARN of a stage, route, method or authorizer belongs to; "" for others."""
    found = _API_IN_ARN.search(arn)
    return api_thing(found[1] or found[2]) if found else ""


def _thing(api: ApiAnswer) -> Thing:
    facts = [("API id", api.id), ("Stages", ", ".join(api.stages) or "none: nothing is deployed")]
    if api.endpoint:
        facts.append(("Endpoint", api.endpoint))
    facts += [(label, uri) for label, uri in api.uris if not _FUNCTION_IN_URI.search(uri)]
    return Thing(api_thing(api.id), API, api.name, NOTES[api.protocol], tuple(facts))


def _links(api: ApiAnswer) -> Iterator[Link]:
    source = api_thing(api.id)
    yield Link(CLIENT, source, CALL)
    if api.protocol == WEBSOCKET:
        yield Link(source, CLIENT, EVENT)
    for label, uri in api.uris:
        for target in _functions(uri, api.stages.values()):
            yield Link(source, target, CALL, label)


def _functions(uri: str, stages: Iterable[Mapping[str, str]]) -> list[str]:
    """The functions that a URI names: more than one, if stages choose by a variable."""
    found = _FUNCTION_IN_URI.search(uri)
    if found is None:
        return []
    arn = str(found[1] or found[2])
    if not _STAGE_VARIABLE.search(arn):
        return [function_id(arn)]
    return list(dict.fromkeys(function_id(_with_variables(arn, stage)) for stage in stages))


def _with_variables(text: str, variables: Mapping[str, str]) -> str:
    return _STAGE_VARIABLE.sub(lambda part: variables.get(part[1], ""), text)
