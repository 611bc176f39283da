"""Bodies that S3's clients send in signed chunks, and the checksums that go with an upload. Pure.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
     https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from collections.abc import Callable, Mapping

from labhelpers.cloud.denials import Denial, Denied
from labhelpers.cloud.signature import EMPTY_HASH, Claim, signing_key
from labhelpers.errors import AwsError

SIGNED_CHUNKS = frozenset(
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}
)
CHUNKED = SIGNED_CHUNKS | {"STREAMING-UNSIGNED-PAYLOAD-TRAILER"}


class ChunkSigner:
    """The chain of signatures over a body's chunks: each signs the one before it."""

    def __init__(self, claim: Claim, secret: str) -> None:
        self._key = signing_key(secret, claim.date, claim.region, claim.service)
        self._head = f"{claim.timestamp}\n{claim.scope}"
        self._previous = claim.signature

    def check_chunk(self, data: bytes, signature: str) -> None:
        """Denied unless the chunk's signature follows from the one before."""
        self._check(
            "AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_HASH}\n{hashlib.sha256(data).hexdigest()}", signature
        )

    def check_trailer(self, lines: bytes, signature: str) -> None:
        """Denied unless the signature of the trailing headers follows from the last chunk's."""
        self._check("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(lines).hexdigest(), signature)

    def _check(self, kind: str, hashes: str, signature: str) -> None:
        text = f"{kind}\n{self._head}\n{self._previous}\n{hashes}"
        expected = hmac.digest(self._key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Denied(Denial.MISMATCH, fields={"StringToSign": text, "SignatureProvided": signature})
        self._previous = signature


def decode_chunks(body: bytes, signer: ChunkSigner | None) -> tuple[bytes, dict[str, str]]:
    """The bytes inside an aws-chunked body, and its trailing headers (names in lower case).

    `signer` checks each chunk's signature; None for chunks that are not signed.
    """
    parts: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at)
        if end < 0:
            raise incomplete()
        size_text, _, extension = body[at:end].partition(b";")
        try:
            size = int(size_text, 16)
        except ValueError:
            raise incomplete() from None
        data = body[end + 2 : end + 2 + size]
        if len(data) != size:
            raise incomplete()
        if signer:
            signer.check_chunk(data, extension.decode("latin-1").removeprefix("chunk-signature="))
        if size == 0:
            return b"".join(parts), _trailers(body[end + 2 :], signer)
        parts.append(data)
        at = end + 2 + size + 2


def _trailers(tail: bytes, signer: ChunkSigner | None) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in tail.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip().lower()] = value.strip()
    signature = fields.pop("x-amz-trailer-signature", "")
    if signer and (fields or signature):
        signer.check_trailer(
            "".join(f"{name}:{value}\n" for name, value in fields.items()).encode(), signature
        )
    return fields


def incomplete() -> AwsError:
    """S3's answer to a body that ends too early."""
    return AwsError(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    )


def malformed_trailer() -> AwsError:
    """S3's answer to a body without the trailing header that the request promised."""
    return AwsError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )


_CHECKSUMS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "sha1": lambda body: hashlib.sha1(body).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


def check_checksums(body: bytes, headers: Mapping[str, str]) -> None:
    """AwsError BadDigest if the body is not what its Content-MD5 or x-amz-checksum header says.

    CRC32C and CRC64NVME are taken on trust: Python's library has neither.
    """
    md5 = headers.get("Content-MD5")
    if md5 is not None and base64.b64encode(hashlib.md5(body).digest()).decode() != md5:
        raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    for name, compute in _CHECKSUMS.items():
        given = headers.get(f"x-amz-checksum-{name}")
        if given is not None and base64.b64encode(compute(body)).decode() != given:
            raise AwsError(
                "BadDigest", f"The {name.upper()} you specified did not match the calculated checksum."
            )
