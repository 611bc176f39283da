"""What a lab has used, counted from its journal in the units that AWS charges for; pure.

It keeps sums only: of each version of a function, each database and each open connection, however long the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.pricing import gb_seconds, websocket_units
from labhelpers.views.bill_time import Held, Spans

Entry = Mapping[str, Any]

# Provisioned concurrency is charged from enabling to disabling, rounded up to five minutes (AWS's pricing page).
PROVISIONED_STEP_S = 300.0
# A database is charged by the second, but for ten minutes at least whenever it has started.
DATABASE_LEAST_S = 600.0
# The states in which a database is charged, and those in which its storage is, too (AWS: RDS's user guide, "Viewing
# instance status").
_CHARGED = frozenset(("available", "modifying", "rebooting"))
_STORED = _CHARGED | {"stopping", "stopped", "starting"}
# Refusals that AWS's people say are not charged: docs and pricing page are silent, so it is shown as not confirmed.
_NOT_CHARGED = frozenset(
    "THROTTLED QUOTA_EXCEEDED INVALID_API_KEY UNAUTHORIZED ACCESS_DENIED EXPIRED_TOKEN INVALID_SIGNATURE".split()
)
# Calls that change or read settings of these services are free, or what they cost is counted elsewhere.
_FREE = {
    *"lambda apigateway apigatewayv2 apigatewaymanagementapi iam sts rds events sns scheduler logs s3 sqs".split(),
    "",
}


@dataclass(slots=True)
class Calls:
    """Calls of one version of a function."""

    calls: int = 0
    gb_seconds: float = 0.0


class Usage:
    """Takes the journal's entries in their order; `lab_time` says what the lab's clock read at a real time."""

    def __init__(self, lab_time: Callable[[float], float]) -> None:
        self._lab_time = lab_time
        self._seq = 0
        self.missed = 0  # Entries that the journal had forgotten before they could be read.
        # Of each version's ARN, and whether in a provisioned environment.
        self.calls: dict[tuple[str, bool], Calls] = {}
        self.held = Held(PROVISIONED_STEP_S)
        self._environments: dict[str, tuple[str, bool]] = {}
        # By what they are: "REST", "HTTP", "REST refused", "s3.put" and so on.
        self.counts: Counter[str] = Counter()
        self.log_bytes = 0
        # API calls of services that nothing is known of.
        self.others: Counter[str] = Counter()
        self.connections = Spans()
        self.databases = Spans(DATABASE_LEAST_S)
        self.storage = Spans()

    def add_all(self, entries: Iterable[Entry]) -> bool:
        """Count these; whether anything on a bill has changed."""
        changed = False
        for entry in entries:
            self.missed += max(0, entry["seq"] - self._seq - 1)
            self._seq = entry["seq"]
            add = _ADD.get(entry["kind"])
            if add is not None:
                add(self, entry)
                changed = True
        return changed

    @property
    def is_running(self) -> bool:
        """Whether time alone makes the bill grow."""
        spans = (self.connections, self.databases, self.storage)
        return self.held.is_running or any(each.is_running for each in spans)

    def _when(self, entry: Entry) -> float:
        return self._lab_time(float(entry["at"]))

    # --- Functions ---

    def _environment(self, entry: Entry) -> None:
        detail, version = entry["detail"], str(entry["resource"])
        environment, provisioned = str(detail["environment"]), bool(detail.get("provisioned"))
        if detail["state"] == "ENDED":
            self._environments.pop(environment, None)
            if provisioned:
                self.held.off(version, environment, self._when(entry))
        elif environment not in self._environments:
            self._environments[environment] = (version, provisioned)
            if provisioned:
                self.held.on(version, environment, self._when(entry))

    def _call(self, entry: Entry) -> None:
        detail = entry["detail"]
        key = self._environments.get(str(detail.get("environment")), (str(entry["resource"]), False))
        found = self.calls.setdefault(key, Calls())
        found.calls += 1
        found.gb_seconds += gb_seconds(float(detail["memory_mb"]), float(detail["billed_ms"]))

    # --- Gateways ---

    def _request(self, entry: Entry) -> None:
        detail = entry["detail"]
        refused = detail.get("response_type") or detail.get("refused")
        self.counts[f"{detail['api']} refused" if refused in _NOT_CHARGED else str(detail["api"])] += 1
        if detail.get("cache"):
            self.counts["cache"] += 1

    def _connected(self, entry: Entry) -> None:
        if int(entry["detail"]["status"]) < 400:
            self.connections.on(str(entry["detail"]["connection"]), self._when(entry))

    def _disconnected(self, entry: Entry) -> None:
        self.connections.off(str(entry["detail"]["connection"]), self._when(entry))

    def _message(self, entry: Entry) -> None:
        self.counts["messages"] += websocket_units(int(entry["detail"].get("size", 0)))

    # --- Databases ---

    def _database(self, entry: Entry) -> None:
        arn, state, now = str(entry["resource"]), entry["detail"]["state"], self._when(entry)
        for spans, states in ((self.databases, _CHARGED), (self.storage, _STORED)):
            if state in states:
                spans.on(arn, now, group=arn)
            else:
                spans.off(arn, now)

    # --- What is charged by the request ---

    def _api_call(self, entry: Entry) -> None:
        detail = entry["detail"]
        service, call, status = str(detail.get("service", "")), str(detail["call"]), int(detail["status"])
        if status >= 500:
            return
        if service == "s3":
            self._s3_call(call)
        elif service == "sqs":
            self.counts["sqs"] += 1
        elif service == "sns" and call in ("Publish", "PublishBatch"):
            self.counts["sns"] += 1
        elif service not in _FREE:
            self.others[service] += 1

    def _s3_call(self, call: str) -> None:
        """By method and path: the journal does not tell a list from a look at a bucket's settings."""
        method, _, path = call.partition(" ")
        of_bucket = "/" not in path.strip("/")
        if method in ("PUT", "POST") or (method == "GET" and of_bucket):
            self.counts["s3.put"] += 1
        elif method in ("GET", "HEAD"):
            self.counts["s3.get"] += 1

    def _event(self, entry: Entry) -> None:
        source = str(entry["detail"].get("source", ""))
        self.counts["service events" if source.startswith("aws.") else "custom events"] += 1

    def _counted(self, entry: Entry) -> None:
        self.counts[entry["kind"]] += 1

    def _log(self, entry: Entry) -> None:
        self.log_bytes += len(str(entry["detail"]["message"]).encode())

    def _queue_read(self, entry: Entry) -> None:
        """A poller's request: receive, and delete if there was anything to delete."""
        if entry["kind"] == "sqs.poll" or entry["detail"].get("deleted"):
            self.counts["sqs"] += 1


_ADD: dict[str, Callable[[Usage, Entry], None]] = {
    "environment.state": Usage._environment,
    "invoke.ended": Usage._call,
    "gateway.request": Usage._request,
    "websocket.connected": Usage._connected,
    "websocket.disconnected": Usage._disconnected,
    "websocket.message": Usage._message,
    "websocket.sent": Usage._message,
    "database.state": Usage._database,
    "api.call": Usage._api_call,
    "events.put": Usage._event,
    "scheduler.notification": Usage._counted,
    "log": Usage._log,
    "sqs.poll": Usage._queue_read,
    "sqs.batch": Usage._queue_read,
}
