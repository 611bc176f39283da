"""S3 end to end: what clients send in ways of their own reaches the bucket whole."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import http.client
import io
import json
import uuid
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.conftest import Cloud


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    """A bucket of the test's own."""
    name = f"calls-{uuid.uuid4().hex[:12]}"
    cloud.client("s3").create_bucket(Bucket=name)
    return name


def stored(cloud: Cloud, bucket: str, key: str) -> bytes:
    """An object's content."""
    content: bytes = cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def target_of(url: str) -> str:
    """Path and query of a URL, as they are."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_work_with_a_plain_client(cloud: Cloud, bucket: str, version: str) -> None:
    """Upload and download without any AWS library, with both versions of the signature."""
    s3 = cloud.client("s3", config=Config(signature_version=version))
    key = "folder/a b+ü.txt"
    put = target_of(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}))
    status, _, body = cloud.ask("PUT", put, b"content")
    assert (status, body) == (200, b"")
    get = target_of(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}))
    assert cloud.ask("GET", get)[::2] == (200, b"content")
    status, _, body = cloud.ask("GET", get.replace("a%20b", "other"))
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


def test_presigned_upload_keeps_the_type_that_it_was_made_for(cloud: Cloud, bucket: str) -> None:
    """A header that is part of the signature has to come with the request."""
    s3 = cloud.client("s3", config=Config(signature_version="s3v4"))
    parameters = {"Bucket": bucket, "Key": "k", "ContentType": "text/csv"}
    put = target_of(s3.generate_presigned_url("put_object", Params=parameters))
    assert cloud.ask("PUT", put, b"a,b", {"Content-Type": "text/plain"})[0] == 403
    assert cloud.ask("PUT", put, b"a,b", {"Content-Type": "text/csv"})[0] == 200
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/csv"


def form_of(
    fields: dict[str, str], content: bytes, file_name: str = "file.txt"
) -> tuple[bytes, dict[str, str]]:
    """A multipart form as a browser sends it: body and headers."""
    parts = [
        f'--line\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = f'--line\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + content + b"\r\n--line--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=line"}


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_form_uploads_as_its_policy_allows(cloud: Cloud, bucket: str, version: str) -> None:
    """What `generate_presigned_post` gives makes a page upload, within the policy's bounds and no further."""
    s3 = cloud.client("s3", config=Config(signature_version=version))
    post = s3.generate_presigned_post(
        bucket, "up/${filename}", Conditions=[["content-length-range", 1, 10]], ExpiresIn=60
    )
    assert cloud.ask("POST", f"/{bucket}", *form_of(post["fields"], b"12345"))[0] == 204
    assert stored(cloud, bucket, "up/file.txt") == b"12345"
    event = next(e for e in reversed(cloud.journal(kind="s3.event")) if e["resource"].endswith(bucket))
    assert (event["detail"]["event"], event["detail"]["key"]) == ("ObjectCreated:Post", "up/file.txt")
    status, _, body = cloud.ask("POST", f"/{bucket}", *form_of(post["fields"], b"x" * 11))
    assert (status, b"EntityTooLarge" in body) == (400, True)
    status, _, body = cloud.ask("POST", f"/{bucket}", *form_of(post["fields"] | {"key": "elsewhere"}, b"1"))
    assert (status, b"Policy Condition failed" in body) == (403, True)
    status, _, body = cloud.ask("POST", f"/{bucket}", *form_of(post["fields"] | {"acl": "public-read"}, b"1"))
    assert (status, b"Extra input fields: acl" in body) == (403, True)
    other = {**post["fields"], "policy": base64.b64encode(b"{}").decode()}
    status, _, body = cloud.ask("POST", f"/{bucket}", *form_of(other, b"1"))
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


@pytest.mark.parametrize(
    "policy",
    [
        {"expiration": 1},
        {"conditions": 5},
        {"conditions": [[]]},
        {"conditions": ["x"]},
        {"conditions": [[1, 2, 3]]},
        {"conditions": [["like", "$key", "x"]]},
        {"conditions": [["content-length-range", "a", 2]]},
    ],
)
def test_policy_that_is_none_is_refused(cloud: Cloud, bucket: str, policy: dict[str, Any]) -> None:
    """Also with a right signature."""
    whole = {"expiration": "2100-01-01T00:00:00Z", "conditions": [], **policy}
    fields = {"key": "k", "policy": base64.b64encode(json.dumps(whole).encode()).decode()}
    signature = hmac.digest(cloud.secret_access_key.encode(), fields["policy"].encode(), "sha1")
    fields |= {"AWSAccessKeyId": cloud.access_key_id, "signature": base64.b64encode(signature).decode()}
    status, _, answer = cloud.ask("POST", f"/{bucket}", *form_of(fields, b"1"))
    assert (status, b"InvalidPolicyDocument" in answer) == (400, True)


def test_buckets_policy_is_told_in_s3s_words(cloud: Cloud, bucket: str) -> None:
    """A denial has a code, as every error."""
    s3 = cloud.client("s3")
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [denial]}))
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"content")


class Chunks:
    """A body in aws-chunked form, signed chunk by chunk as AWS's documentation says."""

    def __init__(self, cloud: Cloud, bucket: str, key: str, kind: str, headers: dict[str, str]) -> None:
        self._credentials = Credentials(cloud.access_key_id, cloud.secret_access_key)
        self._signer = S3SigV4Auth(self._credentials, "s3", cloud.region)
        self._signer.payload = lambda request: kind  # type: ignore[method-assign]
        url = f"{cloud.endpoint_url}/{bucket}/{key}"
        self.request = AWSRequest("PUT", url, {"Content-Encoding": "aws-chunked", **headers})
        self._signer.add_auth(self.request)
        self.previous = self.request.headers["Authorization"].rpartition("=")[2]

    def sign(self, algorithm: str, *hashes: str) -> str:
        """The next signature in the chain."""
        timestamp = self.request.context["timestamp"]
        scope = self._signer.credential_scope(self.request)
        text = "\n".join([algorithm, timestamp, scope, self.previous, *hashes])
        self.previous = self._signer.signature(text, self.request)
        return self.previous

    def chunk(self, data: bytes) -> bytes:
        """One signed chunk; the last one is empty."""
        empty = hashlib.sha256(b"").hexdigest()
        signature = self.sign("AWS4-HMAC-SHA256-PAYLOAD", empty, hashlib.sha256(data).hexdigest())
        end = b"\r\n" if data else b""
        return f"{len(data):x};chunk-signature={signature}\r\n".encode() + data + end


def test_signed_chunks_are_put_together(cloud: Cloud, bucket: str) -> None:
    """Other languages' SDKs send uploads in chunks, each signed: one that was changed is refused."""
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    length = {"x-amz-decoded-content-length": "70000"}
    chunks = Chunks(cloud, bucket, "chunked", kind, length)
    body = chunks.chunk(b"a" * 65536) + chunks.chunk(b"b" * 4464) + chunks.chunk(b"") + b"\r\n"
    headers = dict(chunks.request.headers.items())
    assert cloud.ask("PUT", f"/{bucket}/chunked", body, headers)[0] == 200
    assert stored(cloud, bucket, "chunked") == b"a" * 65536 + b"b" * 4464
    assert cloud.client("s3").head_object(Bucket=bucket, Key="chunked").get("ContentEncoding", "") == ""
    status, _, answer = cloud.ask("PUT", f"/{bucket}/chunked", body.replace(b"bb", b"cc", 1), headers)
    assert (status, b"SignatureDoesNotMatch" in answer) == (403, True)


def test_signed_trailer_is_checked(cloud: Cloud, bucket: str) -> None:
    """A checksum that comes after the body is signed as well, and compared."""
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    for content, status in ((b"hello", 200), (b"other", 400)):
        headers = {"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"}
        chunks = Chunks(cloud, bucket, "trailer", kind, headers)
        body = chunks.chunk(content) + chunks.chunk(b"")
        line = f"x-amz-checksum-crc32:{base64.b64encode(zlib.crc32(b'hello').to_bytes(4, 'big')).decode()}"
        signature = chunks.sign("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
        body += f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
        answer = cloud.ask("PUT", f"/{bucket}/trailer", body, dict(chunks.request.headers.items()))
        assert answer[0] == status, answer
    assert stored(cloud, bucket, "trailer") == b"hello"
    unsigned = body.partition(b"x-amz-trailer-signature")[0] + b"\r\n"
    assert cloud.ask("PUT", f"/{bucket}/trailer", unsigned, dict(chunks.request.headers.items()))[0] == 403


def test_unsigned_chunks_with_a_trailing_checksum(cloud: Cloud, bucket: str) -> None:
    """The form that AWS's newer SDKs use for every upload."""
    checksum = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big"))
    headers = {"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"}
    chunks = Chunks(cloud, bucket, "unsigned", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", headers)
    names = dict(chunks.request.headers.items())
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + checksum + b"\r\n\r\n"
    assert cloud.ask("PUT", f"/{bucket}/unsigned", body, names)[0] == 200
    assert stored(cloud, bucket, "unsigned") == b"hello"
    for broken in (body[:12], body.replace(b"5\r\n", b"z\r\n", 1), b"", body[:13] + b"\r\n"):
        assert cloud.ask("PUT", f"/{bucket}/unsigned", broken, names)[0] == 400


def test_body_of_unknown_length_is_taken(cloud: Cloud, bucket: str) -> None:
    """HTTP's own chunks are no part of the content."""
    url = cloud.client("s3").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "stream"})
    connection = http.client.HTTPConnection(cloud.netloc, timeout=15)
    connection.request(
        "PUT",
        target_of(url),
        iter([b"one ", b"two"]),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    assert connection.getresponse().status == 200
    connection.close()
    assert stored(cloud, bucket, "stream") == b"one two"


def test_upload_that_was_damaged_on_its_way_is_refused(cloud: Cloud, bucket: str) -> None:
    """Content-MD5 and checksums are compared with what came."""
    wrong = (
        {"ContentMD5": base64.b64encode(b"0" * 16).decode()},
        {"ChecksumSHA256": base64.b64encode(b"0" * 32).decode()},
    )
    for checksum in wrong:
        with pytest.raises(ClientError, match="BadDigest"):
            cloud.client("s3").put_object(Bucket=bucket, Key="k", Body=b"content", **checksum)


def test_large_object_travels_whole(cloud: Cloud, bucket: str) -> None:
    """In one piece, in parts, and by ranges."""
    s3 = cloud.client("s3")
    content = bytes(range(256)) * 4096 * 24  # 24 MiB
    s3.put_object(Bucket=bucket, Key="large", Body=content)
    assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == len(content)
    part = s3.get_object(Bucket=bucket, Key="large", Range="bytes=1000-1009")
    assert part["Body"].read() == content[1000:1010]
    s3.upload_fileobj(io.BytesIO(content), bucket, "parts")
    assert s3.head_object(Bucket=bucket, Key="parts")["ETag"].endswith('-3"')
    assert hashlib.md5(stored(cloud, bucket, "parts")).digest() == hashlib.md5(content).digest()


def test_compressed_content_stays_compressed(cloud: Cloud, bucket: str) -> None:
    """A content encoding is the learner's business; only aws-chunked is S3's."""
    packed = gzip.compress(b"content")
    cloud.client("s3").put_object(Bucket=bucket, Key="k.gz", Body=packed, ContentEncoding="gzip")
    url = cloud.client("s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k.gz"})
    _, headers, body = cloud.ask("GET", target_of(url))
    assert (headers["content-encoding"], body) == ("gzip", packed)


def test_missing_object_and_bucket_have_their_codes(cloud: Cloud, bucket: str) -> None:
    """As code that catches them expects; HEAD has a status only."""
    s3 = cloud.client("s3")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="missing")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.list_objects_v2(Bucket=f"{bucket}-missing")
    with pytest.raises(ClientError) as caught:
        s3.head_object(Bucket=bucket, Key="missing")
    assert caught.value.response["Error"]["Code"] == "404"


def test_listing_goes_page_by_page(cloud: Cloud, bucket: str) -> None:
    """Prefixes, delimiters and continuation as boto3's paginators use them."""
    s3 = cloud.client("s3")
    for number in range(7):
        s3.put_object(Bucket=bucket, Key=f"a/{number}", Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
    assert [item["Key"] for page in pages for item in page["Contents"]] == [f"a/{n}" for n in range(7)]
    folders = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [item["Prefix"] for item in folders["CommonPrefixes"]] == ["a/"]


def test_bucket_answers_preflights_by_its_own_rules(cloud: Cloud, bucket: str) -> None:
    """A browser asks without a signature; a bucket without rules lets no page in."""
    asks = {"Origin": "http://page.example", "Access-Control-Request-Method": "PUT"}
    assert cloud.ask("OPTIONS", f"/{bucket}/k", headers=asks)[0] == 403
    rules: dict[str, Any] = {
        "CORSRules": [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["http://page.example"]}]
    }
    cloud.client("s3").put_bucket_cors(Bucket=bucket, CORSConfiguration=rules)
    status, headers, _ = cloud.ask("OPTIONS", f"/{bucket}/k", headers=asks)
    assert (status, headers["access-control-allow-origin"]) == (200, "http://page.example")


def test_policy_document_comes_back_as_it_was(cloud: Cloud, bucket: str) -> None:
    """A bucket's policy is kept."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    cloud.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    assert cloud.client("s3").get_bucket_policy(Bucket=bucket)["Policy"] == policy
