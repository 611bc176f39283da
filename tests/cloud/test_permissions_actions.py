"""What calls ask IAM for: the table of operations, and the resources that they name."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import botocore.session
import pytest
from multidict import CIMultiDict

from labhelpers.cloud import permissions_actions, permissions_s3
from labhelpers.cloud.permissions_asks import Ask
from labhelpers.cloud.protocol import AwsRequest, Form
from labhelpers.cloud.s3_operations import read_call
from labhelpers.cloud.services import SERVICES
from labhelpers.model import Account

ACCOUNT = Account()
START = "us-east-1:123456789012"
MODELS = botocore.session.Session()


def request(
    service: str,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> AwsRequest:
    """A request as a service gets it."""
    name = SERVICES[service].signing_name
    return AwsRequest(
        method, path, query, CIMultiDict(headers or {}), body, None, name, "us-east-1", "127.0.0.1", "id"
    )


def asks(service: str, operation: str, fields: Mapping[str, Any]) -> list[Ask]:
    """What an operation of a JSON or query service asks for."""
    known = SERVICES[service]
    if known.form is Form.JSON:
        target = {"X-Amz-Target": f"{known.targets}.{operation}"}
        made = request(service, body=json.dumps(fields).encode(), headers=target)
    else:
        made = request(service, body=urlencode({"Action": operation, **fields}).encode())
    return permissions_actions.asks(known, made, ACCOUNT)


def pairs(found: list[Ask]) -> list[tuple[str, str]]:
    """Actions and resources, the ARNs without what all of them begin with."""
    return [(ask.action, ask.resource.replace(START, "~").removeprefix("arn:aws:")) for ask in found]


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_operation_asks_for_something(service: str) -> None:
    """Each operation of AWS's model of each service on offer has an action of IAM's form, on an ARN or on all."""
    known = SERVICES[service]
    model = MODELS.get_service_model(service)
    for name in model.operation_names:
        operation = model.operation_model(name)
        http = operation.http
        uri, _, query = re.sub(r"\{(\w+)\+?\}", "xx", http.get("requestUri", "/")).partition("?")
        if known.form is Form.S3:
            shape = operation.input_shape
            needed = shape.required_members if shape else []
            members = [shape.members[each].serialization for each in needed]
            places = [place["name"] for place in members if place.get("location") == "querystring"]
            query = "&".join([*filter(None, [query]), *(f"{place}=1" for place in places)])
            call = read_call(http["method"], uri, query, {})
            found = permissions_s3.asks(call, request("s3", http["method"], uri, query))
            if name == "DeleteObjects":
                found = [Ask("s3:DeleteObject")]  # One for each key of its body, of which there is none here.
        elif known.form is Form.REST_JSON:
            found = permissions_actions.asks(known, request(service, http["method"], uri, query), ACCOUNT)
        else:
            found = asks(service, name, {})
        if service == "lambda" and not found:
            continue  # Not emulated: refused by name.
        if known.form in (Form.JSON, Form.QUERY) and not found:
            assert name.startswith(("Batch", "Transact", "Execute")), name
            continue
        for ask in found:
            assert re.fullmatch(r"[\w-]+:(\w+|\*)", ask.action), (name, ask)
            assert ask.resource == "*" or ask.resource.startswith(("arn:aws:", "xx")), (name, ask)


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        ("GET", "/b/k", {}, [("s3:GetObject", "s3:::b/k")]),
        ("HEAD", "/b/a%20b/c", {}, [("s3:GetObject", "s3:::b/a b/c")]),
        ("GET", "/b/k?versionId=1", {}, [("s3:GetObjectVersion", "s3:::b/k")]),
        ("DELETE", "/b/k?versionId=1", {}, [("s3:DeleteObjectVersion", "s3:::b/k")]),
        ("GET", "/b?list-type=2&prefix=x", {}, [("s3:ListBucket", "s3:::b")]),
        ("GET", "/b?versions", {}, [("s3:ListBucketVersions", "s3:::b")]),
        ("HEAD", "/b", {}, [("s3:ListBucket", "s3:::b")]),
        ("GET", "/", {}, [("s3:ListAllMyBuckets", "s3:::*")]),
        ("PUT", "/b", {}, [("s3:CreateBucket", "s3:::b")]),
        ("PUT", "/b/k?partNumber=1&uploadId=u", {}, [("s3:PutObject", "s3:::b/k")]),
        ("DELETE", "/b/k?uploadId=u", {}, [("s3:AbortMultipartUpload", "s3:::b/k")]),
        ("PUT", "/b?notification", {}, [("s3:PutBucketNotification", "s3:::b")]),
        ("DELETE", "/b?cors", {}, [("s3:PutBucketCORS", "s3:::b")]),
        ("GET", "/b/k?tagging", {}, [("s3:GetObjectTagging", "s3:::b/k")]),
        (
            "PUT",
            "/b/k",
            {"x-amz-copy-source": "/src/a%2Fb?versionId=2"},
            [("s3:GetObjectVersion", "s3:::src/a/b"), ("s3:PutObject", "s3:::b/k")],
        ),
        (
            "PUT",
            "/b/k",
            {"x-amz-tagging": "a=b"},
            [("s3:PutObject", "s3:::b/k"), ("s3:PutObjectTagging", "s3:::b/k")],
        ),
    ],
)
def test_s3_calls_ask_by_their_own_names(
    method: str, target: str, headers: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    """S3's actions are not its operations; a copy asks for both ends, a version for an action of its own."""
    path, _, query = target.partition("?")
    made = request("s3", method, path, query, headers=headers)
    call = read_call(method, path, query, made.headers)
    assert pairs(permissions_s3.asks(call, made)) == expected


def test_s3_condition_keys_are_read() -> None:
    """Policies may ask for the prefix of a listing, and for the ACL and the encryption of an upload."""
    made = request(
        "s3", "GET", "/b", "list-type=2&prefix=home%2F&max-keys=5", headers={"x-amz-acl": "private"}
    )
    context = permissions_s3.asks(read_call("GET", "/b", made.query, made.headers), made)[0].context
    assert context == {"s3:prefix": ["home/"], "s3:max-keys": ["5"], "s3:x-amz-acl": ["private"]}


DELETE = (
    b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>"
)


def test_deletion_of_many_asks_for_each() -> None:
    """DeleteObjects asks for every key, and can be carried out without some of them."""
    made = request("s3", "POST", "/bucket", "delete", DELETE)
    found = permissions_s3.asks(read_call("POST", "/bucket", "delete", {}), made)
    assert pairs(found) == [
        ("s3:DeleteObject", "s3:::bucket/a"),
        ("s3:DeleteObjectVersion", "s3:::bucket/b"),
    ]
    left = permissions_s3.without_objects(DELETE, frozenset({"a"}))
    assert permissions_s3.objects_to_delete(left) == [("b", "1")]


@pytest.mark.parametrize(
    ("service", "operation", "fields", "expected"),
    [
        ("sqs", "SendMessageBatch", {"QueueUrl": "http://h/1/q"}, [("sqs:SendMessage", "sqs:~:q")]),
        ("sqs", "CreateQueue", {"QueueName": "q"}, [("sqs:CreateQueue", "sqs:~:q")]),
        ("sns", "Publish", {"TopicArn": f"arn:aws:sns:{START}:t"}, [("SNS:Publish", "sns:~:t")]),
        (
            "sns",
            "Unsubscribe",
            {"SubscriptionArn": f"arn:aws:sns:{START}:t:id"},
            [("SNS:Unsubscribe", "sns:~:t")],
        ),
        ("dynamodb", "GetItem", {"TableName": "t"}, [("dynamodb:GetItem", "dynamodb:~:table/t")]),
        (
            "dynamodb",
            "Query",
            {"TableName": "t", "IndexName": "i"},
            [("dynamodb:Query", "dynamodb:~:table/t/index/i")],
        ),
        (
            "dynamodb",
            "BatchWriteItem",
            {"RequestItems": {"a": [], "b": []}},
            [
                ("dynamodb:BatchWriteItem", "dynamodb:~:table/a"),
                ("dynamodb:BatchWriteItem", "dynamodb:~:table/b"),
            ],
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}}]},
            [
                ("dynamodb:PutItem", "dynamodb:~:table/a"),
                ("dynamodb:ConditionCheckItem", "dynamodb:~:table/b"),
            ],
        ),
        (
            "dynamodb",
            "ExecuteStatement",
            {"Statement": 'SELECT * FROM "t"."i" WHERE a=1'},
            [("dynamodb:PartiQLSelect", "dynamodb:~:table/t/index/i")],
        ),
        (
            "dynamodb",
            "BatchExecuteStatement",
            {"Statements": [{"Statement": "update t set a=1"}, {"Statement": 'insert into "u" value {}'}]},
            [
                ("dynamodb:PartiQLUpdate", "dynamodb:~:table/t"),
                ("dynamodb:PartiQLInsert", "dynamodb:~:table/u"),
            ],
        ),
        ("kinesis", "PutRecord", {"StreamName": "s"}, [("kinesis:PutRecord", "kinesis:~:stream/s")]),
        ("kinesis", "ListStreams", {}, [("kinesis:ListStreams", "*")]),
        (
            "logs",
            "PutLogEvents",
            {"logGroupName": "/g", "logStreamName": "s"},
            [("logs:PutLogEvents", "logs:~:log-group:/g:log-stream:s")],
        ),
        ("logs", "DescribeLogGroups", {}, [("logs:DescribeLogGroups", "logs:~:log-group::log-stream:")]),
        (
            "events",
            "PutEvents",
            {"Entries": [{"Source": "a"}, {"EventBusName": "other"}]},
            [
                ("events:PutEvents", "events:~:event-bus/default"),
                ("events:PutEvents", "events:~:event-bus/other"),
            ],
        ),
        ("events", "PutRule", {"Name": "r", "EventBusName": "b"}, [("events:PutRule", "events:~:rule/b/r")]),
        ("events", "PutTargets", {"Rule": "r"}, [("events:PutTargets", "events:~:rule/r")]),
        (
            "ssm",
            "GetParameters",
            {"Names": ["/a/b", "c:2"]},
            [
                ("ssm:GetParameters", "ssm:~:parameter/a/b"),
                ("ssm:GetParameters", "ssm:~:parameter/c"),
            ],
        ),
        (
            "secretsmanager",
            "GetSecretValue",
            {"SecretId": "s"},
            [("secretsmanager:GetSecretValue", "secretsmanager:~:secret:s")],
        ),
        (
            "iam",
            "PutRolePolicy",
            {"RoleName": "r", "PolicyName": "p"},
            [("iam:PutRolePolicy", "iam::123456789012:role/r")],
        ),
        (
            "iam",
            "CreateRole",
            {"RoleName": "r", "Path": "/p/"},
            [("iam:CreateRole", "iam::123456789012:role/p/r")],
        ),
        (
            "sts",
            "AssumeRole",
            {"RoleArn": "arn:aws:iam::123456789012:role/r"},
            [("sts:AssumeRole", "iam::123456789012:role/r")],
        ),
        ("rds", "DescribeDBInstances", {}, [("rds:DescribeDBInstances", "rds:~:db:*")]),
    ],
)
def test_calls_name_their_resources(
    service: str, operation: str, fields: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Actions and ARNs are those of AWS's service authorization reference."""
    assert pairs(asks(service, operation, fields)) == expected


@pytest.mark.parametrize(
    ("method", "target", "body", "expected"),
    [
        ("POST", "/2015-03-31/functions/f/invocations", {}, ("lambda:InvokeFunction", "lambda:~:function:f")),
        (
            "POST",
            "/2015-03-31/functions/f/invocations?Qualifier=prod",
            {},
            ("lambda:InvokeFunction", "lambda:~:function:f:prod"),
        ),
        ("GET", "/2015-03-31/functions", {}, ("lambda:ListFunctions", "*")),
        (
            "POST",
            "/2015-03-31/functions",
            {"FunctionName": "g"},
            ("lambda:CreateFunction", "lambda:~:function:g"),
        ),
        ("PUT", "/2015-03-31/functions/f/code", {}, ("lambda:UpdateFunctionCode", "lambda:~:function:f")),
        (
            "POST",
            "/2015-03-31/event-source-mappings",
            {"FunctionName": "f"},
            ("lambda:CreateEventSourceMapping", "*"),
        ),
        (
            "DELETE",
            "/2015-03-31/event-source-mappings/u",
            {},
            ("lambda:DeleteEventSourceMapping", "lambda:~:event-source-mapping:u"),
        ),
        ("GET", "/2018-10-31/layers/l/versions/3", {}, ("lambda:GetLayerVersion", "lambda:~:layer:l:3")),
    ],
)
def test_lambda_calls_name_functions(
    method: str, target: str, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    """Functions are named by ARN, with the qualifier that the call has."""
    path, _, query = target.partition("?")
    made = request("lambda", method, path, query, json.dumps(body).encode())
    assert pairs(permissions_actions.asks(SERVICES["lambda"], made, ACCOUNT)) == [expected]


def test_api_gateway_asks_by_method_and_path() -> None:
    """API Gateway's control plane has the HTTP methods as actions."""
    made = request("apigateway", "PATCH", "/restapis/abc/stages/prod")
    found = permissions_actions.asks(SERVICES["apigateway"], made, ACCOUNT)
    assert pairs(found) == [("apigateway:PATCH", "apigateway:us-east-1::/restapis/abc/stages/prod")]


def test_schedules_belong_to_groups() -> None:
    """A schedule's ARN has its group."""
    made = request("scheduler", "POST", "/schedules/s", body=b'{"GroupName": "g"}')
    found = permissions_actions.asks(SERVICES["scheduler"], made, ACCOUNT)
    assert pairs(found) == [("scheduler:CreateSchedule", "scheduler:~:schedule/g/s")]
    made = request("scheduler", "DELETE", "/schedules/s", "groupName=h")
    found = permissions_actions.asks(SERVICES["scheduler"], made, ACCOUNT)
    assert pairs(found) == [("scheduler:DeleteSchedule", "scheduler:~:schedule/h/s")]


ROLE = "arn:aws:iam::123456789012:role/r"


@pytest.mark.parametrize(
    ("service", "fields", "to"),
    [
        ("lambda", {"Role": ROLE}, "lambda.amazonaws.com"),
        ("events", {"Targets": [{"Id": "1"}, {"RoleArn": ROLE}]}, "events.amazonaws.com"),
        ("scheduler", {"Target": {"RoleArn": ROLE}}, "scheduler.amazonaws.com"),
        ("apigateway", {"credentials": ROLE}, "apigateway.amazonaws.com"),
    ],
)
def test_handing_on_a_role_is_found(service: str, fields: dict[str, Any], to: str) -> None:
    """Whoever gives a role to a service needs iam:PassRole."""
    assert permissions_actions.passed_roles(service, fields) == [(ROLE, to)]
    assert permissions_actions.passed_roles("sqs", fields) == []
