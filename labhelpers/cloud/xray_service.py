"""X-Ray's API: traces are read from the journal, and from the segments that functions' code sends itself.

Called by the front door, and by the daemon's socket. AWS: https://docs.aws.amazon.com/xray/latest/api/Welcome.html
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events import xray
from labhelpers.events.xray import Document
from labhelpers.journal import Journal
from labhelpers.model import Account

INVALID = "InvalidRequestException"
MAX_SENT = 20_000
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_TRACES = 5
_TRACE_ID = re.compile(r"1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}")
_SEGMENT_ID = re.compile(r"[0-9a-fA-F]{16}")


class XRayService:
    """Answers every request for X-Ray. Used from the cloud's event loop only."""

    def __init__(self, journal: Journal, account: Account) -> None:
        self._journal = journal
        self._account = account
        self._sent: dict[str, dict[str, Document]] = {}
        self._count = 0
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "/TraceSegments": self._put,
            "/Traces": self._batch_get,
            "/TraceSummaries": self._summaries,
            "/ServiceGraph": self._service_graph,
            "/TraceGraph": self._trace_graph,
            "/TelemetryRecords": lambda request: {},
        }

    async def handle(self, request: AwsRequest) -> AwsResponse:
        """AWS's answer. AwsError for its errors."""
        if request.region != self._account.region:
            raise NotEmulated(f"X-Ray in {request.region}: this lab is {self._account.region}")
        operation = self._operations.get(request.path)
        if operation is None:
            raise NotEmulated(f"X-Ray's {request.path.strip('/') or 'start page'} (traces and graphs work)")
        try:
            body = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise AwsError("SerializationException", "The body of this request is no JSON object")
        answer = json.dumps(operation(body))
        return AwsResponse(200, {"Content-Type": "application/json"}, answer.encode())

    # --- What code sends ---

    def take(self, text: str) -> str:
        """Keep a segment document; what is wrong with it, or "". Newer parts of a segment replace older ones."""
        try:
            document = json.loads(text)
            trace_id, id_ = str(document["trace_id"]), str(document["id"])
            float(document["start_time"])
        except (RecursionError, ValueError, KeyError, TypeError):
            return "it needs trace_id, id, name and start_time"
        if not _TRACE_ID.fullmatch(trace_id) or not _SEGMENT_ID.fullmatch(id_) or not document.get("name"):
            return "its trace_id, id or name is not valid"
        if len(text) > MAX_DOCUMENT_BYTES or self._count >= MAX_SENT:
            return "it is larger than 64 KB, or this lab keeps no more"
        kept = self._sent.setdefault(trace_id, {})
        self._count += id_ not in kept
        kept[id_] = document
        return ""

    def _put(self, request: dict[str, Any]) -> dict[str, Any]:
        problems = [self.take(text) for text in request.get("TraceSegmentDocuments") or ()]
        refused = [{"ErrorCode": "InvalidSegment", "Message": problem} for problem in problems if problem]
        return {"UnprocessedTraceSegments": refused}

    # --- What is read ---

    def _traces(self) -> dict[str, list[Document]]:
        found = xray.documents(self._journal.since())
        for trace_id, sent in self._sent.items():
            found.setdefault(trace_id, []).extend(sent.values())
        return found

    def _batch_get(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = request.get("TraceIds") or []
        if len(wanted) > MAX_TRACES:
            raise AwsError(INVALID, f"at most {MAX_TRACES} trace ids may be asked for at once")
        traces = self._traces()
        return {
            "Traces": [_whole(trace_id, traces[trace_id]) for trace_id in wanted if trace_id in traces],
            "UnprocessedTraceIds": [],
        }

    def _summaries(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("FilterExpression"):
            raise NotEmulated("filter expressions of X-Ray")
        chosen = self._between(request)
        summaries = [xray.summary(trace_id, trace, self._account.id) for trace_id, trace in chosen.items()]
        summaries.sort(key=lambda made: -float(made["StartTime"]))
        return {
            "TraceSummaries": summaries,
            "TracesProcessedCount": len(summaries),
            "ApproximateTime": float(request["EndTime"]),
        }

    def _service_graph(self, request: dict[str, Any]) -> dict[str, Any]:
        chosen = self._between(request)
        return {
            "StartTime": float(request["StartTime"]),
            "EndTime": float(request["EndTime"]),
            "Services": xray.graph(chosen.values(), self._account.id),
            "ContainsOldGroupVersions": False,
        }

    def _trace_graph(self, request: dict[str, Any]) -> dict[str, Any]:
        traces = self._traces()
        chosen = [traces[trace_id] for trace_id in request.get("TraceIds") or () if trace_id in traces]
        return {"Services": xray.graph(chosen, self._account.id)}

    def _between(self, request: dict[str, Any]) -> dict[str, list[Document]]:
        try:
            start, end = float(request["StartTime"]), float(request["EndTime"])
        except (KeyError, TypeError, ValueError):
            raise AwsError(INVALID, "StartTime and EndTime are needed") from None
        if not 0 <= end - start <= 86_400:
            raise AwsError(INVALID, "EndTime must follow StartTime by 24 hours at most")
        return {
            trace_id: trace
            for trace_id, trace in self._traces().items()
            if start <= xray.span(trace)[0] <= end
        }


def _whole(trace_id: str, trace: list[Document]) -> dict[str, Any]:
    start, end = xray.span(trace)
    return {
        "Id": trace_id,
        "Duration": round(end - start, 6),
        "LimitExceeded": False,
        "Segments": [{"Id": document["id"], "Document": json.dumps(document)} for document in trace],
    }


async def open_daemon(service: XRayService, journal: Journal) -> tuple[asyncio.DatagramTransport, str]:
    """Listen for segments on a free port of the loopback; the socket, to be closed, and its `host:port`."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: XRayDaemon(service.take, journal), local_addr=("127.0.0.1", 0)
    )
    host, port = transport.get_extra_info("sockname")[:2]
    return transport, f"{host}:{port}"


class XRayDaemon(asyncio.DatagramProtocol):
    """The socket that functions' SDKs send segments to (AWS_XRAY_DAEMON_ADDRESS): a header line, then a document."""

    def __init__(self, take: Callable[[str], str], journal: Journal) -> None:
        self._take = take
        self._journal = journal

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Keep a document; one that is unreadable is told of in the journal."""
        header, _, document = data.partition(b"\n")
        problem = (
            "it has no header" if b"json" not in header else self._take(document.decode("utf-8", "replace"))
        )
        if problem:
            self._journal.failure(f"X-Ray's daemon could not take a segment: {problem}")
