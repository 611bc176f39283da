"""Stages with active tracing: their segment in X-Ray's traces, and the header that functions get below it.

AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-xray.html
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

from labhelpers.events.tracing import TraceHeader, parse_trace_header
from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.gateway.rest.run import Run
from labhelpers.journal import Journal

NOT_SAMPLED = "0"


def begin(request: GatewayRequest) -> tuple[GatewayRequest, str]:
    """The request with the stage's own trace header, and the caller's segment ("" if it has none).

    AWS: samples the first request each second and one of twenty more. Here: all, but for those whose caller said no.
    """
    header = parse_trace_header(request.trace_id)
    if header.sampled == NOT_SAMPLED:
        return request, ""
    own = TraceHeader(header.root, os.urandom(8).hex(), "1", header.lineage)
    return replace(request, trace_id=str(own)), header.parent if header.sampled else ""


def end(journal: Journal, run: Run, parent: str, status: int, region: str) -> None:
    """Tell of a traced request when it is over."""
    request = run.request
    if parse_trace_header(request.trace_id).sampled == NOT_SAMPLED:
        return
    journal.append(
        "trace.gateway",
        f"arn:aws:apigateway:{region}::/restapis/{run.api_id}/stages/{run.stage}",
        request_id=request.request_id,
        trace_id=request.trace_id,
        parent=parent,
        name=f"{run.program.api_name}/{run.stage}",
        stage=run.stage,
        start=request.received_at,
        end=time.time(),
        method=request.method,
        url=f"{request.scheme}://{request.domain}/{run.stage}{run.path}",
        status=status,
    )
