"""What the API console shows, from AWS's answers, an answer to a request, and the journal's entries; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from labhelpers.errors import LabError
from labhelpers.views.data_listing import show_bytes
from labhelpers.views.trace_data import Entry, Row, build_rows, pretty

REST, HTTP = "REST", "HTTP"
SHOWN_CHARACTERS = 20_000
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_PRINTABLE = "".join(map(chr, range(33, 127)))
_REQUEST_IDS = ("x-amzn-requestid", "apigw-requestid")
# Strings, also one whose end is missing; marks; numbers and words.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)|[{}\[\],:]|[^"{}\[\],:\s]+')
_MARKS = {"good": "●", "bad": "✗", "waiting": "○", "mark": "·"}


@dataclass(frozen=True, slots=True)
class Stage:
    """Where an API is published. `address` is that of its root, `log_group` its execution log's, "" without one."""

    name: str
    address: str
    log_group: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A method ("ANY" for all) and a path that may hold `{name}`; "" for the path of `$default`."""

    method: str
    path: str
    needs_key: bool = False


@dataclass(frozen=True, slots=True)
class Api:
    """A REST or HTTP API with its stages and routes."""

    id: str
    name: str
    kind: str
    stages: tuple[Stage, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. `headers` in order as name and value; `url` has the path escaped."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back after `time_ms`. `body` is what is shown of it: text, cut off after 20,000 characters."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: str
    time_ms: float

    @property
    def request_id(self) -> str:
        """The gateway's own id of the request; "" where the answer has none."""
        found = {name.lower(): value for name, value in self.headers}
        return next((found[name] for name in _REQUEST_IDS if name in found), "")

    @property
    def headline(self) -> str:
        """Status and time in one line."""
        return f"{self.status} {self.reason} after {self.time_ms:,.0f} ms".replace("  ", " ")


@dataclass(frozen=True, slots=True)
class Story:
    """What the lab did with one request: the function that it reached, the event that this got, and each step."""

    function: str = ""
    event: str = ""
    steps: tuple[Row, ...] = ()


def build_rest_api(
    api: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    stages: Sequence[Mapping[str, Any]],
    endpoint: str,
) -> Api:
    """From GetRestApis' item, GetResources with methods embedded, and GetStages; `endpoint` is the lab's address."""
    routes = tuple(
        Route(method, resource["path"], bool(settings.get("apiKeyRequired")))
        for resource in sorted(resources, key=lambda each: str(each["path"]))
        for method, settings in sorted(resource.get("resourceMethods", {}).items())
    )
    places = tuple(
        Stage(
            stage["stageName"],
            f"{endpoint}/_aws/execute-api/{api['id']}/{stage['stageName']}",
            f"API-Gateway-Execution-Logs_{api['id']}/{stage['stageName']}" if _logs(stage) else "",
        )
        for stage in stages
    )
    return Api(api["id"], api["name"], REST, places, routes)


def _logs(stage: Mapping[str, Any]) -> bool:
    levels = [settings.get("loggingLevel", "OFF") for settings in stage.get("methodSettings", {}).values()]
    return any(level != "OFF" for level in levels)


def build_http_api(
    api: Mapping[str, Any], routes: Sequence[Mapping[str, Any]], stages: Sequence[Mapping[str, Any]]
) -> Api:
    """From the items of GetApis, GetRoutes and GetStages. HTTP APIs have no execution log."""
    keys = [str(route["RouteKey"]) for route in routes]
    found = [
        Route("ANY", "") if key == "$default" else Route(key.partition(" ")[0], key.partition(" ")[2])
        for key in sorted(keys, key=lambda key: (key == "$default", key.partition(" ")[2], key))
    ]
    places = tuple(
        Stage(
            name, api["ApiEndpoint"] if name == "$default" else f"{api['ApiEndpoint']}/{quote(name, safe='')}"
        )
        for name in (str(stage["StageName"]) for stage in stages)
    )
    return Api(api["ApiId"], api["Name"], HTTP, places, tuple(found))


def build_request(
    stage: Stage, method: str, path: str, headers: str = "", api_key: str = "", body: str = ""
) -> Request:
    """The request that is written in the form: `headers` has a `Name: value` on each line.

    A body without a content type is sent as JSON. LabError for what cannot be sent.
    """
    if method not in _METHODS:
        raise LabError(f"{method!r} is none of the methods {', '.join(_METHODS)}")
    if not path.startswith("/"):
        raise LabError(f"a path begins with /, not {path!r}")
    if missing := re.search(r"\{[^{}/?]+\}", path.partition("?")[0]):
        raise LabError(f"put a value in place of {missing[0]}, such as {path.replace(missing[0], '7')}")
    named = [_header(number, line) for number, line in enumerate(headers.splitlines(), 1) if line.strip()]
    given = {name.lower() for name, _ in named}
    if api_key:
        named.append(("x-api-key", api_key))
    if body and "content-type" not in given:
        named.append(("Content-Type", "application/json"))
    if "user-agent" not in given:
        named.append(("User-Agent", "labhelpers"))
    return Request(method, stage.address + quote(path, safe=_PRINTABLE), tuple(named), body.encode())


def _header(number: int, line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()):
        raise LabError(f"line {number} of the headers is no `Name: value`: {line!r}")
    return name.strip(), value.strip()


def build_answer(
    status: int, reason: str, headers: Iterable[tuple[str, str]], body: bytes, time_ms: float
) -> Answer:
    """What is shown of an answer: JSON laid out, bytes that are no text as digits."""
    text = pretty(show_bytes(body))
    if len(text) > SHOWN_CHARACTERS:
        text = f"{text[:SHOWN_CHARACTERS]}\n… cut off: {len(body):,} bytes"
    return Answer(status, reason, tuple(headers), text, round(time_ms, 3))


def build_story(entries: Sequence[Entry], request_id: str, api_id: str = "") -> Story:
    """What belongs to one request to a gateway, tied by its trace.

    The request is found by its id; an answer without one means the first request to `api_id` in `entries`.
    """
    own = own_entries(entries, find_root(entries, request_id, api_id))
    started = next((entry for entry in own if entry["kind"] == "invoke.started"), None)
    steps = build_rows(own)
    if started is None:
        return Story(steps=steps)
    function = str(started["resource"]).split(":")[6]
    return Story(function, lay_out(str(started["detail"].get("event", ""))), steps)


def lay_out(text: str) -> str:
    """JSON on several lines, also where its end was cut off; the journal keeps an event's first 2,000 bytes."""
    whole = pretty(text)
    if whole != text or not text.startswith("{"):
        return whole
    depth, made = 0, []
    for token in _TOKENS.findall(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token, 0)
        new_line = f"\n{'  ' * depth}"
        if token in ("}", "]"):
            made.append(f"{new_line}{token}")
        else:
            made.append(f"{token} " if token == ":" else f"{token}{new_line if token in '{[,' else ''}")
    return f"{''.join(made)}…"


def find_root(entries: Iterable[Entry], request_id: str, api_id: str = "") -> str:
    """What ties all entries of one request to a gateway: its trace's root, "" while the request is not among them."""
    return next((_root(entry) for entry in entries if _is(entry, request_id, api_id)), "")


def own_entries(entries: Iterable[Entry], root: str) -> list[Entry]:
    """The entries of one trace."""
    return [entry for entry in entries if root and _root(entry) == root]


def _is(entry: Entry, request_id: str, api_id: str) -> bool:
    if entry["kind"] != "gateway.request":
        return False
    return entry["request_id"] == request_id if request_id else f":{api_id}/" in entry["resource"]


def _root(entry: Entry) -> str:
    return str(entry["trace_id"]).partition(";")[0]


def build_log(events: Iterable[Mapping[str, Any]], request_id: str) -> tuple[str, ...]:
    """The lines of one request in a stage's execution log, from FilterLogEvents' events."""
    prefix = f"({request_id}) "
    messages = [str(event["message"]) for event in events]
    return tuple(message.removeprefix(prefix) for message in messages if message.startswith(prefix))


def step_text(row: Row) -> str:
    """One step in words, with the moment at which it began."""
    return f"{row.start_s * 1000:8.1f} ms {_MARKS[row.kind]} {row.who}: {row.what}"


def answer_json(
    request: Request, answer: Answer | None, story: Story, log: Sequence[str] | None
) -> dict[str, Any]:
    """What the page needs of one request; `answer` None while it is awaited, `log` None where nothing is logged."""
    target = urlsplit(request.url)
    return {
        "request": f"{request.method} {target.path}{'?' if target.query else ''}{target.query}",
        "answer": {**asdict(answer), "headline": answer.headline, "id": answer.request_id}
        if answer
        else None,
        "function": story.function,
        "event": story.event,
        "event_is_cut": story.event.endswith("…"),
        "steps": [step_text(row) for row in story.steps],
        "log": list(log) if log is not None else None,
    }


def console_text(shown: Mapping[str, Any]) -> str:
    """The request and all that came of it, as plain text."""
    if not shown:
        return "API console: nothing sent yet."
    lines = [f"Request: {shown['request']}"]
    if answer := shown["answer"]:
        lines += [
            f"Answer: {answer['headline']}",
            *(f"  {name}: {value}" for name, value in answer["headers"]),
        ]
        lines += [answer["body"]]
    if shown["event"]:
        beginning = " (its beginning)" if shown["event_is_cut"] else ""
        lines += [f"The event that {shown['function']} got{beginning}:", shown["event"]]
    if shown["steps"]:
        lines += ["What the journal says:", *shown["steps"]]
    if shown["log"]:
        lines += ["Execution log:", *shown["log"]]
    return "\n".join(lines)
