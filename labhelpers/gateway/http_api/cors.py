"""The CORS block of an HTTP API: what the gateway itself answers to preflights, and adds to every other answer. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.gateway.exchange import GatewayAnswer, GatewayRequest, Pairs

_PREFIX = "access-control-"


@dataclass(frozen=True, slots=True)
class Cors:
    """The settings, with the headers' values already written."""

    origins: frozenset[str]
    methods: str
    headers: str
    exposed: str
    max_age: int | None
    credentials: bool

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Cors:
        """From AWS's `corsConfiguration`."""
        return cls(
            frozenset(origin.lower() for origin in record.get("allowOrigins") or ()),
            ",".join(record.get("allowMethods") or ()),
            ",".join(record.get("allowHeaders") or ()),
            ",".join(record.get("exposeHeaders") or ()),
            record.get("maxAge"),
            bool(record.get("allowCredentials")),
        )

    def is_preflight(self, request: GatewayRequest) -> bool:
        """Whether the gateway answers by itself: OPTIONS with Origin and Access-Control-Request-Method."""
        return (
            request.method == "OPTIONS"
            and request.header("origin") is not None
            and request.header("access-control-request-method") is not None
        )

    def preflight(self, request: GatewayRequest) -> GatewayAnswer:
        """204 with the settings; without them for an origin that is not allowed, which the browser then refuses."""
        origin = self._allowed(request)
        if origin is None:
            return GatewayAnswer(204)
        found = [("access-control-allow-origin", origin)]
        if self.methods:
            found.append(("access-control-allow-methods", self.methods))
        if self.headers:
            found.append(("access-control-allow-headers", self.headers))
        if self.max_age is not None:
            found.append(("access-control-max-age", str(self.max_age)))
        if self.credentials:
            found.append(("access-control-allow-credentials", "true"))
        return GatewayAnswer(204, (*found, *self._vary(origin)))

    def apply(self, request: GatewayRequest, headers: Pairs) -> Pairs:
        """The headers of an answer: CORS headers of the integration are ignored, those of the settings added."""
        kept = tuple(pair for pair in headers if not pair[0].lower().startswith(_PREFIX))
        origin = self._allowed(request)
        if origin is None:
            return kept
        found = [("access-control-allow-origin", origin)]
        if self.exposed:
            found.append(("access-control-expose-headers", self.exposed))
        if self.credentials:
            found.append(("access-control-allow-credentials", "true"))
        return (*kept, *found, *self._vary(origin))

    def _allowed(self, request: GatewayRequest) -> str | None:
        origin = request.header("origin")
        if origin is None:
            return None
        if "*" in self.origins:
            return "*"
        scheme = origin.partition("://")[0].lower()
        is_allowed = origin.lower() in self.origins or f"{scheme}://*" in self.origins
        return origin if is_allowed else None

    @staticmethod
    def _vary(origin: str) -> Pairs:
        # Not seen on AWS, but without it a cache between would hand one origin's answer to another.
        return () if origin == "*" else (("vary", "Origin"),)
