"""IAM at the front door of a real cloud: roles and users may do what their policies allow, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud, wait_for
from tests.deployment_packages import make_zip

ACCOUNT = "123456789012"
REGION = "us-east-1"
CODE = {
    "index.py": """
import json, boto3
from botocore.config import Config
from botocore.exceptions import ClientError

def handler(event, context):
    print("called")
    client = boto3.client(event["service"], config=Config(retries={"total_max_attempts": 1}))
    try:
        answer = getattr(client, event["call"])(**event.get("with", {}))
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": error.response["Error"].get("Message", "")}
    return {"arn": answer.get("Arn", ""), "status": answer["ResponseMetadata"]["HTTPStatusCode"]}
"""
}


def document(action: Any, resource: Any = "*", effect: str = "Allow", **more: Any) -> str:
    """A policy of one statement."""
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Strict:
    """A cloud with IAM, and short ways to users, roles and functions of it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.client = cloud.client
        self.iam = cloud.client("iam")
        self._users: dict[str, dict[str, str]] = {}

    def user(self, name: str, *policies: str, **more: Any) -> Callable[[str], Any]:
        """Make a user with inline policies; what makes clients with their keys."""
        self.iam.create_user(UserName=name, **more)
        for number, policy in enumerate(policies):
            self.iam.put_user_policy(UserName=name, PolicyName=str(number), PolicyDocument=policy)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        keys = {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }
        return lambda service: self.client(service, **keys)

    def role(self, name: str, *policies: str, trusts: Any = None) -> str:
        """Make a role, for functions if it trusts nobody else; its ARN."""
        trusts = trusts or {"Service": "lambda.amazonaws.com"}
        trust = {"Effect": "Allow", "Principal": trusts, "Action": "sts:AssumeRole"}
        trust_document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn: str = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_document)["Role"]["Arn"]
        for number, policy in enumerate(policies):
            self.iam.put_role_policy(RoleName=name, PolicyName=str(number), PolicyDocument=policy)
        return arn

    def assume(self, role: str, **more: Any) -> Callable[[str], Any]:
        """Take on a role; what makes clients with its keys."""
        made = self.client("sts").assume_role(RoleArn=role, RoleSessionName="session", **more)["Credentials"]
        keys = {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }
        return lambda service: self.client(service, **keys)

    def function(self, name: str, role: str, **more: Any) -> Any:
        """Make a function that does what its event says; its ARN."""
        made = self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="index.handler",
            Role=role,
            Code={"ZipFile": make_zip(CODE)},
            Timeout=20,
            **more,
        )
        return made["FunctionArn"]

    def call(self, name: str, service: str, call: str, **parameters: Any) -> dict[str, Any]:
        """Have a function call a service; what it returned."""
        event = {"service": service, "call": call, "with": parameters}
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found


@pytest.fixture(scope="module")
def strict() -> Iterator[Strict]:
    """One cloud with IAM for all tests here: each uses names of its own."""
    running = Cloud("--iam")
    made = Strict(running)
    made.client("s3").create_bucket(Bucket="things")
    made.client("s3").put_object(Bucket="things", Key="home/a.txt", Body=b"a")
    yield made
    stderr = running.end()
    assert running.process.returncode == 0, stderr


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[int, str, str]:
    """Status, code and message of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def because(who: str, action: str, resource: str, shown: str = "") -> str:
    """AWS's message for want of an allow."""
    return (
        f"User: {who} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


CALLS: tuple[tuple[str, str, dict[str, Any], int, str, str, str], ...] = (
    (
        "s3",
        "get_object",
        {"Bucket": "things", "Key": "x"},
        403,
        "AccessDenied",
        "s3:GetObject",
        '"arn:aws:s3:::things/x"',
    ),
    (
        "s3",
        "list_objects_v2",
        {"Bucket": "things"},
        403,
        "AccessDenied",
        "s3:ListBucket",
        '"arn:aws:s3:::things"',
    ),
    (
        "sqs",
        "create_queue",
        {"QueueName": "q"},
        403,
        "AccessDenied",
        "sqs:createqueue",
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:q",
    ),
    (
        "sns",
        "create_topic",
        {"Name": "t"},
        403,
        "AuthorizationError",
        "SNS:CreateTopic",
        f"arn:aws:sns:{REGION}:{ACCOUNT}:t",
    ),
    (
        "dynamodb",
        "scan",
        {"TableName": "t"},
        400,
        "AccessDeniedException",
        "dynamodb:Scan",
        f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t",
    ),
    (
        "kinesis",
        "describe_stream",
        {"StreamName": "s"},
        400,
        "AccessDeniedException",
        "kinesis:DescribeStream",
        f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s",
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": "f"},
        403,
        "AccessDeniedException",
        "lambda:InvokeFunction",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f",
    ),
    (
        "logs",
        "create_log_group",
        {"logGroupName": "/g"},
        400,
        "AccessDeniedException",
        "logs:CreateLogGroup",
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/g:log-stream:",
    ),
    (
        "events",
        "put_rule",
        {"Name": "r", "EventPattern": "{}"},
        400,
        "AccessDeniedException",
        "events:PutRule",
        f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r",
    ),
    (
        "ssm",
        "get_parameter",
        {"Name": "/p"},
        400,
        "AccessDeniedException",
        "ssm:GetParameter",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/p",
    ),
    (
        "rds",
        "describe_db_instances",
        {},
        403,
        "AccessDenied",
        "rds:DescribeDBInstances",
        f"arn:aws:rds:{REGION}:{ACCOUNT}:db:*",
    ),
    (
        "iam",
        "get_role",
        {"RoleName": "lab-function-role"},
        403,
        "AccessDenied",
        "iam:GetRole",
        "role lab-function-role",
    ),
    (
        "apigateway",
        "get_rest_apis",
        {},
        403,
        "AccessDeniedException",
        "apigateway:GET",
        f"arn:aws:apigateway:{REGION}::/restapis",
    ),
)


@pytest.fixture(scope="module")
def nobody(strict: Strict) -> Callable[[str], Any]:
    """Clients of a user without any policy."""
    return strict.user("nobody")


@pytest.mark.parametrize("case", CALLS, ids=lambda case: case[0] + "." + case[1])
def test_refusal_reads_as_each_service_words_it(nobody: Callable[[str], Any], case: Any) -> None:
    """Status, code, spelling of the action and naming of the resource are the service's own."""
    service, call, parameters, status, code, action, resource = case
    who = f"arn:aws:iam::{ACCOUNT}:user/nobody"
    expected = (status, code, because(who, action, resource))
    assert refused(getattr(nobody(service), call), **parameters) == expected


def test_refusal_is_in_the_journal(strict: Strict, nobody: Callable[[str], Any]) -> None:
    """`iam.denied` names who, what, on what and why, and the next step."""
    refused(nobody("sqs").create_queue, QueueName="told")
    entry = strict.cloud.journal(kind="iam.denied")[-1]
    assert entry["resource"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:told"
    assert entry["request_id"]
    detail = entry["detail"]
    assert (detail["action"], detail["principal"]) == (
        "sqs:CreateQueue",
        f"arn:aws:iam::{ACCOUNT}:user/nobody",
    )
    assert detail["why"] == "because no identity-based policy allows the sqs:CreateQueue action"
    assert "the user nobody" in detail["next_step"]


def test_everybody_may_ask_who_they_are(nobody: Callable[[str], Any]) -> None:
    """GetCallerIdentity needs no policy."""
    assert nobody("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/nobody"


def test_learner_may_do_everything(strict: Strict) -> None:
    """The lab's own keys need no policy."""
    strict.client("sqs").create_queue(QueueName="learners")


def test_policies_of_users_groups_and_aws_count_at_once(strict: Strict) -> None:
    """Inline, of a group, managed by AWS and by the account: given or taken away, the next call obeys."""
    ann = strict.user("ann", document("s3:GetObject", "arn:aws:s3:::things/home/*"))
    s3, iam = ann("s3"), strict.iam
    assert s3.get_object(Bucket="things", Key="home/a.txt")["Body"].read() == b"a"
    refused(s3.list_objects_v2, Bucket="things")
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    assert s3.list_objects_v2(Bucket="things")["KeyCount"] >= 1
    refused(s3.put_object, Bucket="things", Key="home/b.txt")
    own = iam.create_policy(PolicyName="writers", PolicyDocument=document("s3:PutObject"))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="ann", PolicyArn=own)
    s3.put_object(Bucket="things", Key="home/b.txt")
    iam.create_policy_version(
        PolicyArn=own, PolicyDocument=document("s3:PutObject", "arn:aws:s3:::other/*"), SetAsDefault=True
    )
    refused(s3.put_object, Bucket="things", Key="home/b.txt")
    iam.remove_user_from_group(GroupName="readers", UserName="ann")
    refused(s3.list_objects_v2, Bucket="things")


def test_explicit_deny_wins(strict: Strict) -> None:
    """A statement that denies is stronger than any allow, and the message says so."""
    bea = strict.user("bea", document("*"), document("s3:Delete*", effect="Deny"))
    bea("s3").get_object(Bucket="things", Key="home/a.txt")
    _, _, message = refused(bea("s3").delete_object, Bucket="things", Key="home/a.txt")
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/bea is not authorized to perform: s3:DeleteObject on resource: "
        '"arn:aws:s3:::things/home/a.txt" with an explicit deny in an identity-based policy'
    )


def test_permissions_boundary_bounds(strict: Strict) -> None:
    """What the boundary does not allow is refused, whatever the policies say; users have one, too."""
    cid = strict.user("cid", document("*"))
    bound = strict.iam.create_policy(PolicyName="bound", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    strict.iam.put_user_permissions_boundary(UserName="cid", PermissionsBoundary=bound)
    cid("s3").get_object(Bucket="things", Key="home/a.txt")
    assert (
        "because no permissions boundary allows the sqs:listqueues action"
        in refused(cid("sqs").list_queues)[2]
    )
    strict.iam.delete_user_permissions_boundary(UserName="cid")
    cid("sqs").list_queues()


def test_conditions_and_variables(strict: Strict) -> None:
    """A home folder by the user's own name, a listing by prefix, an address and a time."""
    dan = strict.user(
        "home",
        document("s3:GetObject", "arn:aws:s3:::things/${aws:username}/*"),
        document("s3:ListBucket", Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}}),
        document("sqs:ListQueues", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}),
        document(
            "sns:ListTopics", Condition={"DateGreaterThan": {"aws:CurrentTime": "2099-01-01T00:00:00Z"}}
        ),
    )
    s3 = dan("s3")
    s3.get_object(Bucket="things", Key="home/a.txt")
    s3.list_objects_v2(Bucket="things", Prefix="home/x")
    refused(s3.list_objects_v2, Bucket="things", Prefix="other/")
    refused(s3.list_objects_v2, Bucket="things")
    dan("sqs").list_queues()
    refused(dan("sns").list_topics)


def test_leading_keys_bound_a_table(strict: Strict) -> None:
    """dynamodb:LeadingKeys lets a user at their own items only."""
    dynamodb = strict.client("dynamodb")
    dynamodb.create_table(
        TableName="scores",
        KeySchema=[{"AttributeName": "who", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "who", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:username}"]}}
    eva = strict.user("eva", document("dynamodb:*Item", Condition=own))("dynamodb")
    eva.put_item(TableName="scores", Item={"who": {"S": "eva"}})
    refused(eva.put_item, TableName="scores", Item={"who": {"S": "fay"}})
    refused(eva.get_item, TableName="scores", Key={"who": {"S": "fay"}})


def test_resource_policies_add_to_a_users_own(strict: Strict) -> None:
    """The policy of a bucket or a queue lets a user in, or keeps one out; whole accounts it only lets decide."""
    fay = strict.user("fay", document("s3:GetObject"))
    arn = f"arn:aws:iam::{ACCOUNT}:user/fay"
    s3, sqs = strict.client("s3"), strict.client("sqs")
    s3.create_bucket(Bucket="guarded")
    s3.put_object(Bucket="guarded", Key="k", Body=b"k")
    policy = json.loads(document("s3:GetObject", "arn:aws:s3:::guarded/*", "Deny", Principal={"AWS": arn}))
    s3.put_bucket_policy(Bucket="guarded", Policy=json.dumps(policy))
    assert (
        "with an explicit deny in a resource-based policy"
        in refused(fay("s3").get_object, Bucket="guarded", Key="k")[2]
    )
    s3.delete_bucket_policy(Bucket="guarded")
    fay("s3").get_object(Bucket="guarded", Key="k")
    url = sqs.create_queue(QueueName="fays")["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:fays"
    for principal, allowed in ((ACCOUNT, False), (arn, True), ("*", True)):
        policy = document("sqs:SendMessage", queue, Principal={"AWS": principal})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        if allowed:
            fay("sqs").send_message(QueueUrl=url, MessageBody="m")
        else:
            refused(fay("sqs").send_message, QueueUrl=url, MessageBody="m")


def test_missing_object_is_shown_only_to_who_may_list(strict: Strict) -> None:
    """AWS: without s3:ListBucket a missing key is a 403, not a 404, because it is nobody's business."""
    gus = strict.user("gus", document("s3:GetObject", "arn:aws:s3:::things/*"))("s3")
    status, code, message = refused(gus.get_object, Bucket="things", Key="none")
    assert (status, code) == (403, "AccessDenied")
    assert 's3:ListBucket on resource: "arn:aws:s3:::things"' in message
    assert refused(gus.head_object, Bucket="things", Key="none")[0] == 403
    strict.iam.put_user_policy(UserName="gus", PolicyName="list", PolicyDocument=document("s3:ListBucket"))
    assert refused(gus.get_object, Bucket="things", Key="none")[1] == "NoSuchKey"


def test_deleting_many_tells_of_each(strict: Strict) -> None:
    """DeleteObjects deletes what may be deleted, and lists the others as errors."""
    s3 = strict.client("s3")
    for key in ("mine/1", "yours/1"):
        s3.put_object(Bucket="things", Key=key)
    hal = strict.user("hal", document("s3:DeleteObject", "arn:aws:s3:::things/mine/*"))("s3")
    answer = hal.delete_objects(Bucket="things", Delete={"Objects": [{"Key": "mine/1"}, {"Key": "yours/1"}]})
    assert [each["Key"] for each in answer["Deleted"]] == ["mine/1"]
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [("yours/1", "AccessDenied")]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="things", Prefix="yours/")["Contents"]] == [
        "yours/1"
    ]
    answer = hal.delete_objects(Bucket="things", Delete={"Objects": [{"Key": "yours/1"}]})
    assert "Deleted" not in answer
    assert len(answer["Errors"]) == 1


def test_copy_needs_both_ends(strict: Strict) -> None:
    """CopyObject reads one object and writes another."""
    ida = strict.user("ida", document("s3:PutObject"))("s3")
    copy = {"Bucket": "things", "Key": "copy", "CopySource": "things/home/a.txt"}
    assert "s3:GetObject" in refused(ida.copy_object, **copy)[2]
    strict.iam.put_user_policy(UserName="ida", PolicyName="read", PolicyDocument=document("s3:GetObject"))
    ida.copy_object(**copy)


def test_trust_policy_decides_who_takes_on_a_role(strict: Strict) -> None:
    """The role must trust the caller; one that trusts the account leaves it to the caller's own policies."""
    jon = strict.user("jon")
    arn = f"arn:aws:iam::{ACCOUNT}:user/jon"
    trusting = strict.role("trusting", trusts={"AWS": arn})
    account = strict.role("account", trusts={"AWS": ACCOUNT})
    nobody = strict.role("for-functions")
    parameters = {"RoleSessionName": "session"}
    jon("sts").assume_role(RoleArn=trusting, **parameters)
    told = f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: "
    assert refused(jon("sts").assume_role, RoleArn=nobody, **parameters) == (
        403,
        "AccessDenied",
        told + nobody,
    )
    assert refused(jon("sts").assume_role, RoleArn=account, **parameters)[2].startswith(told + account)
    strict.iam.put_user_policy(
        UserName="jon", PolicyName="p", PolicyDocument=document("sts:AssumeRole", account)
    )
    jon("sts").assume_role(RoleArn=account, **parameters)
    # Also the learner's own keys: no administrator takes on what trusts only Lambda.
    assert refused(strict.client("sts").assume_role, RoleArn=nobody, **parameters)[0] == 403


def test_session_policy_narrows_a_role(strict: Strict) -> None:
    """A session may do what its role and the policy of AssumeRole both allow."""
    role = strict.role("wide", document("s3:*"), trusts={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    strict.iam.update_assume_role_policy(
        RoleName="wide",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/learner"},
                    "Action": "sts:AssumeRole",
                },
            }
        ),
    )
    strict.assume(role)("s3").list_objects_v2(Bucket="things")
    narrow = strict.assume(role, Policy=document("s3:GetObject"))("s3")
    narrow.get_object(Bucket="things", Key="home/a.txt")
    assert (
        "because no session policy allows the s3:ListBucket action"
        in refused(narrow.list_objects_v2, Bucket="things")[2]
    )


def test_federated_user_has_what_it_was_given(strict: Strict) -> None:
    """GetFederationToken's keys may do what its policy says; without one nothing."""
    made = strict.client("sts").get_federation_token(Name="guest", Policy=document("sqs:ListQueues"))[
        "Credentials"
    ]
    keys = {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }
    strict.client("sqs", **keys).list_queues()
    assert "no session policy allows" in refused(strict.client("sns", **keys).list_topics)[2]


def test_handing_on_a_role_takes_pass_role(strict: Strict) -> None:
    """CreateFunction needs iam:PassRole on the role, perhaps for Lambda only."""
    role = strict.role("passed")
    create = {
        "FunctionName": "made",
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": role,
        "Code": {"ZipFile": make_zip()},
    }
    kim = strict.user("kim", document("lambda:CreateFunction"))("lambda")
    who = f"arn:aws:iam::{ACCOUNT}:user/kim"
    assert refused(kim.create_function, **create) == (
        403,
        "AccessDeniedException",
        because(who, "iam:PassRole", role),
    )
    to = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    strict.iam.put_user_policy(
        UserName="kim", PolicyName="pass", PolicyDocument=document("iam:PassRole", role, Condition=to)
    )
    kim.create_function(**create)


def test_function_may_what_its_role_allows(strict: Strict) -> None:
    """A function's calls are a session of its role, named after the function; given back, the call works."""
    role = strict.role("worker")
    strict.function("works", role)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/works"
    assert strict.call("works", "sts", "get_caller_identity")["arn"] == session
    get = {"Bucket": "things", "Key": "home/a.txt"}
    expected = because(session, "s3:GetObject", '"arn:aws:s3:::things/home/a.txt"')
    assert strict.call("works", "s3", "get_object", **get) == {"code": "AccessDenied", "message": expected}
    strict.iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=document("s3:GetObject"))
    assert strict.call("works", "s3", "get_object", **get)["status"] == 200
    only = {"ArnEquals": {"lambda:SourceFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other"}}
    strict.iam.put_role_policy(
        RoleName="worker", PolicyName="p", PolicyDocument=document("s3:GetObject", Condition=only)
    )
    assert strict.call("works", "s3", "get_object", **get)["code"] == "AccessDenied"


def test_logs_need_the_role(strict: Strict) -> None:
    """Without permission to write logs the function runs and leaves none; AWS's own policy for it is enough."""
    role = strict.role("silent")
    strict.function("quiet", role)
    logs = strict.client("logs")
    strict.call("quiet", "sts", "get_caller_identity")
    denied = wait_for(
        lambda: [
            e for e in strict.cloud.journal(kind="iam.denied") if "awslambda" in e["detail"]["principal"]
        ]
    )
    assert denied[-1]["detail"]["action"] == "logs:CreateLogGroup"
    assert not logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/quiet")["logGroups"]
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    strict.iam.attach_role_policy(RoleName="silent", PolicyArn=basic)
    strict.call("quiet", "sts", "get_caller_identity")
    wait_for(
        lambda: logs.filter_log_events(logGroupName="/aws/lambda/quiet", filterPattern="called")["events"]
    )


def test_first_role_may_write_logs_only(strict: Strict) -> None:
    """The role that is there from the start has AWSLambdaBasicExecutionRole and no more."""
    strict.function("first", f"arn:aws:iam::{ACCOUNT}:role/lab-function-role")
    assert strict.call("first", "s3", "list_buckets")["code"] == "AccessDenied"
    wait_for(
        lambda: strict.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/first")["logGroups"]
    )


def test_queue_is_read_only_with_the_roles_permission(strict: Strict) -> None:
    """A mapping is refused without it; taken away later, nothing is read until it is given back."""
    sqs, functions = strict.client("sqs"), strict.client("lambda")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    role = strict.role("reader")
    strict.function("reads", role)
    mapping = {"EventSourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs", "FunctionName": "reads"}
    assert refused(functions.create_event_source_mapping, **mapping) == (
        400,
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call ReceiveMessage on SQS",
    )
    managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
    strict.iam.attach_role_policy(RoleName="reader", PolicyArn=managed)
    uuid = functions.create_event_source_mapping(**mapping)["UUID"]
    sqs.send_message(QueueUrl=url, MessageBody="1")

    def calls() -> int:
        return sum(
            entry["resource"].startswith(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:reads")
            for entry in strict.cloud.journal(kind="invoke.ended")
        )

    wait_for(lambda: calls() >= 1, "the first message")
    strict.iam.detach_role_policy(RoleName="reader", PolicyArn=managed)
    wait_for(
        lambda: "Access denied" in functions.get_event_source_mapping(UUID=uuid)["LastProcessingResult"],
        "the poller to notice",
    )
    before = calls()
    sqs.send_message(QueueUrl=url, MessageBody="2")
    assert calls() == before
    strict.iam.attach_role_policy(RoleName="reader", PolicyArn=managed)
    wait_for(lambda: calls() > before, "the second message")
    functions.delete_event_source_mapping(UUID=uuid)


def test_destinations_need_the_roles_permission(strict: Strict) -> None:
    """Destinations and dead-letter queues are refused when they are set, and nothing is sent once it is taken away."""
    sqs, functions = strict.client("sqs"), strict.client("lambda")
    url = sqs.create_queue(QueueName="results")["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:results"
    told = "The provided execution role does not have permissions to call SendMessage on SQS"
    role = strict.role("sender")
    with pytest.raises(ClientError, match=told):
        strict.function("sends", role, DeadLetterConfig={"TargetArn": queue})
    strict.function("sends", role)
    config = {"FunctionName": "sends", "DestinationConfig": {"OnSuccess": {"Destination": queue}}}
    assert refused(functions.put_function_event_invoke_config, **config)[2] == told
    strict.iam.put_role_policy(
        RoleName="sender", PolicyName="p", PolicyDocument=document("sqs:SendMessage", queue)
    )
    functions.put_function_event_invoke_config(**config)
    event = json.dumps({"service": "sts", "call": "get_caller_identity"})
    functions.invoke(FunctionName="sends", InvocationType="Event", Payload=event)
    assert wait_for(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages"))
    strict.iam.delete_role_policy(RoleName="sender", PolicyName="p")
    seen = strict.cloud.journal()[-1]["seq"]
    functions.invoke(FunctionName="sends", InvocationType="Event", Payload=event)
    failures = wait_for(lambda: strict.cloud.journal(seen, "failure"), "the failure")
    assert "execution role may not send" in failures[0]["detail"]["message"]


def test_functions_policy_lets_roles_in(strict: Strict) -> None:
    """A caller without a policy of their own may invoke what names them in its resource policy, and only that."""
    strict.function("open", strict.role("opens"))
    functions = strict.client("lambda")
    lea = strict.user("lea")("lambda")
    functions.add_permission(
        FunctionName="open",
        StatementId="lea",
        Action="lambda:InvokeFunction",
        Principal=f"arn:aws:iam::{ACCOUNT}:user/lea",
    )
    event = json.dumps({"service": "sts", "call": "get_caller_identity"})
    assert lea.invoke(FunctionName="open", Payload=event)["StatusCode"] == 200
    refused(lea.get_function, FunctionName="open")
    functions.publish_version(FunctionName="open")
    refused(lea.invoke, FunctionName="open", Qualifier="1", Payload=event)
    functions.remove_permission(FunctionName="open", StatementId="lea")
    refused(lea.invoke, FunctionName="open", Payload=event)


def test_keys_and_secrets_are_found_by_their_names(strict: Strict) -> None:
    """A policy on the ARN of a secret or a key counts for calls that use its name or alias."""
    secrets, kms = strict.client("secretsmanager"), strict.client("kms")
    arn = secrets.create_secret(Name="db", SecretString="s")["ARN"]
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/lab", TargetKeyId=key)
    max_ = strict.user("max", document("secretsmanager:GetSecretValue", arn), document("kms:Encrypt", key))
    assert max_("secretsmanager").get_secret_value(SecretId="db")["SecretString"] == "s"
    max_("kms").encrypt(KeyId="alias/lab", Plaintext=b"x")
    assert key in refused(max_("kms").describe_key, KeyId="alias/lab")[2]


def test_simulator_answers_as_the_policies_do(strict: Strict) -> None:
    """SimulatePrincipalPolicy and SimulateCustomPolicy decide with the same engine."""
    strict.user(
        "ned",
        document("s3:GetObject", "arn:aws:s3:::a/*"),
        document("s3:GetObject", "arn:aws:s3:::a/secret", "Deny"),
    )
    found = strict.iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/ned",
        ActionNames=["s3:GetObject"],
        ResourceArns=["arn:aws:s3:::a/b", "arn:aws:s3:::a/secret", "arn:aws:s3:::b/b"],
    )["EvaluationResults"]
    assert [each["EvalDecision"] for each in found] == ["allowed", "explicitDeny", "implicitDeny"]
    found = strict.iam.simulate_custom_policy(
        PolicyInputList=[document("sqs:*", Condition={"StringEquals": {"aws:username": "x"}})],
        ActionNames=["sqs:SendMessage"],
        ContextEntries=[
            {"ContextKeyName": "aws:UserName", "ContextKeyType": "string", "ContextKeyValues": ["x"]}
        ],
    )["EvaluationResults"]
    assert [each["EvalDecision"] for each in found] == ["allowed"]
    with pytest.raises(ClientError, match="cannot be found"):
        strict.iam.simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/none", ActionNames=["s3:GetObject"]
        )


def test_policy_with_an_unknown_operator_is_refused(strict: Strict) -> None:
    """A condition that IAM does not know is told when the policy is put, not when it fails to hold."""
    bad = document("s3:*", Condition={"StringSimilar": {"aws:username": "x"}})
    strict.iam.create_user(UserName="oda")
    assert (
        refused(strict.iam.put_user_policy, UserName="oda", PolicyName="p", PolicyDocument=bad)[1]
        == "MalformedPolicyDocument"
    )


def test_nothing_is_decided_without_iam(cloud: Cloud) -> None:
    """By default roles and users may do everything, as in a lab about other things."""
    iam = cloud.client("iam")
    iam.create_user(UserName="free")
    key = iam.create_access_key(UserName="free")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    cloud.client("sqs", **keys).list_queues()
    cloud.client("sqs", **keys).close()
