"""Signatures, against the ones that botocore itself makes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from labhelpers.cloud import signature
from labhelpers.cloud.authentication import Authenticator, Caller, Incoming, body_hash
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.denials import Denial, Denied
from labhelpers.cloud.protocol import Form, error_response
from labhelpers.model import Account, Credentials

KEYS = Keys(Account())
AUTHENTICATOR = Authenticator(KEYS, "us-east-1")
HOST = "127.0.0.1:4566"

text = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
names = st.text("abcxyzABC019-_.~", min_size=1, max_size=8).filter(lambda name: not name.startswith("X-Amz"))
queries = st.lists(
    st.tuples(names, st.text(st.characters(exclude_categories=("Cs",)), max_size=8)), max_size=5
)


def as_received(request: Any, body: bytes) -> Incoming:
    """A request of botocore as the front door would read it."""
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in prepared.headers.items():
        headers.add(name, value.decode() if isinstance(value, bytes) else value)
    headers.setdefault("Host", HOST)
    return Incoming(
        prepared.method, parts.path or "/", parts.query, CIMultiDictProxy(headers), body, body_hash(body)
    )


def signed(
    signer: type[Any],
    service: str,
    path: str = "/",
    query: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    method: str = "POST",
    headers: dict[str, str] | None = None,
    keys: Credentials = KEYS.lab,
    **options: Any,
) -> Incoming:
    """A request signed by botocore; `path` is plain."""
    encoded = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query or []
    )
    url = f"http://{HOST}{quote(path, safe='/~')}{'?' + encoded if encoded else ''}"
    request = AWSRequest(method, url, dict(headers or {}), body)
    credentials = mock.Mock(
        access_key=keys.access_key_id, secret_key=keys.secret_access_key, token=keys.token or None
    )
    signer(credentials, service, "us-east-1", **options).add_auth(request)
    return as_received(request, body)


def identify(request: Incoming, now: float | None = None) -> Caller:
    """The caller of a request, read as the front door reads it."""
    claim = signature.read_claim(request.headers, request.query)
    return AUTHENTICATOR.identify(request, claim, time.time() if now is None else now)


def denial(request: Incoming, now: float | None = None) -> Denied:
    """Why a request is refused."""
    with pytest.raises(Denied) as caught:
        identify(request, now)
    return caught.value


@settings(max_examples=150, deadline=None)
@given(path=text, query=queries, body=st.binary(max_size=40))
def test_botocores_signature_is_accepted(path: str, query: list[tuple[str, str]], body: bytes) -> None:
    """Whatever path, query and body botocore signs for a service, the signature holds."""
    request = signed(
        botocore.auth.SigV4Auth, "lambda", f"/2015-03-31/functions/{path}/invocations", query, body
    )
    caller = identify(request)
    assert (caller.credentials, caller.service, caller.region) == (KEYS.lab, "lambda", "us-east-1")


@settings(max_examples=150, deadline=None)
@given(path=text, query=queries, body=st.binary(max_size=40))
def test_botocores_s3_signature_is_accepted(path: str, query: list[tuple[str, str]], body: bytes) -> None:
    """S3 signs the path as it is sent, encoded once."""
    identify(signed(botocore.auth.S3SigV4Auth, "s3", f"/bucket/{path}", query, body, "PUT"))


@settings(max_examples=100, deadline=None)
@given(path=text, query=queries)
def test_botocores_presigned_url_is_accepted(path: str, query: list[tuple[str, str]]) -> None:
    """A URL of S3 that carries its signature itself needs no header."""
    request = signed(botocore.auth.S3SigV4QueryAuth, "s3", f"/bucket/{path}", query, method="GET", expires=60)
    identify(replace(request, headers=CIMultiDictProxy(CIMultiDict(Host=HOST))))


@pytest.mark.parametrize("path", ["/a//b", "/a/./b", "/a/../b", "//", "/a/", "/a b+c%2F~", "/ünïcode"])
def test_odd_paths_keep_their_signature(path: str) -> None:
    """Every service but S3 normalises the path before it signs."""
    identify(signed(botocore.auth.SigV4Auth, "lambda", path))
    identify(signed(botocore.auth.S3SigV4Auth, "s3", path))


@pytest.mark.parametrize(
    ("path", "query"),
    [("/bucket/a(b)", ""), ("/bucket/a+b", ""), ("/bucket/x", "prefix=a/b&marker"), ("/bucket/x", "a=b(c)")],
)
def test_unencoded_characters_are_signed_in_their_canonical_form(path: str, query: str) -> None:
    """A client may send a character plainly that the canonical request spells with %: AWS takes it."""
    canonical = [(n, v) for n, _, v in (pair.partition("=") for pair in query.split("&") if pair)]
    request = signed(botocore.auth.S3SigV4Auth, "s3", path, canonical, method="GET")
    identify(replace(request, path=path, query=query))


def test_repeated_headers_and_spaces_are_signed_as_aws_does() -> None:
    """Values of one name are joined by commas, runs of spaces count as one."""
    request = signed(botocore.auth.SigV4Auth, "sqs", headers={"x-amz-meta-a": "  one   two "})
    identify(request)


@pytest.mark.parametrize("field", ["method", "path", "query", "body"])
def test_changed_request_is_refused(field: str) -> None:
    """What is signed cannot be changed."""
    request = signed(botocore.auth.SigV4Auth, "sqs", "/path", [("a", "b")], b"body")
    changes: dict[str, Any] = {
        "method": {"method": "PUT"},
        "path": {"path": "/other"},
        "query": {"query": "a=c"},
        "body": {"body": b"other", "body_hash": hashlib.sha256(b"other").hexdigest()},
    }
    assert denial(replace(request, **changes[field])).denial is Denial.MISMATCH


def test_changed_s3_body_is_named() -> None:
    """S3 says that the body is not the one that was hashed."""
    request = signed(botocore.auth.S3SigV4Auth, "s3", "/bucket/key", body=b"body", method="PUT")
    other = replace(request, body=b"other", body_hash=body_hash(b"other"))
    refused = denial(other)
    assert refused.as_error(Form.S3).code == "XAmzContentSHA256Mismatch"
    assert refused.fields["S3ComputedContentSHA256"] == other.body_hash


def test_wrong_secret_and_unknown_key_are_told_apart() -> None:
    """The key's id is looked up first; then its secret must fit."""
    wrong = replace(KEYS.lab, secret_access_key="x" * 40)
    assert denial(signed(botocore.auth.SigV4Auth, "sts", keys=wrong)).denial is Denial.MISMATCH
    unknown = replace(KEYS.lab, access_key_id="AKIAXXXXXXXXXXXXXXXX")
    assert denial(signed(botocore.auth.SigV4Auth, "sts", keys=unknown)).denial is Denial.UNKNOWN_KEY


def test_unsigned_and_half_signed_requests_are_refused() -> None:
    """No signature, and a header with parts missing."""
    request = signed(botocore.auth.SigV4Auth, "sts")
    headers = CIMultiDict(request.headers)
    authorization = headers.pop("Authorization")
    assert denial(replace(request, headers=CIMultiDictProxy(headers))).denial is Denial.UNSIGNED
    headers["Authorization"] = authorization.rpartition(", Signature=")[0]
    refused = denial(replace(request, headers=CIMultiDictProxy(headers)))
    assert refused.denial is Denial.INCOMPLETE
    assert "requires 'Signature' parameter" in refused.message
    headers["Authorization"] = "Basic abc"
    assert denial(replace(request, headers=CIMultiDictProxy(headers))).denial is Denial.INCOMPLETE


@pytest.mark.parametrize(
    ("seconds", "code", "words"),
    [
        (16 * 60, "SignatureDoesNotMatch", "Signature expired: "),
        (-16 * 60, "SignatureDoesNotMatch", "not yet current"),
    ],
)
def test_signature_of_another_time_is_refused(seconds: int, code: str, words: str) -> None:
    """A quarter of an hour either way."""
    request = signed(botocore.auth.SigV4Auth, "sts")
    error = denial(request, time.time() + seconds).as_error(Form.QUERY)
    assert error.code == code
    assert words in error.message
    identify(request, time.time() + seconds * 14 / 16)


def test_s3_names_a_clock_that_is_wrong() -> None:
    """S3 has an error of its own for it."""
    refused = denial(signed(botocore.auth.S3SigV4Auth, "s3", "/bucket/key"), time.time() + 3600)
    assert refused.as_error(Form.S3).code == "RequestTimeTooSkewed"
    assert refused.fields["MaxAllowedSkewMilliseconds"] == 900000


def test_presigned_url_expires() -> None:
    """It holds as long as it says, and not longer."""
    request = signed(botocore.auth.S3SigV4QueryAuth, "s3", "/bucket/key", method="GET", expires=60)
    identify(request, time.time() + 50)
    refused = denial(request, time.time() + 70)
    assert (refused.denial, refused.as_error(Form.S3).message) == (Denial.URL_EXPIRED, "Request has expired")


def test_presigned_url_takes_no_header_that_was_not_signed() -> None:
    """S3 refuses x-amz- headers beside a presigned URL unless they are part of it."""
    request = signed(botocore.auth.S3SigV4QueryAuth, "s3", "/bucket/key", method="PUT", expires=60)
    headers = CIMultiDict(request.headers)
    headers["x-amz-acl"] = "public-read"
    refused = denial(replace(request, headers=CIMultiDictProxy(headers)))
    assert refused.fields == {"HeadersNotSigned": "x-amz-acl"}


def test_older_presigned_url_is_accepted() -> None:
    """boto3 presigns with version 2 in us-east-1 unless told otherwise."""
    for method, headers in (("GET", {}), ("PUT", {"Content-Type": "text/plain", "x-amz-meta-a": "1"})):
        request = AWSRequest(method, f"http://{HOST}/bucket/a%20b%2Bc?versionId=a%2Fb", headers)
        keys = mock.Mock(access_key=KEYS.lab.access_key_id, secret_key=KEYS.lab.secret_access_key, token=None)
        botocore.auth.HmacV1QueryAuth(keys, expires=60).add_auth(request)
        received = as_received(request, b"")
        identify(received)
        assert denial(received, time.time() + 70).denial is Denial.URL_EXPIRED
        assert denial(replace(received, path="/bucket/other")).denial is Denial.MISMATCH


@pytest.mark.parametrize(
    ("part", "strange"),
    [("X-Amz-Signature", "%C3%BC"), ("X-Amz-Expires", "%C2%B2"), ("X-Amz-Security-Token", "%FF")],
)
def test_strange_characters_in_a_url_are_refused(part: str, strange: str) -> None:
    """They are no failure of the lab's."""
    request = signed(botocore.auth.S3SigV4QueryAuth, "s3", "/bucket/key", method="GET", expires=60)
    kept = [pair for pair in request.query.split("&") if not pair.startswith(f"{part}=")]
    denial(replace(request, query="&".join([*kept, f"{part}={strange}"])))


def test_bytes_that_are_no_text_are_refused() -> None:
    """In a header, where HTTP lets them pass; the words of the refusal can be sent."""
    request = signed(botocore.auth.S3SigV4Auth, "s3", "/bucket/key", method="GET")
    headers = CIMultiDict(request.headers)
    headers["X-Amz-Security-Token"] = b"\xfc\x01".decode("utf-8", "surrogateescape")
    refused = denial(replace(request, headers=CIMultiDictProxy(headers)))
    answer = error_response(refused.as_error(Form.S3), Form.S3, "id")
    assert ElementTree.fromstring(answer.body).findtext("Token-0") == "\ufffd\ufffd"
    assert not KEYS.is_lab_token("\udcfc")


def test_host_has_to_be_signed() -> None:
    """A request is for one host only."""
    request = signed(botocore.auth.SigV4Auth, "sqs")
    headers = CIMultiDict(request.headers)
    headers["Authorization"] = headers["Authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    assert "'Host'" in denial(replace(request, headers=CIMultiDictProxy(headers))).message


def test_session_token_has_to_be_the_keys_own() -> None:
    """Temporary keys sign together with their token, and are worth nothing once forgotten."""
    keys = KEYS.mint_role_credentials("arn:aws:iam::123456789012:role/r", "session")
    assert keys.access_key_id.startswith("ASIA")
    assert identify(signed(botocore.auth.SigV4Auth, "sts", keys=keys)).credentials == keys
    other = signed(botocore.auth.SigV4Auth, "sts", keys=replace(keys, token="another"))
    assert denial(other).denial is Denial.WRONG_TOKEN
    assert (
        denial(signed(botocore.auth.SigV4Auth, "sts", keys=replace(keys, token=""))).denial
        is Denial.WRONG_TOKEN
    )
    KEYS.forget(keys.access_key_id)
    assert denial(signed(botocore.auth.SigV4Auth, "sts", keys=keys)).denial is Denial.UNKNOWN_KEY


def test_minted_keys_end_when_their_time_is_over() -> None:
    """Keys of a session hold until the moment that it was given."""
    keys = KEYS.mint("arn:aws:sts::123456789012:federated-user/x", time.time() - 1)
    assert denial(signed(botocore.auth.SigV4Auth, "sts", keys=keys)).denial is Denial.EXPIRED_TOKEN


def test_scope_of_another_day_is_refused() -> None:
    """The date in the scope is that of the request."""
    request = signed(botocore.auth.SigV4Auth, "sts")
    headers = CIMultiDict(request.headers)
    today = datetime.now(UTC)
    yesterday = (today - timedelta(days=1)).strftime("%Y%m%d")
    headers["Authorization"] = headers["Authorization"].replace(f"/{today:%Y%m%d}/", f"/{yesterday}/")
    assert "Date in Credential scope" in denial(replace(request, headers=CIMultiDictProxy(headers))).message
