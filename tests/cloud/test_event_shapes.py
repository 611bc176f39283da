"""What functions really receive from every trigger and gateway, judged by Powertools' models: an independent reader."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
import websocket
from aws_lambda_powertools.utilities.parser import models

from labhelpers import Lab
from tests.conftest import wait_for
from tests.deployment_packages import make_zip

KEEPS = """
import json, boto3
s3 = boto3.client("s3")
ALLOW = [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}]
POLICY = {"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": ALLOW}}
def handler(event, context):
    s3.put_object(Bucket="seen", Key=f"{context.function_name}/{context.aws_request_id}", Body=json.dumps(event))
    return POLICY if "authorizer" in context.function_name else {"statusCode": 200, "body": "kept"}
"""


class Receiver:
    """Functions that keep each event that they get in the bucket `seen`."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.functions, self.s3 = boto3.client("lambda"), boto3.client("s3")
        self.s3.create_bucket(Bucket="seen")

    def arn(self, name: str) -> str:
        """The ARN of a function, or of its kind of resource, of this account."""
        return f"arn:aws:lambda:{self.lab.region}:{self.lab.account_id}:function:{name}"

    def uri(self, name: str) -> str:
        """A function as API Gateway names it."""
        path = f"path/2015-03-31/functions/{self.arn(name)}/invocations"
        return f"arn:aws:apigateway:{self.lab.region}:lambda:{path}"

    def make(self, name: str, *principals: str) -> str:
        """A new function that these services may call."""
        self.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=self.lab.role_arn,
            Handler="index.handler",
            Code={"ZipFile": make_zip({"index.py": KEEPS})},
            Timeout=20,
        )
        for principal in principals:
            self.functions.add_permission(
                FunctionName=name,
                StatementId=principal.partition(".")[0],
                Action="lambda:InvokeFunction",
                Principal=principal,
            )
        return self.arn(name)

    def events(self, name: str, count: int = 1) -> list[Any]:
        """The first `count` events of a function, by the time at which they came."""

        def look() -> list[Any]:
            found = self.s3.list_objects_v2(Bucket="seen", Prefix=f"{name}/").get("Contents", [])
            return found if len(found) >= count else []

        kept = sorted(wait_for(look, f"{count} events of {name}"), key=lambda one: one["LastModified"])
        return [json.load(self.s3.get_object(Bucket="seen", Key=one["Key"])["Body"]) for one in kept]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """One lab for all of these."""
    with Lab() as lab:
        yield Receiver(lab)


def ask(url: str, **headers: str) -> None:
    """A POST that is answered with 200."""
    request = urllib.request.Request(url, b'{"a": 1}', {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200


def test_s3(receiver: Receiver) -> None:
    """An upload and a removal."""
    arn = receiver.make("s3", "s3.amazonaws.com")
    receiver.s3.create_bucket(Bucket="uploads")
    rule = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    receiver.s3.put_bucket_notification_configuration(
        Bucket="uploads", NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
    )
    receiver.s3.put_object(Bucket="uploads", Key="a b.txt", Body=b"x")
    receiver.s3.delete_object(Bucket="uploads", Key="a b.txt")
    for event in receiver.events("s3", 2):
        models.S3Model.model_validate(event)


def test_sns(receiver: Receiver) -> None:
    """A notification with a subject and attributes, and one with neither."""
    sns, arn = boto3.client("sns"), receiver.make("sns", "sns.amazonaws.com")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}}
    sns.publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes=attributes)
    sns.publish(TopicArn=topic, Message="hello")
    for event in receiver.events("sns", 2):
        models.SnsModel.model_validate(event)


@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_sqs(receiver: Receiver, kind: str) -> None:
    """A batch of a standard queue and of a FIFO queue, with attributes."""
    sqs, fifo, name = boto3.client("sqs"), kind == "fifo", f"sqs-{kind}"
    receiver.make(name)
    url = sqs.create_queue(
        QueueName=f"{name}.fifo" if fifo else name, Attributes={"FifoQueue": "true"} if fifo else {}
    )["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    receiver.functions.create_event_source_mapping(EventSourceArn=found["QueueArn"], FunctionName=name)
    attributes = {"kind": {"DataType": "Number", "StringValue": "1"}}
    more = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} if fifo else {}
    sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes=attributes, **more)
    models.SqsModel.model_validate(receiver.events(name)[0])


def test_dynamodb(receiver: Receiver) -> None:
    """A change of an item, with its old and new image."""
    dynamodb = boto3.client("dynamodb")
    receiver.make("dynamodb")
    table = dynamodb.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    for number in ("1", "2"):
        dynamodb.put_item(TableName="orders", Item={"id": {"S": "a"}, "n": {"N": number}})
    dynamodb.delete_item(TableName="orders", Key={"id": {"S": "a"}})
    receiver.functions.create_event_source_mapping(
        EventSourceArn=table["LatestStreamArn"], FunctionName="dynamodb", StartingPosition="TRIM_HORIZON"
    )
    records = [record for event in receiver.events("dynamodb") for record in event["Records"]]
    models.DynamoDBStreamModel.model_validate({"Records": records})
    assert records[0]["eventName"] == "INSERT"


def test_kinesis(receiver: Receiver) -> None:
    """A record of a data stream."""
    kinesis = boto3.client("kinesis")
    receiver.make("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="clicks", WaiterConfig={"Delay": 1})
    arn = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
    kinesis.put_record(StreamName="clicks", Data=b'{"a": 1}', PartitionKey="p")
    receiver.functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName="kinesis", StartingPosition="TRIM_HORIZON"
    )
    models.KinesisDataStreamModel.model_validate(receiver.events("kinesis")[0])


def test_eventbridge(receiver: Receiver) -> None:
    """An event of one's own, and S3's by way of the default bus."""
    events, arn = boto3.client("events"), receiver.make("eventbridge", "events.amazonaws.com")
    events.put_rule(Name="all", EventPattern=json.dumps({"source": ["shop", "aws.s3"]}))
    events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn}])
    receiver.s3.create_bucket(Bucket="on-the-bus")
    receiver.s3.put_bucket_notification_configuration(
        Bucket="on-the-bus", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": '{"n": 1}'}])
    receiver.s3.put_object(Bucket="on-the-bus", Key="a b.txt", Body=b"x")
    found = {event["source"]: event for event in receiver.events("eventbridge", 2)}
    models.EventBridgeModel.model_validate(found["shop"])
    models.S3EventNotificationEventBridgeModel.model_validate(found["aws.s3"])


def test_schedules(receiver: Receiver) -> None:
    """A rule's schedule, and Scheduler's default event, whose detail is a text."""
    events, arn = boto3.client("events"), receiver.make("rule", "events.amazonaws.com")
    events.put_rule(Name="each-minute", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="each-minute", Targets=[{"Id": "1", "Arn": arn}])
    at = (receiver.lab.now() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S")
    boto3.client("scheduler").create_schedule(
        Name="once",
        ScheduleExpression=f"at({at})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": receiver.make("scheduler"), "RoleArn": receiver.lab.role_arn},
    )
    receiver.lab.step_clock(121)
    models.EventBridgeModel.model_validate(receiver.events("rule")[0])
    event = receiver.events("scheduler")[0]
    models.EventBridgeModel.model_validate(event)
    assert (event["source"], event["detail-type"], event["detail"]) == (
        "aws.scheduler",
        "Scheduled Event",
        "{}",
    )


def test_cloudwatch_logs(receiver: Receiver) -> None:
    """Events of a log group."""
    logs, arn = boto3.client("logs"), receiver.make("logs", "logs.amazonaws.com")
    logs.create_log_group(logGroupName="/app")
    logs.create_log_stream(logGroupName="/app", logStreamName="s")
    logs.put_subscription_filter(logGroupName="/app", filterName="f", filterPattern="", destinationArn=arn)
    at = int(receiver.lab.now().timestamp() * 1000)
    logs.put_log_events(
        logGroupName="/app", logStreamName="s", logEvents=[{"timestamp": at, "message": "hello"}]
    )
    found = models.CloudWatchLogsModel.model_validate(receiver.events("logs")[0])
    assert found.awslogs.decoded_data.logEvents[0].message == "hello"


def test_function_url(receiver: Receiver) -> None:
    """A request to a function's URL."""
    arn = receiver.make("url")
    found = receiver.functions.create_function_url_config(FunctionName=arn, AuthType="NONE")
    for action, more in (
        ("InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        receiver.functions.add_permission(
            FunctionName=arn, StatementId=action, Action=f"lambda:{action}", Principal="*", **more
        )
    ask(f"{found['FunctionUrl']}a/b?q=1", Cookie="c=1")
    models.LambdaFunctionUrlModel.model_validate(receiver.events("url")[0])


@pytest.mark.parametrize("kind", ["TOKEN", "REQUEST"])
def test_rest_api(receiver: Receiver, kind: str) -> None:
    """A request through a REST API's proxy, and what its Lambda authorizer is asked."""
    rest, name = boto3.client("apigateway"), f"rest-{kind.lower()}"
    authorizer = f"{name}-authorizer"
    for each in (name, authorizer):
        receiver.make(each, "apigateway.amazonaws.com")
    api = rest.create_rest_api(name=name)
    where = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "POST"}
    made = rest.create_authorizer(
        restApiId=api["id"],
        name="a",
        type=kind,
        authorizerUri=receiver.uri(authorizer),
        identitySource="method.request.header.Authorization",
    )
    rest.put_method(**where, authorizationType="CUSTOM", authorizerId=made["id"])
    rest.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=receiver.uri(name))
    rest.create_deployment(restApiId=api["id"], stageName="live")
    ask(f"{receiver.lab.endpoint_url}/_aws/execute-api/{api['id']}/live/?q=1", Authorization="me")
    models.APIGatewayProxyEventModel.model_validate(receiver.events(name)[0])
    asked = models.ApiGatewayAuthorizerToken if kind == "TOKEN" else models.ApiGatewayAuthorizerRequest
    asked.model_validate(receiver.events(authorizer)[0])


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_http_api(receiver: Receiver, version: str) -> None:
    """A request through an HTTP API, and what its Lambda authorizer is asked, in either payload format."""
    apis, name = boto3.client("apigatewayv2"), f"http-{version[0]}"
    authorizer = f"{name}-authorizer"
    for each in (name, authorizer):
        receiver.make(each, "apigateway.amazonaws.com")
    api = apis.create_api(Name=name, ProtocolType="HTTP")
    made = apis.create_authorizer(
        ApiId=api["ApiId"],
        Name="a",
        AuthorizerType="REQUEST",
        AuthorizerUri=receiver.uri(authorizer),
        AuthorizerPayloadFormatVersion=version,
        IdentitySource=["$request.header.Authorization"],
    )
    integration = apis.create_integration(
        ApiId=api["ApiId"],
        IntegrationType="AWS_PROXY",
        IntegrationUri=receiver.arn(name),
        PayloadFormatVersion=version,
    )
    apis.create_route(
        ApiId=api["ApiId"],
        RouteKey="POST /pets/{id}",
        Target=f"integrations/{integration['IntegrationId']}",
        AuthorizationType="CUSTOM",
        AuthorizerId=made["AuthorizerId"],
    )
    apis.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    ask(f"{api['ApiEndpoint']}/pets/1?q=1", Authorization="me", Cookie="c=1")
    (event,), (question,) = receiver.events(name), receiver.events(authorizer)
    if version == "1.0":
        models.APIGatewayProxyEventModel.model_validate(event)
        # Powertools' model is that of REST APIs. AWS's example for HTTP APIs has no multi-value members:
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
        assert (question["version"], question["type"]) == ("1.0", "REQUEST")
        assert question["authorizationToken"] == question["identitySource"] == "me"
    else:
        models.APIGatewayProxyEventV2Model.model_validate(event)
        models.ApiGatewayAuthorizerRequestV2.model_validate(question)


def test_websocket_api(receiver: Receiver) -> None:
    """A connection's beginning, a message on it, its end."""
    apis = boto3.client("apigatewayv2")
    receiver.make("websocket", "apigateway.amazonaws.com")
    api = apis.create_api(Name="w", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    integration = apis.create_integration(
        ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=receiver.uri("websocket")
    )
    for route in ("$connect", "$default", "$disconnect"):
        target = f"integrations/{integration['IntegrationId']}"
        apis.create_route(ApiId=api["ApiId"], RouteKey=route, Target=target)
    apis.create_stage(ApiId=api["ApiId"], StageName="live", AutoDeploy=True)
    client = websocket.create_connection(f"{api['ApiEndpoint']}/live", timeout=20)
    client.send('{"action": "hello"}')
    client.close()
    found = {event["requestContext"]["eventType"]: event for event in receiver.events("websocket", 3)}
    models.APIGatewayWebSocketConnectEventModel.model_validate(found["CONNECT"])
    models.APIGatewayWebSocketMessageEventModel.model_validate(found["MESSAGE"])
    models.APIGatewayWebSocketDisconnectEventModel.model_validate(found["DISCONNECT"])
