"""A thousand updates for every view: what a lab writes of one busy moment, again and again, and views without AWS."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from labhelpers import (
    ApiConsole,
    Bill,
    CostSliders,
    DataBrowser,
    Environments,
    EventForm,
    FunctionEditor,
    Gauges,
    LiveMap,
    Logs,
    Meters,
    Trace,
    UploadBox,
    WebSocketConsole,
)
from labhelpers.views import api_console, data_listing
from labhelpers.views.api_console_data import HTTP, Api, Stage, build_answer
from labhelpers.views.data_listing import Listing, Source
from labhelpers.views.view import View
from labhelpers.views.websocket_frames import TEXT
from tests.views.accounts import ARCHIVE, COPIER, INBOX, RECORDS, WRITER, Writer, pipeline
from tests.views.gauges_lab import TimedFakeLab
from tests.views.test_bill import Reader as BillReader
from tests.views.test_gauges import REQUESTS
from tests.views.test_gauges import Reader as GaugesReader
from tests.views.test_live_map import Account
from tests.views.test_meters import FakeServer

Set = Callable[[Any, str, Any], None]
Update = Callable[[Any, int, str, str], None]

QUEUE, DEAD = "arn:aws:sqs:us-east-1:123456789012:orders", "arn:aws:sqs:us-east-1:123456789012:dead-letters"
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks"
RULE = "arn:aws:events:us-east-1:123456789012:rule/nightly"
OWN_REQUEST, OWN_ROOT = "own-request", "Root=1-own"
START, APART_S = 4e9, 60.0  # Later than now: meters count from when they were made.


class PassingLab(TimedFakeLab):
    """A lab that keeps nothing of its own."""

    endpoint_url = "http://127.0.0.1:9"
    is_running = True

    def pass_on(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Bring entries to whoever follows."""
        for entry in entries:
            for stream in self.streams:
                stream.entries.put(dict(entry))


class Aws:
    """AWS as the views ask it, with the same answer each time. It stands for `client` and for what that gives."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Aws:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def put_object(self, **_: object) -> dict[str, Any]:
        return {"ETag": '"e"'}

    def invoke(self, **_: object) -> dict[str, Any]:
        return {"StatusCode": 200, "Payload": io.BytesIO(b'{"a": 1}')}

    def update_function_code(self, **_: object) -> dict[str, Any]:
        return {"Version": "$LATEST", "CodeSize": 1, "CodeSha256": "x" * 44}

    def get_waiter(self, _: str) -> Aws:
        return self

    def wait(self, **_: object) -> None:
        pass

    def get_apis(self) -> dict[str, Any]:
        return {
            "Items": [{"ApiId": "w1", "Name": "chat", "ProtocolType": "WEBSOCKET", "ApiEndpoint": "ws://x"}]
        }

    def get_stages(self, **_: object) -> dict[str, Any]:
        return {"Items": [{"StageName": "live"}]}


def do_without_aws(set_attribute: Set) -> None:
    """Let views ask `Aws`, by a `setattr` of the caller's."""
    from labhelpers.views import event_form, function_editor, upload_box, websocket_console

    for module in (event_form, function_editor, upload_box, websocket_console):
        set_attribute(module, "client", Aws)
    answer = build_answer(200, "OK", [("Apigw-Requestid", OWN_REQUEST)], b"{}", 1.0)
    listing = Listing(("key",), (("a",),), ("",), "1 object")
    set_attribute(api_console, "read_apis", lambda _: [Api("a1", "desk", HTTP, (Stage("s", "http://x"),))])
    set_attribute(api_console, "send", lambda _: answer)
    set_attribute(data_listing, "find_sources", lambda *_: [Source("bucket", "inbox")])
    set_attribute(data_listing, "read_source", lambda *_, **__: listing)


def busy_moment(number: int, key: str, root: str = "") -> list[dict[str, Any]]:
    """What one moment leaves in the journal: an upload, tries that fail, requests, messages, a connection.

    All ids end with `key`; all that one request sets off is of the trace `root`, of its own if not given.
    """
    write = Writer()
    request, environment, message = f"r-{key}", f"e-{key}", f"m-{key}"
    write("clock.step", now=START + APART_S * number, speed=1.0)
    write.upload(INBOX, f"{key}.csv")
    write.notify(INBOX, COPIER, f"{key}.csv", request)
    write("environment.state", COPIER, environment=environment, state="INIT", provisioned=False)
    for n, status in ((1, "error"), (2, "success")):
        write("invoke.attempt", COPIER, request, n=n)
        event = f'{{"key": "{key}"}}'
        write("invoke.started", COPIER, request, environment=environment, cold=n == 1, event=event)
        write("log", COPIER, request, message=f"[ERROR] KeyError: '{key}'\n")
        ended = {"status": status, "duration_ms": 2.5, "billed_ms": 3, "memory_mb": 128}
        write("invoke.ended", COPIER, request, environment=environment, error_type="", **ended)
        if n == 1:
            write("invoke.retry_in", COPIER, request, seconds=60.0, reason="KeyError")
    write.upload(ARCHIVE, f"{key}.csv", "AWS:AROAEXAMPLEROLE:copier")
    write("invoke.throttled", WRITER, f"t-{key}", reason="ReservedFunctionConcurrentInvocationLimitExceeded")
    write("environment.state", COPIER, environment=environment, state="ENDED")
    batch = {"batch_size": 1, "messages": [message], "destination": WRITER}
    write("sqs.poll", QUEUE, f"b-{key}", **batch)
    back = {"deleted": 0, "returned": 1, "returned_messages": [message], "visible_at": 1.0, "reason": "error"}
    write("sqs.batch", QUEUE, f"b-{key}", destination=WRITER, **back)
    if number % 2:
        write("sqs.dead_letter", QUEUE, destination=DEAD, message_id=message)
    shard = {"mapping": "u", "function": WRITER, "shard": "s0", "batch_size": 1, "reason": "error"}
    write("kinesis.poll", STREAM, f"k-{key}", destination=WRITER, attempt=1, **shard)
    write("kinesis.retry_in", STREAM, f"k-{key}", seconds=1.0, attempt=1, **shard)
    delivery = {"event": f"ev-{key}", "rule": RULE, "destination": WRITER}
    write("events.retry_in", RULE, f"d-{key}", seconds=1.0, reason="throttled", **delivery)
    write("database.connection", RECORDS, user="course", database="course")
    write("websocket.connected", "", f"w-{key}", api="w1", stage="live", connection=f"c-{key}", status=200)
    write("websocket.disconnected", "", f"w-{key}", api="w1", stage="live", connection=f"c-{key}", code=1000)
    write("api.call", "", f"a-{key}", service="s3", call=f"PUT /inbox/{key}.csv", status=200)
    write("failure", COPIER, request, message=f"no luck with {key}")
    asked = {**REQUESTS[0], "request_id": f"g-{key}"}
    write.entries.append(asked)
    traced = root or f"Root=1-{key}"
    return [
        {
            **entry,
            "seq": number * 100 + place + 1,
            "at": START + APART_S * number + place * 0.01,
            "request_id": f"s3-{key}" if entry["request_id"] == "S3" else entry["request_id"],
            "trace_id": traced if entry["request_id"] else "",
        }
        for place, entry in enumerate(write.entries)
    ]


# --- How each view is made, and how it is updated ---


def follow(view: Any, number: int, key: str, root: str) -> None:
    """The view hears of a busy moment."""
    view.on_entries(busy_moment(number, key, root))


def make_api_console(lab: PassingLab, _: Path) -> View:
    """A console whose request was answered, and goes on."""
    console = ApiConsole(lab)
    console.request("GET", "/")
    own = {**REQUESTS[0], "seq": 1, "request_id": OWN_REQUEST, "trace_id": OWN_ROOT}
    console.on_entries([own])
    return console


def make_bill(lab: PassingLab, _: Path) -> View:
    """A bill whose reader keeps nothing."""
    reader = BillReader()
    reader.asked = deque(maxlen=1)  # type: ignore[assignment]
    return Bill(lab, plan_prices=0.5, reader=reader)


def make_editor(_: PassingLab, folder: Path) -> View:
    """An editor of a file."""
    file = folder / "handler.py"
    file.write_text("1", encoding="utf-8")
    return FunctionEditor("copier", file)


def take_frames(view: Any, number: int, key: str, root: str) -> None:
    """A client gets a message, and the lab changes an API."""
    view._take(0, "in", TEXT, f'{{"said": "{key}"}}'.encode())
    change = {"service": "apigatewayv2", "call": "POST /v2/apis", "status": 201}
    view.on_entries([{**busy_moment(number, key, root)[0], "kind": "api.call", "detail": change}])


def upload(view: Any, number: int, key: str, _: str) -> None:
    """A file comes, and a page goes in the middle of another."""
    view.upload(b"x", f"{key}.csv")
    view._on_message(None, {"type": "begin", "id": key, "name": f"{key}.csv", "size": 9}, [b"x"])


def deploy(view: Any, number: int, key: str, _: str) -> None:
    """New code is deployed."""
    view.code = f"key = '{key}'\n"
    view.deploy()


def slide(view: Any, number: int, _: str, __: str) -> None:
    """A slider is moved."""
    view.choice = {**view.choice, "billed_ms": 1 + number % 500}


Make = Callable[[PassingLab, Path], View]
FOLLOWING: dict[str, Make] = {
    "LiveMap": lambda lab, _: LiveMap(lab, reader=Account(pipeline())),
    "Trace": lambda lab, _: Trace(lab),
    "Environments": lambda lab, _: Environments(lab),
    "Logs": lambda lab, _: Logs(lab),
    "DataBrowser": lambda lab, _: DataBrowser(lab),
    "ApiConsole": make_api_console,
    "WebSocketConsole": lambda lab, _: WebSocketConsole(lab),
    "Gauges": lambda lab, _: Gauges(lab, reader=GaugesReader()),
    "Bill": make_bill,
    "Meters": lambda lab, _: Meters(lab, "copier", FakeServer()),
}
OTHERS: dict[str, Make] = {
    "UploadBox": lambda _, __: UploadBox("inbox"),
    "EventForm": lambda _, __: EventForm("copier", {"a": {}}),
    "FunctionEditor": make_editor,
    "CostSliders": lambda _, __: CostSliders(),
}
# How a view shows now what else its thread would show soon.
SHOW: dict[str, Callable[[Any], None]] = {
    "Trace": lambda view: view._on_selected(None),
    "Environments": lambda view: view._show(),
    "Gauges": lambda view: view.last_look(),
    "Bill": lambda view: view.last_look(),
}
MAKERS: dict[str, Make] = {**FOLLOWING, **OTHERS}
UPDATES: dict[str, Update] = {
    **dict.fromkeys(FOLLOWING, follow),
    "WebSocketConsole": take_frames,
    "UploadBox": upload,
    "EventForm": lambda view, _, key, __: view.invoke({"key": key}),
    "FunctionEditor": deploy,
    "CostSliders": slide,
}
