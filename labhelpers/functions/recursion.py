"""Where an invocation stands in its trace: its header for the function, and the end of loops after 16 rounds.

Called by `invoke`. A function's code hands the header on with each call that it makes by an AWS SDK, so a chain of
requests that comes back to a function shows how often it has been there.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import getrandbits

from labhelpers.errors import AwsError
from labhelpers.events.tracing import TraceHeader, lineage_name, new_trace_id, parse_trace_header
from labhelpers.journal import Journal
from labhelpers.model import FunctionVersion, InvokeRequest

RECURSIVE_INVOCATION = "RecursiveInvocationException"
HOPS_MAX = 16
# AWS: only loops through these are seen ("boto3" is a direct call, "lambda" a destination).
COUNTED_SOURCES = frozenset({"boto3", "lambda", "s3", "sns", "sqs"})
# Where AWS leaves an event that was stopped: invocation-recursion.html, the notes on maxReceiveCount.
_KEPT = {
    "sqs": "its message stays in the queue, and is refused each time, until the queue's own redrive policy or "
    "retention period takes it away; "
}
ALLOW, TERMINATE = "Allow", "Terminate"


class Tracing:
    """Makes each invocation's trace header. `dropped` is told the ARN of a function whose loop was stopped."""

    def __init__(self, journal: Journal, dropped: Callable[[str], None] = lambda arn: None) -> None:
        self._journal = journal
        self._dropped = dropped
        self._names: dict[str, str] = {}

    def enter(self, request: InvokeRequest, version: FunctionVersion, request_id: str) -> str:
        """The X-Amzn-Trace-Id of this invocation. AwsError RecursiveInvocationException (400) if it must not run."""
        name = self._names.get(version.arn)
        if name is None:
            name = self._names[version.arn] = lineage_name(version.arn)
        active = version.tracing == "Active"
        if not active and "Sampled=" not in request.trace_id and "Lineage=" not in request.trace_id:
            begun = request.trace_id or new_trace_id()  # The common case, without taking it apart.
            if begun.startswith("Root="):
                own = "" if "Parent=" in begun else f";Parent={getrandbits(64):016x}"
                return f"{begun}{own};Sampled=0;Lineage=1:{name}:0"
        header = parse_trace_header(request.trace_id or new_trace_id())
        lineage = self._lineage(header, name, request, version, request_id)
        # AWS: whoever comes first decides; a function with active tracing then takes the first request each second
        # and one of twenty more. Here: every one, because a learner looks for the one request that he has made.
        sampled = header.sampled if request.trace_id and header.sampled else str(int(active))
        parent = header.parent
        if sampled == "1":
            parent = os.urandom(8).hex()
        text = str(TraceHeader(header.root or _root(), parent or os.urandom(8).hex(), sampled, lineage))
        if sampled == "1":
            self._journal.append(
                "trace.segment",
                version.arn,
                request_id=request_id,
                trace_id=text,
                parent=header.parent if header.sampled == "1" else "",  # Only who is sampled has a segment.
                active=active,
            )
        return text

    def _lineage(
        self,
        header: TraceHeader,
        name: str,
        request: InvokeRequest,
        version: FunctionVersion,
        request_id: str,
    ) -> tuple[tuple[str, int], ...]:
        if request.source not in COUNTED_SOURCES:
            return ((name, 0),)
        counts = dict(header.lineage)
        count = counts[name] = counts.get(name, -1) + 1
        if count >= HOPS_MAX and version.recursive_loop != ALLOW:
            self._dropped(version.arn)
            self._journal.failure(
                f"a loop was stopped: one chain of requests has called {version.name} {HOPS_MAX} times, last through "
                f"{request.source_arn or request.source}. Look for what it writes to that starts it again; "
                f"{_KEPT.get(request.source, '')}"
                "put_function_recursion_config(RecursiveLoop='Allow') lets a loop run that is meant",
                version.arn,
                request_id=request_id,
                trace_id=request.trace_id,
                source=request.source,
                source_arn=request.source_arn,
            )
            raise AwsError(
                RECURSIVE_INVOCATION,
                f"The function {version.arn} was stopped: it was invoked in a recursive loop.",
                400,
            )
        return tuple(counts.items())


def _root() -> str:
    return parse_trace_header(new_trace_id()).root
