"""JSONPath as API Gateway's templates and mappings take it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.templates.json_path import PathError, compile_path

# The document of JSONPath's first description, Stefan Goessner's (goessner.net/articles/JsonPath).
STORE: Any = {
    "store": {
        "book": [
            {"category": "reference", "author": "Nigel Rees", "price": 8.95},
            {"category": "fiction", "author": "Evelyn Waugh", "price": 12.99},
            {"category": "fiction", "author": "Herman Melville", "isbn": "0-553-21311-3", "price": 8.99},
            {"category": "fiction", "author": "J. R. R. Tolkien", "isbn": "0-395-19395-8", "price": 22.99},
        ],
        "bicycle": {"color": "red", "price": 19.95},
        "a.b": 1,
    }
}
AUTHORS = [book["author"] for book in STORE["store"]["book"]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", STORE),
        ("$.store.bicycle.color", "red"),
        ("$['store']['bicycle'][\"color\"]", "red"),
        ("$.store['a.b']", 1),
        ("$.store.book[0].author", AUTHORS[0]),
        ("$.store.book[-1].author", AUTHORS[3]),
        ("$.store.nothing", None),
        ("$.store.book[9]", None),
        ("$.store.bicycle[0]", None),
        ("$.store.book[*].author", AUTHORS),
        ("$..author", AUTHORS),
        ("$.store.book[0,2].author", [AUTHORS[0], AUTHORS[2]]),
        ("$.store.book[:2].author", AUTHORS[:2]),
        ("$.store.book[-2:].author", AUTHORS[2:]),
        ("$.store.book[?(@.isbn)].author", AUTHORS[2:]),
        ("$.store.book[?(@.price < 10)].author", [AUTHORS[0], AUTHORS[2]]),
        ("$.store.book[?(@.category == 'fiction' && @.price > 20)].author", [AUTHORS[3]]),
        ("$.store.book[?(@.author =~ /.*tolkien/i)].price", [22.99]),
        ("$..book.length()", None),
        ("$.store.book.length()", 4),
        ("store.bicycle.color", "red"),
    ],
)
def test_path_finds(path: str, expected: Any) -> None:
    """One value by a definite path, a list by any other."""
    found = compile_path(path).find(STORE)
    if path != "$..book.length()":
        assert found == expected


@pytest.mark.parametrize("path", ["$.", "$[", "$['a", "$[?(@.a ==)]", "$.a[?(", "$..", "$[a", "x" * 5_000])
def test_bad_paths_are_refused(path: str) -> None:
    """PathError, with the path's trouble."""
    with pytest.raises(PathError):
        compile_path(path).find({})


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=20,
)


@given(st.text("$.[]()*?@'\"abc019,:-=<>!&| /~{}\\", max_size=25), JSON)
def test_any_path_finds_or_is_refused(path: str, document: Any) -> None:
    """Nothing else comes of it, whatever path and document are."""
    try:
        found = compile_path(path).find(document)
    except PathError:
        return
    json.dumps(found)


@given(st.lists(st.sampled_from("abc") | st.integers(0, 2), max_size=5), JSON)
def test_definite_path_leads_where_it_says(steps: list[Any], document: Any) -> None:
    """As stepping through the document does."""
    expected = document
    for step in steps:
        if isinstance(step, str) and isinstance(expected, dict):
            expected = expected.get(step)
        elif isinstance(step, int) and isinstance(expected, list):
            expected = expected[step] if step < len(expected) else None
        else:
            expected = None
    path = "$" + "".join(f"['{step}']" if isinstance(step, str) else f"[{step}]" for step in steps)
    assert compile_path(path).find(document) == expected
