"""Issuers' keys, over HTTP and from memory."""

import json
from typing import Any

import pytest

from labhelpers.gateway.exchange import Pairs
from labhelpers.gateway.http_backend import BackendAnswer, BackendFailure, Trouble
from labhelpers.gateway.jwt_keys import AGAIN_S, KEEP_S, IssuerFailure, IssuerKeys

ISSUER = "https://issuer.example"
KEY = {
    "kty": "RSA",
    "n": "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHH"
    "yXss8UDprecbAYxknTcQkhslANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4gs_7svlJJQ4H9_NxsiIoLwAEk7-Q3UXERGYw_75IDrGA84-"
    "lA_-Ct4eTlXHBIY2EaV7t7LjJaynVJCpkv4LKjTTAumiGUIuQhrNhZLuF_RJLqHpM2kgWFLU7-VTdL1VbC2tejvcI2BlMkEpk1BzBZI0KQB0GaDW"
    "FLN-aEAw3vRw",
    "e": "AQAB",
    "kid": "one",
}


class FakeIssuer:
    """Answers like an issuer; `documents` by URL."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [KEY]
        self.asked: list[str] = []
        self.broken = ""

    async def send(
        self, method: str, url: str, headers: Pairs, body: bytes, *, timeout_s: float
    ) -> BackendAnswer:
        self.asked.append(url)
        if self.broken == "down":
            raise BackendFailure(Trouble.UNREACHABLE, "down")
        if self.broken:
            return BackendAnswer(200, (), self.broken.encode())
        if url.endswith("openid-configuration"):
            return BackendAnswer(200, (), json.dumps({"jwks_uri": f"{ISSUER}/keys"}).encode())
        return BackendAnswer(200, (), json.dumps({"keys": self.keys}).encode())


def made(now: list[float]) -> tuple[IssuerKeys, FakeIssuer]:
    """Keys of a fake issuer, on a clock that the test moves."""
    issuer = FakeIssuer()
    return IssuerKeys(issuer, lambda: "http://127.0.0.1:1", lambda: now[0]), issuer  # type: ignore[arg-type]


async def test_keys_are_discovered_once_and_kept() -> None:
    """Discovery document, then keys, then memory for two hours."""
    now = [0.0]
    keys, issuer = made(now)
    assert await keys.key(ISSUER, "one") is not None and await keys.key(ISSUER, None) is not None
    assert issuer.asked == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"]
    now[0] = KEEP_S + 1
    await keys.key(ISSUER, "one")
    assert len(issuer.asked) == 4


async def test_unknown_key_is_looked_for_again_but_not_at_once() -> None:
    """A rotated key is found; a forger makes no storm of requests."""
    now = [0.0]
    keys, issuer = made(now)
    assert await keys.key(ISSUER, "two") is None
    issuer.keys = [KEY, {**KEY, "kid": "two"}]
    assert await keys.key(ISSUER, "two") is None
    now[0] = AGAIN_S + 1
    assert await keys.key(ISSUER, "two") is not None
    assert await keys.key(ISSUER, None) is None


async def test_keys_that_we_do_not_know_are_passed_over() -> None:
    """Other kinds of key stand beside ours."""
    keys, issuer = made([0.0])
    issuer.keys = [{"kty": "new"}, KEY]
    assert await keys.key(ISSUER, "one") is not None


@pytest.mark.parametrize("answer", ["down", "no json", "[]", '{"jwks_uri": 7}', "{}"])
async def test_issuer_that_does_not_answer_as_it_should_is_a_failure(answer: str) -> None:
    """The message says which document."""
    keys, issuer = made([0.0])
    issuer.broken = answer
    with pytest.raises(IssuerFailure):
        await keys.key(ISSUER, "one")


async def test_user_pools_of_the_lab_are_asked_in_the_lab() -> None:
    """They have AWS's name, and an address here."""
    keys, issuer = made([0.0])
    pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"
    await keys.key(pool, "one")
    assert issuer.asked[0] == "http://127.0.0.1:1/us-east-1_abc/.well-known/openid-configuration"
    assert keys.is_same(pool, "http://127.0.0.1:1/us-east-1_abc") and not keys.is_same(pool, ISSUER)
