"""The CORS block of an HTTP API."""

from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.gateway.http_api.cors import Cors

CORS = Cors.read(
    {
        "allowOrigins": ["https://www.Example.com", "http://*"],
        "allowMethods": ["GET", "POST"],
        "allowHeaders": ["authorization", "x-a"],
        "exposeHeaders": ["x-b"],
        "maxAge": 300,
        "allowCredentials": True,
    }
)


def request(method: str = "GET", **headers: str) -> GatewayRequest:
    """A request with these headers; `_` stands for `-`."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return GatewayRequest(method, "/", "", pairs, b"", "127.0.0.1", "d", "id", "trace")


def test_preflight_is_options_with_origin_and_method() -> None:
    """Every other OPTIONS request goes to its route."""
    assert CORS.is_preflight(request("OPTIONS", origin="a", access_control_request_method="GET"))
    assert not CORS.is_preflight(request("OPTIONS", origin="a"))
    assert not CORS.is_preflight(request("OPTIONS", access_control_request_method="GET"))
    assert not CORS.is_preflight(request("GET", origin="a", access_control_request_method="GET"))


def test_preflight_tells_the_settings() -> None:
    """204 with all that the block says."""
    answer = CORS.preflight(request("OPTIONS", origin="https://www.example.com"))
    assert answer.status == 204 and dict(answer.headers) == {
        "access-control-allow-origin": "https://www.example.com",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization,x-a",
        "access-control-max-age": "300",
        "access-control-allow-credentials": "true",
        "vary": "Origin",
    }


def test_origin_that_is_not_allowed_gets_no_cors_headers() -> None:
    """The browser then refuses by itself."""
    stranger = request("OPTIONS", origin="https://evil.example")
    assert (CORS.preflight(stranger).status, CORS.preflight(stranger).headers) == (204, ())
    assert CORS.apply(stranger, (("X", "y"),)) == (("X", "y"),)


def test_scheme_with_a_star_allows_every_host() -> None:
    """`http://*` is any origin over http."""
    assert dict(CORS.apply(request(origin="http://a:80"), ()))["access-control-allow-origin"] == "http://a:80"


def test_cors_headers_of_the_integration_are_ignored() -> None:
    """The block alone decides."""
    backend = (("Access-Control-Allow-Origin", "*"), ("X", "y"))
    headers = dict(CORS.apply(request(origin="https://www.example.com"), backend))
    assert headers == {
        "X": "y",
        "access-control-allow-origin": "https://www.example.com",
        "access-control-expose-headers": "x-b",
        "access-control-allow-credentials": "true",
        "vary": "Origin",
    }


def test_star_allows_everybody() -> None:
    """`*` is answered as it is."""
    cors = Cors.read({"allowOrigins": ["*"]})
    assert cors.apply(request(origin="https://a"), ()) == (("access-control-allow-origin", "*"),)
    assert cors.apply(request(), ()) == ()
