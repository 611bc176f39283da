"""What is no HTTP, or HTTP of the worst kind: a clear status, and no harm to the next request."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.http_api.gateway import Api, Gateway

PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def api(gateway: Gateway) -> Api:
    """An API that answers with the event."""
    return gateway.echo("ANY /{rest+}")


def exchange(api: Api, data: bytes, *, patience_s: float = PATIENCE_S) -> bytes:
    """Send bytes on a connection of their own, and read until the server ends it, or is silent for `patience_s`."""
    address = urlsplit(api.endpoint)
    assert address.hostname and address.port
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
        connection.settimeout(patience_s)
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            connection.sendall(data)
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


def request(api: Api, lines: list[bytes], body: bytes = b"", *, first: bytes = b"") -> bytes:
    """A request whose header lines are these."""
    address = urlsplit(api.endpoint)
    start = first or b"POST %s/x HTTP/1.1" % address.path.encode()
    return b"\r\n".join([start, b"Host: " + address.netloc.encode(), *lines, b"", body])


def statuses(answer: bytes) -> list[int]:
    """The statuses of all answers in what a client read."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) [A-Z]", answer)]


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([b"Content-Length: 5", b"Content-Length: 6"], b"hello!"),
        ([b"Content-Length: 5", b"Content-Length: 5"], b"hello"),
        ([b"Content-Length: 3", b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
        ([b"Content-Length: -1"], b""),
        ([b"Content-Length: +5"], b"hello"),
        ([b"Content-Length: 5x"], b"hello"),
        ([b"Content-Length : 5"], b"hello"),
        ([b"Transfer-Encoding: chunked"], b"zz\r\nabc\r\n0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        ([b"Bad Name: x"], b""),
        ([b"X: a\x00b"], b""),
        ([b" folded: x"], b""),
        ([b"Host: other"], b""),
        ([b": no name"], b""),
    ],
)
def test_two_readings_of_a_request_are_refused(api: Api, lines: list[bytes], body: bytes) -> None:
    """Two lengths, a length and chunks, broken chunks, broken names: 400, and nothing smuggled behind."""
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    found = statuses(exchange(api, request(api, lines, body + smuggled)))
    assert found and found[0] == 400 and len(found) == 1
    assert api.ask("/fine").status == 200


@pytest.mark.parametrize(
    "first",
    [
        b"GARBAGE",
        b"GET",
        b"GET / HTTP/9.9",
        b"GET / HTTQ/1.1",
        b"FOO /x HTTP/1.1",
        b"get /x HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET " + b"/a" * 40_000 + b" HTTP/1.1",
    ],
)
def test_malformed_first_lines_are_refused(api: Api, first: bytes) -> None:
    """400 for what is no request."""
    found = statuses(exchange(api, request(api, [], first=first)))
    assert found == [400]
    assert api.ask("/fine").status == 200


def test_body_that_ends_too_soon_makes_no_request(api: Api) -> None:
    """The function is not called with half a body."""
    before = len(api.journal())
    for lines, body in (([b"Content-Length: 100"], b"half"), ([b"Transfer-Encoding: chunked"], b"5\r\nhel")):
        assert exchange(api, request(api, [b"Content-Type: text/plain", *lines], body), patience_s=0.3) == b""
    assert api.ask("/fine").status == 200 and len(api.journal()) == before + 1


def test_pipelined_requests_are_answered_in_order(api: Api) -> None:
    """Two requests at once on one connection, two answers."""
    path = urlsplit(api.endpoint).path.encode()
    one = request(api, [], first=b"GET %s/one HTTP/1.1" % path)
    two = request(api, [b"Connection: close"], first=b"GET %s/two HTTP/1.1" % path)
    answer = exchange(api, one + two)
    assert statuses(answer) == [200, 200] and answer.index(b'"/one"') < answer.index(b'"/two"')


def test_slow_clients_hold_up_nobody(api: Api) -> None:
    """A hundred that never finish their headers, and a request between them."""
    address = urlsplit(api.endpoint)
    assert address.hostname and address.port
    with contextlib.ExitStack() as stack:
        for number in range(100):
            slow = stack.enter_context(socket.create_connection((address.hostname, address.port), PATIENCE_S))
            slow.sendall(b"POST %s/x HTTP/1.1\r\nHost: x\r\nX-%d: " % (address.path.encode(), number))
        started = time.monotonic()
        assert api.ask("/fine").status == 200
        assert time.monotonic() - started < 5


def test_client_that_leaves_harms_nobody(api: Api) -> None:
    """It goes before its answer comes."""
    address = urlsplit(api.endpoint)
    assert address.hostname and address.port
    for _ in range(20):
        with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
            connection.sendall(request(api, [b"Content-Length: 0"]))
    assert api.ask("/fine").status == 200


def test_deep_json_reaches_the_function(api: Api) -> None:
    """The gateway does not read what it need not read."""
    deep = b"[" * 100_000 + b"]" * 100_000
    answer = api.ask("/x", "POST", {"Content-Type": "application/json"}, deep)
    assert answer.status == 200 and answer.json["body"] == deep.decode()


tokens = st.text("abcXYZ-_%/.?&=#{}\\ \t\u00e9\x01", max_size=30).map(lambda text: text.encode())
header_lines = st.tuples(tokens, st.sampled_from([b": ", b":", b" ", b""]), tokens).map(b"".join)
known_lines = st.sampled_from(
    [
        b"Content-Length: 3",
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"Content-Type: application/json",
        b"Cookie: ;;=;a",
        b"Origin: null",
        b"X-Amzn-Trace-Id: x",
        b"Authorization: AWS4-HMAC-SHA256 Credential=",
    ]
)
methods = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"CONNECT", b"PRI", b"X"]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(methods, tokens, st.lists(st.one_of(header_lines, known_lines), max_size=4), st.binary(max_size=20))
def test_any_request_gets_a_status_and_the_next_one_is_answered(
    api: Api, method: bytes, target: bytes, lines: list[bytes], body: bytes
) -> None:
    """Whatever is sent: statuses from the list of HTTP, never the lab's own failure."""
    path = urlsplit(api.endpoint).path.encode()
    first = b"%s %s/%s HTTP/1.1" % (method, path, target)
    last = request(api, [b"Connection: close"], first=b"GET %s/last HTTP/1.1" % path)
    found = statuses(exchange(api, request(api, lines, body, first=first) + last, patience_s=0.3))
    assert all(100 <= code < 500 for code in found), found


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_harm_nobody(api: Api, data: bytes) -> None:
    """Not even close to HTTP."""
    assert all(code < 500 for code in statuses(exchange(api, data + b"\r\n\r\n", patience_s=0.3)))


def test_fuzzing_left_no_failure_of_the_lab(api: Api) -> None:
    """After all of the above the journal has no failure of the gateway or the front door, and the API answers."""
    assert api.ask("/fine").status == 200
    failures = api.gateway.cloud.journal(kind="failure")
    assert not [entry for entry in failures if "failed at" in entry["detail"]["message"]]
