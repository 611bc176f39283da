"""SNS as boto3 sees it: a real cloud, real functions and queues."""

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.conftest import Cloud, wait_for
from tests.gateway.http_api.gateway import Gateway


class Topics:
    """Makes topics, queues and functions of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.sns = cloud.client("sns")
        self.sqs = cloud.client("sqs")
        self.gateway = Gateway(cloud)

    def topic(self, suffix: str = "", **attributes: str) -> str:
        """The ARN of a new topic."""
        arn: str = self.sns.create_topic(Name=f"t{uuid.uuid4().hex}{suffix}", Attributes=attributes)[
            "TopicArn"
        ]
        return arn

    def queue(self, suffix: str = "", **attributes: str) -> tuple[str, str]:
        """URL and ARN of a new queue."""
        url = self.sqs.create_queue(QueueName=f"q{uuid.uuid4().hex}{suffix}", Attributes=attributes)[
            "QueueUrl"
        ]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def subscribe(self, topic: str, protocol: str, endpoint: str, **attributes: str) -> str:
        """The ARN of a new subscription."""
        made = self.sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)
        arn: str = made["SubscriptionArn"]
        return arn

    def receive(self, url: str, wait_s: int = 5) -> list[dict[str, Any]]:
        """The messages in a queue."""
        answer = self.sqs.receive_message(
            QueueUrl=url,
            WaitTimeSeconds=wait_s,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found


@pytest.fixture(scope="session")
def topics(cloud: Cloud) -> Topics:
    """SNS of the cloud that all tests share."""
    return Topics(cloud)


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and message of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


SENDER = """
import json, os, urllib.request, boto3
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["URL"], MessageBody=json.dumps(event))
"""


def test_publish_reaches_a_function(topics: Topics) -> None:
    """A function that SNS may call gets the event, signed so that the certificate at its address fits."""
    url, _ = topics.queue()
    function = topics.gateway.function(
        SENDER, allow=False, Environment={"Variables": {"URL": url}}, Timeout=20, MemorySize=1024
    )
    topic = topics.topic()
    topics.gateway.functions.add_permission(
        FunctionName=function,
        StatementId="sns",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    subscription = topics.subscribe(topic, "lambda", function)
    published = topics.sns.publish(TopicArn=topic, Message="hello", Subject="News")
    [message] = topics.receive(url, 20)
    [record] = json.loads(message["Body"])["Records"]
    assert record["EventSubscriptionArn"] == subscription
    sns = record["Sns"]
    assert (sns["MessageId"], sns["Message"], sns["Subject"]) == (published["MessageId"], "hello", "News")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", sns["Timestamp"])
    path = sns["SigningCertUrl"].removeprefix(topics.cloud.endpoint_url)
    certificate = x509.load_pem_x509_certificate(topics.cloud.ask("GET", path)[2])
    signed = "".join(
        f"{name}\n{sns[name]}\n"
        for name in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    )
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(sns["Signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA1())


def test_unpermitted_function_is_not_called(topics: Topics) -> None:
    """Without a permission the message lands in the subscription's dead-letter queue, and the journal says why."""
    url, queue = topics.queue()
    function = topics.gateway.function("def handler(event, context):\n    return 1\n", allow=False)
    topic = topics.topic()
    topics.subscribe(topic, "lambda", function, RedrivePolicy=json.dumps({"deadLetterTargetArn": queue}))
    topics.sns.publish(TopicArn=topic, Message="lost")
    [message] = topics.receive(url)
    assert json.loads(message["Body"])["Message"] == "lost"
    failures = [each for each in topics.cloud.journal(kind="failure") if each["resource"] == topic]
    assert "add_permission" in json.dumps(failures)


def test_queue_gets_envelope_or_raw_message(topics: Topics) -> None:
    """A queue gets SNS's JSON, or with raw delivery the text and its attributes; the trace header goes along."""
    plain, plain_arn = topics.queue()
    raw, raw_arn = topics.queue()
    topic = topics.topic()
    topics.subscribe(topic, "sqs", plain_arn)
    topics.subscribe(topic, "sqs", raw_arn, RawMessageDelivery="true")
    attributes = {
        "number": {"DataType": "Number", "StringValue": "1"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\0\xff"},
    }
    topics.sns.publish(TopicArn=topic, Message="é", MessageAttributes=attributes)
    [message] = topics.receive(plain)
    body = json.loads(message["Body"])
    assert (body["Type"], body["TopicArn"], body["Message"]) == ("Notification", topic, "é")
    assert body["MessageAttributes"] == {
        "number": {"Type": "Number", "Value": "1"},
        "bytes": {"Type": "Binary", "Value": "AP8="},
    }
    assert {"Signature", "SigningCertURL", "UnsubscribeURL"} <= body.keys()
    [message] = topics.receive(raw)
    assert message["Body"] == "é"
    assert message["MessageAttributes"]["number"]["StringValue"] == "1"
    assert message["MessageAttributes"]["bytes"]["BinaryValue"] == b"\0\xff"


def test_filter_policy_is_taken_up_at_once(topics: Topics) -> None:
    """A policy set, and one taken away, counts for the next message."""
    url, queue = topics.queue()
    topic = topics.topic()
    subscription = topics.subscribe(
        topic, "sqs", queue, FilterPolicy='{"a": ["x"]}', RawMessageDelivery="true"
    )
    set_attribute = topics.sns.set_subscription_attributes
    topics.sns.publish(TopicArn=topic, Message="1")
    set_attribute(
        SubscriptionArn=subscription, AttributeName="FilterPolicyScope", AttributeValue="MessageBody"
    )
    topics.sns.publish(TopicArn=topic, Message='{"a": "x"}')
    topics.sns.publish(TopicArn=topic, Message='{"a": "y"}')
    set_attribute(SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue="")
    topics.sns.publish(TopicArn=topic, Message="4")
    found: list[str] = []
    wait_for(lambda: found.extend(each["Body"] for each in topics.receive(url, 1)) or len(found) == 2)
    assert sorted(found) == ["4", '{"a": "x"}']
    shown = topics.sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert "FilterPolicy" not in shown
    topic_shown = topics.sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert topic_shown["SubscriptionsConfirmed"] == "1"
    assert shown["SubscriptionPrincipal"].startswith("arn:aws:iam::")


def test_attribute_without_a_value_is_empty(topics: Topics) -> None:
    """A RedrivePolicy that is taken away so leaves a subscription that works."""
    url, queue = topics.queue()
    topic = topics.topic()
    redrive = json.dumps({"deadLetterTargetArn": queue})
    subscription = topics.subscribe(topic, "sqs", queue, RedrivePolicy=redrive)
    topics.sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="RedrivePolicy")
    topics.sns.publish(TopicArn=topic, Message="m")
    assert len(topics.receive(url)) == 1


def test_batch_is_published(topics: Topics) -> None:
    """Each entry has its id in the answer and arrives as a message of its own."""
    url, queue = topics.queue()
    topic = topics.topic()
    topics.subscribe(topic, "sqs", queue, RawMessageDelivery="true", FilterPolicy='{"a": ["x"]}')
    chosen = {"a": {"DataType": "String", "StringValue": "x"}}
    answer = topics.sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[
            {"Id": "1", "Message": "one", "MessageAttributes": chosen},
            {"Id": "2", "Message": "two"},
            {"Id": "3", "Message": "three", "MessageAttributes": chosen},
        ],
    )
    assert [each["Id"] for each in answer["Successful"]] == ["1", "2", "3"]
    assert answer["Failed"] == []
    found: list[str] = []
    wait_for(lambda: found.extend(each["Body"] for each in topics.receive(url, 1)) or len(found) == 2)
    assert sorted(found) == ["one", "three"]


def test_fifo_topic_keeps_order_and_drops_duplicates(topics: Topics) -> None:
    """A FIFO topic numbers its messages; the same deduplication id within five minutes is delivered once."""
    url, queue = topics.queue(".fifo", FifoQueue="true")
    topic = topics.topic(".fifo", FifoTopic="true")
    topics.subscribe(topic, "sqs", queue, RawMessageDelivery="true")
    numbers = []
    for text, deduplication in (("a", "1"), ("b", "2"), ("again", "1"), ("c", "3")):
        answer = topics.sns.publish(
            TopicArn=topic, Message=text, MessageGroupId="g", MessageDeduplicationId=deduplication
        )
        numbers.append(answer["SequenceNumber"])
    assert numbers[2] == numbers[0] < numbers[1] < numbers[3]
    found: list[dict[str, Any]] = []
    wait_for(lambda: found.extend(topics.receive(url, 1)) or len(found) == 3)
    assert [each["Body"] for each in found] == ["a", "b", "c"]
    assert found[0]["Attributes"]["MessageGroupId"] == "g"


def test_message_structure_json(topics: Topics) -> None:
    """Each protocol gets its own text."""
    url, queue = topics.queue()
    topic = topics.topic()
    topics.subscribe(topic, "sqs", queue, RawMessageDelivery="true")
    texts = json.dumps({"default": "all", "sqs": "queues", "email": 1})
    topics.sns.publish(TopicArn=topic, Message=texts, MessageStructure="json")
    assert topics.receive(url)[0]["Body"] == "queues"


def test_link_in_a_message_ends_the_subscription(topics: Topics) -> None:
    """UnsubscribeURL works without keys, as in a mail; nothing comes afterwards."""
    url, queue = topics.queue()
    topic = topics.topic()
    topics.subscribe(topic, "sqs", queue)
    topics.sns.publish(TopicArn=topic, Message="first")
    [message] = topics.receive(url)
    link = json.loads(message["Body"])["UnsubscribeURL"].removeprefix(topics.cloud.endpoint_url)
    assert topics.cloud.ask("GET", link)[0] == 200
    assert topics.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    assert topics.cloud.ask("GET", link)[0] == 200
    assert topics.cloud.ask("GET", f"/?Action=DeleteTopic&TopicArn={topic}")[0] == 403


# --- What AWS refuses ---


def test_publish_is_checked(topics: Topics) -> None:
    """Wrong topics, messages, subjects and attributes are refused in AWS's words."""
    publish = topics.sns.publish
    topic = topics.topic()
    assert refused(publish, TopicArn=f"{topic}x", Message="m") == ("NotFound", "Topic does not exist")
    assert refused(publish, TopicArn="topic", Message="m") == (
        "InvalidParameter",
        "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
    )
    invalid = "InvalidParameter"
    assert refused(publish, TopicArn=topic, Message="") == (invalid, "Invalid parameter: Empty message")
    assert refused(publish, TopicArn=topic, Message="m", Subject="s" * 101)[1] == "Invalid parameter: Subject"
    assert refused(publish, TopicArn=topic, Message="x" * 262_145)[1] == "Invalid parameter: Message too long"
    assert refused(publish, TopicArn=topic, Message="no", MessageStructure="json")[1] == (
        "Invalid parameter: Message Structure - JSON message body failed to parse"
    )
    assert refused(publish, TopicArn=topic, Message='{"sqs":"x"}', MessageStructure="json")[1] == (
        "Invalid parameter: Message Structure - No default entry in JSON message body"
    )
    assert refused(publish, TopicArn=topic, Message="m", MessageDeduplicationId="1")[1].startswith(
        "Invalid parameter: MessageDeduplicationId Reason: The request includes"
    )
    assert refused(publish, PhoneNumber="+491701234567", Message="m")[0] == "NotEmulatedByThisLab"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (".a", {"DataType": "String", "StringValue": "x"}, "starting with character '.'"),
        ("a..b", {"DataType": "String", "StringValue": "x"}, "successive '.' character"),
        ("a b", {"DataType": "String", "StringValue": "x"}, "Invalid non-alphanumeric character '#x20'"),
        ("a", {"DataType": "Text", "StringValue": "x"}, "has an invalid message attribute type"),
        ("a", {"DataType": "Binary", "StringValue": "x"}, "must use field 'Binary'"),
        ("a", {"DataType": "String"}, "must contain non-empty message attribute value"),
        ("a", {"DataType": "Number", "StringValue": "x"}, "value to number"),
    ],
)
def test_attributes_are_checked(topics: Topics, name: str, value: dict[str, str], message: str) -> None:
    """A malformed attribute is ParameterValueInvalid."""
    code, text = refused(
        topics.sns.publish, TopicArn=topics.topic(), Message="m", MessageAttributes={name: value}
    )
    assert code == "ParameterValueInvalid"
    assert message in text


def test_batches_are_checked(topics: Topics) -> None:
    """Number, ids and total size of a batch are limited."""
    topic = topics.topic()

    def batch(*entries: tuple[str, str]) -> str:
        given = [{"Id": each, "Message": message} for each, message in entries]
        return refused(topics.sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=given)[0]

    assert batch(*((str(n), "m") for n in range(11))) == "TooManyEntriesInBatchRequest"
    assert batch(("1", "m"), ("1", "m")) == "BatchEntryIdsNotDistinct"
    assert batch(("a b", "m")) == "InvalidBatchEntryId"
    assert batch(("1", "x" * 200_000), ("2", "x" * 200_000)) == "BatchRequestTooLong"


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("randomstring", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
        (
            "arn:aws:sns:us-east-1:random",
            "SubscriptionArn Reason: An ARN must have at least 6 elements, not 5",
        ),
        ("arn:aws:sns:us-east-1:111111111111:random", "SubscriptionId"),
    ],
)
def test_unsubscribe_is_checked(topics: Topics, arn: str, message: str) -> None:
    """What is no subscription's ARN is refused."""
    assert refused(topics.sns.unsubscribe, SubscriptionArn=arn) == (
        "InvalidParameter",
        f"Invalid parameter: {message}",
    )


def test_subscriptions_are_checked(topics: Topics) -> None:
    """Protocols, endpoints and attributes are checked before anything is kept."""
    subscribe = topics.sns.subscribe
    topic = topics.topic()
    _, queue = topics.queue()

    def refusal(protocol: str, endpoint: str, **attributes: str) -> str:
        return refused(
            subscribe, TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes
        )[1]

    assert refusal("pigeon", queue) == (
        "Invalid parameter: Amazon SNS does not support this protocol string: pigeon"
    )
    assert refusal("sqs", "queue") == "Invalid parameter: SQS endpoint ARN"
    assert refusal("lambda", "function").startswith("Invalid parameter: Lambda endpoint ARN")
    assert "FIFO SQS Queues can not be subscribed" in refusal("sqs", f"{queue}.fifo")
    assert refusal("sqs", queue, FilterPolicy='{"key": [{"wrong": 1}]}').startswith(
        "Invalid parameter: Attributes Reason: FilterPolicy: Unrecognized match type wrong\n"
    )
    assert refusal("sqs", queue, Colour="red") == "Invalid parameter: Attributes Reason: AttributeName"
    assert refusal("sqs", queue, RedrivePolicy="x") == (
        "Invalid parameter: Attributes Reason: RedrivePolicy: failed to parse JSON."
    )
    assert "SNS subscriptions of protocol 'email'" in refusal("email", "a@b.example")
    arn = topics.subscribe(topic, "sqs", queue, RawMessageDelivery="true")
    assert topics.subscribe(topic, "sqs", queue) == arn
    assert refusal("sqs", queue, RawMessageDelivery="false") == (
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    )
    assert refused(
        topics.sns.set_subscription_attributes,
        SubscriptionArn=arn,
        AttributeName="FilterPolicyScope",
        AttributeValue="RandomValue",
    )[1] == (
        "Invalid parameter: FilterPolicyScope: Invalid value [RandomValue]. "
        "Please use either MessageBody or MessageAttributes"
    )
