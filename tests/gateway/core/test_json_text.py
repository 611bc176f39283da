"""JSON of events and replies."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.json_text import dumps, loads

texts = st.text(st.characters(codec=None, categories=None))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


@given(values)
def test_what_is_written_is_read_back(value: object) -> None:
    """Also lone surrogates and large integers, which orjson does not take."""
    assert loads(dumps(value)) == json.loads(json.dumps(value))


def test_python_alone_reads_what_is_no_strict_json() -> None:
    """NaN comes from functions."""
    assert math.isnan(loads(b"NaN"))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"nan"])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    """Whoever reads it says so in its own words."""
    with pytest.raises(ValueError, match=r"."):
        loads(text)
