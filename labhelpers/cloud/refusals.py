"""Calls that moto would accept and then only pretend: refused by name until this cloud does them. Pure.

Each rule names what is not emulated; a call that no rule fits goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from labhelpers.errors import AwsError, NotEmulated

Fields = Mapping[str, Any]
# What exactly is refused of a call, or "" if this call may go on.
Rule = Callable[[Fields], str]


def _always(what: str) -> Rule:
    return lambda fields: what


def _if(name: str, what: str) -> Rule:
    return lambda fields: what if fields.get(name) else ""


def _log_destination(fields: Fields) -> str:
    service = "".join(str(fields.get("destinationArn", "")).split(":")[2:3])
    works = ("lambda", "kinesis", "logs")
    return "" if service in works else f"log subscriptions to {service!r} (functions and Kinesis work)"


_RULES: Mapping[tuple[str, str], Rule] = {
    ("sns", "CreatePlatformApplication"): _always("SNS mobile push"),
    ("sns", "CreateSMSSandboxPhoneNumber"): _always("SNS text messages"),
    ("events", "CreateApiDestination"): _always("EventBridge API destinations"),
    ("logs", "PutSubscriptionFilter"): _log_destination,
    ("logs", "PutMetricFilter"): _always("metric filters of CloudWatch Logs"),
    ("logs", "CreateExportTask"): _always("exports of CloudWatch Logs"),
    ("logs", "StartQuery"): _always("queries of CloudWatch Logs Insights (filter_log_events works)"),
    ("logs", "StartLiveTail"): _always("live tail of CloudWatch Logs"),
    ("cloudwatch", "PutMetricAlarm"): _always("CloudWatch alarms"),
    ("cloudwatch", "PutCompositeAlarm"): _always("CloudWatch alarms"),
    ("cloudwatch", "PutMetricStream"): _always("CloudWatch metric streams"),
    ("cloudwatch", "PutInsightRule"): _always("CloudWatch Contributor Insights"),
    ("cloudwatch", "PutAnomalyDetector"): _always("CloudWatch anomaly detection"),
    ("dynamodb", "EnableKinesisStreamingDestination"): _always("Kinesis streaming of DynamoDB tables"),
    ("dynamodb", "CreateGlobalTable"): _always("DynamoDB global tables"),
    ("dynamodb", "ExportTableToPointInTime"): _always("exports of DynamoDB tables"),
    ("dynamodb", "ImportTable"): _always("imports of DynamoDB tables"),
    ("cognito-idp", "CreateUserPool"): _if("LambdaConfig", "Lambda triggers of Cognito user pools"),
    ("cognito-idp", "UpdateUserPool"): _if("LambdaConfig", "Lambda triggers of Cognito user pools"),
    ("cognito-idp", "CreateUserPoolDomain"): _always("hosted pages of Cognito user pools"),
    ("secretsmanager", "RotateSecret"): _always("rotation of secrets"),
    ("secretsmanager", "ReplicateSecretToRegions"): _always("replication of secrets"),
    ("s3", "PutBucketReplication"): _always("S3 replication"),
    ("s3", "PutBucketWebsite"): _always("S3 website hosting"),
    ("s3", "PutBucketLogging"): _always("S3 access logs"),
    ("s3", "PutBucketLifecycleConfiguration"): _always("S3 lifecycle rules"),
    ("s3", "PutBucketInventoryConfiguration"): _always("S3 inventories"),
    ("s3", "PutBucketAccelerateConfiguration"): _always("S3 transfer acceleration"),
    ("s3", "SelectObjectContent"): _always("S3 Select"),
    # moto would take these for another operation, or answer with an empty configuration.
    **{
        ("s3", f"{verb}{part}"): _always(f"S3 {verb}{part}")
        for verb in ("Get", "Put", "Delete", "Post")
        for part in (
            "BucketAbac",
            "BucketAnalyticsConfiguration",
            "BucketIntelligentTieringConfiguration",
            "BucketMetadataConfiguration",
            "BucketMetadataTableConfiguration",
            "BucketMetricsConfiguration",
            "BucketRequestPayment",
            "ObjectAnnotation",
            "ObjectEncryption",
            "ObjectName",
            "ObjectTorrent",
            "Session",
        )
    },
}
# Of Systems Manager only the parameter store is here: its other parts act on machines that do not exist.
_SSM = ("Parameter", "Tags", "ResourceTags", "LabelParameterVersion")


def check_json(body: bytes) -> None:
    """AwsError SerializationException for the body of a JSON call that is no JSON object: moto does not look."""
    try:
        if not body or isinstance(json.loads(body), dict):
            return
    except (ValueError, RecursionError):
        pass
    raise AwsError("SerializationException", "The body of this request is no JSON object")


def check(service: str, operation: str, body: bytes) -> None:
    """NotEmulated if this call must not reach moto. `service` is boto3's name of it."""
    if service == "ssm" and not any(part in operation for part in _SSM):
        raise NotEmulated(f"Systems Manager {operation} (its parameter store works)")
    rule = _RULES.get((service, operation))
    if rule is not None and (what := rule(_fields(body))):
        raise NotEmulated(what)


def _fields(body: bytes) -> Fields:
    """The parameters of a JSON or query call; S3's rules look at none."""
    if body[:1] == b"{":
        try:
            decoded = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return decoded if isinstance(decoded, dict) else {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
