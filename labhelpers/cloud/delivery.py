"""Delivers messages of triggers and destinations to queues, topics, event buses and buckets of this cloud.

Called by `functions.asynchronous` and `triggers.s3` as their `deliver`; calls the bridge to moto, in process.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from multidict import CIMultiDict

from labhelpers.cloud.protocol import AwsRequest, AwsResponse, new_request_id
from labhelpers.errors import INVALID_PARAMETER, AwsError, NotEmulated
from labhelpers.events.destinations import Outgoing
from labhelpers.model import Account, Credentials


class Bridge(Protocol):
    """The part of the bridge to moto that answers calls."""

    async def handle(self, request: AwsRequest) -> AwsResponse: ...


class Delivery:
    """`await delivery(message)` puts it where its target's ARN says. AwsError as the receiving service answers.

    AWS: the function's role or a resource policy decides whether it may. Here: nothing is asked.
    """

    def __init__(self, bridge: Bridge, account: Account) -> None:
        self._bridge = bridge
        self._account = account
        self._ways: Mapping[str, Callable[[Outgoing], Awaitable[None]]] = {
            "sqs": self._to_queue,
            "sns": self._to_topic,
            "events": self._to_event_bus,
            "s3": self._to_bucket,
        }

    async def __call__(self, message: Outgoing) -> None:
        """Deliver `message`."""
        way = self._ways.get(message.service)
        if way is None:
            raise NotEmulated(f"deliveries to {message.service} ({message.target})")
        if message.target.endswith(".fifo"):
            # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html, and S3's page.
            raise AwsError(
                INVALID_PARAMETER,
                f"{message.target} is a FIFO destination; only standard ones receive events",
            )
        await way(message)

    async def _to_queue(self, message: Outgoing) -> None:
        account, name = message.target.split(":")[4:]
        body = {
            "QueueUrl": f"https://sqs.{self._account.region}.amazonaws.com/{account}/{name}",
            "MessageBody": message.body,
            "MessageAttributes": {
                key: {"DataType": kind, "StringValue": value}
                for key, (kind, value) in message.attributes.items()
            },
        }
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
        await self._call("sns", "POST", "/", {"Content-Type": _FORM}, urlencode(form).encode())

    async def _to_event_bus(self, message: Outgoing) -> None:
        entry = {
            "Source": message.source,
            "DetailType": message.detail_type,
            "Detail": message.body,
            "EventBusName": message.target,
            "Resources": list(message.resources),
            "Time": message.at,
        }
        answer = await self._json("events", "AWSEvents.PutEvents", "1.1", {"Entries": [entry]})
        failed = next((one for one in json.loads(answer.body)["Entries"] if one.get("ErrorCode")), None)
        if failed:
            raise AwsError(failed["ErrorCode"], failed.get("ErrorMessage", ""))

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
