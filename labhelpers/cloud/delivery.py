"""Delivers messages of triggers and destinations to queues, topics, event buses, buckets, streams and logs here.

Called by `functions.asynchronous` and the triggers as their `deliver`; calls the bridge to moto, in process, and for
event buses the lab's own (`put_event`).
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from multidict import CIMultiDict

from labhelpers.cloud.protocol import AwsRequest, AwsResponse, new_request_id
from labhelpers.errors import INVALID_PARAMETER, AwsError, NotEmulated
from labhelpers.events.destinations import Outgoing
from labhelpers.events.sns import QueueMessage
from labhelpers.model import Account, Credentials, LogEvent


class Bridge(Protocol):
    """The part of the bridge to moto that answers calls, and takes log lines."""

    async def handle(self, request: AwsRequest) -> AwsResponse: ...
    def write_logs(self, group: str, stream: str, events: list[LogEvent]) -> None: ...


class Delivery:
    """`await delivery(message)` puts it where its target's ARN says. AwsError as the receiving service answers.

    Whether a function's role or a schedule's may send is asked before, where IAM decides; nothing is asked here.
    `put_event` takes what goes to event buses; AwsError 400 for a bus that does not exist.
    """

    def __init__(self, bridge: Bridge, account: Account) -> None:
        self.put_event: Callable[[Outgoing], None] | None = None
        self._bridge = bridge
        self._account = account
        self._ways: Mapping[str, Callable[[Outgoing], Awaitable[None]]] = {
            "sqs": self._to_queue,
            "sns": self._to_topic,
            "events": self._to_event_bus,
            "s3": self._to_bucket,
            "kinesis": self._to_stream,
            "logs": self._to_log_group,
        }

    async def __call__(self, message: Outgoing) -> None:
        """Deliver `message`."""
        way = self._ways.get(message.service)
        if way is None:
            raise NotEmulated(f"deliveries to {message.service} ({message.target})")
        if message.target.endswith(".fifo") and not (message.service == "sqs" and message.key):
            # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html, and S3's page.
            raise AwsError(
                INVALID_PARAMETER,
                f"{message.target} is a FIFO destination; only standard ones receive events",
            )
        await way(message)

    async def to_queue(self, message: QueueMessage) -> None:
        """Send a message of a topic to a queue, FIFO or not, with its attributes."""
        region, account, name = message.queue_arn.split(":")[3:]
        if (region, account) != (self._account.region, self._account.id):
            raise AwsError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
        body: dict[str, object] = {
            "QueueUrl": f"https://sqs.{region}.amazonaws.com/{account}/{name}",
            "MessageBody": message.body,
            "MessageAttributes": {
                key: {
                    "DataType": each.data_type,
                    "BinaryValue" if each.kind == "Binary" else "StringValue": each.value,
                }
                for key, each in message.attributes.items()
            },
        }
        if message.group_id:
            body["MessageGroupId"] = message.group_id
        if message.deduplication_id:
            body["MessageDeduplicationId"] = message.deduplication_id
        if message.trace_id:
            body["MessageSystemAttributes"] = {
                "AWSTraceHeader": {"DataType": "String", "StringValue": message.trace_id}
            }
        await self._json("sqs", "AmazonSQS.SendMessage", "1.0", body)

    async def _to_queue(self, message: Outgoing) -> None:
        account, name = message.target.split(":")[4:]
        body: dict[str, object] = {
            "QueueUrl": f"https://sqs.{self._account.region}.amazonaws.com/{account}/{name}",
            "MessageBody": message.body,
            "MessageAttributes": {
                key: {"DataType": kind, "StringValue": value}
                for key, (kind, value) in message.attributes.items()
            },
        }
        if message.key:
            body["MessageGroupId"] = message.key
        if message.trace_id:
            trace = {"DataType": "String", "StringValue": message.trace_id}
            body["MessageSystemAttributes"] = {"AWSTraceHeader": trace}
        await self._json("sqs", "AmazonSQS.SendMessage", "1.0", body)

    async def _to_topic(self, message: Outgoing) -> None:
        form = {
            "Action": "Publish",
            "Version": "2010-03-31",
            "TopicArn": message.target,
            "Message": message.body,
        }
        if message.subject:
            form["Subject"] = message.subject
        for number, (key, (kind, value)) in enumerate(message.attributes.items(), 1):
            entry = f"MessageAttributes.entry.{number}"
            form |= {
                f"{entry}.Name": key,
                f"{entry}.Value.DataType": kind,
                f"{entry}.Value.StringValue": value,
            }
        headers = {"Content-Type": _FORM} | (
            {"X-Amzn-Trace-Id": message.trace_id} if message.trace_id else {}
        )
        await self._call("sns", "POST", "/", headers, urlencode(form).encode())

    async def _to_event_bus(self, message: Outgoing) -> None:
        if self.put_event is None:
            raise NotEmulated(f"deliveries to event buses yet ({message.target})")
        self.put_event(message)

    async def _to_stream(self, message: Outgoing) -> None:
        body = {
            "StreamARN": message.target,
            "Data": b64encode(message.body.encode()).decode(),
            "PartitionKey": message.key,
        }
        await self._json("kinesis", "Kinesis_20131202.PutRecord", "1.1", body)

    async def _to_log_group(self, message: Outgoing) -> None:
        group = message.target.split(":", 6)[6].removesuffix(":*")
        asked = {"logGroupName": group, "limit": 1}  # An error if there is no such group.
        await self._json("logs", "Logs_20140328.DescribeLogStreams", "1.1", asked)
        self._bridge.write_logs(group, str(uuid.uuid4()), [LogEvent(int(message.at * 1000), message.body)])

    async def _to_bucket(self, message: Outgoing) -> None:
        bucket = message.target.split(":")[5]
        path = f"/{bucket}/{quote(message.key, safe='/')}"
        await self._call("s3", "PUT", path, {"Content-Type": "application/json"}, message.body.encode())

    async def _json(self, service: str, target: str, version: str, body: object) -> AwsResponse:
        headers = {"Content-Type": f"application/x-amz-json-{version}", "X-Amz-Target": target}
        return await self._call(service, "POST", "/", headers, json.dumps(body).encode())

    async def _call(
        self, service: str, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> AwsResponse:
        account, region = self._account.id, self._account.region
        host = f"{service}.{region}.amazonaws.com"
        request = AwsRequest(
            method,
            path,
            "",
            CIMultiDict({**headers, "Host": host, "Content-Length": str(len(body))}),
            body,
            Credentials("internal", "", f"arn:aws:iam::{account}:root"),
            service,
            region,
            "127.0.0.1",
            new_request_id(),
            host,
        )
        response = await self._bridge.handle(request)
        if response.status >= 300:
            raise _error(response)
        return response


_FORM = "application/x-www-form-urlencoded; charset=utf-8"


def _error(response: AwsResponse) -> AwsError:
    """The error in an answer, in whichever form the service words it."""
    try:
        if response.body.lstrip().startswith(b"{"):
            told = json.loads(response.body)
            code = str(told.get("__type", "")).rpartition("#")[2]
            return AwsError(code or "InternalFailure", str(told.get("message", "")), response.status)
        found = {
            node.tag.rpartition("}")[2]: node.text or ""
            for node in ElementTree.fromstring(response.body).iter()
        }
        return AwsError(found.get("Code", "InternalFailure"), found.get("Message", ""), response.status)
    except (ValueError, ElementTree.ParseError):
        return AwsError("InternalFailure", response.body.decode(errors="replace"), response.status)
