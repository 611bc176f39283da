"""Limits and safety of REST APIs: sizes, compression, headers that try to be two."""

from __future__ import annotations

import gzip
import http.client
import socket
import zlib
from urllib.parse import urlsplit

import pytest

from tests.gateway.http_api.gateway import Backend
from tests.gateway.rest.gateway import RestGateway, message

TEN_MB = 10 * 1024 * 1024
BIG = """
def handler(event, context):
    return {"statusCode": 200, "body": "x" * int(event["queryStringParameters"]["n"])}
"""


def test_request_over_10_mb_is_413(gateway: RestGateway) -> None:
    """As REQUEST_TOO_LARGE, which can be customised; what has exactly 10 MB passes."""
    api = gateway.rest_api()
    api.mock("/", "POST", "$input.body.length()")
    api.deploy()
    answer = api.ask("/", "POST", {"Content-Type": "application/json"}, b"x" * (TEN_MB + 1))
    assert message(answer) == (413, f"HTTP content length exceeded {TEN_MB} bytes.")
    assert answer.headers["x-amzn-errortype"] == "RequestTooLargeException"
    assert api.ask("/", "POST", body=b"x" * TEN_MB).status != 413


def test_answer_of_a_function_has_lambda_s_limit(gateway: RestGateway) -> None:
    """6 MB: more is an error of the function, 502."""
    api = gateway.rest_echo(source=BIG)
    assert len(api.ask("/x?n=5000000").body) == 5_000_000
    assert message(api.ask("/x?n=6300000")) == (502, "Internal server error")


def test_too_many_headers_are_431(gateway: RestGateway) -> None:
    """10,240 bytes of request line and headers."""
    api = gateway.rest_echo()
    assert api.ask("/x", headers={"X-Much": "a" * 10_000}).status == 200
    assert api.ask("/x", headers={"X-Much": "a" * 10_300}).status == 431


@pytest.mark.parametrize("value", ["a%0d%0aX-Evil:%201", "a%0aX-Evil:1%0a%0abody", "%00", "%7f", "a%0d"])
def test_header_from_the_query_stays_one_header(gateway: RestGateway, backend: Backend, value: str) -> None:
    """Neither an answer's nor a backend's request can be split by what a client writes into the query."""
    api = gateway.rest_api()
    api.method("/", requestParameters={"method.request.querystring.q": False})
    api.integrate(
        "/",
        type="HTTP",
        integrationHttpMethod="GET",
        uri=f"{backend.url}/x",
        requestParameters={"integration.request.header.X-Q": "method.request.querystring.q"},
    )
    api.responses("/", responseTemplates={"application/json": "$input.json('$.headers')"})
    template = '#set($context.responseOverride.header.X-Q = $input.params("q"))fine'
    api.mock("/mock", template=template)
    api.deploy()
    for path in ("/", "/mock"):
        answer = api.ask(f"{path}?q={value}")
        assert "x-evil" not in answer.headers and b'"X-Evil"' not in answer.body
        assert answer.status in (200, 500, 504)


def test_answer_is_compressed_from_a_size_on(gateway: RestGateway) -> None:
    """For clients that accept it; smaller answers and other clients get it as it is."""
    api = gateway.rest_echo(source=BIG, minimumCompressionSize=1000)
    packed = api.ask("/x?n=5000", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == b"x" * 5000
    deflated = api.ask("/x?n=5000", headers={"Accept-Encoding": "deflate"})
    assert zlib.decompress(deflated.body) == b"x" * 5000
    for n, accept in (("10", "gzip"), ("5000", "identity")):
        plain = api.ask(f"/x?n={n}", headers={"Accept-Encoding": accept})
        assert "content-encoding" not in plain.headers and plain.body == b"x" * int(n)


def test_request_may_be_compressed(gateway: RestGateway) -> None:
    """The integration sees it unpacked; what is no gzip is the client's mistake, and a bomb is too large."""
    api = gateway.rest_api(minimumCompressionSize=0)
    api.mock("/", "POST", "$input.path('$.a')")
    api.deploy()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert api.ask("/", "POST", headers, gzip.compress(b'{"a": "inside"}')).body in (b"inside", b"")
    assert api.ask("/", "POST", headers, b"no gzip").status == 400
    assert api.ask("/", "POST", headers, gzip.compress(b"0" * (TEN_MB + 1))).status == 413


def test_head_has_no_body(gateway: RestGateway) -> None:
    """But the length that GET would have."""
    api = gateway.rest_api()
    api.mock("/", "HEAD", "12345")
    api.deploy()
    answer = api.ask("/", "HEAD")
    assert (answer.body, answer.headers["content-length"]) == (b"", "5")


def test_connection_serves_many_requests(gateway: RestGateway) -> None:
    """Also after a refusal."""
    api = gateway.rest_echo()
    netloc = urlsplit(gateway.cloud.endpoint_url).netloc
    connection = http.client.HTTPConnection(netloc, timeout=20)
    for path, status in (("/x", 200), ("", 403), ("/y", 200)):
        connection.request("GET", api.target(path))
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def test_pipelined_requests_are_answered_in_order(gateway: RestGateway) -> None:
    """Two in one packet."""
    api = gateway.rest_echo()
    host, _, port = urlsplit(gateway.cloud.endpoint_url).netloc.partition(":")
    with socket.create_connection((host, int(port)), 20) as connection:
        for name in "ab":
            connection.sendall(f"GET {api.target('/' + name)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        data = b""
        while data.count(b'"isBase64Encoded"') < 2:
            data += connection.recv(65536)
    assert 0 < data.index(b'"path": "/a"') < data.index(b'"path": "/b"')
