"""The lab's own certificate authority, for `https://` addresses that handlers make from their events.

AWS's documentation has a handler call `https://{domainName}/{stage}`; here that is the front door, which speaks TLS on
its one port. Nothing is made before it is needed (some 70 ms, beside the loop); the keys never leave this process but
for a moment; the authority can vouch for the loopback only, and ends with the lab.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from labhelpers.functions.languages import AUTHORITY

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_DAYS = 366
# No wildcard right below `localhost`: OpenSSL takes none with a single label after it.
_NAMES = ("localhost", "*.execute-api.localhost", "*.lambda-url.localhost")
_ADDRESSES = ("127.0.0.1", "::1")
_NETWORKS = ("127.0.0.0/8", "::1/128")


class Certificates:
    """One lab's authority. `bundle` is a file of certificates to trust: the public ones, and soon the lab's own.

    Beside it is then the lab's own alone, for programs that have the public ones built in.
    """

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle
        self._context: asyncio.Future[ssl.SSLContext] | None = None
        _replace(bundle, _public_authorities())

    def begin(self) -> None:
        """Make what is needed, without waiting for it."""
        if self._context is None:
            loop = asyncio.get_running_loop()
            self._context = asyncio.ensure_future(loop.run_in_executor(None, _make, self.bundle))

    async def context(self) -> ssl.SSLContext:
        """What a TLS server needs; from now on `bundle` has the lab's authority in it."""
        self.begin()
        assert self._context is not None
        return await asyncio.shield(self._context)

    async def ready(self) -> None:
        """Wait until `bundle` has the lab's authority in it."""
        if self._context is None or not self._context.done():
            await self.context()


def _public_authorities() -> bytes:
    """What this machine trusts already; where OpenSSL knows of no file, what certifi trusts."""
    system = ssl.get_default_verify_paths().cafile
    if not system:
        import certifi

        system = certifi.where()
    return Path(system).read_bytes()


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it finds the old or the new one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.chmod(0o644)
    os.replace(new, path)


def _make(bundle: Path) -> ssl.SSLContext:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    authority, authority_key = _authority()
    certificate, key = _server_certificate(authority, authority_key)
    _replace(bundle.with_name(AUTHORITY), authority.public_bytes(Encoding.PEM))
    _replace(bundle, bundle.read_bytes().rstrip() + b"\n" + authority.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    # The ssl module takes certificates from files only.
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor, name = tempfile.mkstemp(dir=bundle.parents[1])
    try:
        with open(descriptor, "wb") as file:
            file.write(
                certificate.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM) + private
            )
        context.load_cert_chain(name)
    finally:
        os.unlink(name)
    return context


def _authority() -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("labhelpers: the authority of one lab")
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    networks = [x509.IPAddress(ip_network(each)) for each in _NETWORKS]
    builder = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName("localhost"), *networks], None), critical=True)
        .add_extension(own, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
    )
    return _signed(builder, key), key


def _server_certificate(
    authority: x509.Certificate, authority_key: EllipticCurvePrivateKey
) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(each) for each in _NAMES]
    addresses = [x509.IPAddress(ip_address(each)) for each in _ADDRESSES]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = (
        _builder(_name("localhost"), authority.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
    )
    return _signed(builder, authority_key), key


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> x509.Certificate:
    from cryptography.hazmat.primitives import hashes

    return builder.sign(key, hashes.SHA256())
