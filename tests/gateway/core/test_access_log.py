"""Access logs and the `$context` that they are filled from."""

import json

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.access_log import AccessLog, AccessLogFormat, group_of
from labhelpers.gateway.context import as_text, lookup, request_time
from labhelpers.model import LogEvent

CONTEXT = {"requestId": "r", "identity": {"sourceIp": "1.2.3.4"}, "n": 7, "empty": "", "none": None}


def test_format_is_filled_with_what_the_context_has() -> None:
    """JSON, CLF or anything else: only the variables change."""
    text = '{"id":"$context.requestId","ip":"$context.identity.sourceIp","n":$context.n}'
    assert AccessLogFormat(text).render(CONTEXT) == '{"id":"r","ip":"1.2.3.4","n":7}'


def test_what_has_no_value_is_a_dash() -> None:
    """As in AWS's own logs."""
    line = AccessLogFormat("$context.none|$context.empty|$context.identity.x|$context.a.b.c").render(CONTEXT)
    assert line == "-|-|-|-"


def test_format_of_several_lines_makes_one() -> None:
    """An event of a log is one line."""
    assert AccessLogFormat("a\n$context.requestId").render(CONTEXT) == "a r"


@given(st.text())
def test_no_value_breaks_its_line_or_its_quotes(value: str) -> None:
    """What a client sends cannot forge a log."""
    line = AccessLogFormat('{"a":"$context.userAgent"}').render({"userAgent": value})
    assert json.loads(line) == {"a": value or "-"} and "\n" not in line


def test_lines_go_to_the_group_of_the_destination() -> None:
    """One stream for one stage."""
    written: list[tuple[str, str, list[LogEvent]]] = []
    log = AccessLog(
        "arn:aws:logs:us-east-1:123456789012:log-group:/api/x:*",
        "$context.requestId",
        lambda group, stream, events: written.append((group, stream, events)),
        "key",
    )
    log.write(CONTEXT)
    log.write(CONTEXT)
    assert {group for group, _, _ in written} == {"/api/x"} and len({stream for _, stream, _ in written}) == 1
    assert [event.message for _, _, events in written for event in events] == ["r", "r"]


def test_other_arn_names_no_group() -> None:
    """Only log groups are destinations."""
    assert group_of("arn:aws:firehose:us-east-1:123456789012:deliverystream/x") == ""


def test_names_with_dots_are_found() -> None:
    """A claim may have a dot or a colon in its name."""
    context = {"authorizer": {"claims": {"a.b": "1", "custom:x": "2", "a": {"c": "3"}}}}
    names = ("authorizer.claims.a.b", "authorizer.claims.custom:x", "authorizer.claims.a.c")
    assert [lookup(context, name) for name in names] == ["1", "2", "3"]
    assert lookup(context, "authorizer.claims.a.b.c") is None and lookup(context, "x") is None


def test_values_as_text() -> None:
    """Strings stay, the rest is JSON."""
    assert [as_text(value) for value in ("a", 1, True, [1, "b"], None)] == ["a", "1", "true", '[1,"b"]', None]


def test_time_is_written_as_api_gateway_does() -> None:
    """Day, English month, year, time, zone."""
    assert request_time(1583817383.2) == "10/Mar/2020:05:16:23 +0000"
    assert request_time(1583817384.0) == "10/Mar/2020:05:16:24 +0000"
