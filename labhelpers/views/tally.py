"""Counts what a journal tells: what is done, failed, running and waiting, and which way things went; no drawing.

`add` takes one entry after another, so a live view never counts twice. Callers: `map_data`, and tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labhelpers.views.api_things import api_in
from labhelpers.views.tally_apis import ApiReaders
from labhelpers.views.tally_counts import Failure, Move, cut
from labhelpers.views.things import CALL, CLIENT, EVENT, Link, function_id, source_id, target_id

_ERROR_LINE = re.compile(r"\[ERROR\]\s*(?:\S+Z\s+)?(?:[0-9a-f-]{36}\s+)?(?P<text>.+)", re.DOTALL)


class Tally(ApiReaders):
    """What a journal has told so far, of the things that `know` names and of all others."""

    def __init__(self) -> None:
        super().__init__()
        self.last_seq = 0
        self._callers: dict[str, list[str]] = {}
        self._queued: set[str] = set()
        self._error_lines: dict[str, str] = {}

    def know(self, functions: Mapping[str, str], links: Sequence[Link]) -> None:
        """Tell which functions there are (name to id), and who is set up to call what."""
        self._functions = dict(functions)
        self._callers = {}
        for link in links:
            if link.kind == CALL:
                self._callers.setdefault(link.target, []).append(link.source)

    def add_all(self, entries: Iterable[Mapping[str, Any]]) -> list[Move]:
        """Count these entries; the moves that they tell of, in order."""
        return [move for entry in entries for move in self.add(entry)]

    def add(self, entry: Mapping[str, Any]) -> list[Move]:
        """Count one entry; the moves that it tells of. Kinds that are not drawn are passed over."""
        self.last_seq = max(self.last_seq, entry["seq"])
        reader = _READERS.get(entry["kind"])
        if reader is None:
            return []
        if "/stream/" in entry["resource"]:
            entry = {**entry, "resource": source_id(entry["resource"])}
        elif api := api_in(entry["resource"]):
            entry = {**entry, "resource": api}
        return reader(self, entry)

    # --- One reader for each kind of entry ---

    def _object(self, entry: Mapping[str, Any]) -> list[Move]:
        detail = entry["detail"]
        name, key = str(detail.get("event", "")), str(detail.get("key", ""))
        bucket = self.of(entry["resource"])
        bucket.last_event = detail
        bucket.recent.append(cut(f"{name} {key}"))
        if not name.startswith("ObjectCreated"):
            return []
        bucket.arrived += 1
        bucket.last_name = key
        return [self._moved(self._caller(str(detail.get("principal", ""))), entry["resource"], CALL, key)]

    def _notification(self, entry: Mapping[str, Any]) -> list[Move]:
        detail = entry["detail"]
        target = target_id(str(detail.get("destination", "")))
        return [self._sent(entry["resource"], target, str(detail.get("key", "")))]

    def _published(self, entry: Mapping[str, Any]) -> list[Move]:
        """An event came to a bus: it goes on to each rule that it matches."""
        bus, detail = entry["resource"], entry["detail"]
        rules = str(bus).replace(":event-bus/default", ":rule").replace(":event-bus/", ":rule/")
        told = f"{detail.get('source', '')} {detail.get('detail_type', '')}"
        if str(detail.get("source", "")).startswith("aws."):
            self.of(bus).arrived += 1  # What a program puts is told by its call.
        self.of(bus).last_event = detail
        self.of(bus).recent.append(cut(told))
        return [self._sent(bus, f"{rules}/{name}", told) for name in detail.get("rules", ())]

    def _by_rule(self, entry: Mapping[str, Any]) -> list[Move]:
        detail = entry["detail"]
        return [self._sent(str(detail.get("rule", "")), target_id(str(detail.get("destination", ""))), "")]

    def _scheduled(self, entry: Mapping[str, Any]) -> list[Move]:
        count = self.of(entry["resource"])
        count.arrived += 1
        count.last_event = entry["detail"]
        count.recent.append(f"due {entry['detail'].get('due', '')}")
        return self._notification(entry) if entry["kind"].startswith("scheduler.") else []

    def _delivered(self, entry: Mapping[str, Any]) -> list[Move]:
        """What became of an asynchronous event was reported."""
        target = target_id(str(entry["detail"].get("destination", "")))
        return [self._sent(function_id(entry["resource"]), target, str(entry["detail"].get("condition", "")))]

    def _called(self, entry: Mapping[str, Any]) -> list[Move]:
        """A program handed something to a topic, a queue, a bus, a table or a stream."""
        detail = entry["detail"]
        target = str(detail.get("destination", ""))
        if not target:
            return []
        if ":dynamodb:" not in target and ":kinesis:" not in target:  # Those count what is read.
            self.of(target).arrived += int(detail.get("entries", 1))
        self.of(target).last_event = detail
        self.of(target).recent.append(str(detail.get("call", "")))
        return [self._moved(self._caller(str(detail.get("principal", ""))), target, CALL, "")]

    def _poll(self, entry: Mapping[str, Any]) -> list[Move]:
        detail = entry["detail"]
        read = int(detail.get("batch_size", len(detail.get("messages", ()))))
        source = self.of(entry["resource"])
        source.last_event = detail
        if detail.get("attempt", 1) == 1 and ":sqs:" not in entry["resource"]:
            source.arrived += read
        source.recent.append(
            cut(f"{_plural(read, 'record')} to {str(detail.get('destination', '')).split(':')[6]}")
        )
        text = _plural(read, "message" if ":sqs:" in entry["resource"] else "record")
        return [self._moved(entry["resource"], function_id(str(detail.get("destination", ""))), EVENT, text)]

    def _again(self, entry: Mapping[str, Any]) -> list[Move]:
        """A batch failed: it is tried again, or in halves."""
        detail = entry["detail"]
        source = self.of(entry["resource"])
        source.gone += int(detail.get("deleted", 0))
        if detail.get("returned", 1):
            source.again += int(detail.get("returned", 1))
            source.recent.append(cut(f"{entry['kind'].partition('.')[2]}: {detail.get('reason', '')}"))
        return []

    def _queued_call(self, entry: Mapping[str, Any]) -> list[Move]:
        function = function_id(entry["resource"])
        self.of(function).waiting.add(entry["request_id"])
        self._queued.add(entry["request_id"])
        # What S3 sends is told by its own entry, together with the key.
        caller = self._calling(entry["detail"])
        return [self._moved(caller, function, CALL, "")] if caller else []

    def _started(self, entry: Mapping[str, Any]) -> list[Move]:
        function, request_id = function_id(entry["resource"]), entry["request_id"]
        self._functions[function.rpartition(":")[2]] = function
        count = self.of(function)
        count.waiting.discard(request_id)
        count.running.add(request_id)
        count.last_event = entry["detail"].get("event", "")
        caller = self._calling(entry["detail"])
        if request_id in self._queued or not caller:
            return []  # It came here before, or what brought it has an entry of its own.
        return [self._moved(caller, function, CALL, "")]

    def _ended(self, entry: Mapping[str, Any]) -> list[Move]:
        function, request_id, detail = function_id(entry["resource"]), entry["request_id"], entry["detail"]
        count = self.of(function)
        count.running.discard(request_id)
        said = self._error_lines.pop(request_id, "")
        count.last_failed = detail.get("status") != "success"
        if count.last_failed:
            count.failed += 1
            count.last_failure = _failure_text(detail, said)
            self.failure = Failure(entry["at"], function, count.last_failure.partition("\n")[0])
            self._failed_trace = entry["trace_id"]
        else:
            count.done += 1
            self._queued.discard(request_id)
        return []

    def _retry(self, entry: Mapping[str, Any]) -> list[Move]:
        self.of(function_id(entry["resource"])).waiting.add(entry["request_id"])
        return []

    def _dropped(self, entry: Mapping[str, Any]) -> list[Move]:
        self.of(function_id(entry["resource"])).waiting.discard(entry["request_id"])
        self._queued.discard(entry["request_id"])
        return []

    def _environment(self, entry: Mapping[str, Any]) -> list[Move]:
        alive = self.of(function_id(entry["resource"])).environments
        if entry["detail"].get("state") == "ENDED":
            alive.discard(entry["detail"]["environment"])
        else:
            alive.add(entry["detail"]["environment"])
        return []

    def _log(self, entry: Mapping[str, Any]) -> list[Move]:
        message = str(entry["detail"].get("message", "")).rstrip("\n")
        self.of(function_id(entry["resource"])).recent.append(cut(message))
        running = self.of(function_id(entry["resource"])).running
        if entry["request_id"] in running and (found := _ERROR_LINE.search(message)):
            self._error_lines[entry["request_id"]] = cut(found["text"])
        return []

    def _database(self, entry: Mapping[str, Any]) -> list[Move]:
        count = self.of(entry["resource"])
        count.state = str(entry["detail"].get("state", ""))
        count.recent.append(count.state)
        return []

    def _connection(self, entry: Mapping[str, Any]) -> list[Move]:
        detail, database = entry["detail"], entry["resource"]
        count = self.of(database)
        count.arrived += 1
        count.recent.append(cut(f"connected: {detail.get('user', '')} to {detail.get('database', '')}"))
        # A connection does not say who opened it. If one function alone is set up for it and running, it was that one.
        running = [f for f in self._callers.get(database, ()) if f in self.counts and self.counts[f].running]
        return [self._moved(running[0] if len(running) == 1 else CLIENT, database, CALL, "")]

    def _failed(self, entry: Mapping[str, Any]) -> list[Move]:
        where = function_id(entry["resource"]) if ":lambda:" in entry["resource"] else entry["resource"]
        self.failure = Failure(entry["at"], where, cut(str(entry["detail"].get("message", ""))))
        if where:
            self.of(where).recent.append(self.failure.text)
            self.of(where).last_failure = self.failure.text
        return []


def _failure_text(detail: Mapping[str, Any], said: str) -> str:
    if detail.get("status") == "timeout":
        return f"timed out after {float(detail.get('duration_ms', 0)) / 1000:.2f} seconds"
    told = ": ".join(str(detail[part]) for part in ("error_type", "error_message") if detail.get(part))
    return cut(said or told or "the function reported an error")


def _plural(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


_READERS = {
    "s3.event": Tally._object,
    "s3.notification": Tally._notification,
    "sns.notification": Tally._notification,
    "events.put": Tally._published,
    "events.notification": Tally._by_rule,
    "events.scheduled": Tally._scheduled,
    "scheduler.notification": Tally._scheduled,
    "sns.dead_letter": Tally._notification,
    "events.dead_letter": Tally._by_rule,
    "scheduler.dead_letter": Tally._notification,
    "sqs.dead_letter": Tally._notification,
    **{f"{service}.destination": Tally._notification for service in ("kinesis", "dynamodb")},
    "invoke.delivered": Tally._delivered,
    "api.call": Tally._called,
    "sqs.poll": Tally._poll,
    "kinesis.poll": Tally._poll,
    "dynamodb.poll": Tally._poll,
    "sqs.batch": Tally._again,
    **{
        f"{service}.{what}": Tally._again
        for service in ("kinesis", "dynamodb")
        for what in ("retry_in", "bisect")
    },
    "invoke.queued": Tally._queued_call,
    "invoke.started": Tally._started,
    "invoke.ended": Tally._ended,
    "invoke.retry_in": Tally._retry,
    "invoke.dropped": Tally._dropped,
    "environment.state": Tally._environment,
    "log": Tally._log,
    "database.state": Tally._database,
    "database.connection": Tally._connection,
    "failure": Tally._failed,
    "gateway.request": Tally._requested,
    **{
        f"websocket.{what}": Tally._by_websocket
        for what in ("connected", "message", "disconnected", "refused")
    },
    "websocket.sent": Tally._pushed,
}
