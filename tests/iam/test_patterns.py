"""Wildcards and variables of policies."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.iam.patterns import arn_like, escape, fill, like, plain

TEXTS = st.text(alphabet="ab:/*?$.[]", max_size=12)


def reference(pattern: str, text: str) -> bool:
    """A matcher written another way: dynamic programming over both texts."""
    row = [True] + [False] * len(text)
    for sign in pattern:
        new = [row[0] and sign == "*"]
        for at, letter in enumerate(text, 1):
            new.append(new[-1] or row[at] if sign == "*" else row[at - 1] and sign in ("?", letter))
        row = new
    return row[-1]


@given(TEXTS, TEXTS)
def test_wildcards_agree_with_a_reference(pattern: str, text: str) -> None:
    """`*` is any characters and `?` one, and no other sign of a pattern means anything."""
    assert like(pattern, text) is reference(pattern, text)


@given(st.text(alphabet="ab*?", max_size=10), st.text(alphabet="ab", max_size=10))
def test_wildcards_agree_with_fnmatch(pattern: str, text: str) -> None:
    """Where both know the same signs, the standard library's matcher says the same."""
    assert like(pattern, text) is fnmatch.fnmatchcase(text, pattern)


def test_many_stars_take_no_longer() -> None:
    """A policy of anybody's must not stop the cloud: this one would take a matcher that tries all for ever."""
    assert not like("*a" * 200 + "b", "a" * 5_000)
    assert like("*a" * 200, "a" * 5_000)
    assert not like("*?a" * 100 + "b", "a" * 2_000, ignore_case=True)


@given(TEXTS)
def test_escaped_text_fits_only_itself(text: str) -> None:
    """What a variable stands for is never a wildcard."""
    assert like(escape(text), text)
    assert plain(escape(text)) == text
    assert not like(escape(f"{text}*"), f"{text}x")


@pytest.mark.parametrize(
    ("pattern", "arn", "fits"),
    [
        ("arn:aws:s3:::*", "arn:aws:s3:::bucket", True),
        (
            "arn:aws:execute-api:us-east-1:1:abc/*/GET/x",
            "arn:aws:execute-api:us-east-1:1:abc/prod/GET/x",
            True,
        ),
        ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket2", False),
        ("arn:aws:*:bucket", "arn:aws:s3:::bucket", False),
        ("*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::b.c", "arn:aws:s3:::bxc", False),
        ("arn:aws:sns:*:1:t", "arn:aws:sns:us-east-1:1:t", True),
        ("arn:aws:logs:r:1:log-group:*", "arn:aws:logs:r:1:log-group:/aws/lambda/f:*", True),
        ("arn:aws:iam::1:user/${a:b}", "arn:aws:iam::1:user/x", False),
    ],
)
def test_arn_wildcards_stay_within_a_part(pattern: str, arn: str, fits: bool) -> None:
    """ArnLike compares the six parts of an ARN one by one."""
    assert arn_like(pattern, arn) is fits


@pytest.mark.parametrize(
    ("pattern", "filled"),
    [
        ("home/${aws:username}/*", "home/zoë${*}/*"),
        ("${AWS:UserName}", "zoë${*}"),
        ("${aws:PrincipalTag/team}", None),
        ("${aws:PrincipalTag/team, 'none'}", "none"),
        ("a${*}b${?}${$}", "a${*}b${?}${$}"),
        ("${many}", None),
    ],
)
def test_variables_are_filled_in(pattern: str, filled: str | None) -> None:
    """A variable is its key's one value, or its default; with neither the pattern fits nothing."""
    assert fill(pattern, {"aws:username": ["zoë*"], "many": ["a", "b"]}) == filled
