"""The calls of SQS that send, receive and delete messages, answered on the event loop without moto.

moto takes two milliseconds for each. What is unusual or wrong about a call is left to moto, which knows AWS's answers:
then a method here gives None. Only AWS's JSON protocol comes here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from labhelpers.cloud.protocol import AwsResponse
from labhelpers.events.sqs import TRACE_HEADER, SqsMessage
from labhelpers.triggers.sqs_held import InvalidHandleError, NotInFlightError

if TYPE_CHECKING:
    from labhelpers.cloud.moto_bridge_sqs import SqsState

Fields = Mapping[str, Any]
_HEADERS = {"Content-Type": "application/x-amz-json-1.0"}
_ENTRY_ID = re.compile(r"[\w-]{1,80}", re.ASCII)
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_BATCH_MAX = 10
_VISIBILITY_S_MAX, _DELAY_S_MAX = 43_200, 900


class _LeaveItError(Exception):
    """Not for here: moto answers."""


class QuickCalls:
    """Answers the everyday calls. `answer` gives None for all others."""

    def __init__(self, state: SqsState) -> None:
        self._state = state
        self._calls: Mapping[str, Callable[[Any, Fields, str, str], Any]] = {
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "ChangeMessageVisibility": self._change_visibility,
        }

    def answer(
        self, operation: str, fields: Fields, region: str, sender_id: str = "", trace_header: str = ""
    ) -> AwsResponse | None:
        """The answer to a call that needs no waiting."""
        call = self._calls.get(operation)
        queue = self._queue(fields, region)
        if call is None or queue is None:
            return None
        try:
            body = call(queue, fields, sender_id, trace_header)
        except (_LeaveItError, InvalidHandleError, NotInFlightError):
            return None
        return AwsResponse(200, _HEADERS, orjson.dumps(body) if body is not None else b"")

    def _queue(self, fields: Fields, region: str) -> Any:
        url = fields.get("QueueUrl")
        return self._state.named(url.rpartition("/")[2], region) if isinstance(url, str) else None

    # --- Sending ---

    def _send(self, queue: Any, fields: Fields, sender_id: str, trace_header: str) -> dict[str, Any]:
        message = self._message(queue, fields, sender_id, trace_header)
        self._state.put(queue, message)
        return _sent(queue, message)

    def _send_batch(self, queue: Any, fields: Fields, sender_id: str, trace_header: str) -> dict[str, Any]:
        entries = _entries(fields)
        messages = [self._message(queue, entry, sender_id, trace_header) for entry in entries]
        if sum(len(message.body.encode()) for message in messages) > queue.maximum_message_size:
            raise _LeaveItError
        for message in messages:
            self._state.put(queue, message)
        return {
            "Successful": [
                {"Id": entry["Id"], **_sent(queue, message)}
                for entry, message in zip(entries, messages, strict=True)
            ]
        }

    def _message(self, queue: Any, fields: Fields, sender_id: str, trace_header: str) -> Any:
        """A message as moto keeps it, not yet in the queue."""
        body, delay_s = fields.get("MessageBody"), fields.get("DelaySeconds")
        group, key = fields.get("MessageGroupId"), fields.get("MessageDeduplicationId")
        if not isinstance(body, str) or not body or len(body.encode()) > queue.maximum_message_size:
            raise _LeaveItError
        if delay_s is not None and not _is_between(delay_s, 0, _DELAY_S_MAX):
            raise _LeaveItError
        if queue.fifo_queue:
            if not group or delay_s or not (key or queue.content_based_deduplication):
                raise _LeaveItError
            key = key or hashlib.sha256(body.encode()).hexdigest()
        elif key is not None:
            raise _LeaveItError
        system = _attributes(fields.get("MessageSystemAttributes"))
        if trace_header and TRACE_HEADER not in system:
            system[TRACE_HEADER] = {"DataType": "String", "StringValue": trace_header}
        message = self._state.new_message(str(uuid.uuid4()), body, system)
        message.message_attributes = _attributes(fields.get("MessageAttributes"))
        message.deduplication_id, message.group_id = key, group
        if sender_id:
            message.sender_id = sender_id
        message.mark_sent(queue.delay_seconds if delay_s is None else delay_s)
        return message

    # --- What consumers do ---

    def _delete(self, queue: Any, fields: Fields, *_: str) -> None:
        self._state.store_of(queue).delete(_handle(fields))

    def _delete_batch(self, queue: Any, fields: Fields, *_: str) -> dict[str, Any]:
        entries = _entries(fields)
        handles = [_handle(entry) for entry in entries]
        store = self._state.store_of(queue)
        if len(set(handles)) < len(handles) or not all(map(store.knows, handles)):
            raise _LeaveItError
        for handle in handles:
            store.delete(handle)
        return {"Successful": [{"Id": entry["Id"]} for entry in entries]}

    def _change_visibility(self, queue: Any, fields: Fields, *_: str) -> None:
        seconds = fields.get("VisibilityTimeout")
        if not _is_between(seconds, 0, _VISIBILITY_S_MAX):
            raise _LeaveItError
        self._state.store_of(queue).change_visibility(_handle(fields), float(seconds or 0))

    # --- Receiving ---

    def receive(self, fields: Fields, region: str) -> AwsResponse | None:
        """What there is now, perhaps nothing."""
        queue = self._queue(fields, region)
        count, visibility_s = fields.get("MaxNumberOfMessages", 1), fields.get("VisibilityTimeout")
        if queue is None or not _is_between(count, 1, _BATCH_MAX):
            return None
        if visibility_s is None:
            visibility_s = queue.visibility_timeout
        elif not _is_between(visibility_s, 0, _VISIBILITY_S_MAX):
            return None
        try:
            wanted = {*_names(fields, "AttributeNames"), *_names(fields, "MessageSystemAttributeNames")}
            names = _names(fields, "MessageAttributeNames")
        except _LeaveItError:
            return None
        messages = [
            self._shown(queue, one, wanted, names) for one in self._state.take(queue, count, visibility_s)
        ]
        return AwsResponse(200, _HEADERS, orjson.dumps({"Messages": messages} if messages else {}))

    def _shown(self, queue: Any, taken: Any, wanted: set[str], names: Sequence[str]) -> dict[str, Any]:
        message: SqsMessage = self._state.as_received(queue, taken)
        shown: dict[str, Any] = {
            "MessageId": message.id,
            "ReceiptHandle": message.receipt_handle,
            "MD5OfBody": message.body_md5,
            "Body": message.body,
        }
        if wanted:
            shown["Attributes"] = {
                name: value for name, value in message.attributes.items() if name in wanted or "All" in wanted
            }
        attributes = {n: v for n, v in message.message_attributes.items() if _is_wanted(n, names)}
        if attributes:
            shown["MessageAttributes"] = {name: _as_json(value) for name, value in attributes.items()}
            complete = len(attributes) == len(message.message_attributes)
            shown["MD5OfMessageAttributes"] = (
                message.attributes_md5 if complete else self._state.md5_of(attributes)
            )
        return shown


def _sent(queue: Any, message: Any) -> dict[str, Any]:
    made = {"MessageId": message.id, "MD5OfMessageBody": message.body_md5}
    if message.message_attributes:
        made["MD5OfMessageAttributes"] = message.attribute_md5
    if queue.fifo_queue:
        made["SequenceNumber"] = message.sequence_number
    return made


def _entries(fields: Fields) -> list[dict[str, Any]]:
    """A batch's entries if they are one to ten, each with an id of its own."""
    entries = fields.get("Entries")
    if not isinstance(entries, list) or not 1 <= len(entries) <= _BATCH_MAX:
        raise _LeaveItError
    ids = [entry.get("Id") if isinstance(entry, dict) else None for entry in entries]
    if not all(isinstance(one, str) and _ENTRY_ID.fullmatch(one) for one in ids) or len(set(ids)) < len(ids):
        raise _LeaveItError
    return entries


def _handle(fields: Fields) -> str:
    handle = fields.get("ReceiptHandle")
    if not isinstance(handle, str):
        raise _LeaveItError
    return handle


def _names(fields: Fields, member: str) -> list[str]:
    names = fields.get(member) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _LeaveItError
    return names


def _is_between(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_wanted(name: str, names: Sequence[str]) -> bool:
    return any(
        one in ("All", name) or (one.endswith(".*") and name.startswith(one.removesuffix(".*")))
        for one in names
    )


def _attributes(given: Any) -> dict[str, Any]:
    """Attributes as moto keeps them: binary values decoded."""
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > _BATCH_MAX:
        raise _LeaveItError
    return {name: _attribute(name, value) for name, value in given.items()}


def _attribute(name: str, value: Any) -> dict[str, Any]:
    kind = value.get("DataType") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not _ATTRIBUTE_NAME.fullmatch(name):
        raise _LeaveItError
    if kind.partition(".")[0] in ("String", "Number"):
        if not isinstance(text := value.get("StringValue"), str) or not text:
            raise _LeaveItError
        return {"DataType": kind, "StringValue": text}
    if kind.partition(".")[0] != "Binary" or not value.get("BinaryValue"):
        raise _LeaveItError
    try:
        return {"DataType": kind, "BinaryValue": base64.b64decode(value["BinaryValue"], validate=True)}
    except (binascii.Error, TypeError, ValueError):
        raise _LeaveItError from None


def _as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    binary = value.get("BinaryValue")
    return (
        {**value, "BinaryValue": base64.b64encode(binary).decode()}
        if isinstance(binary, bytes)
        else {**value}
    )
