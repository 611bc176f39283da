"""CloudWatch Logs in moto: writes functions' logs straight into its streams, and mends its reading of filter patterns.

Runs on moto's thread only.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from labhelpers.cloud import moto_bridge_log_filters, moto_bridge_log_groups
from labhelpers.cloud.log_backlog import Writing, writings
from labhelpers.cloud.log_pattern import compile_pattern
from labhelpers.errors import AwsError
from labhelpers.model import Account
from labhelpers.packed import Block

_MOMENT_S = 0.05


class LogsState:
    """moto's log groups of one account. `tell` is given what functions are subscribed to, on moto's thread."""

    def __init__(self, account: Account, tell: moto_bridge_log_filters.Tell = lambda _: None) -> None:
        self._account = account
        self._tell = tell
        self._backends: Any = None
        self._append: moto_bridge_log_filters.Append = lambda stream, events, at: ""

    def load(self) -> None:
        """Import moto's logs and mend them."""
        if self._backends is None:
            models: Any = import_module("moto.logs.models")
            models.LogStream.filter_log_events = _filter_log_events
            models.LogStream._update = _update
            moto_bridge_log_groups.mend(models)
            self._append = moto_bridge_log_filters.mend(models, self._tell)
            self._backends = models.logs_backends

    def has_group(self, region: str, group: str) -> bool:
        """Whether there is a log group of that name. A plain read, on any thread."""
        return self._backends is not None and group in self._backends[self._account.id][region].groups

    def has_filters(self, region: str) -> bool:
        """Whether some log group has a subscription filter. A plain read, on any thread."""
        if self._backends is None:
            return False
        return any(
            group.subscription_filters
            for group in list(self._backends[self._account.id][region].groups.values())
        )

    def check_filter(self, fields: Mapping[str, Any]) -> dict[str, list[str]]:
        """AwsError for a PutSubscriptionFilter that AWS refuses; else the functions that log groups have, by group."""
        self.load()
        backend = self._backends[self._account.id][self._account.region]
        names = ("logGroupName", "filterName", "destinationArn", "roleArn", "filterPattern")
        moto_bridge_log_filters.check(backend, *(str(fields.get(name) or "") for name in names))
        return moto_bridge_log_filters.functions_of(backend)

    def put_filter(self, fields: Mapping[str, Any]) -> None:
        """Keep a subscription filter whose destination is a function: moto would look for a function of its own."""
        backend = self._backends[self._account.id][self._account.region]
        backend.groups[fields["logGroupName"]].put_subscription_filter(
            fields["filterName"], fields.get("filterPattern") or "", fields["destinationArn"], None
        )

    def write(self, region: str, batch: list[Block]) -> None:
        """Append events to their streams; like Lambda, it makes groups and streams when they are first written to.

        `batch` was taken from a LogBacklog.
        """
        self.load()
        backend = self._backends[self._account.id][region]
        failures = []
        for group, stream, together in _together(batch):
            try:
                events = [event for writing in together for event in writing.events()]
                if group not in backend.groups:
                    backend.create_log_group(group, {})
                streams = backend.groups[group].streams
                if stream not in streams:
                    backend.groups[group].create_log_stream(stream)
                self._append(streams[stream], events, together[0].at)
            except Exception as error:  # noqa: BLE001 - the other streams' events are kept all the same
                failures.append(error)
        if failures:
            raise failures[0]


def _together(batch: list[Block]) -> list[tuple[str, str, list[Writing]]]:
    """Each put costs moto more than the events in it: what came for one stream within a moment goes in together."""
    made: list[tuple[str, str, list[Writing]]] = []
    latest: dict[tuple[str, str], list[Writing]] = {}
    for writing in writings(batch):
        key = writing.group, writing.stream
        found = latest.get(key)
        if found is not None and abs(writing.at - found[0].at) < _MOMENT_S:
            found.append(writing)
        else:
            latest[key] = [writing]
            made.append((*key, latest[key]))
    return made


def _filter_log_events(
    stream: Any, start_time: int | None, end_time: int | None, filter_pattern: str | None
) -> list[dict[str, Any]]:
    """Replaces moto's, which reads patterns anew for each event and lets all events through that it cannot read."""
    try:
        matches = compile_pattern(filter_pattern or "")
    except AwsError as error:
        exceptions: Any = import_module("moto.logs.exceptions")
        raise exceptions.InvalidParameterException(error.message) from error
    found = [
        event
        for event in stream.events
        if (not start_time or event.timestamp >= start_time)
        and (not end_time or event.timestamp <= end_time)
        and matches(event.message)
    ]
    found.sort(key=lambda event: event.timestamp)
    return [{**event.to_filter_dict(), "logStreamName": stream.log_stream_name} for event in found]


def _update(stream: Any) -> None:
    """Replaces moto's walk over all events at each description of a stream: they come nearly in order."""
    if stream.events:
        stream.first_event_timestamp = min(event.timestamp for event in stream.events[:100])
        stream.last_event_timestamp = max(event.timestamp for event in stream.events[-100:])
