"""Puts our messages into moto's SQS: its queues and its backend ask `SqsState` instead of their own lists."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any

from labhelpers.errors import AwsError
from labhelpers.triggers.sqs_held import InvalidHandleError, NotInFlightError

if TYPE_CHECKING:
    from labhelpers.cloud.moto_bridge_sqs import SqsState

# AWS: the visibility timeouts of a message add up to at most twelve hours: API_ChangeMessageVisibility.html.
VISIBILITY_S_MAX = 43_200
_DELAY_S_MAX = 900
# API_PurgeQueue.html
_PURGE_EVERY_S = 60.0


def mend(state: SqsState) -> Any:
    """moto's models of SQS, their messages in `state`. On moto's thread."""
    models: Any = import_module("moto.sqs.models")
    models.unix_time = lambda *_: int(state.clock.now())  # AWS: whole seconds, as in CreatedTimestamp.
    models.unix_time_millis = lambda *_: state.clock.now() * 1000
    _mend_queue(models, state)
    _mend_backend(models, state)
    return models


def note_purge(queue: Any, now: float) -> None:
    """A queue is emptied at lab time `now`. AwsError PurgeQueueInProgress (403) within a minute of the last one."""
    last = getattr(queue, "lab_purged", None)
    if last is not None and now - last < _PURGE_EVERY_S:
        raise AwsError(
            "PurgeQueueInProgress",
            f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.",
            403,
        )
    queue.lab_purged = now


def _invalid_handle(models: Any, handle: str) -> Exception:
    """moto's error with AWS's text."""
    error: Exception = models.ReceiptHandleIsInvalid()
    error.message = f'The input receipt handle "{handle}" is not a valid receipt handle.'  # type: ignore[attr-defined]
    return error


def _mend_queue(models: Any, state: SqsState) -> None:
    def delete_message(queue: Any, receipt_handle: str) -> None:
        try:
            state.store_of(queue).delete(receipt_handle)
        except InvalidHandleError:
            raise _invalid_handle(models, receipt_handle) from None

    def add_message(queue: Any, message: Any) -> None:
        state.put(queue, message)

    queues = models.Queue
    queues.add_message = add_message
    queues.delete_message = delete_message
    queues.messages = property(lambda queue: ())
    queues.approximate_number_of_messages = property(lambda queue: state.store_of(queue).counts().visible)
    queues.approximate_number_of_messages_delayed = property(
        lambda queue: state.store_of(queue).counts().delayed
    )
    queues.approximate_number_of_messages_not_visible = property(
        lambda queue: state.store_of(queue).counts().taken
    )


def _mend_backend(models: Any, state: SqsState) -> None:
    def receive_message(
        backend: Any,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Any]:
        queue = backend.get_queue(queue_name)
        messages = [state.received(one) for one in state.take(queue, count, visibility_timeout)]
        for message in messages:
            models._filter_message_attributes(message, message_attribute_names or [])
        return messages

    def change_message_visibility(
        backend: Any, queue_name: str, receipt_handle: str, visibility_timeout: int
    ) -> None:
        store = state.store_of(backend.get_queue(queue_name))
        try:
            store.change_visibility(receipt_handle, int(visibility_timeout))
        except InvalidHandleError:
            raise _invalid_handle(models, receipt_handle) from None
        except NotInFlightError:
            raise models.InvalidParameterValue(
                f"Value {receipt_handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or "
                "is not available for visibility timeout change."
            ) from None

    def purge_queue(backend: Any, queue_name: str) -> None:
        state.store_of(backend.get_queue(queue_name)).purge()

    backends = models.SQSBackend
    backends.receive_message = receive_message
    backends.change_message_visibility = change_message_visibility
    backends.purge_queue = purge_queue
    for name in ("create_queue", "delete_queue", "set_queue_attributes"):
        setattr(backends, name, _telling(getattr(backends, name), state))
    backends.send_message_batch = _with_system_attributes(backends.send_message_batch, state)


def _telling(method: Any, state: SqsState) -> Any:
    """`method` with those who wait for its queue told that it has changed."""
    original = getattr(method, "__wrapped__", method)

    @functools.wraps(original)
    def tell(backend: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        result = original(backend, name, *args, **kwargs)
        state.changed(name)
        return result

    return tell


def _with_system_attributes(method: Any, state: SqsState) -> Any:
    """SendMessageBatch with its entries' system attributes, which moto leaves behind."""
    original = getattr(method, "__wrapped__", method)

    @functools.wraps(original)
    def send(backend: Any, queue_name: str, entries: dict[str, dict[str, Any]]) -> Any:
        state.system_attributes = [
            entry.get("MessageSystemAttributes") or {}
            for entry in entries.values()
            if int(entry.get("DelaySeconds") or 0) <= _DELAY_S_MAX
        ]
        try:
            return original(backend, queue_name, entries)
        finally:
            state.system_attributes = []

    return send
