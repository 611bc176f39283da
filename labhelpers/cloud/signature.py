"""Signature Version 4, as AWS checks it: reads what a request claims, recomputes the signature, says what is wrong.

Pure: keys and time come in as arguments. Called by `authentication`; the arithmetic is AWS's, line by line.
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qs, quote, unquote

from multidict import CIMultiDictProxy

from labhelpers.cloud.denials import Denial, Denied
from labhelpers.records import record

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW_S = 15 * 60
MAX_URL_EXPIRES_S = 7 * 24 * 3600
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_HASH = sha256(b"").hexdigest()
_SAFE = "-_.~"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request\s*,\s*"
    r"SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})\s*"
)
_CREDENTIAL = re.compile(r"([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request")
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z")

Headers = CIMultiDictProxy[str]


@record
class Claim:
    """Who a request says it comes from, and the signature that is to show it.

    `timestamp` is AWS's basic ISO form (20260102T030405Z). `expires_s` is None for a signature in the headers.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: str
    signature: str
    timestamp: str
    token: str
    expires_s: int | None = None

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_claim(headers: Headers, query: str) -> Claim | None:
    """What the request claims in its headers or its query string; None if it is not signed this way. Raises Denied."""
    authorization = headers.get("Authorization")
    if authorization is not None:
        return _read_header(authorization, headers) if authorization.startswith(ALGORITHM) else None
    if "X-Amz-Signature=" in query or "X-Amz-Algorithm=" in query:
        return _read_query(query)
    return None


def _read_header(authorization: str, headers: Headers) -> Claim:
    found = _AUTHORIZATION.fullmatch(authorization) or _AUTHORIZATION.fullmatch(_in_order(authorization))
    timestamp = headers.get("X-Amz-Date") or _from_http_date(headers.get("Date", ""))
    if found is None:
        missing = [p for p in ("Credential", "Signature", "SignedHeaders") if f"{p}=" not in authorization]
        words = [f"Authorization header requires '{part}' parameter." for part in missing]
        raise Denied(
            Denial.INCOMPLETE,
            " ".join([*words, f"Authorization={ALGORITHM}"]) if words else "",
        )
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Denied(
            Denial.INCOMPLETE,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    access_key_id, date, region, service, signed_headers, signature = found.groups()
    token = headers.get("X-Amz-Security-Token", "")
    return Claim(access_key_id, date, region, service, signed_headers, signature, timestamp, token)


def _in_order(authorization: str) -> str:
    """The three parts of the header in the order that AWS's own clients send them."""
    parts = dict(part.strip().partition("=")[::2] for part in authorization[len(ALGORITHM) :].split(","))
    ordered = (f"{name}={parts.get(name, '')}" for name in ("Credential", "SignedHeaders", "Signature"))
    return f"{ALGORITHM} {', '.join(ordered)}"


def _from_http_date(text: str) -> str:
    try:
        return parsedate_to_datetime(text).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return ""


def _read_query(query: str) -> Claim:
    fields = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
    names = ("Credential", "Signature", "Date", "SignedHeaders", "Expires")
    missing = [f"X-Amz-{name}" for name in names if not fields.get(f"X-Amz-{name}")]
    found = _CREDENTIAL.fullmatch(fields.get("X-Amz-Credential", ""))
    if missing or found is None or fields.get("X-Amz-Algorithm") != ALGORITHM:
        raise Denied(
            Denial.INCOMPLETE,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    expires = fields["X-Amz-Expires"]
    if (
        not expires.isdecimal()
        or int(expires) > MAX_URL_EXPIRES_S
        or not _TIMESTAMP.fullmatch(fields["X-Amz-Date"])
    ):
        raise Denied(
            Denial.INCOMPLETE,
            "X-Amz-Expires must be a number of seconds less than 604800, X-Amz-Date of the form yyyyMMddTHHmmssZ.",
        )
    access_key_id, date, region, service = found.groups()
    return Claim(
        access_key_id,
        date,
        region,
        service,
        fields["X-Amz-SignedHeaders"],
        fields["X-Amz-Signature"],
        fields["X-Amz-Date"],
        fields.get("X-Amz-Security-Token", ""),
        int(expires),
    )


def check_time(claim: Claim, now: float) -> None:
    """Denied if the signature is not of now: 15 minutes either way, or as long as a presigned URL says."""
    signed_at = _epoch(claim.timestamp)
    if claim.date != claim.timestamp[:8]:
        raise Denied(
            Denial.MISMATCH,
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.timestamp[:8]}', from '{claim.timestamp}'.",
        )
    lifetime_s = MAX_SKEW_S if claim.expires_s is None else claim.expires_s
    if signed_at - MAX_SKEW_S <= now <= signed_at + lifetime_s:
        return
    fields: dict[str, str | int] = {"ServerTime": _iso(now)}
    if claim.expires_s is not None and now > signed_at:
        ended = _iso(signed_at + claim.expires_s)
        raise Denied(
            Denial.URL_EXPIRED, fields={"X-Amz-Expires": claim.expires_s, "Expires": ended, **fields}
        )
    fields = {"RequestTime": claim.timestamp, **fields, "MaxAllowedSkewMilliseconds": MAX_SKEW_S * 1000}
    raise Denied(Denial.TOO_LATE if now > signed_at else Denial.TOO_EARLY, fields=fields)


def time_message(claim: Claim, denied: Denied, now: float) -> str:
    """The words of every service but S3 for a signature of another time."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    if denied.denial is Denial.TOO_EARLY:
        limit = datetime.fromtimestamp(now + MAX_SKEW_S, UTC).strftime("%Y%m%dT%H%M%SZ")
        return f"Signature not yet current: {claim.timestamp} is still later than {limit} ({stamp} + 15 min.)"
    limit = datetime.fromtimestamp(now - MAX_SKEW_S, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"Signature expired: {claim.timestamp} is now earlier than {limit} ({stamp} - 15 min.)"


@lru_cache(maxsize=16)
def _epoch(timestamp: str) -> float:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Denied(Denial.INCOMPLETE, f"the date {timestamp} is none") from None


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def verify(
    claim: Claim, secret: str, method: str, path: str, query: str, headers: Headers, payload_hash: str
) -> None:
    """Denied unless the signature is the one that `secret` makes for this request, and the host is a part of it.

    `path` and `query` are raw; `payload_hash` is the hexadecimal SHA-256 of the body or one of S3's placeholders.
    """
    if "host" not in claim.signed_headers.split(";"):
        raise Denied(
            Denial.MISMATCH, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
        )
    key = signing_key(secret, claim.date, claim.region, claim.service)
    if claim.expires_s is not None:
        query = "&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature="))
    head, tail = _header_lines(claim, headers), payload_hash
    text = ""
    for canonical_path, canonical_query in _readings(claim.service, path, query):
        request = f"{method}\n{canonical_path}\n{canonical_query}\n{head}\n{tail}".encode(
            "utf-8", "surrogateescape"
        )
        text = f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{sha256(request).hexdigest()}"
        expected = hmac.digest(key, text.encode(), "sha256").hex()
        if hmac.compare_digest(expected.encode(), claim.signature.encode(errors="replace")):
            return
    fields = {
        "AWSAccessKeyId": claim.access_key_id,
        "StringToSign": text,
        "SignatureProvided": claim.signature,
    }
    raise Denied(Denial.MISMATCH, fields=fields)


def _header_lines(claim: Claim, headers: Headers) -> str:
    """The canonical headers, an empty line's worth of separation, and their names."""
    lines = []
    for name in claim.signed_headers.split(";"):
        values = headers.getall(name, ())
        value = values[0].strip() if len(values) == 1 else ",".join(v.strip() for v in values)
        lines.append(f"{name}:{' '.join(value.split()) if '  ' in value else value}\n")
    return f"{''.join(lines)}\n{claim.signed_headers}"


def _readings(service: str, path: str, query: str) -> list[tuple[str, str]]:
    """The path and query as a client may have signed them: as they came, and in AWS's canonical spelling."""
    as_sent = (path if service == "s3" else _canonical_path(path), _sorted_query(query) if query else "")
    if _is_plain(path) and not query:
        return [as_sent]
    recoded = quote(unquote(path), safe="/" + _SAFE)
    canonical = (recoded if service == "s3" else _canonical_path(recoded), _recoded_query(query))
    return [as_sent, canonical] if canonical != as_sent else [as_sent]


@lru_cache(maxsize=1024)
def _is_plain(path: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9/._~-]*", path) is not None


@lru_cache(maxsize=1024)
def _canonical_path(path: str) -> str:
    """Every service but S3: dot segments and empty ones removed, then encoded once more."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part and part != ".":
            kept.append(part)
    end = "/" if path.endswith("/") and kept else ""
    return quote(f"/{'/'.join(kept)}{end}", safe="/" + _SAFE)


def _sorted_query(query: str) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(_pairs(query)))


def _recoded_query(query: str) -> str:
    recoded = ((quote(unquote(n), safe=_SAFE), quote(unquote(v), safe=_SAFE)) for n, v in _pairs(query))
    return "&".join(f"{name}={value}" for name, value in sorted(recoded))


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]


@lru_cache(maxsize=256)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service."""
    key = hmac.digest(f"AWS4{secret}".encode(), date.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def unsigned_amz_headers(claim: Claim, headers: Headers) -> list[str]:
    """S3 wants every x-amz- header signed: those that are not. (The body's hash speaks for itself.)"""
    signed = set(claim.signed_headers.split(";")) | {"x-amz-content-sha256"}
    return sorted({name.lower() for name in headers if name.lower().startswith("x-amz-")} - signed)
