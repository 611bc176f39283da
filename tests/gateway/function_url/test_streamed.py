"""Payloads that a URL in the mode RESPONSE_STREAM hands on."""

import json

import pytest

from labhelpers.gateway.function_url.streamed import WITH_PRELUDE, read_streamed
from labhelpers.gateway.http_api.reply import BadReply


def test_payload_is_the_body() -> None:
    """Nothing is inferred from a payload, and its type is that of the runtime."""
    answer = read_streamed(b'{"statusCode":201}', "application/json")
    assert (answer.status, answer.headers, answer.body) == (
        200,
        (("Content-Type", "application/json"),),
        b'{"statusCode":201}',
    )


def test_prelude_gives_status_and_headers() -> None:
    """What stands before eight zero bytes is not part of the body."""
    prelude = {"statusCode": 418, "headers": {"X-Mine": "1"}, "cookies": ["a=1"]}
    answer = read_streamed(json.dumps(prelude).encode() + bytes(8) + b"tea\0", WITH_PRELUDE)
    assert (answer.status, answer.body) == (418, b"tea\0")
    assert dict(answer.headers) == {
        "X-Mine": "1",
        "Set-Cookie": "a=1",
        "Content-Type": "application/octet-stream",
    }


@pytest.mark.parametrize(
    "payload", [b"no json" + bytes(8), b"{}", b"[]" + bytes(8), b'{"statusCode":"x"}' + bytes(8)]
)
def test_broken_prelude_is_no_answer(payload: bytes) -> None:
    """A prelude that cannot be read is the function's failure."""
    with pytest.raises(BadReply):
        read_streamed(payload, WITH_PRELUDE)
