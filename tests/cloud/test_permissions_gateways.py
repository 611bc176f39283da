"""With IAM on, gateways ask the policies of whoever signs: REST, HTTP, WebSocket, @connections and function URLs."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.conftest import Cloud, wait_for
from tests.gateway.http_api.gateway import Gateway
from tests.gateway.rest.gateway import RestGateway
from tests.gateway.websocket.websocket_lab import SEEING, make_api

ACCOUNT = "123456789012"
ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"


class Caller:
    """A user `ann` of a cloud with IAM, whose one policy the tests set."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._iam = cloud.client("iam")
        self._iam.create_user(UserName="ann")
        key = self._iam.create_access_key(UserName="ann")["AccessKey"]
        self.keys = Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def may(self, action: str, resource: str, effect: str = "Allow") -> None:
        """Her policy from now on."""
        statement = {"Effect": effect, "Action": action, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document)

    def may_nothing(self) -> None:
        """No policy from now on."""
        for name in self._iam.list_user_policies(UserName="ann")["PolicyNames"]:
            self._iam.delete_user_policy(UserName="ann", PolicyName=name)

    def signed(self, url: str, service: str = "execute-api") -> dict[str, str]:
        """Headers of a GET that she signs."""
        request = AWSRequest("GET", url, {}, b"")
        SigV4Auth(self.keys, service, "us-east-1").add_auth(request)
        return {name: value for name, value in request.headers.items() if name.lower() != "host"}

    def get(self, url: str, service: str = "execute-api") -> tuple[int, Any]:
        """Status and JSON body of a GET that she signs."""
        host, _, path = url.partition("//")[2].partition("/")
        headers = self.signed(url, service)
        with contextlib.closing(http.client.HTTPConnection(host, timeout=15)) as connection:
            connection.request("GET", f"/{path}", None, headers)
            answer = connection.getresponse()
            body = answer.read()
        is_json = body[:1] in (b"{", b"[")
        return answer.status, json.loads(body) if is_json else body.decode()


@pytest.fixture(scope="module")
def strict() -> Iterator[Cloud]:
    """One cloud with IAM."""
    running = Cloud("--iam")
    yield running
    stderr = running.end()
    assert running.process.returncode == 0, stderr


@pytest.fixture(scope="module")
def the_user(strict: Cloud) -> Caller:
    """The user, made once."""
    return Caller(strict)


@pytest.fixture
def ann(the_user: Caller) -> Caller:
    """The user without a policy."""
    the_user.may_nothing()
    return the_user


def test_method_of_a_rest_api_asks_the_callers_policies(strict: Cloud, ann: Caller) -> None:
    """execute-api:Invoke on the method's ARN; AWS's message hides most of the account."""
    api = RestGateway(strict).rest_api()
    api.mock("/pets", method_settings={"authorizationType": "AWS_IAM"})
    api.deploy()
    url = f"{strict.endpoint_url}{api.target('/pets')}"
    arn = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api.id}/prod/GET/pets"
    told = f"User: {ANN} is not authorized to perform: execute-api:Invoke on resource: "
    shown = arn.replace(ACCOUNT, "********9012")
    why = "because no identity-based policy allows the execute-api:Invoke action"
    assert ann.get(url) == (403, {"Message": f"{told}{shown} {why}"})
    ann.may("execute-api:Invoke", f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api.id}/prod/GET/*")
    assert ann.get(url)[0] == 200
    ann.may("execute-api:Invoke", arn, "Deny")
    assert ann.get(url)[1]["Message"].endswith("with an explicit deny in an identity-based policy")
    denied = strict.journal(kind="iam.denied")[-1]
    assert (denied["resource"], denied["detail"]["principal"]) == (arn, ANN)


@pytest.mark.parametrize(("principal", "status"), [(ANN, 200), (ACCOUNT, 403), ("*", 200)])
def test_policy_of_a_rest_api_may_let_the_caller_in(
    strict: Cloud, ann: Caller, principal: str, status: int
) -> None:
    """Naming the user is enough, naming the account leaves it to the user's own policies."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    api = RestGateway(strict).rest_api(policy=document)
    api.mock("/", method_settings={"authorizationType": "AWS_IAM"})
    api.deploy()
    assert ann.get(f"{strict.endpoint_url}{api.target('/')}")[0] == status


def test_route_of_an_http_api_asks_the_callers_policies(strict: Cloud, ann: Caller) -> None:
    """The answer is a bare Forbidden, the reason is in the access log's variables only."""
    api = Gateway(strict).api()
    integration = api.lambda_integration(api.gateway.function())
    api.route("GET /pets/{id}", integration, AuthorizationType="AWS_IAM")
    api.stage()
    url = f"{api.endpoint}/pets/7"
    assert ann.get(url) == (403, {"message": "Forbidden"})
    ann.may("execute-api:Invoke", f"arn:aws:execute-api:*:*:{api.id}/$default/GET/pets/7")
    assert ann.get(url)[0] == 200


def test_connection_and_pushes_ask_the_callers_policies(strict: Cloud, ann: Caller) -> None:
    """Connecting takes execute-api:Invoke on `$connect`, pushing execute-api:ManageConnections."""
    gateway = Gateway(strict)
    api = make_api(gateway)
    api.route("$connect", api.integration(uri=gateway.function(SEEING)), AuthorizationType="AWS_IAM")
    api.stage()

    def options() -> dict[str, Any]:
        headers = ann.signed(api.management_url)
        return {"url": api.url, "header": headers, "suppress_origin": True}

    status, body = api.refusal(**options())
    shown = f"arn:aws:execute-api:us-east-1:********9012:{api.id}/dev/$connect"
    assert (status, f"execute-api:Invoke on resource: {shown}" in body["message"]) == (403, True)
    ann.may("execute-api:Invoke", "*")
    connection = api.connect(**options())
    keys = {"aws_access_key_id": ann.keys.access_key, "aws_secret_access_key": ann.keys.secret_key}
    management = boto3.client(
        "apigatewaymanagementapi", endpoint_url=api.management_url, region_name="us-east-1", **keys
    )
    its_id = api.connection_id()
    with pytest.raises(ClientError) as caught:
        management.post_to_connection(ConnectionId=its_id, Data=b"x")
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert "/dev/POST/@connections/{connectionId} because" in error["Message"]
    ann.may("execute-api:ManageConnections", "arn:aws:execute-api:*:*:*/dev/POST/@connections/*")
    management.post_to_connection(ConnectionId=its_id, Data=b"x")
    management.close()
    assert connection.recv() in ("x", b"x")
    connection.close()


def test_function_url_asks_the_callers_policies(strict: Cloud, ann: Caller) -> None:
    """lambda:InvokeFunctionUrl on the function, in her policies or in the function's."""
    functions = strict.client("lambda")
    arn = Gateway(strict).returning("hello", allow=False)
    url = functions.create_function_url_config(FunctionName=arn, AuthType="AWS_IAM")["FunctionUrl"]
    assert ann.get(url, "lambda")[0] == 403
    ann.may("lambda:InvokeFunctionUrl", arn)
    assert ann.get(url, "lambda")[0] == 200
    ann.may_nothing()
    functions.add_permission(
        FunctionName=arn,
        StatementId="ann",
        Action="lambda:InvokeFunctionUrl",
        Principal=ANN,
        FunctionUrlAuthType="AWS_IAM",
    )
    assert ann.get(url, "lambda")[0] == 200


def test_integration_with_a_service_acts_as_its_role(strict: Cloud) -> None:
    """An AWS integration's role decides what API Gateway may do with the service behind it."""
    iam, sqs = strict.client("iam"), strict.client("sqs")
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
    sqs.create_queue(QueueName="orders")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(
        RoleName="puts-orders",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    api = RestGateway(strict).rest_api()
    api.method("/")
    api.integrate(
        "/",
        type="AWS",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:us-east-1:sqs:path/{ACCOUNT}/orders",
        credentials=role,
        requestParameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
        requestTemplates={"application/json": "Action=SendMessage&MessageBody=hello"},
    )
    api.client.put_method_response(**api.place("/"), statusCode="200")
    api.client.put_integration_response(**api.place("/"), statusCode="200")
    api.deploy()
    assert "is not authorized to perform: sqs:sendmessage" in api.ask("/").body.decode()
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}
    iam.put_role_policy(
        RoleName="puts-orders",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    assert "MessageId" in api.ask("/").body.decode()


def test_schedule_acts_as_its_role(strict: Cloud) -> None:
    """EventBridge Scheduler sends only where the schedule's role may."""
    iam, sqs = strict.client("iam"), strict.client("sqs")
    url = sqs.create_queue(QueueName="ticks")["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:ticks"
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(
        RoleName="ticks",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]

    strict.client("scheduler").create_schedule(
        Name="ticks",
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue, "RoleArn": role, "RetryPolicy": {"MaximumRetryAttempts": 0}},
    )

    def step() -> None:
        body, target = b'{"step": 61}', "/_lab/clock"
        status, _, answer = strict.ask("PUT", target, body, strict.signed_headers("PUT", target, body=body))
        assert status == 200, answer

    step()
    told = f"The schedule's role {role} may not send to {queue}"
    wait_for(lambda: any(told in str(e["detail"]) for e in strict.journal()), "the refusal")
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}
    iam.put_role_policy(
        RoleName="ticks",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    step()
    assert wait_for(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))
