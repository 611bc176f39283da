"""Compression of payloads: answers from a size on, when the client accepts it, and requests that come compressed.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace

from labhelpers import limits
from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest
from labhelpers.gateway.rest.gateway_responses import GatewayError, Kind


def compress(answer: GatewayAnswer, least: int, accept: str | None) -> GatewayAnswer:
    """The answer, compressed if it has `least` bytes, is not compressed yet, and the client takes gzip or deflate."""
    if len(answer.body) < least or any(name.lower() == "content-encoding" for name, _ in answer.headers):
        return answer
    accepted = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    if "gzip" in accepted:
        coding, body = "gzip", gzip.compress(answer.body, 6, mtime=0)
    elif "deflate" in accepted:
        coding, body = "deflate", zlib.compress(answer.body)
    else:
        return answer
    return GatewayAnswer(answer.status, (*answer.headers, ("Content-Encoding", coding)), body)


def decompress(request: GatewayRequest) -> GatewayRequest:
    """The request with its body as it was before it was compressed. GatewayError 400, 413."""
    coding = (request.header("content-encoding") or "").lower()
    if coding not in ("gzip", "deflate") or not request.body:
        return request
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS if coding == "gzip" else zlib.MAX_WBITS)
    try:
        body = reader.decompress(request.body, limits.GATEWAY_PAYLOAD_BYTES_MAX + 1)
    except zlib.error as error:
        raise GatewayError(Kind.DEFAULT_4XX, "Invalid compressed body") from error
    if len(body) > limits.GATEWAY_PAYLOAD_BYTES_MAX:
        raise GatewayError(
            Kind.REQUEST_TOO_LARGE,
            f"HTTP content length exceeded {limits.GATEWAY_PAYLOAD_BYTES_MAX} bytes.",
        )
    headers = tuple(pair for pair in request.headers if pair[0].lower() != "content-encoding")
    return replace(request, body=body, headers=headers)
