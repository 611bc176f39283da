"""Uploads from an HTML form straight to S3 (`generate_presigned_post`): the form's fields, signature and policy. Pure.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labhelpers.cloud.denials import Denial, Denied
from labhelpers.cloud.signature import signing_key
from labhelpers.errors import AwsError

_DISPOSITION = re.compile(rb'content-disposition:[^\r\n]*?\bname="([^"]*)"', re.IGNORECASE)
_FILE_NAME = re.compile(rb'\bfilename="([^"]*)"', re.IGNORECASE)
_BOUNDARY = re.compile(r'multipart/form-data.*boundary="?([^";,]+)"?', re.IGNORECASE)
# What carries the signature itself needs no condition of the policy.
_FREE_FIELDS = frozenset({"policy", "file", "x-amz-signature", "awsaccesskeyid", "signature", "submit"})


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of an upload form, names in lower case, and the size of its file in bytes."""

    fields: dict[str, str]
    file_size: int
    file_name: str = ""

    @property
    def key(self) -> str:
        """The key of the object that the form makes; `${filename}` in it stands for the file's own name."""
        return self.fields.get("key", "").replace("${filename}", self.file_name)

    @property
    def access_key_id(self) -> str:
        """Whose key the form says it was signed with: version 4 has it in its credential, version 2 by itself."""
        return self.fields.get("x-amz-credential", "").split("/")[0] or self.fields.get("awsaccesskeyid", "")


def is_form(content_type: str) -> bool:
    """Whether a POST is the upload of a form."""
    return _BOUNDARY.match(content_type) is not None


def read_form(content_type: str, body: bytes) -> Form:
    """The fields of a multipart form."""
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise AwsError("InvalidArgument", "the form's content type names no boundary")
    fields: dict[str, str] = {}
    file_size, file_name = 0, ""
    for part in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = _DISPOSITION.search(head)
        if name is None:
            continue
        if name[1] == b"file":
            named = _FILE_NAME.search(head)
            file_size, file_name = len(value), named[1].decode("utf-8", "replace") if named else ""
        else:
            fields[name[1].decode("utf-8", "replace").lower()] = value.decode("utf-8", "replace")
    return Form(fields, file_size, file_name)


def verify(form: Form, secret: str) -> None:
    """Denied unless the form's policy is signed with `secret`."""
    policy = form.fields.get("policy", "").encode()
    if "x-amz-signature" in form.fields:
        _, date, region, service, *_ = [*form.fields.get("x-amz-credential", "").split("/"), "", "", "", ""]
        expected = hmac.digest(signing_key(secret, date, region, service), policy, "sha256").hex()
        given = form.fields["x-amz-signature"]
    else:
        expected = base64.b64encode(hmac.digest(secret.encode(), policy, "sha1")).decode()
        given = form.fields.get("signature", "")
    if not hmac.compare_digest(expected.encode(), given.encode()):
        fields = {
            "AWSAccessKeyId": form.access_key_id,
            "StringToSign": policy.decode(),
            "SignatureProvided": given,
        }
        raise Denied(Denial.MISMATCH, fields=fields)


def check_policy(form: Form, bucket: str, now: float) -> None:
    """Denied unless the policy is still valid and each of its conditions holds; AwsError for a file of another size."""
    policy = _decode(form.fields.get("policy", ""))
    if _moment(str(policy.get("expiration", ""))) < now:
        raise Denied(Denial.POLICY_FAILED, "Invalid according to Policy: Policy expired.")
    values = {**form.fields, "bucket": bucket}
    covered: set[str] = set()
    conditions = policy.get("conditions", [])
    if not isinstance(conditions, list):
        raise AwsError("InvalidPolicyDocument", "Invalid Policy: Invalid 'conditions' value: must be a List.")
    for condition in conditions:
        covered |= _check_condition(condition, values, form.file_size)
    extra = sorted(
        name
        for name in form.fields
        if name not in covered and name not in _FREE_FIELDS and not name.startswith("x-ignore-")
    )
    if extra:
        raise Denied(
            Denial.POLICY_FAILED, f"Invalid according to Policy: Extra input fields: {', '.join(extra)}"
        )


def _decode(policy: str) -> dict[str, Any]:
    try:
        decoded = json.loads(base64.b64decode(policy))
    except (binascii.Error, ValueError):
        decoded = None
    if not isinstance(decoded, dict):
        raise AwsError("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.")
    return decoded


def _moment(text: str) -> float:
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise AwsError("InvalidPolicyDocument", f"Invalid Policy: Invalid 'expiration' value: '{text}'")


def _check_condition(condition: Any, values: dict[str, str], size: int) -> set[str]:
    """The fields that one condition speaks of; Denied if it does not hold, AwsError if it is none."""
    match condition:
        case dict():
            for name, value in condition.items():
                _expect(values.get(name.lower(), "") == str(value), ["eq", f"${name}", value])
            return {name.lower() for name in condition}
        case [str(kind), first, second] if kind.lower() == "content-length-range":
            _check_size(size, first, second)
            return set()
        case [str(kind), str(field), str(wanted)] if kind.lower() in ("eq", "starts-with"):
            name = field.removeprefix("$").lower()
            value = values.get(name, "")
            _expect(value == wanted if kind.lower() == "eq" else value.startswith(wanted), condition)
            return {name}
    raise AwsError("InvalidPolicyDocument", "Invalid Policy: Invalid Condition.")


def _check_size(size: int, least: Any, most: Any) -> None:
    try:
        least, most = int(least), int(most)
    except (TypeError, ValueError):
        raise AwsError(
            "InvalidPolicyDocument", "Invalid Policy: Invalid Condition: wrong number of bytes."
        ) from None
    if size > most:
        fields = {"ProposedSize": size, "MaxSizeAllowed": most}
        raise AwsError(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", fields=fields
        )
    if size < least:
        raise AwsError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")


def _expect(holds: bool, condition: list[Any]) -> None:
    if not holds:
        raise Denied(
            Denial.POLICY_FAILED,
            f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}",
        )
