"""The metrics of functions, as CloudWatch has them in the namespace AWS/Lambda.

Those who run functions tell what happened; it is added up by minute, in as few steps as can be, and set out under all
its dimensions when somebody looks. Timestamps are of the lab's clock.
docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from labhelpers.metrics import PERIOD_S, Dimensions, MetricSums, PutMetrics, Sums

NAMESPACE = "AWS/Lambda"
_MS = "Milliseconds"


def _ignore(namespace: str, data: list[dict[str, Any]]) -> None:
    pass


class FunctionMetrics:
    """Counts for all functions of a lab. Made without `put`, it forgets what it is told: for tests of other things.

    An `arn` is that of the function as it was called, perhaps with a version or an alias; `version` what then ran.
    """

    def __init__(self, put: PutMetrics = _ignore, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._sums = MetricSums(NAMESPACE, put, now)
        self._durations: dict[tuple[str, str, int], Sums] = {}
        self._failed: dict[tuple[str, str, int], int] = {}
        self._dimensions: dict[tuple[str, str], tuple[Dimensions, ...]] = {}
        self._minute = 0
        self._most: dict[str, int] = {}
        self._most_in_all = self._most_unreserved = 0
        self.set_apart: Callable[[], int] = lambda: 0  # What functions have reserved or provisioned.

    # --- What happens with every call ---

    def ended(self, arn: str, version: str, duration_ms: float, failed: bool) -> None:
        """An invocation is over; its figures stand at the moment at which it began."""
        key = arn, version, int(self._now() - duration_ms / 1000) // PERIOD_S
        durations = self._durations.get(key)
        if durations is None:
            durations = self._durations[key] = Sums()
        durations.add_to_distribution(duration_ms)
        if failed:
            self._failed[key] = self._failed.get(key, 0) + 1

    def running(self, function: str, calls: int, in_all: int, unreserved: int) -> None:
        """A call was let in: how many now run of this function, of all, and of those without reserved concurrency."""
        minute = int(self._now()) // PERIOD_S
        if minute != self._minute:
            self._keep_most()
            self._minute = minute
        if calls > self._most.get(function, 0):
            self._most[function] = calls
        if in_all > self._most_in_all:
            self._most_in_all = in_all
        if unreserved > self._most_unreserved:
            self._most_unreserved = unreserved

    # --- What happens with some ---

    def throttled(self, arn: str, version: str) -> None:
        """A call was refused for want of concurrency."""
        self._add(arn, version, "Throttles", 1)

    def provisioned(self, arn: str, version: str, *, used: bool, busy: int, allocated: int) -> None:
        """A call of what has provisioned concurrency: `used`, or spilled over; `busy` of `allocated` environments."""
        name = "ProvisionedConcurrencyInvocations" if used else "ProvisionedConcurrencySpilloverInvocations"
        self._add(arn, version, name, 1)
        self._add(arn, version, "ProvisionedConcurrentExecutions", busy)
        if allocated:
            self._add(arn, version, "ProvisionedConcurrencyUtilization", busy / allocated)

    def url_asked(self, arn: str, status: int, latency_ms: float) -> None:
        """A request came to the function's URL, and was answered with that status.

        docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html
        """
        self._add(arn, "", "UrlRequestCount", 1)
        self._add(arn, "", "Url4xxCount", int(400 <= status < 500))
        self._add(arn, "", "Url5xxCount", int(status >= 500))
        self._add(arn, "", "UrlRequestLatency", latency_ms, _MS)

    def event_received(self, arn: str) -> None:
        """An asynchronous event was taken into the queue."""
        self._add(arn, "", "AsyncEventsReceived", 1)

    def event_tried(self, arn: str, age_s: float) -> None:
        """The function is about to be tried for an event of that age."""
        self._add(arn, "", "AsyncEventAge", age_s * 1000, _MS)

    def event_dropped(self, arn: str) -> None:
        """An event was given up without having run to a good end."""
        self._add(arn, "", "AsyncEventsDropped", 1)

    def not_delivered(self, arn: str, *, dead_letter: bool) -> None:
        """The record of an event could not be sent to its dead-letter queue or its destination."""
        name = "DeadLetterErrors" if dead_letter else "DestinationDeliveryFailures"
        self._add(arn, "", name, 1)

    def records_read(self, arn: str, age_ms: float) -> None:
        """A batch of a stream was handed over: the age of its last record, as IteratorAge."""
        self._add(arn, "", "IteratorAge", age_ms, _MS)

    def recursion_dropped(self, arn: str) -> None:
        """An event was dropped because the function had started itself too often."""
        self._add(arn, "", "RecursiveInvocationsDropped", 1)

    # --- Adding up ---

    def flush(self) -> None:
        """Hand over all that has come since the last time."""
        self._set_out()
        self._keep_most()
        self._sums.flush()

    def _add(self, arn: str, version: str, name: str, value: float, unit: str = "Count") -> None:
        for dimensions in self._dimensions_of(arn, version):
            self._sums.add(dimensions, name, value, unit)

    def _set_out(self) -> None:
        durations, self._durations = self._durations, {}
        failed, self._failed = self._failed, {}
        for key, sums in durations.items():
            arn, version, minute = key
            found = (
                ("Invocations", _ones(sums.count, sums.count)),
                ("Errors", _ones(sums.count, failed.get(key, 0))),
                ("Throttles", _ones(sums.count, 0)),
            )
            for dimensions in self._dimensions_of(arn, version):
                self._sums.add_sums(dimensions, "Duration", _MS, minute, sums)
                for name, counted in found:
                    self._sums.add_sums(dimensions, name, "Count", minute, counted)

    def _keep_most(self) -> None:
        most, self._most = self._most, {}
        if not most:
            return
        name = "ConcurrentExecutions"
        for function, calls in most.items():
            self._sums.of((("FunctionName", function),), name, "Count", self._minute).add(calls)
        self._sums.of((), name, "Count", self._minute).add(self._most_in_all)
        self._sums.of((), f"Unreserved{name}", "Count", self._minute).add(self._most_unreserved)
        claimed = self._most_unreserved + self.set_apart()
        self._sums.of((), "ClaimedAccountConcurrency", "Count", self._minute).add(claimed)
        self._most_in_all = self._most_unreserved = 0

    def _dimensions_of(self, arn: str, version: str) -> tuple[Dimensions, ...]:
        """Across all functions, by function, by resource, and for an alias by the version that ran."""
        key = arn, version
        if key not in self._dimensions:
            parts = arn.split(":")
            function, qualifier = ("FunctionName", parts[6]), parts[7] if len(parts) > 7 else ""
            resource = ("Resource", ":".join(parts[6:8]))
            made: tuple[Dimensions, ...] = ((), (function,), (function, resource))
            if version and qualifier and qualifier != version:
                made = (*made, (function, resource, ("ExecutedVersion", version)))
            self._dimensions[key] = made
        return self._dimensions[key]


def _ones(count: int, ones: int) -> Sums:
    """What `count` values come to of which `ones` are 1 and the others 0."""
    return Sums(count, float(ones), float(ones == count), float(ones > 0))
