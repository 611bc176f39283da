"""What a function's reply means to an HTTP API."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.http_api.reply import BadReply, read_reply

JSON = (("Content-Type", "application/json"),)


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        ("Hello from Lambda!", b"Hello from Lambda!"),
        ({"message": "x"}, b'{"message": "x"}'),
        ([1, 2], b"[1, 2]"),
        (3, b"3"),
        (None, b"null"),
        ({}, b"{}"),
    ],
)
def test_reply_without_status_is_the_body_in_format_2(reply: Any, body: bytes) -> None:
    """AWS infers 200 and application/json; a string is not quoted."""
    answer = read_reply(json.dumps(reply).encode(), "2.0")
    assert (answer.status, answer.headers, answer.body) == (200, JSON, body)


@pytest.mark.parametrize("reply", ["x", {"message": "x"}, None, [], {}])
def test_reply_without_status_is_none_in_format_1(reply: Any) -> None:
    """Format 1.0 infers nothing."""
    with pytest.raises(BadReply, match="statusCode"):
        read_reply(json.dumps(reply).encode(), "1.0")


def test_reply_that_looks_like_an_error_is_one() -> None:
    """AWS (recorded): an object with errorMessage is no body in format 2.0; a statusCode makes it an answer again."""
    with pytest.raises(BadReply, match="errorMessage"):
        read_reply(b'{"errorMessage": "x"}', "2.0")
    assert read_reply(b'"errorMessage"', "2.0").body == b"errorMessage"
    assert read_reply(b'{"errorMessage": "x", "statusCode": 202}', "2.0").status == 202


def test_explicit_reply_has_status_headers_cookies_and_body() -> None:
    """The documented form of format 2.0; numbers and booleans become text."""
    reply = {
        "statusCode": 201,
        "headers": {"X-A": "b", "X-N": 1, "X-T": True},
        "cookies": ["a=b", "c=d; HttpOnly"],
        "body": "text",
    }
    answer = read_reply(json.dumps(reply).encode(), "2.0")
    assert answer.status == 201 and answer.body == b"text"
    assert answer.headers == (
        ("X-A", "b"),
        ("X-N", "1"),
        ("X-T", "true"),
        ("Set-Cookie", "a=b"),
        ("Set-Cookie", "c=d; HttpOnly"),
        ("Content-Type", "text/plain;charset=UTF-8"),
    )


def test_multi_value_headers_count_in_format_1_only() -> None:
    """In 1.0 they replace the single ones of their name, whatever its case; 2.0 does not know them."""
    reply = json.dumps(
        {
            "statusCode": 200,
            "headers": {"x-a": "1", "Content-Type": "a/b"},
            "multiValueHeaders": {"X-A": ["2", "3"]},
        }
    ).encode()
    assert read_reply(reply, "1.0").headers == (("Content-Type", "a/b"), ("X-A", "2"), ("X-A", "3"))
    assert read_reply(reply, "2.0").headers == (("x-a", "1"), ("Content-Type", "a/b"))


def test_base64_body_is_decoded_only_when_it_says_so() -> None:
    """isBase64Encoded decides."""
    reply = {"statusCode": 200, "body": "AP8="}
    assert read_reply(json.dumps(reply).encode(), "2.0").body == b"AP8="
    assert read_reply(json.dumps({**reply, "isBase64Encoded": True}).encode(), "2.0").body == b"\x00\xff"


@pytest.mark.parametrize("status", ["200", 100, 599])
def test_status_may_be_a_string_of_digits(status: Any) -> None:
    """AWS takes "200" for 200."""
    assert read_reply(json.dumps({"statusCode": status}).encode(), "2.0").status == int(status)


@pytest.mark.parametrize(
    "reply",
    [
        {"statusCode": "abc"},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": None},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "cookies": "a=b"},
        {"statusCode": 200, "body": "%%", "isBase64Encoded": True},
    ],
)
def test_malformed_reply_says_what_is_wrong(reply: Any) -> None:
    """Every malformed reply is refused with a reason for the log."""
    with pytest.raises(BadReply, match=r"\w"):
        read_reply(json.dumps(reply).encode(), "2.0")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
replies = st.one_of(
    values,
    st.fixed_dictionaries(
        {"statusCode": values},
        optional={
            "headers": values,
            "multiValueHeaders": values,
            "cookies": values,
            "body": values,
            "isBase64Encoded": values,
        },
    ),
)


@given(replies, st.sampled_from(["1.0", "2.0"]))
def test_any_json_is_an_answer_or_a_bad_reply(reply: Any, version: str) -> None:
    """Nothing that a handler returns makes the gateway fail."""
    try:
        answer = read_reply(json.dumps(reply).encode(), version)
    except BadReply:
        return
    assert 100 <= answer.status <= 599 and all(isinstance(value, str) for _, value in answer.headers)


@given(st.binary())
def test_any_bytes_are_an_answer_or_a_bad_reply(payload: bytes) -> None:
    """A custom runtime may send what is no JSON at all."""
    with contextlib.suppress(BadReply):
        read_reply(payload, "2.0")
