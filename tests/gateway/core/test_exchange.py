"""Requests and answers as all kinds of API see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway import identifiers
from labhelpers.gateway.exchange import (
    GatewayRequest,
    decode,
    joined_headers,
    message_answer,
    multi,
    multi_headers,
    query_pairs,
    without_hop_by_hop,
)

HEADERS = (("X-A", "1"), ("Accept", "*/*"), ("x-a", "2"))


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("", []),
        ("a=1&a=2", [("a", "1"), ("a", "2")]),
        ("a", [("a", "")]),
        ("a=&&=b", [("a", ""), ("", "b")]),
        ("a%20b=c+d%2B", [("a b", "c d+")]),
        ("a=b=c", [("a", "b=c")]),
        ("a=%zz&b=%ff", [("a", "%zz"), ("b", "\ufffd")]),
    ],
)
def test_query_is_decoded_in_order(query: str, pairs: list[tuple[str, str]]) -> None:
    """Repeated keys stay, a plus is a space, broken escapes are no error."""
    assert query_pairs(query) == pairs


def test_repeated_headers_are_found_whatever_their_case() -> None:
    """Joined in lower case, or as lists under the first spelling."""
    assert joined_headers(HEADERS) == {"x-a": "1,2", "accept": "*/*"}
    assert multi_headers(HEADERS) == {"X-A": ["1", "2"], "Accept": ["*/*"]}
    assert multi(HEADERS) == {"X-A": ["1"], "Accept": ["*/*"], "x-a": ["2"]}


def test_request_finds_headers_by_any_case() -> None:
    """The first value, or all."""
    request = GatewayRequest("GET", "/", "", HEADERS, b"", "127.0.0.1", "d", "id", "trace")
    assert (request.header("X-a"), request.header_values("x-A"), request.header("none")) == (
        "1",
        ["1", "2"],
        None,
    )


def test_headers_of_the_connection_are_not_passed_on() -> None:
    """Also those that Connection names."""
    headers = [("Connection", "close, X-Own"), ("x-own", "1"), ("TE", "x"), ("Upgrade", "h2c"), ("Keep", "k")]
    assert without_hop_by_hop(headers) == [("Keep", "k")]


def test_message_is_json_in_the_gateways_own_words() -> None:
    """Status, type and body."""
    answer = message_answer(404, "Not Found")
    assert (answer.status, answer.headers, answer.body) == (
        404,
        (("Content-Type", "application/json"),),
        b'{"message":"Not Found"}',
    )


@given(st.text())
def test_decoding_never_fails(text: str) -> None:
    """Whatever stands in a path."""
    assert isinstance(decode(text), str)


def test_ids_have_the_forms_of_aws() -> None:
    """A UUID, fifteen letters and `=`, and a trace's root; none twice."""
    assert len({identifiers.request_id() for _ in range(100)}) == 100
    extended = {identifiers.extended_request_id() for _ in range(100)}
    assert len(extended) == 100 and all(len(each) == 16 and each.endswith("=") for each in extended)
    root, seconds, rest = identifiers.trace_root().removeprefix("Root=").split("-")
    assert (root, len(seconds), len(rest)) == ("1", 8, 24)
