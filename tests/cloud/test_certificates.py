"""The lab's own certificate authority: what it vouches for, and for how much it is trusted."""

from __future__ import annotations

import asyncio
import ssl
import stat
from pathlib import Path

import pytest

from labhelpers.cloud.certificates import Certificates


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """An authority that nobody has asked yet."""
    return Certificates(tmp_path / "runtime" / "ca-cert.pem")


def handshake(context: ssl.SSLContext, trusted: Path, name: str) -> ssl.SSLObject:
    """A client's side of a handshake in memory. ssl.SSLError when it does not trust the server."""
    client_context = ssl.create_default_context(cafile=str(trusted))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    done = set()
    for side in (client, server) * 4:
        try:
            side.do_handshake()
            done.add(side)
        except ssl.SSLWantReadError:
            continue
    assert client in done
    return client


async def test_bundle_is_there_at_once(certificates: Certificates) -> None:
    """With the public authorities, readable by functions of another user."""
    content = certificates.bundle.read_text()
    assert content.count("BEGIN CERTIFICATE") > 50
    assert stat.S_IMODE(certificates.bundle.stat().st_mode) == 0o644


async def test_authority_is_added_when_it_is_needed(certificates: Certificates) -> None:
    """After the public ones, once; no key is left anywhere."""
    before = certificates.bundle.read_text()
    contexts = await asyncio.gather(certificates.context(), certificates.context())
    after = certificates.bundle.read_text()
    assert contexts[0] is contexts[1]
    assert after.startswith(before.rstrip())
    assert after.count("BEGIN CERTIFICATE") == before.count("BEGIN CERTIFICATE") + 1
    files = [path for path in certificates.bundle.parents[1].rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"ca-cert.pem", "lab-ca-cert.pem"}
    assert not any("PRIVATE" in path.read_text() for path in files)


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost", "abc.execute-api.localhost"])
async def test_names_of_this_machine_are_trusted(certificates: Certificates, name: str) -> None:
    """By whoever knows the bundle."""
    context = await certificates.context()
    assert handshake(context, certificates.bundle, name).version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize("name", ["example.com", "10.0.0.1", "localhost.example.com"])
async def test_other_names_are_not(certificates: Certificates, name: str) -> None:
    """They are not in the certificate."""
    context = await certificates.context()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, certificates.bundle, name)


async def test_authority_can_vouch_for_the_loopback_only(certificates: Certificates) -> None:
    """Even with its key one could not pose as anybody else to this lab's learners."""
    from cryptography import x509

    await certificates.ready()
    last = certificates.bundle.read_text().rpartition("-----BEGIN CERTIFICATE-----")
    authority = x509.load_pem_x509_certificate((last[1] + last[2]).encode())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    allowed = constraints.value.permitted_subtrees or []
    assert [str(each.value) for each in allowed] == ["localhost", "127.0.0.0/8", "::1/128"]
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
