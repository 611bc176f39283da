"""What a function of a proxy integration may answer."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.rest.proxy_answer import Malformed, NotBase64, body_bytes, read


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, (200, [], "")),
        ({"statusCode": 201}, (201, [], "")),
        ({"statusCode": "404", "body": "x"}, (404, [], "x")),
        ({"body": None, "headers": None, "multiValueHeaders": None, "isBase64Encoded": None}, (200, [], "")),
        ({"body": True}, (200, [], "true")),
        ({"body": 1.5}, (200, [], "1.5")),
        ({"headers": {"a": True, "b": 1, "c": None}}, (200, [("a", "true"), ("b", "1")], "")),
        (
            {"headers": {"A": "1"}, "multiValueHeaders": {"a": ["2", "3"]}},
            (200, [("a", "2"), ("a", "3")], ""),
        ),
        ({"isBase64Encoded": "true", "body": "YQ=="}, (200, [], "YQ==")),
    ],
)
def test_answer_is_read_as_aws_does(answer: Any, expected: tuple[int, list[Any], str]) -> None:
    """Everything may be missing; simple values become texts; multiValueHeaders win."""
    found = read(json.dumps(answer).encode())
    assert (found.status, found.headers, found.body) == expected


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "null",
        "[]",
        '"text"',
        '{"statusCode": 200, "other": 1}',
        '{"statusCode": "abc"}',
        '{"statusCode": true}',
        '{"statusCode": 99}',
        '{"statusCode": 600}',
        '{"statusCode": 200.5}',
        '{"body": {"a": 1}}',
        '{"body": [1]}',
        '{"headers": []}',
        '{"headers": {"a": {}}}',
        '{"headers": {"a": "b\\r\\nc: d"}}',
        '{"headers": {"a b": "c"}}',
        '{"multiValueHeaders": {"a": [[]]}}',
        '{"multiValueHeaders": {"a": "b"}}',
        '{"isBase64Encoded": "yes"}',
        "{" * 10_000,
    ],
)
def test_other_answers_are_malformed(payload: str) -> None:
    """502 for the client."""
    with pytest.raises(Malformed):
        read(payload.encode())


def test_base64_is_decoded_only_for_who_wants_binary() -> None:
    """Otherwise the client gets Base64; what is none cannot be."""
    answer = read(b'{"isBase64Encoded": true, "body": "AP8="}')
    assert body_bytes(answer, binary=True) == b"\x00\xff"
    assert body_bytes(answer, binary=False) == b"AP8="
    with pytest.raises(NotBase64):
        body_bytes(read(b'{"isBase64Encoded": true, "body": "!"}'), binary=True)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
MEMBERS = ("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded")


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON))
def test_any_answer_is_read_or_malformed(answer: dict[str, Any]) -> None:
    """Nothing else comes of it, and what is read can be sent."""
    try:
        found = read(json.dumps(answer).encode())
        body_bytes(found, binary=True)
    except (Malformed, NotBase64):
        return
    assert 100 <= found.status <= 599
    assert not any(character in name + value for name, value in found.headers for character in "\r\n\x00")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_malformed(payload: bytes) -> None:
    """A function may answer what it likes."""
    with contextlib.suppress(Malformed, NotBase64):
        read(payload)
