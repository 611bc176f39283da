"""Metrics that this cloud measures itself, put into moto's CloudWatch; and questions for metrics, answered as there.

AWS: a question names all dimensions of a metric; its start is rounded down to a whole minute, and periods count from
there. moto adds up metrics with more dimensions too, begins at the first value and has no percentiles. Runs on moto's
thread only. docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from labhelpers.cloud.metric_statistics import Portion, datapoint, periods, statistic
from labhelpers.errors import NotEmulated
from labhelpers.model import Account


def put(account: Account, namespace: str, data: list[dict[str, Any]]) -> None:
    """Add metric data, as PutMetricData takes it, but with `Timestamp` in epoch seconds and perhaps `Bins`."""
    models: Any = import_module("moto.cloudwatch.models")
    kept = models.cloudwatch_backends[account.id][account.region].metric_data
    for datum in data:
        stats = datum["StatisticValues"]
        made = models.MetricAggregatedDatum(
            namespace=namespace,
            name=datum["MetricName"],
            sum_stat=stats["Sum"],
            min_stat=stats["Minimum"],
            max_stat=stats["Maximum"],
            sample_count=stats["SampleCount"],
            dimensions=datum["Dimensions"],
            timestamp=datetime.fromtimestamp(datum["Timestamp"], UTC).replace(tzinfo=None),
            unit=datum["Unit"],
        )
        made.bins = datum.get("Bins") or {}
        kept.append(made)


def mend() -> None:
    """Import moto's CloudWatch and have it answer questions for metrics as CloudWatch does."""
    models: Any = import_module("moto.cloudwatch.models")
    responses: Any = import_module("moto.cloudwatch.responses")
    if hasattr(models, "_mended"):
        return
    models._mended = True
    backend, response = models.CloudWatchBackend, responses.CloudWatchResponse
    ask = response.get_metric_statistics

    def get_metric_statistics(self: Any) -> Any:
        self.cloudwatch_backend.extended_statistics = self._get_param("ExtendedStatistics") or []
        return ask(self)

    response.get_metric_statistics = get_metric_statistics
    backend.get_metric_statistics = _get_metric_statistics
    backend.get_metric_data = _get_metric_data
    backend.get_filtered_metrics = _get_filtered_metrics


def _portion(datum: Any) -> Portion:
    if hasattr(datum, "value"):
        value = float(datum.value)
        return Portion(datum.timestamp, 1, value, value, value, datum.unit)
    return Portion(
        datum.timestamp,
        datum.sample_count,
        datum.sum,
        datum.min,
        datum.max,
        datum.unit,
        getattr(datum, "bins", {}),
    )


def _portions(
    backend: Any, namespace: str, name: str, dimensions: Sequence[Any], unit: str | None
) -> list[Portion]:
    wanted = {(one["Name"], one["Value"]) for one in dimensions}
    return [
        _portion(datum)
        for datum in backend.get_all_metrics()
        if datum.name == name
        and datum.namespace == namespace
        and len(datum.dimensions) == len(wanted)
        and wanted == {(one.name, one.value) for one in datum.dimensions}
        and (not unit or datum.unit == unit)
    ]


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _get_metric_statistics(
    self: Any,
    namespace: str,
    metric_name: str,
    start_time: datetime,
    end_time: datetime,
    period: int,
    stats: list[str],
    dimensions: list[dict[str, str]],
    unit: str | None = None,
) -> list[Any]:
    if start_time >= end_time:
        exceptions: Any = import_module("moto.cloudwatch.exceptions")
        raise exceptions.InvalidParameterValue(
            "The parameter StartTime must be less than the parameter EndTime."
        )
    names = [*stats, *self.extended_statistics]
    portions = _portions(self, namespace, metric_name, dimensions or [], unit)
    found = periods(portions, _minute(start_time), end_time, period)
    return [datapoint(at, some, names) for at, some in found]


def _get_metric_data(
    self: Any,
    queries: list[dict[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampAscending",
) -> list[dict[str, Any]]:
    if start_time >= end_time:
        exceptions: Any = import_module("moto.cloudwatch.exceptions")
        how = "must be greater than StartTime" if start_time > end_time else "must not equal StartTime"
        raise exceptions.ValidationError(f"The parameter EndTime {how}.")
    results = []
    for query in queries:
        if "Expression" in query:
            raise NotEmulated("metric math and Metrics Insights of CloudWatch")
        asked, name = query["MetricStat"], query["MetricStat"]["Metric"]["MetricName"]
        portions = _portions(
            self, asked["Metric"]["Namespace"], name, asked["Metric"].get("Dimensions", []), asked.get("Unit")
        )
        values = [
            (at, value)
            for at, some in periods(portions, _minute(start_time), end_time, int(asked["Period"]))
            if (value := statistic(some, asked["Stat"])) is not None
        ]
        if scan_by == "TimestampDescending":
            values.reverse()
        if query.get("ReturnData", True):
            results.append(
                {
                    "id": query["Id"],
                    "label": query.get("Label") or name,
                    "values": [value for _, value in values],
                    "timestamps": [at for at, _ in values],
                    "status_code": "Complete",
                }
            )
    return results


def _get_filtered_metrics(
    self: Any, metric_name: str, namespace: str, dimensions: list[dict[str, str]]
) -> list[Any]:
    """Each metric once, the newest of its data standing for it."""
    found = {}
    for datum in self.get_all_metrics():
        if datum.filter(namespace, metric_name, dimensions):
            names = tuple((one.name, one.value) for one in datum.dimensions)
            found[datum.namespace, datum.name, names] = datum
    return list(found.values())
