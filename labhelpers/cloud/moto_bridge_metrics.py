"""Metrics that this cloud measures itself, put into moto's CloudWatch; mends how moto finds metrics for a question.

AWS: a question names all dimensions of a metric, and its start is rounded down to a whole minute. moto takes metrics
with more dimensions too, so that an API's and its stages' figures would be added up. Runs on moto's thread only.
docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from labhelpers.model import Account


def put(account: Account, namespace: str, data: list[dict[str, Any]]) -> None:
    """Add metric data, as PutMetricData takes it, but with `Timestamp` in epoch seconds."""
    backends: Any = import_module("moto.cloudwatch.models").cloudwatch_backends
    timed = [
        {**datum, "Timestamp": datetime.fromtimestamp(datum["Timestamp"], UTC).replace(tzinfo=None)}
        for datum in data
    ]
    backends[account.id][account.region].put_metric_data(namespace, timed)


def mend() -> None:
    """Import moto's CloudWatch and have it find metrics as AWS does."""
    models: Any = import_module("moto.cloudwatch.models")
    if hasattr(models, "_mended"):
        return
    models._mended = True
    datum, backend = models.MetricDatumBase, models.CloudWatchBackend
    fits, statistics, data = datum.filter, backend.get_metric_statistics, backend.get_metric_data

    @functools.wraps(fits)
    def fits_exactly(
        self: Any, namespace: Any, name: Any, dimensions: Any, already_present_metrics: Any = None
    ) -> bool:
        is_question = namespace is None and name is None and already_present_metrics is None
        if is_question and dimensions and len(dimensions) != len(self.dimensions):
            return False
        return bool(fits(self, namespace, name, dimensions, already_present_metrics))

    @functools.wraps(statistics)
    def statistics_from(
        self: Any, namespace: str, metric_name: str, start_time: datetime, *rest: Any, **more: Any
    ) -> Any:
        return statistics(self, namespace, metric_name, start_time.replace(second=0), *rest, **more)

    @functools.wraps(data)
    def data_from(self: Any, queries: Any, start_time: datetime, *rest: Any, **more: Any) -> Any:
        return data(self, queries, start_time.replace(second=0), *rest, **more)

    datum.filter, backend.get_metric_statistics, backend.get_metric_data = (
        fits_exactly,
        statistics_from,
        data_from,
    )
