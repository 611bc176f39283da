"""The CORS block of a function URL: preflights answered without the function, headers added to its answers. Pure.

docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest
from labhelpers.gateway.http_api.cors import Cors


def read_cors(settings: Mapping[str, Any]) -> Cors:
    """From AWS's `Cors` of Lambda, which spells with capitals what HTTP APIs spell without."""
    return Cors.read({name[:1].lower() + name[1:]: value for name, value in settings.items()})


def preflight(cors: Cors, request: GatewayRequest) -> GatewayAnswer:
    """The answer to an OPTIONS request of a browser: 200, where an HTTP API has 204."""
    return replace(cors.preflight(request), status=200)


def with_cors(cors: Cors, request: GatewayRequest, answer: GatewayAnswer) -> GatewayAnswer:
    """An answer with the URL's CORS headers.

    AWS does not say what becomes of those that the function itself returns. Browsers report both sets ("contains
    multiple values"), so both are sent here.
    """
    return replace(answer, headers=(*answer.headers, *cors.apply(request, ())))
