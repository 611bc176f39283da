"""The key that SNS signs messages with, and its certificate: made when a topic is first used, one for each lab.

docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from labhelpers.events.sns import Seal

PREFIX = "/_lab/sns/"
_DAYS = 365


class MessageSigner:
    """Signs with SHA1 and RSA, SNS's signature version 1. `endpoint_url` is that of the lab."""

    def __init__(self, endpoint_url: Callable[[], str]) -> None:
        self._endpoint_url = endpoint_url
        self._name = f"SimpleNotificationService-{secrets.token_hex(16)}.pem"
        self._key: rsa.RSAPrivateKey | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the key is made."""
        return self._key is not None

    def make_key(self) -> None:
        """Make the key if it is not there yet: takes some 50 ms, may run on any thread."""
        if self._key is None:
            self._key = rsa.generate_private_key(65537, 2048)

    def sign(self, text: bytes) -> Seal:
        """The signature of a text, with the address of the certificate."""
        signature = self._made().sign(text, padding.PKCS1v15(), hashes.SHA1())
        return Seal(b64encode(signature).decode(), f"{self._endpoint_url()}{PREFIX}{self._name}")

    def certificate(self, path: str) -> bytes | None:
        """The certificate at that path, in PEM; None where there is none."""
        if path != f"{PREFIX}{self._name}":
            return None
        key, now = self._made(), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        made = (
            builder.serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=_DAYS))
            .sign(key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    def _made(self) -> rsa.RSAPrivateKey:
        self.make_key()
        assert self._key is not None, "just made"
        return self._key
