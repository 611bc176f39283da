"""The front door, end to end: a real cloud process, boto3 and plain HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labhelpers.cloud.services import SERVICES
from tests.conftest import Cloud

READS = [
    ("s3", "list_buckets", {}),
    ("sts", "get_caller_identity", {}),
    ("iam", "list_users", {}),
    ("sqs", "list_queues", {}),
    ("sns", "list_topics", {}),
    ("dynamodb", "list_tables", {}),
    ("dynamodbstreams", "list_streams", {}),
    ("kinesis", "list_streams", {}),
    ("logs", "describe_log_groups", {}),
    ("cloudwatch", "list_metrics", {}),
    ("events", "list_rules", {}),
    ("scheduler", "list_schedules", {}),
    ("xray", "batch_get_traces", {"TraceIds": ["1-5759e988-bd862e3fe1be46a994272793"]}),
    ("secretsmanager", "list_secrets", {}),
    ("ssm", "describe_parameters", {}),
    ("kms", "list_keys", {}),
    ("lambda", "list_functions", {}),
    ("rds", "describe_db_instances", {}),
    ("apigateway", "get_rest_apis", {}),
    ("apigatewayv2", "get_apis", {}),
    ("cognito-idp", "list_user_pools", {"MaxResults": 1}),
]


def error_of(call: Any, **parameters: Any) -> ClientError:
    """The error that a call of boto3 ends with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value


def code_of(error: ClientError) -> tuple[str, int]:
    """AWS's error code and the HTTP status."""
    return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]


def test_every_service_on_offer_is_tried() -> None:
    """The list above is that of the table."""
    assert {service for service, _, _ in READS} == set(SERVICES)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"), READS, ids=[service for service, _, _ in READS]
)
def test_signed_call_is_answered(
    cloud: Cloud, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    """Plain boto3 reaches every service that the lab offers, and each answer carries a request id."""
    answer = getattr(cloud.client(service), operation)(**parameters)
    assert answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "wrong_secret", "unknown_key", "unsigned"),
    [
        (
            "s3",
            "list_buckets",
            {},
            ("SignatureDoesNotMatch", 403),
            ("InvalidAccessKeyId", 403),
            ("AccessDenied", 403),
        ),
        (
            "sts",
            "get_caller_identity",
            {},
            ("SignatureDoesNotMatch", 403),
            ("InvalidClientTokenId", 403),
            ("MissingAuthenticationToken", 403),
        ),
        (
            "iam",
            "list_users",
            {},
            ("SignatureDoesNotMatch", 403),
            ("InvalidClientTokenId", 403),
            ("MissingAuthenticationToken", 403),
        ),
        (
            "dynamodb",
            "list_tables",
            {},
            ("InvalidSignatureException", 400),
            ("UnrecognizedClientException", 400),
            ("MissingAuthenticationTokenException", 400),
        ),
        (
            "logs",
            "describe_log_groups",
            {},
            ("InvalidSignatureException", 400),
            ("UnrecognizedClientException", 400),
            ("MissingAuthenticationTokenException", 400),
        ),
        (
            "sqs",
            "list_queues",
            {},
            ("SignatureDoesNotMatch", 403),
            ("InvalidClientTokenId", 403),
            ("MissingAuthenticationToken", 403),
        ),
        (
            "lambda",
            "list_functions",
            {},
            ("InvalidSignatureException", 403),
            ("UnrecognizedClientException", 403),
            ("MissingAuthenticationTokenException", 403),
        ),
    ],
)
def test_call_with_foreign_keys_gets_awss_own_error(
    cloud: Cloud,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    wrong_secret: tuple[str, int],
    unknown_key: tuple[str, int],
    unsigned: tuple[str, int],
) -> None:
    """A wrong secret, an unknown key and no signature are each told apart, in the words of the service."""
    from botocore import UNSIGNED
    from botocore.config import Config

    wrong = cloud.client(service, aws_secret_access_key="x" * 40)
    assert code_of(error_of(getattr(wrong, operation), **parameters)) == wrong_secret
    unknown = cloud.client(service, aws_access_key_id="AKIAXXXXXXXXXXXXXXXX")
    assert code_of(error_of(getattr(unknown, operation), **parameters)) == unknown_key
    nobody = cloud.client(
        service, config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    )
    assert code_of(error_of(getattr(nobody, operation), **parameters)) == unsigned


@pytest.mark.parametrize("service", ["ec2", "stepfunctions", "cloudformation", "appsync", "ses"])
def test_service_that_is_not_here_is_refused_by_name(cloud: Cloud, service: str) -> None:
    """Every protocol has a form in which boto3 reads the refusal."""
    calls = {
        "ec2": "describe_instances",
        "stepfunctions": "list_state_machines",
        "cloudformation": "list_stacks",
        "appsync": "list_graphql_apis",
        "ses": "list_identities",
    }
    error = error_of(getattr(cloud.client(service), calls[service]))
    assert code_of(error) == ("NotEmulatedByThisLab", 501)
    assert "does not emulate the service" in str(error)


def test_operation_that_moto_lacks_is_refused_by_name(cloud: Cloud) -> None:
    """Service and operation are both named."""
    error = error_of(cloud.client("dynamodb").list_contributor_insights)
    assert code_of(error) == ("NotEmulatedByThisLab", 501)
    assert "dynamodb ListContributorInsights" in str(error)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("127.0.0.1:1", True),
        ("[::1]:80", True),
        ("abc.execute-api.localhost", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_only_this_machines_names_are_answered(cloud: Cloud, host: str, allowed: bool) -> None:
    """A page elsewhere cannot reach the lab by a DNS name that points to the loopback."""
    status, _, _ = cloud.ask("GET", "/_lab/health", headers={"Host": host})
    assert (status != 403) is allowed


def test_two_buckets_share_no_host(cloud: Cloud) -> None:
    """A bucket may be in the host name, as SDKs do it."""
    bucket = f"host-{uuid.uuid4().hex[:8]}"
    cloud.client("s3").create_bucket(Bucket=bucket)
    cloud.client("s3").put_object(Bucket=bucket, Key="a/b", Body=b"here")
    host = f"{bucket}.s3.localhost:{cloud.netloc.rpartition(':')[2]}"
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("GET", f"http://{host}/a/b", {})
    S3SigV4Auth(Credentials(cloud.access_key_id, cloud.secret_access_key), "s3", cloud.region).add_auth(
        request
    )
    status, _, body = cloud.ask("GET", "/a/b", headers={**dict(request.headers.items()), "Host": host})
    assert (status, body) == (200, b"here")


def test_cbor_is_refused_in_its_own_form(cloud: Cloud) -> None:
    """A client of the newer protocol reads which one works."""
    target = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    headers = cloud.signed_headers("POST", target, "monitoring") | {"smithy-protocol": "rpc-v2-cbor"}
    status, names, body = cloud.ask("POST", target, headers=headers)
    assert (status, names["content-type"]) == (501, "application/cbor")
    assert b"smithy-rpc-v2-cbor" in body


def test_malformed_request_leaves_the_door_open(cloud: Cloud) -> None:
    """Rubbish is answered with an error, and the next call as always."""
    for body, target in ((b"{", "DynamoDB_20120810.PutItem"), (b"\xff\xfe", "AmazonSQS.SendMessage")):
        headers = cloud.signed_headers("POST", "/", target.partition("_")[0].lower(), body)
        headers |= {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
        status, _, _ = cloud.ask("POST", "/", body, headers)
        assert status >= 400
    assert cloud.client("sts").get_caller_identity()["Account"] == cloud.account_id


def test_expected_continue_is_sent(cloud: Cloud) -> None:
    """A client that waits for leave to send its body gets it at once."""
    connection = http.client.HTTPConnection(cloud.netloc, timeout=5)
    headers = cloud.signed_headers("POST", "/", "sts", b"Action=GetCallerIdentity&Version=2011-06-15")
    connection.putrequest("POST", "/")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.putheader("Content-Length", "39")
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.send(b"Action=GetCallerIdentity&Version=2011-06-15"[:39])
    assert connection.getresponse().status in (200, 400, 403)
    connection.close()


def test_caller_who_leaves_in_the_middle_is_no_failure(cloud: Cloud) -> None:
    """Interrupting a cell that uploads is not the lab's fault, and nothing is written about it."""
    last = cloud.journal()[-1]["seq"]
    host, port = cloud.netloc.split(":")
    for path in ("some-bucket/key", "_lab/journal"):
        with socket.create_connection((host, int(port))) as client:
            head = f"PUT /{path} HTTP/1.1\r\nHost: {cloud.netloc}\r\nContent-Length: 100000\r\n\r\n"
            client.sendall(head.encode() + b"x" * 1000)
    for _ in range(20):
        cloud.client("sts").get_caller_identity()
    assert not cloud.journal(last, "failure")


def test_region_has_to_be_one_of_awss(cloud: Cloud) -> None:
    """Another one is a mistake in the caller's settings."""
    with pytest.raises(ClientError, match="valid region"):
        cloud.client("sqs", region_name="mars-1").list_queues()


def test_calls_are_in_the_journal(cloud: Cloud) -> None:
    """Each call is an entry with its service, its operation and its status."""
    before = cloud.journal()[-1]["seq"]
    error_of(cloud.client("dynamodb").describe_table, TableName="no-such-table")
    entry = next(e for e in cloud.journal(before, "api.call") if e["detail"]["service"] == "dynamodb")
    assert (entry["detail"]["call"], entry["detail"]["status"]) == ("DescribeTable", 400)


def test_sign_up_needs_no_signature(cloud: Cloud) -> None:
    """Whoever signs up or logs in has no keys yet; the pool's public keys are open as well."""
    from botocore import UNSIGNED
    from botocore.config import Config

    cognito = cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
    app = cognito.create_user_pool_client(UserPoolId=pool, ClientName="app")["UserPoolClient"]["ClientId"]
    anybody = cloud.client("cognito-idp", config=Config(signature_version=UNSIGNED))
    assert anybody.sign_up(ClientId=app, Username="eve", Password="Pass-word-1")["UserSub"]
    assert (
        code_of(error_of(anybody.list_user_pools, MaxResults=1))[0] == "MissingAuthenticationTokenException"
    )
    status, _, body = cloud.ask("GET", f"/{pool}/.well-known/jwks.json")
    assert status == 200 and json.loads(body)["keys"]


def test_body_that_is_no_json_is_named(cloud: Cloud) -> None:
    """As AWS does, before the service looks at it."""
    body = b'{"TableName": '
    headers = cloud.signed_headers("POST", "/", "dynamodb", body)
    headers |= {
        "X-Amz-Target": "DynamoDB_20120810.DescribeTable",
        "Content-Type": "application/x-amz-json-1.0",
    }
    status, _, answer = cloud.ask("POST", "/", body, headers)
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")
