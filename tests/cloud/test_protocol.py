"""Errors in the form of each protocol, read by botocore's own parsers."""

from __future__ import annotations

import pytest
from botocore.parsers import create_parser

from labhelpers.cloud.protocol import Form, error_response, new_request_id, new_s3_request_id
from labhelpers.errors import AwsError, NotEmulated

PARSERS = {
    Form.JSON: "json",
    Form.REST_JSON: "rest-json",
    Form.QUERY: "query",
    Form.S3: "rest-xml",
    Form.EC2: "ec2",
    Form.CBOR: "smithy-rpc-v2-cbor",
}


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize(
    "error", [AwsError("SomeCode", "a <message> & ünïcode", 409), NotEmulated("this")], ids=["aws", "lab"]
)
def test_error_is_read_by_botocore(form: Form, error: AwsError) -> None:
    """Code, message and status arrive whatever the protocol."""
    answer = error_response(error, form, "request-1")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    parsed = create_parser(PARSERS[form]).parse(
        {"headers": headers, "status_code": answer.status, "body": answer.body}, None
    )
    assert answer.status == error.status
    assert parsed["Error"]["Code"] == error.code
    assert (parsed["Error"].get("Message") or parsed.get("message")) == error.message


def test_request_ids_have_awss_form() -> None:
    """A random UUID; sixteen letters and digits for S3."""
    ids = {new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i) == 36 and i[14] == "4" for i in ids)
    assert len(new_s3_request_id()) == 16
