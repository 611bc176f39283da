"""Whether a call comes from whom it says: finds the claim, the keys and the right check for each way of signing.

Called by the front door with a whole request; calls `signature`, `signature_v2`, `s3_payload` and `post_policy`.
"""

from __future__ import annotations

import hashlib
from urllib.parse import unquote

from multidict import CIMultiDict, CIMultiDictProxy

from labhelpers.cloud import post_policy, s3_payload, signature, signature_v2
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.denials import Denial, Denied
from labhelpers.cloud.signature import Claim, Headers
from labhelpers.errors import AwsError
from labhelpers.model import Credentials
from labhelpers.records import record


@record
class Incoming:
    """A request as it came. `path` and `query` are raw; `body_hash` is the hexadecimal SHA-256 of `body`."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    body_hash: str


@record
class Caller:
    """Who signed a request (None: nobody), for which service and region, and the body without its wrapping."""

    credentials: Credentials | None
    service: str
    region: str
    headers: Headers
    body: bytes


class Authenticator:
    """Checks requests against the keys of one lab. `region` is that of requests whose signature names none."""

    def __init__(self, keys: Keys, region: str) -> None:
        self._keys = keys
        self._region = region

    def identify(self, request: Incoming, claim: Claim | None, now: float) -> Caller:
        """The caller, if the signature is right. Denied if not, or if there is none."""
        if claim is not None:
            return self._by_version_4(request, claim, now)
        if signature_v2.is_presigned(request.query):
            return self._by_version_2(request, now)
        if request.method == "POST" and post_policy.is_form(request.headers.get("Content-Type", "")):
            return self._by_form(request, now)
        authorization = request.headers.get("Authorization", "")
        if authorization.startswith("AWS "):
            raise AwsError(
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            )
        raise Denied(Denial.INCOMPLETE if authorization else Denial.UNSIGNED)

    def _by_version_4(self, request: Incoming, claim: Claim, now: float) -> Caller:
        keys = self._keys.find(claim.access_key_id, claim.token)
        try:
            signature.check_time(claim, now)
        except Denied as denied:
            if claim.service != "s3" and denied.denial is not Denial.MISMATCH:
                denied.message = signature.time_message(claim, denied, now)
            raise
        secret = keys.secret_access_key
        if claim.service != "s3":
            signature.verify(
                claim, secret, request.method, request.path, request.query, request.headers, request.body_hash
            )
            return Caller(keys, claim.service, claim.region, request.headers, request.body)
        declared = request.headers.get("x-amz-content-sha256") or (
            signature.UNSIGNED_PAYLOAD if claim.expires_s is not None else request.body_hash
        )
        signature.verify(
            claim, secret, request.method, request.path, request.query, request.headers, declared
        )
        if unsigned := signature.unsigned_amz_headers(claim, request.headers):
            raise Denied(Denial.UNSIGNED_HEADERS, fields={"HeadersNotSigned": ", ".join(unsigned)})
        headers, body = _s3_content(request, claim, secret, declared)
        return Caller(keys, "s3", claim.region, headers, body)

    def _by_version_2(self, request: Incoming, now: float) -> Caller:
        keys = self._keys.find(signature_v2.access_key_id(request.query), signature_v2.token(request.query))
        signature_v2.verify(
            keys.secret_access_key, request.method, request.path, request.query, request.headers, now
        )
        return Caller(keys, "s3", self._region, request.headers, request.body)

    def _by_form(self, request: Incoming, now: float) -> Caller:
        form = post_policy.read_form(request.headers["Content-Type"], request.body)
        if not form.access_key_id:
            raise Denied(Denial.UNSIGNED)
        keys = self._keys.find(form.access_key_id, form.fields.get("x-amz-security-token", ""))
        post_policy.verify(form, keys.secret_access_key)
        post_policy.check_policy(form, unquote(request.path).strip("/"), now)
        scope = form.fields.get("x-amz-credential", "").split("/")
        region = scope[2] if len(scope) > 2 else self._region
        return Caller(keys, "s3", region, request.headers, request.body)


def _s3_content(request: Incoming, claim: Claim, secret: str, declared: str) -> tuple[Headers, bytes]:
    """The object's own bytes, out of their chunks, and the headers that go with them."""
    if declared not in s3_payload.CHUNKED:
        if declared not in (signature.UNSIGNED_PAYLOAD, request.body_hash):
            fields = {"ClientComputedContentSHA256": declared, "S3ComputedContentSHA256": request.body_hash}
            raise Denied(Denial.BODY_MISMATCH, fields=fields)
        s3_payload.check_checksums(request.body, request.headers)
        return request.headers, request.body
    signer = s3_payload.ChunkSigner(claim, secret) if declared in s3_payload.SIGNED_CHUNKS else None
    body, trailers = s3_payload.decode_chunks(request.body, signer)
    if (length := request.headers.get("x-amz-decoded-content-length")) and length != str(len(body)):
        raise s3_payload.incomplete()
    promised = request.headers.get("x-amz-trailer", "").lower().split(",")
    if any(name.strip() and name.strip() not in trailers for name in promised):
        raise s3_payload.malformed_trailer()
    headers = CIMultiDict(request.headers)
    for name in ("x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer", "Content-Length"):
        headers.popall(name, None)
    encodings = [e.strip() for e in headers.popone("Content-Encoding", "").split(",")]
    if kept := [encoding for encoding in encodings if encoding not in ("", "aws-chunked")]:
        headers["Content-Encoding"] = ",".join(kept)
    headers.update(trailers)
    s3_payload.check_checksums(body, headers)
    return CIMultiDictProxy(headers), body


def body_hash(body: bytes) -> str:
    """The hexadecimal SHA-256 of a body."""
    return hashlib.sha256(body).hexdigest() if body else signature.EMPTY_HASH
