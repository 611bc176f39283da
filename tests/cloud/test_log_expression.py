"""Regular expressions of log filters: what Python's own engine says, in time that grows with the text only."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cloud import log_expression
from labhelpers.cloud.log_expression import compile_expression

ITEMS = st.tuples(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\.", r"[\]a]", "-"]),
    st.sampled_from(["", "?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}"]),
).map("".join)
BRANCHES = st.builds(
    lambda start, items, end: start + "".join(items) + end,
    st.sampled_from(["", "^"]),
    st.lists(ITEMS, max_size=4),
    st.sampled_from(["", "$"]),
)
EXPRESSIONS = st.lists(BRANCHES, min_size=1, max_size=3).map("|".join)


@given(EXPRESSIONS, st.text(alphabet="ab1.-]\n", max_size=8))
def test_agrees_with_pythons_engine(expression: str, text: str) -> None:
    """Both ways: with it where it is quick, and without it."""
    expected = re.search(expression, text, re.ASCII) is not None
    assert compile_expression(expression)(text) is expected
    before, log_expression._STEPS_MAX = log_expression._STEPS_MAX, -1
    try:
        assert compile_expression(expression)(text) is expected
    finally:
        log_expression._STEPS_MAX = before


@pytest.mark.parametrize(
    "expression", ["a*a*a*a*a*a*a*a*b", "a?" * 60 + "a{60}b", "a{0,500}a{0,500}b", ".*.*.*=.*x"]
)
def test_no_expression_takes_for_ever(expression: str) -> None:
    """Neither on one long text."""
    assert not compile_expression(expression)("a" * 20_000)


@pytest.mark.parametrize(
    "expression", ["(a)", "a{9999}", "a{3,1}", "what!", "é", "a**", "[a", r"\1", "a^b", "*"]
)
def test_what_aws_has_not_is_refused(expression: str) -> None:
    """No groups, no other symbols, nothing that is repeated without end."""
    with pytest.raises((ValueError, re.error)):
        compile_expression(expression)
