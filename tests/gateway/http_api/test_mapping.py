"""Parameter mapping of HTTP APIs."""

from dataclasses import replace

import pytest

from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest
from labhelpers.gateway.http_api.mapping import Expression, RequestMapping, ResponseMapping, json_path

REQUEST = GatewayRequest(
    "GET",
    "/x",
    "q=1&q=2&keep=%2F",
    (("A", "1"), ("a", "2"), ("B", "b")),
    b'{"user": {"name": "Ada", "tags": ["x", "y"]}, "n": 3}',
    "127.0.0.1",
    "d",
    "id",
    "trace",
)
CONTEXT = {"requestId": "r-1", "authorizer": {"claims": {"sub": "me"}}}


def mapped(parameters: dict[str, str]) -> tuple[GatewayRequest, str | None]:
    """The request after a mapping."""
    mapping = RequestMapping.read(parameters)
    assert mapping is not None
    return mapping.apply(REQUEST, "/x", {"id": "6"}, CONTEXT, {"color": "blue"})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("fixed", "fixed"),
        ("$request.header.a", "1,2"),
        ("${request.header.A}", "1,2"),
        ("$request.querystring.q", "1,2"),
        ("$request.path", "/x"),
        ("$request.path.id", "6"),
        ("$request.body.user.name", "Ada"),
        ("$request.body.user.tags[1]", "y"),
        ("$request.body.n", "3"),
        ("$context.requestId", "r-1"),
        ("$context.authorizer.claims.sub", "me"),
        ("$stageVariables.color", "blue"),
        ("${request.path.id}-${stageVariables.color}!", "6-blue!"),
    ],
)
def test_value_comes_from_where_the_expression_says(expression: str, expected: str) -> None:
    """Every kind of value of the developer guide's table."""
    changed, _ = mapped({"overwrite:header.new": expression})
    assert changed.header("new") == expected


def test_headers_are_appended_overwritten_and_removed() -> None:
    """Names of headers know no case."""
    changed, _ = mapped({"append:header.a": "3", "overwrite:header.b": "c"})
    assert changed.header_values("A") == ["1", "2", "3"] and changed.header_values("B") == ["c"]
    assert mapped({"remove:header.A": ""})[0].header_values("a") == []


def test_query_is_appended_overwritten_and_removed_and_the_rest_kept_as_written() -> None:
    """Only the parameters that are named change."""
    assert mapped({"append:querystring.q": "a&b"})[0].query == "q=1&q=2&keep=%2F&q=a%26b"
    assert mapped({"overwrite:querystring.q": "3"})[0].query == "keep=%2F&q=3"
    assert mapped({"remove:querystring.keep": ""})[0].query == "q=1&q=2"


def test_path_is_overwritten() -> None:
    """The new path is handed to the integration."""
    assert mapped({"overwrite:path": "/v1/${request.path.id}"})[1] == "/v1/6"


def test_value_that_is_not_there_changes_nothing() -> None:
    """A header whose only value is missing is left out; overwriting with nothing keeps the old one."""
    changed, _ = mapped({"append:header.new": "$request.header.none", "overwrite:header.B": "$context.none"})
    assert changed.header("new") is None and changed.header("b") == "b"


def test_response_changes_by_its_status() -> None:
    """Headers and status of one status; others pass unchanged."""
    mapping = ResponseMapping.read(
        {
            "500": {"overwrite:statuscode": "403", "append:header.why": "$response.body.error"},
            "200": {"remove:header.secret": "''", "overwrite:header.id": "$context.requestId"},
        }
    )
    assert mapping is not None
    failed = mapping.apply(GatewayAnswer(500, (), b'{"error": "no"}'), CONTEXT, {})
    assert (failed.status, failed.headers) == (403, (("why", "no"),))
    fine = mapping.apply(GatewayAnswer(200, (("Secret", "x"), ("ID", "y"))), CONTEXT, {})
    assert fine.headers == (("id", "r-1"),)
    other = GatewayAnswer(404, (("Secret", "x"),))
    assert mapping.apply(other, CONTEXT, {}) is other


def test_no_parameters_are_no_mapping() -> None:
    """What changes nothing costs nothing."""
    assert RequestMapping.read({}) is None and ResponseMapping.read(None) is None


def test_body_that_is_no_json_has_no_values() -> None:
    """A JSON path into something else finds nothing."""
    mapping = RequestMapping.read(
        {"append:header.x": "$request.body.a", "append:header.all": "$request.body"}
    )
    assert mapping is not None
    changed, _ = mapping.apply(replace(REQUEST, body=b"<a/>"), "/x", {}, {}, {})
    assert (changed.header("x"), changed.header("all")) == (None, "<a/>")


@pytest.mark.parametrize("path", ["a..b", "[", "a[x]", "a.b.c.d", "[9]", ".", "a[*].b"])
def test_odd_json_paths_find_nothing(path: str) -> None:
    """No path raises."""
    assert json_path({"a": 1}, path) in (None, [])


def test_expression_without_variables_is_its_text() -> None:
    """A dollar that names nothing is a dollar."""
    assert Expression.read("5$ and $x").value(lambda name: None) == "5$ and $x"
