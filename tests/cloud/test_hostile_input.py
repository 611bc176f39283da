"""Input that nobody means well: refused by name wherever it is read, never an error of the lab itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cloud, wait_for
from tests.triggers.test_trace_of_pipeline import make

DEEP_LIST = "[" * 50_000
DEEP_OBJECT = '{"a":' * 50_000 + "1" + "}" * 50_000
SHALLOW = {"nul": "\0", "list": "[]", "null": "null", "string": '"x"', "no-statement": '{"a": ["\\ud800"]}'}
DOCUMENTS = {"deep-list": DEEP_LIST, "deep-object": DEEP_OBJECT, **SHALLOW}

Call = Callable[[Cloud, str], Any]


def queue_url(cloud: Cloud) -> str:
    """The queue that the documents are set on."""
    url: str = cloud.client("sqs").create_queue(QueueName="hostile")["QueueUrl"]
    return url


def topic_arn(cloud: Cloud) -> str:
    """The topic that the documents are set on."""
    arn: str = cloud.client("sns").create_topic(Name="hostile")["TopicArn"]
    return arn


def set_of_queue(name: str) -> Call:
    """Set an attribute of a queue to the document."""
    return lambda cloud, document: cloud.client("sqs").set_queue_attributes(
        QueueUrl=queue_url(cloud), Attributes={name: document}
    )


def subscribe(cloud: Cloud, document: str) -> Any:
    """Subscribe with the document as filter policy."""
    endpoint = f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:hostile"
    return cloud.client("sns").subscribe(
        TopicArn=topic_arn(cloud), Protocol="sqs", Endpoint=endpoint, Attributes={"FilterPolicy": document}
    )


CALLS: dict[str, Call] = {
    "queue-policy": set_of_queue("Policy"),
    "queue-redrive": set_of_queue("RedrivePolicy"),
    "topic-policy": lambda cloud, document: cloud.client("sns").set_topic_attributes(
        TopicArn=topic_arn(cloud), AttributeName="Policy", AttributeValue=document
    ),
    "new-topic-policy": lambda cloud, document: cloud.client("sns").create_topic(
        Name="hostile-policy", Attributes={"Policy": document}
    ),
    "structure": lambda cloud, document: cloud.client("sns").publish(
        TopicArn=topic_arn(cloud), Message=document, MessageStructure="json"
    ),
    "bus-policy": lambda cloud, document: cloud.client("events").put_permission(
        EventBusName="default", Policy=document
    ),
    "trust": lambda cloud, document: cloud.client("iam").create_role(
        RoleName="hostile", AssumeRolePolicyDocument=document
    ),
    "inline-policy": lambda cloud, document: cloud.client("iam").put_role_policy(
        RoleName="lab-function-role", PolicyName="hostile", PolicyDocument=document
    ),
    "pattern": lambda cloud, document: cloud.client("events").test_event_pattern(
        EventPattern=document, Event="{}"
    ),
}


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("call", CALLS)
def test_document_that_is_none_is_refused(cloud: Cloud, call: str, document: str) -> None:
    """A policy, pattern or structure that cannot be read is the caller's mistake: a refusal that is AWS's."""
    with pytest.raises(ClientError) as refused:
        CALLS[call](cloud, DOCUMENTS[document])
    response = refused.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] in (400, 409)  # 409: over a quota.
    assert response["Error"]["Message"]


@pytest.mark.parametrize(
    ("operation", "fields", "words"),
    [
        (
            "put_role_policy",
            {"RoleName": "r", "PolicyName": "p"},
            "Maximum policy size of 10240 bytes exceeded for role r",
        ),
        (
            "put_user_policy",
            {"UserName": "u", "PolicyName": "p"},
            "Maximum policy size of 2048 bytes exceeded for user u",
        ),
        ("create_policy", {"PolicyName": "p"}, "Cannot exceed quota for PolicySize: 6144"),
        ("create_role", {"RoleName": "r"}, "Cannot exceed quota for ACLSizePerRole: 2048"),
    ],
)
def test_policy_over_the_quota_is_refused(
    cloud: Cloud, operation: str, fields: dict[str, str], words: str
) -> None:
    """Before anything reads it: millions of resources would hold up every other call."""
    statement = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::b{n}" for n in range(70_000)],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    name = "AssumeRolePolicyDocument" if operation == "create_role" else "PolicyDocument"
    with pytest.raises(ClientError, match=words) as refused:
        getattr(cloud.client("iam"), operation)(**fields, **{name: document})
    assert refused.value.response["Error"]["Code"] == "LimitExceeded"


def test_pattern_that_is_too_long_is_refused(cloud: Cloud) -> None:
    """Before it is compiled: a hundred thousand values would hold up every other call."""
    pattern = json.dumps({"detail": {"a": [f"v{number}" for number in range(100_000)]}})
    for call in (
        lambda events: events.put_rule(Name="hostile", EventPattern=pattern),
        lambda events: events.test_event_pattern(EventPattern=pattern, Event="{}"),
    ):
        with pytest.raises(ClientError, match="length less than or equal to 4096"):
            call(cloud.client("events"))


@pytest.mark.parametrize("document", [DEEP_LIST, DEEP_OBJECT, "{"])
def test_filter_policy_that_is_none_is_refused(cloud: Cloud, document: str) -> None:
    """A subscription's filter is read when it is made."""
    queue_url(cloud)
    with pytest.raises(ClientError, match="FilterPolicy: failed to parse JSON"):
        subscribe(cloud, document)


def test_deep_segment_is_not_processed(cloud: Cloud) -> None:
    """X-Ray says of each document what is wrong with it."""
    answer = cloud.client("xray").put_trace_segments(TraceSegmentDocuments=[DEEP_OBJECT])
    assert answer["UnprocessedTraceSegments"][0]["ErrorCode"] == "InvalidSegment"


def test_deep_message_fits_no_filter(cloud: Cloud) -> None:
    """A message that is no JSON that anybody reads is published, and a filter on its body lets it not through."""
    sns, topic = cloud.client("sns"), cloud.client("sns").create_topic(Name="hostile-body")["TopicArn"]
    url = cloud.client("sqs").create_queue(QueueName="hostile-body")["QueueUrl"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:hostile-body",
        Attributes={"FilterPolicy": '{"a": [1]}', "FilterPolicyScope": "MessageBody"},
    )
    for message in (DEEP_LIST, DEEP_OBJECT[:200_000], '{"a": 1}'):
        sns.publish(TopicArn=topic, Message=message)
    (only,) = wait_for(lambda: cloud.client("sqs").receive_message(QueueUrl=url).get("Messages"))
    assert '{\\"a\\": 1}' in only["Body"]


@pytest.mark.parametrize(
    "name",
    ["a b", "", "é", "a..b", ".a", "a.", "AWS.a", "amazon.a", "x" * 257],
    ids=lambda n: n[:8] or "empty",
)
def test_message_with_a_bad_attribute_name_is_in_no_queue(cloud: Cloud, name: str) -> None:
    """Refused means that no consumer gets it, alone or in a batch: a poisoned queue stops every consumer."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="hostile-names")["QueueUrl"]
    message = {"MessageBody": "b", "MessageAttributes": {name: {"DataType": "String", "StringValue": "x"}}}
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        sqs.send_message(QueueUrl=url, **message)
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", **message}])
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_mapping_filter_with_half_a_surrogate_lets_nothing_through(cloud: Cloud) -> None:
    """Such a text is JSON, so the mapping is made and works: for what fits its other texts."""
    arn = make(cloud, "hostile-filter", "def handler(event, context):\n    return event\n")
    queue = f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:hostile-filter"
    url = cloud.client("sqs").create_queue(QueueName="hostile-filter")["QueueUrl"]
    cloud.client("lambda").create_event_source_mapping(
        FunctionName=arn,
        EventSourceArn=queue,
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"a": ["\\ud800", "yes"]}}'}]},
    )
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody='{"a": "yes"}')
    wait_for(lambda: [e for e in cloud.journal(kind="invoke.ended") if e["resource"] == arn])
