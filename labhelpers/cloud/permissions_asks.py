"""What a call asks IAM for: an action on a resource, in IAM's words. Pure.

Called by `permissions_actions` for each call; the table of services whose fields name their resources is here.
docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from labhelpers.cloud.protocol import AwsRequest
from labhelpers.iam.patterns import Context
from labhelpers.model import Account

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to IAM. `shown` is the resource as the service's message names it, where that is not its ARN.

    `item` is the key of one object of several, whose refusal is told in the answer.
    """

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict)
    shown: str = ""
    item: str = ""

    def on(self, resource: str, shown: str = "") -> Ask:
        """The same action on another resource."""
        return replace(self, resource=resource, shown=shown)


# IAM's prefix of a service's actions, where it is not boto3's name.
PREFIXES = {"dynamodbstreams": "dynamodb", "apigatewayv2": "apigateway"}
# Operations that ask for the action of another one.
_SAME = {
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sns", "PublishBatch"): "Publish",
    ("kms", "ReEncrypt"): "ReEncryptFrom",
}
# Services in whose messages and policies an action is written in a way of its own.
_SPELLED = {"sns": lambda name: f"SNS:{name}"}

# For each service: the fields that name its resource, the first that a call has, and the ARN's end after the account.
# A value that is an ARN already stays as it is; for SQS it is the end of a URL.
_RESOURCES: Mapping[str, Sequence[tuple[str, str]]] = {
    "sqs": (("QueueUrl", "{}"), ("QueueName", "{}"), ("SourceArn", "{}")),
    "sns": (
        ("TopicArn", "{}"),
        ("TargetArn", "{}"),
        ("ResourceArn", "{}"),
        ("SubscriptionArn", "{}"),
        ("Name", "{}"),
    ),
    "kinesis": (
        ("StreamARN", "{}"),
        ("ConsumerARN", "{}"),
        ("ResourceARN", "{}"),
        ("StreamName", "stream/{}"),
        ("ShardIterator", "stream/{}"),
    ),
    "dynamodb": (
        ("TableName", "table/{}"),
        ("SourceTableName", "table/{}"),
        ("TargetTableName", "table/{}"),
        ("ResourceArn", "{}"),
        ("BackupArn", "{}"),
        ("TableArn", "{}"),
        ("ExportArn", "{}"),
        ("ImportArn", "{}"),
        ("GlobalTableName", "table/{}"),
    ),
    "dynamodbstreams": (
        ("StreamArn", "{}"),
        ("ShardIterator", "{}"),
        ("TableName", "table/{}/stream/*"),
    ),
    "secretsmanager": (("SecretId", "secret:{}"), ("Name", "secret:{}")),
    "kms": (("KeyId", "key/{}"), ("TargetKeyId", "key/{}"), ("SourceKeyId", "key/{}"), ("ResourceArn", "{}")),
    "rds": (
        ("DBInstanceIdentifier", "db:{}"),
        ("DBSnapshotIdentifier", "snapshot:{}"),
        ("DBParameterGroupName", "pg:{}"),
        ("DBSubnetGroupName", "subgrp:{}"),
        ("DBClusterIdentifier", "cluster:{}"),
        ("ResourceName", "{}"),
    ),
    "cognito-idp": (("UserPoolId", "userpool/{}"), ("ResourceArn", "{}")),
    "cloudwatch": (
        ("AlarmName", "alarm:{}"),
        ("AlarmNames", "alarm:{}"),
        ("DashboardName", "dashboard/{}"),
        ("ResourceARN", "{}"),
    ),
}
# What a call without such a field is about, where IAM does not say `*`.
_OTHERWISE = {"sqs": "", "sns": "*", "rds": "db:*"}
_ARN = re.compile(r"arn:aws[\w-]*:[\w-]+:[\w-]*:\d*:[^|\s\"]+")


def asked(service: str, operation: str, fields: Fields, account: Account) -> Ask:
    """The question of a call whose service needs no rule of its own: `Operation` on what a field names, or on `*`."""
    ask = Ask(action_name(service, operation))
    prefix = PREFIXES.get(service, service)
    start = f"arn:aws:{prefix}:{account.region}:{account.id}:"
    for name, end in _RESOURCES.get(service, ()):
        value = fields.get(name)
        if isinstance(value, list):
            value = value[0] if len(value) == 1 else None
        if isinstance(value, str) and value:
            return ask.on(_named(name, value, start + end))
    otherwise = _OTHERWISE.get(service)
    return ask if otherwise is None else ask.on(start + otherwise)


def action_name(service: str, operation: str) -> str:
    """`sns`, `PublishBatch` -> `SNS:Publish`."""
    name = _SAME.get((service, operation), operation)
    spelled = _SPELLED.get(service)
    return spelled(name) if spelled else f"{PREFIXES.get(service, service)}:{name}"


def _named(name: str, value: str, template: str) -> str:
    if name == "QueueUrl":
        return template.format(value.rstrip("/").rpartition("/")[2])
    if name == "ShardIterator":
        return _of_iterator(value, template)
    if name == "SubscriptionArn" and value.count(":") > 5:
        return value.rpartition(":")[0]  # AWS: a subscription's rights are those of its topic.
    return value if value.startswith("arn:") else template.format(value)


def _of_iterator(iterator: str, template: str) -> str:
    """The stream behind an iterator, which carries its name; `*` if it cannot be read."""
    texts = [iterator]
    with contextlib.suppress(binascii.Error, ValueError):
        texts.append(base64.b64decode(iterator + "=" * (-len(iterator) % 4)).decode("latin-1"))
    for text in texts:
        if found := _ARN.search(text):
            return found[0].partition("|")[0]
    name = re.match(r"[\w.-]+(?=:)", texts[-1])
    return template.format(name[0]) if name and template.endswith("stream/{}") else "*"


def read_fields(request: AwsRequest) -> Fields:
    """The parameters of a call: of its JSON body, or of its form. A list of a form is a list; structures are flat."""
    if request.body[:1] == b"{":
        try:
            found = json.loads(request.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    form: dict[str, Any] = {}
    for name, values in parse_qs(request.body.decode("utf-8", "replace") or request.query).items():
        form[name] = values[0]
        base, _, rest = name.partition(".member.")
        if rest.isdigit():
            form.setdefault(base, []).append(values[0])
    return form


def listed(value: Any) -> list[str]:
    """The strings of a field that is one string or a list of them."""
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
