"""Events on their way into an event bus: entries of PutEvents checked as AWS does, and the event made of each. Pure.

Called by `cloud.events_service` for callers' entries and by `cloud.delivery` for those of AWS's own services.
AWS: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
     https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from labhelpers.errors import VALIDATION, AwsError
from labhelpers.events.pattern import JsonNumber

MAX_ENTRIES = 10
# It was 256 KB until January 2026:
# aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb
MAX_ENTRIES_BYTES = 1024 * 1024
MAX_HOPS = 16
_TIME_BYTES = 14
_TEXTS = ("Source", "DetailType", "Detail", "EventBusName", "TraceHeader")
_LATEST_TIME = 253_402_300_800  # The year 10,000.
# What AWS wants in the Event of TestEventPattern.
MANDATORY = ("id", "account", "source", "time", "region", "detail-type")


class EntryRefused(ValueError):
    """One entry is refused, the others are not: `code` and `message` stand in the answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class BusEvent:
    """An event in a bus. `body` is what rules look at and targets receive; `ingested_at` is epoch seconds of the lab.

    `hops` counts the buses that have sent it on.
    """

    body: Mapping[str, Any]
    ingested_at: float
    trace_id: str = ""
    hops: int = 0

    @property
    def id(self) -> str:
        return str(self.body["id"])


def event_time(at: float) -> str:
    """Epoch seconds as EventBridge writes them: `2026-11-23T04:00:00Z`."""
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}"


def check_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    """What AWS refuses of all entries together. AwsError ValidationException, or SerializationException."""
    for entry in entries if isinstance(entries, list) else (None,):
        _check_types(entry)
    if not entries:
        _invalid("[]", "Member must have length greater than or equal to 1")
    if len(entries) > MAX_ENTRIES:
        shown = ", ".join(map(_as_aws_shows_it, entries))
        _invalid(f"[{shown}]", f"Member must have length less than or equal to {MAX_ENTRIES}")
    if sum(map(entry_bytes, entries)) > MAX_ENTRIES_BYTES:
        raise AwsError(VALIDATION, "Total size of the entries in the request is over the limit.")


def _check_types(entry: object) -> None:
    """Refuse JSON of another form than an entry's: boto3 never sends it, so only the form is told."""
    if isinstance(entry, Mapping):
        at, resources = entry.get("Time"), entry.get("Resources")
        good = all(isinstance(entry.get(name), str | None) for name in _TEXTS)
        good &= at is None or (
            isinstance(at, int | float) and not isinstance(at, bool) and abs(at) < _LATEST_TIME
        )
        good &= resources is None or (
            isinstance(resources, list) and all(isinstance(one, str) for one in resources)
        )
        if good:
            return
    raise AwsError("SerializationException", "Entries is no list of PutEventsRequestEntry")


def _invalid(shown: str, constraint: str) -> NoReturn:
    raise AwsError(
        VALIDATION,
        f"1 validation error detected: Value '{shown}' at 'entries' failed to satisfy constraint: {constraint}",
    )


def _as_aws_shows_it(entry: Mapping[str, Any]) -> str:
    members = (
        ("time", "Time"),
        ("source", "Source"),
        ("resources", "Resources"),
        ("detailType", "DetailType"),
        ("detail", "Detail"),
        ("eventBusName", "EventBusName"),
        ("traceHeader", "TraceHeader"),
    )
    shown = [f"{ours}={entry.get(theirs) or 'null'}" for ours, theirs in members]
    return f"PutEventsRequestEntry({', '.join([*shown, 'kmsKeyIdentifier=null', 'internalMetadata=null'])})"


def entry_bytes(entry: Mapping[str, Any]) -> int:
    """The size of an entry as AWS counts it.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
    """
    texts = [
        entry.get("Source"),
        entry.get("DetailType"),
        entry.get("Detail"),
        *(entry.get("Resources") or ()),
    ]
    size = sum(len(str(text).encode("utf-8", "surrogatepass")) for text in texts if text)
    return size + (_TIME_BYTES if entry.get("Time") is not None else 0)


def make_event(
    entry: Mapping[str, Any], event_id: str, account: str, region: str, now: float, *, by_aws: bool = False
) -> BusEvent:
    """The event of an entry. EntryRefused for one that AWS refuses; only its own services may be sources `aws.`."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            raise EntryRefused("InvalidArgument", message)
    if str(entry["Source"]).startswith("aws.") and not by_aws:
        raise EntryRefused("NotAuthorizedForSourceException", "Not authorized for the source.")
    at = entry.get("Time")
    body = {
        "version": "0",
        "id": event_id,
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": account,
        "time": event_time(now if at is None else float(at)),
        "region": region,
        "resources": list(entry.get("Resources") or ()),
        "detail": _read_detail(str(entry["Detail"])),
    }
    return BusEvent(body, now, str(entry.get("TraceHeader") or ""))


def _read_detail(text: str) -> dict[str, Any]:
    try:
        detail = json.loads(text, parse_constant=_no_json, parse_float=_finite)
    except (ValueError, RecursionError):
        detail = None
    if not isinstance(detail, dict):
        raise EntryRefused("MalformedDetail", "Detail is malformed.")
    return detail


def _no_json(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return value


def read_test_event(text: str) -> dict[str, Any]:
    """The Event of TestEventPattern, its numbers as they are written. AwsError as AWS answers."""
    try:
        event = json.loads(text, parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_no_json)
    except (ValueError, RecursionError):
        raise AwsError(VALIDATION, "Parameter Event is not valid.") from None
    if not isinstance(event, dict):
        raise AwsError(VALIDATION, "Parameter Event is not valid.")
    missing = [name for name in MANDATORY if name not in event]
    if missing:
        raise AwsError(VALIDATION, f"Parameter Event is not valid. Reason: {missing[0]} is a required field.")
    return event
