"""Tokens of Cognito user pools: their signature by the pool's keys, their pool, their time, their scopes.

The keys come from the pool's own document, which this cloud's front door serves as AWS's does.
docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.gateway.http_backend import BackendFailure, HttpBackend

_KEEP_S = 3_600.0
_AGAIN_S = 5.0
_FETCH_S = 3.0


class TokenRefused(Exception):
    """No good token of one of the pools; the message says why."""


class TokenExpired(Exception):
    """A good token whose time is over."""


class CognitoTokens:
    """Checks tokens. `endpoint_url` is this cloud's address."""

    def __init__(self, backend: HttpBackend, endpoint_url: Callable[[], str]) -> None:
        self._backend = backend
        self._endpoint_url = endpoint_url
        self._keys: dict[str, tuple[float, dict[str, Any]]] = {}

    async def claims(
        self, token: str, pool_arns: tuple[str, ...], scopes: tuple[str, ...]
    ) -> Mapping[str, Any]:
        """The claims of a token of one of the pools. With scopes it must be an access token that has one of them.

        TokenRefused, TokenExpired.
        """
        import jwt

        text = token[7:].strip() if token[:7].lower() == "bearer " else token.strip()
        pools = {arn.rpartition("/")[2]: arn.split(":")[3] for arn in pool_arns if arn.count(":") >= 5}
        try:
            head = jwt.get_unverified_header(text)
            issuer = str(jwt.decode(text, options={"verify_signature": False}).get("iss") or "")
            pool = issuer.rpartition("/")[2]
            if pool not in pools or issuer != f"https://cognito-idp.{pools[pool]}.amazonaws.com/{pool}":
                raise TokenRefused(f"the issuer {issuer!r} is none of the authorizer's user pools")
            key = await self._key(pool, str(head.get("kid")))
            claims: Mapping[str, Any] = jwt.decode(
                text, key, algorithms=["RS256"], issuer=issuer, options={"verify_aud": False}
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except jwt.PyJWTError as error:
            raise TokenRefused(str(error)) from error
        _check_use(claims, scopes)
        return claims

    async def _key(self, pool: str, key_id: str) -> Any:
        kept = self._keys.get(pool)
        now = time.monotonic()
        if kept is None or now - kept[0] > _KEEP_S or (key_id not in kept[1] and now - kept[0] > _AGAIN_S):
            kept = self._keys[pool] = (now, await self._fetch(pool))
        if key_id not in kept[1]:
            raise TokenRefused(f"the user pool {pool} has no key {key_id!r}")
        return kept[1][key_id]

    async def _fetch(self, pool: str) -> dict[str, Any]:
        import jwt

        address = f"{self._endpoint_url()}/{pool}/.well-known/jwks.json"
        try:
            answer = await self._backend.send("GET", address, (), b"", timeout_s=_FETCH_S)
            document = json.loads(answer.body)
            keys = document["keys"] if answer.status == 200 else []
            return {each["kid"]: jwt.PyJWK.from_dict(each) for each in keys}
        except (BackendFailure, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise TokenRefused(f"the keys of the user pool {pool} cannot be had: {error}") from error


def _check_use(claims: Mapping[str, Any], scopes: tuple[str, ...]) -> None:
    """AWS: with scopes an access token is needed, without them an identity token."""
    use = claims.get("token_use")
    if not scopes:
        if use not in (None, "id"):
            raise TokenRefused("without scopes an identity token is needed")
        return
    if use != "access":
        raise TokenRefused("with scopes an access token is needed")
    if not set(str(claims.get("scope") or "").split()) & set(scopes):
        raise TokenRefused("the token has none of the method's scopes")
