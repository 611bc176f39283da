"""What AWS demands of calls of SNS: endpoints and attributes of subscriptions, messages, batches, FIFO topics. Pure.

docs.aws.amazon.com/sns/latest/api/API_Subscribe.html, API_PublishBatch.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from labhelpers.cloud.moto_bridge_sns import Topic
from labhelpers.cloud.sns_query import Fields, numbered
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.sns import Attribute
from labhelpers.events.sns_attributes import check_subject, invalid, read_attributes, read_structure
from labhelpers.events.sns_filter import SCOPES, FilterFault, check_policy
from labhelpers.iam.documents import read_policy

_PROTOCOLS = ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")
_ATTRIBUTES = (
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "SubscriptionRoleArn",
)
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]+")
_FUNCTION_ARN = re.compile(r"arn:aws[a-z-]*:lambda:[\w-]+:\d{12}:function:[\w-]+(:(\$LATEST|[\w-]+))?")
_BATCH_MAX = 10


@dataclass(frozen=True, slots=True)
class Message:
    """What a caller asks to be published."""

    message: str
    subject: str | None
    attributes: Mapping[str, Attribute]
    by_protocol: Mapping[str, str] | None
    group_id: str
    deduplication_id: str


def check_endpoint(topic: Topic, protocol: str, endpoint: str) -> None:
    """AwsError for an endpoint that the topic cannot have."""
    if protocol not in _PROTOCOLS:
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if not endpoint:
        raise AwsError("NotFound", "Endpoint not specified in subscription", 404)
    if protocol == "sqs" and not re.match(r"arn:aws[a-z-]*:sqs:[^:]*:[^:]*:.+", endpoint):
        raise invalid("SQS endpoint ARN")
    if protocol == "lambda":
        if topic.fifo:  # AWS's own words are not known.
            raise invalid(
                "Invalid parameter: Endpoint Reason: FIFO topics only have subscriptions of SQS queues"
            )
        if not _FUNCTION_ARN.fullmatch(endpoint):
            raise invalid("Lambda endpoint ARN")
    if protocol == "sqs" and endpoint.endswith(".fifo") and not topic.fifo:
        raise invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )
    if protocol in ("http", "https") and not endpoint.startswith(f"{protocol}://"):
        raise invalid("Endpoint must match the specified protocol")


def check_subscription(name: str, value: str, scope: str, topic: Topic, endpoint: str, frame: str) -> None:
    """Refuse an attribute of a subscription; `frame` stands before what is wrong when it comes with Subscribe."""
    if name not in _ATTRIBUTES:
        raise invalid(f"{frame}AttributeName")
    if name == "FilterPolicy" and value:
        try:
            check_policy(value, scope)
        except FilterFault as fault:
            raise invalid(f"{frame}{fault}") from None
    elif name == "FilterPolicyScope" and value not in SCOPES:
        raise invalid(
            f"{frame}FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
        )
    elif name == "RawMessageDelivery" and value.lower() not in ("true", "false"):
        raise invalid(f"{frame}RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
    elif name == "RedrivePolicy" and value:
        _check_redrive(value, topic, endpoint, frame)
    elif name == "DeliveryPolicy" and value:
        raise NotEmulated("DeliveryPolicy of SNS subscriptions (it is for HTTP endpoints)")


def _check_redrive(value: str, topic: Topic, endpoint: str, frame: str) -> None:
    try:
        policy = json.loads(value)
    except (ValueError, RecursionError):
        raise invalid(f"{frame}RedrivePolicy: failed to parse JSON.") from None
    target = str(policy.get("deadLetterTargetArn", "")) if isinstance(policy, dict) else ""
    if target.count(":") < 5 or not target.startswith("arn:"):
        raise invalid(f"{frame}RedrivePolicy: deadLetterTargetArn is an invalid arn")
    is_fifo_queue = target.endswith(".fifo") and target.split(":")[2] == "sqs"
    if topic.fifo and endpoint.endswith(".fifo") and not is_fifo_queue:
        raise invalid(
            f"{frame}RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
        )


def check_topic_policy(fields: Fields) -> None:
    """AwsError for a topic's policy that is none, in the fields of CreateTopic and SetTopicAttributes."""
    given = {entry.get("key"): entry.get("value", "") for entry in numbered(fields, "Attributes.entry")}
    given[fields.get("AttributeName")] = fields.get("AttributeValue", "")
    if "Policy" in given and not _has_statements(given["Policy"]):
        raise invalid("Policy Error: null")


def _has_statements(policy: str) -> bool:
    try:
        return bool(read_policy(policy).statements)
    except ValueError:
        return False


def check_batch(entries: list[dict[str, str]]) -> None:
    """AwsError for too few or too many entries, and for ids that are malformed or the same."""
    if not entries:
        raise AwsError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(entries) > _BATCH_MAX:
        raise AwsError(
            "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible."
        )
    ids = [entry.get("Id", "") for entry in entries]
    if len(set(ids)) != len(ids):
        raise AwsError(
            "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."
        )
    for each in ids:
        if len(each) > 80:
            raise AwsError(
                "InvalidBatchEntryId", f"The Id of a batch entry in the batch request is too long: {each}"
            )
        if not _BATCH_ID.fullmatch(each):
            raise AwsError(
                "InvalidBatchEntryId",
                f"The Id of a batch entry in the batch request contains an impermissible character: {each}",
            )


def check_fifo(topic: Topic, messages: list[Message]) -> None:
    """AwsError for groups and deduplication ids that do not suit the topic."""
    if not topic.fifo:
        if any(message.deduplication_id for message in messages):
            raise invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not "
                "valid for this topic type"
            )
        return
    if not all(message.group_id for message in messages):
        raise invalid("The MessageGroupId parameter is required for FIFO topics")
    if not topic.by_content and not all(message.deduplication_id for message in messages):
        raise invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly"
        )


def read_message(fields: Fields, at: str = "messageAttributes") -> Message:
    """The message in a call or a batch's entry; AwsError 400. `at` is where its attributes stand."""
    subject = fields.get("Subject")
    check_subject(subject)
    text = fields.get("Message", "")
    if not text:
        raise invalid("Empty message")
    given = {
        each["Name"]: {name.removeprefix("Value."): value for name, value in each.items() if name != "Name"}
        for each in numbered(fields, "MessageAttributes.entry")
        if "Name" in each
    }
    return Message(
        text,
        subject,
        read_attributes(given, at),
        read_structure(fields.get("MessageStructure"), text),
        fields.get("MessageGroupId", ""),
        fields.get("MessageDeduplicationId", ""),
    )
