"""The API console: what can be sent, what is shown of it, and a real lab behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labhelpers import ApiConsole, Lab
from labhelpers.errors import LabError
from labhelpers.views.api_console_data import (
    Route,
    Stage,
    build_answer,
    build_http_api,
    build_log,
    build_request,
    build_rest_api,
    build_story,
    lay_out,
)
from tests.conftest import wait_for
from tests.views.gateway_account import deploy_echo, make_http_api, make_rest_api, using
from tests.views.updates import OWN_ROOT, PassingLab, do_without_aws, follow, make_api_console

STAGE = Stage("dev", "http://127.0.0.1:1/_aws/execute-api/a1/dev")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"method": "BREW", "path": "/"}, "none of the methods"),
        ({"method": "GET", "path": "parcels"}, "a path begins with /"),
        ({"method": "GET", "path": "/parcels/{id}?a={b}"}, r"in place of \{id\}, such as /parcels/7"),
        ({"method": "GET", "path": "/", "headers": "A: b\nno header"}, "line 2 of the headers"),
        ({"method": "GET", "path": "/", "headers": "A b: c"}, "line 1 of the headers"),
    ],
)
def test_what_cannot_be_sent_is_refused(form: dict[str, str], message: str) -> None:
    """With the reason, before anything goes out."""
    with pytest.raises(LabError, match=message):
        build_request(STAGE, **form)


def test_form_becomes_a_request() -> None:
    """Headers keep their order and may repeat; the key is a header; a body is JSON unless said otherwise."""
    made = build_request(STAGE, "POST", "/a b/ü?x=%20", "X-A: 1\n\nX-A: 2: 3", "secret", "{}")
    assert made.url == f"{STAGE.address}/a%20b/%C3%BC?x=%20"
    assert made.headers == (
        ("X-A", "1"),
        ("X-A", "2: 3"),
        ("x-api-key", "secret"),
        ("Content-Type", "application/json"),
        ("User-Agent", "labhelpers"),
    )
    plain = build_request(STAGE, "POST", "/", "content-type: text/plain", "", "x")
    assert ("content-type", "text/plain") in plain.headers
    assert "Content-Type" not in dict(plain.headers)


def test_apis_have_stages_and_routes() -> None:
    """A stage's address is where requests go; only a stage that logs has a log group; $default comes last."""
    resources = [{"path": "/p/{id}", "resourceMethods": {"GET": {"apiKeyRequired": True}}}, {"path": "/"}]
    settings = {"methodSettings": {"*/*": {"loggingLevel": "INFO"}}}
    stages: list[dict[str, Any]] = [{"stageName": "dev", **settings}, {"stageName": "prod"}]
    api = build_rest_api({"id": "a1", "name": "desk"}, resources, stages, "http://127.0.0.1:1")
    assert api.routes == (Route("GET", "/p/{id}", needs_key=True),)
    assert [stage.log_group for stage in api.stages] == ["API-Gateway-Execution-Logs_a1/dev", ""]
    assert api.stages[0].address == STAGE.address
    keys = [{"RouteKey": "$default"}, {"RouteKey": "GET /x"}]
    named = [{"StageName": "$default"}, {"StageName": "calm"}]
    shop = build_http_api({"ApiId": "h1", "Name": "shop", "ApiEndpoint": "http://e"}, keys, named)
    assert shop.routes == (Route("GET", "/x"), Route("ANY", ""))
    assert [stage.address for stage in shop.stages] == ["http://e", "http://e/calm"]


def test_answers_are_bounded_and_text() -> None:
    """JSON is laid out, long bodies are cut off, bytes that are no text shown as digits."""
    assert build_answer(200, "OK", [], b'{"a":1}', 1.0).body == '{\n  "a": 1\n}'
    assert build_answer(200, "OK", [], b"x" * 50_000, 1.0).body.endswith("cut off: 50,000 bytes")
    assert build_answer(200, "OK", [], b"\xff", 1.0).body == "no text; it begins with ff"
    assert build_answer(404, "Not Found", [("Apigw-Requestid", "r=")], b"", 12.3).request_id == "r="


def entry(kind: str, resource: str, request_id: str, root: str, **detail: Any) -> dict[str, Any]:
    """One of the journal's."""
    return {"kind": kind, "at": 1.0, "resource": resource, "request_id": request_id, "trace_id": root} | {
        "seq": 1,
        "detail": detail,
    }


def test_story_is_tied_by_the_trace() -> None:
    """The event of this request's function, not that of another request at the same time."""
    arn = "arn:aws:lambda:us-east-1:1:function:{}"
    api = "arn:aws:execute-api:us-east-1:1:a1/dev/GET/"
    entries = [
        entry("invoke.started", arn.format("other"), "i2", "Root=2;Parent=x", event='"no"'),
        entry("invoke.started", arn.format("echo"), "i1", "Root=1;Parent=x", event='{"a":1}'),
        entry("gateway.request", api, "r1", "Root=1", status=200, latency_ms=2.0, route="GET /"),
    ]
    story = build_story(entries, "r1")
    assert (story.function, story.event) == ("echo", '{\n  "a": 1\n}')
    assert [step.who for step in story.steps] == ["API a1/dev", "function echo"]
    assert build_story(entries, "", "a1") == story, "an answer without an id"
    assert build_story(entries, "r9").steps == ()


def test_event_that_was_cut_off_is_laid_out() -> None:
    """On several lines as far as it goes, with a mark; a whole one as JSON; other text as it is."""
    whole = '{"a":{"b":[1,"x, {y"]},"c":null}'
    assert lay_out(whole) == json.dumps(json.loads(whole), indent=2)
    for end in range(2, len(whole)):
        cut = lay_out(whole[:end])
        assert cut.endswith("…"), "it says so"
        assert "".join(cut[:-1].split()) == "".join(whole[:end].split()), "nothing is lost"
    assert lay_out(whole[:25]).splitlines()[:4] == ["{", '  "a": {', '    "b": [', "      1,"]
    assert lay_out("no JSON") == "no JSON"


def test_log_is_that_of_one_request() -> None:
    """Lines of other requests in the same group are left out."""
    events = [{"message": "(r1) Starting"}, {"message": "(r2) Starting"}, {"message": "(r1) Done"}]
    assert build_log(events, "r1") == ("Starting", "Done")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with the REST API desk and the function echo behind it."""
    with Lab() as running:
        make_rest_api(running, deploy_echo(running, Path(tmp_path_factory.mktemp("echo"))))
        yield running


@pytest.fixture
def console(lab: Lab) -> Iterator[ApiConsole]:
    """A console on it."""
    made = ApiConsole(lab)
    yield made
    made.close()


def test_request_shows_answer_event_and_execution_log(console: ApiConsole) -> None:
    """All that came of it is shown, and is in the text form; markup stays text."""
    answer = console.request("POST", "/parcels/7?a=1", headers="X-Me: <i>", body='{"to": "Ada"}')
    assert answer.status == 200
    assert ("X-Shown", "<b>bold</b>") in answer.headers
    wait_for(lambda: "ran" in "".join(console.shown["steps"]), "the end of the call")
    assert console.shown["function"] == "echo"
    assert '"path": "/parcels/7"' in console.shown["event"]
    assert any("Method completed with status: 200" in line for line in console.shown["log"])
    text = console.to_text()
    assert "POST /_aws/execute-api/" in text
    assert "Execution log:" in text
    assert "<i>" not in console.to_html()


def test_refused_request_has_no_event(console: ApiConsole) -> None:
    """A gateway that wants a key says so, and no function has heard of it."""
    answer = console.request("GET", "/parcels/7")
    assert (answer.status, console.shown["event"]) == (403, "")
    assert console.apis[0]["routes"][0] == {"method": "GET", "path": "/parcels/{id}", "needs_key": True}


def test_page_sends_a_form_and_sees_what_is_wrong(console: ApiConsole) -> None:
    """In the view: nobody else would tell. Messages of another form do nothing."""
    form = {"method": "GET", "path": "/parcels/{id}", "headers": "", "key": "", "body": ""}
    for message in (
        {"type": "send"},
        {"type": "send", "form": {"path": 1}},
        "send",
        {"type": "send", "form": form},
    ):
        console._on_message(None, message, [])
    wait_for(lambda: "put a value in place of {id}" in console.problem, "the problem")
    assert console.shown == {}
    wait_for(lambda: not console.busy, "the end")


def test_api_made_later_appears_and_can_be_chosen(lab: Lab, console: ApiConsole) -> None:
    """By itself; one without a stage cannot be sent to."""
    with using("lambda") as functions:
        arn = functions.get_function(FunctionName="echo")["Configuration"]["FunctionArn"]
    api_id = make_http_api(arn)
    wait_for(lambda: any(api["stages"] for api in console.apis if api["id"] == api_id), "the new API")
    console.chosen = {"api": api_id, "stage": ""}
    answer = console.request("GET", "/anything")
    assert answer.status == 200
    wait_for(
        lambda: '"rawPath": "/anything"' in console.shown["event"] or console.shown["event"], "the event"
    )
    assert console.shown["log"] is None
    with using("apigatewayv2") as gateway:
        gateway.delete_stage(ApiId=api_id, StageName="$default")
    with pytest.raises(LabError, match="has no stage"):
        console.request("GET", "/anything")
    assert "has no stage" in console.problem


def test_updates_do_not_pile_up(console: ApiConsole) -> None:
    """A thousand batches after a request keep what is remembered within bounds."""
    console.request("POST", "/parcels/7")
    wait_for(lambda: console.shown["function"] == "echo", "the event")
    kept = len(console._entries)
    other = entry("invoke.started", "arn:aws:lambda:us-east-1:1:function:x", "i", "Root=9", event="{}")
    for _ in range(1_000):
        console.on_entries([other] * 5)
    assert len(console._entries) <= kept + 5
    assert console.shown["function"] == "echo"


def test_long_story_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A request that sets off more than is kept goes on showing what it began with."""
    do_without_aws(monkeypatch.setattr)
    monkeypatch.setattr("labhelpers.views.api_console.KEPT_ENTRIES", 50)
    console: Any = make_api_console(PassingLab(), tmp_path)
    for number in range(20):
        follow(console, number, str(number), OWN_ROOT)
    assert len(console._entries) == 50
    assert "GET /orders: HTTP 200" in console.shown["steps"][0]
    assert console.shown["event"] == '{\n  "key": "0"\n}'
    console.close()
