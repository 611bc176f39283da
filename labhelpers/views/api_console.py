"""A console for REST and HTTP APIs: write a request, send it, see the answer and what the lab did with it.

The kernel sends, never the page: a browser would ask for CORS first, and may not reach the lab. `api_console_data`
builds what is shown.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from dataclasses import asdict
from typing import Any, Protocol
from urllib.parse import urlsplit

import traitlets

from labhelpers.errors import LabError
from labhelpers.views.api_console_data import (
    Answer,
    Api,
    Request,
    Stage,
    Story,
    answer_json,
    build_answer,
    build_http_api,
    build_log,
    build_request,
    build_rest_api,
    build_story,
    console_text,
    find_root,
    own_entries,
)
from labhelpers.views.aws import client
from labhelpers.views.feed import Batch, Entry, Journalled
from labhelpers.views.following import FollowingView, Rereader
from labhelpers.views.view import script, style

TIMEOUT_S = 60.0  # A gateway itself gives up after 29 or 30 s, unless told otherwise.
KEPT_ENTRIES = 2_000  # The last ones until the request is among them; then the first of its own.
_LOG_TIMEOUT_S = 2.0
_FOLLOWED = ("gateway.", "invoke.", "failure")
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class Reached(Journalled, Protocol):
    """What the console needs of a lab: its journal, and where it answers."""

    endpoint_url: str


class ApiConsole(FollowingView):
    """A console for the REST and HTTP APIs of `lab`; with `api_id` that API is chosen first."""

    _subject = "The console"
    _esm = script("api_console")
    _css = style("api_console")

    apis: Any = traitlets.List().tag(sync=True)
    chosen = traitlets.Dict({"api": "", "stage": ""}).tag(sync=True)
    form = traitlets.Dict({"method": "GET", "path": "/", "headers": "", "key": "", "body": ""}).tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)

    def __init__(self, lab: Reached, api_id: str | None = None) -> None:
        self._endpoint_url = lab.endpoint_url
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        self._rereader = Rereader("api-console", self._read_shown)
        self._found: tuple[Api, ...] = ()
        self._last: tuple[Request, Answer | None, str] | None = None
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self._root = ""
        self._log: tuple[str, ...] | None = None
        super().__init__()
        self.chosen = {"api": api_id or "", "stage": ""}
        self.follow(lab)
        self._rereader.read_and_start()
        if api_id and not self.problem:
            self._check(api_id)
        self.on_msg(self._on_message)

    def _check(self, api_id: str) -> None:
        if api_id not in {api.id for api in self._found}:
            self.close()
            known = ", ".join(f"{api.id!r} ({api.name})" for api in self._found)
            others = f"; there are {known}" if known else ", nor any other; create one first"
            raise LabError(f"ApiConsole: there is no API {api_id!r}{others}")

    def to_text(self) -> str:
        """The last request, its answer, and what the lab did with it."""
        with self._lock:
            return console_text(self.shown)

    def close(self) -> None:
        """Stop following the lab, and take the view from the page."""
        self._rereader.end()
        super().close()

    # --- Sending ---

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: str = "",
        body: str = "",
        api_key: str = "",
        stage: str = "",
    ) -> Answer:
        """Send a request as the button does. `path` is below the chosen API's `stage`, the shown one if not given.

        `headers` has a `Name: value` on each line. LabError for what cannot be sent, OSError for no answer.
        """
        self.form = {"method": method, "path": path, "headers": headers, "key": api_key, "body": body}
        if stage:
            self.chosen = {**self.chosen, "stage": stage}
        return self._ask()

    def _ask(self) -> Answer:
        if not self._sending.acquire(blocking=False):
            raise LabError("the last request is still on its way")
        try:
            with self.working("Not sent"):
                api, stage = self._target()
                form = self.form
                request = build_request(
                    stage, form["method"], form["path"], form["headers"], form["key"], form["body"]
                )
                with self._lock:
                    self._log, self._root = None, ""
                    self._entries.clear()
                    self._last = (request, None, api.id)
                    self._show()
                answer = send(request)
                with self._lock:
                    self._last = (request, answer, api.id)
                    self._show()
                if stage.log_group and answer.request_id:
                    self._read_log(stage.log_group, answer.request_id)
            return answer
        finally:
            self._sending.release()

    def _target(self) -> tuple[Api, Stage]:
        """The chosen API and stage. LabError when there is none to send to."""
        self._read()
        with self._lock:
            api = next((each for each in self._found if each.id == self.chosen["api"]), None)
        if api is None:
            raise LabError("there is no API to send to; create one, with a stage")
        stage = next((each for each in api.stages if each.name == self.chosen["stage"]), None)
        if stage is None:
            raise LabError(
                f"the API {api.name!r} has no stage {self.chosen['stage']!r}; create one to publish it"
            )
        return api, stage

    def _read_log(self, group: str, request_id: str) -> None:
        """The stage's execution log of this request; it is written just after the answer."""
        deadline = time.monotonic() + _LOG_TIMEOUT_S
        lines: tuple[str, ...] = ()
        with client("logs") as logs:
            while not lines and time.monotonic() < deadline:
                try:
                    found = logs.filter_log_events(logGroupName=group, filterPattern=f'"{request_id}"')
                    lines = build_log(found["events"], request_id)
                except logs.exceptions.ResourceNotFoundException:
                    pass  # The first line makes the group.
                if not lines and self._rereader.ended.wait(0.05):
                    return
        with self._lock:
            self._log = lines
            self._show()

    # --- Which APIs there are ---

    def _read(self) -> None:
        found = tuple(read_apis(self._endpoint_url))
        with self._lock:
            if found != self._found or not found:
                self._found = found
                self.apis = [asdict(api) for api in found]
            api = next((each for each in found if each.id == self.chosen["api"]), found[0] if found else None)
            stages = [stage.name for stage in api.stages] if api else []
            stage = self.chosen["stage"] if self.chosen["stage"] in stages else (stages[0] if stages else "")
            self.chosen = {"api": api.id if api else self.chosen["api"], "stage": stage}

    def _read_shown(self) -> None:
        with self.showing_read_errors("The APIs could not be read"):
            self._read()

    # --- Following the journal: called by the feed's thread ---

    def on_entries(self, entries: Batch) -> None:
        """Add to the last request's story, and notice changes of APIs."""
        if any(changes_apis(entry) for entry in entries):
            self._rereader.again()
        new = [entry for entry in entries if str(entry["kind"]).startswith(_FOLLOWED)]
        with self._lock:
            if self._root:  # Known by now: what others do is left alone.
                new = own_entries(new, self._root)[: KEPT_ENTRIES - len(self._entries)]
            if new and self._last is not None:
                self._entries.extend(new)
                self._show()

    def _show(self) -> None:
        if self._last is None:
            return
        request, answer, api_id = self._last
        story = Story()
        if answer is not None:
            if not self._root and (root := find_root(self._entries, answer.request_id, api_id)):
                self._root = root
                own = own_entries(self._entries, root)
                self._entries.clear()
                self._entries.extend(own)
            story = build_story(list(self._entries), answer.request_id, api_id)
        shown = answer_json(request, answer, story, self._log)
        if shown != self.shown:
            self.shown = shown

    # --- The page ---

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, dict) or content.get("type") != "send":
            return
        form = content.get("form")
        if isinstance(form, dict) and all(isinstance(form.get(name), str) for name in self.form):
            self.form = {name: form[name] for name in self.form}
            self.in_background(self._ask)


def send(request: Request) -> Answer:
    """Send it and wait for the answer, at most a minute. OSError or http.client.HTTPException without an answer."""
    target = urlsplit(request.url)
    connection = http.client.HTTPConnection(target.netloc, timeout=TIMEOUT_S)
    started = time.perf_counter()
    try:
        path = f"{target.path}?{target.query}" if target.query else target.path
        given = {name.lower() for name, _ in request.headers}
        connection.putrequest(request.method, path, skip_host="host" in given, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value.encode())
        if "content-length" not in given and (request.body or request.method in ("POST", "PUT", "PATCH")):
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        body = answer.read()
        took_ms = (time.perf_counter() - started) * 1000
        return build_answer(answer.status, answer.reason, answer.getheaders(), body, took_ms)
    finally:
        connection.close()


def read_apis(endpoint_url: str) -> list[Api]:
    """The account's REST and HTTP APIs with what is published of them. Raises botocore's errors."""
    with client("apigateway") as rest, client("apigatewayv2") as lean:
        found = [
            build_rest_api(
                api,
                _all(rest, "get_resources", restApiId=api["id"], embed=["methods"]),
                rest.get_stages(restApiId=api["id"])["item"],
                endpoint_url,
            )
            for api in _all(rest, "get_rest_apis")
        ]
        found += [
            build_http_api(
                api,
                lean.get_routes(ApiId=api["ApiId"])["Items"],
                lean.get_stages(ApiId=api["ApiId"])["Items"],
            )
            for api in lean.get_apis()["Items"]
            if api["ProtocolType"] == "HTTP"
        ]
    return found


def _all(rest: Any, operation: str, **parameters: Any) -> list[dict[str, Any]]:
    pages = rest.get_paginator(operation).paginate(**parameters)
    return [item for page in pages for item in page["items"]]


def changes_apis(entry: Entry) -> bool:
    """Whether a journal entry says that APIs, their routes or their stages may have changed."""
    detail = entry["detail"]
    if entry["kind"] != "api.call" or not str(detail.get("service", "")).startswith("apigateway"):
        return False
    return str(detail.get("call", "")).startswith(_CHANGING)
