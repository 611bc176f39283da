"""Which method answers a request to a REST API."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.rest.routing import find, path_variables, split_stage
from labhelpers.gateway.rest.settings import Method, Node
from tests.gateway.rest.gateway import RestGateway, message


def tree(*routes: str) -> Node:
    """The paths of an API, from `METHOD /path` each."""
    root = Node()
    for route in routes:
        name, path = route.split(" ")
        node = root
        for part in path.strip("/").split("/") if path != "/" else ():
            if part.endswith("+}"):
                node.greedy = node.greedy or (part[1:-2], Node())
                node = node.greedy[1]
            elif part.startswith("{"):
                node.variable = node.variable or (part[1:-1], Node())
                node = node.variable[1]
            else:
                node = node.literals.setdefault(part, Node())
        node.methods[name] = Method(name, path, path)
    return root


def route(root: Node, method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """What answers: its method and path, and the variables."""
    found = find(root, method, path)
    return None if found is None else (f"{found[0].name} {found[0].resource_path}", dict(found[1]))


API = tree(
    "GET /",
    "GET /pets",
    "ANY /pets/{id}",
    "GET /pets/cats",
    "POST /pets/{id}/toys",
    "ANY /pets/{id}/{rest+}",
    "GET /{proxy+}",
)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", ("GET /", {})),
        ("POST", "/", None),
        ("GET", "/pets", ("GET /pets", {})),
        ("GET", "/pets/", ("GET /pets", {})),
        ("GET", "/pets/cats", ("GET /pets/cats", {})),
        ("POST", "/pets/cats", ("ANY /pets/{id}", {"id": "cats"})),
        ("DELETE", "/pets/7", ("ANY /pets/{id}", {"id": "7"})),
        ("POST", "/pets/7/toys", ("POST /pets/{id}/toys", {"id": "7"})),
        ("GET", "/pets/7/toys", ("ANY /pets/{id}/{rest+}", {"id": "7", "rest": "toys"})),
        ("PUT", "/pets/7/a/b/c", ("ANY /pets/{id}/{rest+}", {"id": "7", "rest": "a/b/c"})),
        ("GET", "/dogs/1", ("GET /{proxy+}", {"proxy": "dogs/1"})),
        ("POST", "/dogs", None),
        ("GET", "/p%65ts", ("GET /pets", {})),
        ("GET", "/pets/a%2Fb", ("ANY /pets/{id}", {"id": "a%2Fb"})),
        ("GET", "/Pets", ("GET /{proxy+}", {"proxy": "Pets"})),
    ],
)
def test_most_specific_resource_with_the_method_answers(
    method: str, path: str, expected: tuple[str, dict[str, str]] | None
) -> None:
    """Fixed parts beat variables, these beat greedy ones; a method by its name beats ANY."""
    assert route(API, method, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/prod", ("prod", "/")),
        ("/prod/", ("prod", "/")),
        ("/prod/a/b", ("prod", "/a/b")),
        ("//prod//a//b/", ("prod", "/a//b/")),
        ("/", ("", "/")),
        ("", ("", "/")),
    ],
)
def test_stage_is_the_first_part_of_the_path(path: str, expected: tuple[str, str]) -> None:
    """What follows it is the path that events have, with one slash before it."""
    assert split_stage(path) == expected


PARTS = st.text("ab{}+%2F./~", max_size=6)


@given(st.lists(PARTS, max_size=8).map("/".join))
def test_any_path_finds_something_or_nothing(path: str) -> None:
    """No path is an error, and a greedy variable at the root takes all that is left over."""
    found = find(API, "GET", f"/{path}")
    assert found is not None or not path.strip("/")
    stage, rest = split_stage(path)
    assert "/" not in stage and rest.startswith("/")


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6))
def test_variables_are_those_of_the_path(parts: list[str]) -> None:
    """TestInvokeMethod reads them out of the path it is given, the data plane out of the request's."""
    path = "/" + "/".join(parts)
    api = tree("GET /{a}/{b+}")
    expected = {"a": parts[0], "b": "/".join(parts[1:])} if len(parts) > 1 else None
    found = find(api, "GET", path)
    assert (None if found is None else dict(found[1])) == expected
    assert path_variables("/{a}/{b+}", path) == (expected or {})


def test_path_of_very_many_parts_finds_nothing() -> None:
    """It is refused before it can be followed."""
    assert find(API, "GET", "/a" * 10_000) is None


def test_what_is_no_method_asks_for_a_token(gateway: RestGateway) -> None:
    """403 Missing Authentication Token, with AWS's error type, for a stage, a path or a method that is not there."""
    api = gateway.rest_api()
    api.mock("/x")
    api.deploy()
    assert api.ask("/x").status == 200
    for answer in (api.ask("/y"), api.ask("/x", "POST"), api.ask("/x/y"), api.ask()):
        assert message(answer) == (403, "Missing Authentication Token")
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    api.stage = "nothing"
    assert message(api.ask("/x")) == (403, "Missing Authentication Token")


@pytest.mark.parametrize("path", ["/a/../b", "/./b", "/a%2Fb", "/%2e%2e/b", "/..%2fb"])
def test_path_tricks_go_nowhere(gateway: RestGateway, path: str) -> None:
    """Dots and encoded slashes are parts like others: they lead to no other resource."""
    api = gateway.rest_api()
    for each in ("/b", "/a/b"):
        api.mock(each)
    api.deploy()
    assert message(api.ask(path)) == (403, "Missing Authentication Token")
