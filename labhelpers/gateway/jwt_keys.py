"""Issuers of JSON web tokens: their discovery document and keys, fetched over HTTP and kept for a while.

Called by the JWT authorizer. docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labhelpers.gateway.http_backend import BackendFailure, HttpBackend

# AWS: the keys are cached for two hours. An unknown key id makes us look again, but not more often than this.
KEEP_S = 2 * 3600.0
AGAIN_S = 5.0
_USER_POOL = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com/(?=[a-z0-9-]+_[A-Za-z0-9]+)")
_FETCH_S = 1.5  # AWS gives an issuer 1,500 ms: http-api-troubleshooting-jwt.html.


class IssuerFailure(Exception):
    """The issuer's documents cannot be had or read; the message says which and why."""


@dataclass(slots=True)
class _Kept:
    at: float
    keys: dict[str, Any]


class IssuerKeys:
    """Public keys by issuer and key id. `now` is any steadily growing time in seconds.

    `endpoint_url` is the lab's: its Cognito user pools are found there, though they have AWS's names.
    """

    def __init__(
        self,
        backend: HttpBackend,
        endpoint_url: Callable[[], str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._endpoint_url = endpoint_url
        self._now = now
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def key(self, issuer: str, key_id: str | None) -> Any | None:
        """The key of that id as `jwt.PyJWK`; without an id the only key of the issuer. None when there is none.

        IssuerFailure when the issuer does not answer as OpenID Connect says.
        """
        kept = self._kept.get(issuer)
        now = self._now()
        if (
            kept is None
            or now - kept.at > KEEP_S
            or (_find(kept, key_id) is None and now - kept.at > AGAIN_S)
        ):
            async with self._locks.setdefault(issuer, asyncio.Lock()):
                if self._kept.get(issuer) is kept:
                    self._kept[issuer] = _Kept(self._now(), await self._fetch(issuer))
            kept = self._kept[issuer]
        return _find(kept, key_id)

    def address(self, url: str) -> str:
        """Where an issuer's URL leads from here: user pools of this lab are at its own address."""
        found = _USER_POOL.match(url)
        return f"{self._endpoint_url()}/{url[found.end() :]}" if found else url

    def is_same(self, issuer: str, other: str) -> bool:
        """Whether two names mean one issuer: a user pool has AWS's name, and its address in this lab."""
        return issuer == other or self.address(issuer) == self.address(other)

    async def _fetch(self, issuer: str) -> dict[str, Any]:
        import jwt

        discovery = await self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        address = discovery.get("jwks_uri")
        if not isinstance(address, str):
            raise IssuerFailure(f"the discovery document of {issuer} names no jwks_uri")
        found: dict[str, Any] = {}
        for number, each in enumerate((await self._document(address)).get("keys") or ()):
            try:
                key = jwt.PyJWK.from_dict(each)
            except jwt.PyJWTError:
                continue  # A key of a kind that we do not know: its tokens are refused for want of a key.
            found[key.key_id or f"#{number}"] = key
        return found

    async def _document(self, address: str) -> dict[str, Any]:
        try:
            answer = await self._backend.send("GET", self.address(address), (), b"", timeout_s=_FETCH_S)
        except BackendFailure as failure:
            raise IssuerFailure(failure.message) from failure
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        if answer.status != 200 or not isinstance(document, dict):
            raise IssuerFailure(f"{address} answered {answer.status} without a JSON document")
        return document


def _find(kept: _Kept, key_id: str | None) -> Any | None:
    if key_id is not None:
        return kept.keys.get(key_id)
    return next(iter(kept.keys.values())) if len(kept.keys) == 1 else None
