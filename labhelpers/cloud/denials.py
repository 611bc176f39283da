"""Why a call is turned away at the door, and how each kind of service says so: pure, called by the signature modules.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
     https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from labhelpers.cloud.protocol import Form
from labhelpers.errors import AwsError


class Denial(Enum):
    """What is wrong with the way a request shows who it comes from."""

    UNSIGNED = auto()
    INCOMPLETE = auto()
    UNKNOWN_KEY = auto()
    WRONG_TOKEN = auto()
    EXPIRED_TOKEN = auto()
    MISMATCH = auto()
    TOO_EARLY = auto()
    TOO_LATE = auto()
    URL_EXPIRED = auto()
    UNSIGNED_HEADERS = auto()
    BODY_MISMATCH = auto()
    POLICY_FAILED = auto()


class Denied(Exception):
    """A request whose signature is refused. `message` replaces the usual words, `fields` are shown by S3 only."""

    def __init__(
        self, denial: Denial, message: str = "", fields: Mapping[str, str | int] | None = None
    ) -> None:
        super().__init__(f"{denial.name}: {message}")
        self.denial = denial
        self.message = message
        self.fields = dict(fields or {})

    def as_error(self, form: Form) -> AwsError:
        """What AWS answers: code, message and status differ between S3, the query services and the JSON ones."""
        code, status, message = _WORDS[form][self.denial]
        fields = self.fields if form is Form.S3 else {}
        return AwsError(code, self.message or message, status, fields=fields)


_TOKEN = "The security token included in the request is invalid."
_MISSING = "Request is missing Authentication Token"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_INCOMPLETE = (
    "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
    "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a "
    "'X-Amz-Date' or a 'Date' header."
)
_S3_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your key and signing method."
)

Words = dict[Denial, tuple[str, int, str]]


def _words(
    missing: str,
    incomplete: str,
    unknown: str,
    mismatch: str,
    expired: str,
    status: int,
    missing_text: str = _MISSING,
) -> Words:
    return {
        Denial.UNSIGNED: (missing, status, missing_text),
        Denial.INCOMPLETE: (incomplete, status, _INCOMPLETE),
        Denial.UNKNOWN_KEY: (unknown, status, _TOKEN),
        Denial.WRONG_TOKEN: (unknown, status, _TOKEN),
        Denial.EXPIRED_TOKEN: (expired, status, "The security token included in the request is expired"),
        Denial.MISMATCH: (mismatch, status, _MISMATCH),
        Denial.TOO_EARLY: (mismatch, status, "Signature not yet current"),
        Denial.TOO_LATE: (mismatch, status, "Signature expired"),
        Denial.URL_EXPIRED: (mismatch, status, "Signature expired"),
        Denial.UNSIGNED_HEADERS: (mismatch, status, _MISMATCH),
        Denial.BODY_MISMATCH: (mismatch, status, _MISMATCH),
        Denial.POLICY_FAILED: (mismatch, status, _MISMATCH),
    }


_JSON_CODES = (
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
)
_QUERY_CODES = (
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
)
_WORDS: dict[Form, Words] = {
    Form.QUERY: _words(*_QUERY_CODES, 403),
    Form.EC2: _words(*_QUERY_CODES, 403),
    Form.JSON: _words(*_JSON_CODES, 400),
    Form.CBOR: _words(*_JSON_CODES, 400),
    Form.REST_JSON: _words(*_JSON_CODES, 403, "Missing Authentication Token"),
    Form.S3: {
        Denial.UNSIGNED: ("AccessDenied", 403, "Access Denied"),
        Denial.INCOMPLETE: (
            "AuthorizationHeaderMalformed",
            400,
            (
                "The authorization header is malformed; the authorization header requires three components: "
                "Credential, SignedHeaders, and Signature."
            ),
        ),
        Denial.UNKNOWN_KEY: (
            "InvalidAccessKeyId",
            403,
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Denial.WRONG_TOKEN: ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
        Denial.EXPIRED_TOKEN: ("ExpiredToken", 400, "The provided token has expired."),
        Denial.MISMATCH: ("SignatureDoesNotMatch", 403, _S3_MISMATCH),
        Denial.TOO_EARLY: (
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
        Denial.TOO_LATE: (
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
        Denial.URL_EXPIRED: ("AccessDenied", 403, "Request has expired"),
        Denial.UNSIGNED_HEADERS: (
            "AccessDenied",
            403,
            "There were headers present in the request which were not signed",
        ),
        Denial.BODY_MISMATCH: (
            "XAmzContentSHA256Mismatch",
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        Denial.POLICY_FAILED: ("AccessDenied", 403, "Invalid according to Policy: Policy Condition failed"),
    },
}

# Services that once spoke the query protocol keep its codes for callers that know it (header x-amzn-query-error).
QUERY_CODES: Mapping[str, str] = {
    **dict(zip(_JSON_CODES, _QUERY_CODES, strict=True)),
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
}
