"""What IAM's decisions need to know of resources: their policies, ARNs behind names, keys of tables.

Called by `permissions`; asks the services themselves, in process, and keeps the answers until somebody changes them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from multidict import CIMultiDict

from labhelpers.cloud.permissions_asks import Ask
from labhelpers.cloud.protocol import AwsRequest, AwsResponse, Form, new_request_id
from labhelpers.cloud.services import SERVICES
from labhelpers.errors import AwsError
from labhelpers.functions.names import read_reference
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.iam.documents import Policy, read_policy
from labhelpers.model import LATEST, Account, Credentials

Handle = Callable[[AwsRequest], Awaitable[AwsResponse]]

# Operations after which another policy, name or key may hold.
_CHANGES = ("Policy", "Permission", "Create", "Delete", "Attributes", "Alias", "Update", "Import", "Restore")
_KEPT = 10_000


class Resources:
    """Reads policies of resources. `handle_of` gives the handler of a service by boto3's name."""

    def __init__(
        self, account: Account, registry: FunctionRegistry, handle_of: Callable[[str], Handle]
    ) -> None:
        self._account = account
        self._registry = registry
        self._handle_of = handle_of
        self._policies: dict[str, Policy | None] = {}
        self._arns: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def notice(self, service: str, operation: str) -> None:
        """A call has been answered: forget what it may have changed."""
        if service != "lambda" and operation.startswith(("Get", "List", "Describe")):
            return
        if any(word in operation for word in _CHANGES):
            self._policies.clear()
            self._arns.clear()
            self._keys.clear()

    async def policy_of(self, service: str, arn: str) -> Policy | None:
        """The policy of the resource of that ARN; None if it has none."""
        if service == "lambda":
            return self._policy_of_function(arn)
        read = _READERS.get(service)
        if read is None or "*" in arn:
            return None
        if service == "s3":
            arn = arn.partition("/")[0]
        if arn not in self._policies:
            if len(self._policies) > _KEPT:
                self._policies.clear()
            text = await read(self, arn)
            self._policies[arn] = _read(text, arn) if text else None
        return self._policies[arn]

    async def with_arn(self, service: str, ask: Ask) -> Ask:
        """The same question with the ARN that a name or an alias stands for."""
        if service not in ("secretsmanager", "kms") or ask.resource == "*":
            return ask
        arn = self._arns.get(ask.resource)
        if arn is None:
            arn = self._arns[ask.resource] = await self._real_arn(service, ask.resource)
        return ask.on(arn, ask.shown)

    async def partition_key(self, table: str) -> str:
        """The name of a table's partition key; "" for a table that is not there."""
        if table not in self._keys:
            found = await self.call("dynamodb", "DescribeTable", {"TableName": table})
            schema = (found.get("Table") or {}).get("KeySchema") or ()
            self._keys[table] = next((k["AttributeName"] for k in schema if k["KeyType"] == "HASH"), "")
        return self._keys[table]

    # --- How each service tells ---

    def _policy_of_function(self, arn: str) -> Policy | None:
        parts = arn.split(":")
        if len(parts) < 7 or parts[5] != "function":
            return None
        try:
            reference = read_reference(arn, "", self._account)
        except AwsError:
            return None
        function = self._registry.find(reference.name)
        qualifier = "" if reference.qualifier == LATEST else reference.qualifier
        found = function.policies.get(qualifier) if function else None
        return _read(found.as_json(), arn) if found else None

    async def _real_arn(self, service: str, resource: str) -> str:
        name = resource.split(":", 5)[5]
        if service == "kms":
            key = name.removeprefix("key/") if name.startswith("key/") else name
            key = key if key.startswith("alias/") or "/" not in key else resource
            found = await self.call("kms", "DescribeKey", {"KeyId": key})
            return str((found.get("KeyMetadata") or {}).get("Arn") or resource)
        found = await self.call(
            "secretsmanager", "DescribeSecret", {"SecretId": name.removeprefix("secret:")}
        )
        return str(found.get("ARN") or resource)

    async def _queue_policy(self, arn: str) -> str:
        url = f"https://sqs.{self._account.region}.amazonaws.com/{self._account.id}/{arn.rpartition(':')[2]}"
        found = await self.call("sqs", "GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["Policy"]})
        return str((found.get("Attributes") or {}).get("Policy", ""))

    async def _topic_policy(self, arn: str) -> str:
        body = await self._send("sns", b"", {"Action": "GetTopicAttributes", "TopicArn": arn})
        entries = [
            {child.tag.rpartition("}")[2]: child.text or "" for child in element}
            for element in _elements(body)
            if element.tag.rpartition("}")[2] == "entry"
        ]
        return next((entry.get("value", "") for entry in entries if entry.get("key") == "Policy"), "")

    async def _bucket_policy(self, arn: str) -> str:
        bucket = quote(arn.rpartition(":")[2])
        answer = await self._answer("s3", "GET", f"/{bucket}", "policy", {}, b"")
        return answer.body.decode() if answer.status == 200 else ""

    async def _key_policy(self, arn: str) -> str:
        found = await self.call("kms", "GetKeyPolicy", {"KeyId": arn, "PolicyName": "default"})
        return str(found.get("Policy", ""))

    async def _secret_policy(self, arn: str) -> str:
        found = await self.call("secretsmanager", "GetResourcePolicy", {"SecretId": arn})
        return str(found.get("ResourcePolicy") or "")

    async def _bus_policy(self, arn: str) -> str:
        if ":event-bus/" not in arn:
            return ""
        found = await self.call("events", "DescribeEventBus", {"Name": arn.rpartition("/")[2]})
        return str(found.get("Policy") or "")

    async def _table_policy(self, arn: str) -> str:
        found = await self.call("dynamodb", "GetResourcePolicy", {"ResourceArn": arn.partition("/index/")[0]})
        return str(found.get("Policy") or "")

    async def _stream_policy(self, arn: str) -> str:
        found = await self.call("kinesis", "GetResourcePolicy", {"ResourceARN": arn})
        return str(found.get("Policy") or "")

    # --- Calls in process ---

    async def call(self, service: str, operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of a JSON service; empty if it is an error."""
        body = await self._send(service, json.dumps(fields).encode(), {"Action": operation})
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    async def _send(self, service: str, body: bytes, form: Mapping[str, str]) -> bytes:
        known = SERVICES[service]
        if known.form is Form.JSON:
            headers = {
                "Content-Type": f"application/x-amz-json-{known.version}",
                "X-Amz-Target": f"{known.targets}.{form['Action']}",
            }
        else:
            headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
            body = urlencode({**form, "Version": "2010-03-31"}).encode()
        answer = await self._answer(service, "POST", "/", "", headers, body)
        return answer.body if answer.status == 200 else b""

    async def _answer(
        self, service: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> AwsResponse:
        account, region = self._account.id, self._account.region
        host = f"{service}.{region}.amazonaws.com"
        request = AwsRequest(
            method,
            path,
            query,
            CIMultiDict({**headers, "Host": host, "Content-Length": str(len(body))}),
            body,
            Credentials("internal", "", f"arn:aws:iam::{account}:root"),
            SERVICES[service].signing_name,
            region,
            "127.0.0.1",
            new_request_id(),
            host,
        )
        try:
            return await self._handle_of(service)(request)
        except AwsError as error:
            return AwsResponse(error.status)


def _read(text: str, arn: str) -> Policy | None:
    try:
        return read_policy(text, arn)
    except ValueError:
        return None


def _elements(body: bytes) -> list[ElementTree.Element]:
    try:
        return list(ElementTree.fromstring(body).iter())
    except ElementTree.ParseError:
        return []


_READERS: Mapping[str, Callable[[Resources, str], Awaitable[str]]] = {
    "s3": Resources._bucket_policy,
    "sqs": Resources._queue_policy,
    "sns": Resources._topic_policy,
    "kms": Resources._key_policy,
    "secretsmanager": Resources._secret_policy,
    "events": Resources._bus_policy,
    "dynamodb": Resources._table_policy,
    "kinesis": Resources._stream_policy,
}
