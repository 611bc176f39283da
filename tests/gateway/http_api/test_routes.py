"""Which route of an HTTP API a request takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.http_api.routes import RouteTable


def table(*keys: str) -> RouteTable[str]:
    """A table whose routes lead to their own keys."""
    made: RouteTable[str] = RouteTable()
    for key in keys:
        method, _, path = key.partition(" ")
        made.add(method if path else "", path or key, key)
    return made


DOCUMENTED = table("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/test/5", "ANY /{proxy+}"),
        ("GET", "/", "$default"),
    ],
)
def test_priorities_are_those_of_the_developer_guide(method: str, path: str, expected: str) -> None:
    """Full match, then greedy, then $default: the guide's own example."""
    found = DOCUMENTED.match(method, path)
    assert found is not None and found.target == expected


def test_literal_part_wins_over_variable() -> None:
    """/a/b prefers the route that spells it, even for ANY."""
    routes = table("GET /a/{x}", "ANY /a/b")
    found = routes.match("GET", "/a/b")
    assert found is not None and found.target == "ANY /a/b"


def test_method_wins_over_any_on_one_path() -> None:
    """Of two routes of one path the method's own is taken."""
    routes = table("ANY /a", "GET /a")
    assert [getattr(routes.match(m, "/a"), "target", None) for m in ("GET", "PUT")] == ["GET /a", "ANY /a"]


def test_search_goes_back_where_a_literal_leads_nowhere() -> None:
    """A literal that fits first does not hide a variable that fits wholly."""
    routes = table("GET /a/b/c", "GET /{x}/b/d")
    found = routes.match("GET", "/a/b/d")
    assert found is not None and (found.target, found.variables) == ("GET /{x}/b/d", {"x": "a"})


def test_full_match_wins_over_greedy_deeper_in_the_path() -> None:
    """A full match with variables comes before a greedy one with literals."""
    routes = table("GET /a/{proxy+}", "GET /{x}/b")
    found = routes.match("GET", "/a/b")
    assert found is not None and found.target == "GET /{x}/b"


def test_other_method_falls_to_greedy_and_default() -> None:
    """A path whose method has no route goes on to the greedy routes."""
    routes = table("GET /a", "ANY /{all+}")
    found = routes.match("POST", "/a")
    assert found is not None and (found.target, found.variables) == ("ANY /{all+}", {"all": "a"})


@pytest.mark.parametrize("path", ["/a/", "/a//", "//a", "/A", "/a/b/..", "/a/."])
def test_paths_are_not_normalised(path: str) -> None:
    """Slashes, dots and capitals are what they are."""
    assert table("GET /a").match("GET", path) is None


def test_variables_are_decoded_and_encoded_slash_is_no_separator() -> None:
    """`a%2Fb` is one part with a slash in it."""
    found = table("GET /x/{id}").match("GET", "/x/a%2Fb%20c")
    assert found is not None and found.variables == {"id": "a/b c"}


@pytest.mark.parametrize("path", ["/x", "/x/"])
def test_variables_need_a_value(path: str) -> None:
    """A variable does not match nothing."""
    assert table("GET /x/{id}").match("GET", path) is None


def test_greedy_variable_may_be_empty_after_a_slash() -> None:
    """`/x/` is `/x/{all+}`; neither `/x` nor the root alone is such a route."""
    found = table("GET /x/{all+}").match("GET", "/x/")
    assert found is not None and found.variables == {"all": ""}
    assert table("GET /x/{all+}").match("GET", "/x") is None
    assert table("GET /{all+}").match("GET", "/") is None


def test_without_routes_nothing_matches() -> None:
    """No route, no default: no match."""
    assert table().match("GET", "/") is None


parts = st.text(alphabet="ab{}+%2F./", max_size=4)
paths = st.lists(parts, max_size=4).map(lambda each: "/" + "/".join(each))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["GET", "ANY"]),
            st.lists(st.sampled_from(["a", "b", "{x}", "{y}"]), max_size=3, unique=True),
        ),
        max_size=5,
    ),
    paths,
)
def test_any_path_finds_a_route_or_none(routes: list[tuple[str, list[str]]], path: str) -> None:
    """No path of whatever characters raises, and what matches has as many parts as its route."""
    made = table(*(f"{method} /{'/'.join(each)}" for method, each in routes))
    found = made.match("GET", path)
    assert found is None or found.target.count("/") == path.count("/")
    assert made.match("GET", path) == found
