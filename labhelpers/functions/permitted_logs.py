"""Where a function's log goes if its execution role may write it: CloudWatch Logs, or nowhere, as on AWS.

docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
"""

from __future__ import annotations

from collections.abc import Iterable

from labhelpers.functions.call import Surroundings
from labhelpers.functions.execution_roles import everything_allowed
from labhelpers.functions.log_stream import Sink
from labhelpers.model import FunctionVersion, LogEvent


def permitted_sink(version: FunctionVersion, around: Surroundings) -> Sink:
    """The sink for the logs of a function's version; it asks the role at each writing, for policies change."""
    if around.allows is everything_allowed:
        return around.log_sink
    region, account = version.arn.split(":")[3:5]
    start = f"arn:aws:logs:{region}:{account}:log-group:"

    def write(group: str, stream: str, events: Iterable[LogEvent]) -> None:
        role, log_group = version.role, f"{start}{group}:log-stream:"
        if not around.log_group_exists(group) and not around.allows(role, "logs:CreateLogGroup", log_group):
            return
        if around.allows(role, "logs:CreateLogStream", log_group) and around.allows(
            role, "logs:PutLogEvents", log_group + stream
        ):
            around.log_sink(group, stream, events)

    return write
