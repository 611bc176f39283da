"""Traces: which entries belong together, what their rows say, and that the forms show text as text."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.views.trace import Trace
from labhelpers.views.trace_data import MOST_TRACES, Traces, build_rows, trace_text
from labhelpers.views.trace_svg import trace_svg
from tests.conftest import wait_for

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:resize"
BUCKET = "arn:aws:s3:::uploads"


def entry(
    seq: int,
    at: float,
    kind: str,
    resource: str = FUNCTION,
    request: str = "",
    trace: str = "",
    **detail: Any,
) -> dict[str, Any]:
    """One entry of the journal."""
    return {
        "seq": seq, "at": at, "kind": kind, "resource": resource, "request_id": request, "trace_id": trace,
        "detail": detail,
    }  # fmt: skip


UPLOAD = [
    entry(1, 10.0, "s3.event", BUCKET, "S3REQUEST", event="ObjectCreated:Put", key="cat.jpg"),
    entry(2, 10.0, "s3.notification", BUCKET, "S3REQUEST", destination=FUNCTION, invocation="call-1"),
    entry(3, 10.0, "invoke.queued", request="call-1", trace="Root=1-a;Parent=b"),
    entry(4, 10.1, "invoke.attempt", request="call-1", trace="Root=1-a;Parent=b", n=1),
    entry(5, 10.3, "invoke.started", request="call-1", trace="Root=1-a;Parent=c", cold=True, event='{"a": "<b>"}'),
    entry(6, 10.3, "log", request="call-1", message="hello"),
    entry(
        7, 10.5, "invoke.ended", request="call-1", trace="Root=1-a;Parent=c", status="error",
        error_type="KeyError", duration_ms=200.0,
    ),
    entry(8, 10.5, "invoke.retry_in", request="call-1", trace="Root=1-a", seconds=60.0),
    entry(9, 70.5, "invoke.attempt", request="call-1", trace="Root=1-a", n=2),
    entry(10, 70.5, "invoke.started", request="call-1", trace="Root=1-a;Parent=d", cold=False, event="{}"),
    entry(11, 70.6, "invoke.ended", request="call-1", trace="Root=1-a;Parent=d", status="success", duration_ms=100.0),
    # What the function wrote carries its trace.
    entry(12, 70.6, "s3.event", "arn:aws:s3:::small", "OTHER", "Root=1-a;Parent=d", event="ObjectCreated:Put", key="k"),
]  # fmt: skip


class Quiet:
    """A lab in which nothing more happens."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        return self.entries

    def follow(self, since: int = 0) -> Any:
        return iter(())


def test_an_upload_is_one_story() -> None:
    """Object, notification, queue, two tries and what the function wrote: one trace, by ids and the trace's root."""
    traces = Traces()
    traces.add_all(UPLOAD)
    (summary,) = traces.summaries()
    assert (summary.title, summary.state) == ("bucket uploads: ObjectCreated:Put cat.jpg", "failed")
    rows = traces.rows(summary.key)
    assert [(row.who, row.what, row.kind) for row in rows] == [
        ("bucket uploads", "ObjectCreated:Put cat.jpg", "mark"),
        ("bucket uploads", "sent to function resize", "mark"),
        ("function resize", "waited in the event queue", "waiting"),
        ("function resize", "cold start", "waiting"),
        ("function resize", "failed after 200.0 ms: KeyError", "bad"),
        ("function resize", "waited for try 2", "waiting"),
        ("function resize", "ran 100.0 ms", "good"),
        ("bucket small", "ObjectCreated:Put k", "mark"),
    ]
    assert rows[4].event == '{"a": "<b>"}'
    assert (rows[5].start_s, rows[5].end_s) == (0.5, 60.5)


def test_entries_join_traces_that_were_two() -> None:
    """When an entry names both, what looked like two stories is one."""
    traces = Traces()
    traces.add_all([UPLOAD[0], UPLOAD[2]])
    assert len(traces.summaries()) == 2
    traces.add_all([UPLOAD[1]])
    assert len(traces.summaries()) == 1


@given(st.permutations(UPLOAD))
def test_order_of_arrival_does_not_matter_for_what_belongs_together(entries: list[dict[str, Any]]) -> None:
    """However entries come, they end in one trace."""
    traces = Traces()
    for one in entries:
        traces.add_all([one])
    assert len(traces.summaries()) == 1


def test_a_cold_start_is_as_long_as_init() -> None:
    """How long INIT took is told when the call has ended; whoever waited meanwhile waited that long."""
    started = entry(1, 10.3, "invoke.started", request="r", cold=True, event="{}")
    assert [row.what for row in build_rows([started])] == ["cold start", "running"]
    ended = entry(2, 10.4, "invoke.ended", request="r", status="success", duration_ms=100.0, init_ms=250.0)
    request = entry(
        3, 10.4, "gateway.request", "arn:aws:execute-api:us-east-1:123456789012:abc/dev/GET/cats", "r", "",
        status=200, latency_ms=375.0, route="GET /cats",
    )  # fmt: skip
    rows = build_rows([started, ended, request])
    assert [(row.who, row.what) for row in rows] == [
        ("API abc/dev", "GET /cats: HTTP 200"),
        ("function resize", "cold start"),
        ("function resize", "ran 100.0 ms"),
    ]
    assert (rows[1].start_s, rows[1].end_s) == (0.025, 0.275)


def test_a_request_comes_before_its_steps() -> None:
    """The gateway tells of it when the answer has left, some milliseconds late."""
    started = entry(1, 10.0, "invoke.started", request="r", cold=False, event="{}")
    ended = entry(2, 10.4, "invoke.ended", request="r", status="success", duration_ms=400.0)
    url = entry(3, 10.425, "url.request", request="r", status=200, latency_ms=405.0, method="GET", path="/")
    assert [row.what for row in build_rows([started, ended, url])] == ["GET /: HTTP 200", "ran 400.0 ms"]


def test_a_moment_comes_before_what_it_sets_off() -> None:
    """S3 says that it has told the function when the event is queued already; the rows say it the other way round."""
    moved = [{**UPLOAD[1], "at": 10.0002} if one is UPLOAD[1] else one for one in UPLOAD[:4]]
    rows = build_rows(moved)
    assert [row.what for row in rows] == [
        "ObjectCreated:Put cat.jpg",
        "sent to function resize",
        "waited in the event queue",
    ]


def test_the_last_hundred_are_kept() -> None:
    """A thousand requests later the memory is bounded and the newest are there."""
    traces = Traces()
    for number in range(1000):
        traces.add_all(
            [entry(number, float(number), "invoke.started", request=f"r{number}", cold=False, event="")]
        )
    kept = [summary.key for summary in traces.summaries()]
    assert kept == [f"r{number}" for number in range(999, 999 - MOST_TRACES, -1)]
    assert len(traces._keys) == MOST_TRACES


def test_a_chosen_trace_is_kept() -> None:
    """However many come after it: somebody is looking at it."""
    view = Trace(Quiet(UPLOAD), "cat.jpg")
    view.on_entries(
        [entry(n, float(n), "invoke.started", request=f"r{n}", cold=False, event="") for n in range(100, 400)]
    )
    assert "waited for try 2" in view.to_text()
    assert len(view._traces.summaries()) == MOST_TRACES
    view.selected = ""
    assert "waited for try 2" not in view.to_text()
    view.close()


def test_a_refused_request_is_bad() -> None:
    """A status of 400 or more is a failure, and says which."""
    request = entry(
        1, 2.0, "gateway.request", "arn:aws:execute-api:us-east-1:1:api/s/GET/x", "r", route="GET /x",
        status=502, latency_ms=500.0,
    )  # fmt: skip
    (row,) = build_rows([request])
    assert (row.what, row.kind, row.end_s) == ("GET /x: HTTP 502", "bad", 0.5)


def test_forms_show_text_as_text() -> None:
    """A name that is markup is escaped in the picture; every state has a sign besides its colour."""
    rows = build_rows([entry(1, 1.0, "failure", "<script>alert(1)</script>", "r", message="<b>no</b>")])
    svg = trace_svg(None, rows)
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert "✗" in trace_text(None, rows) or trace_text(None, rows).startswith("No trace")


def test_the_view_shows_the_newest_until_one_is_chosen() -> None:
    """Its data are the chosen trace's; another selection changes them; closing ends it."""
    later = [entry(20, 100.0, "invoke.started", request="other", cold=False, event="{}")]
    view = Trace(Quiet([*UPLOAD, *later]))
    assert view.data["chosen"] == "other"
    assert Trace(Quiet([*UPLOAD, *later]), "nobody's").data["chosen"] == "other"
    view.selected = "S3REQUEST"
    assert len(view.data["rows"]) == 8
    assert "waited for try 2" in view.to_text()
    assert "<img" in view.to_html()
    view.close()


def test_a_thousand_updates_leave_nothing_behind() -> None:
    """The view's own state stays bounded."""
    view = Trace(Quiet([]))
    for number in range(1000):
        view.on_entries(
            [entry(number, 1.0, "invoke.started", request=f"r{number % 10}", cold=False, event="{}")]
        )
    wait_for(lambda: len(view.data["traces"]) == 10, "the last update")
    view.close()
