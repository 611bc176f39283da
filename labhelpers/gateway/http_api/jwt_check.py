"""Checks JSON web tokens as HTTP APIs do: signature by the issuer's keys, then issuer, audience, times and scopes.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.gateway.http_api.settings import JwtAuthorizer
from labhelpers.gateway.jwt_keys import IssuerFailure, IssuerKeys

# AWS takes algorithms based on RSA only.
_ALGORITHMS = ("RS256", "RS384", "RS512")
INVALID, INSUFFICIENT = "invalid_token", "insufficient_scope"


class TokenRefused(Exception):
    """`error` and `description` stand in the WWW-Authenticate header of the answer.

    AWS publishes one description, that of a wrong audience; the others are worded like it.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is right. `scopes` are those of the route that it has."""

    claims: Mapping[str, Any]
    scopes: tuple[str, ...]


async def check_token(text: str, authorizer: JwtAuthorizer, keys: IssuerKeys) -> Token:
    """The token in a header's or parameter's value, with or without `Bearer `. TokenRefused says what is wrong."""
    import jwt

    encoded = text[7:].strip() if text[:7].lower() == "bearer " else text.strip()
    try:
        header = jwt.get_unverified_header(encoded)
    except jwt.PyJWTError:
        raise TokenRefused(INVALID, "unable to decode the token") from None
    if header.get("alg") not in _ALGORITHMS:
        raise TokenRefused(INVALID, "the token is not signed with an RSA-based algorithm")
    try:
        key = await keys.key(authorizer.issuer, header.get("kid"))
    except IssuerFailure:
        raise TokenRefused(INVALID, "unable to reach the issuer's keys") from None
    if key is None:
        raise TokenRefused(INVALID, "the token is signed with a key that its issuer does not have")
    try:
        # Only the signature: PyJWT would check the claims in another order and with other words.
        claims: dict[str, Any] = jwt.decode(
            encoded,
            key.key,
            algorithms=list(_ALGORITHMS),
            options={
                "verify_signature": True,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.PyJWTError:
        raise TokenRefused(INVALID, "the token has an invalid signature") from None
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not keys.is_same(issuer, authorizer.issuer):
        raise TokenRefused(INVALID, "issuer does not match")
    _check_claims(claims, authorizer, time.time())
    return Token(claims, _check_scopes(claims, authorizer.scopes))


def _check_claims(claims: Mapping[str, Any], authorizer: JwtAuthorizer, now: float) -> None:
    # client_id is looked at only where there is no aud.
    audience = claims["aud"] if "aud" in claims else claims.get("client_id")
    given = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if not any(each in authorizer.audience for each in given):
        raise TokenRefused(INVALID, "the token does not have a valid audience")
    expires = _moment(claims, "exp")
    if expires is None or expires <= now:
        raise TokenRefused(INVALID, "the token has expired")
    not_before = _moment(claims, "nbf")
    if not_before is not None and not_before > now:
        raise TokenRefused(INVALID, "the token is not yet valid")
    issued = _moment(claims, "iat")
    if issued is not None and issued > now + _SKEW_S:
        raise TokenRefused(INVALID, "the token was issued in the future")


_SKEW_S = 1.0  # `iat` is in whole seconds, and so may be rounded up.


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TokenRefused(INVALID, f"the token's {name} is no number")
    return float(value)


def _check_scopes(claims: Mapping[str, Any], wanted: tuple[str, ...]) -> tuple[str, ...]:
    if not wanted:
        return ()
    text = claims.get("scope", claims.get("scp"))
    given = text.split() if isinstance(text, str) else text if isinstance(text, list) else []
    found = tuple(scope for scope in wanted if scope in given)
    if not found:
        raise TokenRefused(INSUFFICIENT, "the token does not have a valid scope")
    return found


def claims_as_text(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as functions get them: every value is a string, lists as `[a b]`."""
    return {name: _claim_text(value) for name, value in claims.items()}


def _claim_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{' '.join(_claim_text(each) for each in value)}]"
    return json.dumps(value, separators=(",", ":"))
