"""JSON that is almost JSON, read as API Gateway reads it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.templates import permissive_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, true, null, "x"]}', {"a": [1, True, None, "x"]}),
        ("{ statusCode: 204 }", {"statusCode": 204}),
        ("{a: 1, b{ }c: [d e]}", {"a": 1, "b{ }c": ["d e"]}),
        ("{a: 1, 'b': 'c d', \"\": \"\"}", {"a": 1, "b": "c d", "": ""}),
        ("{a: 1,, }", {"a": 1}),
        ("{a: 1, }b: [c]}", {"a": 1}),
        ("{a: 1, a: 2}", {"a": 2}),
        ("{a: -1.5, b: 1e2, c: 1x, d: {e: true}}", {"a": -1.5, "b": 100.0, "c": "1x", "d": {"e": True}}),
        ("[1,,'a\\u0041\\n\\'',]", [1, "aA\n'"]),
        ("plain, text", "plain, text"),
        ("a: 1", "a: 1"),
    ],
)
def test_what_is_almost_json_is_read(text: str, value: Any) -> None:
    """Quotes may miss, commas be too many, and what follows the end is not looked at."""
    assert permissive_json.loads(text) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1',
        "{a: 1, {b: [c]}",
        "{a: 1, b:{}c: [d]}}",
        "{a}",
        "{a: 'b}",
        "[1",
        "}",
        "",
        "{a: '\\u00x'}",
        "[" * 999,
    ],
)
def test_what_has_no_end_or_no_colon_is_refused(text: str) -> None:
    """ValueError, whatever is missing."""
    with pytest.raises(ValueError, match=r"Unexpected|nested"):
        permissive_json.loads(text)


@given(st.text(alphabet="{}[]:,'\"\\ u1a-", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but ValueError is raised; strict JSON is read as Python reads it."""
    try:
        value = permissive_json.loads(text)
    except ValueError:
        return
    with contextlib.suppress(ValueError):
        assert json.loads(text) == value
