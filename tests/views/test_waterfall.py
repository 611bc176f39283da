"""A waterfall has a bar for each call and each request, on one time axis, and says how each ended."""

from typing import Any

from labhelpers.views.waterfall import Bar, build_bars

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"


def entry(at: float, kind: str, request_id: str, resource: str = "", **detail: Any) -> dict[str, Any]:
    """One of a journal's."""
    return {"at": at, "kind": kind, "resource": resource, "request_id": request_id, "detail": detail}


ENTRIES = [
    entry(100.1, "invoke.started", "a", f"{FUNCTION}home", cold=False),
    entry(100.2, "invoke.started", "b", f"{FUNCTION}offers", cold=False),
    entry(101.1, "gateway.request", "g", method="GET", path="/home", status=503, latency_ms=1100.0),
    entry(101.2, "invoke.ended", "a", f"{FUNCTION}home", status="error"),
    entry(102.0, "log", "b", message="still at it"),
]


def rounded(bars: tuple[Bar, ...]) -> list[tuple[str, float, float, str, bool]]:
    """Without what floating point adds."""
    return [(b.who, round(b.start_s, 6), round(b.end_s, 6), b.result, b.good) for b in bars]


def test_bars_begin_with_the_first_wait() -> None:
    """The client's wait is reckoned back from its answer; what still runs goes to the last entry and says so."""
    assert rounded(build_bars(ENTRIES)) == [
        ("client, GET /home", 0.0, 1.1, "HTTP 503", False),
        ("function home", 0.1, 1.2, "error", False),
        ("function offers", 0.2, 2.0, "still running", True),
    ]


def test_end_of_an_earlier_call_is_no_bar() -> None:
    """A call that began before the first entry is left out."""
    assert build_bars([entry(1.0, "invoke.ended", "z", f"{FUNCTION}old", status="success")]) == ()
